"""Figures over time: rings of samples, the further back the coarser, as RabbitMQ keeps them."""

from array import array
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

Retention = tuple[tuple[int, int], ...]
"""How long samples are kept, and one in how many seconds: from the finest to the coarsest."""

# RabbitMQ's retention policies: of the whole broker, its vhosts and the node; and of everything else.
GLOBAL: Final[Retention] = ((605, 5), (3660, 60), (29_400, 600), (86_400, 1800))
BASIC: Final[Retention] = ((605, 5), (3600, 60))


class Span(Struct, frozen=True):
    """The stretch of time that somebody wants to see.

    Attributes:
        age_s: How far it goes back from now.
        step_s: Between two samples.
    """

    age_s: int
    step_s: int


class Sample(Struct, frozen=True, gc=False):
    """The figures at one moment.

    Attributes:
        at_ms: Wall clock, milliseconds since 1970.
        figures: As many as everywhere in one history.
    """

    at_ms: int
    figures: tuple[int, ...]


class History:
    """The past of one object: 8 octets for each figure of each sample, taken as samples come.

    A sample goes into every ring whose step is over since the last one there.
    """

    __slots__ = ("_rings",)

    def __init__(self, retention: Retention, width: int) -> None:
        """An empty past.

        Args:
            retention: Which rings there are.
            width: Figures in one sample.
        """
        self._rings: Final = tuple(_Ring(age_s, step_s, width) for age_s, step_s in retention)

    def add(self, at_ms: int, figures: Sequence[int]) -> None:
        """Remember the figures of this moment, which is later than every one before."""
        for ring in self._rings:
            ring.add(at_ms, figures)

    def samples(self, span: Span, now_ms: int) -> list[Sample]:
        """One sample for each step of a stretch of time, newest first: what the figures were at that moment.

        They come from the finest ring that reaches back far enough. Moments before the first sample are left out.
        """
        ring = self._rings[-1]
        for each in self._rings:
            if each.age_ms >= span.age_s * 1000:
                ring = each
                break
        return ring.samples(span, now_ms)


class _Ring:
    """Rows of the moment and the figures, the oldest at ``_head`` once it is full."""

    __slots__ = ("_cells", "_head", "_last_step", "_size", "_step_ms", "_width", "age_ms")

    def __init__(self, age_s: int, step_s: int, width: int) -> None:
        self.age_ms: Final = age_s * 1000
        self._step_ms: Final = step_s * 1000
        self._width: Final = width + 1
        self._size: Final = (age_s // step_s + 1) * self._width
        self._cells: Final = array("q")
        self._head = 0
        self._last_step = -1

    def add(self, at_ms: int, figures: Sequence[int]) -> None:
        step = at_ms // self._step_ms
        if step == self._last_step:
            return
        self._last_step = step
        cells, head = self._cells, self._head
        row = array("q", (at_ms, *figures))
        if len(cells) < self._size:
            cells.extend(row)
            return
        cells[head : head + self._width] = row
        self._head = (head + self._width) % self._size

    def samples(self, span: Span, now_ms: int) -> list[Sample]:
        step_ms = max(span.step_s * 1000, self._step_ms)
        moment = now_ms // step_ms * step_ms
        first = moment - span.age_s * 1000
        found: list[Sample] = []
        width, cells = self._width, self._cells
        rows = len(cells) // width
        at = rows - 1
        while at >= 0 and moment >= first:
            start = (self._head + at * width) % len(cells)
            if cells[start] > moment:
                at -= 1
                continue
            if moment - cells[start] > self.age_ms:
                break  # the ring has rested: what is in it is too old to stand for this moment
            found.append(Sample(moment, tuple(cells[start + 1 : start + width])))
            moment -= step_ms
        return found
