"""Where the delayed messages of one exchange wait."""

from typing import Final, cast, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import NOT_STORED, SETTLED, Enqueuer, Message, Queued
from broker.queues.agenda import Agenda
from broker.queues.timeline import CHUNKS_PER_TURN, NEVER, Timeline
from broker.routing.delayed import X_DELAY, DelayedExchange, delay_of
from broker.routing.exchange import Exchange
from broker.store.spool import Overflowing
from broker.store.store import Store
from broker.wire.properties import header_field

# Recovered messages between two looks whether the line has outgrown its window.
LOOK_EVERY: Final = 256


@final
@mypyc_attr(native_class=True)
class DelayLine(Enqueuer):
    """Takes messages that are to wait, and gives them back in order of the time at which they are due.

    For the store it is a queue of its own: persistent messages of a durable exchange have records in the commit log
    under its ``log_id`` until they are released. When each is due follows from its header and the time of its publish,
    so nothing else need be stored.

    Attributes:
        exchange: Routes what has waited.
    """

    def __init__(self, exchange: Exchange, log_id: i64, agenda: Agenda, store: Store) -> None:
        super().__init__(exchange.name, exchange.vhost_name, exchange.is_durable, log_id)
        self.exchange: Final = exchange
        self._agenda: Final = agenda
        self._store: Final = store
        self._timeline: Final = Timeline(self, agenda.window, agenda.spool)
        self._fresh: list[Queued] = []  # of the present turn: their records have no place yet
        self._arrivals: Final = _Arrivals(self)
        self._wake_ms: i64 = 0  # when the agenda will wake this line; 0 for never

    @property
    def count(self) -> i64:
        """Messages that wait."""
        return self._timeline.count + len(self._fresh)

    def push(self, message: Message) -> bool:
        position = self.next_position
        self.next_position = position + 1
        queued = Queued(message, self, position)
        queued.expires_ms = _due_ms(message)
        if message.is_persistent and self.is_durable:
            self._store.append(queued)
        if not self._fresh:
            self._agenda.long.append(self._arrivals)
        self._fresh.append(queued)
        return True

    def restore(self, queued: Queued) -> None:
        queued.expires_ms = _due_ms(queued.message)
        if queued.position >= self.next_position:
            self.next_position = queued.position + 1
        self._timeline.add(queued)
        if self._timeline.count % LOOK_EVERY == 0:
            self._timeline.make_room()
        self.arm()

    def take_back(self, first_position: i64) -> None:
        kept: list[Queued] = []
        for queued in self._fresh:
            if queued.log_segment != SETTLED:
                kept.append(queued)
        self._fresh = kept

    def sort_in(self) -> None:
        """Sort in the messages of this turn. At its end: their records must have their place in the log."""
        for queued in self._fresh:
            self._timeline.add(queued)
        self._fresh = []
        self._timeline.make_room()
        self.arm()

    def time_has_come(self, time_ms: i64) -> None:
        if time_ms == self._wake_ms and not self.is_deleted:
            self._wake_ms = 0
            self._timeline.chunks_left = CHUNKS_PER_TURN
            self._agenda.released.append(self)

    def take_due(self) -> Queued | None:
        """Take out the message that is due first; None if none is, or if this turn has read enough.

        In the same turn the caller gives it to queues: one batch of the commit log holds both.
        """
        queued = self._timeline.take(self._agenda.now_ms)
        if queued is not None and queued.log_segment != NOT_STORED:
            self._store.settle(queued)
        return queued

    def arm(self) -> None:
        """See that the agenda wakes this line when the next message is due: at once, if one is already."""
        next_ms = self._timeline.next_ms()
        if next_ms < NEVER and (self._wake_ms == 0 or next_ms < self._wake_ms):
            self.wake_at(max(next_ms, self._agenda.now_ms))

    def wake_at(self, time_ms: i64) -> None:
        """Release nothing before ``time_ms``."""
        self._wake_ms = time_ms
        self._agenda.wake_at(time_ms, self)

    def delete(self) -> None:
        """Forget everything: the exchange is gone."""
        self.is_deleted = True
        self._fresh = []
        self._timeline.clear()
        if self.is_durable:
            self._store.forget_queue(self.log_id)


@final
@mypyc_attr(native_class=True)
class _Arrivals(Overflowing):
    """A line's place among what is to be seen to when the turn has been written."""

    def __init__(self, line: DelayLine) -> None:
        self._line: Final = line

    def spool(self) -> None:
        self._line.sort_in()


def delay_line_of(exchange: Exchange) -> DelayLine | None:
    """The line of an exchange; None if it delays no messages."""
    return cast("DelayLine | None", exchange.line) if isinstance(exchange, DelayedExchange) else None


def _due_ms(message: Message) -> i64:
    return message.timestamp_ms + delay_of(header_field(message.header, X_DELAY))
