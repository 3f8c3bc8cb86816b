"""The content header: class, weight, body size, property flags, properties. AMQP 0-9-1 §4.2.6.1, §4.2.6.2.

    octet 0  2  class id         4  8  body size            14 …  the properties whose flag is set, in flag order
          2  2  weight (0)      12  2  property flags

The header stays the octets that arrived. ``PropertyScanner`` walks over them once per message and remembers where the
few properties are that the broker looks at; ``rewritten`` makes a new header for a dead-lettered message.
"""

from typing import Final, final

from librt.strings import BytesWriter, read_i64_be, write_i64_be
from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Field, Table, long
from broker.wire.octets import get_u16, get_u32, put_u8, put_u16, put_u32
from broker.wire.tables import decode_table, encode_table, table_field

HEADER_SIZE: Final = 14  # octets before the first property
FLAG_CONTENT_TYPE: Final = 0x8000
FLAG_CONTENT_ENCODING: Final = 0x4000
FLAG_HEADERS: Final = 0x2000
FLAG_DELIVERY_MODE: Final = 0x1000
FLAG_PRIORITY: Final = 0x0800
FLAG_CORRELATION_ID: Final = 0x0400
FLAG_REPLY_TO: Final = 0x0200
FLAG_EXPIRATION: Final = 0x0100
FLAG_MESSAGE_ID: Final = 0x0080
FLAG_TIMESTAMP: Final = 0x0040
FLAG_TYPE: Final = 0x0020
FLAG_USER_ID: Final = 0x0010
FLAG_APP_ID: Final = 0x0008
FLAG_CLUSTER_ID: Final = 0x0004
FLAG_CONTINUATION: Final = 0x0001

BEFORE_TIMESTAMP: Final[list[int]] = [
    FLAG_CONTENT_TYPE,
    FLAG_CONTENT_ENCODING,
    FLAG_HEADERS,
    FLAG_DELIVERY_MODE,
    FLAG_PRIORITY,
    FLAG_CORRELATION_ID,
    FLAG_REPLY_TO,
    FLAG_EXPIRATION,
    FLAG_MESSAGE_ID,
]

PERSISTENT: Final = 2


