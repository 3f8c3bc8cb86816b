"""The store's sizes, as one value that the server hands down."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr


@final
@mypyc_attr(native_class=True)
class StoreLimits:
    """Sizes and thresholds.

    Attributes:
        segment_bytes: A commit log segment is sealed before it grows beyond this (a larger batch has one to itself).
        log_bytes: When the commit log is larger than this, live messages of its oldest segments move to queue segments.
        allocate_bytes: Disk is reserved this far ahead of the end of the log; 0 for never.
        log_segments: More commit log segments than this are thinned out too, however small: each start adds one.
        dense_percent: A log of which more than this is still wanted is left as it is, however long: moving would gain
            little and cost a copy of a whole backlog.
        journal_garbage_bytes: The journal is worth compacting when this many octets came after its snapshot.
        backlog_batch_bytes: Size of a batch in a queue segment: what one read of a backlog brings in.
        stream_segment_bytes: A stream's segment is sealed when it has grown to this, unless the stream says otherwise.
    """

    def __init__(
        self,
        segment_bytes: int = 32 * 1024 * 1024,
        log_bytes: int = 256 * 1024 * 1024,
        allocate_bytes: int = 4 * 1024 * 1024,
        log_segments: int = 64,
        dense_percent: int = 50,
        journal_garbage_bytes: int = 4 * 1024 * 1024,
        backlog_batch_bytes: int = 256 * 1024,
        stream_segment_bytes: int = 64 * 1024 * 1024,
    ) -> None:
        self.segment_bytes: Final[i64] = segment_bytes
        self.log_bytes: Final[i64] = log_bytes
        self.allocate_bytes: Final[i64] = allocate_bytes
        self.log_segments: Final[i64] = log_segments
        self.dense_percent: Final[i64] = dense_percent
        self.journal_garbage_bytes: Final[i64] = journal_garbage_bytes
        self.backlog_batch_bytes: Final[i64] = backlog_batch_bytes
        self.stream_segment_bytes: Final[i64] = stream_segment_bytes
