"""What has to be done before a turn ends, and what has to be done at a later time."""

import heapq
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Enqueuer, Message, Queued
from broker.queues.window import MemoryWindow
from broker.store.spool import Overflowing, Spool

if TYPE_CHECKING:
    from broker.queues.classic import ClassicQueue
    from broker.queues.queue import Queue
    from broker.queues.stream import Stream


@final
@mypyc_attr(native_class=True)
class DeadLetter:
    """A message that left a queue with a dead-letter exchange.

    Attributes:
        message: As it was in the queue.
        queue: Where it died.
        reason: ``rejected``, ``expired``, ``maxlen`` or ``delivery_limit``.
        queued: Its place in that queue, where it stays until a target has taken it: dead-lettering at least once. None
            if it has left the queue already.
    """

    def __init__(self, message: Message, queue: "ClassicQueue", reason: bytes, queued: Queued | None = None) -> None:
        self.message: Final = message
        self.queue: Final = queue
        self.reason: Final = reason
        self.queued: Final = queued


@final
@mypyc_attr(native_class=True)
class Agenda:
    """Queues to deliver from, dead letters to route, queues that ran out of time.

    Attributes:
        now_ms: The turn's wall clock, milliseconds. Whoever begins a turn sets it.
        due: Queues with deliveries to try, each once.
        again: Queues that used up their budget; they go on in the next turn.
        unsynced: Streams whose readers wait for the next sync, each once.
        dead_letters: To be routed by the vhost of each.
        released: What holds delayed messages that are due.
        long: What holds more in memory than its window, to be spooled when the turn has been written.
        window: The budget of all queues' memory; None to keep everything in memory.
        spool: Where the rest goes; None likewise.
        expired: Queues whose ``x-expires`` has run out, to be deleted by their vhost.
    """

    def __init__(self) -> None:
        self.now_ms: i64 = 0
        self.due: list[Queue] = []
        self.again: list[Queue] = []
        self.dead_letters: list[DeadLetter] = []
        self.expired: list[ClassicQueue] = []
        self.released: list[Enqueuer] = []
        self.long: list[Overflowing] = []
        self.unsynced: list[Stream] = []
        self.window: MemoryWindow | None = None
        self.spool: Spool | None = None
        self._alarms: Final[list[tuple[int, int, Enqueuer]]] = []
        self._serial: int = 0

    def wake_at(self, time_ms: i64, queue: Enqueuer) -> None:
        """Call ``queue.time_has_come`` in the first turn that begins at ``time_ms`` or later."""
        self._serial += 1
        heapq.heappush(self._alarms, (time_ms, self._serial, queue))

    @property
    def next_wake_ms(self) -> i64:
        """When the earliest queue wants to be woken; -1 for never."""
        if not self._alarms:
            return -1
        return self._alarms[0][0]

    def wake_queues(self) -> None:
        """Wake every queue whose time has come by ``now_ms``."""
        alarms = self._alarms
        while alarms and alarms[0][0] <= self.now_ms:
            time_ms, _, queue = heapq.heappop(alarms)
            queue.time_has_come(time_ms)

    @property
    def is_empty(self) -> bool:
        """Nothing is left to do in this turn."""
        return not self.due and not self.dead_letters and not self.expired and not self.released
