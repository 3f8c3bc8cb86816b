"""Unsigned integers where the sign bit begins, in both directions: what a peer sends is never negative."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from broker.wire.octets import (
    get_u16,
    get_u32,
    longstr,
    put_shortstr,
    put_u8,
    put_u16,
    put_u32,
    shortstr,
    u16,
    u32,
    u64,
)

EDGES_U8 = [0, 1, 0x7F, 0x80, 0xFF]
EDGES_U16 = [*EDGES_U8, 0x100, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF]
EDGES_U32 = [*EDGES_U16, 0x10000, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]


@pytest.mark.parametrize("n", EDGES_U8)
def test_octet_is_written_as_it_is(n: int) -> None:
    out = BytesWriter()
    put_u8(out, n)
    assert out.getvalue() == bytes([n])


@pytest.mark.parametrize("n", EDGES_U16)
def test_short_is_unsigned_in_both_directions(n: int) -> None:
    out = BytesWriter()
    put_u16(out, n)
    octets = n.to_bytes(2, "big")
    assert out.getvalue() == octets
    assert u16(n) == octets
    assert get_u16(b"\xff" + octets + b"\xff", 1) == n


@pytest.mark.parametrize("n", EDGES_U32)
def test_long_is_unsigned_in_both_directions(n: int) -> None:
    out = BytesWriter()
    put_u32(out, n)
    octets = n.to_bytes(4, "big")
    assert out.getvalue() == octets
    assert u32(n) == octets
    assert get_u32(b"\xff" + octets + b"\xff", 1) == n


@pytest.mark.parametrize("n", [*EDGES_U32, 2**32, 2**63 - 1])
def test_longlong_is_eight_octets(n: int) -> None:
    assert u64(n) == n.to_bytes(8, "big")


@given(n=st.integers(0, 2**32 - 1), pos=st.integers(0, 5))
def test_long_is_read_at_its_position(n: int, pos: int) -> None:
    assert get_u32(bytes(pos) + n.to_bytes(4, "big") + b"\x80", pos) == n


@pytest.mark.parametrize("size", [0, 1, 127, 128, 255])
def test_short_string_has_one_octet_of_length(size: int) -> None:
    text = b"x" * size
    out = BytesWriter()
    put_shortstr(out, text)
    assert out.getvalue() == shortstr(text) == bytes([size]) + text


def test_short_string_is_cut_at_255_octets() -> None:
    assert shortstr(b"y" * 300) == b"\xff" + b"y" * 255


@pytest.mark.parametrize("size", [0, 127, 128, 255, 256, 0x7FFF, 0x8000, 0x10000])
def test_long_string_has_four_octets_of_length(size: int) -> None:
    text = b"z" * size
    assert longstr(text) == size.to_bytes(4, "big") + text
