"""What exchanges have matched for one message."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.destination import Destination


@final
@mypyc_attr(native_class=True)
class Matches:
    """Destinations in the order they were found, each once.

    Attributes:
        header: Content header of the message, for exchanges that look at its properties; empty if none does.
        now_ms: The turn's wall clock, likewise.
        found: The destinations; exchanges among them are still to be asked.
        asides: What looks on, each once; no match.
        hits: How often something was added, repeats included: an exchange whose every match was known already has
            matched all the same, and its alternate exchange is not tried.
    """

    def __init__(self, header: bytes = b"", now_ms: i64 = 0) -> None:
        self.header: Final = header
        self.now_ms: Final[i64] = now_ms
        self.found: Final[list[Destination]] = []
        self.asides: Final[list[Destination]] = []
        self.hits: i64 = 0
        self._seen: Final[set[Destination]] = set()

    def add(self, destination: Destination) -> None:
        """Count a match, and keep it unless it is known."""
        self.hits += 1
        if destination not in self._seen:
            self._seen.add(destination)
            self.found.append(destination)

    def add_aside(self, destination: Destination) -> None:
        """Add what only looks on: an exchange that finds nothing else has matched nothing."""
        if destination not in self.asides:
            self.asides.append(destination)

    def add_all(self, destinations: list[Destination]) -> None:
        """Add each. The list is only read."""
        for destination in destinations:
            self.add(destination)
