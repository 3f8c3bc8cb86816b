"""The overview: everything that is told of the whole broker."""

import platform
from typing import Final

from broker.management.access import Viewer
from broker.management.facts import Facts
from broker.management.json_values import Json
from broker.management.pace import Pace
from broker.management.stats import Spans, with_rates
from broker.metrics.figures import OVERVIEW_FIGURES, overview_counts
from broker.metrics.history import BASIC, GLOBAL, Retention
from broker.metrics.totals import Totals
from broker.routing.exchange_types import KINDS

GROUPS: Final = OVERVIEW_FIGURES.groups


async def overview(facts: Facts, viewer: Viewer, spans: Spans) -> Json:
    """The answer of ``/api/overview``. Parts about the node itself are for monitors only."""
    counters = facts.context.counters
    node = facts.node
    totals = Totals()
    await Pace().walk(totals.add_all(facts.context.turn.vhosts.values(), facts.peers))
    tracks = facts.sampler.overview
    counts, rates = overview_counts(counters, totals.ready, totals.unacked), tracks.rates("")
    python = platform.python_version()
    view: Json = {
        "management_version": node.rabbitmq_version,
        "rabbitmq_version": node.rabbitmq_version,
        "product_name": node.product_name,
        "product_version": node.product_version,
        "erlang_version": f"Python {python}",
        "erlang_full_version": f"{platform.python_implementation()} {python}",
        "crypto_lib_version": "",
        "cluster_name": node.cluster_name,
        "cluster_tags": {},
        "node_tags": {},
        "rates_mode": facts.rates_mode,
        "sample_retention_policies": {"global": _ages(GLOBAL), "basic": _ages(BASIC), "detailed": _ages(BASIC[:1])},
        "exchange_types": exchange_types(),
        "default_queue_type": "classic",
        "disable_stats": False,
        "enable_queue_totals": False,
        "is_op_policy_updating_enabled": True,
        "require_definition_json_extension": False,
        "statistics_db_event_queue": 0,
        "message_stats": with_rates(GROUPS["message_stats"], counts, rates, facts.samples(tracks, "", spans.msg_rates)),
        "churn_rates": with_rates(GROUPS["churn_rates"], counts, rates, facts.samples(tracks, "", spans.node_stats)),
        "queue_totals": with_rates(GROUPS["queue_totals"], counts, rates, facts.samples(tracks, "", spans.lengths)),
        "object_totals": {
            "connections": totals.connections,
            "channels": totals.channels,
            "exchanges": totals.exchanges,
            "queues": totals.queues,
            "consumers": totals.consumers,
        },
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
        view["contexts"] = contexts(facts)
    return view


def exchange_types() -> list[Json]:
    """The exchange types there are."""
    return [{"name": kind.decode(), "description": "", "enabled": True} for kind in KINDS]


def contexts(facts: Facts) -> list[Json]:
    """The HTTP ports, in the form that RabbitMQ's web server tells of itself: ports are texts here."""
    return [
        {
            "node": facts.node.name,
            "description": "RabbitMQ Management" if listener.protocol in {"http", "https"} else "RabbitMQ Prometheus",
            "path": "/",
            "ip": listener.ip_address,
            "port": str(listener.port),
            "protocol": listener.protocol,
            "ssl_opts": {},
        }
        for listener in facts.listeners
        if listener.protocol.startswith("http")
    ]


def _ages(retention: Retention) -> list[int]:
    """How far back each ring goes, in whole multiples of what the console asks for."""
    return [age_s - age_s % 600 for age_s, _ in retention]
