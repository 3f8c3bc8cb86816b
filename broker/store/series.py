"""A series of numbered files whose batches form one chain: which of them can be trusted."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.store.files import Files
from broker.store.findings import CUT, DAMAGE, FOREIGN, HEADER, PASSED, Finding
from broker.store.framing import (
    FILE_HEADER_SIZE,
    JOURNAL,
    LOG,
    Damage,
    Run,
    Scan,
    batch_end,
    batch_number,
    has_file_header,
    header_first,
    header_key,
    header_number,
    settlements_start,
)
from broker.store.journal import read_topology
from broker.store.records import History

# Above every batch number: the newest file is not ended by another.
NO_END: Final = 0x7FFF_FFFF_FFFF_FFFF


@final
@mypyc_attr(native_class=True)
class FoundFile:
    """One file of a series.

    Attributes:
        number: From its name.
        first: First batch according to its header, or its first whole batch; -1 if it has neither.
        size: Octets on disk.
        runs: Whole batches that no later file replaces.
        damage: Broken octets that no later file replaces.
        ranges: Offsets of the batches that were kept and stay where they are.
        synced: Last batch known to be synced.
    """

    def __init__(self, number: i64, path: str) -> None:
        self.number: Final[i64] = number
        self.path: Final = path
        self.first: i64 = -1
        self.size: i64 = 0
        self.runs: list[Run] = []
        self.damage: list[Damage] = []
        self.ranges: list[int] = []
        self.synced: i64 = -1


@final
@mypyc_attr(native_class=True)
class Piece:
    """Whole batches with consecutive numbers in one file, which recovery accepts."""

    def __init__(self, file_index: i64, start: i64, end: i64, first: i64, last: i64) -> None:
        self.file_index: Final[i64] = file_index
        self.start: Final[i64] = start
        self.end: Final[i64] = end
        self.first: Final[i64] = first
        self.last: Final[i64] = last


@final
@mypyc_attr(native_class=True)
class Series:
    """The files of the log or of the journal, and what of them is accepted.

    Attributes:
        files_found: In order of number.
        pieces: The accepted batches, in order.
        last_batch: Number of the last of them; 0 for none.
        synced: Every batch up to here was covered by a completed sync.
        highest_number: The highest number of a file.
        tail_first: First batch of the tail that ``take_tail`` takes, or the number that comes next.
        findings: What was cut or is damaged.
    """

    def __init__(self, files: Files, directory: str, suffix: str, key: i64) -> None:
        self.files: Final = files
        self.directory: Final = directory
        self.suffix: Final = suffix
        self.kind: Final = LOG if suffix == ".log" else JOURNAL
        self.key: Final[i64] = key
        self.files_found: list[FoundFile] = []
        self.pieces: list[Piece] = []
        self.last_batch: i64 = 0
        self.synced: i64 = 0
        self.highest_number: i64 = 0
        self.tail_first: i64 = 1
        self.findings: Final[list[Finding]] = []
        self.cached_index: i64 = -1
        self.cached: bytes = b""

    def list_files(self) -> None:
        """Find the files of the series; remove what a crash left unfinished, name what is foreign."""
        for name in self.files.list_directory(self.directory):
            path = f"{self.directory}/{name}"
            if name.endswith(".tmp"):
                self.files.unlink(path)
                continue
            number = number_of(name, self.suffix)
            if number < 0:
                self.tell(FOREIGN, f"{path} is not a file of the broker; it is left alone", path, -1, 0)
                continue
            self.files_found.append(FoundFile(number, path))
            self.highest_number = max(self.highest_number, number)

    def read_newest(self) -> None:
        """Accept what can be trusted of the newest file alone: under its final name a journal is complete."""
        self.list_files()
        candidates = self.files_found
        for i in range(len(candidates) - 1, -1, -1):
            self.files_found = [candidates[i]]
            self.scan_all()
            if candidates[i].first >= 0:
                return

    def read_all(self) -> None:
        """Accept what can be trusted of all files."""
        self.list_files()
        self.scan_all()

    def scan_all(self) -> None:
        """Newest first, because a file's first batch ends the files before it."""
        end: i64 = NO_END
        for i in range(len(self.files_found) - 1, -1, -1):
            found = self.files_found[i]
            self.scan(found, end)
            if found.first >= 0:
                end = min(end, found.first)
            self.synced = max(self.synced, found.synced)
        self.cached = b""
        self.cached_index = -1
        self.accept()

    def scan(self, found: FoundFile, end: i64) -> None:
        """Find the whole batches of one file with numbers below ``end``."""
        data = self.files.read(found.path)
        found.size = len(data)
        key = self.key
        has_header = has_file_header(data, self.kind)
        if has_header and header_number(data) != found.number:
            number = int(header_number(data))
            text = f"{found.path} calls itself number {number}: a copy, it is passed over"
            self.tell(PASSED, text, found.path, 0, 0)
            return
        if has_header:
            key = header_key(data)
            found.first = header_first(data)
        elif data.count(b"\0") < len(data):
            size = min(len(data), FILE_HEADER_SIZE)
            text = f"damage in {found.path} at offset 0: the file header, {size} octets, is unreadable"
            self.tell(HEADER, text, found.path, 0, size)
        scanned = Scan(data, key)
        found.synced = scanned.synced
        if self.kind == JOURNAL:
            # A journal gets its final name when its snapshot is synced: an unreadable first batch is never a torn end.
            found.synced = max(found.synced, found.first)
        if found.first < 0 and scanned.runs:
            found.first = scanned.runs[0].first
        for run in scanned.runs:
            kept = run
            if run.first >= end:
                break
            if run.last >= end:
                kept = Run(run.start, offset_of(data, run.start, end), run.first, end - 1)
            found.runs.append(kept)
            if kept.last == run.last and is_closed(data, run):
                # A clean stop: this batch was synced too, after the sync that it was written behind.
                found.synced = max(found.synced, run.last)
        for damage in scanned.damage:
            after = damage.after if damage.after >= 0 else found.first - 1
            if after + 1 < end:
                found.damage.append(damage)

    def accept(self) -> None:
        """Follow the chain of numbers through all files; cut it where nothing was synced any more."""
        expected: i64 = -1
        is_cut = False
        dropped: i64 = 0
        for index in range(len(self.files_found)):
            found = self.files_found[index]
            if expected < 0 and found.first >= 0:
                expected = found.first
            for run in found.runs:
                if is_cut:
                    dropped += run.last - run.first + 1
                    continue
                if run.first > expected > self.synced:
                    is_cut = True
                    dropped += run.last - run.first + 1
                    continue
                if run.first < expected:
                    text = f"{found.path} repeats batch {int(run.first)} at offset {int(run.start)}; it is passed over"
                    self.tell(PASSED, text, found.path, run.start, 0)
                    continue
                if run.first > expected:
                    text = f"batches {int(expected)} to {int(run.first - 1)} are missing before offset {int(run.start)}"
                    self.tell(DAMAGE, f"{text} of {found.path}; all others are kept", found.path, run.start, 0)
                self.pieces.append(Piece(index, run.start, run.end, run.first, run.last))
                found.ranges.append(run.start)
                found.ranges.append(run.end)
                self.last_batch = run.last
                expected = run.last + 1
        self.last_batch = max(self.last_batch, expected - 1)
        self.tail_first = self.last_batch + 1
        self.tell_damage()
        if dropped > 0:
            text = f"{int(dropped)} whole batches behind the cut were dropped too, all from before their first sync"
            self.tell(CUT, f"{text}; nothing in them was ever confirmed", "", -1, 0)

    def tell_damage(self) -> None:
        """Say of each broken stretch whether it was cut or is damage."""
        for found in self.files_found:
            for damage in found.damage:
                where = f"{found.path} at offset {int(damage.offset)}: {int(damage.size)} octets"
                after = damage.after if damage.after >= 0 else found.first - 1
                if after >= self.last_batch and after >= self.synced:
                    text = f"cut {where} behind the last whole batch, as a crash leaves them"
                    self.tell(CUT, text, found.path, damage.offset, damage.size)
                else:
                    text = f"damage in {where} are unreadable; everything around them is kept"
                    self.tell(DAMAGE, text, found.path, damage.offset, damage.size)

    def tell(self, kind: i64, text: str, path: str, offset: i64, size: i64) -> None:
        """One more finding."""
        self.findings.append(Finding(kind, text, path, offset, size))

    def octets(self, index: i64) -> bytes:
        """A file's octets; the last one asked for is kept."""
        if self.cached_index != index:
            self.cached = self.files.read(self.files_found[index].path)
            self.cached_index = index
        return self.cached

    def read_settlements(self, piece: Piece, history: History) -> None:
        """Take in the settlements of an accepted piece."""
        history.read_batches(self.octets(piece.file_index), piece.start, piece.end)

    def collect_topology(self, records: list[bytes]) -> None:
        """The records of all accepted pieces of a journal."""
        for piece in self.pieces:
            read_topology(self.octets(piece.file_index), piece.start, piece.end, records)

    def numbers(self) -> dict[int, bool]:
        """The numbers of the files that are there."""
        present: dict[int, bool] = {}
        for found in self.files_found:
            present[found.number] = True
        return present

    def take_tail(self) -> list[bytes]:
        """The accepted batches that no sync is known to have covered; their files' ranges end before them."""
        tail: list[bytes] = []
        self.tail_first = self.last_batch + 1
        for piece in self.pieces:
            if piece.last <= self.synced:
                continue
            data = self.octets(piece.file_index)
            start = piece.start
            first = piece.first
            if first <= self.synced:
                first = self.synced + 1
                start = offset_of(data, piece.start, first)
            if not tail:
                self.tail_first = first
            tail.append(data[start : piece.end])
            self.shorten(self.files_found[piece.file_index], start)
        self.cached = b""
        self.cached_index = -1
        return tail

    def shorten(self, found: FoundFile, end: i64) -> None:
        """Leave only what lies before ``end`` to a file."""
        kept: list[int] = []
        for i in range(0, len(found.ranges), 2):
            if i64(found.ranges[i]) < end:
                kept.append(found.ranges[i])
                kept.append(min(found.ranges[i + 1], int(end)))
        found.ranges = kept


def number_of(name: str, suffix: str) -> i64:
    """The number in ``0123456789abcdef.suffix``; -1 for any other name."""
    if len(name) != 16 + len(suffix) or not name.endswith(suffix):
        return -1
    number: i64 = 0
    for character in name[:16]:
        digit = "0123456789abcdef".find(character)
        if digit < 0 or number > 0x07FF_FFFF_FFFF_FFFF:
            return -1
        number = number * 16 + digit
    return number


def offset_of(data: bytes, start: i64, number: i64) -> i64:
    """Where the batch with this number begins, in a run of whole batches that begins at ``start``."""
    at = start
    while batch_number(data, at) < number:
        at = batch_end(data, at)
    return at


def is_closed(data: bytes, run: Run) -> bool:
    """Tells whether a run ends with the mark of a clean stop."""
    at = run.start
    while batch_end(data, at) < run.end:
        at = batch_end(data, at)
    history = History()
    history.read(data, settlements_start(data, at), batch_end(data, at))
    return history.is_closed
