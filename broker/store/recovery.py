"""Start-up: read everything back, say what was cut or damaged, and make the tail durable before anybody relies on it.

What a completed sync once covered is known: every batch names the last one that was synced before it. So there are two
kinds of broken octets. Behind that point they are the torn end of a crash: the log is cut there, at the first number
that is missing, and nothing behind it is served even if it is whole. Before it they are damage: that batch is lost and
reported, all others are kept.

The kernel may show pages that never reached the disk (after a failed sync they even look clean). Batches that no sync
is known to have covered are therefore written again, to a new segment, and synced. Its first batch number ends the
segments before it: whatever they hold from that number on is passed over without a word from then on, so that the end
of a file is never rewritten and never reported twice.
"""

import time
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.store.batch_file import RESTART, BatchFile, sync_directory, sync_file
from broker.store.commit_log import CommitLog, log_path
from broker.store.data_directory import DataDirectory
from broker.store.errors import failed
from broker.store.files import Files
from broker.store.findings import sentences
from broker.store.framing import LOG
from broker.store.journal import Journal
from broker.store.limits import StoreLimits
from broker.store.places import LogSegment, QueuePlaces, Share
from broker.store.queue_recovery import QueueSegmentRecovery
from broker.store.records import History, LiveContents, RecoveredEntry, in_order, record_size
from broker.store.series import Series


@final
@mypyc_attr(native_class=True)
class RecoveredQueue:
    """What was found of one queue.

    Attributes:
        entries: Its messages, in order of position.
        next_position: The first position that no file names.
    """

    def __init__(self, entries: list[RecoveredEntry], next_position: i64) -> None:
        self.entries: Final = entries
        self.next_position: Final[i64] = next_position


@final
@mypyc_attr(native_class=True)
class Recovered:
    """What was found.

    Attributes:
        topology: The journal's records, in order.
        queues: log_id to what was found of that queue.
        highest_log_id: The highest log_id that any file names; a new queue's must be above it.
        report: What was cut or is damaged: plain sentences with file, offset and octets. Empty after most starts.
        message_count: Messages found, each queue's copy counted.
        batch_count: Batches read from the log.
        seconds: How long it took.
    """

    def __init__(self) -> None:
        self.topology: Final[list[bytes]] = []
        self.queues: Final[dict[int, RecoveredQueue]] = {}
        self.highest_log_id: i64 = 0
        self.report: Final[list[str]] = []
        self.message_count: i64 = 0
        self.batch_count: i64 = 0
        self.seconds: float = 0.0


