"""Counters turned into rates, without a timer: the broker only remembers what somebody has looked at."""

from typing import Final

from broker.core.clock import Clock

# RabbitMQ's own interval. A look that comes sooner is answered from the look before, so that two tools that ask in
# turn do not halve each other's interval.
SHORTEST_S: Final = 5.0
# What has not been asked for so long is forgotten: a queue that is gone, a tool that was closed.
FORGET_S: Final = 600.0


class _Look:
    """What a set of counters was at two earlier moments; the older one is what a rate is taken from."""

    def __init__(self, at_s: float, counts: tuple[int, ...]) -> None:
        self.base_s = at_s
        self.base = counts
        self.last_s = at_s
        self.last = counts


class Rates:
    """Rates since an earlier look, at least five seconds ago where there was one; zero at the first look."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._looks: dict[object, _Look] = {}
        self._swept_s = clock.monotonic_s()

    def rates(self, key: object, counts: tuple[int, ...], *, may_fall: bool = False) -> tuple[float, ...]:
        """Events per second of each counter.

        Args:
            key: Whose counters they are.
            counts: The counters now; as many as at every other time.
            may_fall: They are depths, not counters: a rate below zero means something.
        """
        now_s = self._clock.monotonic_s()
        look = self._looks.get(key)
        if look is None:
            self._sweep(now_s)
            self._looks[key] = _Look(now_s, counts)
            return (0.0,) * len(counts)
        if now_s - look.last_s >= SHORTEST_S:
            look.base_s, look.base = look.last_s, look.last
            look.last_s, look.last = now_s, counts
        elapsed_s = now_s - look.base_s
        if elapsed_s <= 0.0:
            return (0.0,) * len(counts)
        changes = [count - before for count, before in zip(counts, look.base, strict=True)]
        # A queue of the same name may have been made anew: then its counters have fallen.
        return tuple((change if may_fall else max(change, 0)) / elapsed_s for change in changes)

    def _sweep(self, now_s: float) -> None:
        if now_s - self._swept_s < FORGET_S:
            return
        self._swept_s = now_s
        self._looks = {key: look for key, look in self._looks.items() if now_s - look.last_s < FORGET_S}