@final
@mypyc_attr(native_class=True)
class PropertyScanner:
    """Where the properties of one content header are. Reused from message to message.

    Attributes:
        is_persistent: delivery_mode is 2.
        priority: The priority property, 0 if absent.
        headers_start: Offset of the headers table's contents, behind its length; 0 if absent.
        headers_end: Offset behind the table.
        reply_to_start: Offset of the reply-to text; 0 if absent.
        reply_to_end: Offset behind it.
        expiration_start: Offset of the expiration text; 0 if absent.
        expiration_end: Offset behind it.
        user_id_start: Offset of the user id; 0 if absent.
        user_id_end: Offset behind it.
    """

    def __init__(self) -> None:
        self.is_persistent: bool = False
        self.priority: i64 = 0
        self.headers_start: i64 = 0
        self.headers_end: i64 = 0
        self.reply_to_start: i64 = 0
        self.reply_to_end: i64 = 0
        self.expiration_start: i64 = 0
        self.expiration_end: i64 = 0
        self.user_id_start: i64 = 0
        self.user_id_end: i64 = 0

    def scan(self, header: bytes) -> bool:
        """Walk over ``header``, a content header frame's payload of at least 14 octets.

        Returns:
            False if the properties do not end where the header ends, or if the flags go on in a further word, which no
            property of class basic uses: the header cannot be decoded.
        """
        flags = get_u16(header, 12)
        self.is_persistent = False
        self.priority = 0
        self.headers_start = 0
        self.reply_to_start = 0
        self.expiration_start = 0
        self.user_id_start = 0
        end: i64 = len(header)
        pos: i64 = HEADER_SIZE
        if flags & FLAG_CONTINUATION:
            return False
        if flags & FLAG_CONTENT_TYPE:
            if pos >= end:
                return False
            pos += 1 + i64(header[pos])
        if flags & FLAG_CONTENT_ENCODING:
            if pos >= end:
                return False
            pos += 1 + i64(header[pos])
        if flags & FLAG_HEADERS:
            if pos + 4 > end:
                return False
            self.headers_start = pos + 4
            pos += 4 + get_u32(header, pos)
            self.headers_end = pos
        if flags & FLAG_DELIVERY_MODE:
            if pos >= end:
                return False
            self.is_persistent = header[pos] == PERSISTENT
            pos += 1
        if flags & FLAG_PRIORITY:
            if pos >= end:
                return False
            self.priority = i64(header[pos])
            pos += 1
        if flags & FLAG_CORRELATION_ID:
            if pos >= end:
                return False
            pos += 1 + i64(header[pos])
        if flags & FLAG_REPLY_TO:
            if pos >= end:
                return False
            self.reply_to_start = pos + 1
            pos += 1 + i64(header[pos])
            self.reply_to_end = pos
        if flags & FLAG_EXPIRATION:
            if pos >= end:
                return False
            self.expiration_start = pos + 1
            pos += 1 + i64(header[pos])
            self.expiration_end = pos
        if flags & FLAG_MESSAGE_ID:
            if pos >= end:
                return False
            pos += 1 + i64(header[pos])
        if flags & FLAG_TIMESTAMP:
            pos += 8
        if flags & FLAG_TYPE:
            if pos >= end:
                return False
            pos += 1 + i64(header[pos])
        if flags & FLAG_USER_ID:
            if pos >= end:
                return False
            self.user_id_start = pos + 1
            pos += 1 + i64(header[pos])
            self.user_id_end = pos
        if flags & FLAG_APP_ID:
            if pos >= end:
                return False
            pos += 1 + i64(header[pos])
        if flags & FLAG_CLUSTER_ID:
            if pos >= end:
                return False
            pos += 1 + i64(header[pos])
        return pos == end


def body_size(header: bytes) -> i64:
    """The body size a content header announces; negative if its top bit is set."""
    return read_i64_be(header, 4)


def names_priority(header: bytes) -> bool:
    """Has the content header a priority property?"""
    return get_u16(header, 12) & FLAG_PRIORITY != 0


def has_timestamp(header: bytes) -> bool:
    """Has the content header a timestamp property?"""
    return get_u16(header, 12) & FLAG_TIMESTAMP != 0


def with_timestamp(header: bytes, seconds: i64) -> bytes:
    """The same content header with this timestamp property: seconds since 1970."""
    flags = get_u16(header, 12)
    at = HEADER_SIZE
    for flag in BEFORE_TIMESTAMP:
        if flags & flag == 0:
            continue
        if flag == FLAG_HEADERS:
            at += 4 + int(get_u32(header, at))
        elif flag in (FLAG_DELIVERY_MODE, FLAG_PRIORITY):
            at += 1
        else:
            at += 1 + header[at]
    after = at + 8 if flags & FLAG_TIMESTAMP else at
    out = BytesWriter()
    out.write(header[:12])
    put_u16(out, flags | FLAG_TIMESTAMP)
    out.write(header[HEADER_SIZE:at])
    write_i64_be(out, seconds)
    out.write(header[after:])
    return out.getvalue()


def headers_of(header: bytes) -> Table | None:
    """The headers property, or None if absent.

    Raises:
        HardError: 501, the table cannot be decoded.
    """
    scanner = PropertyScanner()
    if not scanner.scan(header) or scanner.headers_start == 0:
        return None
    return decode_table(header, scanner.headers_start, scanner.headers_end)


def header_field(header: bytes, name: bytes) -> Field | None:
    """One of the headers, or None if absent.

    Raises:
        HardError: 501, the table cannot be decoded.
    """
    scanner = PropertyScanner()
    if not scanner.scan(header) or scanner.headers_start == 0:
        return None
    return table_field(header, scanner.headers_start, scanner.headers_end, name)


