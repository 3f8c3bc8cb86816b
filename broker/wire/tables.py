"""Field tables between octets and values. AMQP 0-9-1 §4.2.5.5, with the type letters that RabbitMQ uses.

A table is a 4-octet length, then pairs of a short string and a value; a value is a type letter and its octets; integers
are big-endian. Where the specification and RabbitMQ give a letter different meanings, RabbitMQ's holds, because every
client in use follows it: ``s`` is a signed 16-bit integer (not a short string), ``l`` and ``L`` are both signed 64-bit,
``x`` is a byte array.

The octets come from peers, before login too, so every length is compared with the end of what holds it before it is
used, and depth and number of values are limited. Time is linear in the octets: each is looked at once.

Not accepted, as in RabbitMQ, whose language has no such floats: NaN and the infinities. They could not be compared
either, so a binding with one could never be removed.
"""

from typing import Final, cast, final

from librt.strings import (
    BytesWriter,
    read_f32_be,
    read_f64_be,
    read_i16_be,
    read_i32_be,
    read_i64_be,
    write_f32_be,
    write_f64_be,
)
from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Field, Table
from broker.core.errors import FRAME_ERROR, SYNTAX_ERROR, HardError

# The outermost table is depth 1. Compiled code has no stack check of its own; no client nests deeper than a handful.
MAX_TABLE_DEPTH: Final = 32
# Values in one table, nested ones included. A one-octet void costs 100 octets in memory, so the octets are no bound.
MAX_TABLE_ITEMS: Final = 32_768
# More octets than these never fit into the 255 of a reply text, even at two characters each.
_SHOWN_OCTETS: Final = 113
_MAX_NAME_BYTES: Final = 255


@final
@mypyc_attr(native_class=True)
class TableLimits:
    """How much a peer may put into one table; at most what the codec bears itself.

    Attributes:
        depth: Of nesting; the outermost table is 1.
        items: Values, nested ones included.
    """

    def __init__(self, depth: i64, items: i64) -> None:
        self.depth: Final[i64] = min(depth, MAX_TABLE_DEPTH)
        self.items: Final[i64] = min(items, MAX_TABLE_ITEMS)


# What was once accepted and stored must be read again, whatever peers are allowed by now.
CODEC_LIMITS: Final = TableLimits(MAX_TABLE_DEPTH, MAX_TABLE_ITEMS)


def decode_table(data: bytes, start: i64, end: i64, limits: TableLimits = CODEC_LIMITS) -> Table:
    """Read the table in ``data[start:end]``, the octets after its length.

    Of repeated names the last one wins. Names are not required to be UTF-8.

    Raises:
        HardError: 501, a length beyond its table, an unknown letter or a float that is not a number;
            502, deeper or larger than ``limits``.
    """
    if start == end:
        return {}
    if start < 0 or end > len(data) or start > end:
        raise undecodable(data, start, end)
    return _TableReader(data, start, end, limits).read_table(end, 1)


def check_table(data: bytes, start: i64, end: i64, limits: TableLimits = CODEC_LIMITS) -> None:
    """Refuse what ``decode_table`` refuses, without making the table: for headers that are only passed on.

    Raises:
        HardError: 501 or 502, as ``decode_table``.
    """
    if start == end:
        return
    if start < 0 or end > len(data) or start > end:
        raise undecodable(data, start, end)
    _TableReader(data, start, end, limits).check_table(end, 1)


def table_field(data: bytes, start: i64, end: i64, name: bytes) -> Field | None:
    """One value of the table in ``data[start:end]``, without making the others; None if there is none of that name.

    Raises:
        HardError: 501 or 502, as ``decode_table``.
    """
    if start < 0 or end > len(data) or start > end:
        raise undecodable(data, start, end)
    return _TableReader(data, start, end, CODEC_LIMITS).find(name)


def encode_table(table: Table) -> bytes:
    """Write a table, with its 4-octet length.

    Raises:
        HardError: 502, what ``decode_table`` would not take back: too deep, too many values, a name over 255 octets.
        OverflowError: A number does not fit the width of its letter, or a float is not finite.
    """
    return _TableWriter().table(table, 1)


def undecodable(data: bytes, start: i64, end: i64) -> HardError:
    """The refusal of octets that make no sense, for the caller to raise: 501 with as many of them as it may show."""
    last = min(end, start + _SHOWN_OCTETS)
    # Compiled, a slice of bytes whose start is beyond its end is a SystemError and not empty.
    shown = data[start:last] if start < last else b""
    return HardError(FRAME_ERROR, "cannot decode <<" + ",".join([str(octet) for octet in shown]) + ">>")


def _too_deep(limit: i64) -> HardError:
    return HardError(SYNTAX_ERROR, f"field table is nested deeper than {limit} levels")


def _too_many(limit: i64) -> HardError:
    return HardError(SYNTAX_ERROR, f"field table has more than {limit} values")


