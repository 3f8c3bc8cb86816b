"""Publishing and getting over HTTP: what only can be seen from inside. The rest is in ``conformance``."""

import asyncio
import io
import json

import pytest

from broker.management import messages
from tests.management.asking import Http, ask, refused
from tests.metrics.scene import Broker

PUBLISH = "/exchanges/%2F/amq.default/publish"
GET = {"count": 10, "ackmode": "ack_requeue_true", "encoding": "auto"}


def message(payload: str = "hello", key: str = "q", **properties: object) -> dict[str, object]:
    return {"routing_key": key, "properties": properties, "payload": payload, "payload_encoding": "string"}


async def has_come(broker: Broker) -> None:
    """Let the request run until its message is in the queue."""
    for _ in range(10_000):
        if broker.turn.vhosts["/"].queues[b"q"].ready_count:
            return
        await asyncio.sleep(0)
    raise AssertionError("the message has not come")


@pytest.fixture
async def queue(guest: Http) -> None:
    await ask(guest, "PUT", "/queues/%2F/q", {"durable": True})


@pytest.mark.usefixtures("queue")
async def test_a_persistent_message_is_answered_when_it_is_on_disk(broker: Broker, guest: Http) -> None:
    asked = asyncio.create_task(ask(guest, "POST", PUBLISH, message(delivery_mode=2)))
    await has_come(broker)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not asked.done(), "the store has not been synced yet"
    broker.sync()
    assert await asked == (200, {"routed": True})
    assert not broker.context.connections


@pytest.mark.usefixtures("queue")
async def test_a_broker_that_stops_says_so_to_who_waits_for_the_disk(broker: Broker, guest: Http) -> None:
    asked = asyncio.create_task(ask(guest, "POST", PUBLISH, message(delivery_mode=2)))
    await has_come(broker)
    (connection,) = broker.context.connections.values()
    connection.force_close("the broker is stopped")
    broker.turn.finish()
    status, answer = await asked
    assert (status, answer["reason"]) == (400, "320 CONNECTION_FORCED - the broker is stopped")
    assert not broker.context.connections
    assert broker.turn.vhosts["/"].queues[b"q"].ready_count == 1


@pytest.mark.usefixtures("queue")
async def test_nothing_is_published_under_an_alarm(broker: Broker, guest: Http) -> None:
    broker.context.alarms.set_memory(True, 0.0)
    assert "rejected" in await refused(guest, "POST", PUBLISH, message())
    assert broker.turn.vhosts["/"].queues[b"q"].ready_count == 0


@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"priority": 256}, "not_int: priority is a number from 0 to 255"),
        ({"priority": True}, "not_int: priority is a number from 0 to 255"),
        ({"timestamp": -1}, f"not_int: timestamp is a number from 0 to {2**63 - 1}"),
        ({"type": 5}, "not_string: type"),
        ({"type": "x" * 256}, "type should be less than 255 bytes, actually was 256"),
        ({"headers": "x"}, "headers is not an object"),
    ],
)
async def test_a_property_that_cannot_be_is_refused(guest: Http, properties: dict[str, object], text: str) -> None:
    assert await refused(guest, "POST", PUBLISH, message(**properties)) == text


@pytest.mark.usefixtures("queue")
async def test_an_answer_holds_only_so_many_messages(
    broker: Broker, guest: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "MOST_MESSAGES", 120)
    for number in range(130):
        await ask(guest, "POST", PUBLISH, message(str(number)))
    _, rows = await ask(guest, "POST", "/queues/%2F/q/get", GET | {"count": 10**9})
    assert [row["payload"] for row in rows] == [str(number) for number in range(120)]
    assert broker.turn.vhosts["/"].queues[b"q"].ready_count == 130


@pytest.mark.usefixtures("queue")
async def test_an_answer_holds_only_so_many_octets(guest: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MOST_PAYLOAD_BYTES", 12)
    for _ in range(4):
        await ask(guest, "POST", PUBLISH, message("12345"))
    _, rows = await ask(guest, "POST", "/queues/%2F/q/get", GET)
    assert [(row["payload"], row["payload_bytes"]) for row in rows] == [("12345", 5), ("12345", 5), ("12", 5)]


@pytest.mark.usefixtures("queue")
async def test_a_large_message_comes_whole(guest: Http) -> None:
    large = "x" * 5_000_000
    body = io.BytesIO(json.dumps(message(large)).encode())
    async with guest.post("/api" + PUBLISH, data=body) as response:
        assert await response.json() == {"routed": True}
    await ask(guest, "POST", PUBLISH, message("small"))
    _, rows = await ask(guest, "POST", "/queues/%2F/q/get", GET)
    assert [row["payload"] for row in rows] == [large, "small"]


async def test_looking_at_a_quorum_queue_costs_no_delivery_and_rejecting_does(broker: Broker, guest: Http) -> None:
    arguments = {"x-queue-type": "quorum", "x-delivery-limit": 2}
    await ask(guest, "PUT", "/queues/%2F/q", {"durable": True, "arguments": arguments})
    asked = asyncio.create_task(ask(guest, "POST", PUBLISH, message()))
    await has_come(broker)
    broker.sync()
    await asked
    for _ in range(5):
        assert len((await ask(guest, "POST", "/queues/%2F/q/get", GET))[1]) == 1
    rejecting = GET | {"ackmode": "reject_requeue_true"}
    for _ in range(3):
        assert len((await ask(guest, "POST", "/queues/%2F/q/get", rejecting))[1]) == 1
    assert (await ask(guest, "POST", "/queues/%2F/q/get", GET))[1] == []


async def test_a_stream_is_not_got_from(guest: Http) -> None:
    await ask(guest, "PUT", "/queues/%2F/s", {"durable": True, "type": "stream"})
    assert "basic.get not supported by stream" in await refused(guest, "POST", "/queues/%2F/s/get", GET)
