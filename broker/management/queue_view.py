"""A queue as the API shows it."""

from datetime import UTC, datetime
from typing import Final

from broker.management.facts import Facts
from broker.management.json_values import Json, json_table
from broker.metrics.text import shown
from broker.queues.queue import Queue

# The delivery counters of one queue that have RabbitMQ's meaning. Its split of get by acknowledgement mode is not
# counted per queue: ``get`` here has both.
_COUNTS: Final = ("publish", "deliver", "deliver_no_ack", "get", "deliver_get", "redeliver", "ack")
_NO_DETAILS: Final = {"rate": 0.0}


def queue_view(facts: Facts, queue: Queue) -> Json:
    """The row of one queue, in lists and alone."""
    ready, unacked = queue.ready_count, queue.unacked_count
    consumers = queue.consumers
    view: Json = {
        "name": shown(queue.name),
        "vhost": queue.vhost_name,
        "type": shown(queue.kind),
        "durable": queue.is_durable,
        "auto_delete": queue.is_auto_delete,
        "exclusive": queue.owner_id != 0,
        "arguments": json_table(queue.arguments) if queue.arguments else {},
        "node": facts.node.name,
        "state": "running",
        "messages": queue.message_count,
        "messages_ready": ready,
        "messages_unacknowledged": unacked,
        "consumers": len(consumers),
        "idle_since": idle_since(queue.active_ms),
        "message_bytes": queue.ready_bytes + queue.unacked_bytes,
        "message_bytes_ready": queue.ready_bytes,
        "message_bytes_unacknowledged": queue.unacked_bytes,
        "policy": queue.policy.name,
        "operator_policy": queue.policy.operator_name,
        "effective_policy_definition": json_table(queue.policy.definition) if queue.policy.definition else {},
        "exclusive_consumer_tag": shown(consumers[0].tag) if queue.has_exclusive_consumer else None,
        "single_active_consumer_tag": shown(consumers[0].tag) if queue.is_single_active and consumers else None,
    }
    counts = (
        queue.published,
        queue.delivered,
        queue.delivered_auto_ack,
        queue.got,
        queue.delivered + queue.delivered_auto_ack + queue.got,
        queue.redelivered,
        queue.acknowledged,
    )
    rates = facts.rates.rates((queue.vhost_name, queue.name), counts)
    stats: Json = {}
    for name, count, rate in zip(_COUNTS, counts, rates, strict=True):
        stats[name] = count
        stats[f"{name}_details"] = {"rate": rate} if rate else _NO_DETAILS
    view["message_stats"] = stats
    if queue.owner_id != 0:
        owner = facts.context.connections.get(int(queue.owner_id))
        if owner is not None:
            host, port = split_address(owner.peer)
            view["owner_pid_details"] = {
                "name": facts.connection_name(owner),
                "peer_host": host,
                "peer_port": port,
            }
    return view


def idle_since(active_ms: int) -> str:
    """The moment of the last activity as RabbitMQ prints it: ``2026-11-20T19:30:01.123+00:00``, UTC."""
    return datetime.fromtimestamp(active_ms / 1000, UTC).isoformat(timespec="milliseconds")


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``10.0.0.7:50000``; the port is 0 where there is none."""
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdigit():
        return address, 0
    return host, int(port)
