"""The three endpoints, read back with Prometheus's own parser."""

import pytest
from pamqp import commands

from broker.metrics.families import PIECE
from broker.metrics.machine import Machine
from broker.metrics.peers import ChannelFigures, ConnectionFigures
from broker.metrics.scrape import Filter, Scraper
from broker.queues.window import MemoryWindow
from tests.metrics.conftest import NoPeers
from tests.metrics.reading import Reading
from tests.metrics.scene import Broker, Client

# Every name that RabbitMQ's official Overview dashboard asks for.
DASHBOARD = [
    "rabbitmq_identity_info",
    "rabbitmq_build_info",
    "rabbitmq_erlang_uptime_seconds",
    "rabbitmq_queue_messages_ready",
    "rabbitmq_queue_messages_unacked",
    "rabbitmq_connections",
    "rabbitmq_channels",
    "rabbitmq_queues",
    "rabbitmq_global_publishers",
    "rabbitmq_global_consumers",
    "rabbitmq_global_messages_received_total",
    "rabbitmq_global_messages_received_confirm_total",
    "rabbitmq_global_messages_confirmed_total",
    "rabbitmq_global_messages_routed_total",
    "rabbitmq_global_messages_unroutable_dropped_total",
    "rabbitmq_global_messages_unroutable_returned_total",
    "rabbitmq_global_messages_delivered_total",
    "rabbitmq_global_messages_delivered_consume_auto_ack_total",
    "rabbitmq_global_messages_delivered_consume_manual_ack_total",
    "rabbitmq_global_messages_delivered_get_auto_ack_total",
    "rabbitmq_global_messages_delivered_get_manual_ack_total",
    "rabbitmq_global_messages_get_empty_total",
    "rabbitmq_global_messages_redelivered_total",
    "rabbitmq_global_messages_acknowledged_total",
    "rabbitmq_resident_memory_limit_bytes",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_alarms_free_disk_space_watermark",
    "rabbitmq_process_resident_memory_bytes",
    "rabbitmq_disk_space_available_bytes",
    "rabbitmq_disk_space_available_limit_bytes",
    "rabbitmq_process_max_fds",
    "rabbitmq_process_open_fds",
    "rabbitmq_queues_declared_total",
    "rabbitmq_queues_created_total",
    "rabbitmq_queues_deleted_total",
    "rabbitmq_channels_opened_total",
    "rabbitmq_channels_closed_total",
    "rabbitmq_connections_opened_total",
    "rabbitmq_connections_closed_total",
    "rabbitmq_message_size_bytes_bucket",
    "rabbitmq_message_size_bytes_sum",
    "rabbitmq_message_size_bytes_count",
]


def detailed(scraper: Scraper, *families: str, vhosts: tuple[str, ...] = (), queue: str = "") -> Reading:
    return Reading(scraper.detailed(Filter(frozenset(families), frozenset(vhosts), queue)))


@pytest.mark.parametrize("name", DASHBOARD)
def test_aggregated_has_every_name_of_the_dashboard_from_boot(scraper: Scraper, name: str) -> None:
    assert name in Reading(scraper.aggregated()).names


def test_counters_are_zero_at_boot_and_typed_as_counters(scraper: Scraper) -> None:
    reading = Reading(scraper.aggregated())
    assert reading.value("rabbitmq_global_messages_received_total", protocol="amqp091") == 0
    assert reading.types["rabbitmq_global_messages_received"] == "counter"
    assert reading.types["rabbitmq_queue_messages_ready"] == "gauge"


@pytest.mark.parametrize(("method", "endpoint"), [("aggregated", "aggregated"), ("per_object", "per-object")])
def test_identity_row_names_the_endpoint(scraper: Scraper, method: str, endpoint: str) -> None:
    reading = Reading(getattr(scraper, method)())
    assert reading.value("rabbitmq_identity_info", rabbitmq_endpoint=endpoint, rabbitmq_cluster="stable") == 1


def test_detailed_without_family_gives_nothing_but_the_identity(scraper: Scraper) -> None:
    assert detailed(scraper).names == {"rabbitmq_identity_info", "rabbitmq_build_info"}