@final
@mypyc_attr(native_class=True)
class Recovery:
    """One start.

    Attributes:
        last_batch: Number of the last batch that was kept.
        leftovers: Directories of queues that are gone, still to be deleted.
    """

    def __init__(self, files: Files, directory: DataDirectory, limits: StoreLimits) -> None:
        self.files: Final = files
        self.directory: Final = directory
        self.limits: Final = limits
        self.last_batch: i64 = 0
        self.leftovers: list[str] = []

    def run(self, log: CommitLog, journal: Journal, places: dict[int, QueuePlaces]) -> Recovered:
        """Read the files; fill the log's segments, the journal and the places of every queue.

        Raises:
            StoreError: A file could not be read or written.
        """
        recovered = Recovered()
        began = time.perf_counter()
        try:
            self.recover_journal(journal, recovered)
            self.recover_messages(log, places, recovered)
        except OSError as error:
            path = error.filename if isinstance(error.filename, str) else self.directory.path
            raise failed("recover", path, error, "nothing was changed that is not complete; check the disk") from error
        recovered.seconds = time.perf_counter() - began
        return recovered

    def recover_journal(self, journal: Journal, recovered: Recovered) -> None:
        """Read the newest journal, and go on in a new one that holds the same records."""
        series = Series(self.files, self.directory.journal, ".journal", self.directory.key)
        series.read_newest()
        recovered.report.extend(sentences(series.findings))
        series.collect_topology(recovered.topology)
        journal.number = series.highest_number
        journal.written = series.last_batch
        journal.replace(recovered.topology)
        for name in self.files.list_directory(self.directory.journal):
            path = f"{self.directory.journal}/{name}"
            file = journal.file
            if file is not None and path != file.path and (name.endswith((".journal", ".tmp"))):
                self.files.unlink(path)
        # What the snapshot holds may be a history of changes: let the caller decide with the full size in view.
        if journal.file is not None:
            journal.garbage = journal.file.size

    def recover_messages(self, log: CommitLog, places: dict[int, QueuePlaces], recovered: Recovered) -> None:
        """Read log and queue segments; begin a new log segment."""
        series = Series(self.files, self.directory.log, ".log", self.directory.key)
        series.read_all()
        recovered.report.extend(sentences(series.findings))
        self.last_batch = series.last_batch
        history = History()
        for piece in series.pieces:
            recovered.batch_count += piece.last - piece.first + 1
            series.read_settlements(piece, history)
        backlog = QueueSegmentRecovery(self.files, self.directory.queues, self.directory.key, history)
        backlog.read_ledgers(series.numbers())
        number = max(series.highest_number, backlog.highest_log_segment) + 1
        live = LiveContents(history)
        backlog.read_contents(live)
        recovered.report.extend(sentences(backlog.findings))
        self.begin_log(log, series, number)
        for segment in log.segments:
            data = b""
            for i in range(0, len(segment.ranges), 2):
                if not data:
                    data = self.files.read(segment.path)
                live.read_batches(data, segment.ranges[i], segment.ranges[i + 1], segment.number)
        self.leftovers = backlog.leftovers()
        self.count(log, backlog, live, places, recovered)

    def begin_log(self, log: CommitLog, series: Series, number: i64) -> None:
        """Open a new segment that begins with the tail of the old ones, on disk for certain when this returns."""
        tail = series.take_tail()
        for found in series.files_found:
            segment = LogSegment(found.number, found.path, found.first, found.size)
            segment.ranges = found.ranges
            segment.is_sealed = True
            segment.is_synced = True
            log.segments.append(segment)
            log.bytes += found.size
        path = log_path(self.directory.log, number)
        first = series.tail_first
        file = BatchFile(self.files, f"{path}.tmp", LOG, number, first, self.directory.key)
        for octets in tail:
            file.append([octets], len(octets), 0)
        sync_file(self.files, file.descriptor, file.path)
        try:
            self.files.rename(file.path, path)
            sync_directory(self.files, self.directory.log)
        except OSError as error:
            raise failed("make", path, error, RESTART) from error
        file.path = path
        log.begin(number, first, file)
        if tail:
            log.active.ranges = [int(file.size - sum([len(octets) for octets in tail])), int(file.size)]

    def count(
        self,
        log: CommitLog,
        backlog: QueueSegmentRecovery,
        live: LiveContents,
        places: dict[int, QueuePlaces],
        recovered: Recovered,
    ) -> None:
        """Put every message in its place, once, in order of position."""
        segments: dict[int, LogSegment] = {}
        for segment in log.segments:
            segments[segment.number] = segment
        for log_id, history in live.history.queues.items():
            recovered.highest_log_id = max(recovered.highest_log_id, i64(log_id))
            if history.is_forgotten:
                continue
            entries = in_order(live.queues.get(log_id, []))
            queue = QueuePlaces(log_id)
            queue.last = history.last_position
            queue.delivered = history.delivered
            queue.live = len(entries)
            shares: dict[int, Share] = {}
            for share in backlog.shares_of(log_id):
                shares[share.log_segment] = share
                queue.shares.append(share)
            for entry in entries:
                found = shares.get(entry.log_segment)
                if found is not None:
                    found.live += 1
                else:
                    place = segments[entry.log_segment]
                    queue.stored(entry.position, place)
                    place.content_bytes += record_size(entry.message)
            places[log_id] = queue
            recovered.queues[log_id] = RecoveredQueue(entries, history.last_position + 1)
            recovered.message_count += len(entries)
