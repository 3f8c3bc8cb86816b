"""Housekeeping on a worker thread: log segments go, and what is still live in them moves to queue segments.

The order is what makes it safe to stop anywhere. Settled queue segments are deleted while the log still holds the
settlements; live messages are written and synced; settlements that queue segments need are written to ledgers and
synced; only then are log segments deleted, the oldest first. Whatever was done twice in between is found twice and
counted once.
"""

import time
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.store.batch_file import RESTART, sync_directory
from broker.store.data_directory import DataDirectory
from broker.store.errors import StoreError, failed, is_no_space, out_of_space
from broker.store.files import Files
from broker.store.framing import batch_end, is_batch, settlements_start
from broker.store.limits import StoreLimits
from broker.store.places import LogSegment, Share
from broker.store.queue_segments import QueueSegmentWriter, extend_ledger, ledger_path, queue_directory
from broker.store.records import History, LiveContents, in_order

# Compiled code does not give the interpreter's lock up by itself: after so many octets it lets the loop thread run. A
# real pause, because a lock that is let go for no time at all is taken back before the other thread has woken up.
STRETCH_BYTES: Final = 256 * 1024
PAUSE_S: Final = 0.0001


@final
@mypyc_attr(native_class=True)
class RetireJob:
    """What one retirement does. ``run`` may be called on any thread.

    Attributes:
        removed: Log segments to delete, oldest first.
        is_moving: Some of them hold live messages.
        forgotten: Directories of queues that are gone.
        report: Damage met, as plain sentences.
        error: Why it failed, after ``run``; None for success.
    """

    def __init__(self, files: Files, directory: DataDirectory, limits: StoreLimits) -> None:
        self.files: Final = files
        self.directory: Final = directory
        self.limits: Final = limits
        self.key: Final[i64] = directory.key
        self.removed: Final[list[LogSegment]] = []
        self.is_moving: bool = False
        self.readable: Final[list[LogSegment]] = []
        self.ranges: Final[list[list[int]]] = []
        self.kept: Final[list[tuple[int, Share]]] = []
        self.forgotten: Final[list[str]] = []
        self.dropped: Final[dict[str, int]] = {}
        self.moved: Final[dict[tuple[int, int], Share]] = {}
        self.report: Final[list[str]] = []
        self.is_deleting: bool = False
        self.error: StoreError | None = None

    def add_readable(self, segment: LogSegment, ranges: list[int]) -> None:
        """Settlements in these ranges are synced: they may be acted upon."""
        self.readable.append(segment)
        self.ranges.append(ranges)

    def keep(self, log_id: i64, share: Share) -> None:
        """A queue segment that stays."""
        self.kept.append((log_id, share))

    def drop(self, log_id: i64, share: Share) -> None:
        """A queue segment of which every message is settled, for certain."""
        self.dropped[share.path] = log_id

    def adopt(self, log_id: i64, share: Share) -> None:
        """Tell a share of a removed log segment where its messages are now."""
        moved = self.moved.get((log_id, share.log_segment))
        if moved is not None:
            share.path = moved.path
            share.first = moved.first
            share.last = moved.last
            share.marked = moved.marked
            share.ledger_size = moved.ledger_size
            share.ledger_batch = moved.ledger_batch

    def moved_queues(self) -> list[int]:
        """Queues that have a new queue segment."""
        return [log_id for log_id, _ in self.moved]

    def run(self) -> None:
        """Do it all; ``error`` says whether it worked."""
        try:
            self.delete_queue_segments()
            if self.removed:
                self.retire()
        except StoreError as refusal:  # another name than below: compiled, one name has one type
            self.error = refusal
        except OSError as error:
            path = error.filename if isinstance(error.filename, str) else self.directory.path
            if is_no_space(error) and not self.is_deleting:
                self.error = out_of_space("move messages to", path, error)
            else:
                self.error = failed("move messages to", path, error, RESTART)
        if self.error is not None and self.error.is_no_space:
            self.undo()

    def undo(self) -> None:
        """Take the new queue segments away again: the next attempt would not know them, nor keep their ledgers."""
        path = ""
        try:
            for share in self.moved.values():
                path = share.path
                self.files.unlink(path)
                self.unlink_if_there(ledger_path(path))
        except OSError as error:
            self.error = failed("remove", path, error, RESTART)

    def delete_queue_segments(self) -> None:
        """Those that are settled, and all of forgotten queues. The segment goes before its ledger."""
        directories: dict[str, int] = {}
        for path, log_id in self.dropped.items():
            self.unlink_if_there(path)
            directories[queue_directory(self.directory.queues, log_id)] = 0
        for directory in directories:
            sync_directory(self.files, directory)
        for path in self.dropped:
            self.unlink_if_there(ledger_path(path))
        for directory in directories:
            if not self.files.list_directory(directory):
                self.files.remove_directory(directory)
        for directory in self.forgotten:
            self.delete_directory(directory)

    def unlink_if_there(self, path: str) -> None:
        """A ledger that was never needed does not exist, and a second attempt finds less than the first."""
        try:
            self.files.unlink(path)
        except FileNotFoundError:
            return

    def delete_directory(self, directory: str) -> None:
        """A queue's directory with all that is in it."""
        try:
            names = self.files.list_directory(directory)
        except FileNotFoundError:
            return
        for name in names:
            self.files.unlink(f"{directory}/{name}")
        sync_directory(self.files, directory)
        self.files.remove_directory(directory)

    def retire(self) -> None:
        """Carry over what the removed segments hold and others need, then delete them."""
        history = History()
        if self.is_moving or self.kept:
            for i in range(len(self.readable)):
                self.read_settlements(i, history)
        if self.is_moving:
            self.move(history)
        fresh: dict[str, int] = {}
        for log_id, share in self.kept:
            if extend_ledger(self.files, self.key, log_id, share, history):
                fresh[queue_directory(self.directory.queues, log_id)] = 0
        for directory in fresh:
            sync_directory(self.files, directory)
        self.is_deleting = True
        for segment in self.removed:
            self.files.unlink(segment.path)
            # One by one: after power loss a settlement must not be gone while its message is still there.
            sync_directory(self.files, self.directory.log)

    def read_settlements(self, index: i64, history: History) -> None:
        """Take in the settlements of one segment."""
        data = self.files.read(self.readable[index].path)
        ranges = self.ranges[index]
        for i in range(0, len(ranges), 2):
            at: i64 = ranges[i]
            end: i64 = ranges[i + 1]
            pause = at + STRETCH_BYTES
            while at < end and is_batch(data, at, self.key):
                after = batch_end(data, at)
                history.read(data, settlements_start(data, at), after)
                at = after
                if at > pause:
                    pause = at + STRETCH_BYTES
                    time.sleep(PAUSE_S)
            if at < end:
                self.tell_damage(self.readable[index], at, end, "messages settled there may be delivered again")

    def tell_damage(self, segment: LogSegment, at: i64, end: i64, consequence: str) -> None:
        """The log cannot be read back as it was written."""
        where = f"damage in {segment.path} from offset {int(at)}: {int(end - at)} octets cannot be read back"
        self.report.append(f"{where}; {consequence}")

    def move(self, history: History) -> None:
        """Write the live messages of the removed segments to queue segments."""
        writer = QueueSegmentWriter(self.files, self.key, self.limits.backlog_batch_bytes)
        directories: dict[str, int] = {}
        for segment in self.removed:
            found = self.read_live(segment, history)
            for log_id, unordered in found.queues.items():
                entries = in_order(unordered)
                directory = queue_directory(self.directory.queues, log_id)
                if directory not in directories:
                    directories[directory] = 0
                    try:
                        self.files.make_directory(directory)
                    except FileExistsError:
                        time.sleep(PAUSE_S)
                share = Share(segment.number, entries[0].position, None)
                share.last = entries[len(entries) - 1].position
                share.path = writer.write(directory, log_id, segment.number, entries)
                self.moved[(log_id, segment.number)] = share
                self.kept.append((log_id, share))
        for directory in directories:
            sync_directory(self.files, directory)
        sync_directory(self.files, self.directory.queues)

    def read_live(self, segment: LogSegment, history: History) -> LiveContents:
        """The messages of one segment that are not settled."""
        data = self.files.read(segment.path)
        found = LiveContents(history)
        for i in range(0, len(segment.ranges), 2):
            at: i64 = segment.ranges[i]
            end: i64 = segment.ranges[i + 1]
            pause = at + STRETCH_BYTES
            while at < end:
                if not is_batch(data, at, self.key):
                    self.tell_damage(segment, at, end, "its messages are in memory only, and gone with this process")
                    break
                after = batch_end(data, at)
                found.read_batches(data, at, after, segment.number)
                at = after
                if at > pause:
                    pause = at + STRETCH_BYTES
                    time.sleep(PAUSE_S)
        return found
