"""By priority: a line for each."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Enqueuer, Queued
from broker.queues.fifo import FifoReady
from broker.queues.ready import ParkedLine, Ready
from broker.queues.window import MemoryWindow
from broker.store.spool import Spool, SpoolWriter
from broker.store.spool_chunk import Chunk
from broker.store.spooled_line import SpooledLine
from broker.wire.properties import names_priority


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

    def next_header(self) -> bytes | None:
        return self._highest().next_header()

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
