"""Where messages are: commit log segments, and each queue's share of them. Bookkeeping in memory, no files."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr


@final
@mypyc_attr(native_class=True)
class LogSegment:
    """One file of the commit log.

    Attributes:
        number: Counts up from 1, never used twice; also the name of the file.
        path: The file.
        first_batch: Number of the first batch that belongs to it.
        size: Offset behind its last batch.
        ranges: Offsets of its valid batches, start and end by turns; what a recovery passed over lies between them.
        live: Messages in it that are not settled, each queue's copy counted.
        stored: Messages that were ever stored in it, counted likewise; after a restart, those that were live then.
        content_bytes: Octets of their records.
        emptied: The batch that settles the last of them; the file may go when a sync has covered it.
        descriptor: Open while it is written or waits for its last sync, else -1.
        is_synced: Sealed, and a completed sync covers all of it.
    """

    def __init__(self, number: i64, path: str, first_batch: i64, size: i64) -> None:
        self.number: Final[i64] = number
        self.path: Final = path
        self.first_batch: Final[i64] = first_batch
        self.size: i64 = size
        self.ranges: list[int] = []
        self.live: i64 = 0
        self.stored: i64 = 0
        self.content_bytes: i64 = 0
        self.emptied: i64 = 0
        self.descriptor: int = -1
        self.is_synced: bool = False

    @property
    def live_bytes(self) -> i64:
        """About how many of its octets are still wanted, if its messages are of one size."""
        return self.content_bytes * self.live // self.stored if self.stored > 0 else 0


@final
@mypyc_attr(native_class=True)
class Share:
    """The messages of one queue whose records were written to one commit log segment.

    They are in that segment, or, after it was retired, in a queue segment of their own; either way
    ``Queued.log_segment`` names the same number, so that retiring a segment need not visit a single ``Queued``.

    Attributes:
        log_segment: Number of the commit log segment they were written to.
        first: Lowest position.
        last: Highest position.
        live: How many are not settled.
        emptied: The batch that settles the last of them.
        segment: The commit log segment; None after it was retired.
        path: The queue segment; empty while they are in the commit log.
        marked: The delivered mark that the ledger of the queue segment holds.
        ledger_size: Offset behind the last whole batch of the ledger; 0 while there is no ledger.
        ledger_batch: Number of that batch.
    """

    def __init__(self, log_segment: i64, first: i64, segment: LogSegment | None) -> None:
        self.log_segment: Final[i64] = log_segment
        self.first: i64 = first
        self.last: i64 = first
        self.live: i64 = 0
        self.emptied: i64 = 0
        self.segment: LogSegment | None = segment
        self.path: str = ""
        self.marked: i64 = 0
        self.ledger_size: i64 = 0
        self.ledger_batch: i64 = 0


@final
@mypyc_attr(native_class=True)
class QueuePlaces:
    """Where one queue's messages are.

    Attributes:
        log_id: The queue's number.
        live: Its messages that are not settled, those of the turn included.
        last: The highest position that was appended.
        delivered: The delivered mark, written or about to be.
        is_marked: The mark has risen in this turn.
        shares: By commit log segment, oldest first.
        newest: The last of the shares; a first, empty one belongs to no segment.
    """

    def __init__(self, log_id: i64) -> None:
        self.log_id: Final[i64] = log_id
        self.live: i64 = 0
        self.last: i64 = 0
        self.delivered: i64 = 0
        self.is_marked: bool = False
        self.shares: list[Share] = []
        self.newest: Share = Share(-1, 0, None)

    def stored(self, position: i64, segment: LogSegment) -> None:
        """A message's record has been written to ``segment``."""
        share = self.newest
        if share.log_segment != segment.number:
            share = self.share_in(segment, position)
            self.newest = share
        share.live += 1
        if position > share.last:
            share.last = position
        elif position < share.first:
            share.first = position
        segment.live += 1
        segment.stored += 1

    def share_in(self, segment: LogSegment, position: i64) -> Share:
        """The share in a segment that is not the newest's; usually it is new, too."""
        for share in self.shares:
            if share.log_segment == segment.number:
                return share
        fresh = Share(segment.number, position, segment)
        self.shares.append(fresh)
        return fresh

    def settled(self, log_segment: i64, batch: i64) -> Share:
        """A stored message is settled by the batch with this number; returns the share it was in."""
        share = self.share(log_segment)
        share.live -= 1
        if share.live == 0:
            share.emptied = batch
        self.live -= 1
        segment = share.segment
        if segment is not None:
            segment.live -= 1
            if segment.live == 0:
                segment.emptied = batch
        return share

    def share(self, log_segment: i64) -> Share:
        """The share that a stored message's ``log_segment`` names."""
        if self.newest.log_segment == log_segment:
            return self.newest
        for share in self.shares:  # the oldest is first, and nearly always the one
            if share.log_segment == log_segment:
                return share
        raise AssertionError(f"queue {self.log_id} has nothing in log segment {log_segment}")

    def drop_all(self, batch: i64) -> None:
        """Nothing that was stored is live any more, by the batch with this number."""
        for share in self.shares:
            if share.live == 0:
                continue
            segment = share.segment
            if segment is not None:
                segment.live -= share.live
                segment.emptied = batch
            share.live = 0
            share.emptied = batch

    def survived(self, log_segment: i64, count: i64) -> None:
        """So many messages of a share are live after all."""
        share = self.share(log_segment)
        share.live += count
        segment = share.segment
        if segment is not None:
            segment.live += count

    def trim(self) -> None:
        """Forget shares that are settled and have no file.

        One whose log segment is still there stays: its settlement may not be synced yet, and a retirement then
        moves it.
        """
        self.shares = [share for share in self.shares if share.live > 0 or share.path or share.segment is not None]
