"""Field tables: exact octets both ways, and every limit a peer can run into."""

import math
import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.arguments import TYPE_NAMES, Field, Table, array, long, longstr, same_table, table
from broker.core.errors import HardError
from broker.wire.tables import MAX_TABLE_DEPTH, MAX_TABLE_ITEMS, decode_table, encode_table


def decoded(octets: bytes) -> Table:
    """Decode from the middle of a larger buffer, so that a read past the end would find octets."""
    return decode_table(b"\x01S" + octets + b"\x01aS\x00\x00\x00\x00", 2, 2 + len(octets))


def decoded_or_refused(octets: bytes) -> Table | None:
    """None for the one refusal that broken octets may meet; anything else is raised."""
    try:
        return decoded(octets)
    except HardError as error:
        if error.reply_code != 501:
            raise
        return None


def refusal(octets: bytes) -> HardError:
    with pytest.raises(HardError) as caught:
        decoded(octets)
    return caught.value


VECTORS = [
    (b"\x01at\x01", {b"a": Field("t", True)}),
    (b"\x01at\x00", {b"a": Field("t", False)}),
    (b"\x01ab\x80", {b"a": Field("b", -128)}),
    (b"\x01aB\x80", {b"a": Field("B", 128)}),
    (b"\x01as\x80\x00", {b"a": Field("s", -32768)}),
    (b"\x01au\x80\x00", {b"a": Field("u", 32768)}),
    (b"\x01aI\x80\x00\x00\x00", {b"a": Field("I", -(2**31))}),
    (b"\x01ai\x80\x00\x00\x00", {b"a": Field("i", 2**31)}),
    (b"\x01al\x80" + bytes(7), {b"a": Field("l", -(2**63))}),
    (b"\x01aT\x80" + bytes(7), {b"a": Field("T", 2**63)}),
    (b"\x01af\x3f\xc0\x00\x00", {b"a": Field("f", 1.5)}),
    (b"\x01ad\xbf\xf8" + bytes(6), {b"a": Field("d", -1.5)}),
    (b"\x01aD\x02\xff\xff\xff\xff", {b"a": Field("D", (2, 2**32 - 1))}),
    (b"\x01aS\x00\x00\x00\x02\xff\x00", {b"a": Field("S", b"\xff\x00")}),
    (b"\x01ax\x00\x00\x00\x00", {b"a": Field("x", b"")}),
    (b"\x01aV", {b"a": Field("V", None)}),
    (b"\x01aF\x00\x00\x00\x03\x01bV", {b"a": table({b"b": Field("V", None)})}),
    (b"\x01aF\x00\x00\x00\x00", {b"a": table({})}),
    (b"\x01aA\x00\x00\x00\x03VB\x07", {b"a": array([Field("V", None), Field("B", 7)])}),
    (b"\x00V\x02\xff\xfeV", {b"": Field("V", None), b"\xff\xfe": Field("V", None)}),
    (b"", {}),
]


@pytest.mark.parametrize(("octets", "expected"), VECTORS)
def test_every_letter_has_exact_octets_both_ways(octets: bytes, expected: Table) -> None:
    assert decoded(octets) == expected
    assert encode_table(expected) == len(octets).to_bytes(4, "big") + octets


def test_vectors_cover_every_letter() -> None:
    assert {field.kind for _, table_ in VECTORS for field in table_.values()} == set(TYPE_NAMES)


def test_capital_l_is_read_as_a_signed_long_and_sent_back_as_small_l() -> None:
    assert decoded(b"\x01aL" + b"\xff" * 8) == {b"a": long(-1)}
    assert encode_table({b"a": long(-1)}) == b"\x00\x00\x00\x0b\x01al" + b"\xff" * 8


def test_last_of_repeated_names_wins() -> None:
    assert decoded(b"\x01aB\x01\x01bV\x01aB\x02") == {b"a": Field("B", 2), b"b": Field("V", None)}


SIGNED = {"b": 8, "s": 16, "I": 32, "l": 64}
UNSIGNED = {"B": 8, "u": 16, "i": 32, "T": 64}
LEAVES = st.one_of(
    *[st.builds(Field, st.just(k), st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1)) for k, n in SIGNED.items()],
    *[st.builds(Field, st.just(k), st.integers(0, 2**n - 1)) for k, n in UNSIGNED.items()],
    st.builds(Field, st.just("t"), st.booleans()),
    st.builds(Field, st.just("d"), st.floats(allow_nan=False, allow_infinity=False)),
    st.builds(Field, st.just("f"), st.floats(width=32, allow_nan=False, allow_infinity=False)),
    st.builds(Field, st.just("D"), st.tuples(st.integers(0, 255), st.integers(0, 2**32 - 1))),
    st.builds(Field, st.sampled_from("Sx"), st.binary(max_size=20)),
    st.just(Field("V", None)),
)
NAMES = st.binary(max_size=255)
FIELDS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(array, st.lists(inner, max_size=4)), st.builds(table, st.dictionaries(NAMES, inner, max_size=4))
    ),
    max_leaves=12,
)
TABLES = st.dictionaries(NAMES, FIELDS, max_size=6)


@given(original=TABLES)
def test_table_survives_encoding_and_its_octets_survive_decoding(original: Table) -> None:
    octets = encode_table(original)
    assert int.from_bytes(octets[:4], "big") == len(octets) - 4
    back = decode_table(octets, 4, len(octets))
    assert back == original
    assert same_table(back, original)
    assert encode_table(back) == octets


@given(original=TABLES, data=st.data())
def test_table_cut_anywhere_is_refused_or_is_a_shorter_table(original: Table, data: st.DataObject) -> None:
    octets = encode_table(original)[4:]
    cut = data.draw(st.integers(0, len(octets)))
    shorter = decoded_or_refused(octets[:cut])
    assert shorter is None or encode_table(shorter)[4:] == octets[:cut]


