"""What a batch says: contents and their places in queues, then settlements. All integers little-endian.

    content        1 flags (below)           1 priority    2 octets of route   4 of header   4 of body
                   4 count of targets        8 timestamp_ms                    8 ttl_ms (-1: none)
                   route, header, body, then 16 for each target: log_id, position
    settled one    1 kind 1   8 log_id   8 position
    settled range  1 kind 2   8 log_id   8 first   8 last
    delivered      1 kind 3   8 log_id   8 position: this one and all before it have been handed to a client
    forgotten      1 kind 4   8 log_id: the queue is gone
    closed         1 kind 5: a clean stop; the batch before this one was synced
    returned       1 kind 6   8 log_id   8 position   4 acquired_count   4 delivery_count: it came back from a client

Neither order nor repetition of settlements matters: a position is never used twice, and neither is a log_id; of the
counts of one position the highest hold. What came back is written last in a batch: a reader that does not know the
kind loses nothing else.
"""

from typing import Final, final

from librt.strings import BytesWriter, read_i16_le, read_i32_le, read_i64_le, write_i16_le, write_i32_le, write_i64_le
from mypy_extensions import i16, i32, i64, mypyc_attr, u8

from broker.core.message import Message
from broker.store.framing import BATCH_HEADER_SIZE, batch_end, settlements_start
from broker.store.intervals import Intervals

CONTENT_HEAD_SIZE: Final = 32
TARGET_SIZE: Final = 16
PERSISTENT: Final = 1  # flags of a content
DEAD_LETTER: Final = 2

SETTLED_ONE: Final = 1
SETTLED_RANGE: Final = 2
DELIVERED: Final = 3
FORGOTTEN: Final = 4
CLOSED: Final = 5
RETURNED: Final = 6

# A body of this size or more is handed to the system call as it is; a smaller one is cheaper to copy (the crossing lies
# between 1 and 4 KiB: two copies of 4 KiB cost as much as one more buffer in the call).
LARGE_BODY: Final = 4096


def put_content_head(out: BytesWriter, message: Message, targets: i64) -> None:
    """The fixed fields of a content record, its route and its header; the body comes next."""
    route = message.route
    header = message.header
    flags: i64 = PERSISTENT if message.is_persistent else 0
    if message.is_dead_letter:
        flags |= DEAD_LETTER
    out.append(u8(flags))
    out.append(int(message.priority) & 0xFF)
    write_i16_le(out, i16(len(route)))
    write_i32_le(out, i32(len(header)))
    write_i32_le(out, i32(len(message.body)))
    write_i32_le(out, i32(targets))
    write_i64_le(out, message.timestamp_ms)
    write_i64_le(out, message.ttl_ms)
    out.write(route)
    out.write(header)


def have_like_heads(one: Message, other: Message) -> bool:
    """Do both have the same fixed fields, and the very same route and header? Messages in a row mostly have."""
    return (
        one.header is other.header
        and one.route is other.route
        and one.timestamp_ms == other.timestamp_ms
        and one.ttl_ms == other.ttl_ms
        and one.priority == other.priority
        and one.is_persistent == other.is_persistent
        and one.is_dead_letter == other.is_dead_letter
        and len(one.body) == len(other.body)
    )


def record_size(message: Message) -> i64:
    """Octets of a content record with one place."""
    return CONTENT_HEAD_SIZE + len(message.route) + len(message.header) + len(message.body) + TARGET_SIZE


def put_target(out: BytesWriter, log_id: i64, position: i64) -> None:
    """One place of a content."""
    write_i64_le(out, log_id)
    write_i64_le(out, position)


def put_settled(out: BytesWriter, log_id: i64, first: i64, last: i64) -> None:
    """Every position of a queue from ``first`` to ``last`` is settled."""
    if first == last:
        out.append(SETTLED_ONE)
        write_i64_le(out, log_id)
        write_i64_le(out, first)
        return
    out.append(SETTLED_RANGE)
    write_i64_le(out, log_id)
    write_i64_le(out, first)
    write_i64_le(out, last)


def put_delivered(out: BytesWriter, log_id: i64, position: i64) -> None:
    """A queue has handed everything up to ``position`` to clients."""
    out.append(DELIVERED)
    write_i64_le(out, log_id)
    write_i64_le(out, position)


def put_forgotten(out: BytesWriter, log_id: i64) -> None:
    """A queue is gone, with all that was in it."""
    out.append(FORGOTTEN)
    write_i64_le(out, log_id)


def put_returned(out: BytesWriter, log_id: i64, position: i64, acquired_count: i32, delivery_count: i32) -> None:
    """A message of a queue that counts came back from a client, the so-many-th time."""
    out.append(RETURNED)
    write_i64_le(out, log_id)
    write_i64_le(out, position)
    write_i32_le(out, acquired_count)
    write_i32_le(out, delivery_count)


