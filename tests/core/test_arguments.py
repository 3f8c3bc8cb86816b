"""Field values: when two are the same, and how they are printed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.arguments import (
    TYPE_NAMES,
    Field,
    Table,
    array,
    boolean,
    canonical_table,
    canonical_value,
    described,
    erlang_octets,
    integer,
    is_integer,
    long,
    longstr,
    printed,
    same_table,
    same_value,
    table,
    timestamp,
    type_name,
)

INTEGER_KINDS = "bBsuIil"


@pytest.mark.parametrize("kind", list(TYPE_NAMES))
def test_only_the_seven_integer_letters_count_as_integers(kind: str) -> None:
    assert is_integer(Field(kind, None)) == (kind in INTEGER_KINDS)


@pytest.mark.parametrize("a", list(INTEGER_KINDS))
@pytest.mark.parametrize("b", list(INTEGER_KINDS))
def test_integer_width_does_not_matter(a: str, b: str) -> None:
    assert same_value(Field(a, 10), Field(b, 10))
    assert not same_value(Field(a, 10), Field(b, 11))


# Python holds True == 1 == 1.0, so these pairs are where a comparison of bare values goes wrong.
@pytest.mark.parametrize(
    ("a", "b"),
    [
        (long(10), Field("d", 10.0)),
        (long(1), boolean(True)),
        (long(10), longstr(b"10")),
        (long(10), timestamp(10)),
        (Field("d", 1.0), boolean(True)),
        (longstr(b"a"), Field("x", b"a")),
        (long(0), Field("V", None)),
        (array([long(1)]), array([boolean(True)])),
        (array([long(1)]), array([long(1), long(1)])),
        (array([long(1), long(2)]), array([long(2), long(1)])),
        (table({b"a": long(1)}), table({b"a": Field("d", 1.0)})),
        (table({b"a": long(1)}), table({b"b": long(1)})),
        (table({b"a": long(1)}), table({})),
        (Field("D", (1, 10)), Field("D", (2, 10))),
    ],
)
def test_values_of_different_types_or_contents_are_not_the_same(a: Field, b: Field) -> None:
    assert not same_value(a, b)
    assert not same_value(b, a)
    assert canonical_value(a) != canonical_value(b)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (Field("f", 1.5), Field("d", 1.5)),
        (Field("d", 0.0), Field("d", -0.0)),
        (array([Field("I", 1)]), array([long(1)])),
        (table({b"a": Field("s", 1), b"b": longstr(b"x")}), table({b"b": longstr(b"x"), b"a": long(1)})),
    ],
)
def test_values_that_differ_only_in_width_or_order_are_the_same(a: Field, b: Field) -> None:
    assert same_value(a, b)
    assert canonical_value(a) == canonical_value(b)


def test_absent_argument_equals_only_an_absent_one() -> None:
    assert same_value(None, None)
    assert not same_value(None, Field("V", None))
    assert not same_value(long(1), None)


def test_equality_operator_tells_letters_apart() -> None:
    assert Field("I", 1) == Field("I", 1)
    assert Field("I", 1) != long(1)
    assert hash(Field("I", 1)) == hash(Field("I", 1))
    assert Field("I", 1) != 1


def test_integer_gives_the_number_of_an_integer_and_a_timestamp() -> None:
    assert integer(long(-5)) == -5
    assert integer(timestamp(2**63)) == 2**63


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (Field("I", 10), "the value '10' of type 'signedint'"),
        (long(-1), "the value '-1' of type 'long'"),
        (longstr(b"lazy"), "the value 'lazy' of type 'longstr'"),
        (boolean(True), "the value 'true' of type 'bool'"),
        (boolean(False), "the value 'false' of type 'bool'"),
        (Field("d", 10.0), "the value '10.0' of type 'double'"),
        (Field("d", 1e22), "the value '1.0e22' of type 'double'"),
        (Field("d", 1.5e-7), "the value '1.5e-7' of type 'double'"),
        (Field("D", (2, 314)), "the value '{2,314}' of type 'decimal'"),
        (Field("V", None), "the value 'undefined' of type 'void'"),
        (table({b"k": longstr(b"v")}), "the value '[{<<\"k\">>,longstr,<<\"v\">>}]' of type 'table'"),
        (array([long(1), longstr(b"v")]), "the value '[{long,1},{longstr,<<\"v\">>}]' of type 'array'"),
        (None, "none"),
    ],
)
def test_value_is_described_in_the_words_of_an_inequivalence_text(field: Field | None, text: str) -> None:
    assert described(field) == text


# What Erlang/OTP 25 prints for each of these with ~p, which is how RabbitMQ prints them.
@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.0"),
        (1.5, "1.5"),
        (-2.25, "-2.25"),
        (100.0, "100.0"),
        (1000.0, "1.0e3"),
        (100000.0, "1.0e5"),
        (123456.0, "123456.0"),
        (1500.0, "1.5e3"),
        (0.001, "0.001"),
        (0.05, "0.05"),
        (0.5, "0.5"),
        (0.00001, "1.0e-5"),
        (1.5e-7, "1.5e-7"),
        (1e22, "1.0e22"),
        (-1e300, "-1.0e300"),
        (123456789012345680.0, "1.2345678901234568e17"),
        (9007199254740991.0, "9007199254740991.0"),
        (9007199254740992.0, "9.007199254740992e15"),
        (0.1, "0.1"),
        (1234.5, "1234.5"),
        (0.0123, "0.0123"),
        (0.00123, "0.00123"),
        (0.000123, "1.23e-4"),
    ],
)
def test_float_is_printed_as_erlang_prints_it(value: float, text: str) -> None:
    assert printed(Field("d", value)) == text


def test_printed_string_that_is_not_utf8_is_replaced_and_not_refused() -> None:
    assert printed(longstr(b"a\xff")) == "a\ufffd"


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"foo", '<<"foo">>'),
        (b"", "<<>>"),
        (b'a"b\\', '<<"a\\"b\\\\">>'),
        (b"a\n", '<<"a\\n">>'),
        (b"\x00\x01", "<<0,1>>"),
    ],
)
def test_octets_are_printed_as_erlang_prints_a_binary(octets: bytes, text: str) -> None:
    assert erlang_octets(octets) == text


def test_type_names_are_rabbitmqs() -> None:
    assert [type_name(Field(kind, None)) for kind in "biuSlFV"] == [
        "byte",
        "unsignedint",
        "unsignedshort",
        "longstr",
        "long",
        "table",
        "void",
    ]


# Few names and values, so that equal and nearly equal tables are common.
LEAVES = st.one_of(
    st.builds(Field, st.sampled_from("bIl"), st.integers(0, 2)),
    st.builds(Field, st.sampled_from("fd"), st.sampled_from([0.0, -0.0, 1.0])),
    st.builds(longstr, st.sampled_from([b"", b"1", b"a"])),
    st.builds(boolean, st.booleans()),
    st.just(Field("V", None)),
)
NAMES = st.sampled_from([b"a", b"b", b"ab"])
FIELDS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(array, st.lists(inner, max_size=2)), st.builds(table, st.dictionaries(NAMES, inner, max_size=2))
    ),
    max_leaves=4,
)
TABLES = st.dictionaries(NAMES, FIELDS, max_size=3)


@given(a=TABLES, b=TABLES)
def test_canonical_octets_are_equal_exactly_for_the_same_tables(a: Table, b: Table) -> None:
    assert (canonical_table(a) == canonical_table(b)) == same_table(a, b)
    assert same_table(a, dict(reversed(list(a.items()))))
