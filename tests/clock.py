"""Time that moves when a test says so."""

from broker.core.clock import Clock


class ManualClock(Clock):
    """A clock that stands still until it is told to move."""

    def __init__(self, now_ms: int = 1_700_000_000_000) -> None:
        super().__init__()
        self.wall_ms = now_ms
        self.elapsed_s = 0.0

    def now_ms(self) -> int:
        return self.wall_ms

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def advance(self, seconds: float) -> None:
        """Move both clocks forward."""
        self.elapsed_s += seconds
        self.wall_ms += int(seconds * 1000)
