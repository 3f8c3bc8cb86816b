"""Who the node is, what it holds at the moment, and what the machine says: RabbitMQ's gauges and our own."""

import platform

from prometheus_client.core import Metric

from broker.metrics.families import counter, gauge
from broker.metrics.machine import Machine, MachineFigures
from broker.metrics.node import Node
from broker.metrics.totals import Totals
from broker.queues.window import MemoryWindow
from broker.store.spool import Spool
from broker.store.store import Store
from broker.vhost.alarms import Alarms


def identity_metrics(node: Node, endpoint: str) -> list[Metric]:
    """The two rows that every panel of the official dashboard is multiplied by.

    Args:
        node: Who we are.
        endpoint: ``aggregated``, ``per-object`` or ``detailed``.
    """
    identity = {
        "rabbitmq_node": node.name,
        "rabbitmq_cluster": node.cluster_name,
        "rabbitmq_cluster_permanent_id": node.cluster_id,
        "rabbitmq_endpoint": endpoint,
    }
    build = {
        "rabbitmq_version": node.rabbitmq_version,
        "prometheus_plugin_version": node.rabbitmq_version,
        "prometheus_client_version": node.product_version,
        "erlang_version": f"Python {platform.python_version()}",
        "product_name": node.product_name,
        "product_version": node.product_version,
    }
    return [
        gauge("rabbitmq_identity_info", "RabbitMQ node & cluster identity info", 1, identity),
        gauge("rabbitmq_build_info", "RabbitMQ & Erlang/OTP version info", 1, build),
    ]


def totals_metrics(totals: Totals) -> list[Metric]:
    """Sums over what there is now."""
    protocol = {"protocol": "amqp091"}
    rows = (
        ("rabbitmq_connections", "Connections currently open", totals.connections),
        ("rabbitmq_channels", "Channels currently open", totals.channels),
        ("rabbitmq_consumers", "Consumers currently connected", totals.consumers),
        ("rabbitmq_queues", "Queues available", totals.queues),
        ("rabbitmq_queue_messages_ready", "Messages ready to be delivered to consumers", totals.ready),
        ("rabbitmq_queue_messages_unacked", "Messages delivered to consumers but not yet acknowledged", totals.unacked),
        (
            "rabbitmq_queue_messages",
            "Sum of ready and unacknowledged messages: total queue depth",
            totals.ready + totals.unacked,
        ),
        ("rabbitmq_queue_consumers", "Consumers on a queue", totals.consumers),
        (
            "rabbitmq_queue_messages_bytes",
            "Size in bytes of ready and unacknowledged message bodies",
            totals.ready_bytes + totals.unacked_bytes,
        ),
        ("rabbitmq_queue_messages_ready_bytes", "Size in bytes of ready message bodies", totals.ready_bytes),
        (
            "rabbitmq_queue_messages_unacked_bytes",
            "Size in bytes of unacknowledged message bodies",
            totals.unacked_bytes,
        ),
        ("rabbitmq_connection_channels", "Channels on a connection", totals.channels),
        ("rabbitmq_channel_consumers", "Consumers on a channel", totals.consumers),
        ("rabbitmq_channel_messages_unacked", "Delivered but not yet acknowledged messages", totals.channel_unacked),
        ("rabbitmq_channel_messages_unconfirmed", "Published but not yet confirmed messages", totals.unconfirmed),
        (
            "rabbitmq_channel_messages_uncommitted",
            "Messages received in a transaction but not yet committed",
            totals.uncommitted,
        ),
        (
            "rabbitmq_channel_acks_uncommitted",
            "Message acknowledgements in a transaction not yet committed",
            totals.uncommitted_acks,
        ),
        ("ponymq_exchanges", "Exchanges in all vhosts, predeclared ones included", totals.exchanges),
        ("ponymq_messages_delayed", "Messages that wait in delayed message exchanges", totals.delayed),
        ("ponymq_connections_in_handshake", "Connections that have not finished their handshake", totals.handshakes),
        ("ponymq_connections_not_reading", "Connections whose peer does not read what it is sent", totals.unread),
    )
    metrics = [gauge(name, text, value) for name, text, value in rows]
    metrics.append(gauge("rabbitmq_global_publishers", "Connections that have published", totals.publishers, protocol))
    metrics.append(gauge("rabbitmq_global_consumers", "Consumers currently connected", totals.consumers, protocol))
    return metrics


