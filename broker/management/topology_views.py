"""Exchanges and vhosts as the API shows them."""

from broker.management.facts import Facts
from broker.management.json_values import Json, json_table
from broker.management.stats import NO_SPANS, Spans, with_rates
from broker.metrics.figures import EXCHANGE_FIGURES, VHOST_FIGURES
from broker.metrics.text import shown
from broker.metrics.totals import Totals
from broker.routing.exchange import Exchange
from broker.vhost.delay_line import delay_line_of
from broker.vhost.vhost import VHost

DEFAULT_EXCHANGE = b"amq.default"
"""How paths name the default exchange, whose name is empty."""


def exchange_named(name: bytes) -> bytes:
    """The name of the exchange that a path means."""
    return b"" if name == DEFAULT_EXCHANGE else name


def bare_exchange_view(exchange: Exchange) -> Json:
    """What an exchange is, without a figure: the row of a list with ``disable_stats``."""
    return {
        "name": shown(exchange.name),
        "vhost": exchange.vhost_name,
        "type": shown(exchange.kind),
        "durable": exchange.is_durable,
        "auto_delete": exchange.is_auto_delete,
        "internal": exchange.is_internal,
        "arguments": json_table(exchange.arguments),
        "policy": exchange.policy.name,
        "operator_policy": exchange.policy.operator_name,
        "effective_policy_definition": json_table(exchange.policy.definition),
    }


def exchange_view(facts: Facts, exchange: Exchange, spans: Spans = NO_SPANS) -> Json:
    """The row of one exchange; as RabbitMQ's plugin, one that delays messages tells how many wait."""
    line, tracks = delay_line_of(exchange), facts.sampler.exchanges
    counts = (int(exchange.published_in), int(exchange.published_out))
    samples = facts.samples(tracks, exchange, spans.msg_rates)
    delayed: Json = {} if line is None else {"messages_delayed": int(line.count)}
    return {
        **bare_exchange_view(exchange),
        "message_stats": with_rates(EXCHANGE_FIGURES.groups["message_stats"], counts, tracks.rates(exchange), samples),
        **delayed,
    }


def bare_vhost_view(facts: Facts, vhost: VHost) -> Json:
    """What a vhost is, without a figure: the row of a list with ``disable_stats``."""
    queue_type = shown(vhost.default_queue_type)
    return {
        "name": vhost.name,
        "description": vhost.description,
        "tags": vhost.tags,
        "default_queue_type": queue_type,
        "metadata": {"description": vhost.description, "tags": vhost.tags, "default_queue_type": queue_type},
        "tracing": False,
        "cluster_state": {facts.node.name: "running"},
        "protected_from_deletion": vhost.is_protected,
    }


def vhost_view(facts: Facts, vhost: VHost, totals: Totals, spans: Spans = NO_SPANS) -> Json:
    """The row of one vhost.

    Args:
        facts: The broker.
        vhost: The vhost.
        totals: Its queues, counted.
        spans: The past asked for.
    """
    tracks, groups = facts.sampler.vhosts, VHOST_FIGURES.groups
    sampled, rates = facts.sampler.vhost_counts(vhost.name), tracks.rates(vhost.name)
    counts = (*sampled, totals.ready, totals.unacked)
    return {
        **bare_vhost_view(facts, vhost),
        **with_rates(groups["lengths"], counts, rates, facts.samples(tracks, vhost.name, spans.lengths)),
        **with_rates(groups["octets"], counts, rates, facts.samples(tracks, vhost.name, spans.data_rates)),
        "message_stats": with_rates(
            groups["message_stats"], counts, rates, facts.samples(tracks, vhost.name, spans.msg_rates)
        ),
    }