@final
@mypyc_attr(native_class=True)
class ContentReader:
    """Walks over the content records between two offsets: every field is that of the record ``next`` came to.

    Attributes:
        start: Offset of the record.
        route: Offset of its route.
        header: Offset of its header, behind the route.
        body: Offset of its body, behind the header.
        targets: Offset of its first target, behind the body.
        after: Offset behind the record.
    """

    def __init__(self, data: bytes, start: i64, end: i64) -> None:
        self.data: Final = data
        self.end: Final[i64] = end
        self.start: i64 = start
        self.route: i64 = start
        self.header: i64 = start
        self.body: i64 = start
        self.targets: i64 = start
        self.after: i64 = start

    def next(self) -> bool:
        """Go to the next record; false when no whole one is left."""
        data = self.data
        start = self.after
        if start + CONTENT_HEAD_SIZE > self.end:
            return False
        route = start + CONTENT_HEAD_SIZE
        header = route + (i64(read_i16_le(data, start + 2)) & 0xFFFF)
        body = header + i64(read_i32_le(data, start + 4))
        targets = body + i64(read_i32_le(data, start + 8))
        after = targets + i64(read_i32_le(data, start + 12)) * TARGET_SIZE
        if after > self.end:
            return False
        self.start = start
        self.route = route
        self.header = header
        self.body = body
        self.targets = targets
        self.after = after
        return True

    @property
    def timestamp_ms(self) -> i64:
        """When the message of the record was published."""
        return read_i64_le(self.data, self.start + 16)

    def message(self) -> Message:
        """The message of the record."""
        data = self.data
        start = self.start
        return Message(
            data[self.route : self.header],
            data[self.header : self.body],
            data[self.body : self.targets],
            (i64(data[start]) & PERSISTENT) != 0,
            read_i64_le(data, start + 16),
            i64(data[start + 1]),
            read_i64_le(data, start + 24),
            (i64(data[start]) & DEAD_LETTER) != 0,
        )


@final
@mypyc_attr(native_class=True)
class SettlementReader:
    """Walks over the settlements between two offsets; an unknown kind ends them (a checksum stands before this).

    Attributes:
        start: Offset of the record that ``next`` came to.
        after: Offset behind it.
        kind: What it says.
        log_id: The queue it is about; 0 for none.
        first: The position, or the first of a range; 0 for none.
        last: The last of a range; as ``first`` otherwise.
        acquired_count: Of a message that came back; 0 otherwise.
        delivery_count: Likewise.
    """

    def __init__(self, data: bytes, start: i64, end: i64) -> None:
        self.data: Final = data
        self.end: Final[i64] = end
        self.start: i64 = start
        self.after: i64 = start
        self.kind: i64 = 0
        self.log_id: i64 = 0
        self.first: i64 = 0
        self.last: i64 = 0
        self.acquired_count: i32 = 0
        self.delivery_count: i32 = 0

    def next(self) -> bool:
        """Go to the next record; false when there is none that can be read."""
        data = self.data
        at = self.after
        if at >= self.end:
            return False
        kind = i64(data[at])
        if kind < SETTLED_ONE or kind > RETURNED:
            return False
        after = at + 17
        if kind == CLOSED:
            after = at + 1
        elif kind == FORGOTTEN:
            after = at + 9
        elif kind in (SETTLED_RANGE, RETURNED):
            after = at + 25
        if after > self.end:
            return False
        self.start = at
        self.after = after
        self.kind = kind
        self.log_id = 0 if kind == CLOSED else read_i64_le(data, at + 1)
        self.first = 0 if kind in (FORGOTTEN, CLOSED) else read_i64_le(data, at + 9)
        self.last = read_i64_le(data, at + 17) if kind == SETTLED_RANGE else self.first
        self.acquired_count = read_i32_le(data, at + 17) if kind == RETURNED else 0
        self.delivery_count = read_i32_le(data, at + 21) if kind == RETURNED else 0
        return True


@final
@mypyc_attr(native_class=True)
class QueueHistory:
    """What settlements say about one queue.

    Attributes:
        settled: Positions that are settled.
        delivered: Everything up to here has been handed to a client.
        returns: Position to acquired_count and delivery_count of messages that came back.
        is_forgotten: The queue is gone.
        last_position: The highest position that any record names.
    """

    def __init__(self) -> None:
        self.settled: Final = Intervals()
        self.delivered: i64 = 0
        self.returns: Final[dict[int, tuple[int, int]]] = {}
        self.is_forgotten: bool = False
        self.last_position: i64 = 0

    def names(self, position: i64) -> None:
        """A record speaks of this position: it is not free any more."""
        self.last_position = max(self.last_position, position)

    def returned(self, position: i64, acquired_count: i32, delivery_count: i32) -> None:
        """The message came back; both counts only grow, so the highest are the last."""
        known = self.returns.get(position, (0, 0))
        self.returns[position] = (max(known[0], int(acquired_count)), max(known[1], int(delivery_count)))


