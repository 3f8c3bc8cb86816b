"""The commit log: numbered segments, one of them being written."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.store.batch_file import BatchFile
from broker.store.files import Files
from broker.store.framing import FILE_HEADER_SIZE, LOG
from broker.store.limits import StoreLimits
from broker.store.places import LogSegment

# A disk that was full has room again when this many octets can be reserved. Little, because settlements need little,
# and it is settlements that make room.
LEAST_ROOM: Final = 65_536


def log_path(directory: str, number: i64) -> str:
    """Where the segment with this number is."""
    return f"{directory}/{int(number):016x}.log"


@final
@mypyc_attr(native_class=True)
class CommitLog:
    """The segments of the log, oldest first; the last is the one being written.

    Attributes:
        segments: All that exist as files.
        active: The last of them.
        unsynced: Sealed segments whose descriptors wait for the next sync.
        is_directory_dirty: A segment's name was made and the directory not synced yet.
        bytes: Octets of all segments.
    """

    def __init__(self, files: Files, limits: StoreLimits, directory: str, key: i64) -> None:
        self.files: Final = files
        self.limits: Final = limits
        self.directory: Final = directory
        self.key: Final[i64] = key
        self.segments: list[LogSegment] = []
        self.unsynced: list[LogSegment] = []
        self.is_directory_dirty: bool = False
        self.bytes: i64 = 0
        self.active: LogSegment = LogSegment(0, "", 0, 0)
        self.file: BatchFile | None = None

    def begin(self, number: i64, first_batch: i64, file: BatchFile) -> None:
        """Write to this new file from now on."""
        self.file = file
        segment = LogSegment(number, file.path, first_batch, file.size)
        segment.descriptor = file.descriptor
        self.segments.append(segment)
        self.active = segment
        self.bytes += file.size

    def begin_new(self, first_batch: i64) -> None:
        """Begin the segment behind the last one; the next sync covers its name as well.

        Raises:
            StoreError: It could not be made.
        """
        number = self.segments[-1].number + 1 if self.segments else i64(1)
        path = log_path(self.directory, number)
        self.begin(number, first_batch, BatchFile(self.files, path, LOG, number, first_batch, self.key))
        self.is_directory_dirty = True

    def append(self, parts: list[bytes], size: i64, number: i64) -> None:
        """Write one framed batch, to a new segment if it does not fit into this one.

        Raises:
            StoreError: As ``BatchFile.append``.
        """
        file = self.file
        if file is None:
            raise AssertionError("the log was written before it was recovered")
        if file.size + size > self.limits.segment_bytes and file.size > FILE_HEADER_SIZE:
            file = self.roll(file, number)
        # No reserve beyond the end of the segment.
        reserve = min(self.limits.allocate_bytes, self.limits.segment_bytes - file.size - size)
        file.append(parts, size, max(reserve, 0))
        self.active.size = file.size
        self.bytes += size

    def roll(self, file: BatchFile, number: i64) -> BatchFile:
        """Seal the segment and begin the next, whose first batch is ``number``.

        The sealed file is synced once more by the next sync job, which also syncs the new name: no confirm for anything
        in either leaves before that.
        """
        full = self.active
        self.begin_new(number)
        full.ranges = [FILE_HEADER_SIZE, int(full.size)]
        self.unsynced.append(full)
        file.trim()
        fresh = self.file
        assert fresh is not None
        return fresh

    def find_room(self) -> None:
        """Reserve disk behind the last batch of the active segment; given back when the segment is sealed.

        Raises:
            StoreError: ``is_no_space`` if there is none.
        """
        if self.file is None:
            raise AssertionError("the log was asked for room before it was recovered")
        self.file.reserve(LEAST_ROOM)

    def trim(self) -> None:
        """Give the reserve back: nothing more is coming."""
        if self.file is not None:
            self.file.trim()

    def removed(self, count: i64) -> None:
        """The oldest ``count`` segments are gone."""
        for i in range(count):
            self.bytes -= self.segments[i].size
        self.segments = self.segments[count:]
