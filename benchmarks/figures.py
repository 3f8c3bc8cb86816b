"""The figures that scenarios report: what each is called, its unit, and which direction is better."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Figure:
    """How a figure is read.

    Attributes:
        unit: As the table prints it.
        higher_is_better: Decides which way a ratio is written, so that more than 1 always means better.
    """

    unit: str
    higher_is_better: bool = False


FIGURES: Final = {
    "messages_s": Figure("messages/s", higher_is_better=True),
    "deliveries_s": Figure("deliveries/s", higher_is_better=True),
    "publishes_s": Figure("publishes/s", higher_is_better=True),
    "drained_s": Figure("drained/s", higher_is_better=True),
    "expiries_s": Figure("expiries/s", higher_is_better=True),
    "gets_s": Figure("gets/s", higher_is_better=True),
    "binds_s": Figure("binds/s", higher_is_better=True),
    "declares_s": Figure("declares/s", higher_is_better=True),
    "connects_s": Figure("connects/s", higher_is_better=True),
    "cpu_us": Figure("us CPU each"),
    "cpu_percent": Figure("% of one CPU"),
    "p50_us": Figure("us, median"),
    "p99_us": Figure("us, p99"),
    "p999_us": Figure("us, p99.9"),
    "resident_mb": Figure("MB resident"),
    "message_octets": Figure("octets/message"),
    "connection_kb": Figure("KB/connection"),
    "lost": Figure("connections lost"),
}


def percentiles_us(seconds: list[float]) -> dict[str, float]:
    """Median, p99 and p99.9 in microseconds; at least one value is needed."""
    ordered = sorted(seconds)
    last = len(ordered) - 1
    return {
        name: ordered[min(int(len(ordered) * share), last)] * 1e6
        for name, share in (("p50_us", 0.5), ("p99_us", 0.99), ("p999_us", 0.999))
    }