def test_aggregated_counts_what_clients_did(broker: Broker, scraper: Scraper) -> None:
    client = Client(broker)
    client.declare("jobs", durable=True)
    client.tell(commands.Confirm.Select())
    client.publish("jobs", b"x" * 150, persistent=True)
    client.publish("jobs", b"y" * 50)
    client.publish("nowhere", b"")
    client.publish("nowhere", b"", mandatory=True)
    broker.sync()
    client.tell(commands.Basic.Get(queue="jobs"))
    client.tell(commands.Basic.Ack(1))
    client.tell(commands.Basic.Get(queue="jobs"))
    client.tell(commands.Basic.Reject(2, requeue=True))
    client.tell(commands.Basic.Consume(queue="jobs", no_ack=True))
    client.tell(commands.Queue.Declare(queue="empty"))
    client.tell(commands.Basic.Get(queue="empty"))

    reading = Reading(scraper.aggregated())
    counted = {
        name: reading.value(f"rabbitmq_global_messages_{name}_total")
        for name in (
            "received",
            "received_confirm",
            "confirmed",
            "routed",
            "unroutable_dropped",
            "unroutable_returned",
            "delivered",
            "delivered_get_manual_ack",
            "delivered_consume_auto_ack",
            "redelivered",
            "acknowledged",
            "get_empty",
        )
    }
    assert counted == {
        "received": 4,
        "received_confirm": 4,
        "confirmed": 4,
        "routed": 2,
        "unroutable_dropped": 1,
        "unroutable_returned": 1,
        "delivered": 3,
        "delivered_get_manual_ack": 2,
        "delivered_consume_auto_ack": 1,
        "redelivered": 1,
        "acknowledged": 1,
        "get_empty": 1,
    }
    assert reading.value("rabbitmq_io_sync_ops_total") == 1
    assert reading.value("rabbitmq_io_sync_time_seconds_total") == 0.25
    assert reading.value("ponymq_sync_seconds_total") == 0.25
    assert reading.value("ponymq_log_bytes") > 150
    assert reading.value("rabbitmq_message_size_bytes_bucket", le="100.0") == 3
    assert reading.value("rabbitmq_message_size_bytes_bucket", le="1000.0") == 4
    assert reading.value("rabbitmq_message_size_bytes_sum") == 200
    assert reading.value("rabbitmq_auth_attempts_succeeded_total") == 1


def test_totals_do_not_fall_when_the_queue_goes(broker: Broker, scraper: Scraper) -> None:
    client = Client(broker)
    client.declare("brief")
    client.tell(commands.Basic.Consume(queue="brief", no_ack=True))
    client.publish("brief", b"1")
    client.tell(commands.Queue.Delete(queue="brief"))
    reading = Reading(scraper.aggregated())
    assert reading.value("rabbitmq_queues") == 0
    assert reading.value("rabbitmq_queue_messages_delivered_total") == 1
    assert reading.value("rabbitmq_queues_deleted_total") == 1


def test_histogram_bounds_are_spelled_as_the_dashboard_selects_them(scraper: Scraper) -> None:
    text = Reading(scraper.aggregated()).text
    bounds = [line.split('le="')[1].split('"')[0] for line in text.splitlines() if "size_bytes_bucket{" in line]
    assert bounds == ["100.0", "1000.0", "10000.0", "100000.0", "1e+06", "1e+07", "5e+07", "1e+08", "+Inf"]


def test_per_object_has_a_row_for_each_queue(broker: Broker, scraper: Scraper) -> None:
    client = Client(broker)
    client.declare("a")
    client.declare("b", durable=True, arguments={"x-queue-type": "quorum"})
    client.publish("a", b"12345")
    client.publish("a", b"123")
    client.tell(commands.Basic.Get(queue="a"))
    reading = Reading(scraper.per_object())
    assert reading.value("rabbitmq_queue_messages_ready", vhost="/", queue="a") == 1
    assert reading.value("rabbitmq_queue_messages_unacked", vhost="/", queue="a") == 1
    assert reading.value("rabbitmq_queue_messages_bytes", vhost="/", queue="a") == 8
    assert reading.value("rabbitmq_queue_messages_ready_bytes", vhost="/", queue="a") == 3
    assert reading.value("rabbitmq_queue_messages_ready", vhost="/", queue="b") == 0
    assert reading.value("ponymq_queue_got_total", queue="a") == 1
    assert reading.value("rabbitmq_queue_info", queue="a", queue_type="rabbit_classic_queue") == 1
    assert reading.value("rabbitmq_queue_info", queue="b", queue_type="rabbit_quorum_queue") == 1
    assert reading.value("rabbitmq_queues") == 2


