"""Direct reply-to: answers without a queue."""

from collections.abc import Iterator

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.brokers import Broker
from conformance.clients import (
    Delivery,
    Inbox,
    channel_refused,
    connect,
    connection_refused,
    drain,
    exists,
    get,
    publish,
    wait_ready,
)
from conformance.deviations import by_broker, deviates

pytestmark = pytest.mark.smoke

REPLY_TO = "amq.rabbitmq.reply-to"


@pytest.fixture
def responder(broker: Broker, name: str) -> Iterator[BlockingChannel]:
    """A channel on another connection, with the queue of the requests."""
    connection = connect(broker)
    channel = connection.channel()
    channel.queue_declare(name, auto_delete=True)
    yield channel
    if connection.is_open:
        connection.close()


def request(channel: BlockingChannel, responder: BlockingChannel, queue: str) -> str:
    """Send a request; returns the reply name that the responder finds in it."""
    publish(channel, queue, b"question", reply_to=REPLY_TO, correlation_id="7", headers={"mine": 1})
    wait_ready(responder, queue, 1)
    delivery = get(responder, queue, auto_ack=True)
    assert delivery is not None
    assert (delivery.properties.correlation_id, delivery.properties.headers) == ("7", {"mine": 1})
    reply_name = str(delivery.properties.reply_to)
    assert reply_name.startswith(f"{REPLY_TO}.")
    return reply_name


def requester(channel: BlockingChannel) -> Inbox:
    inbox = Inbox(channel)
    inbox.consume(REPLY_TO, auto_ack=True)
    return inbox


def test_answer_reaches_the_requester(channel: BlockingChannel, responder: BlockingChannel, name: str) -> None:
    inbox = requester(channel)
    reply_name = request(channel, responder, name)
    publish(responder, reply_name, b"answer", correlation_id="7", delivery_mode=2)
    (delivery,) = inbox.wait(1)
    assert (delivery.body, delivery.properties.correlation_id) == (b"answer", "7")
    method = delivery.method
    assert (method.exchange, method.routing_key, method.redelivered) == ("", reply_name, False)


