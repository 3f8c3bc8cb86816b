"""Exchanges and vhosts as the API shows them."""

from broker.management.facts import Facts
from broker.management.json_values import Json, json_table
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


def exchange_view(exchange: Exchange) -> Json:
    """The row of one exchange; as RabbitMQ's plugin, one that delays messages tells how many wait."""
    line = delay_line_of(exchange)
    delayed: Json = {} if line is None else {"messages_delayed": int(line.count)}
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
        **delayed,
    }


def vhost_view(facts: Facts, vhost: VHost) -> Json:
    """The row of one vhost, with the messages of all its queues."""
    queue_type = shown(vhost.default_queue_type)
    totals = Totals()
    totals.add_queues(vhost.queues.values())
    return {
        "name": vhost.name,
        "description": vhost.description,
        "tags": vhost.tags,
        "default_queue_type": queue_type,
        "metadata": {"description": vhost.description, "tags": vhost.tags, "default_queue_type": queue_type},
        "tracing": False,
        "cluster_state": {facts.node.name: "running"},
        "protected_from_deletion": vhost.is_protected,
        "messages": totals.ready + totals.unacked,
        "messages_ready": totals.ready,
        "messages_unacknowledged": totals.unacked,
    }
