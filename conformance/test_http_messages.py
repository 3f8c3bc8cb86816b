"""Publishing and getting over HTTP. RabbitMQ's HTTP API."""

from collections.abc import Iterator
from typing import Any

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.brokers import Broker
from conformance.deviations import by_broker, deviates
from conformance.http_api import ask, permit, put_user

PUBLISH = "/exchanges/%2F/amq.default/publish"
EVERY_PROPERTY = {
    "content_type": "text/plain",
    "content_encoding": "gzip",
    "headers": {"n": 1, "s": "x", "yes": True, "half": 1.5, "list": [1, "y"], "table": {"m": 2}},
    "delivery_mode": 2,
    "priority": 3,
    "correlation_id": "c",
    "reply_to": "r",
    "expiration": "600000",
    "message_id": "m",
    "timestamp": 1_700_000_000,
    "type": "t",
    "user_id": "guest",
    "app_id": "a",
    "cluster_id": "cl",
}


def message(key: str, payload: str = "hello", encoding: str = "string", **properties: object) -> dict[str, Any]:
    return {"routing_key": key, "properties": properties, "payload": payload, "payload_encoding": encoding}


def fetch(broker: Broker, queue: str, count: int = 10, mode: str = "ack_requeue_true", **more: object) -> Any:
    body = {"count": count, "ackmode": mode, "encoding": "auto", **more}
    status, answer = ask(broker, "POST", f"/queues/%2F/{queue}/get", body)
    assert status == 200, answer
    return answer


def payloads(rows: Any) -> list[str]:
    return [row["payload"] for row in rows]


@pytest.fixture
def queue(broker: Broker, name: str) -> Iterator[str]:
    assert ask(broker, "PUT", f"/queues/%2F/{name}", {"durable": True}) == (201, None)
    yield name
    ask(broker, "DELETE", f"/queues/%2F/{name}")


@pytest.mark.smoke
def test_a_message_goes_in_and_out_with_every_property(broker: Broker, queue: str) -> None:
    assert ask(broker, "POST", PUBLISH, message(queue, **EVERY_PROPERTY)) == (200, {"routed": True})
    (row,) = fetch(broker, queue)
    assert row == {
        "payload_bytes": 5,
        "redelivered": False,
        "exchange": "",
        "routing_key": queue,
        "message_count": 0,
        "properties": EVERY_PROPERTY,
        "payload": "hello",
        "payload_encoding": "string",
    }


def test_a_message_over_http_is_one_over_amqp(broker: Broker, channel: BlockingChannel, queue: str) -> None:
    ask(broker, "POST", PUBLISH, message(queue, "/wA=", "base64", content_type="x/y", headers={"n": 5}))
    _, properties, body = channel.basic_get(queue, auto_ack=True)
    assert body == b"\xff\x00"
    assert (properties.content_type, properties.headers) == ("x/y", {"n": 5})
    channel.basic_publish("", queue, b"\xff\x00")
    (row,) = fetch(broker, queue)
    assert (row["payload"], row["payload_encoding"], row["payload_bytes"]) == ("/wA=", "base64", 2)


def test_a_message_without_a_queue_is_not_routed(broker: Broker, name: str) -> None:
    assert ask(broker, "POST", PUBLISH, message(name)) == (200, {"routed": False})


@pytest.mark.parametrize("key", ["routing_key", "properties", "payload", "payload_encoding"])
def test_a_message_needs_all_its_parts(broker: Broker, key: str) -> None:
    body = message("q")
    del body[key]
    refusal = {"error": "bad_request", "reason": f"[{{key_missing,{key}}}]"}
    assert ask(broker, "POST", PUBLISH, body) == (400, refusal)


@pytest.mark.parametrize(
    "body",
    [
        message("q", encoding="x"),
        message("q", "???", "base64"),
        message("q") | {"payload": 5},
        message("q", content_type=5),
        message("q", delivery_mode="2"),
        message("q", expiration=60000),
        message("q", headers={"n": None}),
    ],
)
def test_a_message_that_cannot_be_is_refused(broker: Broker, body: object) -> None:
    assert ask(broker, "POST", PUBLISH, body)[0] == 400


@pytest.mark.parametrize(
    ("exchange", "properties", "reason"),
    [
        ("absent", {}, "404 NOT_FOUND - no exchange 'absent' in vhost '/'"),
        (
            "amq.rabbitmq.trace",
            {},
            "403 ACCESS_REFUSED - cannot publish to internal exchange 'amq.rabbitmq.trace' in vhost '/'",
        ),
        (
            "amq.default",
            {"user_id": "bob"},
            "406 PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was 'guest'",
        ),
        ("amq.default", {"expiration": "x"}, "406 PRECONDITION_FAILED - invalid expiration 'x': no_integer"),
    ],
)
def test_what_amqp_refuses_is_told_in_its_words(
    broker: Broker, exchange: str, properties: dict[str, object], reason: str
) -> None:
    answer = ask(broker, "POST", f"/exchanges/%2F/{exchange}/publish", message("q", **properties))
    assert answer == (400, {"error": "bad_request", "reason": reason})


