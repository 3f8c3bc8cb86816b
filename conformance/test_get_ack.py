"""basic.get, delivery tags, and every way to settle a delivery."""

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.clients import Delivery, Inbox, channel_refused, drain, get, publish, ready, wait_ready

pytestmark = pytest.mark.smoke


def take(channel: BlockingChannel, queue: str, count: int) -> list[Delivery]:
    taken = [get(channel, queue) for _ in range(count)]
    return [delivery for delivery in taken if delivery is not None]


@pytest.fixture
def five(channel: BlockingChannel, name: str) -> str:
    """A queue of five messages, `1` to `5`."""
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"1", b"2", b"3", b"4", b"5")
    wait_ready(channel, name, 5)
    return name


def test_get_counts_what_is_left_and_empty_says_so(channel: BlockingChannel, five: str) -> None:
    deliveries = take(channel, five, 5)
    assert [delivery.method.message_count for delivery in deliveries] == [4, 3, 2, 1, 0]
    assert [delivery.method.delivery_tag for delivery in deliveries] == [1, 2, 3, 4, 5]
    assert {(d.method.exchange, d.method.routing_key, d.method.redelivered) for d in deliveries} == {("", five, False)}
    assert get(channel, five) is None


def test_tags_are_shared_by_get_and_consume(channel: BlockingChannel, five: str) -> None:
    first = get(channel, five, auto_ack=True)
    assert first is not None
    assert first.method.delivery_tag == 1
    inbox = Inbox(channel)
    inbox.consume(five)
    inbox.wait(4)
    assert inbox.tags == [2, 3, 4, 5]


def test_ack_of_a_delivery_without_acknowledgement_is_refused(channel: BlockingChannel, five: str) -> None:
    get(channel, five, auto_ack=True)
    with channel_refused(406, "PRECONDITION_FAILED - unknown delivery tag 1"):
        channel.basic_ack(1)
        channel.basic_qos(prefetch_count=1)


def test_second_ack_of_a_tag_is_refused(channel: BlockingChannel, five: str) -> None:
    take(channel, five, 1)
    with channel_refused(406, "PRECONDITION_FAILED - unknown delivery tag 1"):
        channel.basic_ack(1)
        channel.basic_ack(1)
        channel.basic_qos(prefetch_count=1)


def test_multiple_ack_needs_its_own_tag_outstanding(channel: BlockingChannel, five: str) -> None:
    take(channel, five, 3)
    with channel_refused(406, "PRECONDITION_FAILED - unknown delivery tag 3"):
        channel.basic_ack(3)
        channel.basic_ack(3, multiple=True)
        channel.basic_qos(prefetch_count=1)


def test_multiple_ack_settles_everything_up_to_its_tag(
    connection: pika.BlockingConnection, channel: BlockingChannel, five: str
) -> None:
    holder = connection.channel()
    take(holder, five, 4)
    holder.basic_ack(3, multiple=True)
    holder.close()
    wait_ready(channel, five, 2)
    assert drain(channel, five) == [b"4", b"5"]


def test_multiple_ack_of_tag_zero_settles_everything(
    connection: pika.BlockingConnection, channel: BlockingChannel, five: str
) -> None:
    holder = connection.channel()
    holder.basic_ack(0, multiple=True)
    take(holder, five, 4)
    holder.basic_ack(0, multiple=True)
    holder.close()
    assert drain(channel, five) == [b"5"]


def test_multiple_nack_of_tag_zero_on_an_idle_channel_is_fine(channel: BlockingChannel) -> None:
    channel.basic_nack(0, multiple=True)
    channel.basic_qos(prefetch_count=1)


@pytest.mark.parametrize("method", ["reject", "nack"])
def test_requeued_message_returns_to_its_place_as_redelivered(channel: BlockingChannel, five: str, method: str) -> None:
    take(channel, five, 2)
    getattr(channel, f"basic_{method}")(1, requeue=True)
    deliveries = take(channel, five, 4)
    assert [(delivery.body, delivery.method.redelivered) for delivery in deliveries] == [
        (b"1", True),
        (b"3", False),
        (b"4", False),
        (b"5", False),
    ]


@pytest.mark.parametrize("order", [(3, 1, 2), (3, 2, 1), (1, 2, 3), (2, 3, 1)])
def test_messages_requeued_out_of_order_keep_the_original_order(
    channel: BlockingChannel, five: str, order: tuple[int, ...]
) -> None:
    take(channel, five, 3)
    for tag in order:
        channel.basic_nack(tag, requeue=True)
    assert drain(channel, five) == [b"1", b"2", b"3", b"4", b"5"]


def test_multiple_nack_requeues_everything_in_order(channel: BlockingChannel, five: str) -> None:
    take(channel, five, 5)
    channel.basic_nack(0, multiple=True, requeue=True)
    assert drain(channel, five) == [b"1", b"2", b"3", b"4", b"5"]


@pytest.mark.parametrize("method", ["reject", "nack"])
def test_message_refused_without_requeue_is_dropped(channel: BlockingChannel, five: str, method: str) -> None:
    take(channel, five, 1)
    getattr(channel, f"basic_{method}")(1, requeue=False)
    assert drain(channel, five) == [b"2", b"3", b"4", b"5"]


def test_recover_requeues_gets_and_deliveries_in_order(
    connection: pika.BlockingConnection, channel: BlockingChannel, five: str
) -> None:
    taking = connection.channel()
    take(taking, five, 3)
    taking.basic_recover(requeue=True)
    assert ready(channel, five) == 5
    again = take(taking, five, 5)
    assert [delivery.body for delivery in again] == [b"1", b"2", b"3", b"4", b"5"]
    assert [delivery.method.redelivered for delivery in again] == [True, True, True, False, False]
    assert [delivery.method.delivery_tag for delivery in again] == [4, 5, 6, 7, 8]


def test_recovered_message_is_delivered_again_to_the_consumer(channel: BlockingChannel, five: str) -> None:
    inbox = Inbox(channel)
    inbox.consume(five)
    inbox.wait(5)
    channel.basic_ack(2, multiple=True)
    channel.basic_recover(requeue=True)
    inbox.wait(8)
    assert inbox.bodies[5:] == [b"3", b"4", b"5"]
    assert all(delivery.method.redelivered for delivery in inbox.deliveries[5:])


def test_requeued_message_goes_to_another_consumer(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    one, two = Inbox(connection.channel()), Inbox(connection.channel())
    for inbox in (one, two):
        inbox.channel.basic_qos(prefetch_count=1)
    one.consume(name)
    publish(channel, name, b"x")
    one.wait(1)
    two.consume(name)
    one.channel.close()
    two.wait(1)
    assert two.deliveries[0].method.redelivered
