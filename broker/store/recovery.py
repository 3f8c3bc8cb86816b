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
from broker.store.series import Series, number_of
from broker.store.stream_log import StreamLog
from broker.store.stream_recovery import recover_stream


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
        self,
        recovered: Recovered,
        log: CommitLog,
        places: dict[int, QueuePlaces],
        sink: EntrySink | None,
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
            history = self.recover_messages(log, places, recovered, sink)
            self.find_forgotten_streams(history)
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
    ) -> History:
        """Read log and queue segments; begin a new log segment. Returns what is settled."""
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
        return history

    def find_forgotten_streams(self, history: History) -> None:
        """Streams that are gone, as far as the log knows, and whose files are not."""
        for name in self.files.list_directory(self.directory.streams):
            settled = history.queues.get(number_of(name, ""))
            if settled is not None and settled.is_forgotten:
                self.leftovers.append(f"{self.directory.streams}/{name}")

    def read_streams(self, recovered: Recovered, streams: dict[int, StreamLog], gone: list[str]) -> None:
        """Read the tail of every stream.

        Args:
            recovered: Gets what is damaged or unknown, and the highest log_id.
            streams: Those that the topology has: each gets its segments.
            gone: Directories that are still to be deleted.

        Raises:
            StoreError: A file could not be read or written.
        """
        try:
            for name in self.files.list_directory(self.directory.streams):
                path = f"{self.directory.streams}/{name}"
                if path not in gone:
                    self.recover_stream(path, number_of(name, ""), recovered, streams)
            # A directory that was made just before a kill may have no name on the disk yet.
            sync_directory(self.files, self.directory.streams)
        except OSError as error:
            raise self.refusal(error) from error

    def recover_stream(self, path: str, log_id: i64, recovered: Recovered, streams: dict[int, StreamLog]) -> None:
        """One directory."""
        if log_id < 0:
            recovered.report.append(f"{path} is not a directory of the broker; it is left alone")
            return
        recovered.highest_log_id = max(recovered.highest_log_id, log_id)
        log = streams.get(log_id)
        if log is None:
            # Nobody deleted it: its record is lost. What cannot be served is kept all the same.
            recovered.report.append(f"{path} belongs to no stream that is declared; it is left alone")
        elif log.is_forgotten:
            log.is_new = False
        else:
            recovered.report.extend(sentences(recover_stream(self.files, log)))

    def begin_log(self, log: CommitLog, series: Series, number: i64) -> None:
        """Open a new segment that begins with the tail of the old ones, on disk for certain when this returns."""
        tail = series.take_tail()
        for found in series.files_found:
            segment = LogSegment(found.number, found.path, found.first, found.size)
            segment.ranges = found.ranges
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