@given(octets=st.binary(max_size=200))
def test_random_octets_are_decoded_or_refused_and_nothing_else(octets: bytes) -> None:
    accepted = decoded_or_refused(octets)
    if accepted is not None:
        again = encode_table(accepted)
        assert decode_table(again, 4, len(again)) == accepted


@pytest.mark.parametrize(
    "octets",
    [
        b"\x01",
        b"\x02a",
        b"\xff" + b"a" * 254,
        b"\x01a",
        b"\x01aI\x00\x00\x00",
        b"\x01aS\x00\x00\x00",
        b"\x01aS\x00\x00\x00\x01",
        b"\x01aS\xff\xff\xff\xff",
        b"\x01ax\x80\x00\x00\x00",
        b"\x01aF\x00\x00\x00\x05\x01bV",
        b"\x01aF\xff\xff\xff\xff\x01bV",
        b"\x01aA\x00\x00\x00\x04V",
        b"\x01aA\x00\x00\x00\x01I\x00\x00\x00\x00",
        b"\x01aF\x00\x00\x00\x02\x01bV",
        b"\x01az",
        b"\x01a\x00",
    ],
)
def test_length_beyond_its_table_or_unknown_letter_cannot_be_decoded(octets: bytes) -> None:
    error = refusal(octets)
    shown = ",".join(str(octet) for octet in octets[:113])
    assert error.reply_text == f"FRAME_ERROR - cannot decode <<{shown}>>"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(("kind", "layout"), [("f", ">f"), ("d", ">d")])
def test_float_that_is_not_a_number_is_refused_both_ways(value: float, kind: str, layout: str) -> None:
    assert refusal(b"\x01a" + kind.encode() + struct.pack(layout, value)).reply_code == 501
    with pytest.raises(OverflowError):
        encode_table({b"a": Field(kind, value)})


def test_float_too_large_for_its_letter_is_not_encoded() -> None:
    with pytest.raises(OverflowError):
        encode_table({b"a": Field("f", 1e39)})


@pytest.mark.parametrize(("start", "end"), [(0, 4), (3, 2), (-1, 2)])
def test_bounds_outside_the_data_cannot_be_decoded(start: int, end: int) -> None:
    with pytest.raises(HardError) as caught:
        decode_table(b"\x01aV", start, end)
    assert caught.value.reply_code == 501


def nested_tables(depth: int) -> bytes:
    """The octets of a table in which the innermost table is at that depth."""
    octets = b""
    for _ in range(depth - 1):
        octets = b"\x01aF" + len(octets).to_bytes(4, "big") + octets
    return octets


def nested_arrays(depth: int) -> bytes:
    octets = b""
    for _ in range(depth - 2):
        octets = b"A" + len(octets).to_bytes(4, "big") + octets
    return b"\x01aA" + len(octets).to_bytes(4, "big") + octets


@pytest.mark.parametrize("nested", [nested_tables, nested_arrays])
def test_table_may_nest_to_the_depth_limit(nested: Callable[[int], bytes]) -> None:
    octets = nested(MAX_TABLE_DEPTH)
    assert encode_table(decoded(octets))[4:] == octets


@pytest.mark.parametrize("nested", [nested_tables, nested_arrays])
@pytest.mark.parametrize("depth", [MAX_TABLE_DEPTH + 1, 10_000])
def test_deeper_table_is_a_syntax_error(nested: Callable[[int], bytes], depth: int) -> None:
    error = refusal(nested(depth))
    assert error.reply_text == "SYNTAX_ERROR - field table is nested deeper than 32 levels"


def test_deeper_table_is_not_encoded_either() -> None:
    field = table({})
    for _ in range(MAX_TABLE_DEPTH):
        field = array([field])
    with pytest.raises(HardError, match="deeper than 32"):
        encode_table({b"a": field})


def test_array_may_hold_values_up_to_the_item_limit() -> None:
    # The array itself is one value.
    octets = b"\x01aA" + (MAX_TABLE_ITEMS - 1).to_bytes(4, "big") + b"V" * (MAX_TABLE_ITEMS - 1)
    assert encode_table(decoded(octets))[4:] == octets


@pytest.mark.parametrize("count", [MAX_TABLE_ITEMS, 1_000_000])
def test_more_values_are_a_syntax_error(count: int) -> None:
    error = refusal(b"\x01aA" + count.to_bytes(4, "big") + b"V" * count)
    assert error.reply_text == "SYNTAX_ERROR - field table has more than 32768 values"
    with pytest.raises(HardError, match="more than 32768"):
        encode_table({b"a": array([Field("V", None)] * count)})


def test_table_of_twenty_thousand_names_is_accepted_whole() -> None:
    original = {b"%05d" % i: Field("V", None) for i in range(20_000)}
    octets = encode_table(original)
    assert decode_table(octets, 4, len(octets)) == original


def test_table_that_fills_a_frame_with_longest_names_is_accepted() -> None:
    original = {b"%0255d" % i: longstr(b"v" * 200) for i in range(280)}
    octets = encode_table(original)
    assert 128_000 < len(octets) < 131_064
    assert decode_table(octets, 4, len(octets)) == original


def test_name_of_more_than_255_octets_is_not_encoded() -> None:
    with pytest.raises(HardError, match="255 octets"):
        encode_table({b"a" * 256: Field("V", None)})


@pytest.mark.parametrize(("kind", "value"), [("b", 128), ("B", -1), ("s", 2**15), ("l", 2**63), ("T", -1)])
def test_number_too_large_for_its_letter_is_not_encoded(kind: str, value: int) -> None:
    with pytest.raises(OverflowError):
        encode_table({b"a": Field(kind, value)})
