"""A scrape: the text of one endpoint, made in pieces."""

import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from msgspec import Struct
from prometheus_client import GCCollector, PlatformCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector, CollectorRegistry

from broker.core.clock import Clock
from broker.metrics.counter_metrics import (
    auth_metrics,
    churn_metrics,
    global_metrics,
    persister_metrics,
    size_metric,
    summed_metrics,
)
from broker.metrics.families import PIECE, Metrics, counter, gauge, row_pieces, text_of
from broker.metrics.machine import Machine, MachineFigures
from broker.metrics.name_pattern import name_pattern
from broker.metrics.node import Node
from broker.metrics.node_metrics import (
    alarm_metrics,
    coarse_node_metrics,
    identity_metrics,
    machine_metrics,
    spool_metrics,
    store_metrics,
    totals_metrics,
)
from broker.metrics.peer_rows import (
    CHANNEL,
    CHANNEL_ROWS,
    CONNECTION,
    CONNECTION_COARSE,
    CONNECTION_ROWS,
    channel_labels,
    connection_labels,
)
from broker.metrics.peers import ChannelFigures, ConnectionFigures, Peers
from broker.metrics.queue_rows import (
    CONSUMER_ROW,
    CONSUMERS,
    DEPTH,
    GOT_ROW,
    INFO_ROW,
    QUEUE_INFO,
    QUEUE_ROWS,
    info_labels,
    queue_labels,
    store_rows,
)
from broker.metrics.text import shown
from broker.metrics.topology_rows import (
    EXCHANGE_COUNTS,
    EXCHANGE_ROWS,
    PUBLISHED_ROW,
    ROUTED_ROW,
    VHOST_ROW,
    VHOST_STATUS,
    exchange_count_labels,
    exchange_labels,
    vhost_labels,
)
from broker.metrics.totals import Totals
from broker.queues.queue import Queue
from broker.vhost.turn import Turn
from broker.vhost.vhost import VHost

T = TypeVar("T")

PREFIX: Final = "rabbitmq_"
DETAILED_PREFIX: Final = "rabbitmq_detailed_"


class Filter(Struct, frozen=True):
    """What ``/metrics/detailed`` was asked for.

    Attributes:
        families: Names of families; unknown ones give nothing.
        vhosts: Only queues of these; all if empty.
        queue: Only queues whose name has a match; all if empty.
    """

    families: frozenset[str]
    vhosts: frozenset[str] = frozenset()
    queue: str = ""


