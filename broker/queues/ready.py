"""The messages of a queue that wait for a consumer, in delivery order: what both kinds of them do."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Enqueuer, Message, Queued
from broker.queues.consumer import Consumer
from broker.store.spool import Overflowing, SpoolWriter
from broker.store.spool_chunk import Chunk


@final
@mypyc_attr(native_class=True)
class ParkedLine:
    """All of one line on disk.

    Attributes:
        aside: Chunks to be merged by position; they go before the others.
        line: Chunks in order.
    """

    def __init__(self, aside: list[Chunk], line: list[Chunk]) -> None:
        self.aside: Final = aside
        self.line: Final = line


@mypyc_attr(native_class=True)
class Ready(Overflowing):
    """What is ready, first in first out or by priority.

    Attributes:
        count: Messages ready.
    """

    def __init__(self) -> None:
        self.count: i64 = 0

    def push(self, queued: Queued) -> None:
        """Add a message behind all others of its priority."""
        raise NotImplementedError

    def push_run(self, queue: Enqueuer, like: Message, bodies: list[bytes], first: i64, position: i64) -> None:
        """The same for messages that nobody stores, of which only the bodies are there: ``like`` has all else.

        Args:
            queue: Whose they are.
            like: What they are like.
            bodies: Their bodies, from ``first`` on, all of one size.
            first: The first that is meant.
            position: Its place in the queue; the others follow.
        """
        for i in range(first, len(bodies)):
            self.push(Queued(like.with_body(bodies[i], like.timestamp_ms), queue, position + i - first))

    def run_body(self) -> i64:
        """Octets of the first message's body if that is no object of its own; -1 if it is, or there is none."""
        return -1

    def give_run(self, consumer: Consumer, most: i64) -> i64:
        """Hand messages to a consumer that are no objects, as many as it takes. Only if ``run_body`` is not -1.

        Returns:
            How many it took, and this has no longer.
        """
        raise NotImplementedError

    def first(self) -> Queued | None:
        """The message that ``take`` would give, left in place; None if there is none."""
        raise NotImplementedError

    def next_header(self) -> bytes | None:
        """The content header of that message, without reading a file. None also if one would have to tell."""
        raise NotImplementedError

    def take(self) -> Queued:
        """Remove and return the first message. Only if ``count`` is not 0."""
        raise NotImplementedError

    def clear(self) -> None:
        """Forget every message."""
        raise NotImplementedError

    def is_long(self) -> bool:
        """Is more in memory than the window allows? If so, ``spool`` at the end of the turn."""
        return False

    def spool(self) -> None:
        """Everything stays in memory unless a subclass does better."""

    def take_back(self, first_position: i64) -> i64:
        """Remove the messages from this position on that are marked SETTLED. Only for messages of the present turn.

        Returns:
            Octets of their bodies.
        """
        raise NotImplementedError

    def put_back(self, returned: list[Queued]) -> None:
        """Return messages that ``take`` gave out to their places, by position."""
        raise NotImplementedError

    def put_back_chunk(self, chunk: Chunk) -> None:
        """Return the messages of a chunk that a channel has spooled: it belongs to this line from now on."""
        raise NotImplementedError

    def park(self, writer: SpoolWriter) -> "list[ParkedLine] | None":
        """Move everything durable to the spool, for the next start. The line must not be used afterwards.

        Returns:
            What is where, a line for each priority; None if it cannot be written.
        """
        raise NotImplementedError

    def unpark(self, lines: "list[ParkedLine]") -> None:
        """Take over what ``park`` gave in an earlier life. Only when nothing has been pushed yet.

        Raises:
            ValueError: The number of lines is another.
        """
        raise NotImplementedError

    def take_expired(self, now_ms: i64) -> Queued | None:
        """Remove and return a message at the head of its line that expired at ``now_ms`` or before; None if none did.

        RabbitMQ looks at the head of each priority: an unexpired one shields only what is behind it in its own line.
        """
        raise NotImplementedError

    def next_expiry(self) -> i64:
        """When the first of those heads expires; 0 for never."""
        raise NotImplementedError
