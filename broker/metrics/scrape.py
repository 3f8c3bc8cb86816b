"""A scrape: the text of one endpoint, made in pieces."""

from collections.abc import Iterator, Sequence

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
from broker.metrics.families import Metrics, counter, gauge, row_pieces, text_of
from broker.metrics.machine import Machine
from broker.metrics.name_pattern import name_pattern
from broker.metrics.node import Node
from broker.metrics.node_metrics import alarm_metrics, identity_metrics, machine_metrics, store_metrics, totals_metrics
from broker.metrics.peer_rows import CHANNEL, CHANNEL_ROWS, CONNECTION, CONNECTION_COARSE, CONNECTION_ROWS
from broker.metrics.peers import Peers
from broker.metrics.queue_rows import (
    CONSUMER_ROW,
    CONSUMERS,
    DEPTH,
    GOT_ROW,
    INFO_ROW,
    QUEUE_ROWS,
    info_labels,
    queue_labels,
)
from broker.metrics.text import shown
from broker.metrics.totals import totals_of
from broker.queues.queue import Queue
from broker.vhost.turn import Turn

PREFIX = "rabbitmq_"
DETAILED_PREFIX = "rabbitmq_detailed_"


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
        self._machine = machine
        self._clock = clock
        # A registry of their own: the library's default one is shared with whoever else imports it.
        registry = CollectorRegistry()
        self._python: Sequence[Collector] = (GCCollector(registry), PlatformCollector(registry))

    def aggregated(self) -> Iterator[bytes]:
        """``/metrics``: one row per node."""
        counters = self._turn.counters
        yield self._identity("aggregated")
        totals = totals_of(self._turn.vhosts.values(), self._peers)
        yield text_of(Metrics(totals_metrics(totals)))
        yield text_of(Metrics([*global_metrics(counters), size_metric(counters)]), Metrics(summed_metrics(counters)))
        yield self._node_text()

    def per_object(self) -> Iterator[bytes]:
        """``/metrics/per-object``: one row per queue, channel and connection, beside the rows of the node."""
        counters = self._turn.counters
        yield self._identity("per-object")
        yield text_of(Metrics([*global_metrics(counters), size_metric(counters)]))
        yield self._node_text()
        totals = totals_of(self._turn.vhosts.values(), self._peers)
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
        queues = self._queues(Filter(frozenset()))
        labels = [queue_labels(queue) for queue in queues]
        yield from row_pieces(PREFIX, QUEUE_ROWS, queues, labels)
        yield from row_pieces("ponymq_", [GOT_ROW], queues, labels)
        yield from row_pieces(PREFIX, [INFO_ROW], queues, [info_labels(queue) for queue in queues])
        yield from self._channels(PREFIX)
        yield from self._connections(PREFIX, frozenset({CONNECTION, CONNECTION_COARSE}))

    def detailed(self, asked: Filter) -> Iterator[bytes]:
        """``/metrics/detailed``: the families asked for, per object. No family gives nothing but the identity.

        Raises:
            ValueError: The expression for queue names cannot be used; raised by the call, before the first piece.
        """
        queues = self._queues(asked)
        return self._detailed(asked, queues)

    def _detailed(self, asked: Filter, queues: list[Queue]) -> Iterator[bytes]:
        counters = self._turn.counters
        families = asked.families
        yield self._identity("detailed")
        rows = [row for row in QUEUE_ROWS if row.family in families]
        if DEPTH in families and CONSUMERS not in families:
            rows.append(CONSUMER_ROW)
        if rows:
            labels = [queue_labels(queue) for queue in queues]
            yield from row_pieces(DETAILED_PREFIX, rows, queues, labels)
            if GOT_ROW.family in families:
                yield from row_pieces("ponymq_detailed_", [GOT_ROW], queues, labels)
        if CHANNEL in families:
            yield from self._channels(DETAILED_PREFIX)
        if families & {CONNECTION, CONNECTION_COARSE}:
            yield from self._connections(DETAILED_PREFIX, families)
        metrics: list[Metric] = []
        if "connection_churn_metrics" in families:
            metrics += churn_metrics(counters, DETAILED_PREFIX)
        if "auth_attempt_metrics" in families:
            metrics += auth_metrics(counters, DETAILED_PREFIX)
        if "node_persister_metrics" in families:
            metrics += persister_metrics(counters, DETAILED_PREFIX)
        if metrics:
            yield text_of(Metrics(metrics))

    def _identity(self, endpoint: str) -> bytes:
        return text_of(Metrics(identity_metrics(self._node, endpoint)))

    def _node_text(self) -> bytes:
        turn, counters = self._turn, self._turn.counters
        uptime_s = self._clock.monotonic_s() - self._node.started_s
        ours = [
            counter("ponymq_sync", "Syncs of the commit log that have returned", counters.syncs),
            counter("ponymq_sync_seconds", "Time spent in these syncs", counters.sync_seconds),
        ]
        return text_of(
            Metrics(churn_metrics(counters, PREFIX)),
            Metrics(auth_metrics(counters, PREFIX)),
            Metrics(persister_metrics(counters, PREFIX)),
            Metrics(ours),
            Metrics(store_metrics(turn.store, turn.waiting_count)),
            Metrics(alarm_metrics(turn.alarms, counters.messages_refused)),
            Metrics(machine_metrics(self._machine, self._machine.look(), turn.alarms, uptime_s)),
            *self._python,
        )

    def _queues(self, asked: Filter) -> list[Queue]:
        pattern = name_pattern(asked.queue) if asked.queue else None
        chosen: list[Queue] = []
        for name, vhost in self._turn.vhosts.items():
            if asked.vhosts and name not in asked.vhosts:
                continue
            if pattern is None:
                chosen.extend(vhost.queues.values())
            else:
                chosen.extend(queue for queue in vhost.queues.values() if pattern.search(shown(queue.name)))
        return chosen

    def _channels(self, prefix: str) -> Iterator[bytes]:
        channels = self._peers.channels()
        return row_pieces(prefix, CHANNEL_ROWS, channels, [{"channel": channel.name} for channel in channels])

    def _connections(self, prefix: str, families: frozenset[str]) -> Iterator[bytes]:
        connections = self._peers.connections()
        labels = [{"connection": connection.name} for connection in connections]
        rows = [row for row in CONNECTION_ROWS if row.family in families]
        return row_pieces(prefix, rows, connections, labels)
