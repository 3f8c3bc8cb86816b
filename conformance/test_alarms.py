"""Memory alarms as clients meet them: connection.blocked, what becomes of publishes, and connection.unblocked."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import amqp
import kombu.connection
import psutil
import pytest
from pika.exceptions import AMQPError, ConnectionClosedByBroker, NackError

from conformance.brokers import Broker, PonyMQ, RabbitMQ
from conformance.clients import WAIT_SECONDS, Inbox, connect, drain, ready, wait_until
from conformance.deviations import deviates

MIB = 1 << 20
ROOM_BYTES = 24 * MIB  # memory between idle and the alarm
BODY_BYTES = 256 * 1024
GRACE_SECONDS = 1.0


@pytest.fixture
def alarmed(broker_name: str, tmp_path: Path) -> Iterator[Broker]:
    """A broker whose memory alarm is on from the start."""
    directory = tmp_path / "broker"
    directory.mkdir()
    started: Broker
    if broker_name == "ponymq":
        grace = f"amqp.blocked_grace_s={GRACE_SECONDS}"
        started = PonyMQ(directory, ["--set", "limits.memory_high_watermark=0", "--set", grace])
    else:
        started = RabbitMQ(directory, config="vm_memory_high_watermark.absolute = 1MB")
    try:
        started.start()
        yield started
    finally:
        started.close()


@pytest.fixture
def small(broker_name: str, tmp_path: Path) -> Iterator[Broker]:
    """A broker that has little memory above what it needs when idle, and the watermark to notice."""
    if broker_name != "ponymq":
        pytest.skip("what RabbitMQ takes when idle varies by more than what a test can fill")
    for name in ("idle", "small"):
        (tmp_path / name).mkdir()
    idle = PonyMQ(tmp_path / "idle")
    with closing(idle):
        idle.start()
        limit = psutil.Process(idle.pid).memory_info().rss + ROOM_BYTES
    started = PonyMQ(tmp_path / "small", ["--set", f"limits.memory_high_watermark={limit}"])
    with closing(started):
        started.start()
        yield started


def fill(channel: Any, queue: str) -> int:
    """Publish with confirms, and fetch without acks, until the broker refuses; returns how many it took.

    The newest deliveries of a channel stay in the broker's memory until they are settled.
    """
    taken = 0
    try:
        while True:
            channel.basic_publish("", queue, bytes(BODY_BYTES))
            assert channel.basic_get(queue)[0] is not None
            taken += 1
            assert taken * BODY_BYTES < 20 * ROOM_BYTES, "no alarm"
    except NackError:
        return taken


def give_back(channel: Any) -> None:
    """Return everything that ``fill`` has fetched."""
    channel.basic_nack(0, multiple=True, requeue=True)


def go_on(channel: Any, queue: str) -> None:
    """Publish without confirms, whatever the broker says, until the connection ends or time is up."""
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        channel.basic_publish("", queue, b"1")
        channel.connection.process_data_events(time_limit=0.02)


def after_alarm(publish: Callable[[], object], refusal: type[Exception]) -> None:
    """Publish again and again until the broker takes it."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            publish()
        except refusal:
            assert time.monotonic() < deadline, "publishers are still refused"
            time.sleep(0.05)  # what ends the alarm is a timer of the broker's
        else:
            return


def test_publisher_is_told_and_a_connection_that_only_consumes_is_not(alarmed: Broker, name: str) -> None:
    heard: list[tuple[str, str]] = []
    publisher, consumer = connect(alarmed), connect(alarmed)
    for who, connection in (("publisher", publisher), ("consumer", consumer)):
        connection.add_on_connection_blocked_callback(
            lambda _, frame, who=who: heard.append((who, frame.method.reason))
        )
    Inbox(consumer.channel()).channel.queue_declare(name)
    publisher.channel().basic_publish("", name, b"1")
    wait_until(publisher, lambda: heard)
    consumer.channel().queue_declare(name, passive=True)
    assert heard == [("publisher", "low on memory")]
    consumer.close()
    alarmed.kill()  # a blocked RabbitMQ would not read our connection.close
    with suppress(AMQPError):
        publisher.close()


