"""Prefetch limits: one for each consumer, and one shared by a channel."""

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.clients import Inbox, get, publish, wait_until

pytestmark = pytest.mark.smoke


def declare(channel: BlockingChannel, queue: str, messages: int) -> str:
    channel.queue_declare(queue, exclusive=True)
    publish(channel, queue, *(str(number).encode() for number in range(messages)))
    return queue


def test_consumer_holds_no_more_than_its_limit(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, 10)
    channel.basic_qos(prefetch_count=3)
    inbox = Inbox(channel)
    inbox.consume(name)
    assert len(inbox.settle(name, left=7)) == 3
    channel.basic_ack(2, multiple=True)
    assert len(inbox.settle(name, left=5)) == 5
    channel.basic_nack(3, requeue=False)
    assert len(inbox.settle(name, left=4)) == 6
    channel.basic_reject(4, requeue=False)
    assert len(inbox.settle(name, left=3)) == 7


def test_limit_is_for_each_consumer_started_afterwards(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, 20)
    first, second, third = Inbox(channel), Inbox(channel), Inbox(channel)
    channel.basic_qos(prefetch_count=2)
    first.consume(name)
    first.settle(name, left=18)
    channel.basic_qos(prefetch_count=5)
    second.consume(name)
    second.settle(name, left=13)
    assert (len(first.deliveries), len(second.deliveries)) == (2, 5)
    channel.basic_qos(prefetch_count=0)
    third.consume(name)
    assert len(third.settle(name, left=0)) == 13


def test_shared_limit_covers_all_consumers_and_queues_of_the_channel(channel: BlockingChannel, name: str) -> None:
    one, two = declare(channel, f"{name}-1", 5), declare(channel, f"{name}-2", 5)
    channel.basic_qos(prefetch_count=3, global_qos=True)
    inbox = Inbox(channel)
    inbox.consume(one)
    inbox.settle(one, left=2)
    inbox.consume(two)
    inbox.settle(two, left=5)
    assert len(inbox.deliveries) == 3
    channel.basic_ack(inbox.tags[-1], multiple=True)
    inbox.wait(6)


def test_fetched_messages_count_when_a_shared_limit_is_set(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, 3)
    assert get(channel, name) is not None
    channel.basic_qos(prefetch_count=1, global_qos=True)
    inbox = Inbox(channel)
    inbox.consume(name)
    assert inbox.settle(name, left=2) == []
    channel.basic_qos(prefetch_count=2, global_qos=True)
    assert len(inbox.settle(name, left=1)) == 1


def test_shared_limit_takes_effect_at_once_for_running_consumers(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    inbox = Inbox(channel)
    inbox.consume(name)
    channel.basic_qos(prefetch_count=2, global_qos=True)
    publish(channel, name, *[b"x"] * 6)
    assert len(inbox.settle(name, left=4)) == 2
    channel.basic_qos(prefetch_count=4, global_qos=True)
    assert len(inbox.settle(name, left=2)) == 4
    channel.basic_qos(prefetch_count=0, global_qos=True)
    assert len(inbox.settle(name, left=0)) == 6


def test_later_limit_for_each_consumer_lifts_the_shared_one(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, 10)
    channel.basic_qos(prefetch_count=2, global_qos=True)
    inbox = Inbox(channel)
    inbox.consume(name)
    inbox.settle(name, left=8)
    channel.basic_qos(prefetch_count=1, global_qos=False)
    assert len(inbox.settle(name, left=0)) == 10


def test_both_limits_hold_when_the_shared_one_comes_last(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, 10)
    channel.basic_qos(prefetch_count=2, global_qos=False)
    channel.basic_qos(prefetch_count=3, global_qos=True)
    first, second = Inbox(channel), Inbox(channel)
    first.consume(name)
    first.settle(name, left=8)
    second.consume(name)
    second.settle(name, left=7)
    assert (len(first.deliveries), len(second.deliveries)) == (2, 1)


def test_consumer_without_acknowledgement_ignores_its_own_limit(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, 10)
    channel.basic_qos(prefetch_count=1)
    inbox = Inbox(channel)
    inbox.consume(name, auto_ack=True)
    inbox.wait(10)


def test_get_is_never_limited(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, 3)
    channel.basic_qos(prefetch_count=1)
    assert [get(channel, name) is not None for _ in range(3)] == [True] * 3


def test_cancel_gives_no_credit_back_to_the_shared_limit(channel: BlockingChannel, name: str) -> None:
    declare(channel, name, 6)
    channel.basic_qos(prefetch_count=2, global_qos=True)
    first, second = Inbox(channel), Inbox(channel)
    tag = first.consume(name)
    first.settle(name, left=4)
    channel.basic_cancel(tag)
    second.consume(name)
    assert second.settle(name, left=4) == []
    channel.basic_ack(2, multiple=True)
    assert len(second.settle(name, left=2)) == 2


def test_full_consumer_is_skipped_in_its_turn(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    small, large = Inbox(connection.channel()), Inbox(connection.channel())
    small.channel.basic_qos(prefetch_count=1)
    small.consume(name)
    large.consume(name)
    publish(channel, name, *[b"x"] * 10)
    wait_until(connection, lambda: len(small.deliveries) + len(large.deliveries) == 10)
    assert (len(small.deliveries), len(large.deliveries)) == (1, 9)
