"""How often one address may connect."""

from typing import Final

# Seconds whose connections an address may make at once: all clients of a machine come back together after a restart.
BURST_S: Final = 10.0
# Addresses remembered at one time; one that is forgotten begins anew.
MOST_ADDRESSES: Final = 10_000


class ConnectionRate:
    """A bucket for each address, filled by time and emptied by connections."""

    def __init__(self, per_s: int) -> None:
        """Allow ``per_s`` connections per second from each address, on an average of BURST_S; 0 for any number."""
        self._per_s = per_s
        self._most = per_s * BURST_S
        self._buckets: dict[str, tuple[float, float]] = {}  # what is left, and when it was counted

    def allows(self, host: str, now_s: float) -> bool:
        """May ``host`` connect now? If so, this counts as a connection."""
        if self._per_s == 0:
            return True
        left, then_s = self._buckets.pop(host, (self._most, now_s))
        left = min(self._most, left + (now_s - then_s) * self._per_s)
        is_allowed = left >= 1
        if len(self._buckets) >= MOST_ADDRESSES:
            del self._buckets[next(iter(self._buckets))]  # the one that has been silent the longest
        self._buckets[host] = (left - 1 if is_allowed else left, now_s)
        return is_allowed
