"""The overview: everything that is told of the whole broker."""

import platform

from broker.core.counters import Counters
from broker.management.access import Viewer
from broker.management.facts import Facts
from broker.management.json_values import Json
from broker.metrics.totals import Totals, totals_of
from broker.routing.exchange_types import KINDS


def overview(facts: Facts, viewer: Viewer) -> Json:
    """The answer of ``/api/overview``. Parts about the node itself are for monitors only."""
    counters = facts.context.counters
    node = facts.node
    totals = totals_of(facts.context.turn.vhosts.values(), facts.peers)
    python = platform.python_version()
    view: Json = {
        "management_version": node.rabbitmq_version,
        "rabbitmq_version": node.rabbitmq_version,
        "product_name": node.product_name,
        "product_version": node.product_version,
        "erlang_version": f"Python {python}",
        "erlang_full_version": f"{platform.python_implementation()} {python}",
        "cluster_name": node.cluster_name,
        "cluster_tags": {},
        "node_tags": {},
        "rates_mode": "basic",
        "sample_retention_policies": {"global": [], "basic": [], "detailed": []},
        "exchange_types": [{"name": kind.decode(), "description": "", "enabled": True} for kind in KINDS],
        "default_queue_type": "classic",
        "disable_stats": False,
        "enable_queue_totals": False,
        "is_op_policy_updating_enabled": True,
        "statistics_db_event_queue": 0,
        "message_stats": _message_stats(facts, counters),
        "queue_totals": _queue_totals(facts, totals),
        "object_totals": {
            "connections": totals.connections,
            "channels": totals.channels,
            "exchanges": totals.exchanges,
            "queues": totals.queues,
            "consumers": totals.consumers,
        },
        "churn_rates": _churn_rates(facts, counters),
    }
    if viewer.is_monitor:
        view["node"] = node.name
        view["listeners"] = [
            {
                "node": node.name,
                "protocol": listener.protocol,
                "ip_address": listener.ip_address,
                "port": listener.port,
                "socket_opts": {},
                "tls": listener.is_tls,
            }
            for listener in facts.listeners
        ]
        view["contexts"] = [
            {
                "node": node.name,
                "description": "RabbitMQ Management"
                if listener.protocol in {"http", "https"}
                else "RabbitMQ Prometheus",
                "path": "/",
                "port": str(listener.port),
                "ssl_opts": {},
            }
            for listener in facts.listeners
            if listener.protocol.startswith("http")
        ]
    return view


def _message_stats(facts: Facts, counters: Counters) -> Json:
    deliver, deliver_no_ack = int(counters.delivered_manual_ack), int(counters.delivered_auto_ack)
    get, get_no_ack = int(counters.got_manual_ack), int(counters.got_auto_ack)
    return _with_rates(
        facts,
        "message_stats",
        {
            "publish": int(counters.messages_received),
            "confirm": int(counters.messages_confirmed),
            "return_unroutable": int(counters.messages_unroutable_returned),
            "drop_unroutable": int(counters.messages_unroutable_dropped),
            "deliver": deliver,
            "deliver_no_ack": deliver_no_ack,
            "get": get,
            "get_no_ack": get_no_ack,
            "get_empty": int(counters.got_empty),
            "deliver_get": deliver + deliver_no_ack + get + get_no_ack,
            "redeliver": int(counters.messages_redelivered),
            "ack": int(counters.messages_acknowledged),
        },
    )


def _churn_rates(facts: Facts, counters: Counters) -> Json:
    return _with_rates(
        facts,
        "churn_rates",
        {
            "connection_created": int(counters.connections_opened),
            "connection_closed": int(counters.connections_closed),
            "channel_created": int(counters.channels_opened),
            "channel_closed": int(counters.channels_closed),
            "queue_declared": int(counters.queues_declared),
            "queue_created": int(counters.queues_created),
            "queue_deleted": int(counters.queues_deleted),
        },
    )


def _with_rates(facts: Facts, key: str, counts: dict[str, int], *, may_fall: bool = False) -> Json:
    stats: Json = {}
    rates = facts.rates.rates(key, tuple(counts.values()), may_fall=may_fall)
    for (name, count), rate in zip(counts.items(), rates, strict=True):
        stats[name] = count
        stats[f"{name}_details"] = {"rate": rate}
    return stats


def _queue_totals(facts: Facts, totals: Totals) -> Json:
    """Depths, and how fast they rise or fall."""
    return _with_rates(
        facts,
        "queue_totals",
        {
            "messages": totals.ready + totals.unacked,
            "messages_ready": totals.ready,
            "messages_unacknowledged": totals.unacked,
        },
        may_fall=True,
    )
