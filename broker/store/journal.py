"""The topology journal: what the vhosts, users and queues are, as records that the store does not read.

One file at a time: a snapshot first, then what changed since. A new snapshot is a new file, complete and synced before
it takes its final name; the one before it is removed after that. A journal file under its final name is therefore
whole, but for its tail.
"""

from typing import Final, final

from librt.strings import BytesWriter, read_i32_le, write_i32_le
from mypy_extensions import i32, i64, mypyc_attr

from broker.store.batch_file import RESTART, BatchFile, sync_directory, sync_file
from broker.store.errors import StoreError, failed
from broker.store.files import Files
from broker.store.framing import BATCH_HEADER_SIZE, JOURNAL, batch_end, put_batch, settlements_start

# A snapshot is cut into batches of about this size, so that damage costs one of them and not all.
SNAPSHOT_BATCH_BYTES: Final = 64 * 1024


def journal_path(directory: str, number: i64) -> str:
    """Where the journal with this number is."""
    return f"{directory}/{int(number):016x}.journal"


@final
@mypyc_attr(native_class=True)
class TopologyCursor:
    """Walks over the records of one batch, each with its length in front.

    Attributes:
        start: Offset of the octets of the record that ``next`` came to.
        after: Offset behind them.
    """

    def __init__(self, start: i64, end: i64) -> None:
        self.end: Final[i64] = end
        self.start: i64 = start
        self.after: i64 = start

    def next(self, data: bytes) -> bool:
        """Go to the next record; false when there is none."""
        at = self.after
        if at + 4 > self.end:
            return False
        self.start = at + 4
        self.after = at + 4 + i64(read_i32_le(data, at))
        return True


def read_topology(data: bytes, start: i64, end: i64, records: list[bytes]) -> None:
    """Take in the records of whole batches between two offsets."""
    at = start
    while at < end:
        record = TopologyCursor(at + BATCH_HEADER_SIZE, settlements_start(data, at))
        while record.next(data):
            records.append(data[record.start : record.after])
        at = batch_end(data, at)


@final
@mypyc_attr(native_class=True)
class Journal:
    """The journal that is being written.

    Attributes:
        written: Number of its last batch.
        synced: Its last batch that a completed sync covers.
        garbage: Octets that came after the snapshot.
    """

    def __init__(self, files: Files, directory: str, key: i64) -> None:
        self.files: Final = files
        self.directory: Final = directory
        self.key: Final[i64] = key
        self.number: i64 = 0
        self.written: i64 = 0
        self.synced: i64 = 0
        self.garbage: i64 = 0
        self.file: BatchFile | None = None

    def append(self, records: list[bytes]) -> None:
        """Write records as one batch.

        Raises:
            StoreError: As ``BatchFile.append``.
        """
        file = self.file
        if file is None:
            raise AssertionError("the journal was written before it was recovered")
        before = file.size
        self.put(file, records, self.synced)
        self.garbage += file.size - before

    def put(self, file: BatchFile, records: list[bytes], synced: i64) -> None:
        """One batch into a file."""
        out = BytesWriter()
        for record in records:
            write_i32_le(out, i32(len(record)))
            out.write(record)
        parts = [b"", out.getvalue()]
        size = put_batch(parts, 1, self.key, self.written + 1, synced)
        file.append(parts, size, 0)
        self.written += 1

    def replace(self, records: list[bytes]) -> None:
        """Write a snapshot to a new file and go on there. Synced, file and name, when this returns.

        Raises:
            StoreError: ``is_no_space``: the old journal goes on. Any other: nothing can be trusted any more.
        """
        before = self.file
        final = journal_path(self.directory, self.number + 1)
        written = self.written
        fresh = BatchFile(self.files, f"{final}.tmp", JOURNAL, self.number + 1, written + 1, self.key)
        # Each batch calls itself synced, which is true as soon as the file has its final name: damage inside a snapshot
        # is then never taken for the torn end of a crash.
        try:
            batch: list[bytes] = []
            size: i64 = 0
            for record in records:
                batch.append(record)
                size += len(record)
                if size >= SNAPSHOT_BATCH_BYTES:
                    self.put(fresh, batch, self.written + 1)
                    batch = []
                    size = 0
            if batch:
                self.put(fresh, batch, self.written + 1)
        except StoreError:
            self.written = written
            fresh.abandon()
            raise
        sync_file(self.files, fresh.descriptor, fresh.path)
        try:
            self.files.rename(fresh.path, final)
            sync_directory(self.files, self.directory)
            fresh.path = final
            if before is not None:
                self.files.close(before.descriptor)
                self.files.unlink(before.path)
        except OSError as error:
            raise failed("replace the journal by", final, error, RESTART) from error
        self.file = fresh
        self.number += 1
        self.synced = self.written
        self.garbage = 0
