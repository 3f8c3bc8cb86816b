"""What the tests with blocking pika share: an inbox for deliveries, and how a refusal is stated.

Nothing here sleeps: an inbox lets the connection read until a condition holds, and gives up after WAIT_SECONDS.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from conformance.brokers import Broker

WAIT_SECONDS: Final = 15.0
TURN_SECONDS: Final = 0.02


class Delivery(NamedTuple):
    """One message as it reached a client."""

    method: Any
    properties: pika.BasicProperties
    body: bytes


def connect(broker: Broker, **parameters: Any) -> pika.BlockingConnection:
    """Open a blocking connection; `parameters` are attributes of pika's connection parameters."""
    settings = pika.URLParameters(broker.url)
    for key, value in parameters.items():
        setattr(settings, key, value)
    return pika.BlockingConnection(settings)


def wait_until(connection: pika.BlockingConnection, condition: Callable[[], object]) -> None:
    """Let the connection work until the condition holds."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        connection.process_data_events(time_limit=TURN_SECONDS)


class Inbox:
    """Collects what the consumers of one channel receive."""

    def __init__(self, channel: BlockingChannel) -> None:
        self.channel = channel
        self.deliveries: list[Delivery] = []

    def consume(self, queue: str, **options: Any) -> str:
        """Start a consumer; returns its tag."""
        return str(self.channel.basic_consume(queue, self._receive, **options))

    def _receive(self, _: BlockingChannel, method: Any, properties: pika.BasicProperties, body: bytes) -> None:
        self.deliveries.append(Delivery(method, properties, body))

    @property
    def bodies(self) -> list[bytes]:
        """The bodies received, in order."""
        return [delivery.body for delivery in self.deliveries]

    @property
    def tags(self) -> list[int]:
        """The delivery tags received, in order."""
        return [delivery.method.delivery_tag for delivery in self.deliveries]

    def wait(self, count: int) -> list[Delivery]:
        """Wait for that many deliveries in all, and return them."""
        wait_until(self.channel.connection, lambda: len(self.deliveries) >= count)
        return self.deliveries

    def settle(self, queue: str, left: int) -> list[Delivery]:
        """Let everything arrive that the queue will send to this channel, with `left` messages staying ready in it.

        The count is waited for because RabbitMQ may answer a declare ahead of publishes that came before it. The round
        trips after it cover a broker that delivers at the end of the turn in which it answered.
        """
        wait_ready(self.channel, queue, left)
        for _ in range(2):
            self.channel.queue_declare(queue, passive=True)
            self.channel.connection.process_data_events(time_limit=0)
        return self.deliveries


def publish(channel: BlockingChannel, queue: str, *bodies: bytes, **properties: Any) -> None:
    """Publish to a queue through the default exchange."""
    for body in bodies:
        channel.basic_publish("", queue, body, pika.BasicProperties(**properties))


def get(channel: BlockingChannel, queue: str, *, auto_ack: bool = False) -> Delivery | None:
    """Get one message; None if the queue has none ready."""
    method, properties, body = channel.basic_get(queue, auto_ack=auto_ack)
    return None if method is None else Delivery(method, properties, body)


def drain(channel: BlockingChannel, queue: str) -> list[bytes]:
    """Get, without acknowledgement, the bodies of all ready messages."""
    bodies = []
    while (delivery := get(channel, queue, auto_ack=True)) is not None:
        bodies.append(delivery.body)
    return bodies


def ready(channel: BlockingChannel, queue: str) -> int:
    """How many messages are ready in the queue."""
    return int(channel.queue_declare(queue, passive=True).method.message_count)


def consumers(channel: BlockingChannel, queue: str) -> int:
    """How many consumers the queue has."""
    return int(channel.queue_declare(queue, passive=True).method.consumer_count)


def wait_ready(channel: BlockingChannel, queue: str, count: int) -> None:
    """Wait until that many messages are ready in the queue."""
    wait_until(channel.connection, lambda: ready(channel, queue) == count)


def exists(channel: BlockingChannel, queue: str) -> bool:
    """Whether the queue exists; asked on a channel of its own, because a `no` closes it."""
    return _declares(channel.connection.channel(), lambda probe: probe.queue_declare(queue, passive=True))


def exchange_exists(channel: BlockingChannel, exchange: str) -> bool:
    """Whether the exchange exists; asked on a channel of its own, because a `no` closes it."""
    return _declares(channel.connection.channel(), lambda probe: probe.exchange_declare(exchange, passive=True))


def _declares(probe: BlockingChannel, declare: Callable[[BlockingChannel], object]) -> bool:
    try:
        declare(probe)
    except ChannelClosedByBroker as closed:
        if closed.reply_code != 404:
            raise
        return False
    probe.close()
    return True


@contextmanager
def channel_refused(code: int, text: str) -> Iterator[None]:
    """The block ends with channel.close of this code and whole text."""
    with pytest.raises(ChannelClosedByBroker) as refusal:
        yield
    assert (refusal.value.reply_code, refusal.value.reply_text) == (code, text)


@contextmanager
def connection_refused(code: int, text: str) -> Iterator[None]:
    """The block ends with connection.close of this code and whole text."""
    with pytest.raises(ConnectionClosedByBroker) as refusal:
        yield
    assert (refusal.value.reply_code, refusal.value.reply_text) == (code, text)
