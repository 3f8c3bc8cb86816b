"""One turn: everything that one chunk of input caused, brought to its end.

The order is the promise: deliveries and dead letters first, then one write to the commit log, then the confirms that
need no sync, then one write per connection. So a delivery is never seen by a client before the log could know of it,
and no confirm leaves before the sync that covers it.

When the disk is full, that one write fails, and nothing of it has reached the log. Then
- confirmed publishes of the turn are nacked and taken back from where they still wait: no queue delivers later what its
  publisher was refused. What a consumer already has stays with it, in memory; a nack promises nothing either way.
- everything that nobody would be told about stays noted, and is written when there is room: messages published without
  confirms, dead letters (their first queue has let them go already), settlements, topology.
- ``tx.commit-ok`` waits for the room, with everything else in the same chunk.
From then on the disk alarm keeps publishers out, and nothing is written before ``try_again`` finds room: the batch
grows with every turn, and encoding it for nothing each time would cost more and more.
"""

from typing import Final, cast, final

from mypy_extensions import i64, mypyc_attr

from broker.core.clock import Clock
from broker.core.counters import Counters
from broker.core.message import PENDING, Enqueuer
from broker.policy.limits import Limits, UserLimits
from broker.policy.parameters import Parameter, Parameters
from broker.queues.agenda import Agenda
from broker.store.errors import StoreError
from broker.store.store import Store
from broker.vhost.alarms import Alarms
from broker.vhost.confirms import ConfirmLedger
from broker.vhost.dead_letters import route_dead_letter
from broker.vhost.delay_line import DelayLine
from broker.vhost.outlet import Outlet
from broker.vhost.release import DISK_FULL_REST_MS, release_due
from broker.vhost.topology import TopologyJournal
from broker.vhost.vhost import VHost


