"""Whatever is in a field table, the answer is valid JSON."""

import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from broker.core.arguments import Field
from broker.management.json_values import DEEPEST, json_table

scalars = st.one_of(
    st.builds(Field, st.just("S"), st.binary(max_size=20)),
    st.builds(Field, st.just("x"), st.binary(max_size=20)),
    st.builds(Field, st.just("l"), st.integers(-(2**63), 2**63 - 1)),
    st.builds(Field, st.just("d"), st.floats()),
    st.builds(Field, st.just("D"), st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1))),
    st.builds(Field, st.just("T"), st.integers(0, 2**63 - 1)),
    st.builds(Field, st.just("t"), st.booleans()),
    st.just(Field("V", None)),
)
fields = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.builds(Field, st.just("A"), st.lists(inner, max_size=4)),
        st.builds(Field, st.just("F"), st.dictionaries(st.binary(max_size=8), inner, max_size=4)),
    ),
    max_leaves=12,
)


@given(table=st.dictionaries(st.binary(max_size=8), fields, max_size=5))
def test_any_table_becomes_an_object_that_json_can_hold(table: dict[bytes, Field]) -> None:
    read_back = json.loads(msgspec.json.encode(json_table(table)))
    assert isinstance(read_back, dict)


def test_values_keep_their_meaning() -> None:
    table = {
        b"text": Field("S", "dürer".encode()),
        b"octets": Field("S", b"\xff\x00"),
        b"binary": Field("x", b"\xff"),
        b"price": Field("D", (2, 1999)),
        b"nothing": Field("V", None),
        b"flags": Field("A", [Field("t", True), Field("I", -1)]),
        b"inner": Field("F", {b"k": Field("d", float("nan"))}),
        b"empty": Field("F", {}),
    }
    assert json_table(table) == {
        "text": "dürer",
        "octets": "\\xff\x00",
        "binary": "/w==",
        "price": 19.99,
        "nothing": None,
        "flags": [True, -1],
        "inner": {"k": None},
        "empty": {},
    }


def test_nesting_beyond_every_reader_is_cut() -> None:
    field = Field("S", b"bottom")
    for _ in range(10 * DEEPEST):
        field = Field("F", {b"k": field})
    text = msgspec.json.encode(json_table({b"top": field}))
    assert text.count(b"{") <= DEEPEST + 2
    assert b"bottom" not in text
