"""A data directory as the next start would read it, through the store's own readers, and without touching it."""

from pathlib import Path

from broker.cli.data_files import ReadOnlyFiles
from broker.cli.queue_names import QueueNames, decoded
from broker.store.data_directory import format_key, key_of_files
from broker.store.errors import StoreError
from broker.store.findings import DAMAGE, Finding
from broker.store.queue_recovery import QueueSegmentRecovery
from broker.store.records import History
from broker.store.series import Series, number_of
from broker.store.stream_recovery import StreamScan

PARTS = ("journal", "log", "queues")


class DataReader:
    """What is in one data directory. Call the ``read_`` methods in the order in which they stand here.

    Attributes:
        names: Which queue a log_id is; filled by ``read_journal``.
        undecodable: Octets of each record of the topology that this version cannot decode.
        findings: Parts of the directory that are missing.
        notes: What is worth knowing and harms nobody.
    """

    def __init__(self, path: str, files: ReadOnlyFiles) -> None:
        """Find the key that the batches were written with.

        Raises:
            StoreError: It is no data directory, or its format is newer or unknown.
            OSError: A file could not be read.
        """
        self.path = path
        self.files = files
        self.names = QueueNames()
        self.undecodable: list[int] = []
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        present = [name for name in PARTS if Path(path, name).is_dir()]
        has_format = Path(path, "format").exists()
        if not has_format and not present:
            raise StoreError(f"{path} is no data directory: it holds neither a format file nor a log", path)
        for name in PARTS:
            if name not in present:
                where = f"{path}/{name}"
                self.findings.append(Finding(DAMAGE, f"directory {where} is missing", where, -1, 0))
        if has_format:
            self.key = format_key(files, path)
        else:
            self.key = key_of_files(files, path)
            self.notes.append(f"{path}/format is missing; the next start makes it again from the files")

    def read_journal(self) -> Series:
        """Read the newest journal, and the names of the queues in it.

        Raises:
            OSError: A file could not be read.
        """
        journal = Series(self.files, f"{self.path}/journal", ".journal", self.key)
        journal.read_newest()
        records: list[bytes] = []
        journal.collect_topology(records)
        for octets in records:
            record = decoded(octets)
            if record is None:
                self.undecodable.append(len(octets))
            else:
                self.names.take(record)
        return journal

    def read_log(self) -> Series:
        """Find what can be trusted of the commit log.

        Raises:
            OSError: A file could not be read.
        """
        log = Series(self.files, f"{self.path}/log", ".log", self.key)
        log.read_all()
        return log

    def read_ledgers(self, log: Series, history: History) -> QueueSegmentRecovery:
        """Find the queue segments, and take their ledgers into the history.

        Raises:
            OSError: A file could not be read.
        """
        backlog = QueueSegmentRecovery(self.files, f"{self.path}/queues", self.key, history)
        backlog.read_ledgers(log.numbers())
        return backlog

    def read_streams(self) -> dict[int, StreamScan]:
        """Read every stream whole, by log_id.

        Raises:
            OSError: A file could not be read.
        """
        scans: dict[int, StreamScan] = {}
        for name in self.files.list_directory(f"{self.path}/streams"):
            path = f"{self.path}/streams/{name}"
            log_id = int(number_of(name, ""))
            if log_id < 0:
                self.notes.append(f"{path} is not a directory of the broker; it is left alone")
                continue
            scans[log_id] = StreamScan(self.files, path, self.key)
            scans[log_id].run(is_whole=True)
        return scans