def test_responder_may_be_the_same_channel_and_answer_often(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    inbox = requester(channel)
    reply_name = request(channel, channel, name)
    publish(channel, reply_name, b"1", b"2", b"3")
    inbox.wait(3)
    assert inbox.bodies == [b"1", b"2", b"3"]


def test_every_requester_has_its_own_name(channel: BlockingChannel, responder: BlockingChannel, name: str) -> None:
    other = channel.connection.channel()
    first, second = requester(channel), requester(other)
    names = request(channel, responder, name), request(other, responder, name)
    assert names[0] != names[1]
    publish(responder, names[1], b"second")
    publish(responder, names[0], b"first")
    first.wait(1)
    second.wait(1)
    assert (first.bodies, second.bodies) == ([b"first"], [b"second"])


def test_carbon_copies_reach_requesters(channel: BlockingChannel, responder: BlockingChannel, name: str) -> None:
    inbox = requester(channel)
    reply_name = request(channel, responder, name)
    publish(responder, "nowhere", b"copy", headers={"CC": [reply_name]})
    inbox.wait(1)


def test_other_reply_to_is_left_alone(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"m", reply_to="mine")
    delivery = get(channel, name)
    assert delivery is not None
    assert delivery.properties.reply_to == "mine"


def test_request_without_a_consumer_is_refused(channel: BlockingChannel, name: str) -> None:
    with channel_refused(406, "PRECONDITION_FAILED - fast reply consumer does not exist"):
        request(channel, channel, name)


def test_consumer_must_not_acknowledge(channel: BlockingChannel) -> None:
    with channel_refused(406, "PRECONDITION_FAILED - reply consumer cannot acknowledge"):
        channel.basic_consume(REPLY_TO, lambda *_: None)


def test_one_reply_consumer_per_channel(channel: BlockingChannel) -> None:
    requester(channel)
    with channel_refused(406, "PRECONDITION_FAILED - reply consumer already set"):
        requester(channel)


def test_after_a_cancel_it_can_be_consumed_anew(
    channel: BlockingChannel, responder: BlockingChannel, name: str
) -> None:
    inbox = Inbox(channel)
    tag = inbox.consume(REPLY_TO, auto_ack=True)
    old = request(channel, responder, name)
    channel.basic_cancel(tag)
    again = requester(channel)
    new = request(channel, responder, name)
    publish(responder, old, b"late")
    publish(responder, new, b"answer")
    again.wait(1)
    assert (inbox.bodies, again.bodies) == ([], [b"answer"])


def test_declare_tells_whether_the_requester_is_there(
    channel: BlockingChannel, responder: BlockingChannel, name: str
) -> None:
    other = channel.connection.channel()
    requester(other)
    reply_name = request(other, responder, name)
    for passive in (True, False):
        answer = responder.queue_declare(reply_name, passive=passive).method
        assert (answer.queue, answer.message_count, answer.consumer_count) == (reply_name, 0, 1)
    other.close()
    assert not exists(responder, reply_name)
    text = f"NOT_FOUND - no queue '{reply_name}' in vhost '/'"
    with channel_refused(404, text):
        responder.queue_declare(reply_name, passive=True)


def test_plain_name_can_always_be_declared(channel: BlockingChannel) -> None:
    for passive in (True, False):
        answer = channel.queue_declare(REPLY_TO, passive=passive).method
        assert (answer.queue, answer.message_count, answer.consumer_count) == (REPLY_TO, 0, 1)


def test_answer_to_nobody_is_dropped_and_confirmed(
    channel: BlockingChannel, responder: BlockingChannel, name: str
) -> None:
    other = channel.connection.channel()
    requester(other)
    reply_name = request(other, responder, name)
    other.close()
    responder.confirm_delivery()
    publish(responder, reply_name, b"late")


@deviates("reply-to-mandatory")
@pytest.mark.parametrize("is_there", [True, False], ids=["there", "gone"])
def test_mandatory_answer(
    broker: Broker, channel: BlockingChannel, responder: BlockingChannel, name: str, is_there: bool
) -> None:
    other = channel.connection.channel()
    inbox = requester(other)
    reply_name = request(other, responder, name)
    if not is_there:
        other.close()
    returned: list[bytes] = []
    responder.add_on_return_callback(lambda *message: returned.append(message[3]))
    responder.basic_publish("", reply_name, b"answer", mandatory=True)
    assert drain(responder, name) == []  # what was returned comes before this answer
    responder.connection.process_data_events(time_limit=0)
    assert returned == by_broker(broker, ponymq=[], rabbitmq=[b"answer"])
    if is_there:
        inbox.wait(1)


@deviates("reply-to-refusals")
def test_get_is_refused(broker: Broker, channel: BlockingChannel) -> None:
    text = f"queue '{REPLY_TO}' in vhost '/'"
    if by_broker(broker, ponymq=True, rabbitmq=False):
        with connection_refused(540, f"NOT_IMPLEMENTED - basic.get not supported by volatile {text}"):
            channel.basic_get(REPLY_TO)
    else:
        with channel_refused(404, f"NOT_FOUND - no {text}"):
            channel.basic_get(REPLY_TO)


@deviates("reply-to-refusals")
def test_bind_is_refused(broker: Broker, channel: BlockingChannel) -> None:
    missing = f"NOT_FOUND - no queue '{REPLY_TO}' in vhost '/'"
    volatile = "ACCESS_REFUSED - cannot bind or unbind to a volatile (direct reply-to) queue"
    with channel_refused(*by_broker(broker, ponymq=(403, volatile), rabbitmq=(404, missing))):
        channel.queue_bind(REPLY_TO, "amq.direct", "k")


def test_request_in_a_transaction_carries_the_name(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    inbox = requester(channel)
    channel.tx_select()
    publish(channel, name, b"question", reply_to=REPLY_TO)
    channel.tx_commit()
    delivery = get(channel, name, auto_ack=True)
    assert isinstance(delivery, Delivery)
    publish(channel, str(delivery.properties.reply_to), b"answer")
    channel.tx_commit()
    inbox.wait(1)


def test_large_answers_are_all_delivered(channel: BlockingChannel, responder: BlockingChannel, name: str) -> None:
    inbox = requester(channel)
    reply_name = request(channel, responder, name)
    body = b"x" * 300_000
    for _ in range(20):
        responder.basic_publish("", reply_name, body, pika.BasicProperties())
    assert {len(each.body) for each in inbox.wait(20)} == {len(body)}