def test_more_queues_than_one_piece_stay_one_group(broker: Broker, scraper: Scraper) -> None:
    vhost = broker.turn.vhosts["/"]
    for i in range(2 * PIECE + 1):
        vhost.declare_queue(b"q%d" % i, False, False, False, {}, 0)
    reading = detailed(scraper, "queue_consumer_count")
    rows = [value for (name, _), value in reading.samples.items() if name == "rabbitmq_detailed_queue_consumers"]
    assert len(rows) == 2 * PIECE + 1
    assert reading.text.count("# TYPE rabbitmq_detailed_queue_consumers ") == 1


@pytest.mark.parametrize(
    ("vhosts", "queue", "left"),
    [
        ((), "", {("/", "celery"), ("/", "mail"), ("other", "celery")}),
        (("/",), "", {("/", "celery"), ("/", "mail")}),
        (("/", "other"), "^CEL", {("/", "celery"), ("other", "celery")}),
        (("absent",), "", set()),
    ],
)
def test_detailed_keeps_to_the_vhosts_and_names_asked_for(
    broker: Broker, scraper: Scraper, vhosts: tuple[str, ...], queue: str, left: set[tuple[str, str]]
) -> None:
    for vhost, name in (("/", b"celery"), ("/", b"mail"), ("other", b"celery")):
        broker.turn.vhosts[vhost].declare_queue(name, False, False, False, {}, 0)
    reading = detailed(scraper, "queue_coarse_metrics", vhosts=vhosts, queue=queue)
    rows = {
        tuple(v for _, v in sorted(labels, reverse=True)) for name, labels in reading.samples if name.endswith("_ready")
    }
    assert rows == left


def test_detailed_refuses_an_expression_that_could_hold_the_broker_up(scraper: Scraper) -> None:
    with pytest.raises(ValueError, match="group"):
        scraper.detailed(Filter(frozenset({"queue_metrics"}), queue="(a+)+b"))


def test_a_family_asked_for_through_two_groups_comes_once(broker: Broker, scraper: Scraper) -> None:
    broker.turn.vhosts["/"].declare_queue(b"q", False, False, False, {}, 0)
    both = detailed(scraper, "queue_metrics", "queue_consumer_count")
    alone = detailed(scraper, "queue_metrics")
    for reading in (both, alone):
        assert reading.value("rabbitmq_detailed_queue_consumers", queue="q") == 0


def test_names_that_clients_chose_survive_the_text(broker: Broker, scraper: Scraper) -> None:
    for name in (b'quote"d', b"two\nlines", b"back\\slash", b"\xff\xfe", "dürer".encode()):
        broker.turn.vhosts["/"].declare_queue(name, False, False, False, {}, 0)
    reading = detailed(scraper, "queue_consumer_count")
    names = {dict(labels)["queue"] for name, labels in reading.samples if name.endswith("_consumers")}
    assert names == {'quote"d', "two\nlines", "back\\slash", "\\xff\\xfe", "dürer"}


def test_peers_have_their_rows(peers: NoPeers, scraper: Scraper) -> None:
    peers.open.append(ConnectionFigures("c", 1, 100, 200, is_publisher=True, is_reading_stopped=True))
    peers.running.append(ChannelFigures("c (1)", 2, 3, 4, 5, 6, 7, 8))
    aggregated = Reading(scraper.aggregated())
    assert aggregated.value("rabbitmq_connections") == 1
    assert aggregated.value("rabbitmq_global_publishers", protocol="amqp091") == 1
    assert aggregated.value("rabbitmq_channel_messages_unconfirmed") == 4
    assert aggregated.value("ponymq_connections_not_reading") == 1
    single = detailed(scraper, "channel_metrics", "connection_coarse_metrics")
    assert single.value("rabbitmq_detailed_channel_messages_unacked", channel="c (1)") == 3
    assert single.value("rabbitmq_detailed_channel_prefetch", channel="c (1)") == 8
    assert single.value("rabbitmq_detailed_connection_outgoing_bytes_total", connection="c") == 200
    assert "rabbitmq_detailed_connection_channels" not in single.names
    per_object = Reading(scraper.per_object())
    assert per_object.value("rabbitmq_connection_channels", connection="c") == 1


