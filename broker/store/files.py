"""The file layer: every system call of the store, so that tests can record them, fail them or lose them."""

import errno
import os
from typing import Final

from mypy_extensions import i64, mypyc_attr

# The kernel takes at most this many buffers in one call (IOV_MAX of Linux); above it they are joined first.
MOST_BUFFERS: Final = 1024


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class Files:
    """System calls, thinly. Every method raises ``OSError``; none retries anything but a short write.

    Paths are plain text: a ``Path`` object per call is generic code when compiled, and gains nothing here.
    """

    def open(self, path: str, flags: int) -> int:
        """A descriptor for the file, created private (0600) if the flags ask for creation."""
        return os.open(path, flags | os.O_CLOEXEC, 0o600)

    def close(self, descriptor: int) -> None:
        """Close a descriptor. Never retried: after an error its number may already be someone else's."""
        os.close(descriptor)

    def write_some(self, descriptor: int, parts: list[bytes], offset: i64) -> i64:
        """One system call; returns the octets it took, which may be fewer than were given."""
        return os.pwritev(descriptor, parts, offset)

    def write(self, descriptor: int, parts: list[bytes], offset: i64) -> None:
        """Write all the parts one after the other at ``offset``, however many calls that takes.

        After an ``OSError`` any prefix may have been written: the caller cuts the file back.
        """
        total: i64 = 0
        for part in parts:
            total += len(part)
        if len(parts) > MOST_BUFFERS:
            parts = [b"".join(parts)]
        done: i64 = self.write_some(descriptor, parts, offset)
        if done == total:
            return
        rest = b"".join(parts)
        while done < total:
            taken: i64 = self.write_some(descriptor, [rest[done:]], offset + done)
            if taken <= 0:
                raise OSError(errno.EIO, "a write took no octets")
            done += taken

    def truncate(self, descriptor: int, size: i64) -> None:
        """Cut or extend the file to ``size`` octets."""
        os.ftruncate(descriptor, size)

    def allocate(self, descriptor: int, offset: i64, size: i64) -> None:
        """Reserve blocks, so that a full disk shows here and not in the middle of a batch."""
        os.posix_fallocate(descriptor, offset, size)

    def sync(self, descriptor: int) -> None:
        """fdatasync: the octets, and as much metadata as is needed to read them back. Never retried."""
        os.fdatasync(descriptor)

    def sync_directory(self, path: str) -> None:
        """Sync a directory: names created, renamed or removed in it survive power loss after this returns."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, source: str, target: str) -> None:
        """Rename a file over its target at once."""
        os.rename(source, target)  # noqa: PTH104

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path)  # noqa: PTH108

    def make_directory(self, path: str) -> None:
        """Make one directory, private (0700)."""
        os.mkdir(path, 0o700)  # noqa: PTH102

    def remove_directory(self, path: str) -> None:
        """Remove an empty directory."""
        os.rmdir(path)  # noqa: PTH106

    def list_directory(self, path: str) -> list[str]:
        """The names in a directory, sorted."""
        return sorted(os.listdir(path))  # noqa: PTH208

    def read(self, path: str) -> bytes:
        """A whole file."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(descriptor).st_size
            data = os.read(descriptor, size)
            if len(data) == size:
                return data
            parts = [data]  # one read returns at most 2 GiB
            while data:
                data = os.read(descriptor, size)
                parts.append(data)
            return b"".join(parts)
        finally:
            os.close(descriptor)

    def read_part(self, path: str, offset: i64, size: i64) -> bytes:
        """``size`` octets of a file from ``offset`` on; fewer where it ends before."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.pread(descriptor, size, offset)
        finally:
            os.close(descriptor)

    def size(self, path: str) -> i64:
        """Octets of a file."""
        return os.stat(path).st_size  # noqa: PTH116