@final
@mypyc_attr(native_class=True)
class Turn:
    """The parts of the broker that a turn runs through.

    Attributes:
        vhosts: By name.
        user_limits: How many connections and channels users may have. Change them by ``set_user_limits``.
        parameters: Values that tools keep here. Change them by ``set_parameter`` and ``remove_parameter``.
        journal: Told of what belongs to no vhost.
        alarms: What is short. A full disk is noticed here.
        failure: Why the last write to the store failed; the server decides what follows, and clears it.
    """

    def __init__(self, clock: Clock, agenda: Agenda, store: Store, counters: Counters) -> None:
        self._clock: Final = clock
        self.agenda: Final = agenda
        self.store: Final = store
        self.counters: Final = counters
        self.vhosts: Final[dict[str, VHost]] = {}
        self.user_limits: Final = UserLimits()
        self.parameters: Final = Parameters()
        self.journal: TopologyJournal = TopologyJournal()
        self._ledgers: list[ConfirmLedger] = []
        self._waiting: list[ConfirmLedger] = []
        self._touched: list[Outlet] = []
        self.alarms: Final = Alarms()
        self.failure: StoreError | None = None
        self._carried: i64 = 0  # appends at the head of the store's pending that an earlier turn found no room for

    def set_user_limits(self, user_name: bytes, limits: Limits) -> None:
        """Replace the limits of a user; none for one who is deleted. What is there already stays."""
        self.user_limits.set(user_name, limits)
        self.journal.user_limits_set(user_name, limits)

    def set_parameter(self, parameter: Parameter) -> None:
        """Add a parameter, or replace the one of its name.

        Raises:
            PolicyRefused: There are too many.
        """
        self.parameters.set(parameter)
        self.journal.parameter_set(parameter)

    def remove_parameter(self, vhost_name: str, component: str, name: str) -> bool:
        """Remove a parameter; false if there is none of that name."""
        if not self.parameters.remove(vhost_name, component, name):
            return False
        self.journal.parameter_removed(vhost_name, component, name)
        return True

    def begin(self) -> None:
        """Read the clock and wake the queues whose time has come. Before every chunk."""
        agenda = self.agenda
        agenda.now_ms = self._clock.now_ms()
        if agenda.next_wake_ms >= 0:
            agenda.wake_queues()

    def touch(self, outlet: Outlet) -> None:
        """Flush ``outlet`` at the end of the turn. ``Outlet.touch`` calls it once per turn."""
        self._touched.append(outlet)

    def watch(self, ledger: ConfirmLedger) -> None:
        """Let ``ledger`` answer at the end of the turn."""
        if not ledger.is_listed:
            ledger.is_listed = True
            self._ledgers.append(ledger)

    def finish(self) -> None:
        """Deliver, write the log, confirm, flush."""
        agenda = self.agenda
        store = self.store
        published: i64 = len(store.pending)  # dead letters come behind them
        if store.due_streams:
            store.mark_published()
        while not agenda.is_empty:
            self._work_off()
        written = self._write()
        if written < 0:
            written = self._found_no_room(published)
        if self._ledgers:
            ledgers = self._ledgers
            self._ledgers = []
            for ledger in ledgers:
                ledger.is_listed = False
                if ledger.end_turn(written, store.synced) and not ledger.is_waiting:
                    ledger.is_waiting = True
                    self._waiting.append(ledger)
        self.flush()
        if agenda.long:
            self._spool()
        if agenda.again:
            # Flushing may also have woken queues whose consumers had no room; both go on in the next turn.
            agenda.due.extend(agenda.again)
            agenda.again.clear()

    def _write(self) -> i64:
        """Write the turn's batch. Returns the number that its confirms wait for; -1 if the disk is full."""
        store = self.store
        if self.alarms.is_disk_full:
            return -1 if store.has_news else store.written
        try:
            return store.write()
        except StoreError as error:
            self.failure = error
            # Never confirm and hope: after any other failure, which ends the process, the confirms wait for a batch
            # that will never be.
            return -1 if error.is_no_space else store.written + 1

    def _found_no_room(self, published: i64) -> i64:
        """Refuse what can be refused, keep the rest noted.

        Args:
            published: Up to here the store's pending appends were published, and not dead-lettered.

        Returns:
            The number of a batch that does not exist yet.
        """
        store = self.store
        self.alarms.set_disk_full(True, self._clock.monotonic_s())
        commits = False
        for ledger in self._ledgers:
            if ledger.commits_now:
                commits = True
        if not commits:
            refused: i64 = 0
            for ledger in self._ledgers:
                refused += ledger.refuse_turn()
            if refused > 0:
                self.counters.messages_refused += refused
                self._take_back(self._carried, published)
        self._carried = len(store.pending)
        store.carry_streams()
        return store.written + 1

    def _take_back(self, first: i64, end: i64) -> None:
        """The appends from ``first`` to before ``end`` never happened, as far as nobody has seen the messages."""
        store = self.store
        first_positions: dict[Enqueuer, int] = {}
        for i in range(first, end):
            queued = store.pending[i]
            if queued.log_segment == PENDING:
                store.settle(queued)
                queue = queued.queue
                if queue not in first_positions:
                    first_positions[queue] = int(queued.position)
        del store.pending[first:end]
        for queue, position in first_positions.items():
            queue.take_back(position)
        store.take_back_streams()
        for vhost in self.vhosts.values():
            for exchange in vhost.exchanges.values():
                exchange.undo(self.agenda.now_ms)

    def try_again(self) -> None:
        """The disk was full: see whether there is room now, and write what is noted. Between turns, now and then."""
        store = self.store
        try:
            store.find_room()
            store.write()
        except StoreError as error:
            self.failure = error
            return
        self._carried = 0
        self.alarms.set_disk_full(False, self._clock.monotonic_s())

    def _spool(self) -> None:
        """Move what queues and channels have no room for to the spool: now its records have their place in the log."""
        agenda = self.agenda
        for each in agenda.long:
            each.spool()
        agenda.long.clear()
        if agenda.spool is not None and agenda.spool.failure is not None:
            self.failure = agenda.spool.failure

    def _work_off(self) -> None:
        agenda = self.agenda
        while agenda.due:
            due = agenda.due
            agenda.due = []
            for queue in due:
                queue.deliver()
        if agenda.dead_letters:
            letters = agenda.dead_letters
            agenda.dead_letters = []
            for letter in letters:
                vhost = self.vhosts.get(letter.queue.vhost_name)
                if vhost is not None:  # else it was deleted in this turn
                    route_dead_letter(vhost, letter, agenda.now_ms)
        if agenda.released:
            released = agenda.released
            agenda.released = []
            for each in released:
                line = cast("DelayLine", each)
                if line.is_deleted:
                    continue
                if self.alarms.is_disk_full:
                    line.wake_at(agenda.now_ms + DISK_FULL_REST_MS)
                else:
                    release_due(self.vhosts[line.vhost_name], line, agenda.now_ms)
        if agenda.expired:
            expired = agenda.expired
            agenda.expired = []
            for queue in expired:
                if not queue.is_deleted and not queue.consumers:
                    self.vhosts[queue.vhost_name].delete_queue(queue)

    def synced(self) -> None:
        """A sync has been finished: send the confirms that waited for it."""
        synced = self.store.synced
        waiting = self._waiting
        self._waiting = []
        for ledger in waiting:
            if ledger.release(synced):
                self._waiting.append(ledger)
            else:
                ledger.is_waiting = False
        if self.agenda.unsynced:
            self._wake_readers()
        self.flush()

    def _wake_readers(self) -> None:
        """Streams show their readers what is synced, in the next turn."""
        agenda = self.agenda
        streams = agenda.unsynced
        agenda.unsynced = []
        for stream in streams:
            stream.synced()

    def flush(self) -> None:
        """Write what every touched connection has waiting."""
        if self._touched:
            touched = self._touched
            self._touched = []
            for outlet in touched:
                outlet.flush()

    @property
    def wants_turn(self) -> bool:
        """Something was left for another turn."""
        return bool(self.agenda.due)

    @property
    def wants_sync(self) -> bool:
        """Something written has not been synced yet."""
        return self.store.is_dirty

    @property
    def waiting_count(self) -> i64:
        """Channels with confirms that wait for a sync."""
        return len(self._waiting)