def machine_metrics(machine: Machine, figures: MachineFigures, alarms: Alarms, uptime_s: float) -> list[Metric]:
    """The process, its memory and its disk. Figures that the system does not give are left out."""
    metrics = [
        gauge("rabbitmq_erlang_uptime_seconds", "Node uptime", uptime_s),
        gauge("rabbitmq_process_resident_memory_bytes", "Memory used in bytes", figures.resident_bytes),
        gauge(
            "rabbitmq_resident_memory_limit_bytes",
            "Memory high watermark in bytes",
            alarms.memory_limit_bytes or machine.memory_limit_bytes,
        ),
        gauge("process_virtual_memory_bytes", "Virtual memory size in bytes", figures.virtual_bytes),
        gauge("process_resident_memory_bytes", "Resident memory size in bytes", figures.resident_bytes),
        gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds", machine.started_s),
        counter(
            "process_cpu_seconds",
            "Total user and system CPU time spent in seconds",
            figures.cpu_user_s + figures.cpu_system_s,
        ),
        gauge("process_threads", "Threads of the process, workers included", figures.thread_count),
    ]
    if figures.open_files >= 0:
        metrics.append(gauge("rabbitmq_process_open_fds", "Open file descriptors", figures.open_files))
        metrics.append(gauge("process_open_fds", "Number of open file descriptors", figures.open_files))
    if machine.max_files >= 0:
        metrics.append(gauge("rabbitmq_process_max_fds", "Open file descriptors limit", machine.max_files))
        metrics.append(gauge("process_max_fds", "Maximum number of open file descriptors", machine.max_files))
    if figures.disk_free_bytes >= 0:
        metrics.append(
            gauge("rabbitmq_disk_space_available_bytes", "Disk space available in bytes", figures.disk_free_bytes)
        )
        metrics.append(
            gauge(
                "rabbitmq_disk_space_available_limit_bytes",
                "Free disk space low watermark in bytes",
                alarms.disk_free_limit_bytes,
            )
        )
        metrics.append(gauge("ponymq_disk_size_bytes", "Size of the data directory's disk", figures.disk_bytes))
    return metrics


def alarm_metrics(alarms: Alarms, messages_refused: int) -> list[Metric]:
    """The resource alarms, and what they cost publishers."""
    return [
        gauge("rabbitmq_alarms_memory_used_watermark", "is 1 if VM memory watermark alarm is in effect", alarms.memory),
        gauge(
            "rabbitmq_alarms_free_disk_space_watermark",
            "is 1 if free disk space watermark alarm is in effect",
            alarms.disk,
        ),
        # No longer RabbitMQ's, but rules in use ask for it. Here no alarm watches the files.
        gauge("rabbitmq_alarms_file_descriptor_limit", "is 1 if file descriptor limit alarm is in effect", 0),
        counter("ponymq_messages_refused", "Messages refused for want of memory or disk", messages_refused),
    ]


def coarse_node_metrics(machine: Machine, figures: MachineFigures, alarms: Alarms, uptime_s: float) -> list[Metric]:
    """What RabbitMQ has in the families ``node_coarse_metrics`` and ``node_metrics``, under its detailed names."""
    metrics: list[Metric] = []
    for metric in machine_metrics(machine, figures, alarms, uptime_s):
        if metric.name.startswith("rabbitmq_"):
            name = metric.name.replace("rabbitmq_", "rabbitmq_detailed_", 1)
            metrics.append(gauge(name, metric.documentation, metric.samples[0].value))
    return metrics


def spool_metrics(window: MemoryWindow | None, spool: Spool | None) -> list[Metric]:
    """Long queues: what of them is in memory, and what in files of their own."""
    metrics: list[Metric] = []
    if window is not None:
        text = "Size of the ready messages that are in memory, overhead included"
        metrics.append(gauge("ponymq_window_bytes", text, window.used))
    if spool is not None:
        text = "Size of the files of messages that memory has no room for"
        metrics.append(gauge("ponymq_spool_bytes", text, spool.octets))
    return metrics


def store_metrics(store: Store, waiting_channels: int) -> list[Metric]:
    """The commit log, from the store's own bookkeeping.

    Args:
        store: The store.
        waiting_channels: Channels with confirms that wait for a sync.
    """
    return [
        gauge("ponymq_log_bytes", "Size of all segments of the commit log", store.log.bytes),
        gauge("ponymq_log_segments", "Segments of the commit log", len(store.log.segments)),
        counter("ponymq_log_batches_written", "Last batch handed to the operating system", store.written),
        counter("ponymq_log_batches_synced", "Last batch that a completed sync covers", store.synced),
        gauge("ponymq_log_queues", "Queues that the store keeps messages of", len(store.places)),
        gauge("ponymq_journal_garbage_bytes", "Topology journal written since its snapshot", store.journal_garbage),
        gauge("ponymq_store_failed", "1 if a write or a sync failed for good: nothing is confirmed", store.is_failed),
        gauge("ponymq_confirms_waiting_channels", "Channels with confirms that wait for a sync", waiting_channels),
    ]
