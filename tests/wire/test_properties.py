"""Content headers: the scanner and the rewriter, with pamqp as the referee."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pamqp import commands, header

from broker.core.arguments import Table, long, longstr
from broker.core.errors import HardError
from broker.wire.octets import get_u16
from broker.wire.properties import (
    FLAG_CONTENT_TYPE,
    FLAG_CONTINUATION,
    FLAG_CORRELATION_ID,
    FLAG_MESSAGE_ID,
    FLAG_TIMESTAMP,
    HEADER_SIZE,
    PropertyScanner,
    body_size,
    expiration_of,
    headers_of,
    property_octets,
    rewritten,
)
from broker.wire.tables import encode_table

SHORT = st.text(max_size=20)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "content_type": SHORT,
    "content_encoding": SHORT,
    "headers": st.dictionaries(
        st.text(max_size=8),
        st.one_of(st.integers(-(2**31), 2**31 - 1), st.booleans(), st.text(max_size=30)),
        max_size=4,
    ),
    "delivery_mode": st.integers(0, 255),
    "priority": st.integers(0, 255),
    "correlation_id": SHORT,
    "reply_to": SHORT,
    "expiration": SHORT,
    "message_id": SHORT,
    "timestamp": st.integers(0, 2**31).map(lambda seconds: datetime.fromtimestamp(seconds, UTC)),
    "message_type": SHORT,
    "user_id": SHORT,
    "app_id": SHORT,
    "cluster_id": SHORT,
}
FULL: dict[str, Any] = {
    "content_type": "text/plain",
    "content_encoding": "gzip",
    "headers": {"k": "v"},
    "delivery_mode": 2,
    "priority": 9,
    "correlation_id": "c",
    "reply_to": "r",
    "expiration": "1000",
    "message_id": "m",
    "timestamp": datetime(2024, 1, 1, tzinfo=UTC),
    "message_type": "t",
    "user_id": "guest",
    "app_id": "a",
    "cluster_id": "",
}
subsets = st.fixed_dictionaries({}, optional=VALUES)


def encoded(properties: dict[str, Any], size: int = 5) -> bytes:
    """The header as pamqp writes it. It leaves out what is None or empty; the flags tell which."""
    made = commands.Basic.Properties()
    for name, value in properties.items():
        setattr(made, name, value)
    return header.ContentHeader(0, size, made).marshal()


def decoded(octets: bytes) -> dict[str, Any]:
    """What pamqp reads, as text where it makes octets of it."""
    read = header.ContentHeader()
    read.unmarshal(octets)
    return {name: value for name, value in dict(read.properties).items() if value is not None}


def scanned(octets: bytes) -> PropertyScanner:
    scanner = PropertyScanner()
    assert scanner.scan(octets)
    return scanner


def text(octets: bytes, start: int, end: int) -> str | None:
    return octets[start:end].decode() if start else None


@given(properties=subsets)
@example(properties=FULL)
@example(properties={})
def test_scanner_finds_what_pamqp_finds(properties: dict[str, Any]) -> None:
    octets = encoded(properties)
    theirs = decoded(octets)
    scanner = scanned(octets)
    assert scanner.is_persistent == (theirs.get("delivery_mode") == 2)
    assert scanner.priority == theirs.get("priority", 0)
    assert text(octets, scanner.expiration_start, scanner.expiration_end) == theirs.get("expiration")
    assert text(octets, scanner.user_id_start, scanner.user_id_end) == theirs.get("user_id")
    assert (scanner.headers_start > 0) == ("headers" in theirs)
    expiration = theirs.get("expiration")
    assert expiration_of(octets) == (None if expiration is None else expiration.encode())
    table = headers_of(octets)
    assert (None if table is None else set(table)) == (
        {name.encode() for name in theirs["headers"]} if "headers" in theirs else None
    )


@given(properties=subsets)
@example(properties=FULL)
def test_header_cut_at_any_octet_is_refused(properties: dict[str, Any]) -> None:
    whole = encoded(properties)
    scanner = PropertyScanner()
    for cut in range(HEADER_SIZE, len(whole)):
        assert not scanner.scan(whole[:cut]), cut
        assert headers_of(whole[:cut]) is None
    assert scanner.scan(whole)


@given(properties=subsets)
def test_octets_behind_the_last_property_are_refused(properties: dict[str, Any]) -> None:
    assert not PropertyScanner().scan(encoded(properties) + b"\x00")


@given(flags=st.integers(0, 0xFFFF), octets=st.binary(max_size=40))
def test_scanner_never_points_beyond_a_header_that_it_accepts(flags: int, octets: bytes) -> None:
    whole = bytes(12) + flags.to_bytes(2, "big") + octets
    scanner = PropertyScanner()
    if scanner.scan(whole):
        for start, end in [
            (scanner.headers_start, scanner.headers_end),
            (scanner.expiration_start, scanner.expiration_end),
            (scanner.user_id_start, scanner.user_id_end),
        ]:
            assert start == 0 or HEADER_SIZE < start <= end <= len(whole)


@pytest.mark.parametrize("size", [0x7F, 0x80, 0xFF])
def test_property_text_may_be_long(size: int) -> None:
    octets = encoded({"correlation_id": "c" * size, "user_id": "u" * size, "expiration": "9" * size})
    scanner = scanned(octets)
    assert text(octets, scanner.user_id_start, scanner.user_id_end) == "u" * size
    assert text(octets, scanner.expiration_start, scanner.expiration_end) == "9" * size


@pytest.mark.parametrize("size", [2**31 - 5, 2**31, 2**32 - 4, 2**32 - 1])
def test_headers_length_beyond_the_frame_is_refused_whatever_its_sign_bit(size: int) -> None:
    octets = bytes(12) + b"\x20\x00" + size.to_bytes(4, "big") + b"\x01kV"
    assert not PropertyScanner().scan(octets)


def test_flags_that_go_on_in_a_further_word_are_refused() -> None:
    octets = encoded({"delivery_mode": 2})
    flags = get_u16(octets, 12) | FLAG_CONTINUATION
    assert not PropertyScanner().scan(octets[:12] + int(flags).to_bytes(2, "big") + octets[14:])


@given(properties=subsets)
@example(properties=FULL)
@example(properties={})
def test_one_property_is_found_wherever_it_is(properties: dict[str, Any]) -> None:
    octets = encoded(properties)
    found = decoded(octets)
    flags = {
        "content_type": FLAG_CONTENT_TYPE,
        "correlation_id": FLAG_CORRELATION_ID,
        "message_id": FLAG_MESSAGE_ID,
    }
    for name, flag in flags.items():
        value = property_octets(octets, flag)
        assert (None if value is None else value.decode()) == found.get(name)
    stamp = property_octets(octets, FLAG_TIMESTAMP)
    expected = found.get("timestamp")
    assert (stamp is None) == (expected is None)
    if stamp is not None and expected is not None:
        assert int.from_bytes(stamp, "big") == int(expected.timestamp())


def test_scanner_forgets_the_message_before() -> None:
    scanner = PropertyScanner()
    assert scanner.scan(encoded(FULL))
    assert scanner.scan(encoded({}))
    assert not scanner.is_persistent
    assert (scanner.priority, scanner.headers_start, scanner.expiration_start, scanner.user_id_start) == (0, 0, 0, 0)


@pytest.mark.parametrize("mode", [0, 1, 3, 255])
def test_only_delivery_mode_2_is_persistent(mode: int) -> None:
    assert not scanned(bytes(12) + b"\x10\x00" + bytes([mode])).is_persistent
    assert scanned(bytes(12) + b"\x10\x00\x02").is_persistent


def test_headers_that_cannot_be_decoded_are_a_frame_error() -> None:
    with pytest.raises(HardError) as caught:
        headers_of(bytes(12) + b"\x20\x00\x00\x00\x00\x03\x01k?")
    assert caught.value.reply_code == 501


def test_empty_headers_are_not_absent_headers() -> None:
    assert headers_of(bytes(12) + b"\x20\x00\x00\x00\x00\x00") == {}
    assert headers_of(bytes(14)) is None


@pytest.mark.parametrize("size", [0, 1, 0x7FFF, 0x8000, 0xFFFF, 2**31, 2**32 - 1, 2**32, 2**63 - 1])
def test_body_size_is_eight_octets(size: int) -> None:
    assert body_size(encoded({}, size)) == size


def test_body_size_with_its_top_bit_set_is_negative() -> None:
    assert body_size(bytes(4) + b"\x80" + bytes(9)) == -(2**63)


NEW: Table = {b"x-death": longstr(b"once"), b"n": long(2**40)}
NEW_AS_PAMQP_READS_IT = {"x-death": "once", "n": 2**40}


@given(properties=subsets, keep=st.booleans())
@example(properties=FULL, keep=True)
@example(properties=FULL, keep=False)
@example(properties={}, keep=False)
def test_rewritten_header_differs_in_headers_and_expiration_only(properties: dict[str, Any], keep: bool) -> None:
    octets = encoded(properties, 77)
    expected = decoded(octets) | {"headers": NEW_AS_PAMQP_READS_IT}
    if not keep:
        expected.pop("expiration", None)
    made = rewritten(octets, NEW, keep_expiration=keep)
    assert decoded(made) == expected
    assert body_size(made) == 77
    assert scanned(made).headers_start > 0
    assert headers_of(made) == NEW


@given(properties=subsets)
def test_rewriting_with_the_same_headers_changes_no_octet(properties: dict[str, Any]) -> None:
    octets = encoded(properties | {"headers": {"k": "v"}})
    assert rewritten(octets, {b"k": longstr(b"v")}, keep_expiration=True) == octets


def test_rewritten_header_may_have_an_empty_table() -> None:
    assert rewritten(bytes(14), {}, keep_expiration=True) == bytes(12) + b"\x20\x00" + encode_table({})
