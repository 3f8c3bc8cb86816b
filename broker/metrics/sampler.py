"""The sampler: reads everybody's counters every five seconds, for rates and their past."""

from collections.abc import Iterator, Sequence
from typing import Final

from broker.core.clock import Clock
from broker.core.counters import Counters
from broker.metrics.figures import (
    CHANNEL_FIGURES,
    CONNECTION_FIGURES,
    EXCHANGE_FIGURES,
    NODE_FIGURES,
    OVERVIEW_FIGURES,
    QUEUE_FIGURES,
    VHOST_FIGURES,
    node_counts,
    overview_counts,
    queue_counts,
)
from broker.metrics.history import BASIC, GLOBAL
from broker.metrics.machine import MachineFigures
from broker.metrics.peers import Peers
from broker.metrics.tracks import Tracks
from broker.queues.queue import Queue
from broker.routing.exchange import Exchange
from broker.vhost.turn import Turn

INTERVAL_S: Final = 5.0  # RabbitMQ's collect_statistics_interval
# Objects read before the broker gets the loop back: about a millisecond, where all of them have moved.
SLICE: Final = 100
# Objects of one kind that have a past at one time. One of a queue takes up to 14 KB.
MOST_HISTORIES: Final = 2000
# Of vhosts, whose past is longer: up to 40 KB.
MOST_VHOST_HISTORIES: Final = 200

_MESSAGE_COUNTERS: Final = 6  # the first figures of a queue and of a vhost are these counters


class _VHostSums:
    """What has happened in one vhost since the broker started: of queues that are gone as well.

    Attributes:
        messages: The message counters, summed over its queues.
        octets: Octets received and sent, summed over its connections.
        depths: Messages ready and unacked in the round under way.
    """

    def __init__(self) -> None:
        self.messages = [0] * _MESSAGE_COUNTERS
        self.octets = [0, 0]
        self.depths = [0, 0]

    def figures(self) -> tuple[int, ...]:
        return (*self.messages, *self.octets, *self.depths)


class Sampler:
    """Reads one broker. Whoever drives it calls ``round`` every ``INTERVAL_S``, and lets the broker work in between.

    Attributes:
        is_on: Rounds are made. If not, all rates are zero and nothing has a past.
        queues: By the queue itself.
        exchanges: By the exchange itself.
        connections: By number.
        channels: By number of the connection, and number.
        vhosts: By name.
        overview: Under ``""``, the whole broker.
        node: Under ``""``, the process and the machine.
        machine: The machine as the last round found it; None before the first.
    """

    def __init__(self, turn: Turn, peers: Peers, clock: Clock, *, is_on: bool = True) -> None:
        """Read a broker.

        Args:
            turn: Its vhosts and totals.
            peers: Its connections and channels.
            clock: For the moments of the samples.
            is_on: Whether anybody makes rounds.
        """
        self._turn = turn
        self._peers = peers
        self._clock = clock
        self.is_on: Final = is_on
        self.queues: Final = Tracks[Queue](QUEUE_FIGURES.kinds, BASIC, MOST_HISTORIES)
        self.exchanges: Final = Tracks[Exchange](EXCHANGE_FIGURES.kinds, BASIC, MOST_HISTORIES)
        self.connections: Final = Tracks[int](CONNECTION_FIGURES.kinds, BASIC, MOST_HISTORIES)
        self.channels: Final = Tracks[tuple[int, int]](CHANNEL_FIGURES.kinds, BASIC, MOST_HISTORIES)
        self.vhosts: Final = Tracks[str](VHOST_FIGURES.kinds, GLOBAL, MOST_VHOST_HISTORIES)
        self.overview: Final = Tracks[str](OVERVIEW_FIGURES.kinds, GLOBAL, 1)
        self.node: Final = Tracks[str](NODE_FIGURES.kinds, GLOBAL, 1)
        self._all: Final[
            Sequence[Tracks[Queue] | Tracks[Exchange] | Tracks[int] | Tracks[tuple[int, int]] | Tracks[str]]
        ] = (
            self.queues,
            self.exchanges,
            self.connections,
            self.channels,
            self.vhosts,
            self.overview,
            self.node,
        )
        self._sums: dict[str, _VHostSums] = {}
        self.machine: MachineFigures | None = None

    @property
    def _counters(self) -> Counters:
        return self._turn.counters

    def vhost_counts(self, name: str) -> tuple[int, ...]:
        """The counters of a vhost as the last round left them: all its figures but the depths."""
        sums = self._sums.get(name) or _VHostSums()
        return (*sums.messages, *sums.octets)

    def round(self, machine: MachineFigures) -> Iterator[None]:
        """One sample of everything, in slices: the broker may work at every ``yield``."""
        now_s, now_ms = self._clock.monotonic_s(), int(self._clock.now_ms())
        for tracks in self._all:
            tracks.begin(now_s, now_ms)
        self.machine = machine
        vhosts = list(self._turn.vhosts.values())
        self._sums = {vhost.name: self._sums.get(vhost.name) or _VHostSums() for vhost in vhosts}
        for vhost in vhosts:
            yield from self._queues(list(vhost.queues.values()), self._sums[vhost.name])
            yield from self._exchanges(list(vhost.exchanges.values()))
        yield from self._connections()
        yield from self._channels()
        ready = unacked = 0
        for name, sums in self._sums.items():
            ready += sums.depths[0]
            unacked += sums.depths[1]
            self.vhosts.note(name, sums.figures())
        self.overview.note("", overview_counts(self._counters, ready, unacked))
        self.node.note("", node_counts(self._counters, self._peers.connection_count(), machine))
        for tracks in self._all:
            yield
            tracks.end()

    def _queues(self, queues: list[Queue], sums: _VHostSums) -> Iterator[None]:
        ready = unacked = 0
        messages = sums.messages
        note = self.queues.note
        for at in range(0, len(queues), SLICE):
            for queue in queues[at : at + SLICE]:
                counts = queue_counts(queue)
                ready += counts[-2]
                unacked += counts[-1]
                changes = note(queue, counts)
                if changes:
                    for i in range(_MESSAGE_COUNTERS):
                        messages[i] += changes[i]
            yield
        sums.depths = [ready, unacked]

    def _exchanges(self, exchanges: list[Exchange]) -> Iterator[None]:
        for at in range(0, len(exchanges), SLICE):
            for exchange in exchanges[at : at + SLICE]:
                self.exchanges.note(exchange, (exchange.published_in, exchange.published_out))
            yield

    def _connections(self) -> Iterator[None]:
        left = SLICE
        for key, vhost_name, received, sent in self._peers.octets():
            changes = self.connections.note(key, (received, sent))
            sums = self._sums.get(vhost_name)
            if changes and sums is not None:
                sums.octets[0] += changes[0]
                sums.octets[1] += changes[1]
            left -= 1
            if left == 0:
                left = SLICE
                yield

    def _channels(self) -> Iterator[None]:
        left = SLICE
        for connection_id, number, counts in self._peers.channel_counts():
            self.channels.note((connection_id, number), counts)
            left -= 1
            if left == 0:
                left = SLICE
                yield
