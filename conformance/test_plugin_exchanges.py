"""Exchange types that RabbitMQ has as plugins. The referee runs with those that Debian ships."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import UnroutableError

from conformance.brokers import Broker, RabbitMQ, make_broker
from conformance.clients import channel_refused, drain, ready, wait_ready

PLUGINS = (
    "rabbitmq_consistent_hash_exchange",
    "rabbitmq_random_exchange",
    "rabbitmq_recent_history_exchange",
    "rabbitmq_sharding",
)
BINDING_KEYS = {"x-consistent-hash": "1", "x-modulus-hash": "", "x-random": "any"}
every_kind = pytest.mark.parametrize("kind", BINDING_KEYS)


@pytest.fixture(scope="module")
def broker(broker_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker with these plugins; a test must choose its own names in it."""
    directory = tmp_path_factory.mktemp("plugins")
    started = RabbitMQ(directory, PLUGINS) if broker_name == "rabbitmq" else make_broker(broker_name, directory)
    try:
        started.start()
        yield started
    finally:
        started.close()


@pytest.fixture
def beyond_referee(broker: Broker) -> None:
    """For what the referee has no plugin for."""
    if broker.name == "rabbitmq":
        pytest.skip("Debian's RabbitMQ does not have this exchange type")


def declare(channel: BlockingChannel, name: str, kind: str, **arguments: Any) -> list[str]:
    """An exchange with four queues behind it."""
    channel.exchange_declare(name, kind, auto_delete=True, arguments=arguments)
    queues = [f"{name}-{n}" for n in range(4)]
    for queue in queues:
        channel.queue_declare(queue, exclusive=True)
        channel.queue_bind(queue, name, BINDING_KEYS[kind])
    return queues


def contents(channel: BlockingChannel, queues: list[str]) -> list[list[bytes]]:
    return [drain(channel, queue) for queue in queues]


@every_kind
def test_every_message_goes_to_one_queue_and_every_queue_gets_some(
    channel: BlockingChannel, name: str, kind: str
) -> None:
    queues = declare(channel, name, kind)
    channel.confirm_delivery()
    for n in range(200):
        channel.basic_publish(name, f"key-{n}", b"%d" % n)
    found = contents(channel, queues)
    assert all(found)
    assert Counter(body for each in found for body in each) == Counter(b"%d" % n for n in range(200))


@every_kind
def test_copies_for_further_keys_make_no_second_message(channel: BlockingChannel, name: str, kind: str) -> None:
    queues = declare(channel, name, kind)
    copies = pika.BasicProperties(headers={"CC": [f"copy-{n}" for n in range(20)]})
    channel.basic_publish(name, "key", b"one", copies)
    assert [body for each in contents(channel, queues) for body in each] == [b"one"]


@pytest.mark.parametrize("kind", ["x-consistent-hash", "x-modulus-hash"])
def test_equal_keys_go_to_one_queue(channel: BlockingChannel, name: str, kind: str) -> None:
    queues = declare(channel, name, kind)
    for n in range(100):
        channel.basic_publish(name, f"key-{n % 10}", b"%d" % (n % 10))
    found = contents(channel, queues)
    assert sum(len(set(each)) for each in found) == 10


@pytest.mark.parametrize("argument", ["hash-header", "hash-property"])
def test_consistent_hash_may_look_at_a_header_or_a_property(channel: BlockingChannel, name: str, argument: str) -> None:
    value = "who" if argument == "hash-header" else "correlation_id"
    queues = declare(channel, name, "x-consistent-hash", **{argument: value})
    for n in range(200):
        text = str(n % 20)
        found = {"headers": {"who": text}} if argument == "hash-header" else {"correlation_id": text}
        channel.basic_publish(name, f"key-{n}", text.encode(), pika.BasicProperties(**found))
    bodies = contents(channel, queues)
    assert sum(len(set(each)) for each in bodies) == 20
    assert sum(len(each) for each in bodies) == 200


def test_consistent_hash_shares_by_weight(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "x-consistent-hash", auto_delete=True)
    for weight in (1, 3):
        channel.queue_declare(f"{name}-{weight}", exclusive=True)
        channel.queue_bind(f"{name}-{weight}", name, str(weight))
    channel.confirm_delivery()
    for n in range(800):
        channel.basic_publish(name, f"key-{n}", b"")
    assert abs(ready(channel, f"{name}-3") - 600) < 80


