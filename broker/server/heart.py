"""Everything that happens beside the sockets: syncs, further turns, timers, housekeeping."""

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from broker.definitions.journal import topology_records
from broker.net.amqp_socket import Attendant
from broker.protocol.context import Context
from broker.server.resources import ResourceMonitor
from broker.server.sync_runner import SyncRunner
from broker.store.errors import StoreError
from broker.store.retire_job import RetireJob
from broker.store.store import unlink_segments
from broker.store.sync_job import SyncJob

LOG = logging.getLogger("broker.server")

TICK_S = 0.5  # heartbeats are looked at every half interval, and the shortest interval is a second
# Acks, declares and unconfirmed messages ride the syncs that confirms and readers of streams ask for; without one they
# wait this long. A sync for each turn of a consumer's acks costs as much as everything else that the turn does.
SYNC_REST_S = 0.02
HOUSE_REST_S = 10.0  # housekeeping that found the disk full is not tried again before


class Heart(Attendant):
    """Gives the data plane what it cannot have without an event loop.

    One sync runs at a time beside the loop, as soon as a confirm waits for it; what arrives meanwhile rides the next
    one, so batching needs no timer.

    Attributes:
        failure: Why the store can no longer be trusted; the daemon ends the process. None while all is well.
    """

    def __init__(
        self, context: Context, on_failure: Callable[[], None], monitor: ResourceMonitor | None = None
    ) -> None:
        """Serve ``context`` on the running loop.

        Args:
            context: The broker.
            on_failure: Called once, when the store has failed.
            monitor: Looks after memory and free disk; without it only a full disk raises an alarm.
        """
        super().__init__()
        self._context = context
        self._turn = context.turn
        self._store = context.turn.store
        self._loop = asyncio.get_running_loop()
        self._on_failure = on_failure
        self._monitor = monitor
        self._syncs = SyncRunner(self._end_sync)
        self._retire_worker = ThreadPoolExecutor(1, "retire")
        self._sync: SyncJob | None = None
        self._sync_began_s = 0.0
        self._sync_later: asyncio.TimerHandle | None = None
        self._retire: RetireJob | None = None
        self._next_turn: asyncio.Handle | None = None
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_ms = 0
        self._is_out_of_space = False
        self._house_rests_until_s = 0.0
        self._is_stopped = False
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        self._looking: asyncio.Handle = self._loop.call_soon(self._look)
        self._look_at_bytes = sys.maxsize  # received so much: look at the memory before the next chunk
        self.failure: StoreError | None = None

    def attend(self) -> None:
        """See to what the turn left undone. Cheap when there is nothing."""
        if self._is_stopped:
            return  # a connection lost last of all; what it left is in the log, and closing the store syncs that
        turn = self._turn
        if turn.counters.bytes_received >= self._look_at_bytes:
            self._look()
        if turn.failure is not None:
            self._write_failed(turn.failure)
        if self._sync is None and turn.wants_sync and self.failure is None:
            if turn.waiting_count > 0 or turn.agenda.unsynced:
                self._begin_sync()
            elif self._sync_later is None:
                self._sync_later = self._loop.call_later(SYNC_REST_S, self._sync_unasked)
        if self._next_turn is None and turn.wants_turn:
            self._next_turn = self._loop.call_soon(self._run_turn)
        wake_ms = turn.agenda.next_wake_ms
        if wake_ms >= 0 and (self._alarm is None or wake_ms < self._alarm_ms):
            self._arm(wake_ms)

    def _run_turn(self) -> None:
        self._next_turn = None
        self._turn.begin()
        self._turn.finish()
        self.attend()

    def _arm(self, wake_ms: int) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_ms = wake_ms
        delay_s = max(0.0, (wake_ms - self._context.clock.now_ms()) / 1000)
        # Loops refuse timers far in the future; a queue's time may be ten years ahead.
        self._alarm = self._loop.call_later(min(delay_s, 3600.0), self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self._run_turn()

    # --- group commit

    def _begin_sync(self) -> None:
        self._sync = self._store.begin_sync()
        self._sync_began_s = time.perf_counter()
        self._syncs.begin(self._sync)

    def _sync_unasked(self) -> None:
        """Sync what nobody waits for."""
        self._sync_later = None
        if self._sync is None and self._turn.wants_sync and self.failure is None:
            self._begin_sync()

    def _end_sync(self) -> None:
        job = self._sync
        if job is None:
            return
        self._sync = None
        counters = self._context.counters
        counters.syncs += 1
        counters.sync_seconds += time.perf_counter() - self._sync_began_s
        try:
            self._store.finish_sync(job)
        except StoreError as error:
            self._fail(error)
            return
        self._turn.synced()
        self.attend()

    def _write_failed(self, error: StoreError) -> None:
        self._turn.failure = None
        if not error.is_no_space:
            self._fail(error)
        elif self._turn.alarms.is_disk_full and not self._is_out_of_space:
            self._is_out_of_space = True
            LOG.error("disk full: publishers are refused until there is room", extra={"reason": str(error)})

    def _fail(self, error: StoreError) -> None:
        """Nothing is confirmed any more; the process must end and start again with what is on the disk."""
        if self.failure is None:
            self.failure = error
            LOG.critical("the store has failed", extra={"reason": str(error)})
            self._on_failure()

    # --- housekeeping

    def _tick(self) -> None:
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        now_s = self._context.clock.monotonic_s()
        self.look_for_room()
        self._context.logins.tick(now_s)
        self._turn.begin()
        for connection in list(self._context.connections.values()):
            connection.tick(now_s)
        self._turn.finish()
        self.attend()
        self.keep_house(now_s)

    def _look(self) -> None:
        """Measure memory and free disk. Publishers are refused from now on; the next tick tells the silent ones."""
        if self._monitor is not None:
            self._looking.cancel()
            again = self._monitor.look(self._context.clock.monotonic_s())
            self._looking = self._loop.call_later(again.wait_s, self._look)
            self._look_at_bytes = self._context.counters.bytes_received + again.received_bytes

    def look_for_room(self) -> None:
        """After a full disk: write what waits, if that goes by now. The connections are told in the same tick."""
        turn = self._turn
        if turn.alarms.is_disk_full and self.failure is None:
            turn.try_again()
        if self._is_out_of_space and not turn.alarms.is_disk_full:
            self._is_out_of_space = False
            LOG.info("disk has room again: everything that waited has been written")

    def keep_house(self, now_s: float) -> None:
        """Do what nobody waits for: shorten the journal, retire old segments."""
        if self.failure is not None:
            return
        store = self._store
        spool = self._turn.agenda.spool
        if spool is not None and spool.garbage:
            self._retire_worker.submit(spool.unlink, spool.take_garbage())
        store.retain_streams(self._turn.agenda.now_ms)
        segments = store.take_stream_garbage()
        if segments:
            self._retire_worker.submit(unlink_segments, store.files, segments)
        if now_s < self._house_rests_until_s:
            return
        try:
            if self._sync is None and store.journal_garbage > store.limits.journal_garbage_bytes:
                store.compact_journal(topology_records(self._turn, self._context.users))
            if self._retire is None and store.is_retire_due:
                self._retire = store.begin_retire()
                self._retire_worker.submit(self._retire.run).add_done_callback(
                    lambda _: self._loop.call_soon_threadsafe(self._end_retire)
                )
        except StoreError as error:
            self._house_failed(error)

    def _end_retire(self) -> None:
        job = self._retire
        if job is None:
            return
        self._retire = None
        try:
            for sentence in self._store.finish_retire(job):
                LOG.warning("retirement of the log", extra={"found": sentence})
        except StoreError as error:
            self._house_failed(error)

    def _house_failed(self, error: StoreError) -> None:
        """Without room, old files stay as they are: no promise rests on it, so this alone is no alarm."""
        if not error.is_no_space:
            self._fail(error)
            return
        self._house_rests_until_s = self._context.clock.monotonic_s() + HOUSE_REST_S
        LOG.warning("no room to move old messages or to shorten the journal", extra={"reason": str(error)})

    async def stop(self) -> None:
        """Stop the timers and wait for the jobs under way. The store may be closed afterwards."""
        self._is_stopped = True
        self._ticking.cancel()
        self._looking.cancel()
        for timer in (self._alarm, self._sync_later):
            if timer is not None:
                timer.cancel()
        await self._syncs.stop()
        await asyncio.to_thread(self._retire_worker.shutdown)
        self._end_sync_at_stop()
        self._end_retire()

    def _end_sync_at_stop(self) -> None:
        job = self._sync
        if job is None:
            return
        self._sync = None
        try:
            self._store.finish_sync(job)
        except StoreError as error:
            self._fail(error)
