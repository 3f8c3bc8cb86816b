"""Unsigned integers over librt's signed ones. AMQP 0-9-1 §4.2.5.2: network byte order."""

from librt.strings import BytesWriter, read_i16_be, read_i32_be, write_i16_be, write_i32_be, write_i64_be
from mypy_extensions import i16, i32, i64, u8


def get_u16(data: bytes, pos: i64) -> i64:
    """Two octets at ``pos``, 0 to 65535."""
    return i64(read_i16_be(data, pos)) & 0xFFFF


def get_u32(data: bytes, pos: i64) -> i64:
    """Four octets at ``pos``, 0 to 2^32 - 1."""
    return i64(read_i32_be(data, pos)) & 0xFFFFFFFF


def put_u8(out: BytesWriter, n: i64) -> None:
    """One octet; ``n`` is 0 to 255."""
    out.append(u8(n))


def put_u16(out: BytesWriter, n: i64) -> None:
    """Two octets; ``n`` is 0 to 65535. Interpreted, librt refuses what does not fit a signed short: hence the fold."""
    write_i16_be(out, i16(n - 0x10000 if n > 0x7FFF else n))


def put_u32(out: BytesWriter, n: i64) -> None:
    """Four octets; ``n`` is 0 to 2^32 - 1."""
    write_i32_be(out, i32(n - 0x100000000 if n > 0x7FFFFFFF else n))


def put_shortstr(out: BytesWriter, text: bytes) -> None:
    """Length octet and text; at most 255 octets, which the caller has seen to."""
    out.append(u8(len(text)))
    out.write(text)


def shortstr(text: bytes) -> bytes:
    """A short string, cut at 255 octets. §4.2.5.3."""
    if len(text) > 255:
        text = text[:255]
    return bytes([len(text)]) + text


def longstr(text: bytes) -> bytes:
    """A long string: four octets of length, then the text. §4.2.5.3."""
    return u32(len(text)) + text


def u16(n: i64) -> bytes:
    """Two octets."""
    out = BytesWriter()
    put_u16(out, n)
    return out.getvalue()


def u32(n: i64) -> bytes:
    """Four octets."""
    out = BytesWriter()
    put_u32(out, n)
    return out.getvalue()


def u64(n: i64) -> bytes:
    """Eight octets; ``n`` is not negative."""
    out = BytesWriter()
    write_i64_be(out, n)
    return out.getvalue()
