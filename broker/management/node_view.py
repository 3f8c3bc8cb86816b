"""The node as the API shows it: the process, its memory, its disk."""

import os
import platform
from typing import Final

from broker.auth.sasl import MECHANISMS
from broker.management.facts import Facts
from broker.management.json_values import Json
from broker.management.overview import contexts, exchange_types
from broker.management.stats import Spans, with_rates
from broker.metrics.figures import NODE_FIGURES, node_counts
from broker.metrics.machine import MachineFigures

# What RabbitMQ's plugins of these names do is built in.
PLUGINS: Final = ("rabbitmq_management", "rabbitmq_prometheus")
# Typed clients insist on these. What they count does not exist here, or is not counted.
ZEROS: Final = (
    "gc_bytes_reclaimed",
    "io_file_handle_open_attempt_avg_time",
    "io_file_handle_open_attempt_count",
    "io_read_avg_time",
    "io_read_bytes",
    "io_read_count",
    "io_reopen_count",
    "io_seek_avg_time",
    "io_seek_count",
    "io_write_avg_time",
    "io_write_bytes",
    "io_write_count",
    "metadata_store_size",
    "mnesia_disk_tx_count",
    "mnesia_ram_tx_count",
    "msg_store_read_count",
    "msg_store_write_count",
    "queue_index_journal_write_count",
    "queue_index_read_count",
    "queue_index_write_count",
)
LONGEST_UPTIME_MS: Final = 2**32 - 1  # a typed client reads 32 bits: from the 49th day on it is told this
NO_DETAILS: Final = {"rate": 0.0}


def node_view(facts: Facts, spans: Spans, *, with_memory: bool) -> Json:
    """The row of the only node.

    Args:
        facts: The broker.
        spans: The past asked for.
        with_memory: What the memory is used for as well.
    """
    context, machine = facts.context, facts.machine
    counters, alarms = context.counters, context.alarms
    figures = facts.sampler.machine or machine.look()
    tracks = facts.sampler.node
    uptime_s = context.clock.monotonic_s() - facts.node.started_s
    view: Json = {
        "name": facts.node.name,
        "type": "disc",
        "running": True,
        "being_drained": False,
        "os_pid": str(os.getpid()),
        "uptime": min(int(uptime_s * 1000), LONGEST_UPTIME_MS),
        "run_queue": 0,
        "processors": os.cpu_count() or 1,
        "rates_mode": facts.rates_mode,
        "rabbitmq_version": facts.node.rabbitmq_version,
        "erlang_version": f"Python {platform.python_version()}",
        "mem_limit": alarms.memory_limit_bytes or machine.memory_limit_bytes,
        "mem_alarm": alarms.memory,
        "mem_calculation_strategy": "rss",
        "disk_free_limit": alarms.disk_free_limit_bytes,
        "disk_free_alarm": alarms.disk,
        "fd_total": max(machine.max_files, 1),
        "sockets_total": max(machine.max_files, 1),
        "proc_total": max(machine.max_threads, 1),
        **with_rates(
            NODE_FIGURES.groups["node"],
            node_counts(counters, facts.peers.connection_count(), figures),
            tracks.rates(""),
            facts.samples(tracks, "", spans.node_stats),
        ),
        "io_sync_avg_time": counters.sync_seconds * 1000 / int(counters.syncs) if counters.syncs else 0.0,
        "io_sync_avg_time_details": NO_DETAILS,
        "partitions": [],
        "cluster_links": [],
        "metrics_gc_queue_length": {},
        "net_ticktime": 60,
        "applications": [
            {"name": "ponymq", "description": facts.node.product_name, "version": facts.node.product_version}
        ],
        "enabled_plugins": list(PLUGINS),
        "auth_mechanisms": [{"name": name.decode(), "description": "", "enabled": True} for name in MECHANISMS.split()],
        "exchange_types": exchange_types(),
        "contexts": contexts(facts),
        "log_files": ["<stderr>"],
        "config_files": [],
        "db_dir": context.turn.store.directory.path,
    }
    for name in ZEROS:
        view[name] = 0
        view[f"{name}_details"] = NO_DETAILS
    if with_memory:
        view["memory"] = memory_view(facts, figures)
    return view


def memory_view(facts: Facts, figures: MachineFigures) -> Json:
    """What the memory is used for: what the queues know of, and the rest. RabbitMQ's names, as far as they fit."""
    window = facts.context.turn.agenda.window
    messages = int(window.used) if window is not None else 0
    resident = figures.resident_bytes
    return {
        "queue_procs": messages,
        "other_proc": max(resident - messages, 0),
        "total": {"rss": resident, "allocated": resident, "erlang": resident},
        "strategy": "rss",
    }


def relative_memory_view(facts: Facts, figures: MachineFigures) -> Json:
    """The same in percent of the whole."""
    parts = memory_view(facts, figures)
    return {
        "queue_procs": _percent(parts["queue_procs"], figures.resident_bytes),
        "other_proc": _percent(parts["other_proc"], figures.resident_bytes),
        "total": 100,
    }


def _percent(part: object, whole: int) -> int:
    return round(part * 100 / whole) if isinstance(part, int) and whole else 0