@final
@mypyc_attr(native_class=True)
class History:
    """What settlements say, queue by queue."""

    def __init__(self) -> None:
        self.queues: Final[dict[int, QueueHistory]] = {}
        self.is_closed: bool = False  # the last batch read was the mark of a clean stop
        self.record_count: i64 = 0  # settlements read

    def queue(self, log_id: i64) -> QueueHistory:
        """The history of one queue, empty at first."""
        history = self.queues.get(log_id)
        if history is None:
            history = QueueHistory()
            self.queues[log_id] = history
        return history

    def read_batches(self, data: bytes, start: i64, end: i64) -> None:
        """Take in the settlements of whole batches between two offsets."""
        at = start
        while at < end:
            after = batch_end(data, at)
            self.read(data, settlements_start(data, at), after)
            at = after

    def read(self, data: bytes, start: i64, end: i64) -> None:
        """Take in the settlements between two offsets; an unknown kind ends them (a checksum stands before this)."""
        record = SettlementReader(data, start, end)
        self.is_closed = False
        while record.next():
            self.record_count += 1
            kind = record.kind
            if kind == CLOSED:
                self.is_closed = True
                continue
            queue = self.queue(record.log_id)
            if kind == FORGOTTEN:
                queue.is_forgotten = True
                continue
            if kind == DELIVERED:
                queue.delivered = max(queue.delivered, record.first)
            elif kind == RETURNED:
                queue.returned(record.first, record.acquired_count, record.delivery_count)
            else:
                queue.settled.add(record.first, record.last)
                if queue.returns:
                    queue.returns.pop(record.first, None)  # keeps few; a count that comes later does no harm
            queue.names(record.last)


@final
@mypyc_attr(native_class=True)
class RecoveredEntry:
    """A message as it was found in a file.

    Attributes:
        message: As it was published.
        position: Its place in the queue.
        redelivered: It may have been handed to a client before.
        log_segment: What ``Queued.log_segment`` must be set to, so that settling it finds its record.
        acquired_count: Times it came back from a client, if its queue counts.
        delivery_count: Failures among them.
    """

    def __init__(self, message: Message, position: i64, redelivered: bool, log_segment: i64) -> None:
        self.message: Final = message
        self.position: Final[i64] = position
        self.redelivered: bool = redelivered
        self.log_segment: Final[i64] = log_segment
        self.acquired_count: i32 = 0
        self.delivery_count: i32 = 0


@mypyc_attr(native_class=True)
class EntrySink:
    """Takes messages one by one as they are read, so that a backlog is never in memory as a whole."""

    def found(self, log_id: i64, entry: RecoveredEntry) -> None:
        """One message that is not settled. Each queue's come in order of position, unless files are damaged."""
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class LiveContents:
    """The messages in some batches that are not settled, queue by queue.

    Attributes:
        history: What is settled; positions that contents name are added to it.
        queues: log_id to entries in the order in which they were read; empty if a sink takes them.
        record_count: Content records read, live or not.
    """

    def __init__(self, history: History, sink: EntrySink | None = None) -> None:
        self.history: Final = history
        self._sink: Final = sink
        self.record_count: i64 = 0
        self.queues: Final[dict[int, list[RecoveredEntry]]] = {}

    def read_batches(self, data: bytes, start: i64, end: i64, log_segment: i64) -> None:
        """Take in the contents of whole batches between two offsets."""
        at = start
        while at < end:
            self.read(data, at + BATCH_HEADER_SIZE, settlements_start(data, at), log_segment)
            at = batch_end(data, at)

    def read(self, data: bytes, start: i64, end: i64, log_segment: i64) -> None:
        """Take in the content records between two offsets."""
        record = ContentReader(data, start, end)
        known_id: i64 = -1
        known: QueueHistory = QueueHistory()
        while record.next():
            self.record_count += 1
            message: Message | None = None
            target = record.targets
            while target < record.after:
                log_id = read_i64_le(data, target)
                position = read_i64_le(data, target + 8)
                target += TARGET_SIZE
                if log_id != known_id:
                    known_id = log_id
                    known = self.history.queue(log_id)
                known.names(position)
                if known.is_forgotten or known.settled.contains(position):
                    continue
                if message is None:
                    message = record.message()
                entry = RecoveredEntry(message, position, position <= known.delivered, log_segment)
                if known.returns:
                    counts = known.returns.get(position)
                    if counts is not None:
                        entry.redelivered = True
                        entry.acquired_count = i32(counts[0])
                        entry.delivery_count = i32(counts[1])
                if self._sink is not None:
                    self._sink.found(log_id, entry)
                    continue
                entries = self.queues.get(log_id)
                if entries is None:
                    entries = []
                    self.queues[log_id] = entries
                entries.append(entry)


def in_order(entries: list[RecoveredEntry]) -> list[RecoveredEntry]:
    """Entries by position, each position once."""
    is_rising = True
    last: i64 = -1
    for entry in entries:
        if entry.position <= last:
            is_rising = False
            break
        last = entry.position
    if is_rising:
        return entries
    entries.sort(key=position_of)
    once: list[RecoveredEntry] = []
    last = -1
    for entry in entries:
        if entry.position != last:
            once.append(entry)
            last = entry.position
    return once


def position_of(entry: RecoveredEntry) -> int:
    """What entries are sorted by."""
    return entry.position
