"""Group commit: one sync at a time, beside the loop, for everything written before it began."""

import os
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.store.batch_file import RESTART
from broker.store.errors import StoreError, failed
from broker.store.files import Files
from broker.store.places import LogSegment
from broker.store.stream_log import StreamLog


@final
@mypyc_attr(native_class=True)
class StreamSync:
    """What a sync covers of one stream.

    Attributes:
        log: The stream.
        end: Offset behind the last message covered.
        sealed: Files whose last sync this is.
    """

    def __init__(self, log: StreamLog) -> None:
        self.log: Final = log
        self.end: Final[i64] = log.next_offset
        self.sealed: Final = log.sealed
        log.sealed = []


@final
@mypyc_attr(native_class=True)
class SyncJob:
    """What one sync covers. ``run`` may be called on any thread; it touches nothing that the loop thread changes.

    Attributes:
        batch: The last batch it covers.
        journal_batch: The last batch of the journal it covers.
        sealed: Segments whose last sync this is.
        streams: The streams covered.
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
        self.directories: list[str] = []
        self.sealed: list[LogSegment] = []
        self.streams: list[StreamSync] = []
        self.end_segment: i64 = 0
        self.end_offset: i64 = 0
        self.is_run: bool = False
        self.error: StoreError | None = None

    def add(self, descriptor: int, path: str) -> None:
        """Cover this file too."""
        self.descriptors.append(descriptor)
        self.paths.append(path)

    def add_stream(self, log: StreamLog, streams: str) -> None:
        """Cover what has been written to a stream; ``streams`` is the directory that holds its own."""
        covered = StreamSync(log)
        self.streams.append(covered)
        for sealed in covered.sealed:
            self.add(sealed.descriptor, sealed.path)
        file = log.file
        if file is not None:
            self.add(file.descriptor, file.path)
        if log.has_new_name:
            self.directories.append(log.directory)
            log.has_new_name = False
        if log.has_new_directory:
            if streams not in self.directories:
                self.directories.append(streams)
            log.has_new_directory = False

    def run(self) -> None:
        """Sync. Never retried: after a failed sync the kernel calls the lost pages clean."""
        path = ""
        try:
            for i in range(len(self.descriptors)):
                path = self.paths[i]
                self.files.sync(self.descriptors[i])
            for directory in self.directories:
                path = directory
                self.files.sync_directory(path)
        except OSError as error:
            self.error = failed("sync", path, error, RESTART)
        self.is_run = True

    @property
    def only_descriptor(self) -> int:
        """What the kernel could be asked to sync in place of ``run``; -1 if there is more to do than that."""
        if len(self.descriptors) != 1 or self.directories or type(self.files) is not Files:
            return -1
        return self.descriptors[0]

    def was_run(self, error_number: int) -> None:
        """``only_descriptor`` has been synced in place of ``run``, or has failed with this errno."""
        if error_number != 0:
            error = OSError(error_number, os.strerror(error_number))
            self.error = failed("sync", self.paths[0], error, RESTART)
        self.is_run = True
