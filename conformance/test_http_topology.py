"""Queues, exchanges and bindings over HTTP. RabbitMQ's HTTP API."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.brokers import Broker
from conformance.deviations import by_broker, deviates
from conformance.http_api import ask, converse, permit, put_user

DEFAULT = "amq.default"


def queue_path(name: str) -> str:
    return f"/queues/%2F/{quote(name, safe='')}"


def exchange_path(name: str) -> str:
    return f"/exchanges/%2F/{quote(name, safe='')}"


def refused(broker: Broker, method: str, path: str, body: object = None) -> str:
    status, answer = ask(broker, method, path, body)
    assert status == 400
    assert answer["error"] == "bad_request"
    return str(answer["reason"])


@pytest.fixture
def queue(broker: Broker, name: str) -> Iterator[str]:
    assert ask(broker, "PUT", queue_path(name), {}) == (201, None)
    yield name
    ask(broker, "DELETE", queue_path(name))


@pytest.fixture
def exchange(broker: Broker, name: str) -> Iterator[str]:
    assert ask(broker, "PUT", exchange_path(name + "x"), {}) == (201, None)
    yield name + "x"
    ask(broker, "DELETE", exchange_path(name + "x"))


# --- queues


@pytest.mark.smoke
@pytest.mark.parametrize("odd", ["", "/ü?#%2F +", "..."])
def test_a_queue_is_made_shown_and_deleted(broker: Broker, name: str, odd: str) -> None:
    body = {"durable": "true", "auto_delete": "false", "arguments": {"x-max-length": 5, "x-new": [1, "a", {"b": True}]}}
    path = queue_path(name + odd)
    assert ask(broker, "PUT", path, body) == (201, None)
    assert ask(broker, "PUT", path, body) == (204, None)
    status, row = ask(broker, "GET", path)
    assert status == 200
    assert (row["name"], row["durable"], row["auto_delete"]) == (name + odd, True, False)
    assert row["arguments"] == body["arguments"]
    assert ask(broker, "DELETE", path) == (204, None)
    assert ask(broker, "DELETE", path)[0] == 404
    assert ask(broker, "GET", path)[0] == 404


def test_a_queue_that_is_there_must_be_as_described(broker: Broker, queue: str) -> None:
    text = f"inequivalent arg 'durable' for queue '{queue}' in vhost '/': received 'true' but current is 'false'"
    assert refused(broker, "PUT", queue_path(queue), {"durable": True}) == text
    text = (
        f"inequivalent arg 'x-max-length' for queue '{queue}' in vhost '/': "
        "received the value '1' of type 'long' but current is none"
    )
    assert refused(broker, "PUT", queue_path(queue), {"arguments": {"x-max-length": 1}}) == text


@pytest.mark.parametrize(
    "body",
    [{"durable": "perhaps"}, {"arguments": {"x": None}}, {"arguments": {"x-max-length": "ten"}}],
)
def test_a_queue_that_cannot_be_is_refused(broker: Broker, name: str, body: object) -> None:
    assert ask(broker, "PUT", queue_path(name), body)[0] == 400
    assert ask(broker, "GET", queue_path(name))[0] == 404


def test_a_queues_name_has_an_end(broker: Broker) -> None:
    assert "less than 255 bytes, actually was 256" in refused(broker, "PUT", queue_path("q" * 256), {})


def test_an_empty_list_of_arguments_is_none(broker: Broker, name: str) -> None:
    assert ask(broker, "PUT", queue_path(name), {"arguments": []}) == (201, None)
    assert ask(broker, "GET", queue_path(name))[1]["arguments"] == {}
    ask(broker, "DELETE", queue_path(name))


def test_a_queue_goes_only_if_it_may(broker: Broker, channel: BlockingChannel, queue: str) -> None:
    channel.basic_publish("", queue, b"x")
    channel.queue_declare(queue, passive=True)
    text = f"queue '{queue}' in vhost '/' not empty"
    assert refused(broker, "DELETE", queue_path(queue) + "?if-empty=true") == text
    assert ask(broker, "DELETE", queue_path(queue) + "/contents") == (204, None)
    assert channel.queue_declare(queue, passive=True).method.message_count == 0
    tag = channel.basic_consume(queue, lambda *_: None)
    assert refused(broker, "DELETE", queue_path(queue) + "?if-unused=true") == f"queue '{queue}' in vhost '/' in use"
    channel.basic_cancel(tag)
    assert ask(broker, "DELETE", queue_path(queue) + "?if-unused=true&if-empty=true") == (204, None)


def test_another_connections_exclusive_queue_is_out_of_reach(broker: Broker, channel: BlockingChannel) -> None:
    own = channel.queue_declare("", exclusive=True).method.queue
    for path in ("", "/contents"):
        assert "RESOURCE_LOCKED" in refused(broker, "DELETE", queue_path(own) + path) or "locked" in refused(
            broker, "DELETE", queue_path(own) + path
        )


@deviates("http-queue-actions")
def test_actions_are_those_of_old(broker: Broker, queue: str) -> None:
    answer = by_broker(broker, ponymq=400, rabbitmq=204)
    assert ask(broker, "POST", queue_path(queue) + "/actions", {"action": "sync"})[0] == answer
    assert ask(broker, "POST", queue_path(queue) + "/actions", {"action": "x"})[0] == 400
    assert refused(broker, "POST", queue_path(queue) + "/actions", {}) == "[{key_missing,action}]"


# --- exchanges


def test_an_exchange_is_made_shown_and_deleted(broker: Broker, name: str, exchange: str) -> None:
    body = {
        "type": "fanout",
        "durable": True,
        "auto_delete": False,
        "internal": "true",
        "arguments": {"alternate-exchange": exchange},
    }
    assert ask(broker, "PUT", exchange_path(name), body) == (201, None)
    assert ask(broker, "PUT", exchange_path(name), body) == (204, None)
    _, row = ask(broker, "GET", exchange_path(name))
    assert {key: row[key] for key in body} == body | {"internal": True}
    text = f"inequivalent arg 'type' for exchange '{name}' in vhost '/': received 'direct' but current is 'fanout'"
    assert refused(broker, "PUT", exchange_path(name), {}) == text
    assert ask(broker, "DELETE", exchange_path(name)) == (204, None)
    assert ask(broker, "DELETE", exchange_path(name))[0] == 404


def test_an_exchange_of_no_type_is_refused(broker: Broker, name: str) -> None:
    assert refused(broker, "PUT", exchange_path(name), {"type": "nonsense"}) == "unknown exchange type 'nonsense'"


def test_an_exchange_in_use_stays_if_asked(broker: Broker, exchange: str, queue: str) -> None:
    ask(broker, "POST", f"/bindings/%2F/e/{exchange}/q/{queue}", {})
    text = f"exchange '{exchange}' in vhost '/' in use"
    assert refused(broker, "DELETE", exchange_path(exchange) + "?if-unused=true") == text
    assert ask(broker, "DELETE", exchange_path(exchange)) == (204, None)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/queues/%2F/amq.mine"),
        ("PUT", "/exchanges/%2F/amq.mine"),
        ("PUT", "/exchanges/%2F/amq.default"),
        ("DELETE", "/exchanges/%2F/amq.direct"),
        ("DELETE", "/exchanges/%2F/amq.default"),
    ],
)
@deviates("http-refusal-reason")
def test_reserved_names_are_refused(broker: Broker, method: str, path: str) -> None:
    status, answer = ask(broker, method, path, {} if method == "PUT" else None)
    assert status == 401
    assert answer["error"] == "not_authorised"
    assert answer["reason"] == "Access refused." or broker.name == "ponymq"


# --- bindings


KEYS: list[tuple[str, str]] = [
    ("", "~"),
    ("a.b", "a.b"),
    ("a/b c", "a%2Fb+c"),
    ("ü+%", "%C3%BC%2B%25"),
]


@pytest.mark.parametrize(("key", "props"), KEYS)
@pytest.mark.parametrize("arguments", [{}, {"x": 1, "y": "z"}])
@pytest.mark.parametrize("kind", ["q", "e"])
def test_a_binding_is_made_found_by_its_location_and_removed(
    broker: Broker, exchange: str, queue: str, key: str, props: str, arguments: dict[str, Any], kind: str
) -> None:
    end = queue if kind == "q" else "amq.fanout"
    path = f"/bindings/%2F/e/{exchange}/{kind}/{end}"
    status, _, headers = converse(broker, "POST", path, {"routing_key": key, "arguments": arguments})
    assert status == 201
    name, _, location = headers["Location"].partition("/")
    assert name == end
    (row,) = ask(broker, "GET", path)[1]
    assert row == {
        "source": exchange,
        "vhost": "/",
        "destination": end,
        "destination_type": "queue" if kind == "q" else "exchange",
        "routing_key": key,
        "arguments": arguments,
        "properties_key": row["properties_key"],
    }
    if not arguments:
        assert row["properties_key"] == props
    else:
        assert row["properties_key"].startswith(f"{props.rstrip('~')}~")
        assert len(row["properties_key"]) > len(props)
    # Clients take the location as it is, or quote the properties_key once more: with a plus for a space, or without.
    for spelling in (location, quote(row["properties_key"], safe=""), quote(row["properties_key"], safe="+")):
        assert ask(broker, "GET", f"{path}/{spelling}") == (200, row)
    assert ask(broker, "DELETE", f"{path}/{location}") == (204, None)
    assert ask(broker, "DELETE", f"{path}/{location}")[0] == 404
    assert ask(broker, "GET", f"{path}/{location}")[0] == 404


def test_a_tilde_in_a_key_does_not_end_it(broker: Broker, exchange: str, queue: str) -> None:
    path = f"/bindings/%2F/e/{exchange}/q/{queue}"
    _, _, headers = converse(broker, "POST", path, {"routing_key": "a~b"})
    assert headers["Location"] == f"{queue}/a%257Eb"
    assert ask(broker, "DELETE", f"{path}/a%257Eb") == (204, None)


def test_bindings_are_listed_from_every_side(broker: Broker, exchange: str, queue: str) -> None:
    ask(broker, "POST", f"/bindings/%2F/e/{exchange}/q/{queue}", {"routing_key": "k"})
    ask(broker, "POST", f"/bindings/%2F/e/{exchange}/e/amq.fanout", {"routing_key": "r"})
    implied = ("", queue, queue)
    to_queue = (exchange, queue, "k")
    to_exchange = (exchange, "amq.fanout", "r")

    def listed(path: str) -> set[tuple[str, str, str]]:
        status, rows = ask(broker, "GET", path)
        assert status == 200
        return {(row["source"], row["destination"], row["routing_key"]) for row in rows}

    assert listed(f"/queues/%2F/{queue}/bindings") == {implied, to_queue}
    assert listed(f"/exchanges/%2F/{exchange}/bindings/source") == {to_queue, to_exchange}
    assert to_exchange in listed("/exchanges/%2F/amq.fanout/bindings/destination")
    assert listed(f"/exchanges/%2F/{exchange}/bindings/destination") == set()
    assert implied in listed(f"/exchanges/%2F/{DEFAULT}/bindings/source")
    assert listed(f"/bindings/%2F/e/{DEFAULT}/q/{queue}") == {implied}
    assert {implied, to_queue, to_exchange} <= listed("/bindings/%2F")
    assert {implied, to_queue, to_exchange} <= listed("/bindings/")
    assert listed("/bindings/%2F/e/absent/q/absent") == set()


def test_a_binding_routes(broker: Broker, channel: BlockingChannel, exchange: str, queue: str) -> None:
    ask(broker, "POST", f"/bindings/%2F/e/{exchange}/q/{queue}", {"routing_key": "k"})
    channel.confirm_delivery()
    channel.basic_publish(exchange, "k", b"x", mandatory=True)
    assert channel.queue_declare(queue, passive=True).method.message_count == 1


def test_a_binding_needs_both_ends(broker: Broker, exchange: str, queue: str) -> None:
    for path, text in (
        (f"/bindings/%2F/e/absent/q/{queue}", "no exchange 'absent' in vhost '/'"),
        (f"/bindings/%2F/e/{exchange}/q/absent", "no queue 'absent' in vhost '/'"),
    ):
        assert ask(broker, "POST", path, {}) == (404, {"error": "not_found", "reason": text})


@pytest.mark.parametrize("path", ["/bindings/%2F/e/amq.default/q/{}", "/bindings/%2F/e/amq.topic/e/amq.default"])
def test_the_default_exchange_is_left_alone(broker: Broker, queue: str, path: str) -> None:
    assert ask(broker, "POST", path.format(queue), {"routing_key": "k"})[0] == 401
    assert ask(broker, "DELETE", f"/bindings/%2F/e/amq.default/q/{queue}/{queue}")[0] == 401


@deviates("http-missing-end")
def test_bindings_of_what_is_not_there(broker: Broker) -> None:
    expected = by_broker(broker, ponymq=404, rabbitmq=200)
    assert ask(broker, "GET", "/queues/%2F/absent/bindings")[0] == expected
    assert ask(broker, "GET", "/exchanges/%2F/absent/bindings/source")[0] == expected


# --- who may


@deviates("http-refusal-reason")
@deviates("http-hidden-vhost")
def test_the_rights_of_amqp_are_the_rights_over_http(broker: Broker, name: str, queue: str, exchange: str) -> None:
    user = f"u{name}"
    put_user(broker, user, "apple", "management")
    permit(broker, user, "/", "^ok-", "^ok-", "^ok-")
    ask(broker, "PUT", f"/vhosts/{name}")
    login = f"{user}:apple"
    ok = f"ok-{name}"
    assert ask(broker, "PUT", queue_path(ok), {}, login=login) == (201, None)
    for method, path, body in (
        ("PUT", queue_path(f"no-{name}"), {}),
        ("PUT", exchange_path(f"no-{name}"), {}),
        ("DELETE", queue_path(queue), None),
        ("DELETE", queue_path(queue) + "/contents", None),
        ("DELETE", exchange_path(exchange), None),
        ("POST", f"/bindings/%2F/e/{exchange}/q/{ok}", {}),
    ):
        status, answer = ask(broker, method, path, body, login=login)
        assert (status, answer["error"]) == (401, "not_authorised")
        reason = by_broker(broker, ponymq=f"refused for user '{user}'", rabbitmq="Access refused.")
        assert answer["reason"].endswith(reason)
    hidden = by_broker(broker, ponymq=404, rabbitmq=401)
    assert ask(broker, "PUT", f"/queues/{name}/q", {}, login=login)[0] == hidden
    # guest has made the vhost, but has no permission in it: administrators may look, and no more.
    ask(broker, "DELETE", f"/permissions/{name}/guest")
    assert ask(broker, "GET", f"/queues/{name}")[0] == 200
    assert ask(broker, "PUT", f"/queues/{name}/q", {})[0] == 401
    assert ask(broker, "DELETE", queue_path(ok), login=login) == (204, None)
    ask(broker, "DELETE", f"/vhosts/{name}")
    ask(broker, "DELETE", f"/users/{user}")


@deviates("http-own-crashes")
def test_a_body_of_the_wrong_shape_is_refused(broker: Broker, name: str) -> None:
    expected = by_broker(broker, ponymq=400, rabbitmq=500)
    assert ask(broker, "PUT", queue_path(name), {"arguments": "x"})[0] == expected


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
def test_a_path_says_what_can_be_done_with_it(broker: Broker, method: str) -> None:
    status, _, headers = converse(broker, method, "/overview", {})
    assert status == 405
    assert {each.strip() for each in headers["Allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}


# --- afterwards


def test_what_was_made_over_http_survives_a_kill(own_broker: Broker) -> None:
    ask(own_broker, "PUT", queue_path("kept"), {"durable": True, "arguments": {"x-max-length": 7}})
    ask(own_broker, "PUT", exchange_path("kept"), {"durable": True, "type": "topic"})
    ask(own_broker, "POST", "/bindings/%2F/e/kept/q/kept", {"routing_key": "a.*", "arguments": {"n": 1}})
    before = ask(own_broker, "GET", "/queues/%2F/kept/bindings")[1]
    publish = {"routing_key": "a.b", "properties": {"delivery_mode": 2}, "payload": "x", "payload_encoding": "string"}
    assert ask(own_broker, "POST", "/exchanges/%2F/kept/publish", publish) == (200, {"routed": True})
    own_broker.kill()
    own_broker.start()
    assert ask(own_broker, "GET", "/queues/%2F/kept/bindings")[1] == before
    get = {"count": 2, "ackmode": "ack_requeue_false", "encoding": "auto"}
    (message,) = ask(own_broker, "POST", "/queues/%2F/kept/get", get)[1]
    assert (message["payload"], message["routing_key"]) == ("x", "a.b")
