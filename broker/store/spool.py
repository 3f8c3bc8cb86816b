"""Messages that wait on disk instead of in memory, for queues longer than their window.

A spool file holds what is behind the window of one queue, in order. It promises nothing: durable messages are in the
commit log, and the whole spool is deleted at the next start. So nothing here is ever synced. A checksum guards each
chunk all the same, because what is read back is what a consumer gets.

    chunk    4 octets of records   4 crc32 of them   then the records, all integers little-endian:
    record   8 position   8 log_segment   8 expires_ms   8 timestamp_ms   8 ttl_ms   1 priority   1 flags
             2 octets of route   4 of header   4 of body   then route, header, body
"""

import logging
import os
import zlib
from typing import Final, final

from librt.strings import (
    BytesWriter,
    read_i16_le,
    read_i32_le,
    read_i64_le,
    write_i16_le,
    write_i32_le,
    write_i64_le,
)
from mypy_extensions import i16, i32, i64, mypyc_attr, u8

from broker.core.message import Enqueuer, Message, Queued
from broker.store.errors import StoreError, failed, is_no_space
from broker.store.files import Files

LOG: Final = logging.getLogger("broker.store")

CHUNK_HEADER_SIZE: Final = 8
RECORD_HEAD_SIZE: Final = 52
# Octets of a chunk: one write, and later one read. Smaller costs calls, larger costs memory in every queue that spools.
CHUNK_BYTES: Final = 65_536
# A file is deleted when its last chunk has been read, so this is how much disk a queue may keep for nothing.
FILE_BYTES: Final = 16 * 1024 * 1024

FLAG_PERSISTENT: Final = 1
FLAG_REDELIVERED: Final = 2

ADVICE: Final = "the process must be started again; durable messages are in the commit log"


@final
@mypyc_attr(native_class=True)
class Chunk:
    """Where a run of messages is.

    Attributes:
        path: The file.
        offset: Of the chunk's header.
        size: Octets of its records.
    """

    def __init__(self, path: str, offset: i64, size: i64) -> None:
        self.path: Final = path
        self.offset: Final[i64] = offset
        self.size: Final[i64] = size


@final
@mypyc_attr(native_class=True)
class Spool:
    """The directory of all spool files.

    Attributes:
        garbage: Files that are read to their end, to be unlinked off the loop.
        octets: What is spooled at the moment, garbage left out.
        failure: A chunk could not be read back; the process must end, and what is durable comes back from the log.
    """

    def __init__(self, directory: str, files: Files) -> None:
        """Begin with an empty directory: what an earlier process left there means nothing.

        Raises:
            StoreError: The directory cannot be made or emptied.
        """
        self.directory: Final = directory
        self.files: Final = files
        self.garbage: list[str] = []
        self.octets: i64 = 0
        self.failure: StoreError | None = None
        self.is_full: bool = False
        self._serial: i64 = 0
        try:
            if os.path.isdir(directory):  # noqa: PTH112 - see Files: paths are plain text here
                for name in files.list_directory(directory):
                    files.unlink(f"{directory}/{name}")
            else:
                files.make_directory(directory)
        except OSError as error:
            raise failed("empty", directory, error, "check the data directory") from error

    def next_path(self) -> str:
        """A file name that this process has not used."""
        self._serial += 1
        return f"{self.directory}/{self._serial:016x}.page"

    def take_garbage(self) -> list[str]:
        """The files to unlink; the caller does it, on any thread."""
        garbage = self.garbage
        self.garbage = []
        return garbage

    def unlink(self, paths: list[str]) -> None:
        """Delete files that ``take_garbage`` gave. A file that will not go is left for the next start."""
        for path in paths:
            try:
                self.files.unlink(path)
            except OSError:
                continue


