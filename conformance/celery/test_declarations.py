"""kombu's declarations, consumers and confirmed publishes: flags, order, arguments, and what is repeated when."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from amqp.exceptions import MessageNacked
from kombu import Connection, Consumer, Exchange, Queue
from kombu.exceptions import OperationalError

from conformance.celery.wiretap import Wiretap

NOTICE_SECONDS = 10.0


@pytest.fixture
def connection(tap: Wiretap) -> Iterator[Connection]:
    with Connection(tap.url) as opened:
        yield opened


@pytest.mark.smoke
def test_an_exchange_is_durable_and_a_queue_durable_and_shared_unless_said_otherwise(
    tap: Wiretap, connection: Connection, name: str
) -> None:
    queue = Queue(name, Exchange(name), routing_key="key")(connection.default_channel)
    queue.declare()
    queue.delete()

    sent = [one for one in tap.methods() if one.channel == 1][2:8]
    assert [one.name for one in sent] == [
        *("Exchange.Declare", "Exchange.DeclareOk"),
        *("Queue.Declare", "Queue.DeclareOk"),
        *("Queue.Bind", "Queue.BindOk"),
    ]
    exchange, declaration, binding = (one.arguments for one in sent[::2])
    assert (exchange["passive"], exchange["durable"], exchange["auto_delete"]) == (False, True, False)
    assert (declaration["durable"], declaration["exclusive"], declaration["auto_delete"]) == (True, False, False)
    assert (binding["queue"], binding["exchange"], binding["routing_key"]) == (name, name, "key")


@pytest.mark.smoke
def test_an_exclusive_queue_is_also_deleted_with_its_last_consumer(
    tap: Wiretap, connection: Connection, name: str
) -> None:
    Queue(name, exclusive=True)(connection.default_channel).declare()

    declaration = tap.methods("Queue.Declare")[0].value
    assert (declaration.exclusive, declaration.auto_delete) == (True, True)


@pytest.mark.smoke
@pytest.mark.parametrize("exchange", ["amq.topic", ""])
def test_exchanges_of_the_server_are_never_declared(
    tap: Wiretap, connection: Connection, name: str, exchange: str
) -> None:
    Queue(name, Exchange(exchange, type="topic"), routing_key=name, auto_delete=True)(
        connection.default_channel
    ).declare()

    assert tap.methods("Queue.Declare")
    assert not tap.methods("Exchange.Declare")


@pytest.mark.smoke
def test_seconds_become_milliseconds_in_queue_arguments(tap: Wiretap, connection: Connection, name: str) -> None:
    Queue(
        name,
        auto_delete=True,
        expires=1.5,
        message_ttl=2.5,
        max_length=10,
        max_length_bytes=2**33,
        max_priority=5,
    )(connection.default_channel).declare()

    assert tap.methods("Queue.Declare")[0].value.arguments == {
        "x-expires": 1500,
        "x-message-ttl": 2500,
        "x-max-length": 10,
        "x-max-length-bytes": 2**33,
        "x-max-priority": 5,
    }
    assert tap.methods("Queue.DeclareOk")


@pytest.mark.smoke
def test_no_declare_skips_the_declaration(tap: Wiretap, connection: Connection, name: str) -> None:
    Queue(name, auto_delete=True)(connection.default_channel).declare()

    Queue(name, no_declare=True)(connection.default_channel).maybe_bind(connection.default_channel)
    Consumer(connection.default_channel, [Queue(name, no_declare=True)], no_ack=True).consume()

    assert len(tap.methods("Queue.Declare")) == 1
    assert tap.methods("Basic.ConsumeOk")


@pytest.mark.smoke
def test_a_declaration_is_made_once_for_a_connection_and_again_on_each_new_one(tap: Wiretap, name: str) -> None:
    arguments: dict[str, Any] = {"x-max-length": 100, "x-message-ttl": 60_000}
    queue = Queue(name, Exchange(name), routing_key=name, queue_arguments=arguments)
    connection_count = 20
    for _ in range(connection_count):
        with Connection(tap.url) as connection:
            producer = connection.Producer()
            for _ in range(3):
                producer.publish("text", exchange=queue.exchange, routing_key=name, declare=[queue])
    with Connection(tap.url) as connection:
        assert queue(connection.default_channel).delete() == connection_count * 3

    assert len(tap.methods("Queue.Declare")) == connection_count
    assert len(tap.methods("Exchange.Declare")) == connection_count
    assert not tap.methods("Channel.Close", from_client=False)


@pytest.mark.smoke
def test_only_the_last_queue_of_a_consumer_waits_for_consume_ok(
    tap: Wiretap, connection: Connection, name: str
) -> None:
    queues = [Queue(f"{name}-{number}", auto_delete=True) for number in range(3)]
    received: list[str] = []

    def receive(body: str, message: Any) -> None:
        received.append(body)
        message.ack()

    consumer = Consumer(connection.default_channel, queues, callbacks=[receive])
    consumer.consume()
    for queue in queues:
        connection.Producer().publish(queue.name, routing_key=queue.name)
    while len(received) < 3:
        connection.drain_events(timeout=NOTICE_SECONDS)

    consumes = [one.value for one in tap.methods("Basic.Consume")]
    assert [one.nowait for one in consumes] == [True, True, False]
    assert all(re.fullmatch(r"None\d+", one.consumer_tag) for one in consumes)
    assert len(tap.methods("Basic.ConsumeOk")) == 1
    assert sorted(received) == [queue.name for queue in queues]


@pytest.mark.smoke
def test_a_consumer_tag_is_unique_only_on_its_channel(tap: Wiretap, name: str) -> None:
    # Tags are counted per process, so every worker on a machine has a consumer None1.
    received: list[str] = []
    with Connection(tap.url) as first, Connection(tap.url) as second:
        channels = [first.channel(), first.channel(), second.channel()]
        for number, channel in enumerate(channels):
            queue = f"{name}-{number}"
            channel.queue_declare(queue, auto_delete=True)
            channel.basic_consume(queue, "None1", no_ack=True, callback=lambda message: received.append(message.body))
            first.Producer().publish(queue, routing_key=queue, serializer="raw")
        # The first connection's deliveries may have come along with an answer that was waited for.
        while len(received) < 2:
            first.drain_events(timeout=NOTICE_SECONDS)
        while len(received) < 3:
            second.drain_events(timeout=NOTICE_SECONDS)

    assert sorted(map(str, received)) == [f"{name}-{number}" for number in range(3)]


@pytest.mark.smoke
def test_confirms_are_selected_at_the_first_publish_and_then_waited_for_one_by_one(tap: Wiretap, name: str) -> None:
    with Connection(tap.url, transport_options={"confirm_publish": True}) as connection:
        producer = connection.Producer()
        queue = Queue(name, auto_delete=True)
        queue(connection.default_channel).declare()
        for number in range(3):
            producer.publish(str(number), routing_key=name)
        queue(connection.default_channel).delete()

    names = [one.name for one in tap.methods() if one.channel == 1]
    at = names.index("Confirm.Select")
    assert names[at : at + 8] == ["Confirm.Select", "Confirm.SelectOk", *["Basic.Publish", "Basic.Ack"] * 3]


@pytest.mark.smoke
def test_a_nack_is_tried_again_and_told_in_the_end(tap: Wiretap, name: str) -> None:
    full = {"x-max-length": 1, "x-overflow": "reject-publish"}
    with Connection(tap.url, transport_options={"confirm_publish": True}) as connection:
        producer = connection.Producer()
        queue = Queue(name, queue_arguments=full)(connection.default_channel)
        queue.declare()
        producer.publish("fits", routing_key=name)
        policy = {"max_retries": 2, "interval_start": 0, "interval_step": 0}

        with pytest.raises((MessageNacked, OperationalError)):
            producer.publish("does not fit", routing_key=name, retry=True, retry_policy=policy)

        assert queue(connection.default_channel).delete() == 1
    assert len(tap.methods("Basic.Nack")) >= 2
    assert len(tap.methods("Basic.Publish")) == len(tap.methods("Basic.Nack")) + 1


@pytest.mark.smoke
def test_a_publish_over_a_broken_connection_is_repeated_on_a_new_one(tap: Wiretap, name: str) -> None:
    with Connection(tap.url, transport_options={"confirm_publish": True}) as connection:
        producer = connection.Producer()
        queue = Queue(name)
        producer.publish("first", routing_key=name, declare=[queue])
        assert connection.connection.connected

        tap.cut()
        policy = {"max_retries": 3, "interval_start": 0, "interval_step": 0.2, "interval_max": 1}
        producer.publish("second", routing_key=name, declare=[queue], retry=True, retry_policy=policy)
        bound = queue(connection.default_channel)
        bodies = [bound.get(no_ack=True).payload for _ in range(2)]
        bound.delete()

    assert bodies == ["first", "second"]
    assert [one.connection for one in tap.methods("Queue.Declare")] == [1, 2]
