"""A set of positions, kept as the runs of neighbours it consists of."""

from bisect import bisect_right
from typing import final

from mypy_extensions import i64, mypyc_attr


@final
@mypyc_attr(native_class=True)
class Intervals:
    """Positions as sorted, disjoint, non-adjacent closed intervals.

    A queue that is settled in order is one interval however long it lives; the worst case, every other position, costs
    two integers per interval.
    """

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []

    def add(self, first: i64, last: i64) -> None:
        """Add every position from ``first`` to ``last``; what is there already stays."""
        count = len(self.firsts)
        if count == 0 or first > i64(self.lasts[count - 1]) + 1:
            self.firsts.append(first)
            self.lasts.append(last)
            return
        if first >= i64(self.firsts[count - 1]):
            if last > i64(self.lasts[count - 1]):
                self.lasts[count - 1] = last
            return
        self.merge(first, last)

    def merge(self, first: i64, last: i64) -> None:
        """Add an interval that does not belong at the end."""
        low = bisect_right(self.lasts, first - 2)  # the first interval that ends at first - 1 or later: it touches
        high = bisect_right(self.firsts, last + 1)  # one beyond the last interval that begins at last + 1 or earlier
        if low < high:
            first = min(first, i64(self.firsts[low]))
            last = max(last, i64(self.lasts[high - 1]))
        self.firsts[low:high] = [first]
        self.lasts[low:high] = [last]

    def contains(self, position: i64) -> bool:
        """Tells whether the position is in the set."""
        count = len(self.firsts)
        if count == 0 or position > i64(self.lasts[count - 1]):
            return False
        index = bisect_right(self.firsts, position) - 1
        return index >= 0 and position <= i64(self.lasts[index])

    def overlap(self, first: i64, last: i64) -> list[tuple[int, int]]:
        """The parts of the set that lie between ``first`` and ``last``, in order."""
        found: list[tuple[int, int]] = []
        index = bisect_right(self.lasts, first - 1)
        while index < len(self.firsts) and i64(self.firsts[index]) <= last:
            found.append((max(int(first), self.firsts[index]), min(int(last), self.lasts[index])))
            index += 1
        return found
