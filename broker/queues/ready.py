"""The messages of a queue that wait for a consumer, in delivery order."""

from operator import attrgetter
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Queued

TRIM_AT: Final = 512  # slots given out before the list is cut: bulk trimming costs 3 ns per message, a deque 36
BULK: Final = 64  # from here on, returning messages one by one costs more than sorting once

_by_position = attrgetter("position")


@mypyc_attr(native_class=True)
class Ready:
    """What is ready, first in first out or by priority.

    Attributes:
        count: Messages ready.
    """

    def __init__(self) -> None:
        self.count: i64 = 0

    def push(self, queued: Queued) -> None:
        """Add a message behind all others of its priority."""
        raise NotImplementedError

    def first(self) -> Queued | None:
        """The message that ``take`` would give, left in place; None if there is none."""
        raise NotImplementedError

    def take(self) -> Queued:
        """Remove and return the first message. Only if ``count`` is not 0."""
        raise NotImplementedError

    def put_back(self, returned: list[Queued]) -> None:
        """Return messages that ``take`` gave out to their places, by position."""
        raise NotImplementedError

    def take_expired(self, now_ms: i64) -> Queued | None:
        """Remove and return a message at the head of its line that expired at ``now_ms`` or before; None if none did.

        RabbitMQ looks at the head of each priority: an unexpired one shields only what is behind it in its own line.
        """
        raise NotImplementedError

    def next_expiry(self) -> i64:
        """When the first of those heads expires; 0 for never."""
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class FifoReady(Ready):
    """One line, and in front of it the messages that came back.

    Invariant: every returned position is lower than every fresh one, because ``take`` gives the lowest first.
    """

    def __init__(self) -> None:
        super().__init__()
        self._fresh: list[Queued | None] = []
        self._head: i64 = 0
        self._returned: list[Queued] = []  # highest position first, so that the next one is at the end

    def push(self, queued: Queued) -> None:
        self._fresh.append(queued)
        self.count += 1

    def first(self) -> Queued | None:
        if self._returned:
            return self._returned[-1]
        if self._head < len(self._fresh):
            return self._fresh[self._head]
        return None

    def take(self) -> Queued:
        self.count -= 1
        if self._returned:
            return self._returned.pop()
        fresh = self._fresh
        head = self._head
        queued = fresh[head]
        assert queued is not None
        fresh[head] = None
        head += 1
        if head >= TRIM_AT and head * 2 >= len(fresh):
            del fresh[:head]
            head = 0
        elif head == len(fresh):
            fresh.clear()
            head = 0
        self._head = head
        return queued

    def put_back(self, returned: list[Queued]) -> None:
        self.count += len(returned)
        line = self._returned
        if len(returned) >= BULK:
            line.extend(returned)
            line.sort(key=_by_position, reverse=True)
            return
        for queued in returned:
            low: i64 = 0
            high: i64 = len(line)
            while low < high:
                middle = (low + high) // 2
                if line[middle].position > queued.position:
                    low = middle + 1
                else:
                    high = middle
            line.insert(low, queued)

    def take_expired(self, now_ms: i64) -> Queued | None:
        first = self.first()
        if first is None or first.expires_ms == 0 or first.expires_ms > now_ms:
            return None
        return self.take()

    def next_expiry(self) -> i64:
        first = self.first()
        return 0 if first is None else first.expires_ms


@final
@mypyc_attr(native_class=True)
class PriorityReady(Ready):
    """A line for each priority, the highest served first. RabbitMQ's ``x-max-priority``."""

    def __init__(self, max_priority: i64) -> None:
        super().__init__()
        self._max: Final[i64] = max_priority
        self._levels: Final[list[FifoReady]] = [FifoReady() for _ in range(max_priority + 1)]
        self._top: i64 = 0  # no message is ready above this level

    def _level(self, queued: Queued) -> FifoReady:
        priority = queued.message.priority
        if priority > self._max:
            priority = self._max
        if priority > self._top:
            self._top = priority
        return self._levels[priority]

    def _highest(self) -> FifoReady:
        top = self._top
        while top > 0 and self._levels[top].count == 0:
            top -= 1
        self._top = top
        return self._levels[top]

    def push(self, queued: Queued) -> None:
        self._level(queued).push(queued)
        self.count += 1

    def first(self) -> Queued | None:
        return self._highest().first()

    def take(self) -> Queued:
        self.count -= 1
        return self._highest().take()

    def put_back(self, returned: list[Queued]) -> None:
        self.count += len(returned)
        for queued in returned:
            self._level(queued).put_back([queued])

    def take_expired(self, now_ms: i64) -> Queued | None:
        level = self._top
        while level >= 0:
            expired = self._levels[level].take_expired(now_ms)
            if expired is not None:
                self.count -= 1
                return expired
            level -= 1
        return None

    def next_expiry(self) -> i64:
        earliest: i64 = 0
        level = self._top
        while level >= 0:
            expires_ms = self._levels[level].next_expiry()
            if expires_ms > 0 and (earliest == 0 or expires_ms < earliest):
                earliest = expires_ms
            level -= 1
        return earliest