class Scraper:
    """Reads one broker. Use it on the loop's thread: it walks over what the loop changes.

    Every method gives the text in pieces; between two of them the broker may work. A queue deleted meanwhile is told
    of as it was when it went.

    Attributes:
        machine: What it runs on.
    """

    def __init__(self, turn: Turn, peers: Peers, node: Node, machine: Machine, clock: Clock) -> None:
        """Read a broker.

        Args:
            turn: Its vhosts, totals and store.
            peers: Its connections and channels.
            node: Who it is.
            machine: What it runs on.
            clock: The one that ``node.started_s`` was read from.
        """
        self._turn = turn
        self._peers = peers
        self._node = node
        self.machine = machine
        self._clock = clock
        # A registry of their own: the library's default one is shared with whoever else imports it.
        registry = CollectorRegistry()
        self._python: Sequence[Collector] = (GCCollector(registry), PlatformCollector(registry))

    def aggregated(self, figures: MachineFigures | None = None) -> Iterator[bytes]:
        """``/metrics``: one row per node.

        Args:
            figures: What the machine says; None to ask it now, which takes long where thousands of files are open.
        """
        yield self._identity("aggregated")
        totals = Totals()
        yield from self._counted(totals)
        yield text_of(Metrics(totals_metrics(totals)))
        yield from self._global_text()
        yield text_of(Metrics(summed_metrics(self._turn.counters)))
        yield from self._node_text(figures)

    def per_object(self, figures: MachineFigures | None = None) -> Iterator[bytes]:
        """``/metrics/per-object``: one row per queue, exchange, channel and connection, beside the rows of the node.

        Args:
            figures: As for ``aggregated``.
        """
        yield self._identity("per-object")
        yield from self._global_text()
        yield from self._node_text(figures)
        totals = Totals()
        yield from self._counted(totals)
        yield text_of(
            Metrics(
                [
                    gauge("rabbitmq_connections", "Connections currently open", totals.connections),
                    gauge("rabbitmq_channels", "Channels currently open", totals.channels),
                    gauge("rabbitmq_consumers", "Consumers currently connected", totals.consumers),
                    gauge("rabbitmq_queues", "Queues available", totals.queues),
                    *[
                        metric
                        for metric in totals_metrics(totals)
                        if metric.name.startswith(("rabbitmq_global_", "ponymq_"))
                    ],
                ]
            )
        )
        queues: list[Queue] = []
        yield from self._find_queues(Filter(frozenset()), None, queues)
        yield from row_pieces(PREFIX, [*QUEUE_ROWS, *store_rows(self._turn)], queues, queue_labels)
        yield from row_pieces("ponymq_", [GOT_ROW], queues, queue_labels)
        yield from row_pieces(PREFIX, [INFO_ROW], queues, info_labels)
        exchanges = [exchange for vhost in self._turn.vhosts.values() for exchange in vhost.exchanges.values()]
        yield from row_pieces(PREFIX, [PUBLISHED_ROW], exchanges, exchange_count_labels)
        yield from row_pieces("ponymq_", [ROUTED_ROW], exchanges, exchange_count_labels)
        yield from self._channels(PREFIX)
        yield from self._connections(PREFIX, frozenset({CONNECTION, CONNECTION_COARSE}))

    def detailed(self, asked: Filter, figures: MachineFigures | None = None) -> Iterator[bytes]:
        """``/metrics/detailed``: the families asked for, per object. No family gives nothing but the identity.

        Args:
            asked: Which families, of which objects.
            figures: As for ``aggregated``.

        Raises:
            ValueError: The expression for queue names cannot be used; raised by the call, before the first piece.
        """
        return self._detailed(asked, name_pattern(asked.queue) if asked.queue else None, figures)

    def _detailed(
        self, asked: Filter, pattern: re.Pattern[str] | None, figures: MachineFigures | None
    ) -> Iterator[bytes]:
        families = asked.families
        yield self._identity("detailed")
        rows = [row for row in [*QUEUE_ROWS, *store_rows(self._turn)] if row.family in families]
        if DEPTH in families and CONSUMERS not in families:
            rows.append(CONSUMER_ROW)
        if rows or QUEUE_INFO in families:
            queues: list[Queue] = []
            yield from self._find_queues(asked, pattern, queues)
            yield from row_pieces(DETAILED_PREFIX, rows, queues, queue_labels)
            if GOT_ROW.family in families:
                yield from row_pieces("ponymq_detailed_", [GOT_ROW], queues, queue_labels)
            if QUEUE_INFO in families:
                yield from row_pieces(DETAILED_PREFIX, [INFO_ROW], queues, info_labels)
        if CHANNEL in families:
            yield from self._channels(DETAILED_PREFIX)
        if families & {CONNECTION, CONNECTION_COARSE}:
            yield from self._connections(DETAILED_PREFIX, families)
        yield from self._topology(asked)
        yield text_of(Metrics(self._broker_families(families, figures)))

    def _broker_families(self, families: frozenset[str], figures: MachineFigures | None) -> list[Metric]:
        """The families that have one row for the whole broker."""
        counters = self._turn.counters
        metrics: list[Metric] = []
        if "connection_churn_metrics" in families:
            metrics += churn_metrics(counters, DETAILED_PREFIX)
        if "auth_attempt_metrics" in families:
            metrics += auth_metrics(counters, DETAILED_PREFIX)
        if "node_persister_metrics" in families:
            metrics += persister_metrics(counters, DETAILED_PREFIX)
        if families & {"node_coarse_metrics", "node_metrics"}:
            looked = figures or self.machine.look()
            metrics += coarse_node_metrics(self.machine, looked, self._turn.alarms, self._uptime_s())
        return metrics

    def _topology(self, asked: Filter) -> Iterator[bytes]:
        """Rows of vhosts and exchanges. As in RabbitMQ, these names do not say that they are detailed."""
        vhosts = self._vhosts(asked)
        if VHOST_STATUS in asked.families:
            yield from row_pieces(PREFIX, [VHOST_ROW], vhosts, vhost_labels)
        exchanges = [exchange for vhost in vhosts for exchange in vhost.exchanges.values()]
        rows = [row for row in EXCHANGE_ROWS if row.family in asked.families]
        if rows:
            yield from row_pieces(PREFIX, rows, exchanges, exchange_labels)
        if EXCHANGE_COUNTS in asked.families:
            yield from row_pieces(DETAILED_PREFIX, [PUBLISHED_ROW], exchanges, exchange_count_labels)
            yield from row_pieces("ponymq_detailed_", [ROUTED_ROW], exchanges, exchange_count_labels)

    def _identity(self, endpoint: str) -> bytes:
        return text_of(Metrics(identity_metrics(self._node, endpoint)))

    def _global_text(self) -> Iterator[bytes]:
        counters = self._turn.counters
        yield text_of(Metrics(global_metrics(counters)))
        yield text_of(Metrics([size_metric(counters)]))

    def _counted(self, totals: Totals) -> Iterator[bytes]:
        for _ in totals.add_all(self._turn.vhosts.values(), self._peers):
            yield b""

    def _uptime_s(self) -> float:
        return self._clock.monotonic_s() - self._node.started_s

    def _node_text(self, figures: MachineFigures | None) -> Iterator[bytes]:
        turn, counters = self._turn, self._turn.counters
        ours = [
            counter("ponymq_sync", "Syncs of the commit log that have returned", counters.syncs),
            counter("ponymq_sync_seconds", "Time spent in these syncs", counters.sync_seconds),
        ]
        yield text_of(Metrics(churn_metrics(counters, PREFIX)), Metrics(auth_metrics(counters, PREFIX)))
        yield text_of(Metrics(persister_metrics(counters, PREFIX)), Metrics(ours))
        yield text_of(
            Metrics(store_metrics(turn.store, turn.waiting_count)),
            Metrics(spool_metrics(turn.agenda.window, turn.agenda.spool)),
            Metrics(alarm_metrics(turn.alarms, counters.messages_refused)),
        )
        looked = figures or self.machine.look()
        yield text_of(Metrics(machine_metrics(self.machine, looked, turn.alarms, self._uptime_s())))
        yield text_of(*self._python)

    def _vhosts(self, asked: Filter) -> list[VHost]:
        return [vhost for name, vhost in self._turn.vhosts.items() if not asked.vhosts or name in asked.vhosts]

    def _find_queues(self, asked: Filter, pattern: re.Pattern[str] | None, found: list[Queue]) -> Iterator[bytes]:
        """Put the queues asked for into ``found``; an expression is tried on a slice of names at a time."""
        for vhost in self._vhosts(asked):
            queues = list(vhost.queues.values())
            if pattern is None:
                found += queues
                continue
            for at in range(0, len(queues), PIECE):
                found += [queue for queue in queues[at : at + PIECE] if pattern.search(shown(queue.name))]
                yield b""

    def _channels(self, prefix: str) -> Iterator[bytes]:
        channels: list[ChannelFigures] = []
        yield from _gathered(self._peers.channels(), channels)
        yield from row_pieces(prefix, CHANNEL_ROWS, channels, channel_labels)

    def _connections(self, prefix: str, families: frozenset[str]) -> Iterator[bytes]:
        connections: list[ConnectionFigures] = []
        yield from _gathered(self._peers.connections(), connections)
        rows = [row for row in CONNECTION_ROWS if row.family in families]
        yield from row_pieces(prefix, rows, connections, connection_labels)


def _gathered(source: Iterator[T], into: list[T]) -> Iterator[bytes]:
    for each in source:
        into.append(each)
        if len(into) % PIECE == 0:
            yield b""
