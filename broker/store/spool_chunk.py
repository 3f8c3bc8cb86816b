"""A run of one queue's messages in a spool file.

    chunk    4 octets of records   4 crc32 of them   then the records, all integers little-endian:
    record   8 position   8 log_segment   8 expires_ms   8 timestamp_ms   8 ttl_ms   1 priority   1 flags   1 slot
             1 spare   2 octets of route   4 of header   4 of body   then route, header, body; and of a message
             that came back to a queue that counts   4 acquired_count   4 delivery_count

A slot is the writer's own number for a record, 0 to 255: a chunk is never changed, so what is settled after it was
written is remembered by slot.
"""

from typing import Final, final

from librt.strings import BytesWriter, read_i16_le, read_i32_le, read_i64_le, write_i16_le, write_i32_le, write_i64_le
from mypy_extensions import i16, i32, i64, mypyc_attr, u8

from broker.core.message import NOT_STORED, Enqueuer, Message, Queued

CHUNK_HEADER_SIZE: Final = 8
RECORD_HEAD_SIZE: Final = 54
COUNTS_SIZE: Final = 8

FLAG_PERSISTENT: Final = 1
FLAG_REDELIVERED: Final = 2
FLAG_COUNTED: Final = 4
FLAG_DEAD_LETTER: Final = 8

MIXED: Final = -9  # in place of a log segment: not all of them are in the same one


@final
@mypyc_attr(native_class=True)
class SpoolFile:
    """One file of the spool.

    Attributes:
        path: Where it is.
        size: Offset behind its last chunk.
        live: Chunks in it that somebody still wants.
        is_open: More chunks may come.
    """

    def __init__(self, path: str) -> None:
        self.path: Final = path
        self.size: i64 = 0
        self.live: i64 = 0
        self.is_open: bool = True


@final
@mypyc_attr(native_class=True)
class Tally:
    """What is counted while records are written: see ``Chunk``."""

    def __init__(self) -> None:
        self.count: i64 = 0
        self.bodies: i64 = 0
        self.first: i64 = 0
        self.last: i64 = 0
        self.log_segment: i64 = NOT_STORED
        self.transient: i64 = 0

    def add(self, queued: Queued) -> None:
        """One more record."""
        position = queued.position
        if self.count == 0:
            self.first = position
            self.last = position
            self.log_segment = queued.log_segment
        else:
            if position < self.first:
                self.first = position
            if position > self.last:
                self.last = position
            if queued.log_segment != self.log_segment:
                self.log_segment = MIXED
        self.count += 1
        self.bodies += len(queued.message.body)
        if queued.log_segment == NOT_STORED:
            self.transient += 1


@final
@mypyc_attr(native_class=True)
class Chunk:
    """Where a run of messages is, and what must be known of them without reading it.

    Attributes:
        queue: Whose messages they are.
        file: The file.
        offset: Of the chunk's header.
        size: Octets of its records.
        count: Messages in it that are not settled.
        bodies: Octets of their bodies.
        first: The lowest position that was written.
        last: The highest.
        log_segment: The same for every message; MIXED if it is not.
        transient: Messages without a record in the log; they are not to survive the process.
        settled: Bit n is set if the record with slot n does not count any more.
        is_returned: The messages were handed to a client after they were written, and came back.
    """

    def __init__(self, queue: Enqueuer, file: SpoolFile, offset: i64, size: i64, tally: Tally) -> None:
        self.queue: Final = queue
        self.file: Final = file
        self.offset: Final[i64] = offset
        self.size: Final[i64] = size
        self.count: i64 = tally.count
        self.bodies: i64 = tally.bodies
        self.first: Final[i64] = tally.first
        self.last: Final[i64] = tally.last
        self.log_segment: Final[i64] = tally.log_segment
        self.transient: Final[i64] = tally.transient
        self.settled: int = 0
        self.is_returned: bool = False

    @property
    def is_run(self) -> bool:
        """Is it every position from first to last, all in one log segment and none settled?"""
        return self.log_segment != MIXED and self.count == self.last - self.first + 1

    def settle(self, slot: i64, queued: Queued) -> None:
        """The record with this slot does not count any more."""
        self.settled |= 1 << int(slot)
        self.count -= 1
        self.bodies -= len(queued.message.body)

    def messages(self, records: bytes) -> list[Queued | None]:
        """What of it is not settled."""
        found: list[Queued | None] = []
        decode(self.queue, records, found, self.settled, self.is_returned)
        return found


def put_record(out: BytesWriter, queued: Queued, slot: i64) -> None:
    """One message. It must have its place in the log, or need none."""
    message = queued.message
    write_i64_le(out, queued.position)
    write_i64_le(out, queued.log_segment)
    write_i64_le(out, queued.expires_ms)
    write_i64_le(out, message.timestamp_ms)
    write_i64_le(out, message.ttl_ms)
    out.append(u8(message.priority))
    flags: i64 = FLAG_PERSISTENT if message.is_persistent else 0
    if queued.redelivered:
        flags |= FLAG_REDELIVERED
    if message.is_dead_letter:
        flags |= FLAG_DEAD_LETTER
    is_counted = queued.acquired_count > 0
    if is_counted:
        flags |= FLAG_COUNTED
    out.append(u8(flags))
    out.append(u8(slot))
    out.append(0)
    write_i16_le(out, i16(len(message.route)))
    write_i32_le(out, i32(len(message.header)))
    write_i32_le(out, i32(len(message.body)))
    out.write(message.route)
    out.write(message.header)
    out.write(message.body)
    if is_counted:
        write_i32_le(out, queued.acquired_count)
        write_i32_le(out, queued.delivery_count)


def decode(
    queue: Enqueuer, records: bytes, into: list[Queued | None], settled: int = 0, is_returned: bool = False
) -> None:
    """Append the messages in ``records`` to ``into``; those whose slot is in ``settled`` are left out."""
    pos: i64 = 0
    end: i64 = len(records)
    while pos < end:
        flags = i64(records[pos + 41])
        route_start = pos + RECORD_HEAD_SIZE
        header_start = route_start + (i64(read_i16_le(records, pos + 44)) & 0xFFFF)
        body_start = header_start + (i64(read_i32_le(records, pos + 46)) & 0xFFFFFFFF)
        body_end = body_start + (i64(read_i32_le(records, pos + 50)) & 0xFFFFFFFF)
        after = body_end + COUNTS_SIZE if flags & FLAG_COUNTED else body_end
        if settled and (settled >> records[pos + 42]) & 1:
            pos = after
            continue
        message = Message(
            records[route_start:header_start],
            records[header_start:body_start],
            records[body_start:body_end],
            flags & FLAG_PERSISTENT != 0,
            read_i64_le(records, pos + 24),
            i64(records[pos + 40]),
            read_i64_le(records, pos + 32),
            flags & FLAG_DEAD_LETTER != 0,
        )
        queued = Queued(message, queue, read_i64_le(records, pos))
        queued.log_segment = read_i64_le(records, pos + 8)
        queued.expires_ms = read_i64_le(records, pos + 16)
        queued.redelivered = is_returned or flags & FLAG_REDELIVERED != 0
        if flags & FLAG_COUNTED:
            queued.acquired_count = read_i32_le(records, body_end)
            queued.delivery_count = read_i32_le(records, body_end + 4)
        into.append(queued)
        pos = after