@final
@mypyc_attr(native_class=True)
class _TableReader:
    """A walk over the octets of one outermost table.

    Attributes:
        position: The next octet to read. Every read first compares it with the end of the innermost table or array.
        items: Values read so far.
    """

    def __init__(self, data: bytes, start: i64, end: i64, limits: TableLimits) -> None:
        self.data: Final = data
        self.start: Final[i64] = start
        self.end: Final[i64] = end
        self.position: i64 = start
        self.items: i64 = 0
        self.max_depth: Final[i64] = limits.depth
        self.max_items: Final[i64] = limits.items

    def read_table(self, end: i64, depth: i64) -> Table:
        """Read pairs up to ``end``."""
        if depth > self.max_depth:
            raise _too_deep(self.max_depth)
        data = self.data
        table: Table = {}
        while self.position < end:
            start = self.position + 1
            # The letter after the name is what read_value asks for; here it is enough that the name itself fits.
            name_end: i64 = start + i64(data[self.position])
            if name_end > end:
                raise self.bad()
            self.position = name_end
            table[data[start:name_end]] = self.read_value(end, depth)
        return table

    def find(self, name: bytes) -> Field | None:
        """Read the last value of that name, go over all others."""
        data = self.data
        end = self.end
        found: Field | None = None
        while self.position < end:
            start = self.position + 1
            name_end: i64 = start + i64(data[self.position])
            if name_end > end:
                raise self.bad()
            self.position = name_end
            if data[start:name_end] == name:
                found = self.read_value(end, 1)
            else:
                self.check_value(end, 1)
        return found

    def read_array(self, end: i64, depth: i64) -> list[Field]:
        """Read values up to ``end``."""
        if depth > self.max_depth:
            raise _too_deep(self.max_depth)
        items: list[Field] = []
        while self.position < end:
            items.append(self.read_value(end, depth))
        return items

    def read_value(self, end: i64, depth: i64) -> Field:
        """Read a letter and its value, ordered by how often clients send them."""
        self.items += 1
        if self.items > self.max_items:
            raise _too_many(self.max_items)
        data = self.data
        if self.position >= end:
            raise self.bad()
        letter = i64(data[self.position])
        self.position += 1
        if letter == 83:  # S
            return Field("S", self.read_octets(end))
        if letter == 116:  # t
            return Field("t", data[self.take(1, end)] != 0)
        if letter == 73:  # I
            return Field("I", int(read_i32_be(data, self.take(4, end))))
        if letter == 108 or letter == 76:  # l L
            return Field("l", int(read_i64_be(data, self.take(8, end))))
        if letter == 70:  # F
            nested_end = self.read_length(end)
            return Field("F", self.read_table(nested_end, depth + 1))
        if letter == 65:  # A
            nested_end = self.read_length(end)
            return Field("A", self.read_array(nested_end, depth + 1))
        if letter == 84:  # T
            return Field("T", int(read_i64_be(data, self.take(8, end))) & 0xFFFF_FFFF_FFFF_FFFF)
        if letter == 100:  # d
            return Field("d", self.finite(read_f64_be(data, self.take(8, end))))
        if letter == 102:  # f
            return Field("f", self.finite(read_f32_be(data, self.take(4, end))))
        if letter == 86:  # V
            return Field("V", None)
        if letter == 98:  # b
            octet = i64(data[self.take(1, end)])
            return Field("b", int(octet - 256 if octet > 127 else octet))
        if letter == 66:  # B
            return Field("B", int(data[self.take(1, end)]))
        if letter == 115:  # s
            return Field("s", int(read_i16_be(data, self.take(2, end))))
        if letter == 117:  # u
            return Field("u", int(i64(read_i16_be(data, self.take(2, end))) & 0xFFFF))
        if letter == 105:  # i
            return Field("i", int(i64(read_i32_be(data, self.take(4, end))) & 0xFFFF_FFFF))
        if letter == 68:  # D
            at = self.take(5, end)
            return Field("D", (int(data[at]), int(i64(read_i32_be(data, at + 1)) & 0xFFFF_FFFF)))
        if letter == 120:  # x
            return Field("x", self.read_octets(end))
        raise self.bad()

    def check_table(self, end: i64, depth: i64) -> None:
        """Go over pairs up to ``end``."""
        if depth > self.max_depth:
            raise _too_deep(self.max_depth)
        data = self.data
        while self.position < end:
            name_end: i64 = self.position + 1 + i64(data[self.position])
            if name_end > end:
                raise self.bad()
            self.position = name_end
            self.check_value(end, depth)

    def check_value(self, end: i64, depth: i64) -> None:
        """Go over a letter and its value."""
        self.items += 1
        if self.items > self.max_items:
            raise _too_many(self.max_items)
        data = self.data
        if self.position >= end:
            raise self.bad()
        letter = i64(data[self.position])
        self.position += 1
        if letter == 83 or letter == 120:  # S x
            self.position = self.read_length(end)
        elif letter == 86:  # V
            pass
        elif letter == 116 or letter == 98 or letter == 66:  # t b B
            self.take(1, end)
        elif letter == 73 or letter == 105:  # I i
            self.take(4, end)
        elif letter == 108 or letter == 76 or letter == 84:  # l L T
            self.take(8, end)
        elif letter == 100:  # d
            self.finite(read_f64_be(data, self.take(8, end)))
        elif letter == 102:  # f
            self.finite(read_f32_be(data, self.take(4, end)))
        elif letter == 115 or letter == 117:  # s u
            self.take(2, end)
        elif letter == 68:  # D
            self.take(5, end)
        elif letter == 70:  # F
            self.check_table(self.read_length(end), depth + 1)
        elif letter == 65:  # A
            nested_end = self.read_length(end)
            if depth + 1 > self.max_depth:
                raise _too_deep(self.max_depth)
            while self.position < nested_end:
                self.check_value(nested_end, depth + 1)
        else:
            raise self.bad()

    def take(self, size: i64, end: i64) -> i64:
        """Where the next ``size`` octets begin; they lie before ``end``."""
        at = self.position
        if end - at < size:
            raise self.bad()
        self.position = at + size
        return at

    def read_length(self, end: i64) -> i64:
        """Read an unsigned 32-bit length and give where what it measures ends."""
        size = i64(read_i32_be(self.data, self.take(4, end))) & 0xFFFF_FFFF
        if end - self.position < size:
            raise self.bad()
        return self.position + size

    def read_octets(self, end: i64) -> bytes:
        """Read a length and that many octets."""
        octets_end = self.read_length(end)
        octets = self.data[self.position : octets_end]
        self.position = octets_end
        return octets

    def finite(self, value: float) -> float:
        """The float, if it is a number. What minus itself is not zero is none."""
        if value - value != 0.0:
            raise self.bad()
        return value

    def bad(self) -> HardError:
        """The refusal that shows this table's octets."""
        return undecodable(self.data, self.start, self.end)


