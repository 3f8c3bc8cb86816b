"""Quorum queues as a client sees them: counts of returns, the delivery limit, and what they refuse."""

from collections.abc import Callable
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import NackError

from conformance.brokers import Broker
from conformance.clients import (
    Delivery,
    Inbox,
    channel_refused,
    connection_refused,
    consumers,
    drain,
    get,
    publish,
    wait_ready,
    wait_until,
)
from conformance.deviations import by_broker, deviates

pytestmark = pytest.mark.smoke

Connect = Callable[[], pika.BlockingConnection]


def declare(channel: BlockingChannel, queue: str, **arguments: Any) -> str:
    """A quorum queue; `delivery_limit` becomes `x-delivery-limit`."""
    extra = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum", **extra})
    channel.confirm_delivery()  # a publish is in the queue when it returns
    return queue


def take(channel: BlockingChannel, queue: str) -> Delivery:
    wait_ready(channel, queue, 1)
    delivery = get(channel, queue)
    assert delivery is not None
    return delivery


def counts(delivery: Delivery) -> tuple[Any, Any]:
    """`x-delivery-count` and `x-acquired-count`."""
    headers = delivery.properties.headers or {}
    return headers.get("x-delivery-count"), headers.get("x-acquired-count")


@deviates("returns-counted")
def test_first_delivery_has_no_counts(broker: Broker, channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    publish(channel, name, b"m", headers={"mine": 1})
    delivery = take(channel, name)
    expected = by_broker(broker, ponymq={"mine": 1}, rabbitmq={"mine": 1, "x-delivery-count": 0})
    assert (delivery.method.redelivered, delivery.properties.headers) == (False, expected)


@deviates("returns-counted")
def test_requeuing_reject_counts(broker: Broker, channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    publish(channel, name, b"m", headers={"mine": 1})
    for times in range(1, 4):
        channel.basic_reject(take(channel, name).method.delivery_tag)
        again = take(channel, name)
        assert again.method.redelivered
        assert counts(again) == by_broker(broker, ponymq=(2 * times - 1, 2 * times - 1), rabbitmq=(2 * times - 1, None))
        assert again.properties.headers["mine"] == 1
        channel.basic_reject(again.method.delivery_tag)


@deviates("returns-counted")
def test_requeuing_nack_is_no_failure(broker: Broker, channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    publish(channel, name, b"m")
    channel.basic_nack(take(channel, name).method.delivery_tag)
    assert counts(take(channel, name)) == by_broker(broker, ponymq=(0, 1), rabbitmq=(1, None))


@deviates("returns-counted")
def test_loss_of_the_channel_counts(broker: Broker, channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    publish(channel, name, b"m")
    other = channel.connection.channel()
    take(other, name)
    other.close()
    assert counts(take(channel, name)) == by_broker(broker, ponymq=(1, 1), rabbitmq=(1, None))


def test_delivery_limit_dead_letters(channel: BlockingChannel, name: str) -> None:
    dead = f"{name}-dead"
    channel.queue_declare(dead, exclusive=True)
    declare(channel, name, delivery_limit=2, dead_letter_exchange="", dead_letter_routing_key=dead)
    publish(channel, name, b"m")
    for _ in range(3):
        channel.basic_reject(take(channel, name).method.delivery_tag)
    delivery = take(channel, dead)
    headers = delivery.properties.headers
    assert "x-delivery-count" not in headers
    (death,) = headers["x-death"]
    assert (death["reason"], death["queue"], death["count"]) == ("delivery_limit", name, 1)
    assert drain(channel, name) == []


def test_delivery_limit_without_a_dead_letter_exchange_drops(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, delivery_limit=0)
    publish(channel, name, b"poison", b"next")
    inbox = Inbox(channel)
    channel.basic_qos(prefetch_count=1)
    inbox.consume(name)
    inbox.wait(1)
    channel.basic_reject(inbox.tags[0])
    inbox.wait(2)
    assert inbox.bodies == [b"poison", b"next"]


@deviates("quorum-priorities")
def test_priorities_are_strict_and_the_default_is_four(broker: Broker, channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    publish(channel, name, b"none")
    for priority in (0, 9, 5, 4, 31, 40):
        publish(channel, name, b"%d" % priority, priority=priority)
    wait_ready(channel, name, 7)
    expected = by_broker(
        broker,
        ponymq=[b"31", b"40", b"9", b"5", b"none", b"4", b"0"],
        rabbitmq=[b"none", b"0", b"9", b"5", b"4", b"31", b"40"],
    )
    assert drain(channel, name) == expected


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        ({"durable": True, "auto_delete": True}, "invalid property 'auto-delete' for {q}"),
        ({"durable": True, "exclusive": True}, "invalid property 'exclusive-owner' for {q}"),
        ({}, "invalid property 'non-durable' for {q}"),
    ],
    ids=["auto-delete", "exclusive", "transient"],
)
def test_flags_that_a_quorum_queue_cannot_have(
    channel: BlockingChannel, name: str, flags: dict[str, bool], text: str
) -> None:
    with channel_refused(406, "PRECONDITION_FAILED - " + text.format(q=f"queue '{name}' in vhost '/'")):
        channel.queue_declare(name, arguments={"x-queue-type": "quorum"}, **flags)


def test_max_priority_is_refused(channel: BlockingChannel, name: str) -> None:
    text = f"invalid arg 'x-max-priority' for queue '{name}' in vhost '/' of queue type rabbit_quorum_queue"
    with channel_refused(406, f"PRECONDITION_FAILED - {text}"):
        declare(channel, name, max_priority=5)


def test_shared_prefetch_is_refused(channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    channel.basic_qos(prefetch_count=1, global_qos=True)
    text = f"NOT_IMPLEMENTED - queue '{name}' in vhost '/' does not support global qos"
    with connection_refused(540, text):
        channel.basic_consume(name, lambda *_: None)


@pytest.mark.parametrize("flag", ["if_unused", "if_empty"])
def test_conditional_delete_is_refused(channel: BlockingChannel, name: str, flag: str) -> None:
    declare(channel, name)
    text = f"cannot delete queue '{name}' in vhost '/'. queue.delete operations with {flag.replace('_', '-')} flag set"
    with connection_refused(540, f"NOT_IMPLEMENTED - {text} are not supported by quorum queues"):
        channel.queue_delete(name, **{flag: True})


def test_exclusive_flag_of_a_consumer_is_ignored(channel: BlockingChannel, name: str) -> None:
    declare(channel, name)
    first, second = Inbox(channel), Inbox(channel)
    first.consume(name, exclusive=True)
    second.consume(name, exclusive=True)
    wait_until(channel.connection, lambda: consumers(channel, name) == 2)


def test_get_is_refused_with_a_single_active_consumer(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, single_active_consumer=True)
    text = (
        f"cannot obtain access to locked queue '{name}' in vhost '/'. basic.get operations are not supported by quorum "
        "queues with single active consumer"
    )
    with channel_refused(405, f"RESOURCE_LOCKED - {text}"):
        channel.basic_get(name)


def test_of_a_single_active_queue_only_the_active_consumer_is_counted(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, single_active_consumer=True)
    first, second = Inbox(channel), Inbox(channel)
    first.consume(name)
    second.consume(name)
    wait_until(channel.connection, lambda: consumers(channel, name) == 1)
    publish(channel, name, b"1", b"2")
    first.wait(2)
    assert second.deliveries == []


def test_transient_messages_survive_a_restart(own_broker: Broker, connect_own: Connect, name: str) -> None:
    channel = connect_own().channel()
    declare(channel, name)
    publish(channel, name, b"1", b"2", delivery_mode=1)
    own_broker.restart()
    channel = connect_own().channel()
    wait_ready(channel, name, 2)
    delivery = get(channel, name)
    assert delivery is not None
    assert (delivery.body, delivery.properties.delivery_mode, delivery.method.redelivered) == (b"1", 1, False)


def test_counts_survive_a_restart(own_broker: Broker, connect_own: Connect, name: str) -> None:
    connection = connect_own()
    channel = connection.channel()
    declare(channel, name)
    publish(channel, name, b"m")
    for _ in range(3):
        channel.basic_reject(take(channel, name).method.delivery_tag)
    wait_ready(channel, name, 1)
    connection.close()
    own_broker.restart()
    delivery = take(connect_own().channel(), name)
    assert delivery.method.redelivered
    assert counts(delivery)[0] == 3


def test_dead_letter_at_least_once_waits_for_room(channel: BlockingChannel, name: str) -> None:
    dead = f"{name}-dead"
    channel.queue_declare(dead, exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    declare(
        channel,
        name,
        dead_letter_exchange="",
        dead_letter_routing_key=dead,
        dead_letter_strategy="at-least-once",
        overflow="reject-publish",
    )
    publish(channel, name, b"1", b"2")
    wait_ready(channel, name, 2)
    first, second = get(channel, name), get(channel, name)
    assert first is not None
    assert second is not None
    channel.basic_reject(second.method.delivery_tag, requeue=False)
    wait_ready(channel, dead, 1)
    channel.basic_reject(first.method.delivery_tag, requeue=False)
    for body in (b"2", b"1"):
        wait_ready(channel, dead, 1)
        assert drain(channel, dead) == [body]


def test_message_that_a_full_queue_refuses_is_nacked(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, max_length=1, overflow="reject-publish")
    publish(channel, name, b"1")
    with pytest.raises(NackError):
        publish(channel, name, *[b"more"] * 20)  # RabbitMQ lets a few through before it refuses
