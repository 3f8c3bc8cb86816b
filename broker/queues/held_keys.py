"""Which messages a queue holds, for one that takes no duplicates. The queue's side of the deduplication plugin."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Message, Queued
from broker.store.survivors import Survivors
from broker.wire.deduplication import deduplication_key

# Keys remembered for one queue, about 150 octets each. In a longer queue the oldest are forgotten: a duplicate of such
# a message gets in, and nothing is lost.
MAX_HELD_KEYS: Final = 1_000_000


@final
@mypyc_attr(native_class=True)
class HeldKeys:
    """The deduplication keys of the messages in one queue, unacked ones included, each with its message's position."""

    def __init__(self, limit: i64 = MAX_HELD_KEYS) -> None:
        self._limit: Final[i64] = limit
        self._positions: Final[dict[bytes, int]] = {}

    def enter(self, message: Message, position: i64) -> bool:
        """A message is to get this position.

        Returns:
            False if the queue holds one with the same key: it must not get in.
        """
        key = deduplication_key(message.header)
        if not key:
            return True
        positions = self._positions
        if key in positions:
            return False
        if len(positions) >= self._limit:
            del positions[next(iter(positions))]
        positions[key] = position
        return True

    def leave(self, queued: Queued) -> None:
        """A message has left the queue for good."""
        key = deduplication_key(queued.message.header)
        # Another position: this key was forgotten, and a duplicate came in meanwhile.
        if key and self._positions.get(key) == queued.position:
            del self._positions[key]

    def take_back(self, first_position: i64) -> None:
        """Everything from this position on may have been given up: better a duplicate than a message refused twice."""
        stale = [key for key, position in self._positions.items() if position >= first_position]
        for key in stale:
            del self._positions[key]

    def keep_only(self, survivors: Survivors) -> None:
        """Everything but these has been purged."""
        purged = [key for key, position in self._positions.items() if not survivors.positions.contains(position)]
        for key in purged:
            del self._positions[key]
