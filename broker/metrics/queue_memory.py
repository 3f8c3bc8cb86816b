"""Where the messages of a queue are: in memory, and in the store."""

from typing import Final

from broker.queues.classic import ClassicQueue
from broker.queues.queue import Queue
from broker.queues.window import MESSAGE_OVERHEAD, MemoryWindow
from broker.store.store import Store
from broker.wire.properties import FLAG_TIMESTAMP, property_octets

STREAM: Final = b"stream"


def memory_bytes(queue: Queue, window: MemoryWindow | None) -> int:
    """What its messages take at most: of those that are ready no more than the window of one queue is in memory.

    Args:
        queue: The queue. Messages of a stream are on disk until somebody reads them.
        window: What queues may keep in memory; None for everything.
    """
    ready = 0 if queue.kind == STREAM else int(queue.ready_bytes + MESSAGE_OVERHEAD * queue.ready_count)
    if window is not None:
        ready = min(ready, int(window.queue_bytes))
    return ready + int(queue.unacked_bytes + MESSAGE_OVERHEAD * queue.unacked_count)


def head_timestamp_s(queue: Queue) -> int | None:
    """The timestamp property of the next message, seconds since 1970; None if it has none, or is not in memory."""
    header = queue.ready.next_header() if isinstance(queue, ClassicQueue) else None
    octets = None if header is None else property_octets(header, FLAG_TIMESTAMP)
    return None if octets is None else int.from_bytes(octets, "big")


def persistent_count(queue: Queue, store: Store) -> int:
    """Messages in it that a restart will find, those included that the next sync covers."""
    if queue.kind == STREAM:
        return int(queue.message_count)
    place = store.places.get(int(queue.log_id)) if queue.is_durable else None
    return 0 if place is None else int(place.live)
