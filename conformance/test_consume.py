"""Consumers: order, fairness, priorities, exclusiveness, cancelling from both sides."""

import pika
import pytest
from pamqp import commands
from pika.adapters.blocking_connection import BlockingChannel

from conformance import raw
from conformance.brokers import Broker
from conformance.clients import Inbox, channel_refused, consumers, drain, publish, wait_ready, wait_until

pytestmark = pytest.mark.smoke


def test_consumer_receives_what_was_and_what_will_be_published(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"before")
    inbox = Inbox(channel)
    tag = inbox.consume(name)
    publish(channel, name, b"after")
    first, second = inbox.wait(2)
    assert inbox.bodies == [b"before", b"after"]
    assert inbox.tags == [1, 2]
    assert (first.method.consumer_tag, first.method.exchange, first.method.routing_key) == (tag, "", name)
    assert (first.method.redelivered, second.method.redelivered) == (False, False)


def test_server_chooses_a_tag_for_the_empty_one(broker: Broker, name: str) -> None:
    with raw.connect(broker) as client:
        client.declare_queue(name)
        client.send(raw.encode(commands.Basic.Consume(queue=name)))
        payload = client.expect_method(60, 21).payload
        assert payload[5:].startswith(b"amq.ctag-")
        assert payload[4] == len("amq.ctag-") + 22