def expiration_of(header: bytes) -> bytes | None:
    """The expiration property as the text it is, or None if absent."""
    scanner = PropertyScanner()
    if not scanner.scan(header) or scanner.expiration_start == 0:
        return None
    return header[scanner.expiration_start : scanner.expiration_end]


def property_octets(header: bytes, flag: i64) -> bytes | None:
    """One property as its octets, those of a string without its length; None if absent.

    Args:
        header: A content header that ``PropertyScanner.scan`` accepts.
        flag: One of the flags above.
    """
    flags = get_u16(header, 12)
    if flags & flag == 0:
        return None
    start: i64 = HEADER_SIZE
    each: i64 = FLAG_CONTENT_TYPE
    while True:
        after = start
        if flags & each:
            if each == FLAG_HEADERS:
                start += 4
                after = start + get_u32(header, start - 4)
            elif each in {FLAG_DELIVERY_MODE, FLAG_PRIORITY}:
                after = start + 1
            elif each == FLAG_TIMESTAMP:
                after = start + 8
            else:
                start += 1
                after = start + i64(header[start - 1])
        if each == flag:
            return header[start:after]
        start = after
        each >>= 1


def rewritten(header: bytes, headers: Table, *, keep_expiration: bool) -> bytes:
    """The same content header with another headers table.

    Args:
        header: A content header that ``PropertyScanner.scan`` accepts.
        headers: What the headers property becomes.
        keep_expiration: False takes the expiration property out, as dead-lettering does.
    """
    scanner = PropertyScanner()
    scanner.scan(header)
    flags = get_u16(header, 12)
    before = HEADER_SIZE
    if flags & FLAG_CONTENT_TYPE:
        before += 1 + header[before]
    if flags & FLAG_CONTENT_ENCODING:
        before += 1 + header[before]
    after = int(scanner.headers_end) if flags & FLAG_HEADERS else before
    out = BytesWriter()
    out.write(header[:12])
    put_u16(out, (flags | FLAG_HEADERS) & (0xFFFF if keep_expiration else ~FLAG_EXPIRATION))
    out.write(header[HEADER_SIZE:before])
    out.write(encode_table(headers))
    if scanner.expiration_start and not keep_expiration:
        out.write(header[after : scanner.expiration_start - 1])
        after = int(scanner.expiration_end)
    out.write(header[after:])
    return out.getvalue()


def with_long(header: bytes, name: bytes, number: i64) -> bytes:
    """The same content header with a 64-bit integer among its headers, in place of one of that name.

    Nothing is decoded but where the name is there already: this is done for every message of a stream.

    Args:
        header: A content header that ``PropertyScanner.scan`` accepts.
        name: Of the field, at most 255 octets.
        number: Its value.
    """
    flags = get_u16(header, 12)
    start: i64 = HEADER_SIZE
    if flags & FLAG_CONTENT_TYPE:
        start += 1 + i64(header[start])
    if flags & FLAG_CONTENT_ENCODING:
        start += 1 + i64(header[start])
    size: i64 = 0
    rest = start
    if flags & FLAG_HEADERS:
        size = get_u32(header, start)
        rest = start + 4
        if name in header:
            headers = decode_table(header, rest, rest + size)
            if name in headers:
                headers[name] = long(number)
                return rewritten(header, headers, keep_expiration=True)
    out = BytesWriter()
    out.write(header[:12])
    put_u16(out, flags | FLAG_HEADERS)
    out.write(header[HEADER_SIZE:start])
    put_u32(out, size + len(name) + 10)
    out.write(header[rest : rest + size])
    put_u8(out, len(name))
    out.write(name)
    out.append(0x6C)  # l
    write_i64_be(out, number)
    out.write(header[rest + size :])
    return out.getvalue()
