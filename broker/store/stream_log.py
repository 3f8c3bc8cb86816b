"""One stream: numbered segments of chunks, of which the last is being written. Nothing is settled, old segments go."""

from typing import Final, final

from librt.strings import BytesWriter, write_i64_le
from mypy_extensions import i64, mypyc_attr

from broker.core.message import Message
from broker.store.batch_file import RESTART, BatchFile
from broker.store.contents import put_body
from broker.store.errors import failed, is_no_space, out_of_space
from broker.store.files import Files
from broker.store.framing import FILE_HEADER_SIZE, STREAM, put_batch
from broker.store.records import put_content_head, record_size
from broker.store.stream_chunks import CHUNK_BYTES

# However small a stream's segments were asked for: a file costs a system call, a name and a place in memory.
LEAST_SEGMENT_BYTES: Final = 16 * 1024
# Disk is reserved in steps of what the segment holds already, within these: a stream of ten messages needs little.
LEAST_RESERVE: Final = 64 * 1024
MOST_RESERVE: Final = 4 * 1024 * 1024


def stream_directory(streams: str, log_id: i64) -> str:
    """Directory of one stream's segments."""
    return f"{streams}/{int(log_id):016x}"


def stream_path(directory: str, number: i64) -> str:
    """The segment with this number."""
    return f"{directory}/{int(number):016x}.stream"


@final
@mypyc_attr(native_class=True)
class StreamLimits:
    """How much of a stream is kept; -1 for no limit.

    Attributes:
        segment_bytes: A segment is sealed when it has grown to this.
        max_bytes: Octets of all segments; the oldest go when there are more.
        max_age_ms: A segment goes when its last message is older.
    """

    def __init__(self, segment_bytes: i64, max_bytes: i64 = -1, max_age_ms: i64 = -1) -> None:
        self.segment_bytes: i64 = max(segment_bytes, LEAST_SEGMENT_BYTES)
        self.max_bytes: i64 = max_bytes
        self.max_age_ms: i64 = max_age_ms


@final
@mypyc_attr(native_class=True)
class StreamSegment:
    """One file of a stream.

    Attributes:
        number: Counts up, never used twice; also the name of the file.
        path: The file.
        first: Offset of its first message.
        size: Offset in the file behind its last chunk.
        timestamp_ms: When its first message was published; -1 while it has none.
        is_told: Damage met in it by a reader has been told.
    """

    def __init__(self, number: i64, path: str, first: i64, size: i64) -> None:
        self.number: Final[i64] = number
        self.path: Final = path
        self.first: i64 = first
        self.size: i64 = size
        self.timestamp_ms: i64 = -1
        self.is_told: bool = False


