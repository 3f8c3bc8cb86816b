"""The part of a long queue that waits on disk."""

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64, mypyc_attr

from broker.core.message import Enqueuer, Queued
from broker.store.chunk import Chunk, Tally, decode, put_record
from broker.store.spool import CHUNK_BYTES, Spool, SpoolWriter

# A file is deleted when its last chunk has been read, so this is how much disk a queue may keep for nothing.
FILE_BYTES: Final = 16 * 1024 * 1024
# The same of what came back to the queue, which is less in order.
ASIDE_FILE_BYTES: Final = 1024 * 1024
# Chunks read and forgotten before their list is cut.
TRIM_AT: Final = 64


@final
@mypyc_attr(native_class=True)
class SpooledLine:
    """Spooled messages of one queue, first in, first out.

    Attributes:
        count: Messages in it.
    """

    def __init__(self, spool: Spool, queue: Enqueuer) -> None:
        self._spool: Final = spool
        self._queue: Final = queue
        self._writer: Final = SpoolWriter(spool, FILE_BYTES)
        self.count: i64 = 0
        self._chunks: list[Chunk] = []
        self._head: i64 = 0  # the first chunk that was not read yet
        self._buffer: BytesWriter = BytesWriter()
        self._tally: Tally = Tally()
        self._write_at: i64 = CHUNK_BYTES
        self._aside: SpoolWriter | None = None

    def push(self, queued: Queued) -> None:
        """Put one message behind all others. It must have its place in the log, or need none."""
        put_record(self._buffer, queued, 0)
        self._tally.add(queued)
        self.count += 1
        if len(self._buffer) >= self._write_at:
            self.write(CHUNK_BYTES)

    def write(self, least: i64) -> None:
        """Hand the buffer to the operating system as one chunk, if it has so many octets.

        On a full disk it stays in memory, and is tried again when it has grown by a chunk.
        """
        size: i64 = len(self._buffer)
        if size < least:
            return
        chunk = self._writer.write(self._queue, self._buffer.getvalue(), self._tally)
        if chunk is None:
            self._write_at = size + CHUNK_BYTES
            return
        self._write_at = CHUNK_BYTES
        self._chunks.append(chunk)
        self._empty_buffer()

    def _empty_buffer(self) -> None:
        self._buffer = BytesWriter()
        self._tally = Tally()

    def take(self) -> list[Queued | None]:
        """The next messages, in order: a chunk of them; empty if there are none.

        Raises:
            StoreError: The chunk cannot be read or is not what was written.
        """
        taken: list[Queued | None] = []
        if self._head < len(self._chunks):
            chunk = self._chunks[self._head]
            taken = self._spool.messages(chunk)
            self._head += 1
            self._spool.release(chunk)
            if self._head == len(self._chunks):
                self._chunks.clear()
                self._head = 0
                self._writer.finish()
            elif self._head >= TRIM_AT and self._head * 2 >= len(self._chunks):
                del self._chunks[: self._head]
                self._head = 0
        elif self._tally.count > 0:
            decode(self._queue, self._buffer.getvalue(), taken)
            self._empty_buffer()
        self.count -= len(taken)
        return taken

    def clear(self) -> None:
        """Forget everything; the files become garbage."""
        for i in range(self._head, len(self._chunks)):
            self._spool.release(self._chunks[i])
        self._chunks.clear()
        self._head = 0
        self._writer.finish()
        self._empty_buffer()
        self.count = 0

    # --- beside the line: messages that came back

    def put_aside(self, returned: list[Queued]) -> Chunk | None:
        """Write these messages to a chunk of their own; None if that fails. They must have their place in the log."""
        out = BytesWriter()
        tally = Tally()
        for queued in returned:
            put_record(out, queued, 0)
            tally.add(queued)
        if self._aside is None:
            self._aside = SpoolWriter(self._spool, ASIDE_FILE_BYTES)
        return self._aside.write(self._queue, out.getvalue(), tally)

    def fetch(self, chunk: Chunk) -> list[Queued | None]:
        """Read a chunk that was put aside, or was a channel's, and let it go.

        Raises:
            StoreError: The chunk cannot be read or is not what was written.
        """
        found = self._spool.messages(chunk)
        self._spool.release(chunk)
        return found

    def drop(self, chunk: Chunk) -> None:
        """Let such a chunk go unread."""
        self._spool.release(chunk)
