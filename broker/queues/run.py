"""Messages of one queue in a row that differ in their bodies alone."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Enqueuer, Message, Queued
from broker.queues.consumer import Consumer

TRIM_AT: Final = 512  # bodies given out before the list is cut
# Unfolding so many takes about a millisecond, for which everybody else waits.
MOST: Final = 2048


@final
@mypyc_attr(native_class=True)
class Run:
    """One list of bodies in place of two objects for each message. Nothing in it is stored, or was ever delivered.

    Attributes:
        like: A message that they are all like, but for the body; None if there never was one.
        count: How many there are.
        position: Of the first one in the queue; the others follow without a gap.
    """

    def __init__(self) -> None:
        self.like: Message | None = None
        self.count: i64 = 0
        self.position: i64 = 0
        self._queue: Enqueuer | None = None
        self._bodies: Final[list[bytes]] = []
        self._head: i64 = 0

    def extend(self, queue: Enqueuer, like: Message, bodies: list[bytes], first: i64, position: i64) -> i64:
        """Add messages at the end, or as the first ones.

        Args:
            queue: Whose they are.
            like: What they are like.
            bodies: Their bodies, from ``first`` on.
            first: The first to add.
            position: Its place in the queue.

        Returns:
            How many were added: as many as there is room for, none if they are not like those before them.
        """
        known = self.like
        if known is None or self.count == 0:
            self.position = position
            self._queue = queue
        elif position != self.position + self.count or not like.is_like(known):
            return 0
        added = len(bodies) - first
        if added > MOST - self.count:
            added = MOST - self.count
        if added > 0:
            self.like = like
            self._bodies.extend(bodies if added == len(bodies) else bodies[first : first + added])
            self.count += added
        return added

    def give(self, consumer: Consumer, most: i64) -> i64:
        """Hand the first messages to a consumer, as many as it takes. Only if ``count`` is not 0.

        Returns:
            How many it took, and this has no longer.
        """
        like = self.like
        assert like is not None
        bodies = self._bodies
        head = self._head
        if most > self.count:
            most = self.count
        taken = consumer.take_run(like, bodies, head, head + most, self.position)
        self.count -= taken
        self.position += taken
        end = head + taken
        if self.count == 0:
            bodies.clear()
            end = 0
        elif end >= TRIM_AT and end * 2 >= len(bodies):
            del bodies[:end]
            end = 0
        else:
            for i in range(head, end):
                bodies[i] = b""
        self._head = end
        return taken

    @property
    def body(self) -> i64:
        """Octets of the first body. Only if ``count`` is not 0."""
        return len(self._bodies[self._head])

    def unfold(self) -> list[Queued]:
        """Remove all of them, as messages like others."""
        like = self.like
        queue = self._queue
        unfolded: list[Queued] = []
        for at in range(self._head, len(self._bodies)):
            body = self._bodies[at]
            assert like is not None
            assert queue is not None
            unfolded.append(Queued(like.with_body(body, like.timestamp_ms), queue, self.position + len(unfolded)))
        self.clear()
        return unfolded

    def clear(self) -> None:
        """Forget them."""
        self._bodies.clear()
        self._head = 0
        self.count = 0
