"""What a start has found, and putting every message that it found in its place."""

import logging
import time
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.store.commit_log import CommitLog
from broker.store.places import LogSegment, QueuePlaces
from broker.store.queue_recovery import QueueSegmentRecovery
from broker.store.records import EntrySink, LiveContents, RecoveredEntry, record_size

LOG: Final = logging.getLogger("broker.store")

PROGRESS_S: Final = 1.0  # between two lines about how far a long start has come


@final
@mypyc_attr(native_class=True)
class RecoveredQueue:
    """What was found of one queue.

    Attributes:
        entries: Its messages, in order of position.
        next_position: The first position that no file names.
    """

    def __init__(self, entries: list[RecoveredEntry], next_position: i64) -> None:
        self.entries: Final = entries
        self.next_position: Final[i64] = next_position


@final
@mypyc_attr(native_class=True)
class Recovered:
    """What was found.

    Attributes:
        topology: The journal's records, in order.
        queues: log_id to what was found of that queue.
        highest_log_id: The highest log_id that any file names; a new queue's must be above it.
        report: What was cut or is damaged: plain sentences with file, offset and octets. Empty after most starts.
        message_count: Messages found, each queue's copy counted.
        journal_batch: Number of the last batch of the journal, as it was found.
        seconds: How long it took.
    """

    def __init__(self) -> None:
        self.topology: Final[list[bytes]] = []
        self.queues: Final[dict[int, RecoveredQueue]] = {}
        self.highest_log_id: i64 = 0
        self.report: Final[list[str]] = []
        self.message_count: i64 = 0
        self.journal_batch: i64 = 0
        self.seconds: float = 0.0


@final
@mypyc_attr(native_class=True)
class Placing(EntrySink):
    """Puts every message in its place, once.

    Attributes:
        count: Messages placed.
    """

    def __init__(
        self,
        log: CommitLog,
        backlog: QueueSegmentRecovery,
        places: dict[int, QueuePlaces],
        sink: EntrySink | None,
    ) -> None:
        self._segments: Final[dict[int, LogSegment]] = {}
        for segment in log.segments:
            self._segments[segment.number] = segment
        self._backlog: Final = backlog
        self._places: Final = places
        self._sink: Final = sink
        self._known: QueuePlaces = QueuePlaces(-1)
        self.count: i64 = 0

    def found(self, log_id: i64, entry: RecoveredEntry) -> None:
        known = self._known
        if known.log_id != log_id:
            known = self._places_of(log_id)
            self._known = known
        if entry.position == known.last and known.live > 0:
            return  # read twice
        known.last = entry.position
        known.live += 1
        self.count += 1
        segment = self._segments.get(entry.log_segment)
        if segment is not None:
            known.stored(entry.position, segment)
            segment.content_bytes += record_size(entry.message)
        else:
            known.share(entry.log_segment).live += 1
        if self._sink is not None:
            self._sink.found(log_id, entry)

    def _places_of(self, log_id: i64) -> QueuePlaces:
        places = self._places.get(log_id)
        if places is None:
            places = QueuePlaces(log_id)
            places.shares.extend(self._backlog.shares_of(log_id))
            self._places[log_id] = places
        return places

    def finish(self, live: LiveContents, recovered: Recovered) -> None:
        """Everything has been read: complete each queue, those without a message included."""
        for log_id, history in live.history.queues.items():
            recovered.highest_log_id = max(recovered.highest_log_id, i64(log_id))
            if history.is_forgotten:
                continue
            places = self._places_of(log_id)
            places.last = history.last_position
            places.delivered = history.delivered
            entries = live.queues.get(log_id, [])
            recovered.queues[log_id] = RecoveredQueue(entries, history.last_position + 1)
        recovered.message_count = self.count


@final
@mypyc_attr(native_class=True)
class Progress:
    """Says how far a long start has come."""

    def __init__(self, total_bytes: i64) -> None:
        self._total: Final[i64] = total_bytes
        self._read: i64 = 0
        self._said_s: float = time.perf_counter()

    def segment_read(self, size: i64, messages: i64) -> None:
        """One more segment of the log has been read."""
        self._read += size
        now_s = time.perf_counter()
        if now_s - self._said_s < PROGRESS_S or self._total == 0:
            return
        self._said_s = now_s
        percent = self._read * 100 // self._total
        LOG.info("recovering", extra={"percent": int(percent), "messages": int(messages), "octets": int(self._read)})
