"""Policies, operator policies and limits: set over HTTP, seen by clients over AMQP."""

import contextlib
import html
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ProbableAccessDeniedError

from conformance.brokers import Broker
from conformance.clients import (
    channel_refused,
    connect,
    connection_refused,
    drain,
    get,
    publish,
    wait_ready,
    wait_until,
)
from conformance.deviations import by_broker, deviates
from conformance.http_api import ask, permit, put_user

Put = Callable[..., None]


@pytest.fixture
def put(broker: Broker) -> Iterator[Put]:
    """Sets policies; they go when the test ends."""
    paths: list[str] = []

    def set_policy(
        name: str, pattern: str, definition: dict[str, Any], priority: int = 0, *, is_operator: bool = False
    ) -> None:
        path = f"/{'operator-policies' if is_operator else 'policies'}/%2F/{name}"
        paths.append(path)
        document = {"pattern": pattern, "definition": definition, "priority": priority, "apply-to": "all"}
        status, _ = ask(broker, "PUT", path, document)
        assert status in {201, 204}

    yield set_policy
    for path in paths:
        ask(broker, "DELETE", path)


@contextlib.contextmanager
def limited(broker: Broker, path: str, value: int) -> Iterator[None]:
    assert ask(broker, "PUT", path, {"value": value})[0] == 204
    try:
        yield
    finally:
        assert ask(broker, "DELETE", path)[0] == 204


# --- policies


def test_a_length_limit_trims_at_once_and_dead_letters(channel: BlockingChannel, name: str, put: Put) -> None:
    channel.queue_declare(name, exclusive=True)
    channel.queue_declare(f"dead-{name}", exclusive=True)
    publish(channel, name, b"1", b"2", b"3", b"4")
    wait_ready(channel, name, 4)
    put(name, f"^{name}$", {"max-length": 2, "dead-letter-exchange": "", "dead-letter-routing-key": f"dead-{name}"})
    wait_ready(channel, f"dead-{name}", 2)
    assert drain(channel, f"dead-{name}") == [b"1", b"2"]
    assert drain(channel, name) == [b"3", b"4"]


def test_a_policy_is_there_for_later_queues_and_a_redeclare_does_not_see_it(
    channel: BlockingChannel, name: str, put: Put
) -> None:
    put(name, f"^{name}$", {"max-length": 1})
    for _ in range(2):
        channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"1", b"2")
    wait_ready(channel, name, 1)
    assert drain(channel, name) == [b"2"]


def test_a_ttl_touches_later_messages_only(broker: Broker, channel: BlockingChannel, name: str, put: Put) -> None:
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"old")
    wait_ready(channel, name, 1)
    put(name, f"^{name}$", {"message-ttl": 100})
    publish(channel, name, b"new")
    wait_ready(channel, name, 2)
    old = get(channel, name, auto_ack=True)
    assert old is not None
    assert old.body == b"old"
    wait_ready(channel, name, 0)


def test_an_expiry_begins_when_the_policy_comes(broker: Broker, name: str, put: Put) -> None:
    with contextlib.closing(connect(broker)) as connection:
        connection.channel().queue_declare(name)
        put(name, f"^{name}$", {"expires": 100})

        def is_gone() -> bool:
            return ask(broker, "GET", f"/queues/%2F/{name}")[0] == 404

        wait_until(connection, is_gone)


def test_an_alternate_exchange_comes_and_goes(broker: Broker, channel: BlockingChannel, name: str, put: Put) -> None:
    channel.queue_declare(name, exclusive=True)
    channel.exchange_declare(f"{name}-rest", "fanout", auto_delete=True)
    channel.queue_bind(name, f"{name}-rest")
    channel.exchange_declare(name, "direct")
    put(name, f"^{name}$", {"alternate-exchange": f"{name}-rest"})
    channel.basic_publish(name, "k", b"caught")
    wait_ready(channel, name, 1)
    assert ask(broker, "DELETE", f"/policies/%2F/{name}")[0] == 204
    channel.basic_publish(name, "k", b"lost")
    channel.basic_publish(f"{name}-rest", "k", b"last")
    wait_ready(channel, name, 2)
    channel.exchange_delete(name)
    assert drain(channel, name) == [b"caught", b"last"]


def test_one_policy_applies_the_highest_and_nothing_is_merged(channel: BlockingChannel, name: str, put: Put) -> None:
    put(f"{name}-low", f"^{name}", {"max-length": 1}, 1)
    put(f"{name}-high", f"^{name}", {"max-length-bytes": 1000}, 2)
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"1", b"2", b"3")
    wait_ready(channel, name, 3)


