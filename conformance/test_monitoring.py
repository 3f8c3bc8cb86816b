"""What monitoring reads: rates and their past, fields that exporters insist on, queue lengths; a Prometheus server."""

import json
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pika
import pytest
from kombu import Connection, Queue
from pika.adapters.blocking_connection import BlockingChannel

from conformance.brokers import Broker, free_ports
from conformance.http_api import ask

RULES = Path(__file__).resolve().parent.parent / "config" / "alerts.yml"
PROMETHEUS = shutil.which("prometheus")
# Both brokers sample every five seconds; the rate is known with the second sample.
NOTICE_S = 25.0

# What a strict client or an exporter reads of each object; without one of them it fails or tells zeros.
OVERVIEW = {
    "management_version",
    "rabbitmq_version",
    "erlang_version",
    "cluster_name",
    "node",
    "listeners",
    "message_stats",
    "queue_totals",
    "object_totals",
    "churn_rates",
    "statistics_db_event_queue",
    "rates_mode",
    "exchange_types",
}
NODE = {
    "name",
    "type",
    "running",
    "uptime",
    "os_pid",
    "mem_used",
    "mem_limit",
    "mem_alarm",
    "disk_free",
    "disk_free_limit",
    "disk_free_alarm",
    "fd_used",
    "fd_total",
    "sockets_used",
    "sockets_total",
    "proc_used",
    "proc_total",
    "run_queue",
    "processors",
    "rates_mode",
    "enabled_plugins",
    "partitions",
    "applications",
    "auth_mechanisms",
    "gc_num",
    "gc_bytes_reclaimed",
    "context_switches",
    "io_read_count",
    "io_read_bytes",
    "io_read_avg_time",
    "io_write_count",
    "io_sync_count",
    "io_sync_avg_time",
    "io_seek_count",
    "io_reopen_count",
    "mnesia_ram_tx_count",
    "mnesia_disk_tx_count",
    "msg_store_read_count",
    "msg_store_write_count",
    "queue_index_read_count",
    "queue_index_write_count",
    "connection_created",
    "queue_deleted",
    "db_dir",
    "mem_used_details",
}
QUEUE = {
    "name",
    "vhost",
    "type",
    "durable",
    "auto_delete",
    "exclusive",
    "arguments",
    "node",
    "state",
    "messages",
    "messages_ready",
    "messages_unacknowledged",
    "messages_details",
    "messages_ready_details",
    "messages_unacknowledged_details",
    "consumers",
    "memory",
    "consumer_utilisation",
    "consumer_capacity",
    "message_bytes",
    "messages_persistent",
    "head_message_timestamp",
    "policy",
    "effective_policy_definition",
    "message_stats",
    "consumer_details",
    "backing_queue_status",
    "incoming",
    "deliveries",
}
CONSUMER = {
    "consumer_tag",
    "queue",
    "channel_details",
    "ack_required",
    "prefetch_count",
    "exclusive",
    "active",
    "activity_status",
    "arguments",
}
CHANNEL = {
    "name",
    "number",
    "node",
    "vhost",
    "user",
    "state",
    "transactional",
    "confirm",
    "consumer_count",
    "messages_unacknowledged",
    "messages_unconfirmed",
    "prefetch_count",
    "global_prefetch_count",
    "connection_details",
    "message_stats",
}


@pytest.fixture
def busy(broker: Broker) -> Iterator[str]:
    """A queue with a consumer that holds three messages, and an exchange that leads to it."""
    name = "monitored"
    with pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port)) as connection:
        channel = connection.channel()
        channel.queue_declare(name, durable=True)
        channel.exchange_declare("monitored.in", "fanout")
        channel.queue_bind(name, "monitored.in")
        channel.basic_qos(prefetch_count=3)
        channel.basic_consume(name, lambda *_: None, consumer_tag="holder")
        publish(channel, 10)
        connection.process_data_events(0.2)
        yield name
        channel.basic_cancel("holder")
        channel.queue_delete(name)
        channel.exchange_delete("monitored.in")


def publish(channel: BlockingChannel, count: int) -> None:
    for _ in range(count):
        channel.basic_publish("monitored.in", "", b"text")


