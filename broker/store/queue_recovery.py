"""Reading queue segments and their ledgers back at start-up."""

from typing import Final, final

from librt.strings import read_i64_le
from mypy_extensions import i64, mypyc_attr

from broker.store.files import Files
from broker.store.findings import DAMAGE, FOREIGN, HEADER, Finding
from broker.store.framing import (
    FILE_HEADER_SIZE,
    LEDGER,
    QUEUE_SEGMENT,
    Damage,
    Run,
    Scan,
    batch_end,
    has_file_header,
    header_key,
    header_number,
    settlements_start,
)
from broker.store.places import Share
from broker.store.queue_segments import ledger_path
from broker.store.records import History, LiveContents
from broker.store.series import number_of

NO_LOG_SEGMENT: Final = 1 << 62


@final
@mypyc_attr(native_class=True)
class QueueSegmentRecovery:
    """The queue segments of one start.

    Attributes:
        highest_log_segment: The highest number of a log segment that a queue segment names.
        findings: Damage.
    """

    def __init__(self, files: Files, directory: str, key: i64, history: History) -> None:
        self.files: Final = files
        self.directory: Final = directory
        self.key: Final[i64] = key
        self.history: Final = history
        self.shares: Final[dict[int, list[Share]]] = {}
        self.directories: Final[dict[int, str]] = {}
        self.highest_log_segment: i64 = 0
        self.findings: Final[list[Finding]] = []

    def read_ledgers(self, log_segments: dict[int, bool]) -> None:
        """Find the queue segments and take in their ledgers.

        One whose log segment is still there was made by a retirement that did not finish: the log segment counts.
        """
        for name in self.files.list_directory(self.directory):
            log_id = number_of(name, "")
            path = f"{self.directory}/{name}"
            if log_id < 0:
                self.tell(FOREIGN, f"{path} is not a directory of the broker; it is left alone", path, -1, 0)
                continue
            self.directories[log_id] = path
            self.read_directory(log_id, path, log_segments)

    def read_directory(self, log_id: i64, directory: str, log_segments: dict[int, bool]) -> None:
        """The queue segments of one queue."""
        names = self.files.list_directory(directory)
        shares: list[Share] = []
        for name in names:
            path = f"{directory}/{name}"
            first = number_of(name, ".seg")
            if first < 0:
                is_orphan = name.endswith(".acks") and f"{name[:-5]}.seg" not in names
                if is_orphan or name.endswith(".tmp"):
                    self.files.unlink(path)
                elif number_of(name, ".acks") < 0:
                    self.tell(FOREIGN, f"{path} is not a file of the broker; it is left alone", path, -1, 0)
                continue
            head = self.files.read(path)
            number: i64 = 0
            if has_file_header(head, QUEUE_SEGMENT):
                number = header_number(head)
            else:
                self.tell_header(path)
            if number in log_segments:
                self.files.unlink(path)
                if f"{name[:-4]}.acks" in names:
                    self.files.unlink(ledger_path(path))
                continue
            self.highest_log_segment = max(self.highest_log_segment, number)
            # A segment with a damaged header has lost its number: any will do that no log segment can have.
            share = Share(number if number > 0 else NO_LOG_SEGMENT + first, first, None)
            share.path = path
            shares.append(share)
            if f"{name[:-4]}.acks" in names:
                self.read_ledger(log_id, share)
        self.shares[log_id] = shares

    def read_ledger(self, log_id: i64, share: Share) -> None:
        """Take in one ledger."""
        path = ledger_path(share.path)
        data = self.files.read(path)
        key = self.key
        if has_file_header(data, LEDGER):
            key = header_key(data)
        else:
            self.tell_header(path)
        scan = Scan(data, key)
        own = History()
        for run in scan.runs:
            own.read_batches(data, run.start, run.end)
            self.history.read_batches(data, run.start, run.end)
            share.ledger_size = run.end
            share.ledger_batch = run.last
        for damage in scan.damage:
            self.tell_damage(path, damage, "messages that they settled may be delivered again")
        share.marked = own.queue(log_id).delivered

    def read_contents(self, live: LiveContents) -> None:
        """Take in the messages of the queue segments that are not settled."""
        for shares in self.shares.values():
            for share in shares:
                data = self.files.read(share.path)
                for run in self.scan_segment(share, data):
                    live.read_batches(data, run.start, run.end, share.log_segment)

    def scan_segment(self, share: Share, data: bytes) -> list[Run]:
        """Find the whole batches of one queue segment."""
        key = header_key(data) if has_file_header(data, QUEUE_SEGMENT) else self.key
        scan = Scan(data, key)
        for run in scan.runs:
            # Settled or not: whatever lies in the file must find its settlement in the ledger one day.
            share.last = max(share.last, last_position(data, run))
        for damage in scan.damage:
            self.tell_damage(share.path, damage, "everything around them is kept")
        return scan.runs

    def tell(self, kind: i64, text: str, path: str, offset: i64, size: i64) -> None:
        """One more finding."""
        self.findings.append(Finding(kind, text, path, offset, size))

    def tell_header(self, path: str) -> None:
        """A file has lost its header."""
        text = f"damage in {path} at offset 0: the file header is unreadable"
        self.tell(HEADER, text, path, 0, FILE_HEADER_SIZE)

    def tell_damage(self, path: str, damage: Damage, consequence: str) -> None:
        """Octets of a file cannot be read."""
        where = f"damage in {path} at offset {int(damage.offset)}: {int(damage.size)} octets are unreadable"
        self.tell(DAMAGE, f"{where}; {consequence}", path, damage.offset, damage.size)

    def shares_of(self, log_id: i64) -> list[Share]:
        """The queue segments of one queue, oldest first."""
        return self.shares.get(log_id, [])

    def leftovers(self) -> list[str]:
        """Directories of queues that are forgotten."""
        found: list[str] = []
        for log_id, path in self.directories.items():
            queue = self.history.queues.get(log_id)
            if queue is not None and queue.is_forgotten:
                found.append(path)
        return found


def last_position(data: bytes, run: Run) -> i64:
    """The position that a run of batches of a queue segment ends with: the last 8 octets of its last contents."""
    at = run.start
    while batch_end(data, at) < run.end:
        at = batch_end(data, at)
    return read_i64_le(data, settlements_start(data, at) - 8)
