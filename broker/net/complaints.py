"""What is logged about strangers: not more than a line per address and minute."""

from typing import Final

PAUSE_S: Final = 60.0
# Beyond so many addresses within a minute, nothing is said about further ones: a flood must not fill the disk.
MOST_ADDRESSES: Final = 1000


class Complaints:
    """Remembers about whom something has been logged lately."""

    def __init__(self) -> None:
        self._said_s: dict[str, float] = {}

    def is_due(self, host: str, now_s: float) -> bool:
        """May something be logged about ``host``? If so, it counts as done."""
        said_s = self._said_s
        while said_s and next(iter(said_s.values())) <= now_s - PAUSE_S:
            del said_s[next(iter(said_s))]
        if host in said_s or len(said_s) >= MOST_ADDRESSES:
            return False
        said_s[host] = now_s
        return True
