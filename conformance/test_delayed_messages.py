"""Delayed messages with a real client, and through the death of the broker. The referee has no plugin for them."""

import time
from collections.abc import Callable
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.brokers import Broker
from conformance.clients import Inbox, channel_refused, drain, get, ready, wait_ready, wait_until


@pytest.fixture(autouse=True)
def beyond_referee(broker_name: str) -> None:
    if broker_name == "rabbitmq":
        pytest.skip("Debian's RabbitMQ has no delayed message exchange")


def declare(channel: BlockingChannel, name: str, inner: str = "direct", **options: Any) -> None:
    channel.exchange_declare(name, "x-delayed-message", arguments={"x-delayed-type": inner}, **options)
    channel.queue_declare(name, durable=bool(options.get("durable")))
    channel.queue_bind(name, name, "k")


def publish(channel: BlockingChannel, name: str, body: bytes, delay: Any, *, mode: int = 2) -> None:
    properties = pika.BasicProperties(headers={"x-delay": delay}, delivery_mode=mode)
    channel.basic_publish(name, "k", body, properties, mandatory=True)


def test_messages_arrive_in_order_of_their_delay(channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    inbox = Inbox(channel)
    inbox.consume(name)
    channel.confirm_delivery()  # a message that waits is not returned: the publish raises if it is
    began = time.monotonic()
    for body, delay in ((b"third", 600), (b"first", 200), (b"second", "400"), (b"at once", 0)):
        publish(channel, name, body, delay)
    inbox.wait(4)
    assert time.monotonic() - began >= 0.6
    assert inbox.bodies == [b"at once", b"first", b"second", b"third"]
    assert [each.properties.headers["x-delay"] for each in inbox.deliveries] == [0, -200, -400, -600]
    channel.exchange_delete(name)


def test_delayed_messages_go_with_their_exchange(channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    publish(channel, name, b"gone", 100)
    channel.exchange_delete(name)
    declare(channel, name)
    publish(channel, name, b"kept", 200)
    wait_ready(channel, name, 1)
    assert drain(channel, name) == [b"kept"]
    channel.exchange_delete(name)


def test_rolled_back_delay_never_ends(channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    channel.tx_select()
    publish(channel, name, b"rolled back", 50)
    channel.tx_rollback()
    publish(channel, name, b"committed", 100)
    channel.tx_commit()
    wait_ready(channel, name, 1)
    assert drain(channel, name) == [b"committed"]
    channel.exchange_delete(name)


def test_lavinmqs_argument_makes_any_exchange_delay(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "topic", arguments={"x-delayed-exchange": True})
    channel.queue_declare(name)
    channel.queue_bind(name, name, "#")
    publish(channel, name, b"m", 100)
    assert ready(channel, name) == 0
    wait_ready(channel, name, 1)
    channel.exchange_delete(name)


def test_type_must_be_told(connection: pika.BlockingConnection, name: str) -> None:
    text = "PRECONDITION_FAILED - Invalid argument, 'x-delayed-type' must be an existing exchange type"
    with channel_refused(406, text):
        connection.channel().exchange_declare(name, "x-delayed-message")


def test_confirmed_delays_survive_a_kill_and_end_in_time_or_at_the_start(
    own_broker: Broker, connect_own: Callable[[], pika.BlockingConnection]
) -> None:
    channel = connect_own().channel()
    declare(channel, "delayed", durable=True)
    channel.confirm_delivery()
    publish(channel, "delayed", b"transient", 500, mode=1)
    for number in range(100):
        publish(channel, "delayed", b"%d" % number, 500 if number % 2 else 6000)
    own_broker.kill()
    time.sleep(0.5)  # the first half is due while nobody is there
    own_broker.start()
    wait_at_least(connect_own().channel(), 50)
    own_broker.kill()
    own_broker.start()
    channel = connect_own().channel()
    wait_ready(channel, "delayed", 100)
    first = get(channel, "delayed", auto_ack=True)
    assert first is not None
    assert (first.body, first.properties.headers) == (b"1", {"x-delay": -500})
    found = [int(body) for body in [first.body, *drain(channel, "delayed")]]
    assert [number for number in found if number % 2] == list(range(1, 100, 2))
    assert [number for number in found if number % 2 == 0] == list(range(0, 100, 2))


def wait_at_least(channel: BlockingChannel, count: int) -> None:
    wait_until(channel.connection, lambda: ready(channel, "delayed") >= count)