def test_a_full_queue_that_refuses_is_told(broker: Broker, name: str) -> None:
    arguments = {"x-max-length": 0, "x-overflow": "reject-publish"}
    ask(broker, "PUT", f"/queues/%2F/{name}", {"arguments": arguments})
    status, answer = ask(broker, "POST", PUBLISH, message(name))
    assert (status, answer["reason"]) == (400, "rejected Unable to publish message. Check queue limits.")
    ask(broker, "DELETE", f"/queues/%2F/{name}")


def test_what_is_requeued_comes_once_in_one_answer(broker: Broker, queue: str) -> None:
    for text in "abc":
        ask(broker, "POST", PUBLISH, message(queue, text))
    rows = fetch(broker, queue)
    assert payloads(rows) == ["a", "b", "c"]
    assert [(row["redelivered"], row["message_count"]) for row in rows] == [(False, 2), (False, 1), (False, 0)]
    rows = fetch(broker, queue, mode="reject_requeue_true")
    assert payloads(rows) == ["a", "b", "c"]
    assert all(row["redelivered"] for row in rows)
    assert payloads(fetch(broker, queue, count=2, mode="ack_requeue_false")) == ["a", "b"]
    assert payloads(fetch(broker, queue, mode="reject_requeue_false")) == ["c"]
    assert fetch(broker, queue) == []


def test_a_rejected_message_is_dead_lettered(broker: Broker, queue: str, name: str) -> None:
    arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
    ask(broker, "PUT", f"/queues/%2F/{name}-dl", {"durable": True, "arguments": arguments})
    ask(broker, "POST", PUBLISH, message(f"{name}-dl"))
    assert payloads(fetch(broker, f"{name}-dl", mode="reject_requeue_false")) == ["hello"]
    (row,) = fetch(broker, queue)
    assert row["properties"]["headers"]["x-death"][0]["reason"] == "rejected"
    ask(broker, "DELETE", f"/queues/%2F/{name}-dl")


def test_an_answer_is_cut_and_coded_as_asked(broker: Broker, queue: str) -> None:
    ask(broker, "POST", PUBLISH, message(queue))
    (row,) = fetch(broker, queue, truncate="2", count="1")  # type: ignore[arg-type] # as old tools send numbers
    assert (row["payload"], row["payload_bytes"]) == ("he", 5)
    (row,) = fetch(broker, queue, encoding="base64")
    assert (row["payload"], row["payload_encoding"]) == ("aGVsbG8=", "base64")
    assert fetch(broker, queue, count=0) == []


@pytest.mark.parametrize("key", ["count", "ackmode", "encoding"])
def test_a_get_needs_to_know_how(broker: Broker, queue: str, key: str) -> None:
    body = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    del body[key]
    refusal = {"error": "bad_request", "reason": f"[{{key_missing,{key}}}]"}
    assert ask(broker, "POST", f"/queues/%2F/{queue}/get", body) == (400, refusal)


@deviates("http-old-requeue")
def test_old_tools_say_requeue(broker: Broker, queue: str) -> None:
    ask(broker, "POST", PUBLISH, message(queue))
    body = {"count": 1, "requeue": "false", "encoding": "auto"}
    assert ask(broker, "POST", f"/queues/%2F/{queue}/get", body)[0] == by_broker(broker, ponymq=200, rabbitmq=400)


@deviates("http-own-crashes")
@pytest.mark.parametrize("wrong", [{"ackmode": "x"}, {"truncate": -1}])
def test_a_get_that_cannot_be_is_refused(broker: Broker, queue: str, wrong: dict[str, object]) -> None:
    ask(broker, "POST", PUBLISH, message(queue))
    body = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto", **wrong}
    assert ask(broker, "POST", f"/queues/%2F/{queue}/get", body)[0] == by_broker(broker, ponymq=400, rabbitmq=500)


def test_a_queue_that_is_not_there_has_no_messages(broker: Broker) -> None:
    body = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    assert ask(broker, "POST", "/queues/%2F/absent/get", body)[0] == 404


@deviates("permission-verb")
def test_the_rights_of_amqp_hold(broker: Broker, queue: str) -> None:
    user = f"u{queue}"
    put_user(broker, user, "apple", "management")
    permit(broker, user, "/", "", "", "")
    login = f"{user}:apple"
    verb = by_broker(broker, ponymq="write ", rabbitmq="")
    reason = f"403 ACCESS_REFUSED - {verb}access to exchange 'amq.default' in vhost '/' refused for user '{user}'"
    refusal = {"error": "bad_request", "reason": reason}
    assert ask(broker, "POST", PUBLISH, message(queue), login=login) == (400, refusal)
    body = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}
    status, answer = ask(broker, "POST", f"/queues/%2F/{queue}/get", body, login=login)
    assert (status, answer["error"]) == (401, "not_authorised")
    assert answer["reason"].endswith(f"access to queue '{queue}' in vhost '/' refused for user '{user}'")
    ask(broker, "DELETE", f"/users/{user}")
