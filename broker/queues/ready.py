"""The messages of a queue that wait for a consumer, in delivery order."""

from operator import attrgetter
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import PENDING, SETTLED, Enqueuer, Queued
from broker.queues.window import MESSAGE_OVERHEAD, TIGHT_CHUNK_BYTES, MemoryWindow
from broker.store.chunk import Chunk
from broker.store.spool import CHUNK_BYTES, Overflowing, Spool, SpoolWriter
from broker.store.spooled_line import SpooledLine
from broker.wire.properties import names_priority

PIECE: Final = 256  # messages of a chunk of what came back
TRIM_AT: Final = 512  # slots given out before the list is cut: bulk trimming costs 3 ns per message, a deque 36
BULK: Final = 64  # from here on, returning messages one by one costs more than sorting once

_by_position: Final = attrgetter("position")


@final
@mypyc_attr(native_class=True)
class ParkedLine:
    """All of one line on disk.

    Attributes:
        aside: Chunks to be merged by position; they go before the others.
        line: Chunks in order.
    """

    def __init__(self, aside: list[Chunk], line: list[Chunk]) -> None:
        self.aside: Final = aside
        self.line: Final = line


@mypyc_attr(native_class=True)
class Ready(Overflowing):
    """What is ready, first in first out or by priority.

    Attributes:
        count: Messages ready.
    """

    def __init__(self) -> None:
        self.count: i64 = 0

    def push(self, queued: Queued) -> None:
        """Add a message behind all others of its priority."""
        raise NotImplementedError

    def first(self) -> Queued | None:
        """The message that ``take`` would give, left in place; None if there is none."""
        raise NotImplementedError

    def take(self) -> Queued:
        """Remove and return the first message. Only if ``count`` is not 0."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget every message."""
        raise NotImplementedError

    def is_long(self) -> bool:
        """Is more in memory than the window allows? If so, ``spool`` at the end of the turn."""
        return False

    def spool(self) -> None:
        """Everything stays in memory unless a subclass does better."""

    def take_back(self, first_position: i64) -> i64:
        """Remove the messages from this position on that are marked SETTLED. Only for messages of the present turn.

        Returns:
            Octets of their bodies.
        """
        raise NotImplementedError

    def put_back(self, returned: list[Queued]) -> None:
        """Return messages that ``take`` gave out to their places, by position."""
        raise NotImplementedError

    def put_back_chunk(self, chunk: Chunk) -> None:
        """Return the messages of a chunk that a channel has spooled: it belongs to this line from now on."""
        raise NotImplementedError

    def park(self, writer: SpoolWriter) -> "list[ParkedLine] | None":
        """Move everything durable to the spool, for the next start. The line must not be used afterwards.

        Returns:
            What is where, a line for each priority; None if it cannot be written.
        """
        raise NotImplementedError

    def unpark(self, lines: "list[ParkedLine]") -> None:
        """Take over what ``park`` gave in an earlier life. Only when nothing has been pushed yet.

        Raises:
            ValueError: The number of lines is another.
        """
        raise NotImplementedError

    def take_expired(self, now_ms: i64) -> Queued | None:
        """Remove and return a message at the head of its line that expired at ``now_ms`` or before; None if none did.

        RabbitMQ looks at the head of each priority: an unexpired one shields only what is behind it in its own line.
        """
        raise NotImplementedError

    def next_expiry(self) -> i64:
        """When the first of those heads expires; 0 for never."""
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class FifoReady(Ready):
    """One line, and in front of it the messages that came back.

    A long line has its head and its tail in memory and what is between them in the spool: ``returned``, ``fresh``,
    spooled, ``tail``. Nothing is in the tail unless something is spooled. What came back may be long as well: chunks of
    it lie ``aside``, and each is read when its lowest position is the next.

    Invariant: every returned position is lower than every fresh one, because ``take`` gives the lowest first.
    """

    def __init__(self, window: MemoryWindow | None = None, spooled: SpooledLine | None = None) -> None:
        super().__init__()
        self._fresh: list[Queued | None] = []
        self._head: i64 = 0
        self._returned: list[Queued] = []  # highest position first, so that the next one is at the end
        self._window: Final = window
        self._spooled: Final = spooled
        self._is_spooling: bool = False
        self._tail: list[Queued] = []
        self._aside: Final[list[Chunk]] = []  # of what came back; highest first position first, as in ``returned``
        self._has_returned: bool = False  # either of these two is not empty
        self._memory: i64 = 0  # octets of all lists, overhead included; counted only with a window

    def push(self, queued: Queued) -> None:
        if self._is_spooling:
            self._tail.append(queued)
        else:
            self._fresh.append(queued)
        self.count += 1
        window = self._window
        if window is not None:
            size: i64 = len(queued.message.body) + MESSAGE_OVERHEAD
            self._memory += size
            window.used += size

    def first(self) -> Queued | None:
        if self._has_returned:
            self._fetch_aside()
            return self._returned[-1]
        if self._head >= len(self._fresh):
            if not self._is_spooling:
                return None
            self._refill()
            if not self._fresh:
                return None
        return self._fresh[self._head]

    def take(self) -> Queued:
        self.count -= 1
        if self._has_returned:
            return self._take_returned()
        if self._is_spooling and self._head >= len(self._fresh):
            self._refill()
        fresh = self._fresh
        head = self._head
        queued = fresh[head]
        assert queued is not None
        fresh[head] = None
        head += 1
        if head >= TRIM_AT and head * 2 >= len(fresh):
            del fresh[:head]
            head = 0
        elif head == len(fresh):
            fresh.clear()
            head = 0
        self._head = head
        window = self._window
        if window is not None:
            size: i64 = len(queued.message.body) + MESSAGE_OVERHEAD
            self._memory -= size
            window.used -= size
        return queued

    def _take_returned(self) -> Queued:
        self._fetch_aside()
        queued = self._returned.pop()
        self._has_returned = len(self._returned) > 0 or len(self._aside) > 0
        if self._window is not None:
            self._account(queued, -1)
        return queued

    # --- the spool

    def is_long(self) -> bool:
        """Is more in memory than the window allows?"""
        window = self._window
        return window is not None and self._memory > window.queue_bytes

    def spool(self) -> None:
        """Move what the window has no room for to the spool. At the end of a turn: records must have their place."""
        window = self._window
        spooled = self._spooled
        if window is None or spooled is None or not self.is_long():
            return
        if not self._is_spooling:
            self._split(window.queue_bytes // 2)
        tail = self._tail
        moved: i64 = 0
        for queued in tail:
            if queued.log_segment == PENDING:
                break  # the last write failed; the store still holds this very object
            spooled.push(queued)
            self._account(queued, -1)
            moved += 1
        del tail[:moved]
        if window.is_tight:
            spooled.write(TIGHT_CHUNK_BYTES)
        if self._returned and self.is_long():
            self._put_aside(spooled, window.queue_bytes // 2)

    def _put_aside(self, spooled: SpooledLine, kept_bytes: i64) -> None:
        """Move what came back to the spool, but for the lowest positions."""
        line = self._returned
        kept: i64 = 0
        end: i64 = len(line)
        while end > 0 and kept < kept_bytes:
            end -= 1
            kept += len(line[end].message.body) + MESSAGE_OVERHEAD
        done: i64 = 0
        piece: list[Queued] = []
        octets: i64 = 0
        for i in range(end):
            queued = line[i]
            if queued.log_segment == PENDING:
                break  # as above
            piece.append(queued)
            octets += len(queued.message.body)
            if octets < CHUNK_BYTES and len(piece) < PIECE and i + 1 < end:
                continue
            chunk = spooled.put_aside(piece)
            if chunk is None:
                break
            for each in piece:
                self._account(each, -1)
            self._insert_aside(chunk)
            done += len(piece)
            piece = []
            octets = 0
        del line[:done]

    def _insert_aside(self, chunk: Chunk) -> None:
        aside = self._aside
        low: i64 = 0
        high: i64 = len(aside)
        while low < high:
            middle = (low + high) // 2
            if aside[middle].first > chunk.first:
                low = middle + 1
            else:
                high = middle
        aside.insert(low, chunk)

    def _fetch_aside(self) -> None:
        """Read the chunks aside whose lowest position is before every one that is in memory."""
        aside = self._aside
        spooled = self._spooled
        while aside and spooled is not None:
            chunk = aside[-1]
            if self._returned and self._returned[-1].position < chunk.first:
                return
            fetched: list[Queued] = []
            for queued in spooled.fetch(chunk):
                assert queued is not None
                self._account(queued, 1)
                fetched.append(queued)
            aside.pop()
            self._insert(fetched)

    def park(self, writer: SpoolWriter) -> list[ParkedLine] | None:
        spooled = self._spooled
        if spooled is None:
            return None
        head = list(reversed(self._returned))
        for i in range(self._head, len(self._fresh)):
            queued = self._fresh[i]
            assert queued is not None
            head.append(queued)
        parked = spooled.park(head, writer)
        aside = spooled.park_chunks(self._aside, writer)
        line = spooled.park_line(self._tail, writer)
        if parked is None or aside is None or line is None:
            return None
        return [ParkedLine(aside + parked, line)]

    def unpark(self, lines: list[ParkedLine]) -> None:
        spooled = self._spooled
        if spooled is None or len(lines) != 1:
            raise ValueError(f"{len(lines)} lines for one")
        for chunk in lines[0].aside:
            self.put_back_chunk(chunk)
        spooled.unpark(lines[0].line)
        self.count += spooled.count
        self._is_spooling = spooled.count > 0

    def _split(self, kept_bytes: i64) -> None:
        """Cut the line: its head stays, the rest becomes the tail."""
        fresh = self._fresh
        at = self._head
        kept: i64 = 0
        while at < len(fresh) and kept < kept_bytes:
            queued = fresh[at]
            assert queued is not None
            kept += len(queued.message.body) + MESSAGE_OVERHEAD
            at += 1
        tail: list[Queued] = []
        for i in range(at, len(fresh)):
            cut = fresh[i]
            assert cut is not None
            tail.append(cut)
        del fresh[at:]
        self._tail = tail
        self._is_spooling = len(tail) > 0

    def _refill(self) -> None:
        """Read the next messages back; behind the last spooled one comes the tail."""
        spooled = self._spooled
        assert spooled is not None
        fresh = spooled.take()
        if fresh:
            for queued in fresh:
                assert queued is not None
                self._account(queued, 1)
        else:
            for each in self._tail:
                fresh.append(each)
            self._tail = []
        if spooled.count == 0 and not self._tail:
            self._is_spooling = False
        self._fresh = fresh
        self._head = 0

    def _account(self, queued: Queued, sign: i64) -> None:
        window = self._window
        assert window is not None
        size: i64 = (len(queued.message.body) + MESSAGE_OVERHEAD) * sign
        self._memory += size
        window.used += size

    def take_back(self, first_position: i64) -> i64:
        octets: i64 = 0
        kept: list[Queued] = []
        last = self._pop_last(first_position)
        while last is not None:
            if self._window is not None:
                self._account(last, -1)
            self.count -= 1
            if last.log_segment == SETTLED:
                octets += len(last.message.body)
            else:
                kept.append(last)
            last = self._pop_last(first_position)
        if self._head == len(self._fresh):
            self._fresh.clear()
            self._head = 0
        kept.reverse()
        for queued in kept:
            self.push(queued)
        back: list[Queued] = []
        for queued in self._returned:  # handed out and put back within the turn
            if queued.position >= first_position and queued.log_segment == SETTLED:
                octets += len(queued.message.body)
                self.count -= 1
                if self._window is not None:
                    self._account(queued, -1)
            else:
                back.append(queued)
        self._returned = back
        self._has_returned = len(back) > 0 or len(self._aside) > 0
        return octets

    def _pop_last(self, first_position: i64) -> Queued | None:
        """The message at the end of the line, unless it is older than this position.

        The end is in memory: nothing is spooled before the store has a place for it, and the store has none yet.
        """
        if self._tail:
            if self._tail[-1].position < first_position:
                return None
            return self._tail.pop()
        fresh = self._fresh
        if self._head >= len(fresh):
            return None
        last = fresh[-1]
        assert last is not None
        if last.position < first_position:
            return None
        fresh.pop()
        return last

    def clear(self) -> None:
        self.count = 0
        self._fresh = []
        self._head = 0
        self._returned = []
        self._has_returned = False
        self._tail = []
        self._is_spooling = False
        if self._window is not None:
            self._window.used -= self._memory
        self._memory = 0
        if self._spooled is not None:
            self._spooled.clear()
            for chunk in self._aside:
                self._spooled.drop(chunk)
            self._aside.clear()

    def put_back(self, returned: list[Queued]) -> None:
        if not returned:
            return
        self.count += len(returned)
        if self._window is not None:
            for queued in returned:
                self._account(queued, 1)
        self._has_returned = True
        self._insert(returned)

    def put_back_chunk(self, chunk: Chunk) -> None:
        self.count += chunk.count
        self._has_returned = True
        self._insert_aside(chunk)

    def _insert(self, returned: list[Queued]) -> None:
        """Put messages into the line of those that came back."""
        if len(returned) >= BULK:
            self._merge(sorted(returned, key=_by_position, reverse=True))
            return
        line = self._returned
        for queued in returned:
            low: i64 = 0
            high: i64 = len(line)
            while low < high:
                middle = (low + high) // 2
                if line[middle].position > queued.position:
                    low = middle + 1
                else:
                    high = middle
            line.insert(low, queued)

    def _merge(self, returned: list[Queued]) -> None:
        """The same for many, highest position first.

        A consumer that vanishes returns page after page, each above the one before, so the rest of the line is only
        moved: sorting the whole line each time took seconds.
        """
        line = self._returned
        end: i64 = len(line)
        at: i64 = 0
        merged: list[Queued] = []
        for queued in returned:
            while at < end and line[at].position > queued.position:
                merged.append(line[at])
                at += 1
            merged.append(queued)
        line[:at] = merged

    def take_expired(self, now_ms: i64) -> Queued | None:
        first = self.first()
        if first is None or first.expires_ms == 0 or first.expires_ms > now_ms:
            return None
        return self.take()

    def next_expiry(self) -> i64:
        first = self.first()
        if first is None:
            return 0
        return first.expires_ms


@final
@mypyc_attr(native_class=True)
class PriorityReady(Ready):
    """A line for each priority, the highest served first: RabbitMQ's ``x-max-priority``, and quorum queues.

    A line is made when the first message of its priority comes: most queues that could have many use one or two. Each
    has the window of a queue: while all queues together are within their budget, that is plenty.
    """

    def __init__(
        self,
        max_priority: i64,
        absent: i64 = 0,
        window: MemoryWindow | None = None,
        spool: Spool | None = None,
        queue: Enqueuer | None = None,
    ) -> None:
        """Begin without a message.

        Args:
            max_priority: Above it, all are as if they had it.
            absent: Priority of a message that names none.
            window: The budget of all queues' memory; None to keep everything in memory.
            spool: Where the rest goes; None likewise.
            queue: The queue it belongs to, for the spool.
        """
        super().__init__()
        self._max: Final[i64] = max_priority
        self._absent: Final[i64] = absent
        self._window: Final = window
        self._spool: Final = spool
        self._queue: Final = queue
        self._lines: Final[list[FifoReady]] = []
        self._levels: Final[list[FifoReady | None]] = [None] * (max_priority + 1)
        self._top: i64 = 0  # no message is ready above this level
        self._long: Final[list[FifoReady]] = []  # what is to be spooled at the end of the turn

    def _line_of(self, queued: Queued) -> FifoReady:
        message = queued.message
        priority = message.priority
        if priority == 0 and self._absent > 0 and not names_priority(message.header):
            priority = self._absent
        if priority > self._max:
            priority = self._max
        if priority > self._top:
            self._top = priority
        line = self._levels[priority]
        return line if line is not None else self._make_line(priority)

    def _make_line(self, priority: i64) -> FifoReady:
        spooled: SpooledLine | None = None
        if self._spool is not None and self._queue is not None:
            spooled = SpooledLine(self._spool, self._queue)
        line = FifoReady(self._window, spooled)
        self._levels[priority] = line
        self._lines.append(line)
        return line

    def _highest(self) -> FifoReady:
        top = self._top
        line = self._levels[top]
        while top > 0 and (line is None or line.count == 0):
            top -= 1
            line = self._levels[top]
        self._top = top
        return line if line is not None else self._make_line(top)

    def push(self, queued: Queued) -> None:
        line = self._line_of(queued)
        line.push(queued)
        self.count += 1
        if line.is_long() and line not in self._long:
            self._long.append(line)

    def is_long(self) -> bool:
        return len(self._long) > 0

    def spool(self) -> None:
        for line in self._long:
            line.spool()
        self._long.clear()

    def first(self) -> Queued | None:
        return self._highest().first()

    def take(self) -> Queued:
        self.count -= 1
        return self._highest().take()

    def park(self, writer: SpoolWriter) -> list[ParkedLine] | None:
        parked: list[ParkedLine] = []
        for line in self._levels:
            if line is None:
                parked.append(ParkedLine([], []))
                continue
            of_line = line.park(writer)
            if of_line is None:
                return None
            parked.extend(of_line)
        return parked

    def unpark(self, lines: list[ParkedLine]) -> None:
        if len(lines) != len(self._levels):
            raise ValueError(f"{len(lines)} lines for {len(self._levels)} priorities")
        for priority in range(len(lines)):
            parked = lines[priority]
            if parked.aside or parked.line:
                line = self._make_line(priority)
                line.unpark([parked])
                self.count += line.count
        self._top = self._max

    def take_back(self, first_position: i64) -> i64:
        octets: i64 = 0
        for line in self._lines:
            before = line.count
            octets += line.take_back(first_position)
            self.count -= before - line.count
        return octets

    def put_back(self, returned: list[Queued]) -> None:
        self.count += len(returned)
        by_line: dict[FifoReady, list[Queued]] = {}
        for queued in returned:
            line = self._line_of(queued)
            if line in by_line:
                by_line[line].append(queued)
            else:
                by_line[line] = [queued]
        for line, part in by_line.items():
            line.put_back(part)
            if line.is_long() and line not in self._long:
                self._long.append(line)

    def put_back_chunk(self, chunk: Chunk) -> None:
        # A channel's chunk knows nothing of priorities: its messages go to their lines one by one, and may be spooled
        # again from there.
        spool = self._spool
        assert spool is not None
        fetched: list[Queued] = []
        for queued in spool.messages(chunk):
            assert queued is not None
            fetched.append(queued)
        spool.release(chunk)
        self.put_back(fetched)
        self.spool()

    def take_expired(self, now_ms: i64) -> Queued | None:
        priority = self._top
        while priority >= 0:
            line = self._levels[priority]
            expired = line.take_expired(now_ms) if line is not None else None
            if expired is not None:
                self.count -= 1
                return expired
            priority -= 1
        return None

    def next_expiry(self) -> i64:
        earliest: i64 = 0
        for line in self._lines:
            expires_ms = line.next_expiry()
            if expires_ms > 0 and (earliest == 0 or expires_ms < earliest):
                earliest = expires_ms
        return earliest

    def clear(self) -> None:
        self.count = 0
        self._long.clear()
        for line in self._lines:
            line.clear()
