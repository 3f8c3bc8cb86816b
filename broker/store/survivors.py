"""What is left of a queue that is purged."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Queued
from broker.store.intervals import Intervals


@final
@mypyc_attr(native_class=True)
class Survivors:
    """Positions of one queue that are handed out and not settled: a purge leaves them.

    Attributes:
        positions: All of them.
        by_segment: How many have their record in each log segment.
    """

    def __init__(self) -> None:
        self.positions: Final = Intervals()
        self.by_segment: Final[dict[int, int]] = {}

    def add(self, queued: Queued) -> None:
        """One more."""
        self.add_run(queued.position, queued.position, queued.log_segment)

    def add_run(self, first: i64, last: i64, log_segment: i64) -> None:
        """Every position from ``first`` to ``last``; all of them are in the same log segment."""
        self.positions.add(first, last)
        self.by_segment[log_segment] = self.by_segment.get(log_segment, 0) + int(last - first + 1)
