"""Slows down guessing: who keeps failing waits longer and longer for the next try to be looked at."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

# Tries without a success that are looked at without delay: a person mistypes, a client tries each of its addresses.
FREE_TRIES: Final = 5
# The next ones wait 1, 2, 4, 8, 8… seconds; less than a handshake may take, so that the right password still comes in.
LONGEST_DELAY_S: Final = 8.0
# Who would have to wait longer, because others of the same name and address wait already, is turned away at once: by
# then the handshake would be over, and waiting takes room that somebody else may need.
LONGEST_WAIT_S: Final = 10.0
FORGET_S: Final = 60.0
# Peers choose names, and have many addresses: swept when full.
MOST_SOURCES: Final = 10_000


@final
@mypyc_attr(native_class=True)
class Source:
    """One name tried from one address.

    Attributes:
        tries: Checks begun since the last success.
        next_s: Monotonic time of the last one's start; they come one after the other.
    """

    def __init__(self) -> None:
        self.tries: i64 = 0
        self.next_s: float = 0.0


@final
@mypyc_attr(native_class=True)
class Failures:
    """The sources that have lately tried and not succeeded."""

    def __init__(self) -> None:
        self._sources: Final[dict[tuple[bytes, str], Source]] = {}

    def next_start_s(self, name: bytes, host: str, now_s: float) -> float:
        """When the check that is about to be made may start; -1.0 for never. Counts it until ``succeeded``.

        Tries are counted when they begin, or a thousand at once would all be the first one.
        """
        key = (name, host)
        source = self._sources.get(key)
        if source is None or now_s - source.next_s > FORGET_S:
            if len(self._sources) >= MOST_SOURCES:
                self._sweep(now_s)
            source = Source()
            self._sources[key] = source
        start_s = now_s
        if source.tries >= FREE_TRIES:
            start_s = max(now_s, source.next_s) + delay_s(source.tries)
            if start_s > now_s + LONGEST_WAIT_S:
                return -1.0
        source.tries += 1
        source.next_s = start_s
        return start_s

    def succeeded(self, name: bytes, host: str) -> None:
        """The password was right: the next try is a first one."""
        self._sources.pop((name, host), None)

    def _sweep(self, now_s: float) -> None:
        for key in list(self._sources):
            if now_s - self._sources[key].next_s > FORGET_S:
                del self._sources[key]
        if len(self._sources) >= MOST_SOURCES:
            self._sources.clear()


def delay_s(tries: i64) -> float:
    """How long the try after so many fruitless ones waits."""
    return min(float(2 ** min(int(tries - FREE_TRIES), 3)), LONGEST_DELAY_S) if tries >= FREE_TRIES else 0.0
