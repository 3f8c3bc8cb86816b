"""Reads the arguments of one method frame, field by field. AMQP 0-9-1 §4.2.5.

Used off the message path; ``basic.publish`` and ``basic.ack`` are read in place by the connection.
"""

from typing import Final, final

from librt.strings import read_i64_be
from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table
from broker.core.errors import FRAME_ERROR, HardError
from broker.wire.octets import get_u16, get_u32
from broker.wire.tables import decode_table


@final
@mypyc_attr(native_class=True)
class ArgumentReader:
    """A cursor over the payload of a method frame, beyond the class and method number.

    Every read checks the octets that are left and raises HardError 501 if they do not suffice.
    """

    def __init__(self, payload: bytes) -> None:
        self.payload: Final = payload
        self.pos: i64 = 4

    def _take(self, count: i64) -> i64:
        start = self.pos
        if count > len(self.payload) - start:
            raise HardError(FRAME_ERROR, f"cannot decode {erlang_binary(self.payload)}")
        self.pos = start + count
        return start

    def octet(self) -> i64:
        """One octet; also the bits of up to eight boolean fields, lowest first."""
        return i64(self.payload[self._take(1)])

    def short(self) -> i64:
        """Two octets, unsigned."""
        return get_u16(self.payload, self._take(2))

    def long(self) -> i64:
        """Four octets, unsigned."""
        return get_u32(self.payload, self._take(4))

    def longlong(self) -> i64:
        """Eight octets; a value beyond 2^63 - 1 comes out negative, which no delivery tag is."""
        return read_i64_be(self.payload, self._take(8))

    def shortstr(self) -> bytes:
        """A short string, which must be UTF-8. §4.2.5.3."""
        size = self.octet()
        start = self._take(size)
        text = self.payload[start : start + size]
        if not text.isascii() and not is_utf8(text):
            raise HardError(FRAME_ERROR, "Malformed UTF-8 in shortstr")
        return text

    def longstr(self) -> bytes:
        """A long string: any octets."""
        size = self.long()
        start = self._take(size)
        return self.payload[start : start + size]

    def table(self) -> Table:
        """A field table."""
        size = self.long()
        start = self._take(size)
        return decode_table(self.payload, start, start + size)


def is_utf8(text: bytes) -> bool:
    """Is ``text`` well-formed UTF-8?"""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def erlang_binary(octets: bytes) -> str:
    """The octets as RabbitMQ prints a binary, the first sixteen of them: ``<<65,77,81>>``."""
    shown = ",".join([str(octet) for octet in octets[:16]])
    return f"<<{shown},...>>" if len(octets) > 16 else f"<<{shown}>>"
