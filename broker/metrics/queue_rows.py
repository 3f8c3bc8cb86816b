"""What is told of each queue."""

from typing import Final

from broker.metrics.families import Row, escaped, label_text
from broker.metrics.queue_memory import memory_bytes, persistent_count
from broker.metrics.text import shown
from broker.queues.queue import Queue
from broker.vhost.turn import Turn

COARSE: Final = "queue_coarse_metrics"
CONSUMERS: Final = "queue_consumer_count"
DEPTH: Final = "queue_metrics"
DELIVERY: Final = "queue_delivery_metrics"
EXCHANGE: Final = "queue_exchange_metrics"
QUEUE_INFO: Final = "queue_info"

# RabbitMQ's name where the figure is the same one. The consumer count is in two families there, and so it is here.
# Not measured, and so not here: messages in memory, consumer capacity, disk reads and writes.
CONSUMER_ROW: Final = Row[Queue](
    CONSUMERS, "gauge", "queue_consumers", "Consumers on a queue", lambda queue: len(queue.consumers)
)
QUEUE_ROWS: Final[list[Row[Queue]]] = [
    Row(
        COARSE,
        "gauge",
        "queue_messages_ready",
        "Messages ready to be delivered to consumers",
        lambda queue: queue.ready_count,
    ),
    Row(
        COARSE,
        "gauge",
        "queue_messages_unacked",
        "Messages delivered to consumers but not yet acknowledged",
        lambda queue: queue.unacked_count,
    ),
    Row(
        COARSE,
        "gauge",
        "queue_messages",
        "Sum of ready and unacknowledged messages: total queue depth",
        lambda queue: queue.message_count,
    ),
    CONSUMER_ROW,
    Row(
        DEPTH,
        "gauge",
        "queue_messages_bytes",
        "Size in bytes of ready and unacknowledged message bodies",
        lambda queue: queue.ready_bytes + queue.unacked_bytes,
    ),
    Row(
        DEPTH,
        "gauge",
        "queue_messages_ready_bytes",
        "Size in bytes of ready message bodies",
        lambda queue: queue.ready_bytes,
    ),
    Row(
        DEPTH,
        "gauge",
        "queue_messages_unacked_bytes",
        "Size in bytes of unacknowledged message bodies",
        lambda queue: queue.unacked_bytes,
    ),
    Row(
        DELIVERY,
        "counter",
        "queue_messages_delivered_ack",
        "Messages delivered from a queue to consumers in manual acknowledgement mode",
        lambda queue: queue.delivered,
    ),
    Row(
        DELIVERY,
        "counter",
        "queue_messages_delivered",
        "Messages delivered from a queue to consumers in automatic acknowledgement mode",
        lambda queue: queue.delivered_auto_ack,
    ),
    Row(
        DELIVERY,
        "counter",
        "queue_messages_redelivered",
        "Messages redelivered from a queue to consumers",
        lambda queue: queue.redelivered,
    ),
    Row(
        DELIVERY,
        "counter",
        "queue_messages_acked",
        "Messages acknowledged by consumers on a queue",
        lambda queue: queue.acknowledged,
    ),
    Row(
        EXCHANGE,
        "counter",
        "queue_messages_published",
        "Messages that came into a queue",
        lambda queue: queue.published,
    ),
]

# RabbitMQ counts basic.get by acknowledgement mode; a queue here counts both modes together, so the name is ours.
GOT_ROW: Final = Row[Queue](
    DELIVERY,
    "counter",
    "queue_got",
    "Messages fetched from a queue with basic.get, in both modes",
    lambda queue: queue.got,
)


def queue_type(queue: Queue) -> str:
    """RabbitMQ's module name for the type it was declared with, as the label ``queue_type`` has it."""
    return f"rabbit_{shown(queue.kind)}_queue"


# A constant: what it says is in its labels.
INFO_ROW: Final = Row[Queue](QUEUE_INFO, "gauge", "queue_info", "Queue type and membership", lambda _: 1)


def info_labels(queue: Queue) -> str:
    """The labels of ``queue_info``."""
    return label_text(
        {
            "vhost": queue.vhost_name,
            "queue": shown(queue.name),
            "queue_type": queue_type(queue),
            "membership": "leader",
        }
    )


def queue_labels(queue: Queue) -> str:
    """The labels of one queue's rows."""
    return f'{{vhost="{escaped(queue.vhost_name)}",queue="{escaped(shown(queue.name))}"}}'


def store_rows(turn: Turn) -> list[Row[Queue]]:
    """What the store and the window of memory know of each queue."""
    return [
        Row(
            DEPTH,
            "gauge",
            "queue_messages_persistent",
            "Persistent messages",
            lambda queue: persistent_count(queue, turn.store),
        ),
        Row(
            DEPTH,
            "gauge",
            "queue_process_memory_bytes",
            "Memory that the messages of a queue take at most",
            lambda queue: memory_bytes(queue, turn.agenda.window),
        ),
    ]
