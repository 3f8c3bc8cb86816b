"""The totals that never fall: ``rabbitmq_global_*``, churn, message sizes, logins, syncs."""

from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.samples import Sample

from broker.core.counters import Counters
from broker.metrics.families import counter

PROTOCOL: Final = {"protocol": "amqp091"}
# The data plane counts all queue types together, and one machine serves them all.
DELIVERY: Final = {"protocol": "amqp091", "queue_type": "rabbit_classic_queue"}


def global_metrics(counters: Counters) -> list[Metric]:
    """Publishing and consuming since the start, under RabbitMQ's global names."""
    auto_ack, manual_ack = counters.delivered_auto_ack, counters.delivered_manual_ack
    got_auto_ack, got_manual_ack = counters.got_auto_ack, counters.got_manual_ack
    delivered = auto_ack + manual_ack + got_auto_ack + got_manual_ack
    received = (
        ("received", "Total number of messages received from publishers", counters.messages_received),
        (
            "received_confirm",
            "Total number of messages received from publishers expecting confirmations",
            counters.messages_received_confirm,
        ),
        ("confirmed", "Total number of messages confirmed to publishers", counters.messages_confirmed),
        ("routed", "Total number of messages that at least one queue was found for", counters.messages_routed),
        (
            "unroutable_dropped",
            "Total number of messages published as non-mandatory into an exchange and dropped as unroutable",
            counters.messages_unroutable_dropped,
        ),
        (
            "unroutable_returned",
            "Total number of messages published as mandatory into an exchange and returned to the publisher as "
            "unroutable",
            counters.messages_unroutable_returned,
        ),
    )
    sent = (
        ("delivered", "Total number of messages delivered to consumers", delivered),
        (
            "delivered_consume_auto_ack",
            "Total number of messages delivered to consumers using basic.consume with automatic acknowledgment",
            auto_ack,
        ),
        (
            "delivered_consume_manual_ack",
            "Total number of messages delivered to consumers using basic.consume with manual acknowledgment",
            manual_ack,
        ),
        (
            "delivered_get_auto_ack",
            "Total number of messages delivered to consumers using basic.get with automatic acknowledgment",
            got_auto_ack,
        ),
        (
            "delivered_get_manual_ack",
            "Total number of messages delivered to consumers using basic.get with manual acknowledgment",
            got_manual_ack,
        ),
        ("get_empty", "Total number of times basic.get operations fetched no message", counters.got_empty),
        ("redelivered", "Total number of messages redelivered to consumers", counters.messages_redelivered),
        ("acknowledged", "Total number of messages acknowledged by consumers", counters.messages_acknowledged),
    )
    metrics = [counter(f"rabbitmq_global_messages_{name}", text, value, PROTOCOL) for name, text, value in received]
    metrics += [counter(f"rabbitmq_global_messages_{name}", text, value, DELIVERY) for name, text, value in sent]
    return metrics + _dead_letters(counters)


def _dead_letters(counters: Counters) -> list[Metric]:
    labels = {"queue_type": "rabbit_classic_queue", "dead_letter_strategy": "at_most_once"}
    reasons = (
        ("maxlen", "overflow drop-head or reject-publish-dlx", counters.dead_lettered_maxlen),
        ("expired", "message TTL exceeded", counters.dead_lettered_expired),
        ("rejected", "basic.reject or basic.nack", counters.dead_lettered_rejected),
        ("delivery_limit", "delivery-limit exceeded", counters.dead_lettered_delivery_limit),
    )
    return [
        counter(
            f"rabbitmq_global_messages_dead_lettered_{reason}",
            f"Total number of messages dead-lettered due to {text}",
            value,
            labels,
        )
        for reason, text, value in reasons
    ]


def churn_metrics(counters: Counters, prefix: str) -> list[Metric]:
    """What came and went: the family ``connection_churn_metrics``."""
    rows = (
        ("connections_opened", "Total number of connections opened", counters.connections_opened),
        ("connections_closed", "Total number of connections closed or terminated", counters.connections_closed),
        ("channels_opened", "Total number of channels opened", counters.channels_opened),
        ("channels_closed", "Total number of channels closed", counters.channels_closed),
        ("queues_declared", "Total number of queues declared", counters.queues_declared),
        ("queues_created", "Total number of queues created", counters.queues_created),
        ("queues_deleted", "Total number of queues deleted", counters.queues_deleted),
    )
    return [counter(prefix + name, text, value) for name, text, value in rows]


