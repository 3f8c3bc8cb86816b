"""Reads the arguments of one method frame, field by field. AMQP 0-9-1 §4.2.5.

Used off the message path; ``basic.publish`` and ``basic.ack`` are read in place by the connection.
"""

from typing import Final, final

from librt.strings import read_i64_be
from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table, erlang_octets
from broker.core.errors import FRAME_ERROR, HardError
from broker.wire.octets import get_u16, get_u32
from broker.wire.tables import CODEC_LIMITS, TableLimits, decode_table, undecodable


@final
@mypyc_attr(native_class=True)
class ArgumentReader:
    """A cursor over the payload of a method frame, beyond the class and method number.

    Every read checks the octets that are left and raises HardError 501 if they do not suffice.
    """

    def __init__(self, payload: bytes, tables: TableLimits = CODEC_LIMITS) -> None:
        self.payload: Final = payload
        self._tables: Final = tables
        self.pos: i64 = 4

    def _take(self, count: i64) -> i64:
        start = self.pos
        if count > len(self.payload) - start:
            raise undecodable(self.payload, 4, len(self.payload))
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
        text = self.short_octets()
        if not text.isascii() and not is_utf8(text):
            raise HardError(FRAME_ERROR, "Malformed UTF-8 in shortstr", names_method=False)
        return text

    def short_octets(self) -> bytes:
        """A short string of any octets, as RabbitMQ takes the names in ``basic.publish``."""
        size = self.octet()
        start = self._take(size)
        return self.payload[start : start + size]

    def longstr(self) -> bytes:
        """A long string: any octets."""
        size = self.long()
        start = self._take(size)
        return self.payload[start : start + size]

    def table(self) -> Table:
        """A field table."""
        size = self.long()
        start = self._take(size)
        return decode_table(self.payload, start, start + size, self._tables)

    def end(self) -> None:
        """There must be nothing more: octets left over are as wrong as octets missing."""
        if self.pos != len(self.payload):
            raise undecodable(self.payload, 4, len(self.payload))


def is_utf8(text: bytes) -> bool:
    """Is ``text`` well-formed UTF-8?"""
    try:
        text.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def octets_text(octets: bytes) -> str:
    """The octets of a frame's payload, or the first sixteen, as RabbitMQ's frame errors tell them."""
    if len(octets) <= 16:
        return f"all octets = {erlang_octets(octets)}"
    return f"first 16 octets = {erlang_octets(octets[:16])}"