def get(broker: Broker, path: str) -> Any:
    status, answer = ask(broker, "GET", path)
    assert status == 200, answer
    return answer


def soon(read: Callable[[], Any], is_right: Callable[[Any], bool]) -> Any:
    """What is read, as soon as it is right: statistics come some seconds after what they are about."""
    deadline = time.monotonic() + NOTICE_S
    value = read()
    while not is_right(value):
        assert time.monotonic() < deadline, value
        time.sleep(0.5)
        value = read()
    return value


def has(fields: set[str]) -> Callable[[Any], bool]:
    return lambda view: fields <= set(view)


@pytest.mark.parametrize(
    ("path", "fields"),
    [("/overview", OVERVIEW), ("/nodes", NODE), ("/queues/%2F/monitored", QUEUE), ("/consumers/%2F", CONSUMER)],
)
def test_fields_that_exporters_insist_on_are_there(broker: Broker, busy: str, path: str, fields: set[str]) -> None:
    def read() -> Any:
        answer = get(broker, path)
        rows = answer if isinstance(answer, list) else [answer]
        # Other tests share the broker, and may have consumers.
        return next((row for row in rows if row.get("consumer_tag", "holder") == "holder"), {})

    soon(read, has(fields))


def test_channel_has_the_fields_that_exporters_insist_on(broker: Broker, busy: str) -> None:
    soon(lambda: next((each for each in get(broker, "/channels") if each.get("consumer_count")), {}), has(CHANNEL))


def test_rates_follow_what_is_published(broker: Broker, busy: str) -> None:
    with pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port)) as connection:
        channel = connection.channel()

        def rates() -> dict[str, float]:
            publish(channel, 25)
            connection.process_data_events(0)
            stats = get(broker, "/queues/%2F/monitored").get("message_stats", {})
            overview = get(broker, "/overview")["message_stats"]
            exchange = get(broker, "/exchanges/%2F/monitored.in").get("message_stats", {})
            return {
                "queue": stats.get("publish_details", {}).get("rate", 0.0),
                "overview": overview.get("publish_details", {}).get("rate", 0.0),
                "in": exchange.get("publish_in_details", {}).get("rate", 0.0),
                "out": exchange.get("publish_out_details", {}).get("rate", 0.0),
            }

        # Some 50 a second: how fast this loop runs.
        found = soon(rates, lambda found: all(rate > 1.0 for rate in found.values()))
        assert all(rate < 2000 for rate in found.values())

        def past() -> list[dict[str, Any]]:
            pair = "msg_rates_age=60&msg_rates_incr=5&lengths_age=60&lengths_incr=5"
            queue = get(broker, f"/queues/%2F/monitored?{pair}")
            return [queue["message_stats"]["publish_details"], queue["messages_details"]]

        for details in soon(past, lambda both: all(each["avg_rate"] > 0 for each in both)):
            samples = details["samples"]
            stamps = [each["timestamp"] for each in samples]
            assert stamps == sorted(stamps, reverse=True)
            assert all(stamp % 5000 == 0 for stamp in stamps)
            assert samples[0]["sample"] > samples[-1]["sample"]
            assert details["avg"] > 0


def test_too_many_samples_are_refused(broker: Broker) -> None:
    assert ask(broker, "GET", "/overview?msg_rates_age=60000&msg_rates_incr=5") == (
        400,
        {"error": "bad_request", "reason": "Invalid range parameters: age 60000, incr 5"},
    )


def test_checks_answer_alike(broker: Broker) -> None:
    for path in (
        f"/health/checks/port-listener/{broker.port}",
        "/health/checks/protocol-listener/amqp",
        "/health/checks/virtual-hosts",
        "/health/checks/node-is-quorum-critical",
    ):
        assert get(broker, path)["status"] == "ok", path
    status, answer = ask(broker, "GET", "/health/checks/port-listener/1")
    assert (status, answer["reason"], answer["missing"]) == (503, "No active listener", 1)
    assert ask(broker, "GET", "/health/checks/port-listener/x")[0] == 400
    assert ask(broker, "GET", "/health/checks/protocol-listener/mqtt")[0] == 503


