"""The queue's side of a consumer."""

from typing import Final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Message, Queued


@mypyc_attr(native_class=True)
class Consumer:
    """Takes deliveries from one queue. ``broker.protocol`` subclasses it.

    Attributes:
        tag: Consumer tag, unique on its channel.
        no_ack: Deliveries are settled by being sent.
        is_exclusive: No other consumer is admitted beside it.
        priority: x-priority; the highest that can take a message gets it.
    """

    def __init__(self, tag: bytes, no_ack: bool, is_exclusive: bool, priority: i64) -> None:
        self.tag: Final = tag
        self.no_ack: Final = no_ack
        self.is_exclusive: Final = is_exclusive
        self.priority: Final[i64] = priority

    def can_take(self) -> bool:
        """Is there room for one more delivery: prefetch, flow, and octets waiting on the socket?"""
        raise NotImplementedError

    def has_unacked(self) -> bool:
        """Are deliveries to it out and not settled?"""
        raise NotImplementedError

    def take(self, queued: Queued) -> None:
        """Send ``queued``; keep it as unacked unless ``no_ack``. Only after ``can_take``."""
        raise NotImplementedError

    def take_run(self, like: Message, bodies: list[bytes], first: i64, end: i64, position: i64) -> i64:
        """The same, as far as there is room, for messages that are not stored and were never out.

        Args:
            like: Has the same route, header and properties.
            bodies: Their bodies from ``first`` to before ``end``, all of the size that the header says.
            first: The first of them.
            end: Behind the last one.
            position: Place of the first one in the queue; the others follow.

        Returns:
            How many were sent.
        """
        raise NotImplementedError

    def queue_deleted(self) -> None:
        """The queue is gone: forget it and tell the client, if it asked to be told."""
        raise NotImplementedError
