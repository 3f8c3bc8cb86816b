"""Transactions: nothing happens before commit, nothing remains after rollback."""

from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.clients import channel_refused, drain, get, publish, wait_ready

pytestmark = pytest.mark.smoke


@pytest.fixture
def tx(connection: pika.BlockingConnection, channel: BlockingChannel, name: str) -> BlockingChannel:
    """A transactional channel; the queue `name` exists."""
    channel.queue_declare(name, exclusive=True)
    transactional = connection.channel()
    transactional.tx_select()
    return transactional


def test_publishes_appear_at_commit(channel: BlockingChannel, tx: BlockingChannel, name: str) -> None:
    publish(tx, name, b"1", b"2")
    tx.basic_qos(prefetch_count=0)
    assert get(channel, name) is None
    tx.tx_commit()
    assert drain(channel, name) == [b"1", b"2"]


def test_publishes_vanish_at_rollback_and_the_channel_goes_on(
    channel: BlockingChannel, tx: BlockingChannel, name: str
) -> None:
    publish(tx, name, b"lost")
    tx.tx_rollback()
    publish(tx, name, b"kept")
    tx.tx_commit()
    assert drain(channel, name) == [b"kept"]


def test_publishes_vanish_when_the_channel_closes(channel: BlockingChannel, tx: BlockingChannel, name: str) -> None:
    publish(tx, name, b"lost")
    tx.close()
    assert drain(channel, name) == []


def test_acks_hold_at_commit_only(channel: BlockingChannel, tx: BlockingChannel, name: str) -> None:
    publish(channel, name, b"1", b"2")
    wait_ready(channel, name, 2)
    assert get(tx, name) is not None
    assert get(tx, name) is not None
    tx.basic_ack(1)
    tx.tx_commit()
    tx.basic_ack(2)
    tx.close()
    wait_ready(channel, name, 1)
    assert drain(channel, name) == [b"2"]


def test_rolled_back_ack_leaves_the_delivery_unacked(channel: BlockingChannel, tx: BlockingChannel, name: str) -> None:
    publish(channel, name, b"x")
    wait_ready(channel, name, 1)
    assert get(tx, name) is not None
    tx.basic_ack(1)
    tx.tx_rollback()
    assert get(channel, name) is None
    tx.basic_ack(1)
    tx.tx_commit()
    tx.close()
    assert get(channel, name) is None


def test_nack_requeues_at_commit(channel: BlockingChannel, tx: BlockingChannel, name: str) -> None:
    publish(channel, name, b"x")
    wait_ready(channel, name, 1)
    assert get(tx, name) is not None
    tx.basic_nack(1, requeue=True)
    tx.basic_qos(prefetch_count=0)
    assert get(channel, name) is None
    tx.tx_commit()
    wait_ready(channel, name, 1)
    assert drain(channel, name) == [b"x"]


def test_unroutable_mandatory_message_returns_at_commit(tx: BlockingChannel, name: str) -> None:
    returned: list[Any] = []
    tx.add_on_return_callback(lambda _channel, _method, _properties, body: returned.append(body))
    tx.basic_publish("", f"{name}-missing", b"back", mandatory=True)
    tx.basic_qos(prefetch_count=0)
    tx.connection.process_data_events(time_limit=0)
    assert returned == []
    tx.tx_commit()
    tx.connection.process_data_events(time_limit=0)
    assert returned == [b"back"]


def test_queue_bound_between_publish_and_commit_gets_nothing(
    channel: BlockingChannel, tx: BlockingChannel, name: str
) -> None:
    tx.basic_publish("amq.direct", name, b"x")
    tx.queue_bind(name, "amq.direct", name)
    tx.tx_commit()
    assert drain(channel, name) == []


def test_missing_exchange_and_unknown_tag_fail_before_commit(
    connection: pika.BlockingConnection, tx: BlockingChannel, name: str
) -> None:
    with channel_refused(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'"):
        tx.basic_publish(name, "k", b"x")
        tx.basic_qos(prefetch_count=0)
    other = connection.channel()
    other.tx_select()
    with channel_refused(406, "PRECONDITION_FAILED - unknown delivery tag 9"):
        other.basic_ack(9)
        other.basic_qos(prefetch_count=0)


def test_select_twice_and_empty_commit_are_fine(tx: BlockingChannel) -> None:
    tx.tx_select()
    tx.tx_commit()
    tx.tx_rollback()
    tx.tx_commit()
