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
from broker.store.errors import StoreError, failed
from broker.store.files import Files
from broker.store.findings import sentences
from broker.store.framing import LOG
from broker.store.journal import Journal
from broker.store.limits import StoreLimits
from broker.store.places import LogSegment, QueuePlaces
from broker.store.placing import Placing, Progress, Recovered
from broker.store.queue_recovery import QueueSegmentRecovery
from broker.store.records import EntrySink, History, LiveContents, in_order
from broker.store.series import Series


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

    def read_topology(self, journal: Journal) -> Recovered:
        """Read the journal: the first half of a start.

        Raises:
            StoreError: A file could not be read or written.
        """
        recovered = Recovered()
        began = time.perf_counter()
        try:
            self.recover_journal(journal, recovered)
        except OSError as error:
            raise self.refusal(error) from error
        recovered.seconds = time.perf_counter() - began
        return recovered

    def read_messages(
        self, recovered: Recovered, log: CommitLog, places: dict[int, QueuePlaces], sink: EntrySink | None
    ) -> None:
        """Read log and queue segments; fill the log's segments and the places of every queue: the second half.

        Args:
            recovered: From ``read_topology``; completed here.
            log: Gets its segments.
            places: Gets those of every queue.
            sink: Takes the messages; without one they are collected in ``recovered``.

        Raises:
            StoreError: A file could not be read or written.
        """
        began = time.perf_counter()
        try:
            self.recover_messages(log, places, recovered, sink)
        except OSError as error:
            raise self.refusal(error) from error
        recovered.seconds += time.perf_counter() - began

    def refusal(self, error: OSError) -> StoreError:
        """What a start that met a broken disk says."""
        path = error.filename if isinstance(error.filename, str) else self.directory.path
        return failed("recover", path, error, "nothing was changed that is not complete; check the disk")

    def recover_journal(self, journal: Journal, recovered: Recovered) -> None:
        """Read the newest journal, and go on in a new one that holds the same records."""
        series = Series(self.files, self.directory.journal, ".journal", self.directory.key)
        series.read_newest()
        recovered.report.extend(sentences(series.findings))
        series.collect_topology(recovered.topology)
        journal.number = series.highest_number
        journal.written = series.last_batch
        recovered.journal_batch = series.last_batch
        journal.replace(recovered.topology)
        for name in self.files.list_directory(self.directory.journal):
            path = f"{self.directory.journal}/{name}"
            file = journal.file
            if file is not None and path != file.path and (name.endswith((".journal", ".tmp"))):
                self.files.unlink(path)
        # What the snapshot holds may be a history of changes: let the caller decide with the full size in view.
        if journal.file is not None:
            journal.garbage = journal.file.size

    def recover_messages(
        self, log: CommitLog, places: dict[int, QueuePlaces], recovered: Recovered, sink: EntrySink | None
    ) -> None:
        """Read log and queue segments; begin a new log segment."""
        series = Series(self.files, self.directory.log, ".log", self.directory.key)
        series.read_all()
        recovered.report.extend(sentences(series.findings))
        self.last_batch = series.last_batch
        history = History()
        for piece in series.pieces:
            series.read_settlements(piece, history)
        backlog = QueueSegmentRecovery(self.files, self.directory.queues, self.directory.key, history)
        backlog.read_ledgers(series.numbers())
        number = max(series.highest_number, backlog.highest_log_segment) + 1
        self.begin_log(log, series, number)
        placing = Placing(log, backlog, places, sink)
        live = LiveContents(history, None if sink is None else placing)
        backlog.read_contents(live)
        recovered.report.extend(sentences(backlog.findings))
        progress = Progress(log.bytes)
        for segment in log.segments:
            data = b""
            for i in range(0, len(segment.ranges), 2):
                if not data:
                    data = self.files.read(segment.path)
                live.read_batches(data, segment.ranges[i], segment.ranges[i + 1], segment.number)
            progress.segment_read(segment.size, placing.count)
        self.leftovers = backlog.leftovers()
        for log_id, found in live.queues.items():
            live.queues[log_id] = in_order(found)
            for entry in live.queues[log_id]:
                placing.found(log_id, entry)
        placing.finish(live, recovered)

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
