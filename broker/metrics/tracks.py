"""What has become of the counters of many objects of one kind: rates, and the past of those that moved."""

from collections.abc import Hashable, Sequence
from typing import Final, Generic, TypeVar

from broker.metrics.history import History, Retention, Sample, Span

K = TypeVar("K", bound=Hashable)

# A figure that rises and falls by itself (a depth) has a rate below zero; a counter that falls has begun anew.
COUNTER: Final = False
DEPTH: Final = True


class _Track:
    """One object.

    Attributes:
        figures: As they were at the last sample.
        rates: Their change per second between the last two samples.
        is_still: All rates are zero.
        seen: Number of the last round that met the object.
        moved_ms: When a figure last changed.
        history: Its past; None if it has not moved for long, or too many others have one.
    """

    __slots__ = ("figures", "history", "is_still", "moved_ms", "rates", "seen")

    def __init__(self, figures: tuple[int, ...], rates: tuple[float, ...]) -> None:
        self.figures = figures
        self.rates = rates
        self.is_still = True
        self.seen = 0
        self.moved_ms = 0
        self.history: History | None = None


class Tracks(Generic[K]):
    """The objects of one kind, by key. An object whose figures have been zero all along costs nothing.

    One round of samples is ``begin``, then ``note`` for every object, then ``end``; it may be spread over time, and
    what is asked in between is answered.
    """

    def __init__(self, kinds: Sequence[bool], retention: Retention, most_histories: int) -> None:
        """No objects yet.

        Args:
            kinds: COUNTER or DEPTH for each figure.
            retention: How long the past is kept.
            most_histories: Objects that may have a past at one time: the first to move. Others have rates only.
        """
        self._kinds: Final = tuple(kinds)
        self._still: Final = (0.0,) * len(self._kinds)
        self._zeros: Final = (0,) * len(self._kinds)
        self._retention: Final = retention
        self._keeps_ms: Final = retention[-1][0] * 1000
        self._most: Final = most_histories
        self._tracks: dict[K, _Track] = {}
        self._round = 0
        self._elapsed_s = 0.0
        self._at_ms = 0
        self._before_ms = 0
        self._first_ms = 0
        self._began_s = 0.0
        self.history_count = 0

    def begin(self, now_s: float, now_ms: int) -> None:
        """A round begins: its samples count as taken at this moment."""
        self._elapsed_s = now_s - self._began_s if self._round else 0.0
        self._began_s = now_s
        self._before_ms, self._at_ms = self._at_ms, now_ms
        if self._round == 0:
            self._first_ms = now_ms
        self._round += 1

    def note(self, key: K, figures: tuple[int, ...]) -> tuple[int, ...]:
        """An object of this round.

        Args:
            key: What it is known by.
            figures: Its figures now; as many as at every other time.

        Returns:
            By how much each figure has grown since the round before, 0 for counters that began anew; empty if none
            has changed.
        """
        track = self._tracks.get(key)
        if track is None:
            if figures == self._zeros:
                return ()
            track = self._tracks[key] = _Track(self._base(figures), self._still)
        track.seen = self._round
        if figures == track.figures:
            if not track.is_still:
                track.rates, track.is_still = self._still, True
            if track.history is not None:
                self._rest(track)
            return ()
        before = track.figures
        changes = tuple(
            [
                now - then if is_depth or now >= then else 0
                for now, then, is_depth in zip(figures, before, self._kinds, strict=True)
            ]
        )
        if self._elapsed_s > 0.0:
            elapsed_s = self._elapsed_s
            track.rates = tuple([change / elapsed_s for change in changes])
            track.is_still = False
        if track.history is None and self.history_count < self._most:
            self.history_count += 1
            track.history = History(self._retention, len(self._kinds))
            if self._before_ms > 0:
                track.history.add(self._before_ms, before)
        track.figures = figures
        track.moved_ms = self._at_ms
        if track.history is not None:
            track.history.add(self._at_ms, figures)
        return changes

    def _base(self, figures: tuple[int, ...]) -> tuple[int, ...]:
        """What a new object began with: nothing, but for depths that the first round finds, which the start found."""
        if self._round > 1:
            return self._zeros
        return tuple([figure if is_depth else 0 for figure, is_depth in zip(figures, self._kinds, strict=True)])

    def _rest(self, track: _Track) -> None:
        """It has not moved: one more sample like the last, until nothing else is left in its past."""
        assert track.history is not None
        if self._at_ms - track.moved_ms > self._keeps_ms:
            track.history = None
            self.history_count -= 1
        else:
            track.history.add(self._at_ms, track.figures)

    def end(self) -> None:
        """The round is over: what it has not met is gone."""
        gone = [key for key, track in self._tracks.items() if track.seen != self._round]
        for key in gone:
            if self._tracks.pop(key).history is not None:
                self.history_count -= 1

    def rates(self, key: K) -> tuple[float, ...]:
        """The change per second of each figure; zeros for an object that has not been met."""
        track = self._tracks.get(key)
        return self._still if track is None else track.rates

    def samples(self, key: K, span: Span, now_ms: int) -> list[Sample]:
        """The past of one object, newest first. What has stood still is told to have done so since the first round."""
        track = self._tracks.get(key)
        if track is None or (track.history is None and track.is_still):
            step_ms = span.step_s * 1000
            newest = now_ms // step_ms * step_ms
            oldest = max(newest - span.age_s * 1000, self._first_ms)
            figures = self._zeros if track is None else track.figures
            return [Sample(at_ms, figures) for at_ms in range(newest, oldest - 1, -step_ms)] if self._round else []
        return [] if track.history is None else track.history.samples(span, now_ms)
