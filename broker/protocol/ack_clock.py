"""How long deliveries have been out, without the time of each. RabbitMQ's consumer timeout.

Now and then a mark is set: all deliveries up to this tag were out at that moment. So a delivery is at least as old as
the first mark at or above its tag, and never closed upon too early.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.protocol.consumer import ChannelConsumer
from broker.protocol.unacked import Unacked
from broker.queues.arguments import QueueLimits

# A timeout is noticed within about this part of itself; more marks would only sharpen that.
MARKS: Final = 30
MOST_MARKS: Final = 128
LOOK_MS: Final = 1000  # between two looks at least, however short a timeout a client asks for


def timeout_of(holder: ChannelConsumer | None, limits: QueueLimits, default_ms: i64) -> i64:
    """The longest a delivery may be out, milliseconds; 0 for no limit.

    Args:
        holder: The consumer that has it; None for ``basic.get``.
        limits: Of its queue.
        default_ms: The broker's setting.
    """
    if holder is not None and holder.timeout_ms >= 0:
        return holder.timeout_ms
    return limits.consumer_timeout_ms if limits.consumer_timeout_ms >= 0 else default_ms


@final
@mypyc_attr(native_class=True)
class AckClock:
    """Watches the deliveries of one channel that has a timeout. Others have no clock.

    Attributes:
        least_ms: The shortest timeout that any of its deliveries may have.
    """

    def __init__(self, default_ms: i64, least_ms: i64) -> None:
        self._default_ms: Final[i64] = default_ms
        self.least_ms: i64 = least_ms
        self._tags: Final[list[int]] = []
        self._times: Final[list[int]] = []
        self._next_look_ms: i64 = 0

    def look(self, now_ms: i64, last_tag: i64, unacked: Unacked) -> i64:
        """Set a mark if one is due, and look for a delivery that has been out too long.

        Args:
            now_ms: Monotonic milliseconds.
            last_tag: The last delivery tag given out.
            unacked: What is out.

        Returns:
            The timeout that has run out, milliseconds; 0 if none has.
        """
        if unacked.count == 0:
            self._tags.clear()
            self._times.clear()
            self._next_look_ms = 0
            return 0
        if now_ms < self._next_look_ms:
            return 0
        self._next_look_ms = now_ms + max(self.least_ms // MARKS, LOOK_MS)
        overdue = self._overdue(now_ms, unacked)
        tags = self._tags
        if not tags or last_tag > i64(tags[-1]):
            tags.append(int(last_tag))
            self._times.append(int(now_ms))
            if len(tags) > MOST_MARKS:  # held by one delivery with a long timeout: coarser marks will do for that
                del tags[:-1:2]
                del self._times[:-1:2]
        return overdue

    def _overdue(self, now_ms: i64, unacked: Unacked) -> i64:
        tags = self._tags
        times = self._times
        old = 0
        while old < len(tags) and now_ms - times[old] >= self.least_ms:
            old += 1
        if old == 0:
            return 0
        out = unacked.tags(tags[old - 1])
        settled = 0
        while settled < old and (not out or tags[settled] < out[0]):
            settled += 1
        del tags[:settled]
        del times[:settled]
        mark = 0
        for tag in out:
            while tags[mark] < tag:
                mark += 1
            timeout_ms = timeout_of(unacked.holder_of(tag), unacked.queue_of(tag).limits, self._default_ms)
            if 0 < timeout_ms <= now_ms - times[mark]:
                return timeout_ms
        return 0
