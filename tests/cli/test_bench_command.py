"""``ponymqctl bench`` against a running broker."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pika
import pytest
from typer.testing import CliRunner

from broker.cli.amqp_client import AmqpClient
from broker.cli.amqp_frames import publish
from broker.cli.api_client import ApiClient
from broker.cli.control_command import app
from broker.cli.load_test import Confirms, Outcome
from tests.crash.daemon import Daemon


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    running = Daemon(tmp_path_factory.mktemp("bench"))
    running.start()
    try:
        yield running
    finally:
        running.kill()


def uri_of(daemon: Daemon) -> str:
    return f"amqp://guest:guest@127.0.0.1:{daemon.port}/%2F"


def queues_of(daemon: Daemon) -> object:
    return ApiClient(f"unix://{daemon.data_dir}/ponymqctl.sock", "", "").get("/api/queues")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--persistent", "--confirm", "--publishers", "2"),
        ("--auto-ack", "--consumers", "3"),
        ("--queue-type", "quorum", "--confirm"),
        ("--queue-type", "stream"),
        ("--size", "0"),
        ("--size", "100000"),
        ("--rate", "2000"),
    ],
)
def test_everything_that_is_published_arrives_and_the_queue_is_gone(daemon: Daemon, words: tuple[str, ...]) -> None:
    command = ["bench", "--uri", uri_of(daemon), "--messages", "450", *words, "--format", "json"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    assert (figures["published"], figures["consumed"]) == (450, 450)
    if "--confirm" in words:
        assert (figures["confirmed"], figures["refused"]) == (450, 0)
    if "0" not in words:
        assert 0 < figures["latency_p50_ms"] <= figures["latency_p99_ms"] <= figures["latency_max_ms"]
    assert queues_of(daemon) == []


def test_a_wrong_password_is_told_in_one_line(daemon: Daemon) -> None:
    uri = uri_of(daemon).replace("guest:guest", "guest:wrong")
    result = CliRunner().invoke(app, ["bench", "--uri", uri])
    assert (result.exit_code, result.stdout) == (69, "")
    assert "ACCESS_REFUSED" in result.stderr
    assert "wrong" not in result.stderr


@pytest.mark.parametrize("uri", ["http://127.0.0.1", "amqp://127.0.0.1:1", "nonsense"])
def test_a_broker_that_cannot_be_reached_ends_with_69(uri: str) -> None:
    result = CliRunner().invoke(app, ["bench", "--uri", uri])
    assert (result.exit_code, result.stderr.count("\n")) == (69, 1)


def test_an_interrupted_test_deletes_its_queue(daemon: Daemon, tmp_path: Path) -> None:
    start = "from broker.cli.control_command import main; main()"
    command = [sys.executable, "-c", start, "bench", "--uri", uri_of(daemon), "--seconds", "60", "--rate", "100"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while queues_of(daemon) == [] and time.monotonic() < deadline:
        time.sleep(0.05)  # another process is waited for
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"ponymqctl: interrupted; the queue is deleted\n")
    assert queues_of(daemon) == []


def test_a_message_is_what_other_clients_read(daemon: Daemon) -> None:
    with pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", daemon.port)) as connection:
        channel = connection.channel()
        channel.queue_declare("seen", exclusive=True)
        octets, body_at = publish(b"seen", 20, is_persistent=True)
        assert octets[body_at : body_at + 20] == bytes(8) + b"x" * 12
        connection._impl._output_marshaled_frames([octets])
        properties = body = None
        while body is None:
            _, properties, body = channel.basic_get("seen", auto_ack=True)
        assert (properties.delivery_mode, body) == (2, bytes(8) + b"x" * 12)


def test_confirms_are_counted_once_in_whatever_order_they_come() -> None:
    outcome = Outcome()
    confirms = Confirms(AmqpClient.__new__(AmqpClient), outcome)
    assert [confirms._take(3, False), confirms._take(1, False), confirms._take(4, True), confirms._take(4, True)] == [
        1,
        1,
        2,
        0,
    ]
    assert confirms.settled == 4


def test_a_latency_is_that_which_so_many_do_not_exceed() -> None:
    outcome = Outcome(latencies_ms=[float(number) for number in range(100)])
    assert [outcome.latency_ms(share) for share in (0.5, 0.99, 1.0)] == [50.0, 99.0, 99.0]
    assert Outcome().latency_ms(0.5) == -1.0