def test_a_policy_with_a_key_of_other_types_is_skipped_whole(channel: BlockingChannel, name: str, put: Put) -> None:
    put(f"{name}-quorum", f"^{name}", {"max-length": 1, "delivery-limit": 3}, 2)
    put(f"{name}-classic", f"^{name}", {"max-length": 2}, 1)
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"1", b"2", b"3")
    wait_ready(channel, name, 2)
    assert drain(channel, name) == [b"2", b"3"]


@pytest.mark.parametrize(("argument", "policy", "operator"), [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
def test_the_strictest_of_three_limits_counts(
    channel: BlockingChannel, name: str, put: Put, argument: int, policy: int, operator: int
) -> None:
    put(name, f"^{name}", {"max-length": policy})
    put(name, f"^{name}", {"max-length": operator}, is_operator=True)
    channel.queue_declare(name, exclusive=True, arguments={"x-max-length": argument})
    publish(channel, name, b"1", b"2", b"3", b"4")
    wait_ready(channel, name, 1)
    assert drain(channel, name) == [b"4"]


def test_a_dead_letter_exchange_that_was_declared_wins(channel: BlockingChannel, name: str, put: Put) -> None:
    put(name, f"^{name}$", {"dead-letter-exchange": "amq.fanout", "dead-letter-routing-key": "nobody", "max-length": 0})
    channel.queue_declare(f"dead-{name}", exclusive=True)
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"dead-{name}"}
    channel.queue_declare(name, exclusive=True, arguments=arguments)
    publish(channel, name, b"1")
    wait_ready(channel, f"dead-{name}", 1)


def test_listings_say_what_applies(broker: Broker, channel: BlockingChannel, name: str, put: Put) -> None:
    put(name, f"^{name}$", {"max-length": 5, "expires": 99_999})
    put(name, f"^{name}$", {"max-length": 3}, is_operator=True)
    channel.queue_declare(name, exclusive=True)
    channel.exchange_declare(name, "fanout", auto_delete=True)
    channel.queue_bind(name, name)
    wait_until(channel.connection, lambda: ask(broker, "GET", f"/queues/%2F/{name}")[1].get("policy") == name)
    _, queue = ask(broker, "GET", f"/queues/%2F/{name}")
    assert queue["operator_policy"] == name
    assert queue["effective_policy_definition"] == {"max-length": 3, "expires": 99_999}
    assert ask(broker, "GET", f"/exchanges/%2F/{name}")[1]["policy"] == name


@deviates("policy-refusal-text")
@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({"definition": {"foo": 1}}, '[{<<"foo">>,1}] are not recognised policy settings'),
        ({"definition": {"max-length": "foo"}}, '<<"foo">> is not a valid maximum length'),
        ({"definition": {"max-length": {"a": [1, "b"]}}}, '#{<<"a">> => [1,<<"b">>]} is not a valid maximum length'),
        ({"definition": {"message-ttl": -1}}, "-1 is not a valid message TTL"),
        ({"definition": {"expires": 0}}, "0 is not a valid queue expiry"),
        ({"definition": {"overflow": "x"}}, '<<"x">> is not a valid overflow value'),
        ({"definition": {"queue-mode": "x"}}, '<<"x">> is not a valid queue-mode value'),
        ({"definition": {"dead-letter-exchange": 5}}, "5 is not a valid dead letter exchange name"),
        ({"definition": {"queue-master-locator": "x"}}, '<<"x">> invalid queue-master-locator value'),
        ({"definition": {}}, "no policy provided"),
        ({"pattern": 5}, "pattern should be a binary but was 5"),
        ({"priority": "x"}, 'priority should be a number, actually was <<"x">>'),
    ],
)
def test_a_wrong_policy_is_refused(broker: Broker, name: str, document: dict[str, Any], text: str) -> None:
    whole = {"pattern": "", "definition": {"max-length": 1}} | document
    status, answer = ask(broker, "PUT", f"/policies/%2F/{name}", whole)
    reason = by_broker(broker, ponymq=answer["reason"], rabbitmq=html.unescape(answer["reason"]))
    assert (status, answer["error"], reason) == (400, "bad_request", f"Validation failed\n\n{text}\n")


@pytest.mark.parametrize(
    ("document", "reason"),
    [({}, "[{key_missing,pattern},{key_missing,definition}]"), ({"pattern": ""}, "[{key_missing,definition}]")],
)
def test_what_is_missing_is_named(broker: Broker, name: str, document: object, reason: str) -> None:
    assert ask(broker, "PUT", f"/policies/%2F/{name}", document) == (400, {"error": "bad_request", "reason": reason})