@final
@mypyc_attr(native_class=True)
class SpooledLine:
    """The spooled messages of one queue, first in, first out.

    Attributes:
        count: Messages in it.
    """

    def __init__(self, spool: Spool, queue: Enqueuer) -> None:
        self._spool: Final = spool
        self._queue: Final = queue
        self.count: i64 = 0
        self._chunks: list[Chunk] = []
        self._head: i64 = 0  # the first chunk that was not read yet
        self._path: str = ""
        self._offset: i64 = 0
        self._buffer: BytesWriter = BytesWriter()
        self._buffered: i64 = 0
        self._write_at: i64 = CHUNK_BYTES

    def push(self, queued: Queued) -> None:
        """Put one message behind all others. It must have its place in the log, or need none."""
        message = queued.message
        out = self._buffer
        write_i64_le(out, queued.position)
        write_i64_le(out, queued.log_segment)
        write_i64_le(out, queued.expires_ms)
        write_i64_le(out, message.timestamp_ms)
        write_i64_le(out, message.ttl_ms)
        out.append(u8(message.priority))
        flags: i64 = FLAG_PERSISTENT if message.is_persistent else 0
        if queued.redelivered:
            flags |= FLAG_REDELIVERED
        out.append(u8(flags))
        write_i16_le(out, i16(len(message.route)))
        write_i32_le(out, i32(len(message.header)))
        write_i32_le(out, i32(len(message.body)))
        out.write(message.route)
        out.write(message.header)
        out.write(message.body)
        self._buffered += 1
        self.count += 1
        if len(out) >= self._write_at:
            self.write(CHUNK_BYTES)

    def write(self, least: i64) -> None:
        """Hand the buffer to the operating system as one chunk, if it has so many octets.

        On a full disk it stays in memory, and is tried again when it has grown by a chunk.
        """
        if len(self._buffer) < least:
            return
        spool = self._spool
        records = self._buffer.getvalue()
        path = self._path
        offset = self._offset
        if not path or offset >= FILE_BYTES:
            path = spool.next_path()
            offset = 0
        head = BytesWriter()
        write_i32_le(head, i32(len(records)))
        write_i32_le(head, i32(_signed(zlib.crc32(records))))
        descriptor = -1
        try:
            # Opened for each chunk: thousands of queues may spool, and descriptors are for connections.
            descriptor = spool.files.open(path, os.O_WRONLY | os.O_CREAT)
            spool.files.write(descriptor, [head.getvalue(), records], offset)
        except OSError as error:
            if not spool.is_full:
                spool.is_full = True
                LOG.error(
                    "cannot spool to disk, the backlog stays in memory",
                    extra={"path": path, "reason": str(error), "no_space": is_no_space(error)},
                )
            self._write_at = len(records) + CHUNK_BYTES
            return
        finally:
            if descriptor >= 0:
                spool.files.close(descriptor)
        spool.is_full = False
        self._write_at = CHUNK_BYTES
        self._path = path
        self._chunks.append(Chunk(path, offset, len(records)))
        self._offset = offset + CHUNK_HEADER_SIZE + len(records)
        spool.octets += len(records)
        self._buffer = BytesWriter()
        self._buffered = 0

    def take(self) -> list[Queued | None]:
        """The next messages, in order: a chunk of them; empty if there are none.

        Raises:
            StoreError: The chunk cannot be read or is not what was written.
        """
        taken: list[Queued | None] = []
        if self._head < len(self._chunks):
            chunk = self._chunks[self._head]
            self._head += 1
            self._decode(self._read(chunk), taken)
            self._finish(chunk)
        elif self._buffered > 0:
            self._decode(self._buffer.getvalue(), taken)
            self._buffer = BytesWriter()
            self._buffered = 0
        self.count -= len(taken)
        return taken

    def _finish(self, chunk: Chunk) -> None:
        """A chunk has been read: forget it, and its file with the last one."""
        self._spool.octets -= chunk.size
        is_last = self._head == len(self._chunks)
        if is_last or self._chunks[self._head].path != chunk.path:
            self._spool.garbage.append(chunk.path)
            if chunk.path == self._path:
                self._path = ""
        if is_last:
            self._chunks.clear()
            self._head = 0
        elif self._head >= 64 and self._head * 2 >= len(self._chunks):
            del self._chunks[: self._head]
            self._head = 0

    def _read(self, chunk: Chunk) -> bytes:
        files = self._spool.files
        descriptor = -1
        try:
            descriptor = files.open(chunk.path, os.O_RDONLY)
            data = os.pread(descriptor, CHUNK_HEADER_SIZE + chunk.size, chunk.offset)
        except OSError as error:
            refusal = failed("read", chunk.path, error, ADVICE)
            self._spool.failure = refusal
            raise refusal from error
        finally:
            if descriptor >= 0:
                files.close(descriptor)
        records = data[CHUNK_HEADER_SIZE:]
        if (
            len(records) != chunk.size
            or i64(read_i32_le(data, 0)) != chunk.size
            or i64(read_i32_le(data, 4)) != _signed(zlib.crc32(records))
        ):
            text = f"{chunk.path} at {chunk.offset}: {chunk.size} octets are not what was written; {ADVICE}"
            damage = StoreError(text, chunk.path)
            self._spool.failure = damage
            raise damage
        return records

    def _decode(self, records: bytes, taken: list[Queued | None]) -> None:
        queue = self._queue
        pos: i64 = 0
        end: i64 = len(records)
        while pos < end:
            flags = i64(records[pos + 41])
            route_start = pos + RECORD_HEAD_SIZE
            header_start = route_start + (i64(read_i16_le(records, pos + 42)) & 0xFFFF)
            body_start = header_start + (i64(read_i32_le(records, pos + 44)) & 0xFFFFFFFF)
            after = body_start + (i64(read_i32_le(records, pos + 48)) & 0xFFFFFFFF)
            message = Message(
                records[route_start:header_start],
                records[header_start:body_start],
                records[body_start:after],
                flags & FLAG_PERSISTENT != 0,
                read_i64_le(records, pos + 24),
                i64(records[pos + 40]),
                read_i64_le(records, pos + 32),
            )
            queued = Queued(message, queue, read_i64_le(records, pos))
            queued.log_segment = read_i64_le(records, pos + 8)
            queued.expires_ms = read_i64_le(records, pos + 16)
            queued.redelivered = flags & FLAG_REDELIVERED != 0
            taken.append(queued)
            pos = after

    def clear(self) -> None:
        """Forget everything; the files become garbage."""
        last = ""
        for i in range(self._head, len(self._chunks)):
            chunk = self._chunks[i]
            self._spool.octets -= chunk.size
            if chunk.path != last:
                last = chunk.path
                self._spool.garbage.append(last)
        self._chunks.clear()
        self._head = 0
        self._path = ""
        self._buffer = BytesWriter()
        self._buffered = 0
        self.count = 0


def _signed(checksum: i64) -> i64:
    """An unsigned 32-bit number as the signed one with the same octets, which is what librt writes and reads."""
    return checksum - 0x100000000 if checksum > 0x7FFFFFFF else checksum