def summed_metrics(counters: Counters) -> list[Metric]:
    """RabbitMQ's sums over live channels, connections and queues, taken from the totals: here they never fall."""
    channel_rows = (
        (
            "messages_published",
            "Total number of messages published into an exchange on a channel",
            counters.messages_received,
        ),
        (
            "messages_confirmed",
            "Total number of messages published into an exchange and confirmed on the channel",
            counters.messages_confirmed,
        ),
        (
            "messages_unroutable_returned",
            "Total number of messages published as mandatory into an exchange and returned to the publisher as "
            "unroutable",
            counters.messages_unroutable_returned,
        ),
        (
            "messages_unroutable_dropped",
            "Total number of messages published as non-mandatory into an exchange and dropped as unroutable",
            counters.messages_unroutable_dropped,
        ),
    )
    both_rows = (
        (
            "get_ack",
            "Total number of messages fetched with basic.get in manual acknowledgement mode",
            counters.got_manual_ack,
        ),
        (
            "get",
            "Total number of messages fetched with basic.get in automatic acknowledgement mode",
            counters.got_auto_ack,
        ),
        (
            "messages_delivered_ack",
            "Total number of messages delivered to consumers in manual acknowledgement mode",
            counters.delivered_manual_ack,
        ),
        (
            "messages_delivered",
            "Total number of messages delivered to consumers in automatic acknowledgement mode",
            counters.delivered_auto_ack,
        ),
        ("messages_redelivered", "Total number of messages redelivered to consumers", counters.messages_redelivered),
        ("messages_acked", "Total number of messages acknowledged by consumers", counters.messages_acknowledged),
        ("get_empty", "Total number of times basic.get operations fetched no message", counters.got_empty),
    )
    metrics = [counter(f"rabbitmq_channel_{name}", text, value) for name, text, value in channel_rows]
    for kind in ("channel", "queue"):
        metrics += [counter(f"rabbitmq_{kind}_{name}", text, value) for name, text, value in both_rows]
    text = "Total number of messages published into queues"
    metrics.append(counter("rabbitmq_queue_messages_published", text, counters.messages_routed))
    metrics.append(
        counter(
            "rabbitmq_connection_incoming_bytes",
            "Total number of bytes received on a connection",
            counters.bytes_received,
        )
    )
    metrics.append(
        counter("rabbitmq_connection_outgoing_bytes", "Total number of bytes sent on a connection", counters.bytes_sent)
    )
    return metrics


def auth_metrics(counters: Counters, prefix: str) -> list[Metric]:
    """Logins on the AMQP port: the family ``auth_attempt_metrics``."""
    good, bad = counters.logins_succeeded, counters.logins_failed
    rows = (
        ("auth_attempts", "Total number of authentication attempts", good + bad),
        ("auth_attempts_succeeded", "Total number of successful authentication attempts", good),
        ("auth_attempts_failed", "Total number of failed authentication attempts", bad),
    )
    return [counter(prefix + name, text, value, PROTOCOL) for name, text, value in rows]


def persister_metrics(counters: Counters, prefix: str) -> list[Metric]:
    """Syncs of the commit log: what RabbitMQ has in the family ``node_persister_metrics``."""
    return [
        counter(f"{prefix}io_sync_ops", "Total number of I/O sync operations", counters.syncs),
        counter(f"{prefix}io_sync_time_seconds", "Total I/O sync time", counters.sync_seconds),
    ]


def size_metric(counters: Counters) -> Metric:
    """The histogram of body sizes. The bounds are spelled as the official dashboard selects them."""
    name = "rabbitmq_message_size_bytes"
    counts = (
        ("100.0", counters.size_100),
        ("1000.0", counters.size_1k),
        ("10000.0", counters.size_10k),
        ("100000.0", counters.size_100k),
        ("1e+06", counters.size_1m),
        ("1e+07", counters.size_10m),
        ("5e+07", counters.size_50m),
        ("1e+08", counters.size_100m),
        ("+Inf", counters.size_larger),
    )
    metric = HistogramMetricFamily(name, "Size of messages received from publishers", labels=list(PROTOCOL))
    so_far = 0
    for bound, count in counts:
        so_far += count
        metric.samples.append(Sample(f"{name}_bucket", {**PROTOCOL, "le": bound}, so_far))
    metric.samples.append(Sample(f"{name}_count", PROTOCOL, so_far))
    metric.samples.append(Sample(f"{name}_sum", PROTOCOL, int(counters.size_sum)))
    return metric
