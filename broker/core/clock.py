"""Time as a value that is passed in, so that tests need not sleep."""

import time

from mypy_extensions import i64, mypyc_attr


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class Clock:
    """The machine's clocks. Tests subclass it to drive time by hand."""

    def now_ms(self) -> i64:
        """Wall clock, milliseconds since 1970: for timestamps that survive a restart."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Monotonic seconds: for deadlines and intervals within this process."""
        return time.monotonic()
