"""Channels: errors stay on them, numbers are reused, closing gives back what was not acknowledged."""

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.clients import Inbox, channel_refused, drain, get, publish, wait_ready

pytestmark = pytest.mark.smoke


def test_channel_error_leaves_connection_and_other_channels_usable(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    failing = connection.channel()
    with channel_refused(404, f"NOT_FOUND - no queue '{name}-missing' in vhost '/'"):
        failing.queue_declare(f"{name}-missing", passive=True)
    assert failing.is_closed
    publish(channel, name, b"still here")
    assert drain(channel, name) == [b"still here"]
    assert connection.channel().is_open


def test_channel_number_is_reused_after_close(connection: pika.BlockingConnection) -> None:
    for _ in range(20):
        numbered = connection.channel(7)
        numbered.basic_qos(prefetch_count=1)
        numbered.close()


def test_channel_number_is_reused_after_an_error(connection: pika.BlockingConnection, name: str) -> None:
    for _ in range(5):
        failing = connection.channel(9)
        with channel_refused(404, f"NOT_FOUND - no queue '{name}' in vhost '/'"):
            failing.basic_get(name)


def test_unacked_messages_return_when_their_channel_closes(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"1", b"2", b"3")
    holder = connection.channel()
    for _ in range(2):
        assert get(holder, name) is not None
    holder.close()
    wait_ready(channel, name, 3)
    first = get(channel, name)
    assert first is not None
    assert (first.body, first.method.redelivered) == (b"1", True)
    second, third = get(channel, name), get(channel, name)
    assert second is not None
    assert third is not None
    assert (second.method.redelivered, third.method.redelivered) == (True, False)


def test_unacked_messages_return_when_their_channel_fails(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"1", b"2")
    holder = connection.channel()
    inbox = Inbox(holder)
    inbox.consume(name)
    inbox.wait(2)
    with channel_refused(404, f"NOT_FOUND - no queue '{name}-missing' in vhost '/'"):
        holder.basic_get(f"{name}-missing")
    wait_ready(channel, name, 2)
    assert drain(channel, name) == [b"1", b"2"]


def test_flow_on_is_answered(channel: BlockingChannel) -> None:
    assert channel.flow(True) is True


def test_publish_to_a_missing_exchange_closes_only_its_channel(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    failing = connection.channel()
    with channel_refused(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'"):
        failing.basic_publish(name, "k", b"lost")
        failing.basic_publish(name, "k", b"ignored")
        failing.basic_qos(prefetch_count=1)
    channel.basic_qos(prefetch_count=1)