@deviates("alarm-refusal")
def test_confirming_publisher_is_nacked_instead_of_left_waiting(alarmed: Broker, name: str) -> None:
    if alarmed.name == "rabbitmq":
        pytest.skip("waits for the end of the alarm, which does not come")
    connection = connect(alarmed)
    channel = connection.channel()
    channel.queue_declare(name)
    channel.confirm_delivery()
    with pytest.raises(NackError):
        channel.basic_publish("", name, b"1")
    assert ready(channel, name) == 0
    connection.close()


@deviates("alarm-refusal")
def test_publisher_without_confirms_is_closed_after_the_grace_when_it_goes_on(alarmed: Broker, name: str) -> None:
    if alarmed.name == "rabbitmq":
        pytest.skip("waits for the end of the alarm, which does not come")
    connection = connect(alarmed)
    channel = connection.channel()
    channel.queue_declare(name)
    with pytest.raises(ConnectionClosedByBroker) as closed:
        go_on(channel, name)
    assert (closed.value.reply_code, closed.value.reply_text) == (320, "CONNECTION_FORCED - broker is low on memory")


def test_pika_is_blocked_and_unblocked_when_consumers_have_drained(small: Broker, name: str) -> None:
    heard: list[str] = []
    publisher, consumer = connect(small), connect(small)
    publisher.add_on_connection_blocked_callback(lambda *_: heard.append("blocked"))
    publisher.add_on_connection_unblocked_callback(lambda *_: heard.append("unblocked"))
    channel = publisher.channel()
    channel.queue_declare(name)
    channel.confirm_delivery()
    taken = fill(channel, name)
    wait_until(publisher, lambda: heard)
    give_back(channel)
    assert len(drain(consumer.channel(), name)) == taken
    wait_until(publisher, lambda: "unblocked" in heard)
    assert heard == ["blocked", "unblocked"]
    after_alarm(lambda: channel.basic_publish("", name, b"after"), NackError)
    assert drain(consumer.channel(), name) == [b"after"]
    publisher.close()
    consumer.close()


def test_py_amqp_is_blocked_and_unblocked_and_told_of_the_nack(small: Broker, name: str) -> None:
    filler = connect(small)
    channel = filler.channel()
    channel.queue_declare(name)
    channel.confirm_delivery()
    heard: list[str] = []
    connection = amqp.Connection(
        f"{small.host}:{small.port}",
        confirm_publish=True,
        on_blocked=lambda _: heard.append("blocked"),
        on_unblocked=lambda: heard.append("unblocked"),
    )
    connection.connect()
    publisher = connection.channel()
    publisher.basic_publish_confirm(amqp.Message("before"), routing_key=name)
    fill(channel, name)
    with pytest.raises(amqp.exceptions.MessageNacked):
        publisher.basic_publish_confirm(amqp.Message("refused"), routing_key=name)
    assert heard == ["blocked"]
    give_back(channel)
    drain(channel, name)
    while "unblocked" not in heard:
        connection.drain_events(timeout=WAIT_SECONDS)
    assert heard == ["blocked", "unblocked"]
    publisher.basic_publish_confirm(amqp.Message("after"), routing_key=name)
    assert drain(channel, name) == [b"after"]
    connection.close()
    filler.close()


def test_kombu_publishes_with_retries_over_an_alarm(small: Broker, name: str) -> None:
    filler = connect(small)
    channel = filler.channel()
    channel.queue_declare(name)
    channel.confirm_delivery()
    fill(channel, name)
    with kombu.connection.Connection(small.url, transport_options={"confirm_publish": True}) as connection:
        producer = connection.Producer()
        with pytest.raises(amqp.exceptions.MessageNacked):
            producer.publish("refused", routing_key=name, retry=False)
        give_back(channel)
        drain(channel, name)
        after_alarm(
            lambda: producer.publish("after", routing_key=name, serializer="raw", content_type="text/plain"),
            amqp.exceptions.MessageNacked,
        )
    assert drain(channel, name) == [b"after"]
    filler.close()