def test_consumer_without_acknowledgement_empties_the_queue(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    bodies = [str(number).encode() for number in range(500)]
    publish(channel, name, *bodies)
    inbox = Inbox(channel)
    inbox.consume(name, auto_ack=True)
    inbox.wait(500)
    assert inbox.bodies == bodies
    assert channel.queue_purge(name).method.message_count == 0


def test_consumers_of_a_queue_take_turns(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    inboxes = [Inbox(connection.channel()) for _ in range(3)]
    for inbox in inboxes:
        inbox.consume(name)
    publish(channel, name, *(str(number).encode() for number in range(30)))
    wait_until(connection, lambda: sum(len(inbox.deliveries) for inbox in inboxes) == 30)
    assert [len(inbox.deliveries) for inbox in inboxes] == [10, 10, 10]


def test_consumer_of_higher_priority_is_served_until_it_is_full(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    low, high = Inbox(connection.channel()), Inbox(connection.channel())
    high.channel.basic_qos(prefetch_count=2)
    low.consume(name, arguments={"x-priority": -1})
    high.consume(name, arguments={"x-priority": 10})
    publish(channel, name, b"1", b"2", b"3", b"4")
    wait_until(connection, lambda: len(low.deliveries) + len(high.deliveries) == 4)
    assert (high.bodies, low.bodies) == ([b"1", b"2"], [b"3", b"4"])


def test_no_delivery_follows_cancel_ok_and_the_unacked_stay(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    inbox = Inbox(channel)
    channel.basic_qos(prefetch_count=2)
    tag = inbox.consume(name)
    publish(channel, name, b"1", b"2", b"3")
    inbox.wait(2)
    channel.basic_cancel(tag)
    wait_ready(channel, name, 1)
    channel.basic_ack(2, multiple=True)
    assert drain(channel, name) == [b"3"]
    assert inbox.bodies == [b"1", b"2"]


def test_cancel_of_an_unknown_tag_is_answered(broker: Broker) -> None:
    with raw.connect(broker) as client:
        client.send(raw.encode(commands.Basic.Cancel(consumer_tag="unknown")))
        assert client.expect_method(60, 31).payload[4:] == raw.short_string(b"unknown")


def test_tag_is_free_after_cancel_and_on_other_channels(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    for _ in range(3):
        Inbox(channel).consume(name, consumer_tag="t")
        other = connection.channel()
        Inbox(other).consume(name, consumer_tag="t")
        channel.basic_cancel("t")
        other.close()


def test_consumer_may_cancel_itself_in_its_callback(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"1", b"2")
    received: list[bytes] = []

    def once(_: BlockingChannel, method: object, __: object, body: bytes) -> None:
        received.append(body)
        channel.stop_consuming()

    channel.basic_qos(prefetch_count=1)
    channel.basic_consume(name, once)
    channel.start_consuming()
    assert received == [b"1"]
    channel.queue_delete(name)


def test_capable_client_is_told_when_its_queue_is_deleted(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    cancelled: list[str] = []
    consuming = connection.channel()
    consuming.add_on_cancel_callback(lambda frame: cancelled.append(frame.method.consumer_tag))
    tag = Inbox(consuming).consume(name)
    channel.queue_delete(name)
    wait_until(connection, lambda: cancelled)
    assert cancelled == [tag]
    channel.queue_declare(name, exclusive=True)
    Inbox(consuming).consume(name, consumer_tag=f"{tag}-again")


def test_cancel_from_the_server_expects_no_answer_and_goes_to_capable_clients_only(broker: Broker, name: str) -> None:
    for capabilities, told in (([b"consumer_cancel_notify"], True), ([], False)):
        with raw.connect(broker, "start") as client:
            client.send(raw.start_ok(properties=raw.capabilities(capabilities)))
            client.expect_method(10, 30, channel=0)
            client.send(raw.tune_ok(), raw.connection_open())
            client.expect_method(10, 41, channel=0)
            client.open_channel()
            client.declare_queue(name)
            client.send(raw.encode(commands.Basic.Consume(queue=name, consumer_tag="t")))
            client.expect_method(60, 21)
            client.open_channel(2)
            client.send(raw.encode(commands.Queue.Delete(queue=name), 2))
            arrived = [client.read_frame() for _ in range(2 if told else 1)]
            assert {answer.method for answer in arrived} == ({(60, 30), (50, 41)} if told else {(50, 41)})
            if told:
                cancel = next(answer for answer in arrived if answer.method == (60, 30))
                assert cancel.payload[4:] == raw.short_string(b"t") + b"\x01"
            client.expect_alive()


def test_exclusive_consumer_keeps_others_out_until_it_cancels(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    inbox = Inbox(channel)
    tag = inbox.consume(name, exclusive=True)
    with channel_refused(403, f"ACCESS_REFUSED - queue '{name}' in vhost '/' in exclusive use"):
        Inbox(connection.channel()).consume(name)
    publish(channel, name, b"still mine")
    inbox.wait(1)
    channel.basic_ack(1)
    channel.basic_cancel(tag)
    Inbox(connection.channel()).consume(name, exclusive=True)


def test_single_active_consumer_hands_over_in_order_of_arrival(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True, arguments={"x-single-active-consumer": True})
    inboxes = [Inbox(connection.channel()) for _ in range(3)]
    tags = [inbox.consume(name, auto_ack=True) for inbox in inboxes]
    assert consumers(channel, name) == 3
    for inbox, tag in zip(inboxes, tags, strict=True):
        publish(channel, name, b"a", b"b")
        inbox.wait(2)
        inbox.channel.basic_cancel(tag)
    assert [inbox.bodies for inbox in inboxes] == [[b"a", b"b"]] * 3


def test_one_channel_may_consume_from_many_queues(channel: BlockingChannel, name: str) -> None:
    inbox = Inbox(channel)
    queues = [f"{name}-{number}" for number in range(20)]
    for queue in queues:
        channel.queue_declare(queue, exclusive=True)
        inbox.consume(queue, auto_ack=True)
    for queue in queues:
        publish(channel, queue, queue.encode())
    inbox.wait(20)
    assert sorted(inbox.bodies) == sorted(queue.encode() for queue in queues)


def test_message_priorities_order_the_backlog(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments={"x-max-priority": 5})
    for priority in (1, 5, None, 3, 200, 1):
        publish(channel, name, str(priority).encode(), priority=priority)
    assert drain(channel, name) == [b"5", b"200", b"3", b"1", b"1", b"None"]