@final
@mypyc_attr(native_class=True)
class StreamLog:
    """The segments of one stream, oldest first. Offsets count from 0 and are never used twice.

    Attributes:
        log_id: The stream's number in the store.
        limits: How much is kept.
        segments: All that exist as files, but for those given to ``garbage``.
        next_offset: Offset of the next message that is written.
        synced: Offset behind the last message that a completed sync covers: readers get no more than that, because
            what a crash takes back must not have been seen.
        last_chunk: Offset that the last chunk begins with.
        pending: Messages that no chunk holds yet.
        bytes: Octets of all segments.
        is_forgotten: The stream was deleted.
        garbage: Segments that retention has let go, oldest first, to be unlinked off the loop.
    """

    def __init__(self, files: Files, streams: str, key: i64, log_id: i64, limits: StreamLimits) -> None:
        self.files: Final = files
        self.directory: Final = stream_directory(streams, log_id)
        self.key: Final[i64] = key
        self.log_id: Final[i64] = log_id
        self.limits: Final = limits
        self.segments: list[StreamSegment] = []
        self.next_offset: i64 = 0
        self.synced: i64 = 0
        self.last_chunk: i64 = 0
        self.last_number: i64 = 0
        self.pending: list[Message] = []
        self.bytes: i64 = 0
        self.is_forgotten: bool = False
        self.garbage: list[str] = []
        self.file: BatchFile | None = None
        self.sealed: list[BatchFile] = []  # wait for their last sync
        self.is_new: bool = True  # the directory has not been made
        self.has_new_name: bool = False  # a file was made, and its directory not synced
        self.has_new_directory: bool = False
        self.is_waiting: bool = False  # for a sync: on the store's list
        self.is_marked: bool = True  # nothing was written since the last mark
        self.published: i64 = (
            0  # how many pending messages were published in this turn or before, and not dead-lettered
        )
        self.carried: i64 = 0  # how many an earlier turn found no room for
        self._written: i64 = -1  # octets of the active segment before this turn's chunks; -1 while there are none
        self._following: i64 = 0  # next_offset, once they are stored
        self._last_chunk: i64 = 0  # last_chunk, likewise
        self._last_ms: i64 = -1

    @property
    def first_offset(self) -> i64:
        """Offset of the oldest message kept, or of the next one if there is none."""
        return self.segments[0].first if self.segments else self.next_offset

    # At the end of a turn.

    def write(self, out: BytesWriter) -> None:
        """Write what is pending as chunks, behind one another in one segment; ``stored`` or ``undo`` comes next.

        Args:
            out: A buffer to encode in.

        Raises:
            StoreError: As ``BatchFile.append``.
        """
        file = self.file
        if file is None or file.size >= self.limits.segment_bytes:
            file = self._roll()
        self._written = file.size
        pending = self.pending
        count: i64 = len(pending)
        offset = self.next_offset
        last = offset
        at: i64 = 0
        while at < count:
            parts: list[bytes] = [b""]
            out.truncate(0)
            size: i64 = 0
            end = at
            while end < count and size < CHUNK_BYTES:
                message = pending[end]
                put_content_head(out, message, 0)
                put_body(out, message, parts)
                size += record_size(message)
                end += 1
            if len(out) > 0:
                parts.append(out.getvalue())
            last = offset
            self._append(file, parts, offset, end - at)
            offset += end - at
            at = end
        self._following = offset
        self._last_chunk = last

    def _append(self, file: BatchFile, parts: list[bytes], offset: i64, count: i64) -> None:
        """One chunk; ``parts`` are the place for its header and its records."""
        size = self._put_chunk(parts, offset, count, self.synced)
        reserve = file.size
        if reserve < LEAST_RESERVE:
            reserve = LEAST_RESERVE
        elif reserve > MOST_RESERVE:
            reserve = MOST_RESERVE
        file.append(parts, size, reserve)

    def _put_chunk(self, parts: list[bytes], offset: i64, count: i64, synced: i64) -> i64:
        """Frame a chunk; returns its octets."""
        contents: i64 = len(parts) - 1
        tail = BytesWriter()
        write_i64_le(tail, count)
        parts.append(tail.getvalue())
        return put_batch(parts, contents, self.key, offset, synced)

    def put_mark(self, file: BatchFile, offset: i64) -> None:
        """Write to a file that everything before ``offset`` is synced, or is about to be with the file itself.

        Raises:
            StoreError: As ``BatchFile.append``.
        """
        parts = [b""]
        size = self._put_chunk(parts, offset, 0, offset)
        file.append(parts, size, 0)

    def _roll(self) -> BatchFile:
        """Seal the segment and begin the next one."""
        sealed = self.file
        if sealed is not None:
            sealed.trim()
        if self.is_new:
            self._make_directory()
        number = self.last_number + 1
        path = stream_path(self.directory, number)
        fresh = BatchFile(self.files, path, STREAM, number, self.next_offset, self.key)
        if sealed is not None:
            self.sealed.append(sealed)
        self.last_number = number
        self.file = fresh
        self.has_new_name = True
        self.segments.append(StreamSegment(number, path, self.next_offset, FILE_HEADER_SIZE))
        self.bytes += FILE_HEADER_SIZE
        return fresh

    def _make_directory(self) -> None:
        try:
            self.files.make_directory(self.directory)
        except FileExistsError:
            self.is_new = False
            return
        except OSError as error:
            if is_no_space(error):
                raise out_of_space("make", self.directory, error) from error
            raise failed("make", self.directory, error, RESTART) from error
        self.is_new = False
        self.has_new_directory = True

    def stored(self) -> None:
        """The turn's batch is written: what was pending has its offsets now."""
        segment = self.segments[-1]
        file = self.file
        assert file is not None
        if segment.timestamp_ms < 0:
            segment.timestamp_ms = self.pending[0].timestamp_ms
        self._last_ms = self.pending[-1].timestamp_ms
        self.bytes += file.size - segment.size
        segment.size = file.size
        self.next_offset = self._following
        self.last_chunk = self._last_chunk
        self.pending = []
        self.published = 0
        self.carried = 0
        self.is_marked = False
        if len(self.segments) > 1 and self._written == FILE_HEADER_SIZE:
            self.retain(self._last_ms)
        self._written = -1

    def undo(self) -> None:
        """The turn's batch could not be written: its chunks never happened.

        Raises:
            StoreError: The file cannot be cut back.
        """
        file = self.file
        if file is not None and self._written >= 0 and file.size > self._written:
            file.size = self._written
            file.cut_back()
        self._written = -1

    def take_back(self) -> None:
        """Forget the messages that were published in the turn that found no room; nobody has seen them."""
        del self.pending[self.carried : self.published]
        self.published = self.carried

    def mark(self) -> None:
        """Say in the file that everything is synced, so that the next start need not write the tail again.

        Raises:
            StoreError: As ``BatchFile.append``.
        """
        file = self.file
        if file is None or self.is_marked or self.synced < self.next_offset:
            return
        self.put_mark(file, self.next_offset)
        file.trim()
        self.bytes += file.size - self.segments[-1].size
        self.segments[-1].size = file.size
        self.is_marked = True

    # Retention.

    def retain(self, now_ms: i64) -> None:
        """Let go of whole segments beyond the limits. The last one stays whatever they say."""
        limits = self.limits
        segments = self.segments
        count: i64 = 0
        last: i64 = len(segments) - 1
        while count < last:
            # No message in a segment is younger than the first one behind it.
            following_ms = segments[count + 1].timestamp_ms
            if following_ms < 0:
                following_ms = self._last_ms
            is_old = limits.max_age_ms >= 0 and 0 <= following_ms < now_ms - limits.max_age_ms
            if not is_old and (limits.max_bytes < 0 or self.bytes <= limits.max_bytes):
                break
            self.bytes -= segments[count].size
            self.garbage.append(segments[count].path)
            count += 1
        if count > 0:
            del segments[:count]

    # Start and stop.

    def adopt(
        self, segments: list[StreamSegment], next_offset: i64, last_chunk: i64, last_ms: i64, last_number: i64
    ) -> None:
        """Begin with what recovery has found; everything in it is synced."""
        self.segments = segments
        self.next_offset = next_offset
        self.synced = next_offset
        self.last_chunk = last_chunk
        self.last_number = last_number
        self._last_ms = last_ms
        self.is_new = False
        self.bytes = 0
        for segment in segments:
            self.bytes += segment.size

    def take_files(self) -> list[BatchFile]:
        """The files that are open, to be closed by the caller; nothing is written any more."""
        files = self.sealed
        if self.file is not None:
            files.append(self.file)
        self.sealed = []
        self.file = None
        return files
