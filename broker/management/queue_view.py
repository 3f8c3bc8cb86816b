"""A queue as the API shows it."""

from collections.abc import Callable
from datetime import UTC, datetime
from operator import attrgetter
from typing import Final

from broker.management.consumer_view import consumer_view, consumers_of, has_room
from broker.management.facts import Facts
from broker.management.fields import ABSENT, Fields, Readers
from broker.management.json_values import Json, json_table
from broker.management.names import split_address
from broker.management.queue_why import queue_why
from broker.management.stats import NO_SPANS, Spans, with_rates
from broker.metrics.figures import QUEUE_FIGURES, queue_counts
from broker.metrics.queue_memory import head_timestamp_s, memory_bytes, persistent_count
from broker.metrics.text import shown
from broker.queues.queue import Queue

_STATS: Final = QUEUE_FIGURES.groups["message_stats"]
_LENGTHS: Final = QUEUE_FIGURES.groups["lengths"]


def bare_fields(facts: Facts) -> Readers[Queue]:
    """What a queue is, without a figure: the row of a list with ``disable_stats``."""
    node_name = facts.node.name
    return {
        "name": lambda queue: shown(queue.name),
        "vhost": attrgetter("vhost_name"),
        "type": lambda queue: shown(queue.kind),
        "durable": attrgetter("is_durable"),
        "auto_delete": attrgetter("is_auto_delete"),
        "exclusive": lambda queue: queue.owner_id != 0,
        "arguments": lambda queue: json_table(queue.arguments) if queue.arguments else {},
        "node": lambda _: node_name,
        "state": lambda _: "running",
    }


def total_fields() -> Readers[Queue]:
    """Its depths: what ``enable_queue_totals`` adds to these."""
    return {
        "messages": attrgetter("message_count"),
        "messages_ready": attrgetter("ready_count"),
        "messages_unacknowledged": attrgetter("unacked_count"),
    }


def queue_fields(facts: Facts, spans: Spans = NO_SPANS) -> Fields[Queue]:
    """The row of a queue in a list, and what can be added to it by name."""
    tracks = facts.sampler.queues

    def details(name: str) -> Callable[[Queue], object]:
        places = _LENGTHS[name]
        layout, key = {name: places}, f"{name}_details"

        def read(queue: Queue) -> object:
            if spans.lengths is None:
                rates = tracks.rates(queue)
                return {"rate": sum([rates[place] for place in places])}
            samples = facts.samples(tracks, queue, spans.lengths)
            return with_rates(layout, queue_counts(queue), tracks.rates(queue), samples)[key]

        return read

    def message_stats(queue: Queue) -> object:
        samples = facts.samples(tracks, queue, spans.msg_rates)
        return with_rates(_STATS, queue_counts(queue), tracks.rates(queue), samples)

    def single_active_tag(queue: Queue) -> object:
        return shown(queue.consumers[0].tag) if queue.is_single_active and queue.consumers else None

    def owner(queue: Queue) -> object:
        connection = facts.context.connections.get(int(queue.owner_id)) if queue.owner_id != 0 else None
        if connection is None:
            return ABSENT
        host, port = split_address(connection.peer)
        return {"name": facts.connection_name(connection), "peer_host": host, "peer_port": port}

    return Fields(
        {
            **bare_fields(facts),
            **total_fields(),
            "messages_details": details("messages"),
            "messages_ready_details": details("messages_ready"),
            "messages_unacknowledged_details": details("messages_unacknowledged"),
            "consumers": lambda queue: len(queue.consumers),
            "consumer_utilisation": _capacity,
            "consumer_capacity": _capacity,
            "memory": lambda queue: memory_bytes(queue, facts.context.turn.agenda.window),
            "message_bytes": lambda queue: queue.ready_bytes + queue.unacked_bytes,
            "message_bytes_ready": attrgetter("ready_bytes"),
            "message_bytes_unacknowledged": attrgetter("unacked_bytes"),
            "messages_persistent": lambda queue: persistent_count(queue, facts.context.turn.store),
            "head_message_timestamp": head_timestamp_s,
            "idle_since": lambda queue: idle_since(queue.active_ms),
            "policy": lambda queue: queue.policy.name,
            "operator_policy": lambda queue: queue.policy.operator_name,
            "effective_policy_definition": lambda queue: (
                json_table(queue.policy.definition) if queue.policy.definition else {}
            ),
            "exclusive_consumer_tag": lambda queue: (
                shown(queue.consumers[0].tag) if queue.has_exclusive_consumer else None
            ),
            "single_active_consumer_tag": single_active_tag,
            "message_stats": message_stats,
            "owner_pid_details": owner,
        },
        _detail_fields(facts),
    )


def _detail_fields(facts: Facts) -> Readers[Queue]:
    """What only a single queue tells, and a list whose ``columns`` name it."""
    return {
        "consumer_details": lambda queue: _consumers(facts, queue),
        "backing_queue_status": lambda queue: {"mode": "default", "version": 2, "len": queue.ready_count},
        "incoming": lambda _: [],
        "deliveries": lambda _: [],
        "ponymq_why": lambda queue: queue_why(facts, queue),
    }


def queue_view(facts: Facts, queue: Queue, spans: Spans = NO_SPANS) -> Json:
    """The whole of one queue, its consumers included."""
    return {
        **queue_fields(facts, spans)(queue),
        **{name: read(queue) for name, read in _detail_fields(facts).items()},
    }


def _consumers(facts: Facts, queue: Queue) -> list[Json]:
    return [consumer_view(facts, each) for each in consumers_of(queue)]


def _capacity(queue: Queue) -> object:
    """1 if one of its consumers could take a message at this moment. RabbitMQ tells the share of time."""
    return float(any(has_room(each) for each in consumers_of(queue)))


def idle_since(active_ms: int) -> str:
    """The moment of the last activity as RabbitMQ prints it: ``2026-11-20T19:30:01.123+00:00``, UTC."""
    return datetime.fromtimestamp(active_ms / 1000, UTC).isoformat(timespec="milliseconds")