def test_churn_and_logins_are_families_of_their_own(broker: Broker, scraper: Scraper) -> None:
    Client(broker)
    reading = detailed(scraper, "connection_churn_metrics", "auth_attempt_metrics", "node_persister_metrics")
    assert reading.value("rabbitmq_detailed_connections_opened_total") == 1
    assert reading.value("rabbitmq_detailed_auth_attempts_total", protocol="amqp091") == 1
    assert reading.value("rabbitmq_detailed_io_sync_ops_total") == 0


def test_uptime_is_told_from_the_brokers_clock(broker: Broker, scraper: Scraper) -> None:
    broker.clock.advance(90.0)
    assert Reading(scraper.aggregated()).value("rabbitmq_erlang_uptime_seconds") == 90


def test_a_disk_that_cannot_be_read_is_left_out(broker: Broker, peers: NoPeers) -> None:
    blind = Scraper(broker.turn, peers, broker.node, Machine("/nonexistent/by/design"), broker.clock)
    reading = Reading(blind.aggregated())
    assert "rabbitmq_disk_space_available_bytes" not in reading.names
    assert reading.value("rabbitmq_process_resident_memory_bytes") > 1_000_000
    assert reading.value("rabbitmq_process_open_fds") <= reading.value("rabbitmq_process_max_fds")


def test_alarms_and_their_limits_are_told(broker: Broker, scraper: Scraper) -> None:
    alarms = broker.turn.alarms
    alarms.memory_limit_bytes, alarms.disk_free_limit_bytes = 600, 50
    alarms.set_memory(True, 0.0)
    broker.counters.messages_refused = 3
    reading = Reading(scraper.aggregated())
    assert reading.value("rabbitmq_alarms_memory_used_watermark") == 1
    assert reading.value("rabbitmq_alarms_free_disk_space_watermark") == 0
    assert reading.value("rabbitmq_resident_memory_limit_bytes") == 600
    assert reading.value("rabbitmq_disk_space_available_limit_bytes") == 50
    assert reading.value("ponymq_messages_refused_total") == 3
    alarms.set_memory(False, 0.0)
    alarms.set_disk_full(True, 0.0)
    reading = Reading(scraper.per_object())
    assert reading.value("rabbitmq_alarms_memory_used_watermark") == 0
    assert reading.value("rabbitmq_alarms_free_disk_space_watermark") == 1


def test_vhosts_and_exchanges_have_their_rows(broker: Broker, scraper: Scraper) -> None:
    client = Client(broker)
    client.declare("q")
    client.publish("q", b"1")
    client.tell(commands.Queue.Bind(queue="q", exchange="amq.topic", routing_key="#"))
    reading = detailed(
        scraper, "vhost_status", "exchange_bindings", "exchange_names", "exchange_metrics", vhosts=("/",)
    )
    assert reading.value("rabbitmq_cluster_vhost_status") == 1
    assert reading.value("rabbitmq_cluster_exchange_bindings", exchange="amq.topic", type="topic", vhost="/") == 1
    assert reading.value("rabbitmq_cluster_exchange_name", exchange="amq.fanout") == 1
    assert reading.value("rabbitmq_detailed_exchange_messages_published_total", exchange="", vhost="/") == 1
    assert reading.value("ponymq_detailed_exchange_messages_routed_total", exchange="", vhost="/") == 1


def test_what_the_store_and_the_window_know_of_a_queue_is_told(broker: Broker, scraper: Scraper) -> None:
    broker.turn.agenda.window = MemoryWindow(queue_bytes=2000)
    client = Client(broker)
    client.declare("q", durable=True)
    for _ in range(3):
        client.publish("q", b"x" * 1000, persistent=True)
    client.publish("q", b"")
    reading = detailed(scraper, "queue_metrics", "queue_info")
    assert reading.value("rabbitmq_detailed_queue_messages_persistent", queue="q") == 3
    assert reading.value("rabbitmq_detailed_queue_process_memory_bytes", queue="q") == 2000
    assert reading.value("rabbitmq_detailed_queue_info", queue="q", queue_type="rabbit_classic_queue") == 1
    assert Reading(scraper.aggregated()).value("ponymq_window_bytes") == 0  # only queues that can spool count there


def test_node_families_have_detailed_names(scraper: Scraper) -> None:
    reading = detailed(scraper, "node_coarse_metrics")
    assert reading.value("rabbitmq_detailed_process_resident_memory_bytes") > 1_000_000
    assert "rabbitmq_process_resident_memory_bytes" not in reading.names