def test_exporter_of_celery_reads_queue_lengths_over_amqp_and_http(broker: Broker, busy: str) -> None:
    """By passive declare, with the properties unknown; and from the list that Flower reads, too."""
    with Connection(f"amqp://guest:guest@{broker.host}:{broker.port}//") as connection:
        declared = Queue(busy, channel=connection.default_channel, no_declare=True).queue_declare(passive=True)
        assert (declared.message_count, declared.consumer_count) == (7, 1)
        with pytest.raises(connection.channel_errors, match="NOT_FOUND"):
            Queue("monitored.absent", channel=connection.channel()).queue_declare(passive=True)

    def row() -> Any:
        return next((each for each in get(broker, "/queues") if each["name"] == busy), {})

    found = soon(row, lambda found: found.get("messages") == 10)
    assert (found["messages_ready"], found["messages_unacknowledged"], found["consumers"]) == (7, 3, 1)


@pytest.mark.skipif(PROMETHEUS is None, reason="no Prometheus server is installed: Debian's package prometheus")
def test_prometheus_scrapes_the_broker_and_evaluates_the_alert_rules(broker: Broker, busy: str, tmp_path: Path) -> None:
    if broker.name == "rabbitmq":
        pytest.skip("the rules ask for figures of ours")
    assert PROMETHEUS is not None
    (port,) = free_ports(1)
    target = f"{broker.host}:{broker.metrics_port}"
    families = ["queue_coarse_metrics", "queue_consumer_count"]
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(RULES)],
        "scrape_configs": [
            {"job_name": "ponymq", "static_configs": [{"targets": [target]}]},
            {
                "job_name": "ponymq-queues",
                "metrics_path": "/metrics/detailed",
                "params": {"family": families},
                "static_configs": [{"targets": [target]}],
            },
        ],
    }
    (tmp_path / "prometheus.yml").write_text(json.dumps(config))
    with pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port)) as connection:
        channel = connection.channel()
        channel.queue_declare("monitored.alone", auto_delete=True)
        channel.basic_publish("", "monitored.alone", b"text")
        server = subprocess.Popen(
            [
                PROMETHEUS,
                f"--config.file={tmp_path}/prometheus.yml",
                f"--storage.tsdb.path={tmp_path}/tsdb",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _see_the_broker(port, busy)
        finally:
            server.terminate()
            server.wait(10)
            channel.queue_delete("monitored.alone")


def _see_the_broker(port: int, busy: str) -> None:
    """Both jobs are up, figures are those of the queue, every rule is evaluated, and one of them is about to fire."""

    def query(path: str, **keys: str) -> Any:
        url = f"http://127.0.0.1:{port}/api/v1/{path}?{urllib.parse.urlencode(keys)}"
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                return json.loads(response.read())["data"]
        except OSError:
            return {}  # it is starting

    def value(expression: str) -> list[float]:
        return [float(each["value"][1]) for each in query("query", query=expression).get("result", [])]

    soon(lambda: value('up{job=~"ponymq.*"}'), lambda found: found == [1.0, 1.0])
    soon(lambda: value(f'rabbitmq_detailed_queue_messages_unacked{{queue="{busy}"}}'), lambda found: found == [3.0])
    assert value("sum(rabbitmq_queue_messages_unacked)")[0] >= 3.0
    # As the official dashboard joins them.
    assert value("rabbitmq_connections * on(instance, job) group_left(rabbitmq_node) rabbitmq_identity_info")[0] >= 1.0

    def rules() -> list[dict[str, Any]]:
        return [rule for group in query("rules").get("groups", []) for rule in group["rules"]]

    listed = soon(rules, lambda found: bool(found) and all(rule["health"] == "ok" for rule in found))
    assert len(listed) >= 20

    def pending() -> set[tuple[str, str]]:
        alerts = query("alerts").get("alerts", [])
        return {(each["labels"]["alertname"], each["labels"].get("queue", "")) for each in alerts}

    soon(pending, lambda found: ("PonyMQQueueWithoutConsumers", "monitored.alone") in found)
