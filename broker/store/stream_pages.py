"""Reading a stream: pages of messages from any offset on, and the offset that belongs to a time."""

import logging
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Message
from broker.store.framing import FILE_HEADER_SIZE
from broker.store.stream_chunks import CHUNK_BYTES, ChunkCursor
from broker.store.stream_log import StreamLog, StreamSegment

LOG: Final = logging.getLogger("broker.store")

# Pages of one stream that are kept for the next reader: those at its end read the same one.
PAGES_KEPT: Final = 4


@final
@mypyc_attr(native_class=True)
class StreamPage:
    """Messages with consecutive offsets, as one read brought them in.

    Attributes:
        first: Offset of the first of them.
        messages: The messages.
        is_ready: Its user has made of the messages what it delivers.
    """

    def __init__(self, first: i64, messages: list[Message], segment: StreamSegment, after: i64) -> None:
        self.first: Final[i64] = first
        self.messages: list[Message] = messages
        self.end: Final[i64] = first + len(messages)  # the offset behind the last
        self.segment: Final = segment
        self.after: Final[i64] = after  # where in the segment the next chunk begins
        self.is_ready: bool = False


@final
@mypyc_attr(native_class=True)
class StreamPages:
    """The pages of one stream."""

    def __init__(self, log: StreamLog) -> None:
        self.log: Final = log
        self._kept: list[StreamPage] = []

    def clear(self) -> None:
        """Nobody reads any more."""
        self._kept.clear()

    def read(self, offset: i64, before: StreamPage | None) -> StreamPage | None:
        """A page of synced messages that begins at ``offset`` or before it, and ends behind it.

        What retention has taken is passed over, and so is what cannot be read: the page begins behind it then.

        Args:
            offset: The message wanted.
            before: The page read last by the same reader; one that ends at ``offset`` saves looking for the place.

        Returns:
            None if there is nothing synced at ``offset`` or behind it.

        Raises:
            OSError: A segment cannot be read.
        """
        for kept in self._kept:
            if kept.first <= offset < kept.end:
                return kept
        log = self.log
        offset = max(offset, log.first_offset)
        while offset < log.synced:
            index = _index_of(log, offset)
            segment = log.segments[index]
            place: i64 = -1
            if before is not None and before.segment is segment and before.end == offset:
                place = before.after
            page = self._read_segment(segment, place, offset, _end_of(log, index))
            if page is not None:
                if len(self._kept) >= PAGES_KEPT:
                    del self._kept[0]
                self._kept.append(page)
                return page
            offset = _end_of(log, index)
        return None

    def _read_segment(self, segment: StreamSegment, place: i64, offset: i64, end: i64) -> StreamPage | None:
        """A page of one segment; None if no message from ``offset`` to before ``end`` can be read there."""
        log = self.log
        if place < 0:
            place = self._place_of(segment, offset, -1)
        limit = min(end, log.synced)
        cursor = ChunkCursor(log.files, segment.path, segment.size, log.key, place)
        messages: list[Message] = []
        first: i64 = -1
        size: i64 = 0
        after = place
        while cursor.next() and cursor.first < limit:
            if cursor.end <= offset:
                continue
            if first < 0:
                first = cursor.first
                if first > offset:
                    self._tell(segment, offset, first)
            elif cursor.first > first + len(messages):
                break  # a gap: the next page begins behind it
            cursor.take(messages)
            after = cursor.after
            size += cursor.after - cursor.place
            # A chunk that lies half in what has been read would be read from the file twice.
            if size >= CHUNK_BYTES or not cursor.has_more:
                break
        if first < 0:
            self._tell(segment, offset, limit)
            return None
        return StreamPage(first, messages, segment, after)

    def _place_of(self, segment: StreamSegment, offset: i64, time_ms: i64) -> i64:
        """Where in a segment to begin reading for an offset, or for what was published at a time or later.

        The file is its own index: chunks prove themselves, so one can be found from anywhere in it, and halving the
        octets that are in question finds the right one with a dozen reads and no memory.
        """
        low: i64 = FILE_HEADER_SIZE
        high = segment.size
        while high - low > CHUNK_BYTES:
            middle = low + (high - low) // 2
            cursor = ChunkCursor(self.log.files, segment.path, segment.size, self.log.key, middle)
            has_chunk = cursor.next()
            while has_chunk and cursor.count == 0:
                has_chunk = cursor.next()
            is_behind = cursor.timestamp_ms >= time_ms if time_ms >= 0 else cursor.first > offset
            if not has_chunk or cursor.place >= high or is_behind:
                high = middle
            else:
                low = cursor.place
        return low

    def offset_at(self, time_ms: i64) -> i64:
        """Offset of the first message published at ``time_ms``, wall clock, or later; that of the next if none was.

        Raises:
            OSError: A segment cannot be read.
        """
        log = self.log
        index: i64 = len(log.segments) - 1
        while index >= 0 and (log.segments[index].timestamp_ms < 0 or log.segments[index].timestamp_ms >= time_ms):
            index -= 1
        if index < 0:
            return log.first_offset
        segment = log.segments[index]
        end = _end_of(log, index)
        place = self._place_of(segment, 0, time_ms)
        cursor = ChunkCursor(log.files, segment.path, segment.size, log.key, place)
        while cursor.next() and cursor.first < end:
            record = cursor.records()
            offset = cursor.first
            while record.next():
                if record.timestamp_ms >= time_ms:
                    return offset
                offset += 1
        return end

    def _tell(self, segment: StreamSegment, first: i64, end: i64) -> None:
        if not segment.is_told:
            segment.is_told = True
            LOG.error(
                "messages of a stream cannot be read and are passed over",
                extra={"path": segment.path, "first_offset": int(first), "last_offset": int(end - 1)},
            )


def _index_of(log: StreamLog, offset: i64) -> i64:
    """Index of the segment that ``offset`` belongs to."""
    low: i64 = 0
    high: i64 = len(log.segments)
    while high - low > 1:
        middle = (low + high) // 2
        if log.segments[middle].first <= offset:
            low = middle
        else:
            high = middle
    return low


def _end_of(log: StreamLog, index: i64) -> i64:
    """The offset behind the last message of a segment."""
    return log.segments[index + 1].first if index + 1 < len(log.segments) else log.next_offset
