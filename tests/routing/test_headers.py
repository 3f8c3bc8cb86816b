"""Headers matching: the table of modes, the index against a scan, and refusals in RabbitMQ's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.arguments import Field, Table, array, boolean, long, longstr, same_value, table
from broker.core.destination import Destination
from broker.core.errors import SoftError
from broker.routing.exchange import ExchangeTraits
from broker.routing.headers import HeadersExchange
from broker.routing.matches import Matches


def queue(name: bytes) -> Destination:
    return Destination(name, "/", False, True)


def headers_exchange() -> HeadersExchange:
    return HeadersExchange(b"x", "/", ExchangeTraits())


def collected(source: HeadersExchange, headers: Table | None) -> set[bytes]:
    matches = Matches()
    source.collect(b"", headers, matches)
    assert len({d.name for d in matches.found}) == len(matches.found)
    return {destination.name for destination in matches.found}


VOID = Field("V", None)
A1, B2, X3 = {b"a": longstr(b"1")}, {b"b": long(2)}, {b"x-c": long(3)}


@pytest.mark.parametrize(
    ("mode", "required", "headers", "expected"),
    [
        # all, and absent, which means all
        (None, {}, None, True),
        (None, {}, {}, True),
        (b"all", {}, None, True),
        (b"all", {}, A1, True),
        (None, A1, A1, True),
        (b"all", A1 | B2, A1 | B2, True),
        (b"all", A1 | B2, A1 | B2 | X3, True),
        (b"all", A1 | B2, A1, False),
        (b"all", A1, None, False),
        (b"all", A1, {}, False),
        (b"all", A1 | X3, A1, True),
        (b"all", X3, None, True),
        # any
        (b"any", {}, None, False),
        (b"any", {}, A1, False),
        (b"any", A1 | B2, A1, True),
        (b"any", A1 | B2, B2, True),
        (b"any", A1 | B2, {b"a": longstr(b"2")}, False),
        (b"any", A1, None, False),
        (b"any", A1 | X3, X3, False),
        (b"any", X3, X3, False),
        # with-x: only x-match itself is left out
        (b"all-with-x", A1 | X3, A1, False),
        (b"all-with-x", A1 | X3, A1 | X3, True),
        (b"all-with-x", {}, None, True),
        (b"any-with-x", A1 | X3, X3, True),
        (b"any-with-x", A1 | X3, {b"x-match": longstr(b"any-with-x")}, False),
        (b"any-with-x", {}, A1, False),
        # void: presence suffices, but absence does not
        (b"all", {b"a": VOID}, A1, True),
        (b"all", {b"a": VOID}, {b"a": VOID}, True),
        (b"all", {b"a": VOID}, B2, False),
        (b"any", {b"a": VOID} | B2, {b"a": long(9)}, True),
        (b"all", A1, {b"a": VOID}, False),
        # values: integer widths do not matter, types do
        (b"all", B2, {b"b": Field("B", 2)}, True),
        (b"all", B2, {b"b": Field("d", 2.0)}, False),
        (b"all", B2, {b"b": longstr(b"2")}, False),
        # and binaries are strings, timestamps integers
        (b"any", B2, {b"b": Field("T", 2)}, True),
        (b"all", A1, {b"a": Field("x", b"1")}, True),
        (b"all", {b"a": Field("x", b"1")}, A1, True),
        (b"all", {b"a": Field("x", b"1")} | B2, A1 | {b"b": Field("T", 2)}, True),
        (b"all", {b"b": long(1)}, {b"b": boolean(True)}, False),
        (b"all", {b"b": table({b"p": long(1), b"q": VOID})}, {b"b": table({b"q": VOID, b"p": Field("b", 1)})}, True),
        (b"all", {b"b": array([long(1)])}, {b"b": array([long(2)])}, False),
    ],
)
def test_binding_matches_by_its_mode(
    mode: bytes | None, required: Table, headers: Table | None, expected: bool
) -> None:
    source = headers_exchange()
    arguments = dict(required)
    if mode is not None:
        arguments[b"x-match"] = longstr(mode)
    source.check_binding(b"", arguments)
    source.add(queue(b"q"), b"", arguments)
    assert collected(source, headers) == ({b"q"} if expected else set())


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (longstr(b"foo"), 'value <<"foo">>; expected all, any, all-with-x, or any-with-x'),
        (longstr(b""), "value <<>>; expected all, any, all-with-x, or any-with-x"),
        (Field("I", 23), "type signedint (value 23); expected longstr"),
        (boolean(True), "type bool (value true); expected longstr"),
        (VOID, "type void (value undefined); expected longstr"),
        (Field("x", b"all"), 'type binary (value <<"all">>); expected longstr'),
    ],
)
def test_bad_x_match_is_refused_in_rabbitmqs_words(field: Field, text: str) -> None:
    with pytest.raises(SoftError) as caught:
        headers_exchange().check_binding(b"", {b"x-match": field})
    assert caught.value.reply_text == f"PRECONDITION_FAILED - Invalid x-match field {text}"


def test_routing_key_plays_no_part_but_distinguishes_bindings() -> None:
    source, q = headers_exchange(), queue(b"q")
    assert source.add(q, b"one", A1)
    assert source.add(q, b"two", A1)
    assert collected(source, A1) == {b"q"}
    source.remove(q, b"one", A1)
    assert collected(source, A1) == {b"q"}
    source.remove(q, b"two", A1)
    assert collected(source, A1) == set()


FIELDS = st.one_of(
    st.builds(Field, st.sampled_from("bIl"), st.integers(0, 1)),
    st.builds(Field, st.sampled_from("fd"), st.sampled_from([0.0, -0.0, 1.0])),
    st.sampled_from(
        [
            VOID,
            boolean(True),
            longstr(b""),
            longstr(b"1"),
            table({}),
            table({b"a": long(1)}),
            Field("x", b"1"),
            Field("T", 1),
        ]
    ),
)
NAMES = st.sampled_from([b"a", b"b", b"x-c"])
TABLES = st.dictionaries(NAMES, FIELDS, max_size=3)
MODES = st.sampled_from([b"all", b"any", b"all-with-x", b"any-with-x"])


def naive_same(wanted: Field, header: Field) -> bool:
    """Equal values, with binaries for strings and timestamps for integers."""
    plain = [Field({"x": "S", "T": "l"}.get(field.kind, field.kind), field.value) for field in (wanted, header)]
    return same_value(*plain)


def naive_match(mode: bytes, required: Table, headers: Table) -> bool:
    """The definition, by looking at every argument."""
    met = [
        name in headers and (wanted.kind == "V" or naive_same(wanted, headers[name]))
        for name, wanted in required.items()
        if mode.endswith(b"-with-x") or not name.startswith(b"x-")
    ]
    return all(met) if mode.startswith(b"all") else any(met)


@given(
    rules=st.lists(st.tuples(MODES, TABLES), max_size=6),
    removed=st.sets(st.integers(0, 5)),
    messages=st.lists(TABLES, max_size=4),
)
def test_index_agrees_with_a_scan(rules: list[tuple[bytes, Table]], removed: set[int], messages: list[Table]) -> None:
    source = headers_exchange()
    bound = [(queue(b"%d" % i), mode, required) for i, (mode, required) in enumerate(rules)]
    for q, mode, required in bound:
        source.add(q, b"", required | {b"x-match": longstr(mode)})
    for i in removed:
        if i < len(bound):
            source.remove(bound[i][0], b"", bound[i][2] | {b"x-match": longstr(bound[i][1])})
    left = [rule for i, rule in enumerate(bound) if i not in removed]
    for headers in messages:
        assert collected(source, headers) == {q.name for q, mode, want in left if naive_match(mode, want, headers)}


def test_binding_with_a_thousand_arguments_needs_every_one_of_them() -> None:
    source = headers_exchange()
    required: Table = {b"%d" % i: long(i) for i in range(1000)}
    source.add(queue(b"q"), b"", required)
    assert collected(source, required) == {b"q"}
    assert collected(source, required | {b"999": long(0)}) == set()
    del required[b"0"]
    assert collected(source, required) == set()