def test_consistent_hash_refuses_a_key_that_is_no_weight(connection: pika.BlockingConnection, name: str) -> None:
    for key, text in (
        ("x", 'The binding key must be an integer: <<"x">>'),
        ("0", "The binding key must be greater than 0"),
        ("-1", "The binding key must be greater than 0"),
    ):
        channel = connection.channel()
        channel.exchange_declare(name, "x-consistent-hash", auto_delete=True)
        channel.queue_declare(name, exclusive=True)
        with channel_refused(406, f"PRECONDITION_FAILED - {text}"):
            channel.queue_bind(name, name, key)


def test_consistent_hash_refuses_arguments_that_cannot_be(connection: pika.BlockingConnection, name: str) -> None:
    for arguments, text in (
        ({"hash-property": "app_id"}, "Unsupported property: app_id"),
        (
            {"hash-property": "message_id", "hash-header": "h"},
            "hash-header and hash-property are mutually exclusive",
        ),
    ):
        with channel_refused(406, f"PRECONDITION_FAILED - {text}"):
            connection.channel().exchange_declare(name, "x-consistent-hash", arguments=arguments)


@pytest.mark.usefixtures("beyond_referee")
def test_local_random_takes_classic_queues_without_a_key(connection: pika.BlockingConnection, name: str) -> None:
    channel = connection.channel()
    channel.exchange_declare(name, "x-local-random", auto_delete=True)
    channel.queue_declare(name, exclusive=True)
    channel.queue_bind(name, name, "")
    channel.basic_publish(name, "whatever", b"m")
    assert drain(channel, name) == [b"m"]
    with channel_refused(406, "PRECONDITION_FAILED - Non empty binding 'k' key not permitted"):
        channel.queue_bind(name, name, "k")


def test_recent_history_gives_the_last_messages_to_a_queue_bound_later(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "x-recent-history", arguments={"x-recent-history-length": 3})
    channel.confirm_delivery()
    for n in range(5):
        channel.basic_publish(name, "", b"%d" % n)
    channel.basic_publish(name, "", b"unkept", pika.BasicProperties(headers={"x-recent-history-no-store": True}))
    channel.queue_declare(name, exclusive=True)
    channel.queue_bind(name, name, "")
    wait_ready(channel, name, 3)
    channel.basic_publish(name, "", b"5")
    assert drain(channel, name) == [b"2", b"3", b"4", b"5"]
    channel.exchange_delete(name)


def test_recent_history_keeps_twenty_messages_unless_told_otherwise(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "x-recent-history")
    channel.confirm_delivery()
    for n in range(25):
        channel.basic_publish(name, "", b"%d" % n)
    channel.queue_declare(name, exclusive=True)
    channel.queue_bind(name, name, "")
    wait_ready(channel, name, 20)
    assert drain(channel, name) == [b"%d" % n for n in range(5, 25)]
    channel.exchange_delete(name)


def test_recent_history_refuses_a_length_that_is_none(connection: pika.BlockingConnection, name: str) -> None:
    for length, shown in ((0, "0"), (-1, "-1"), ("x", '<<"x">>')):
        text = f"Invalid argument {shown}, 'x-recent-history-length' must be a positive integer"
        with channel_refused(406, f"PRECONDITION_FAILED - {text}"):
            connection.channel().exchange_declare(
                name, "x-recent-history", arguments={"x-recent-history-length": length}
            )


@pytest.mark.usefixtures("beyond_referee")
def test_deduplication_drops_what_it_has_seen(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(name, "x-message-deduplication", arguments={"x-cache-size": 10, "x-cache-ttl": 60_000})
    channel.queue_declare(name, exclusive=True)
    channel.queue_bind(name, name, "")
    channel.confirm_delivery()
    for body, key in ((b"1", "a"), (b"2", "a"), (b"3", "b")):
        channel.basic_publish(name, "", body, pika.BasicProperties(headers={"x-deduplication-header": key}))
    assert drain(channel, name) == [b"1", b"3"]
    seen = pika.BasicProperties(headers={"x-deduplication-header": "b"})
    with pytest.raises(UnroutableError):
        channel.basic_publish(name, "", b"4", seen, mandatory=True)
    channel.exchange_delete(name)


@pytest.mark.usefixtures("beyond_referee")
def test_deduplicating_queue_holds_one_message_of_each_key(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments={"x-message-deduplication": True})
    channel.confirm_delivery()
    for body in (b"1", b"2"):
        channel.basic_publish("", name, body, pika.BasicProperties(headers={"x-deduplication-header": "a"}))
    assert drain(channel, name) == [b"1"]
    channel.basic_publish("", name, b"3", pika.BasicProperties(headers={"x-deduplication-header": "a"}))
    assert drain(channel, name) == [b"3"]
