"""What a scenario is, what it is given and what it gives back."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.client import Client
from benchmarks.usage import Usage, read_usage

LIMIT_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a scenario plays: one running broker, used by nobody else during the round.

    Attributes:
        port: AMQP, on loopback.
        pid: The broker's process.
        count: How much to do: messages, connections or round trips, as the scenario says.
        authority: Certificate file of who has signed the broker's, if the port speaks TLS; else empty.
    """

    port: int
    pid: int
    count: int
    authority: str = ""

    def connect(self, heartbeat_s: int = 0) -> Client:
        """Open a connection with channel 1; without heartbeats, nothing comes unasked."""
        return Client(self.port, heartbeat_s, self.authority)

    def usage(self) -> Usage:
        """What the broker has used so far."""
        return read_usage(self.pid)

    def cpu_us_since(self, before: Usage, count: int) -> float:
        """Microseconds of CPU that the broker spent since then, for each of `count`."""
        return (self.usage().cpu_s - before.cpu_s) / count * 1e6

    def name(self, what: str, number: int = 0) -> bytes:
        """A name for a queue or exchange, of one length for all numbers below 10,000, and not used by other rounds."""
        return f"bench.{what}.{os.getpid():07d}.{number:04d}".encode()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one round gave.

    Attributes:
        seconds: How long the measured part took, without setting up and clearing away.
        figures: By the names of `figures.FIGURES`; the first one stands for the scenario in plots.
    """

    seconds: float
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One thing that is measured.

    Attributes:
        name: What `only=` takes.
        says: What it measures, in a line.
        play: Sets up, measures and clears away one round.
        count: How much one round does at most.
        pilot: How much a first, discarded round does; by its speed, later rounds do what takes about a second. 0: every
            round does `count`.
        most_rounds: For scenarios that take long whatever the broker does; 0: as many rounds as are asked for.
        is_fresh: A new broker for every round, because memory that an earlier round left would be counted.
        is_tls: On the broker's TLS port.
        relay_ports: Connections to which the byte relay copies everything in this scenario; 0: the relay has no part.
        relay_size: Octets of a message's body for the relay.
    """

    name: str
    says: str
    play: Callable[[Stage], Outcome]
    count: int
    pilot: int = 0
    most_rounds: int = 0
    is_fresh: bool = False
    is_tls: bool = False
    relay_ports: int = 0
    relay_size: int = 100
