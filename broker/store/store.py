"""The one commit stage: what a turn changed becomes one batch, one write, and later one sync."""

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64, mypyc_attr

from broker.core.message import NOT_STORED, PENDING, SETTLED, Enqueuer, Message, Queued
from broker.store.batch_file import RESTART, BatchFile
from broker.store.commit_log import CommitLog
from broker.store.contents import put_contents
from broker.store.data_directory import DataDirectory
from broker.store.errors import StoreError, failed
from broker.store.files import Files
from broker.store.framing import FILE_HEADER_SIZE, put_batch
from broker.store.journal import Journal
from broker.store.limits import StoreLimits
from broker.store.places import LogSegment, QueuePlaces
from broker.store.placing import Recovered
from broker.store.queue_segments import queue_directory
from broker.store.records import (
    CLOSED,
    EntrySink,
    put_delivered,
    put_forgotten,
    put_returned,
    put_settled,
)
from broker.store.recovery import Recovery
from broker.store.retire_job import RetireJob
from broker.store.stream_log import StreamLimits, StreamLog
from broker.store.survivors import Survivors
from broker.store.sync_job import SyncJob

NOBODY: Final[i64] = -1
LARGE_BUFFER: Final = 4 * 1024 * 1024


@final
@mypyc_attr(native_class=True)
class Store:
    """The durable state of one broker.

    Everything but the ``run`` of a job belongs to the loop thread. Order of use: ``recover`` first; then, turn after
    turn, the calls that only take note, and one ``write`` at the end; ``begin_sync`` when ``is_dirty`` and no sync is
    under way; ``begin_retire`` now and then; ``close`` last.

    Attributes:
        written: Number of the last batch handed to the operating system; 0 for none.
        synced: Number of the last batch that a completed sync covers. A confirm may leave when the number that
            ``write`` returned for its turn is not above this.
        is_dirty: Something was written since the last sync began.
        is_failed: A sync or a write failed for good: ``synced`` never rises again.
        pending: Appends that no batch holds yet. Empty after ``write``, unless that raised.
    """

    def __init__(self, directory: str, files: Files, limits: StoreLimits) -> None:
        """Take the data directory.

        Raises:
            StoreError: It is another process's, newer than this version, or cannot be used.
        """
        self.files: Final = files
        self.limits: Final = limits
        self.directory: Final = DataDirectory(directory, files)
        key: i64 = self.directory.key
        self.log: Final = CommitLog(files, limits, self.directory.log, key)
        self.journal: Final = Journal(files, self.directory.journal, key)
        self.key: Final[i64] = key
        self.written: i64 = 0
        self.synced: i64 = 0
        self.is_dirty: bool = False
        self.is_failed: bool = False
        self.is_open: bool = False
        self.has_news: bool = False
        self.pending: list[Queued] = []
        self.topology: list[bytes] = []
        self.marked: list[QueuePlaces] = []
        self.contents: BytesWriter = BytesWriter()
        self.settlements: Final = BytesWriter()
        self.returns: Final = BytesWriter()  # go behind the settlements
        self.run_queue: i64 = NOBODY
        self.run_first: i64 = 0
        self.run_last: i64 = 0
        self.places: Final[dict[int, QueuePlaces]] = {}
        self.last_places: QueuePlaces = QueuePlaces(NOBODY)
        self.is_journal_dirty: bool = False
        self.is_syncing: bool = False
        self.is_retiring: bool = False
        self.synced_segment: i64 = 0
        self.synced_offset: i64 = 0
        self.emptied_files: i64 = 0
        self.forgets: dict[int, int] = {}  # log_id to the batch that forgets it, until a retirement sees it synced
        self.recovery: Recovery | None = None  # between the two halves of a start
        self.forgotten: list[tuple[int, str]] = []  # batch that forgets it, directory of its queue segments or stream
        self.streams: Final[dict[int, StreamLog]] = {}
        self.due_streams: list[StreamLog] = []  # have messages that no chunk holds yet
        self.waiting_streams: list[StreamLog] = []  # have chunks that no sync job covers yet
        self.abandoned: list[BatchFile] = []  # of forgotten streams; a sync under way may hold their descriptors

    # During a turn: nothing here touches a file.

    def append(self, queued: Queued) -> None:
        """Take note of a message in a durable queue; ``write`` stores it unless it is settled before."""
        places = self.places_of(queued.queue.log_id)
        places.live += 1
        places.last = max(places.last, queued.position)
        queued.log_segment = PENDING
        self.pending.append(queued)
        self.has_news = True

    def settle(self, queued: Queued) -> None:
        """A message has left its queue. One that was appended in this very turn never costs an octet."""
        log_segment = queued.log_segment
        if log_segment in (NOT_STORED, SETTLED):
            return
        queued.log_segment = SETTLED
        log_id = queued.queue.log_id
        places = self.last_places
        if places.log_id != log_id:
            found = self.places.get(log_id)
            if found is None:
                return  # its queue was forgotten before it
            places = found
            self.last_places = found
        if log_segment == PENDING:
            places.live -= 1
            return
        share = places.settled(log_segment, self.written + 1)
        if share.live == 0 and share.segment is None:
            self.emptied_files += 1
        position = queued.position
        if self.run_queue == log_id and position == self.run_last + 1:
            self.run_last = position
            return
        self.end_run()
        self.run_queue = log_id
        self.run_first = position
        self.run_last = position
        self.has_news = True

    def delivered(self, queue: Enqueuer, position: i64) -> None:
        """Every message of the queue up to ``position`` has been handed to a client: redelivered, after a restart."""
        places = self.last_places
        if places.log_id != queue.log_id:
            found = self.places.get(queue.log_id)
            if found is None:
                return  # nothing of it was ever stored
            places = found
            self.last_places = found
        if position <= places.delivered:
            return
        places.delivered = position
        if not places.is_marked:
            places.is_marked = True
            self.marked.append(places)
            self.has_news = True

    def returned(self, queued: Queued) -> None:
        """A message came back to a queue that counts, and its counts have risen."""
        if queued.log_segment != NOT_STORED:
            put_returned(
                self.returns, queued.queue.log_id, queued.position, queued.acquired_count, queued.delivery_count
            )
            self.has_news = True

    def purge(self, queue: Enqueuer, survivors: Survivors) -> None:
        """Everything appended to the queue so far is settled but for the survivors, its unacked messages.

        The purged ``Queued`` need not be visited, and must not be settled one by one as well.
        """
        log_id = queue.log_id
        places = self.places.get(log_id)
        if places is None:
            return
        positions = survivors.positions
        live: i64 = 0
        for queued in self.pending:
            if queued.queue.log_id != log_id or queued.log_segment != PENDING:
                continue
            if positions.contains(queued.position):
                live += 1
            else:
                queued.log_segment = SETTLED
        self.end_run()
        first: i64 = 1
        for kept_first, kept_last in positions.overlap(1, places.last):
            if kept_first > first:
                put_settled(self.settlements, log_id, first, kept_first - 1)
            first = kept_last + 1
        if first <= places.last:
            put_settled(self.settlements, log_id, first, places.last)
        places.drop_all(self.written + 1)
        for log_segment, count in survivors.by_segment.items():
            if log_segment >= 0:
                places.survived(log_segment, count)
                live += count
        places.live = live
        self.emptied_files += 1
        self.has_news = True

    def forget_queue(self, log_id: i64) -> None:
        """A queue was deleted: its records no longer count, and its files go with the next retirement."""
        places = self.places.get(log_id)
        if places is None:
            return
        for queued in self.pending:
            if queued.queue.log_id == log_id:
                queued.log_segment = SETTLED
        self.end_run()
        put_forgotten(self.settlements, log_id)
        self.has_news = True
        places.drop_all(self.written + 1)
        places.live = 0
        self.forgets[log_id] = int(self.written) + 1
        if self.owns_files(places):
            self.forgotten.append((self.written + 1, queue_directory(self.directory.queues, log_id)))
        del self.places[log_id]
        if self.last_places is places:
            self.last_places = QueuePlaces(NOBODY)

    def make_stream(self, log_id: i64, limits: StreamLimits) -> StreamLog:
        """The stream with this number, which is new or about to be recovered."""
        log = StreamLog(self.files, self.directory.streams, self.key, log_id, limits)
        self.streams[log_id] = log
        return log

    def append_to_stream(self, log: StreamLog, message: Message) -> None:
        """Take note of a message in a stream; ``write`` gives it its offset and stores it."""
        if not log.pending:
            self.due_streams.append(log)
            self.has_news = True
        log.pending.append(message)

    def mark_published(self) -> None:
        """What streams have pending was published; what comes from here on in this turn are dead letters."""
        for log in self.due_streams:
            log.published = len(log.pending)

    def take_back_streams(self) -> None:
        """The disk is full: forget what was published to streams in this turn. Its publishers are told so."""
        for log in self.due_streams:
            log.take_back()
        self.due_streams = [log for log in self.due_streams if log.pending]

    def carry_streams(self) -> None:
        """The disk is full: what streams have pending now waits for room."""
        for log in self.due_streams:
            log.carried = len(log.pending)

    def forget_stream(self, log: StreamLog) -> None:
        """A stream was deleted: its files go with the next retirement."""
        if log.is_forgotten:
            return
        log.is_forgotten = True
        if log.pending:
            log.pending = []
            self.due_streams.remove(log)
        if not self.is_open:
            return  # read back from the journal: recovery sees to what is left of it
        self.streams.pop(log.log_id, None)
        self.abandoned.extend(log.take_files())
        if not log.is_new:
            self.drop_stream(log.log_id, log.directory)

    def drop_stream(self, log_id: i64, directory: str) -> None:
        """Note that the stream is gone, and delete its directory when that is synced."""
        self.end_run()
        put_forgotten(self.settlements, log_id)
        self.has_news = True
        self.forgotten.append((self.written + 1, directory))

    def retain_streams(self, now_ms: i64) -> None:
        """Let go of what is too old in any stream. Now and then."""
        for log in self.streams.values():
            if log.limits.max_age_ms >= 0:
                log.retain(now_ms)

    def take_stream_garbage(self) -> list[str]:
        """The segments to unlink, oldest first; the caller does it with ``unlink_segments``, on any thread."""
        garbage: list[str] = []
        for log in self.streams.values():
            if log.garbage:
                garbage.extend(log.garbage)
                log.garbage = []
        return garbage

    def record_topology(self, octets: bytes) -> None:
        """One change of the topology, for the journal."""
        self.topology.append(octets)
        self.has_news = True

    def owns_files(self, places: QueuePlaces) -> bool:
        """Tells whether a queue has queue segments."""
        for share in places.shares:
            if share.path:
                return True
        return False

    def places_of(self, log_id: i64) -> QueuePlaces:
        """Where this queue's messages are. The last queue asked for is remembered: 2 ns instead of a look-up's 25."""
        places = self.last_places
        if places.log_id == log_id:
            return places
        found = self.places.get(log_id)
        if found is None:
            found = QueuePlaces(log_id)
            self.places[log_id] = found
        self.last_places = found
        return found

    def end_run(self) -> None:
        """Positions settled one after the other become one record."""
        if self.run_queue != NOBODY:
            put_settled(self.settlements, self.run_queue, self.run_first, self.run_last)
            self.run_queue = NOBODY

    # At the end of a turn.

    def write(self) -> i64:
        """Hand everything noted since the last call to the operating system, as one batch.

        Returns:
            The number that ``synced`` must reach before anything of this turn may be confirmed. If nothing was noted,
            or nothing worth an octet, that of the batch before, and no system call was made.

        Raises:
            StoreError: With ``is_no_space``, nothing of the turn was stored and all of it stays noted: ``pending``
                names the messages, and those that are settled before the next call will never be written. Any other:
                the store has failed.
        """
        if not self.has_news:
            return self.written
        if self.is_failed:
            raise self.refusal()
        try:
            self.write_news()
        except StoreError as error:
            if not error.is_no_space:
                self.is_failed = True
            raise
        return self.written

    def find_room(self) -> None:
        """Reserve disk for what comes next, after a full disk: only a reserve proves that there is room.

        Raises:
            StoreError: ``is_no_space``: there is none yet. Any other: the store has failed.
        """
        if self.is_failed:
            raise self.refusal()
        try:
            self.log.find_room()
        except StoreError as error:
            if not error.is_no_space:
                self.is_failed = True
            raise

    def refusal(self) -> StoreError:
        """What every write and sync after a failure gets."""
        text = f"the store in {self.directory.path} has failed; {RESTART}"
        return StoreError(text, self.directory.path)

    def write_news(self) -> None:
        """Journal first: a message must never be found for a queue whose declaration was not written before it."""
        has_topology = len(self.topology) > 0
        if has_topology:
            self.journal.append(self.topology)
            self.topology = []
            self.is_journal_dirty = True
        self.end_run()
        for places in self.marked:
            places.is_marked = False
            if places.live > 0:
                put_delivered(self.settlements, places.log_id, places.delivered)
        self.marked.clear()
        if len(self.returns) > 0:
            self.settlements.write(self.returns.getvalue())
            self.returns.truncate(0)
        parts: list[bytes] = [b""]
        put_contents(self.pending, self.contents, parts)
        if len(self.contents) > LARGE_BUFFER:
            self.contents = BytesWriter()  # one huge turn must not keep its buffer for good
        contents_count: i64 = len(parts) - 1
        if len(self.settlements) > 0:
            parts.append(self.settlements.getvalue())
        if len(parts) > 1 or self.is_journal_dirty or self.due_streams:
            # A turn with topology or streams alone gets an empty batch: its number is what the answer waits for.
            number = self.written + 1
            size = put_batch(parts, contents_count, self.key, number, self.synced)
            contents_size = size - len(self.settlements)
            if self.due_streams:
                self.write_streams(parts, size, number)
            else:
                self.log.append(parts, size, number)
            self.log.active.content_bytes += contents_size
            self.written = number
            self.is_dirty = True
            self.settlements.truncate(0)
            self.stored()
        self.pending.clear()
        self.has_news = False

    def write_streams(self, parts: list[bytes], size: i64, number: i64) -> None:
        """Write the streams' chunks, then the batch; all of it, or nothing.

        The streams come first: a dead letter must not be settled where it was before it is where it goes.
        """
        try:
            for log in self.due_streams:
                log.write(self.contents)
            self.log.append(parts, size, number)
        except StoreError:
            for log in self.due_streams:
                log.undo()
            raise
        for log in self.due_streams:
            log.stored()
            self.wait_for_sync(log)
        self.due_streams = []

    def wait_for_sync(self, log: StreamLog) -> None:
        """A stream has something that the next sync job must cover."""
        if not log.is_waiting:
            log.is_waiting = True
            self.waiting_streams.append(log)

    def stored(self) -> None:
        """The batch is written: the pending messages have a place now."""
        segment = self.log.active
        number = segment.number
        places = self.last_places
        for queued in self.pending:
            if queued.log_segment == PENDING:
                log_id = queued.queue.log_id
                if places.log_id != log_id:
                    places = self.places_of(log_id)
                queued.log_segment = number
                places.stored(queued.position, segment)

    # Group commit.

    def begin_sync(self) -> SyncJob:
        """A job that covers everything written so far: have it run beside the loop, then call ``finish_sync``.

        Raises:
            StoreError: The store has failed.
        """
        if self.is_failed:
            raise self.refusal()
        if self.is_syncing:
            raise AssertionError("one sync at a time")
        job = SyncJob(self.files, self.written, self.journal.written)
        journal = self.journal.file
        if journal is not None and self.is_journal_dirty:
            job.add(journal.descriptor, journal.path)
        for segment in self.log.unsynced:
            job.add(segment.descriptor, segment.path)
            job.sealed.append(segment)
        active = self.log.active
        job.add(active.descriptor, active.path)
        job.end_segment = active.number
        job.end_offset = active.size
        if self.log.is_directory_dirty:
            job.directories.append(self.directory.log)
        for log in self.waiting_streams:
            log.is_waiting = False
            if not log.is_forgotten:
                job.add_stream(log, self.directory.streams)
        self.waiting_streams = []
        self.is_syncing = True
        self.is_dirty = False
        self.is_journal_dirty = False
        self.log.unsynced = []
        self.log.is_directory_dirty = False
        return job

    def finish_sync(self, job: SyncJob) -> i64:
        """Take in what a sync job did.

        Returns:
            ``synced``, as it is now: every confirm that waited for this number or a lower one may leave.

        Raises:
            StoreError: The sync failed. Nothing that was not covered before is ever confirmed by this process.
        """
        self.is_syncing = False
        error = job.error
        if error is None and not job.is_run:
            raise AssertionError("a sync job was finished that had not run")
        if error is None and not self.is_failed:
            error = self.close_sealed(job)
        if error is not None:
            self.is_failed = True
            raise error
        if self.is_failed:
            raise self.refusal()
        self.synced = job.batch
        self.journal.synced = max(self.journal.synced, job.journal_batch)
        self.synced_segment = job.end_segment
        self.synced_offset = job.end_offset
        return self.synced

    def close_sealed(self, job: SyncJob) -> StoreError | None:
        """The sealed segments have had their last sync."""
        for segment in job.sealed:
            try:
                self.files.close(segment.descriptor)
            except OSError as error:
                return failed("close", segment.path, error, RESTART)
            segment.descriptor = -1
            segment.is_synced = True
        files = self.abandoned
        self.abandoned = []
        for covered in job.streams:
            files.extend(covered.sealed)
        for file in files:
            try:
                self.files.close(file.descriptor)
            except OSError as refusal:
                return failed("close", file.path, refusal, RESTART)
        for covered in job.streams:
            covered.log.synced = covered.end
        return None

    # Housekeeping.

    @property
    def journal_garbage(self) -> i64:
        """Octets that the journal took since its snapshot; above ``journal_garbage_bytes`` a new one is worth it."""
        return self.journal.garbage

    def compact_journal(self, records: list[bytes]) -> None:
        """Replace the journal by a snapshot: the whole topology as records, the changes of this turn included.

        Synced when this returns. Call it between turns, and not while a sync is under way.

        Raises:
            StoreError: ``is_no_space``: the old journal goes on. Any other: the store has failed.
        """
        if self.is_failed:
            raise self.refusal()
        if self.is_syncing:
            raise AssertionError("the journal cannot be replaced while it is being synced")
        try:
            self.journal.replace(records)
        except StoreError as error:
            if not error.is_no_space:
                self.is_failed = True
            raise
        self.topology = []
        self.is_journal_dirty = False

    @property
    def is_retire_due(self) -> bool:
        """Files can go, or the log is larger than it should be: call ``begin_retire`` and run the job."""
        if self.is_retiring or self.is_failed or not self.is_open:
            return False
        oldest = self.log.segments[0]
        if not oldest.is_synced:
            return self.emptied_files > 0 or len(self.forgotten) > 0
        if oldest.live == 0 and oldest.emptied <= self.synced:
            return True
        return self.is_log_long() or self.emptied_files > 0 or len(self.forgotten) > 0

    def is_log_long(self) -> bool:
        """Tells whether the log should give up its oldest segments: it is long, and not nearly all of it is wanted."""
        limits = self.limits
        size = self.log.bytes
        count: i64 = len(self.log.segments)
        has_crumbs = count > limits.log_segments and size < count * limits.segment_bytes // 2
        if size <= limits.log_bytes and not has_crumbs:
            return False
        live: i64 = 0
        for segment in self.log.segments:
            live += segment.live_bytes
        return has_crumbs or live * 100 <= size * limits.dense_percent

    def begin_retire(self) -> RetireJob:
        """A job that deletes what is settled and moves old messages out of the log; ``run`` it on a worker thread."""
        if self.is_retiring or self.is_failed:
            raise AssertionError("a retirement is under way, or the store has failed")
        job = RetireJob(self.files, self.directory, self.limits)
        self.emptied_files = 0
        waiting: list[tuple[int, str]] = []
        for batch, path in self.forgotten:
            if batch <= self.synced:
                job.forgotten.append(path)
            else:
                waiting.append((batch, path))
        self.forgotten = waiting
        self.forgets = {log_id: batch for log_id, batch in self.forgets.items() if batch > self.synced}
        for places in self.places.values():
            for share in places.shares:
                if not share.path:
                    continue
                if share.live > 0 or share.emptied > self.synced:
                    job.keep(places.log_id, share)
                    if share.live == 0:
                        self.emptied_files += 1
                else:
                    job.drop(places.log_id, share)
        self.choose_segments(job)
        self.is_retiring = True
        return job

    def choose_segments(self, job: RetireJob) -> None:
        """The dead ones at the old end; and if the log is too long, more of them, until it is half as long.

        From the oldest only: a settlement must not vanish before the message it settles.
        """
        segments = self.log.segments
        size = self.log.bytes
        count: i64 = len(segments)
        is_long = self.is_log_long()
        for segment in segments:
            if not segment.is_synced:
                break
            is_dead = segment.live == 0 and segment.emptied <= self.synced
            if not is_dead:
                small = size <= self.limits.log_bytes // 2 and count <= self.limits.log_segments // 2
                if not is_long or small:
                    break
                job.is_moving = True
            job.removed.append(segment)
            size -= segment.size
            count -= 1
        for segment in segments:
            if segment.is_synced:
                job.add_readable(segment, segment.ranges)
            else:
                # Settlements that no sync covers must not reach a file that is synced before them.
                if segment.number == self.synced_segment:
                    job.add_readable(segment, [FILE_HEADER_SIZE, int(self.synced_offset)])
                break

    def finish_retire(self, job: RetireJob) -> list[str]:
        """Take in what a retirement did.

        Returns:
            Plain sentences about damage that it met; nothing as a rule.

        Raises:
            StoreError: ``is_no_space``: nothing was moved, it may be tried again. Any other: the store has failed.
        """
        self.is_retiring = False
        error = job.error
        if error is not None:
            self.forgotten.extend((0, path) for path in job.forgotten)
            self.emptied_files += 1
            if not error.is_no_space:
                self.is_failed = True
            raise error
        gone = {int(segment.number) for segment in job.removed}
        for places in self.places.values():
            for share in places.shares:
                if share.path and share.path in job.dropped:
                    share.path = ""
                elif int(share.log_segment) in gone:
                    share.segment = None
                    job.adopt(places.log_id, share)
                    if share.path and share.live == 0:
                        self.emptied_files += 1
            places.trim()
        for log_id in job.moved_queues():
            if log_id not in self.places:
                # Forgotten behind what the job could see.
                self.forgotten.append((self.forgets[log_id], queue_directory(self.directory.queues, log_id)))
        self.log.removed(len(job.removed))
        return job.report

    # Start and stop.

    def recover(self) -> Recovered:
        """Read everything back, make the tail durable, and open the log for writing.

        Set ``log_segment`` of each ``Queued`` from its entry; the store has already counted it. A queue that the
        topology does not know is to be forgotten. No new log_id may be at or below ``highest_log_id``.

        Raises:
            StoreError: A file could not be read or written. Damage is not an error: it is in the report.
        """
        recovered = self.recover_topology()
        self.recover_messages(recovered, None)
        return recovered

    def recover_topology(self) -> Recovered:
        """The first half of ``recover``: the journal's records, in ``topology``.

        Raises:
            StoreError: As ``recover``.
        """
        self.recovery = Recovery(self.files, self.directory, self.limits)
        return self.recovery.read_topology(self.journal)

    def recover_messages(self, recovered: Recovered, sink: EntrySink | None) -> None:
        """The second half: completes ``recovered``, and opens the log for writing.

        Args:
            recovered: From ``recover_topology``.
            sink: Takes each message as it is read, in place of ``recovered.queues[…].entries``.

        Raises:
            StoreError: As ``recover``.
        """
        recovery = self.recovery
        if recovery is None:
            raise AssertionError("the topology is recovered first")
        self.recovery = None
        recovery.read_messages(recovered, self.log, self.places, sink)
        recovery.read_streams(recovered, self.streams, recovery.leftovers)
        self.forgotten.extend((0, path) for path in recovery.leftovers)
        self.opened(recovery.last_batch)

    def resume(
        self,
        recovered: Recovered,
        segments: list[LogSegment],
        places: dict[int, QueuePlaces],
        forgotten: list[str],
        last_batch: i64,
    ) -> None:
        """Open the log as a clean stop left it, in place of ``recover_messages``: nothing is read but streams.

        Args:
            recovered: From ``recover_topology``; what is found of streams is put there.
            segments: All of the log, oldest first, sealed and synced.
            places: Where each queue's messages are.
            forgotten: Directories of queues and streams that are gone, still to be deleted.
            last_batch: Number of the last batch; all of them are synced.

        Raises:
            StoreError: The new segment could not be written, or a stream not be read.
        """
        recovery = self.recovery
        if recovery is None:
            raise AssertionError("the topology is recovered first")
        self.recovery = None
        recovery.read_streams(recovered, self.streams, forgotten)
        self.forgotten.extend((0, path) for path in forgotten)
        for segment in segments:
            self.log.segments.append(segment)
            self.log.bytes += segment.size
        self.places.update(places)
        self.log.begin_new(last_batch + 1)
        self.opened(last_batch)

    def opened(self, last_batch: i64) -> None:
        """The log is ready to be written, and all that is in it is synced."""
        self.written = last_batch
        self.synced = last_batch
        self.synced_segment = self.log.active.number
        self.synced_offset = self.log.active.size
        self.is_open = True
        for log in list(self.streams.values()):
            if log.is_forgotten:
                del self.streams[log.log_id]
                if not log.is_new:
                    self.drop_stream(log.log_id, log.directory)

    def seal(self) -> None:
        """Write and sync what there is, and mark the stop as clean: nothing is written after that but by ``close``.

        No job may be under way.

        Raises:
            StoreError: The last write or sync failed.
        """
        if not self.is_open or self.is_failed:
            return
        self.is_open = False
        self.write()
        job = self.begin_sync()
        job.run()
        self.finish_sync(job)
        self.settlements.append(CLOSED)
        self.has_news = True
        for log in self.streams.values():
            if not log.is_marked:
                log.mark()
                self.wait_for_sync(log)
        self.write()
        self.log.trim()
        last = self.begin_sync()
        last.run()
        self.finish_sync(last)

    def close(self) -> None:
        """``seal``, unless that has been done, and give the directory up.

        Raises:
            StoreError: As ``seal``; the directory is given up nevertheless.
        """
        try:
            self.seal()
        finally:
            self.is_open = False
            self.close_files()
            self.directory.release()

    def close_files(self) -> None:
        """Give every descriptor back; what mattered has been synced, or the failure was told."""
        descriptors = [segment.descriptor for segment in self.log.segments if segment.descriptor >= 0]
        journal = self.journal.file
        if journal is not None and journal.descriptor >= 0:
            descriptors.append(journal.descriptor)
            journal.descriptor = -1
        for segment in self.log.segments:
            segment.descriptor = -1
        files = self.abandoned
        for log in self.streams.values():
            files.extend(log.take_files())
        descriptors.extend([file.descriptor for file in files])
        for descriptor in descriptors:
            try:
                self.files.close(descriptor)
            except OSError:
                continue


def unlink_segments(files: Files, paths: list[str]) -> None:
    """Delete what ``take_stream_garbage`` gave, in order; what will not go is found again by the next start."""
    for path in paths:
        try:
            files.unlink(path)
        except OSError:
            continue
