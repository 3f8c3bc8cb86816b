"""pika's asynchronous adapters: the same session on SelectConnection and on AsyncioConnection."""

import asyncio
from typing import Any

import pika
import pytest
from pika.adapters.asyncio_connection import AsyncioConnection

from conformance.brokers import Broker

pytestmark = pytest.mark.smoke
MESSAGES = 1000


class Session:
    """Declares, publishes with confirms, consumes everything back, acks, and closes; one callback leads to the next."""

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.received: list[bytes] = []
        self.confirmed = 0
        self.cancelled = False
        self.closed_with: Any = None
        self.channel: Any = None

    def on_open(self, connection: Any) -> None:
        connection.channel(on_open_callback=self.on_channel)

    def on_channel(self, channel: Any) -> None:
        self.channel = channel
        channel.confirm_delivery(self.on_confirm)
        channel.basic_qos(prefetch_count=50)
        channel.queue_declare(self.queue, exclusive=True, callback=self.on_declared)

    def on_confirm(self, frame: Any) -> None:
        assert isinstance(frame.method, pika.spec.Basic.Ack)
        tag = frame.method.delivery_tag
        self.confirmed = tag if frame.method.multiple else self.confirmed + 1
        self.finish()

    def on_declared(self, _: Any) -> None:
        self.channel.basic_consume(self.queue, self.on_message)
        for number in range(MESSAGES):
            self.channel.basic_publish("", self.queue, str(number).encode())

    def on_message(self, channel: Any, method: Any, _: Any, body: bytes) -> None:
        self.received.append(body)
        channel.basic_ack(method.delivery_tag)
        self.finish()

    def finish(self) -> None:
        if len(self.received) == MESSAGES and self.confirmed == MESSAGES:
            self.channel.add_on_close_callback(lambda channel, _: channel.connection.close())
            self.channel.close()

    def check(self) -> None:
        assert self.received == [str(number).encode() for number in range(MESSAGES)]
        assert self.confirmed == MESSAGES
        assert isinstance(self.closed_with, pika.exceptions.ConnectionClosedByClient)


def test_select_connection_runs_a_whole_session(broker: Broker, name: str) -> None:
    session = Session(name)

    def on_close(connection: Any, reason: Any) -> None:
        session.closed_with = reason
        connection.ioloop.stop()

    connection = pika.SelectConnection(
        pika.URLParameters(broker.url), on_open_callback=session.on_open, on_close_callback=on_close
    )
    connection.ioloop.start()
    connection.ioloop.close()  # its wake-up sockets would otherwise be reported as leaked
    session.check()


async def test_asyncio_connection_runs_a_whole_session(broker: Broker, name: str) -> None:
    session = Session(name)
    closed = asyncio.Event()

    def on_close(_: Any, reason: Any) -> None:
        session.closed_with = reason
        closed.set()

    AsyncioConnection(pika.URLParameters(broker.url), on_open_callback=session.on_open, on_close_callback=on_close)
    await asyncio.wait_for(closed.wait(), 20)
    session.check()


def test_select_connection_learns_of_a_deleted_queue(broker: Broker, name: str) -> None:
    cancelled: list[str] = []

    def on_channel(channel: Any) -> None:
        def on_cancel(frame: Any) -> None:
            cancelled.append(frame.method.consumer_tag)
            channel.connection.close()

        channel.add_on_cancel_callback(on_cancel)
        channel.queue_declare(name, exclusive=True)
        channel.basic_consume(name, lambda *_: None, consumer_tag="t", callback=lambda _: channel.queue_delete(name))

    connection = pika.SelectConnection(
        pika.URLParameters(broker.url),
        on_open_callback=lambda opened: opened.channel(on_open_callback=on_channel),
        on_close_callback=lambda closed, _: closed.ioloop.stop(),
    )
    connection.ioloop.start()
    connection.ioloop.close()  # its wake-up sockets would otherwise be reported as leaked
    assert cancelled == ["t"]
