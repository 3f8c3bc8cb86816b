"""The part of a long queue that waits on disk."""

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64, mypyc_attr

from broker.core.message import NOT_STORED, Enqueuer, Queued
from broker.store.spool import CHUNK_BYTES, Spool, SpoolWriter
from broker.store.spool_chunk import Chunk, Tally, decode, put_record

# A file is deleted when its last chunk has been read, so this is how much disk a queue may keep for nothing.
FILE_BYTES: Final = 16 * 1024 * 1024
# The same of what came back to the queue, which is less in order.
ASIDE_FILE_BYTES: Final = 1024 * 1024
PARKED_PIECE: Final = 256  # messages of a chunk written at the end
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
        if self._aside is None:
            self._aside = SpoolWriter(self._spool, ASIDE_FILE_BYTES)
        return self._aside.write_messages(self._queue, returned)

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

    # --- from one life to the next

    def park(self, messages: list[Queued], writer: SpoolWriter) -> list[Chunk] | None:
        """Write durable ones of these messages, in order, to files shared by all queues; None if that fails."""
        chunks: list[Chunk] = []
        piece: list[Queued] = []
        octets: i64 = 0
        for queued in messages:
            if queued.log_segment >= 0:
                piece.append(queued)
                octets += len(queued.message.body)
            if octets >= CHUNK_BYTES or len(piece) >= PARKED_PIECE:
                chunk = writer.write_messages(self._queue, piece)
                if chunk is None:
                    return None
                chunks.append(chunk)
                piece = []
                octets = 0
        if piece:
            last = writer.write_messages(self._queue, piece)
            if last is None:
                return None
            chunks.append(last)
        return chunks

    def park_chunks(self, chunks: list[Chunk], writer: SpoolWriter) -> list[Chunk] | None:
        """The same chunks without their transient messages; None if they cannot be written anew."""
        kept: list[Chunk] = []
        for chunk in chunks:
            if chunk.transient == 0:
                kept.append(chunk)
            elif chunk.log_segment != NOT_STORED:
                messages = [queued for queued in self._spool.messages(chunk) if queued is not None]
                fresh = self.park(messages, writer)
                if fresh is None:
                    return None
                kept.extend(fresh)
        return kept

    def park_line(self, tail: list[Queued], writer: SpoolWriter) -> list[Chunk] | None:
        """Everything in the line, and ``tail`` behind it, as chunks of durable messages; None if that fails."""
        for queued in tail:
            self.push(queued)
        if self._tally.count > 0:
            self.write(1)
            if self._tally.count > 0:
                return None
        return self.park_chunks(self._chunks[self._head :], writer)

    def unpark(self, chunks: list[Chunk]) -> None:
        """The line of an earlier life. Only for an empty one."""
        self._chunks = chunks
        for chunk in chunks:
            self.count += chunk.count
