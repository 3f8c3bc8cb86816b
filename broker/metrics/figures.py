"""Which figures are sampled of which kind of object, and how the HTTP API names them."""

import gc
from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from broker.core.counters import Counters
from broker.metrics.machine import MachineFigures
from broker.metrics.tracks import COUNTER, DEPTH
from broker.queues.queue import Queue


class Figures(Struct, frozen=True):
    """The figures of one kind of object.

    Attributes:
        kinds: COUNTER or DEPTH, in the order of the samples.
        groups: By the name of a group (``message_stats``), its fields, each the sum of the figures at these places.
    """

    kinds: tuple[bool, ...]
    groups: Mapping[str, Mapping[str, tuple[int, ...]]]


def _group(first: int, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    return {name: (first + place,) for place, name in enumerate(names)}


_LENGTHS: Final = ("messages_ready", "messages_unacknowledged")
_OF_QUEUE: Final = ("publish", "deliver", "deliver_no_ack", "get", "redeliver", "ack")
_OF_BROKER: Final = (
    "publish",
    "confirm",
    "return_unroutable",
    "drop_unroutable",
    "deliver",
    "deliver_no_ack",
    "get",
    "get_no_ack",
    "get_empty",
    "redeliver",
    "ack",
)
_CHURN: Final = (
    "connection_created",
    "connection_closed",
    "channel_created",
    "channel_closed",
    "queue_declared",
    "queue_created",
    "queue_deleted",
)
_OCTETS: Final = ("recv_oct", "send_oct")
# A queue counts basic.get of both acknowledgement modes together: ``get`` has both.
_QUEUE_MESSAGES: Final = {**_group(0, _OF_QUEUE), "deliver_get": (1, 2, 3)}

QUEUE_FIGURES: Final = Figures(
    (COUNTER,) * 6 + (DEPTH,) * 2,
    {"message_stats": _QUEUE_MESSAGES, "lengths": {"messages": (6, 7), **_group(6, _LENGTHS)}},
)
VHOST_FIGURES: Final = Figures(
    (COUNTER,) * 8 + (DEPTH,) * 2,
    {
        "message_stats": _QUEUE_MESSAGES,
        "octets": _group(6, _OCTETS),
        "lengths": {"messages": (8, 9), **_group(8, _LENGTHS)},
    },
)
OVERVIEW_FIGURES: Final = Figures(
    (COUNTER,) * 18 + (DEPTH,) * 2,
    {
        "message_stats": {**_group(0, _OF_BROKER), "deliver_get": (4, 5, 6, 7)},
        "churn_rates": _group(11, _CHURN),
        "queue_totals": {"messages": (18, 19), **_group(18, _LENGTHS)},
    },
)
EXCHANGE_FIGURES: Final = Figures((COUNTER,) * 2, {"message_stats": _group(0, ("publish_in", "publish_out"))})
CONNECTION_FIGURES: Final = Figures((COUNTER,) * 2, {"octets": _group(0, _OCTETS)})
CHANNEL_FIGURES: Final = Figures((COUNTER,) * 3, {"message_stats": _group(0, ("publish", "confirm", "deliver_get"))})
NODE_FIGURES: Final = Figures(
    (DEPTH,) * 5 + (COUNTER,) * 10,
    {
        "node": _group(
            0,
            (
                "mem_used",
                "disk_free",
                "fd_used",
                "sockets_used",
                "proc_used",
                "io_sync_count",
                "gc_num",
                "context_switches",
                *_CHURN,
            ),
        )
    },
)


def queue_counts(queue: Queue) -> tuple[int, ...]:
    """The figures of one queue."""
    return (
        queue.published,
        queue.delivered,
        queue.delivered_auto_ack,
        queue.got,
        queue.redelivered,
        queue.acknowledged,
        queue.ready_count,
        queue.unacked_count,
    )


def overview_counts(counters: Counters, ready: int, unacked: int) -> tuple[int, ...]:
    """The figures of the whole broker; ``ready`` and ``unacked`` are summed over all queues."""
    return (
        counters.messages_received,
        counters.messages_confirmed,
        counters.messages_unroutable_returned,
        counters.messages_unroutable_dropped,
        counters.delivered_manual_ack,
        counters.delivered_auto_ack,
        counters.got_manual_ack,
        counters.got_auto_ack,
        counters.got_empty,
        counters.messages_redelivered,
        counters.messages_acknowledged,
        *churn_counts(counters),
        ready,
        unacked,
    )


def churn_counts(counters: Counters) -> tuple[int, ...]:
    """What came and went."""
    return (
        counters.connections_opened,
        counters.connections_closed,
        counters.channels_opened,
        counters.channels_closed,
        counters.queues_declared,
        counters.queues_created,
        counters.queues_deleted,
    )


def node_counts(counters: Counters, connections: int, machine: MachineFigures) -> tuple[int, ...]:
    """The figures of the process: what the machine said, and what the counters say now."""
    return (
        machine.resident_bytes,
        machine.disk_free_bytes,
        machine.open_files,
        connections,
        machine.thread_count,
        counters.syncs,
        sum(generation["collections"] for generation in gc.get_stats()),
        machine.context_switches,
        *churn_counts(counters),
    )
