"""Totals since the start that must not fall when a connection or a queue goes away.

The data plane adds to these integers; ``broker.metrics`` reads them. RabbitMQ keeps the same sums under
``rabbitmq_global_*`` and the churn counters.
"""

from typing import final

from mypy_extensions import i64, mypyc_attr


@final
@mypyc_attr(native_class=True)
class Counters:
    """One broker's totals. Every attribute only grows, but for the gauges named so."""

    def __init__(self) -> None:
        # churn
        self.connections_opened: i64 = 0
        self.connections_closed: i64 = 0
        self.channels_opened: i64 = 0
        self.channels_closed: i64 = 0
        self.queues_declared: i64 = 0
        self.queues_created: i64 = 0
        self.queues_deleted: i64 = 0
        self.logins_succeeded: i64 = 0
        self.logins_failed: i64 = 0
        # publishers
        self.messages_received: i64 = 0
        self.messages_received_confirm: i64 = 0
        self.messages_confirmed: i64 = 0
        self.messages_routed: i64 = 0
        self.messages_unroutable_dropped: i64 = 0
        self.messages_unroutable_returned: i64 = 0
        self.messages_refused: i64 = 0  # for want of memory or disk
        # consumers
        self.delivered_auto_ack: i64 = 0
        self.delivered_manual_ack: i64 = 0
        self.got_auto_ack: i64 = 0
        self.got_manual_ack: i64 = 0
        self.got_empty: i64 = 0
        self.messages_redelivered: i64 = 0
        self.messages_acknowledged: i64 = 0
        # dead letters, by reason
        self.dead_lettered_rejected: i64 = 0
        self.dead_lettered_expired: i64 = 0
        self.dead_lettered_maxlen: i64 = 0
        self.dead_lettered_delivery_limit: i64 = 0
        # octets on the AMQP sockets
        self.bytes_received: i64 = 0
        self.bytes_sent: i64 = 0
        # body sizes of received messages: at most 100, 1e3, 1e4, 1e5, 1e6, 1e7, 5e7, 1e8, more
        self.size_100: i64 = 0
        self.size_1k: i64 = 0
        self.size_10k: i64 = 0
        self.size_100k: i64 = 0
        self.size_1m: i64 = 0
        self.size_10m: i64 = 0
        self.size_50m: i64 = 0
        self.size_100m: i64 = 0
        self.size_larger: i64 = 0
        self.size_sum: i64 = 0
        # group commit
        self.syncs: i64 = 0
        self.sync_seconds: float = 0.0

    def count_bodies(self, size: i64, count: i64) -> None:
        """Put received bodies, all of this size, into the histogram of sizes."""
        self.size_sum += size * count
        if size <= 100:
            self.size_100 += count
        elif size <= 1_000:
            self.size_1k += count
        elif size <= 10_000:
            self.size_10k += count
        elif size <= 100_000:
            self.size_100k += count
        elif size <= 1_000_000:
            self.size_1m += count
        elif size <= 10_000_000:
            self.size_10m += count
        elif size <= 50_000_000:
            self.size_50m += count
        elif size <= 100_000_000:
            self.size_100m += count
        else:
            self.size_larger += count