@final
@mypyc_attr(native_class=True)
class _TableWriter:
    """Encodes one outermost table. Tables are written rarely, so nested ones are put together from parts.

    Attributes:
        items: Values written so far.
    """

    def __init__(self) -> None:
        self.items: i64 = 0

    def table(self, table: Table, depth: i64) -> bytes:
        """Length and pairs."""
        if depth > MAX_TABLE_DEPTH:
            raise _too_deep(MAX_TABLE_DEPTH)
        parts: list[bytes] = []
        for name, field in table.items():
            if len(name) > _MAX_NAME_BYTES:
                raise HardError(SYNTAX_ERROR, f"field name is longer than {_MAX_NAME_BYTES} octets")
            parts.append(len(name).to_bytes(1, "big"))
            parts.append(name)
            parts.append(self.value(field, depth))
        return _with_length(b"".join(parts))

    def value(self, field: Field, depth: i64) -> bytes:
        """Letter and value."""
        self.items += 1
        if self.items > MAX_TABLE_ITEMS:
            raise _too_many(MAX_TABLE_ITEMS)
        kind = field.kind
        letter = kind.encode("ascii")
        value = field.value
        if kind == "S" or kind == "x":
            return letter + _with_length(cast("bytes", value))
        if kind == "F":
            return letter + self.table(cast("Table", value), depth + 1)
        if kind == "A":
            return letter + self.array(cast("list[Field]", value), depth + 1)
        if kind == "V":
            return letter
        if kind == "t":
            return b"t\x01" if value else b"t\x00"
        if kind == "d" or kind == "f":
            return letter + _float_octets(kind, cast("float", value))
        if kind == "D":
            scale, unscaled = cast("tuple[int, int]", value)
            return letter + scale.to_bytes(1, "big") + unscaled.to_bytes(4, "big")
        number = cast("int", value)
        if kind == "l":
            return letter + number.to_bytes(8, "big", signed=True)
        if kind == "I":
            return letter + number.to_bytes(4, "big", signed=True)
        if kind == "T":
            return letter + number.to_bytes(8, "big")
        if kind == "i":
            return letter + number.to_bytes(4, "big")
        if kind == "s":
            return letter + number.to_bytes(2, "big", signed=True)
        if kind == "u":
            return letter + number.to_bytes(2, "big")
        if kind == "b":
            return letter + number.to_bytes(1, "big", signed=True)
        if kind == "B":
            return letter + number.to_bytes(1, "big")
        raise AssertionError(f"no type letter {kind}")

    def array(self, items: list[Field], depth: i64) -> bytes:
        """Length and values."""
        if depth > MAX_TABLE_DEPTH:
            raise _too_deep(MAX_TABLE_DEPTH)
        parts: list[bytes] = []
        for item in items:
            parts.append(self.value(item, depth))  # a comprehension over a method call gains nothing
        return _with_length(b"".join(parts))


def _with_length(octets: bytes) -> bytes:
    return len(octets).to_bytes(4, "big") + octets


def _float_octets(kind: str, value: float) -> bytes:
    out = BytesWriter()
    if kind == "d":
        write_f64_be(out, value)
        octets = out.getvalue()
        written = read_f64_be(octets, 0)
    else:
        write_f32_be(out, value)
        octets = out.getvalue()
        written = read_f32_be(octets, 0)
    if written - written != 0.0:  # an f too large for 32 bits becomes infinite, which nobody could read back
        raise OverflowError(f"{value} does not fit a field of type {kind}")
    return octets
