"""Start-up of a stream: where it ends, what of its tail can be trusted, what is damaged.

The rules are those of ``recovery``. Every chunk names the offset up to which the stream was synced before it, so the
segments that end there or before need not be read to know that they are complete; damage in them is told when a reader
meets it, or by a check of the whole directory. What lies behind that offset is read forward, cut where nothing can be
read any more, and written again to a new segment, which then ends the ones before it.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.store.batch_file import RESTART, BatchFile, sync_directory, sync_file
from broker.store.errors import failed
from broker.store.files import Files
from broker.store.findings import CUT, DAMAGE, FOREIGN, HEADER, Finding
from broker.store.framing import FILE_HEADER_SIZE, STREAM, has_file_header, header_first, header_number
from broker.store.series import NO_END, number_of
from broker.store.stream_chunks import ChunkCursor
from broker.store.stream_log import StreamLog, StreamSegment, stream_path

SUFFIX: Final = ".stream"


@final
@mypyc_attr(native_class=True)
class TailPiece:
    """Whole chunks behind one another that no sync is known to have covered."""

    def __init__(self, path: str, start: i64, end: i64) -> None:
        self.path: Final = path
        self.start: Final[i64] = start
        self.end: i64 = end


@final
@mypyc_attr(native_class=True)
class StreamScan:
    """What the files of one stream hold.

    Attributes:
        segments: In order; a later one ends those before it.
        unfinished: Files that never got their names; the next start removes them.
        useless: Likewise; empty, or written again elsewhere.
        synced: Every message before this offset was covered by a completed sync.
        next_offset: Behind the last message that is kept.
        tail: Chunks from ``synced`` on.
        tail_first: Offset of the first message in them.
        tail_ms: When it was published; -1 without a tail.
        is_torn: Something lies behind the last chunk that is kept.
        last_chunk: Offset that the last chunk begins with; that of the next one if there is none.
        last_ms: When it was published; -1 if there is none.
        highest_number: The highest number of a file.
        chunk_count: Chunks read and kept.
        message_count: Messages in them.
        body_bytes: Octets of their bodies, if everything was read.
        findings: What was cut or is damaged.
    """

    def __init__(self, files: Files, directory: str, key: i64) -> None:
        self.files: Final = files
        self.directory: Final = directory
        self.key: Final[i64] = key
        self.segments: list[StreamSegment] = []
        self.unfinished: Final[list[str]] = []
        self.useless: Final[list[str]] = []
        self.synced: i64 = 0
        self.next_offset: i64 = 0
        self.tail: Final[list[TailPiece]] = []
        self.tail_first: i64 = 0
        self.tail_ms: i64 = -1
        self.is_torn: bool = False
        self.last_chunk: i64 = -1
        self.last_ms: i64 = -1
        self.highest_number: i64 = 0
        self.chunk_count: i64 = 0
        self.message_count: i64 = 0
        self.body_bytes: i64 = 0
        self._is_whole: bool = False
        self.findings: Final[list[Finding]] = []
        self._unreadable: Final[list[StreamSegment]] = []
        self._headless: Final[dict[int, int]] = {}  # number to synced of the first chunk
        self._holes: Final[list[int]] = []  # first offsets of segments that messages are missing before

    def run(self, is_whole: bool) -> None:
        """Read what has to be read, or everything.

        Raises:
            OSError: A file cannot be read.
        """
        self._is_whole = is_whole
        self._list_segments()
        count: i64 = len(self.segments)
        tail = count
        while tail > 0 and (is_whole or tail == count or self.synced < self.segments[tail].first):
            tail -= 1
            self._find_synced(self.segments[tail])
        expected: i64 = 0
        for i in range(count):
            segment = self.segments[i]
            following: i64 = self.segments[i + 1].first if i + 1 < count else NO_END
            if i < tail:
                # Complete as far as anybody knows; a missing number says that a file may be missing behind it.
                if self.segments[i + 1].number != segment.number + 1:
                    self._accept(segment, segment.first, following, False)
                expected = following
                continue
            if i == tail or expected < self.synced:
                expected = segment.first
            self.is_torn = self.is_torn or segment.first > expected
            expected = self._accept(segment, expected, following, self.is_torn)
        self.next_offset = max(expected, self.synced)
        while tail > 0 and self.last_chunk < 0:
            tail -= 1
            self._find_last(self.segments[tail], self.segments[tail + 1].first)
        if self.last_chunk < 0:
            self.last_chunk = self.next_offset
        self._judge_unreadable()

    def _judge_unreadable(self) -> None:
        """Files in which nothing is whole: damage if messages are missing in their place, else what a crash leaves."""
        for file in self._unreadable:
            following: StreamSegment | None = None
            is_first = True
            for segment in self.segments:
                if segment.number < file.number:
                    is_first = False
                elif following is None and segment.first < self.next_offset:
                    following = segment
            if following is not None and (following.first in self._holes or (is_first and following.first > 0)):
                text = f"damage in {file.path} at offset 0: nothing in it can be read"
                self._tell(DAMAGE, text, file.path, 0, file.size)
                continue
            self.useless.append(file.path)
            if following is None and file.size > 0:
                text = f"cut {file.path} at offset 0: nothing in it is whole, as a crash leaves it"
                self._tell(CUT, text, file.path, 0, file.size)

    def _list_segments(self) -> None:
        """Find the segments, and what else is there; a later segment ends those before it."""
        found: list[StreamSegment] = []
        for name in self.files.list_directory(self.directory):
            path = f"{self.directory}/{name}"
            number = number_of(name, SUFFIX)
            if number >= 0:
                self.highest_number = max(self.highest_number, number)
                segment = self._open(path, number)
                if segment is not None:
                    found.append(segment)
            elif name.endswith(".tmp"):
                self.unfinished.append(path)
            else:
                self._tell(FOREIGN, f"{path} is not a file of the broker; it is left alone", path, -1, 0)
        end: i64 = NO_END
        for i in range(len(found) - 1, -1, -1):
            if found[i].first >= end:
                self.useless.append(found[i].path)
                continue
            self.segments.insert(0, found[i])
            end = found[i].first
        if self.segments and self.segments[0].number in self._headless:
            # What came before its first whole chunk is not known; what was synced before that is not missed.
            self.segments[0].first = min(end, self._headless[self.segments[0].number])

    def _open(self, path: str, number: i64) -> StreamSegment | None:
        """What the header and the first chunk of a file say; None if it holds nothing at all."""
        size = self.files.size(path)
        head = self.files.read_part(path, 0, FILE_HEADER_SIZE)
        cursor = ChunkCursor(self.files, path, size, self.key)
        has_chunk = cursor.next()
        while has_chunk and cursor.count == 0:
            has_chunk = cursor.next()
        if has_file_header(head, STREAM) and header_number(head) == number:
            segment = StreamSegment(number, path, header_first(head), size)
        elif has_chunk:
            text = f"damage in {path} at offset 0: the file header is unreadable"
            self._tell(HEADER, text, path, 0, FILE_HEADER_SIZE)
            segment = StreamSegment(number, path, cursor.first, size)
            self._headless[number] = int(cursor.synced)
        else:
            self._unreadable.append(StreamSegment(number, path, -1, cursor.torn))
            return None
        if has_chunk:
            segment.timestamp_ms = cursor.timestamp_ms
        return segment

    def _find_synced(self, segment: StreamSegment) -> None:
        cursor = ChunkCursor(self.files, segment.path, segment.size, self.key)
        while cursor.next():
            self.synced = max(self.synced, cursor.synced)

    def _find_last(self, segment: StreamSegment, end: i64) -> None:
        """Look for the last chunk in a segment that need not be read otherwise: those behind it hold marks only."""
        cursor = ChunkCursor(self.files, segment.path, segment.size, self.key)
        while cursor.next() and cursor.first < end:
            if cursor.count > 0:
                self.last_chunk = cursor.first
                self.last_ms = cursor.timestamp_ms

    def _accept(self, segment: StreamSegment, expected: i64, end: i64, is_cut: bool) -> i64:
        """Follow the offsets through one segment.

        Args:
            segment: The segment.
            expected: The offset that comes next.
            end: Where the next segment begins.
            is_cut: The chain has ended before it.

        Returns:
            The offset that comes next behind it.
        """
        path = segment.path
        cursor = ChunkCursor(self.files, path, segment.size, self.key)
        kept_size: i64 = FILE_HEADER_SIZE
        dropped: i64 = 0
        piece: TailPiece | None = None
        while cursor.next():
            if cursor.first >= end:
                break
            if is_cut or cursor.first > expected >= self.synced:
                is_cut = True
                dropped += cursor.count
                continue
            if cursor.skipped > 0 or cursor.first > expected:
                self._tell_damage(path, cursor.place - cursor.skipped, cursor.skipped, expected, cursor.first)
            expected = cursor.end
            kept_size = cursor.after
            self.chunk_count += 1
            if cursor.count == 0:
                continue
            self.message_count += cursor.count
            if self._is_whole:
                record = cursor.records()
                while record.next():
                    self.body_bytes += record.targets - record.body
            self.last_chunk = cursor.first
            self.last_ms = cursor.timestamp_ms
            if cursor.first >= self.synced:
                if not self.tail:
                    self.tail_first = cursor.first
                    self.tail_ms = cursor.timestamp_ms
                if piece is not None and piece.end == cursor.place:
                    piece.end = cursor.after
                else:
                    piece = TailPiece(path, cursor.place, cursor.after)
                    self.tail.append(piece)
        is_last = end == NO_END
        if is_last:
            end = self.synced
        if expected < min(end, self.synced):
            self._tell_damage(path, kept_size, cursor.torn, expected, end)
            self._holes.append(int(end))
        elif is_cut or expected < end or (is_last and cursor.torn > 0):
            self.is_torn = True
            text = f"cut {path} at offset {int(kept_size)}, behind the last whole chunk, as a crash leaves it"
            if dropped > 0:
                text = f"{text}; {int(dropped)} messages behind it were dropped, none of them ever confirmed"
            self._tell(CUT, text, path, kept_size, segment.size - kept_size)
        return expected

    def _tell_damage(self, path: str, place: i64, size: i64, first: i64, end: i64) -> None:
        where = f"damage in {path} at offset {int(place)}: {int(size)} octets are unreadable"
        if end > first:
            where = f"{where}, messages {int(first)} to {int(end - 1)} of the stream are lost"
        self._tell(DAMAGE, f"{where}; everything around them is kept", path, place, size)

    def _tell(self, kind: i64, text: str, path: str, offset: i64, size: i64) -> None:
        self.findings.append(Finding(kind, text, path, offset, size))


def recover_stream(files: Files, log: StreamLog) -> list[Finding]:
    """Fill a stream with what its directory holds, on disk for certain when this returns.

    Returns:
        What was cut or is damaged.

    Raises:
        OSError: A file cannot be read.
        StoreError: The tail cannot be written again.
    """
    scan = StreamScan(files, log.directory, log.key)
    scan.run(is_whole=False)
    segments = scan.segments
    for path in scan.unfinished:
        files.unlink(path)
    next_offset = scan.next_offset
    number = scan.highest_number
    file: BatchFile | None = None
    first = scan.tail_first if scan.tail else next_offset
    if scan.tail or scan.is_torn:
        number += 1
        file = _write_tail(files, log, scan, number, first)
        while segments and segments[-1].first >= first:
            scan.useless.append(segments.pop().path)
        segments.append(StreamSegment(number, file.path, first, file.size))
        segments[-1].timestamp_ms = scan.tail_ms
    for path in scan.useless:
        files.unlink(path)
    log.adopt(segments, next_offset, scan.last_chunk, scan.last_ms, number)
    log.file = file
    return scan.findings


def _write_tail(files: Files, log: StreamLog, scan: StreamScan, number: i64, first: i64) -> BatchFile:
    """The new segment: the tail, and a mark that says that it is synced."""
    path = stream_path(log.directory, number)
    file = BatchFile(files, f"{path}.tmp", STREAM, number, first, log.key)
    for piece in scan.tail:
        octets = files.read_part(piece.path, piece.start, piece.end - piece.start)
        file.append([octets], len(octets), 0)
    log.put_mark(file, scan.next_offset)
    sync_file(files, file.descriptor, file.path)
    try:
        files.rename(file.path, path)
        sync_directory(files, log.directory)
    except OSError as error:
        raise failed("make", path, error, RESTART) from error
    file.path = path
    return file
