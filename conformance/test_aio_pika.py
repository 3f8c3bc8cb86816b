"""aio-pika: its everyday calls, and a robust connection that outlives a restart of the broker."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aio_pika
import pytest
from aio_pika import DeliveryMode, ExchangeType, Message

from conformance.brokers import Broker

WAIT_SECONDS = 20.0


@pytest.fixture
async def connection(broker: Broker) -> AsyncIterator[aio_pika.abc.AbstractConnection]:
    """An aio-pika connection to the shared broker."""
    async with await aio_pika.connect(broker.url) as opened:
        yield opened


@pytest.mark.smoke
async def test_publish_consume_and_ack(connection: aio_pika.abc.AbstractConnection) -> None:
    async with connection.channel() as channel:
        queue = await channel.declare_queue(exclusive=True)
        for number in range(20):
            await channel.default_exchange.publish(Message(str(number).encode()), routing_key=queue.name)
        received = []
        async with queue.iterator() as messages:
            async for message in messages:
                async with message.process():
                    received.append(message.body)
                if len(received) == 20:
                    break
        assert received == [str(number).encode() for number in range(20)]


@pytest.mark.smoke
async def test_publish_without_a_route_raises(connection: aio_pika.abc.AbstractConnection, name: str) -> None:
    async with connection.channel(on_return_raises=True) as channel:
        with pytest.raises(aio_pika.exceptions.DeliveryError):
            await channel.default_exchange.publish(Message(b"x"), routing_key=name, mandatory=True)


@pytest.mark.smoke
async def test_concurrent_publishes_are_all_confirmed(connection: aio_pika.abc.AbstractConnection) -> None:
    async with connection.channel() as channel:
        queue = await channel.declare_queue(exclusive=True)
        publishes = (channel.default_exchange.publish(Message(b"x"), routing_key=queue.name) for _ in range(500))
        await asyncio.gather(*publishes)
        assert (await queue.purge()).message_count == 500


@pytest.mark.smoke
async def test_headers_topic_and_reply(connection: aio_pika.abc.AbstractConnection, name: str) -> None:
    async with connection.channel() as channel:
        exchange = await channel.declare_exchange(name, ExchangeType.TOPIC, auto_delete=True)
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(exchange, "a.*")
        headers: dict[str, Any] = {"text": "x", "number": 5, "float": 1.5, "nested": {"list": [1, 2]}, "bytes": "ü"}
        await exchange.publish(Message(b"x", headers=headers, correlation_id="c", expiration=60), routing_key="a.b")
        message = await queue.get(timeout=WAIT_SECONDS)
        assert message is not None
        assert dict(message.headers) == headers
        assert (message.correlation_id, message.expiration) == ("c", 60)
        await message.reject(requeue=True)
        again = await queue.get(timeout=WAIT_SECONDS)
        assert again is not None
        assert again.redelivered
        await again.ack()


@pytest.mark.smoke
async def test_channel_error_closes_the_channel_only(connection: aio_pika.abc.AbstractConnection, name: str) -> None:
    channel = await connection.channel()
    with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
        await channel.get_queue(name)
    async with connection.channel() as other:
        await other.declare_queue(exclusive=True)


@pytest.mark.smoke
async def test_transaction_commits_together(connection: aio_pika.abc.AbstractConnection) -> None:
    channel = await connection.channel(publisher_confirms=False)
    queue = await channel.declare_queue(exclusive=True)
    async with channel.transaction():
        for _ in range(3):
            await channel.default_exchange.publish(Message(b"x"), routing_key=queue.name)
        assert await queue.get(fail=False) is None
    assert (await queue.purge()).message_count == 3
    await channel.close()


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_robust_connection_brings_queue_bindings_and_consumer_back_after(own_broker: Broker, how: str) -> None:
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def receive(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        await message.ack()
        received.put_nowait(message.body)

    connection = await aio_pika.connect_robust(own_broker.url, reconnect_interval=0.2)
    channel = await connection.channel()
    exchange = await channel.declare_exchange("x", ExchangeType.TOPIC, durable=True)
    queue = await channel.declare_queue("q", durable=True)
    private = await channel.declare_queue("private", exclusive=True)
    await queue.bind(exchange, "a.#")
    await private.bind(exchange, "a.#")
    await queue.consume(receive)
    await exchange.publish(Message(b"before", delivery_mode=DeliveryMode.PERSISTENT), "a.b")
    assert await asyncio.wait_for(received.get(), WAIT_SECONDS) == b"before"
    back = asyncio.Event()
    connection.reconnect_callbacks.add(lambda *_: back.set())

    await asyncio.to_thread(own_broker.stop if how == "stop" else own_broker.kill)
    await asyncio.to_thread(own_broker.start)

    await asyncio.wait_for(back.wait(), WAIT_SECONDS)
    await exchange.publish(Message(b"after", delivery_mode=DeliveryMode.PERSISTENT), "a.b")
    while await asyncio.wait_for(received.get(), WAIT_SECONDS) != b"after":
        pass
    message = await private.get(timeout=WAIT_SECONDS)
    assert message is not None
    assert message.body == b"after"
    await connection.close()
