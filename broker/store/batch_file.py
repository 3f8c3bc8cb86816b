"""A file that batches are appended to: the one way in which the commit log and the journal touch the disk."""

import os
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.store.errors import failed, is_no_space, out_of_space
from broker.store.files import Files
from broker.store.framing import FILE_HEADER_SIZE, file_header

RESTART: Final = "the broker stops confirming and must be restarted on a sound disk"


def sync_file(files: Files, descriptor: int, path: str) -> None:
    """Sync a file, or fail for good: even a full disk is fatal here, because the pages may be lost already."""
    try:
        files.sync(descriptor)
    except OSError as error:
        raise failed("sync", path, error, RESTART) from error


def sync_directory(files: Files, path: str) -> None:
    """Sync a directory, or fail for good."""
    try:
        files.sync_directory(path)
    except OSError as error:
        raise failed("sync", path, error, RESTART) from error


@final
@mypyc_attr(native_class=True)
class BatchFile:
    """An open file that only grows.

    Attributes:
        path: Where it is.
        size: Offset behind the last whole batch: where the next one goes.
        allocated: Offset up to which disk has been reserved.
        descriptor: The descriptor that writes, which must also be the one that syncs: a failed writeback is told once,
            and only to those who had the file open.
    """

    def __init__(self, files: Files, path: str, kind: bytes, number: i64, first: i64, key: i64) -> None:
        """Make the file, with its header and nothing else. Not synced: neither the file nor its name.

        Raises:
            StoreError: It could not be made; nothing with that name is left behind by a full disk.
        """
        self.files: Final = files
        self.path: str = path
        self.size: i64 = FILE_HEADER_SIZE
        self.allocated: i64 = FILE_HEADER_SIZE
        self.descriptor: int = -1
        try:
            self.descriptor = files.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            files.write(self.descriptor, [file_header(kind, number, first, key)], 0)
        except OSError as error:
            self.abandon()
            if is_no_space(error):
                raise out_of_space("make", path, error) from error
            raise failed("make", path, error, RESTART) from error

    def abandon(self) -> None:
        """Take a file that could not be begun away again; what is left of it is no batch and harms nobody."""
        try:
            if self.descriptor >= 0:
                self.files.close(self.descriptor)
                self.descriptor = -1
                self.files.unlink(self.path)
        except OSError:
            return

    def append(self, parts: list[bytes], size: i64, allocate_bytes: i64) -> None:
        """Write one framed batch behind the last one.

        Args:
            parts: What ``put_batch`` made.
            size: Octets in all.
            allocate_bytes: Reserve disk in steps of this; 0 for never.

        Raises:
            StoreError: ``is_no_space`` if the disk is full and the file ends with its last whole batch again; any other
                means that the file can no longer be trusted.
        """
        end = self.size + size
        try:
            if allocate_bytes > 0 and end > self.allocated:
                self.files.allocate(self.descriptor, self.size, size + allocate_bytes)
                self.allocated = end + allocate_bytes
            self.files.write(self.descriptor, parts, self.size)
        except OSError as error:
            if is_no_space(error) and allocate_bytes > 0 and end > self.allocated:
                # The reserve does not fit, the batch may.
                self.append(parts, size, 0)
                return
            self.cut_back()
            if is_no_space(error):
                raise out_of_space("write", self.path, error) from error
            raise failed("write", self.path, error, RESTART) from error
        self.size = end

    def reserve(self, octets: i64) -> None:
        """Reserve disk behind the last batch.

        Raises:
            StoreError: ``is_no_space`` if it does not fit; any other error as ``append``.
        """
        end = self.size + octets
        if end <= self.allocated:
            return
        try:
            self.files.allocate(self.descriptor, self.size, octets)
        except OSError as error:
            self.cut_back()  # what was reserved of it would take room from others
            if is_no_space(error):
                raise out_of_space("reserve", self.path, error) from error
            raise failed("reserve", self.path, error, RESTART) from error
        self.allocated = end

    def cut_back(self) -> None:
        """Undo an unfinished append. If that fails too, recovery cuts the torn batch at the end of the last file."""
        try:
            self.files.truncate(self.descriptor, self.size)
        except OSError as error:
            raise failed("cut", self.path, error, RESTART) from error
        self.allocated = self.size

    def trim(self) -> None:
        """Give back the reserve behind the last batch."""
        if self.allocated > self.size:
            try:
                self.files.truncate(self.descriptor, self.size)
            except OSError as error:
                raise failed("cut", self.path, error, RESTART) from error
            self.allocated = self.size
