"""Messages that wait on disk instead of in memory: the directory, its files, reading and writing chunks.

The spool promises nothing: durable messages are in the commit log, and unless the last process stopped in good order
the whole spool is deleted at the next start. So nothing here is synced while the broker runs. A checksum guards each
chunk all the same, because what is read back is what a consumer gets.
"""

import logging
import os
from typing import Final, final

from isal import isal_zlib
from librt.strings import BytesWriter, read_i32_le, write_i32_le
from mypy_extensions import i32, i64, mypyc_attr

from broker.core.message import Enqueuer, Queued
from broker.store.errors import StoreError, failed, is_no_space
from broker.store.files import Files
from broker.store.spool_chunk import CHUNK_HEADER_SIZE, Chunk, SpoolFile, Tally, put_record

LOG: Final = logging.getLogger("broker.store")

# Octets of a chunk: one write, and later one read. Smaller costs calls, larger costs memory in every queue that spools.
CHUNK_BYTES: Final = 65_536

ADVICE: Final = "the process must be started again; durable messages are in the commit log"


@mypyc_attr(native_class=True)
class Overflowing:
    """Holds messages in memory, and can move some of them to the spool."""

    def spool(self) -> None:
        """Move what there is no room for in memory. At the end of a turn: records must have their place in the log."""
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class Spool:
    """The directory of all spool files.

    Attributes:
        garbage: Files that nobody wants any more, to be unlinked off the loop.
        octets: What is spooled at the moment, garbage left out.
        failure: A chunk could not be read back; the process must end, and what is durable comes back from the log.
        is_full: The last write found no room.
    """

    def __init__(self, directory: str, files: Files, kept: list[str] | None = None) -> None:
        """Empty the directory: what an earlier process left there means nothing, unless it stopped in good order.

        Args:
            directory: Made if it is not there.
            files: The file layer.
            kept: Names of files that stay.

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
                    if kept is None or name not in kept:
                        files.unlink(f"{directory}/{name}")
                    else:
                        self._serial = max(self._serial, int(name.partition(".")[0], 16))
            else:
                files.make_directory(directory)
        except OSError as error:
            raise failed("empty", directory, error, "check the data directory") from error

    def new_file(self) -> SpoolFile:
        """A file with a name that this process has not used; made when it is first written to."""
        self._serial += 1
        return SpoolFile(f"{self.directory}/{self._serial:016x}.page")

    def read(self, chunk: Chunk) -> bytes:
        """The records of a chunk.

        Raises:
            StoreError: It cannot be read or is not what was written; also in ``failure`` from then on.
        """
        path = chunk.file.path
        descriptor = -1
        try:
            # Opened for each chunk: thousands of queues may spool, and descriptors are for connections.
            descriptor = self.files.open(path, os.O_RDONLY)
            data = os.pread(descriptor, CHUNK_HEADER_SIZE + chunk.size, chunk.offset)
        except OSError as error:
            refusal = failed("read", path, error, ADVICE)
            self.failure = refusal
            raise refusal from error
        finally:
            if descriptor >= 0:
                self.files.close(descriptor)
        records = data[CHUNK_HEADER_SIZE:]
        if (
            len(records) != chunk.size
            or i64(read_i32_le(data, 0)) != chunk.size
            or i64(read_i32_le(data, 4)) != _signed(isal_zlib.crc32(records))
        ):
            text = f"{path} at {chunk.offset}: {chunk.size} octets are not what was written; {ADVICE}"
            damage = StoreError(text, path)
            self.failure = damage
            raise damage
        return records

    def messages(self, chunk: Chunk) -> list[Queued | None]:
        """What of a chunk is not settled.

        Raises:
            StoreError: As ``read``.
        """
        return chunk.messages(self.read(chunk))

    def release(self, chunk: Chunk) -> None:
        """Nobody wants this chunk any more; its file goes with its last one."""
        self.octets -= chunk.size
        file = chunk.file
        file.live -= 1
        if file.live == 0 and not file.is_open:
            self.garbage.append(file.path)

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
class SpoolWriter:
    """Writes chunks one behind the other, to a new file whenever one is large enough.

    What is written by one writer should end at about the same time: a file goes only as a whole.
    """

    def __init__(self, spool: Spool, file_bytes: i64) -> None:
        self._spool: Final = spool
        self._file_bytes: Final[i64] = file_bytes
        self._file: SpoolFile | None = None

    def write(self, queue: Enqueuer, records: bytes, tally: Tally) -> Chunk | None:
        """Hand one chunk to the operating system. None if that fails: the records stay with the caller."""
        spool = self._spool
        file = self._file
        if file is None:
            file = spool.new_file()
            self._file = file
        head = BytesWriter()
        write_i32_le(head, i32(len(records)))
        write_i32_le(head, i32(_signed(isal_zlib.crc32(records))))
        descriptor = -1
        try:
            descriptor = spool.files.open(file.path, os.O_WRONLY | os.O_CREAT)
            spool.files.write(descriptor, [head.getvalue(), records], file.size)
        except OSError as error:
            if not spool.is_full:
                spool.is_full = True
                LOG.error(
                    "cannot spool to disk, the backlog stays in memory",
                    extra={"path": file.path, "reason": str(error), "no_space": is_no_space(error)},
                )
            return None
        finally:
            if descriptor >= 0:
                spool.files.close(descriptor)
        spool.is_full = False
        chunk = Chunk(queue, file, file.size, len(records), tally)
        file.size += CHUNK_HEADER_SIZE + len(records)
        file.live += 1
        spool.octets += len(records)
        if file.size >= self._file_bytes:
            self.finish()
        return chunk

    def write_messages(self, queue: Enqueuer, messages: list[Queued]) -> Chunk | None:
        """The same with messages. They must have their place in the log, or need none."""
        out = BytesWriter()
        tally = Tally()
        for queued in messages:
            put_record(out, queued, 0)
            tally.add(queued)
        return self.write(queue, out.getvalue(), tally)

    def finish(self) -> None:
        """Write no more to the present file: it goes when its last chunk is released."""
        file = self._file
        self._file = None
        if file is not None:
            file.is_open = False
            if file.live == 0:
                self._spool.garbage.append(file.path)


def _signed(checksum: i64) -> i64:
    """An unsigned 32-bit number as the signed one with the same octets, which is what librt writes and reads."""
    return checksum - 0x100000000 if checksum > 0x7FFFFFFF else checksum
