"""Group commit: one sync at a time, on a worker thread, for everything written before it began."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.store.batch_file import RESTART
from broker.store.errors import StoreError, failed
from broker.store.files import Files
from broker.store.places import LogSegment


@final
@mypyc_attr(native_class=True)
class SyncJob:
    """What one sync covers. ``run`` may be called on any thread; it touches nothing that the loop thread changes.

    Attributes:
        batch: The last batch it covers.
        journal_batch: The last batch of the journal it covers.
        sealed: Segments whose last sync this is.
        end_segment: Number of the segment that was being written.
        end_offset: Offset in that segment behind the last batch covered.
        error: Why it failed, after ``run``; None for success.
    """

    def __init__(self, files: Files, batch: i64, journal_batch: i64) -> None:
        self.files: Final = files
        self.batch: Final[i64] = batch
        self.journal_batch: Final[i64] = journal_batch
        self.descriptors: list[int] = []
        self.paths: list[str] = []
        self.directory: str = ""
        self.sealed: list[LogSegment] = []
        self.end_segment: i64 = 0
        self.end_offset: i64 = 0
        self.is_run: bool = False
        self.error: StoreError | None = None

    def add(self, descriptor: int, path: str) -> None:
        """Cover this file too."""
        self.descriptors.append(descriptor)
        self.paths.append(path)

    def run(self) -> None:
        """Sync. Never retried: after a failed sync the kernel calls the lost pages clean."""
        path = ""
        try:
            for i in range(len(self.descriptors)):
                path = self.paths[i]
                self.files.sync(self.descriptors[i])
            if self.directory:
                path = self.directory
                self.files.sync_directory(path)
        except OSError as error:
            self.error = failed("sync", path, error, RESTART)
        self.is_run = True
