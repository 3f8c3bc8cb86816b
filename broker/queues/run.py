"""Messages of one queue in a row that differ in their bodies alone."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Enqueuer, Message, Queued

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
        self._bodies: Final[list[bytes | None]] = []
        self._head: i64 = 0

    def extend(self, queue: Enqueuer, like: Message, body: bytes, position: i64) -> bool:
        """Add a message at the end, or as the first; false if it is not like those before it, or they are too many."""
        known = self.like
        if known is None or self.count == 0:
            self.position = position
            self._queue = queue
        elif self.count == MOST or position != self.position + self.count or not like.is_like(known):
            return False
        self.like = like
        self._bodies.append(body)
        self.count += 1
        return True

    def take(self) -> bytes:
        """Remove the first message. Only if ``count`` is not 0."""
        bodies = self._bodies
        head = self._head
        body = bodies[head]
        assert body is not None
        bodies[head] = None
        head += 1
        self.count -= 1
        self.position += 1
        if self.count == 0:
            bodies.clear()
            head = 0
        elif head >= TRIM_AT and head * 2 >= len(bodies):
            del bodies[:head]
            head = 0
        self._head = head
        return body

    def unfold(self) -> list[Queued]:
        """Remove all of them, as messages like others."""
        like = self.like
        queue = self._queue
        unfolded: list[Queued] = []
        for at in range(self._head, len(self._bodies)):
            body = self._bodies[at]
            assert like is not None
            assert queue is not None
            assert body is not None
            unfolded.append(Queued(like.with_body(body, like.timestamp_ms), queue, self.position + len(unfolded)))
        self.clear()
        return unfolded

    def clear(self) -> None:
        """Forget them."""
        self._bodies.clear()
        self._head = 0
        self.count = 0
