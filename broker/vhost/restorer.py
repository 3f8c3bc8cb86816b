"""Puts recovered messages back into their queues, as they are read from the disk."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Enqueuer, Queued
from broker.store.records import EntrySink, RecoveredEntry


@final
@mypyc_attr(native_class=True)
class MessageRestorer(EntrySink):
    """Takes messages from the store's recovery.

    Attributes:
        queues: Durable queues, and what else keeps messages, by their number in the store.
        unknown: Numbers of queues that messages were found of and that the topology does not know.
        count: Messages put back.
    """

    def __init__(self) -> None:
        self.queues: Final[dict[int, Enqueuer]] = {}
        self.unknown: Final[dict[int, bool]] = {}
        self.count: i64 = 0

    def found(self, log_id: i64, entry: RecoveredEntry) -> None:
        queue = self.queues.get(log_id)
        if queue is None or queue.is_deleted:
            self.unknown[log_id] = True
            return
        queued = Queued(entry.message, queue, entry.position)
        queued.log_segment = entry.log_segment
        queued.redelivered = entry.redelivered
        queued.acquired_count = entry.acquired_count
        queued.delivery_count = entry.delivery_count
        queue.restore(queued)
        self.count += 1
