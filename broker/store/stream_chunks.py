"""Chunks: how the messages of a stream lie in its segments.

    streams/<log_id, 16 hex digits>/<number, 16 hex digits>.stream

A segment is framed as every file of the store is (``framing``); its header names its number, which only rises, and the
offset of its first message. A chunk is a batch in it:

    number        offset of its first message
    synced        offset behind the last message that a completed sync had covered when it was written
    contents      its messages as content records without targets
    settlements   8 octets: how many messages

A chunk without messages is a mark: everything before it is synced. A segment ends where the next one begins: chunks
with offsets that the next segment holds as well are passed over, because recovery has written them there again.
"""

from typing import Final, final

from librt.strings import BytesWriter, read_i64_le
from mypy_extensions import i64, mypyc_attr

from broker.core.message import Message
from broker.store.files import Files
from broker.store.framing import (
    BATCH_HEADER_SIZE,
    FILE_HEADER_SIZE,
    MARK,
    batch_end,
    batch_number,
    batch_synced,
    get_u32,
    is_batch,
    put_u32,
    settlements_start,
)
from broker.store.records import ContentReader

# What a chunk is filled up to, and what one read of a stream brings in: enough for the calls not to count, little
# enough for a page in every reader's hands.
CHUNK_BYTES: Final = 128 * 1024
COUNT_SIZE: Final = 8
TIMESTAMP_PLACE: Final = BATCH_HEADER_SIZE + 16  # of the first record, in a chunk that has one


@final
@mypyc_attr(native_class=True)
class ChunkCursor:
    """Walks over the whole chunks of one segment, in large reads. Every field is that of the chunk ``next`` came to.

    Attributes:
        data: Octets of the file that hold the chunk.
        start: Where in them it begins.
        place: Where in the file it begins.
        after: Where in the file it ends.
        first: Offset of its first message.
        count: How many messages.
        synced: Offset behind the last message that was synced when it was written.
        skipped: Octets before it that are no chunk.
        torn: After the last one: octets left that are neither a chunk nor preallocated zeros.
    """

    def __init__(self, files: Files, path: str, size: i64, key: i64, place: i64 = FILE_HEADER_SIZE) -> None:
        """Begin at ``place``, which need not be the beginning of a chunk.

        Args:
            files: The file layer.
            path: The segment.
            size: Where to stop: the octets that it has, or that count.
            key: Of the data directory.
            place: Offset in the file.
        """
        self._files: Final = files
        self._path: Final = path
        self._size: Final[i64] = size
        self._key: Final[i64] = key
        mark = BytesWriter()
        put_u32(mark, key ^ MARK)
        self._marker: Final = mark.getvalue()
        self.data: bytes = b""
        self._base: i64 = 0  # offset in the file of the first octet of data
        self.start: i64 = 0
        self.place: i64 = place
        self.after: i64 = place
        self.first: i64 = -1
        self.count: i64 = 0
        self.synced: i64 = 0
        self.skipped: i64 = 0
        self.torn: i64 = 0

    def next(self) -> bool:
        """Go to the next whole chunk; false when there is none.

        Raises:
            OSError: The file cannot be read.
        """
        at = self.after
        found = at
        if not self._is_chunk(at):
            found = self._search(at + 1)
        if found < 0:
            self.torn = self._torn_from(at)
            self.after = self._size
            return False
        data = self.data
        start = found - self._base
        self.skipped = found - at
        self.start = start
        self.place = found
        self.after = found + batch_end(data, start) - start
        self.first = batch_number(data, start)
        self.synced = batch_synced(data, start)
        self.count = read_i64_le(data, settlements_start(data, start))
        return True

    @property
    def end(self) -> i64:
        """Offset behind its last message."""
        return self.first + self.count

    @property
    def timestamp_ms(self) -> i64:
        """When its first message was published; -1 for a mark."""
        return read_i64_le(self.data, self.start + TIMESTAMP_PLACE) if self.count > 0 else -1

    @property
    def has_more(self) -> bool:
        """Is there more in the octets that have been read already?"""
        return self.after + BATCH_HEADER_SIZE <= self._base + len(self.data)

    def records(self) -> ContentReader:
        """The messages, as records."""
        return ContentReader(self.data, self.start + BATCH_HEADER_SIZE, settlements_start(self.data, self.start))

    def take(self, messages: list[Message]) -> None:
        """Append the messages of the chunk to ``messages``."""
        record = self.records()
        while record.next():
            messages.append(record.message())

    def _is_chunk(self, at: i64) -> bool:
        """Tells whether a whole chunk begins at ``at``, and brings it into ``data``."""
        if not self._load(at, BATCH_HEADER_SIZE):
            return False
        head = at - self._base
        if get_u32(self.data, head) != self._key ^ MARK:
            return False
        contents = read_i64_le(self.data, head + 24)
        room = self._size - at - BATCH_HEADER_SIZE - COUNT_SIZE
        if contents < 0 or contents > room or read_i64_le(self.data, head + 32) != COUNT_SIZE:
            return False
        if not self._load(at, BATCH_HEADER_SIZE + contents + COUNT_SIZE):
            return False
        head = at - self._base
        # A chunk whose offsets do not rise is old content of the same file, put there by a bad disk.
        return is_batch(self.data, head, self._key) and batch_number(self.data, head) >= self.first + self.count

    def _search(self, at: i64) -> i64:
        """Where the first whole chunk at ``at`` or behind it begins; -1 if there is none."""
        size = self._size
        while at + BATCH_HEADER_SIZE <= size:
            if not self._load(at, BATCH_HEADER_SIZE):
                return -1
            found: i64 = self.data.find(self._marker, at - self._base)
            if found < 0:
                at = self._base + len(self.data) - len(self._marker) + 1
                continue
            at = self._base + found
            if self._is_chunk(at):
                return at
            at += 1
        return -1

    def _load(self, at: i64, size: i64) -> bool:
        """Have ``size`` octets at ``at`` in ``data``; false if the file ends before."""
        if at + size > self._size:
            return False
        if at < self._base or at + size > self._base + len(self.data):
            wanted = max(size, CHUNK_BYTES)
            if at + wanted > self._size:
                wanted = self._size - at
            self.data = self._files.read_part(self._path, at, wanted)
            self._base = at
        return at + size <= self._base + len(self.data)

    def _torn_from(self, at: i64) -> i64:
        """Octets from ``at`` to the last one that is not zero."""
        torn: i64 = 0
        place = at
        while place < self._size:
            piece = self._files.read_part(self._path, place, CHUNK_BYTES)
            if not piece:
                break
            rest: i64 = len(piece.rstrip(b"\0"))
            if rest > 0:
                torn = place + rest - at
            place += len(piece)
        return torn