def test_statuses_and_rows_of_policies(broker: Broker, name: str) -> None:
    path = f"/policies/%2F/{quote(name + '/é', safe='')}"
    document = {"pattern": f"^{name}", "definition": {"max-length": 1}}
    assert ask(broker, "PUT", path, document) == (201, None)
    assert ask(broker, "PUT", path, document) == (204, None)
    row = {"vhost": "/", "name": f"{name}/é", "apply-to": "all", "priority": 0, **document}
    assert ask(broker, "GET", path) == (200, row)
    assert row in ask(broker, "GET", "/policies")[1]
    assert ask(broker, "DELETE", path) == (204, None)
    gone = (404, {"error": "Object Not Found", "reason": "Not Found"})
    assert ask(broker, "DELETE", path) == gone
    assert ask(broker, "GET", path) == gone
    absent = (404, {"error": "not_found", "reason": "vhost_not_found"})
    assert ask(broker, "PUT", "/policies/absent/p", document) == absent


def test_a_policy_survives_a_restart_with_its_queue(own_broker: Broker, name: str) -> None:
    with contextlib.closing(connect(own_broker)) as connection:
        channel = connection.channel()
        channel.queue_declare(name, durable=True)
        publish(channel, name, b"1", b"2", b"3", delivery_mode=2)
        wait_ready(channel, name, 3)
        document = {"pattern": f"^{name}$", "definition": {"max-length": 2}}
        assert ask(own_broker, "PUT", f"/policies/%2F/{name}", document)[0] == 201
        wait_ready(channel, name, 2)
    own_broker.restart()
    with contextlib.closing(connect(own_broker)) as connection:
        channel = connection.channel()
        publish(channel, name, b"4")
        wait_ready(channel, name, 2)
        assert drain(channel, name) == [b"3", b"4"]


# --- limits


@contextlib.contextmanager
def refused_at_open(text: str) -> Iterator[None]:
    """The block ends with connection.close 530 in answer to connection.open; pika guesses at the cause."""
    with pytest.raises(ProbableAccessDeniedError) as refusal:
        yield
    assert f'(530) "NOT_ALLOWED - {text}"' in str(refusal.value)


def test_a_vhost_has_as_many_queues_as_its_limit(broker: Broker, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    with limited(broker, "/vhost-limits/%2F/max-queues", 1):
        channel.queue_declare(name, exclusive=True)
        with channel_refused(
            406, f"PRECONDITION_FAILED - cannot declare queue '{name}-2': queue limit in vhost '/' (1) is reached"
        ):
            channel.queue_declare(f"{name}-2", exclusive=True)


@pytest.mark.parametrize("limit", [0, 1])
def test_a_vhost_lets_in_as_many_connections_as_its_limit(
    broker: Broker, connection: pika.BlockingConnection, limit: int
) -> None:
    with limited(broker, "/vhost-limits/%2F/max-connections", limit):
        text = f"access to vhost '/' refused for user 'guest': connection limit ({limit}) is reached"
        with refused_at_open(text):
            connect(broker)
        assert connection.channel().is_open
    connect(broker).close()


def test_a_user_opens_as_many_connections_as_the_limit(broker: Broker, connection: pika.BlockingConnection) -> None:
    with limited(broker, "/user-limits/guest/max-connections", 1):
        text = "connection refused for user 'guest': user connection limit (1) is reached"
        with refused_at_open(text):
            connect(broker)
    assert connection.is_open


def test_a_user_opens_as_many_channels_as_the_limit(broker: Broker, name: str) -> None:
    # A user of its own: other tests' clients may keep channels of guest in a pool.
    put_user(broker, name, "apple")
    permit(broker, name)
    with limited(broker, f"/user-limits/{name}/max-channels", 2):
        connection = connect(broker, credentials=pika.PlainCredentials(name, "apple"))
        connection.channel()
        connection.channel()
        text = f"number of channels opened for user '{name}' has reached the maximum allowed user limit of (2)"
        with connection_refused(530, f"NOT_ALLOWED - {text}"):
            connection.channel()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        (
            "/vhost-limits/%2F/max-foo",
            'Validation failed\n\nUnrecognised terms [{<<"max-foo">>,<<"x">>}] in limits\n',
        ),
        (
            "/vhost-limits/%2F/max-queues",
            'Validation failed\n\nmax-queues should be a number, actually was <<"x">>\n',
        ),
        ("/user-limits/guest/max-channels", 'max-channels should be a number, actually was <<"x">>'),
    ],
)
def test_a_wrong_limit_is_refused(broker: Broker, path: str, reason: str) -> None:
    assert ask(broker, "PUT", path, {"value": "x"}) == (400, {"error": "bad_request", "reason": reason})
