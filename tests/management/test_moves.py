"""Moving messages from queue to queue over HTTP."""

import asyncio

import pytest

from broker.management import moves
from tests.management.asking import Http, ask
from tests.metrics.scene import Broker, Client

MOVE = "/ponymq/queues/%2F/q/move"


@pytest.fixture
def client(broker: Broker) -> Client:
    client = Client(broker)
    client.declare("q", durable=True)
    client.declare("r", durable=True)
    return client


def bodies(broker: Broker, name: bytes) -> list[bytes]:
    queue = broker.turn.vhosts["/"].queues[name]
    found = []
    while (queued := queue.get()) is not None:
        found.append(queued.message.body)
    return found


async def moved(broker: Broker, api: Http, **body: object) -> tuple[int, object]:
    """The answer, which waits for the disk."""
    asked = asyncio.create_task(ask(api, "POST", MOVE, body))
    while not asked.done():
        await asyncio.sleep(0)
        broker.sync()
    return await asked


async def test_messages_move_in_order_and_as_many_as_are_asked_for(broker: Broker, guest: Http, client: Client) -> None:
    sent = [b"%d" % number for number in range(moves.SLICE * 2 + 7)]
    for each in sent:
        client.publish("q", each, persistent=True)
    assert await moved(broker, guest, destination="r", count=5) == (200, {"moved": 5})
    assert await moved(broker, guest, destination="r") == (200, {"moved": len(sent) - 5})
    assert bodies(broker, b"r") == sent
    assert bodies(broker, b"q") == []


async def test_a_queue_that_refuses_ends_the_move_and_nothing_is_lost(
    broker: Broker, guest: Http, client: Client
) -> None:
    full = {"arguments": {"x-max-length": 2, "x-overflow": "reject-publish"}}
    assert (await ask(guest, "PUT", "/queues/%2F/full", full))[0] == 201
    for each in (b"a", b"b", b"c"):
        client.publish("q", each)
    assert await moved(broker, guest, destination="full") == (200, {"moved": 2})
    assert bodies(broker, b"full") == [b"a", b"b"]
    assert bodies(broker, b"q") == [b"c"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"destination": "q"}, 400),
        ({"destination": "r", "count": -1}, 400),
        ({"destination": "r", "count": "some"}, 400),
        ({"destination": "nobody's"}, 404),
    ],
)
async def test_what_cannot_be_is_refused(
    broker: Broker, guest: Http, client: Client, body: dict[str, object], status: int
) -> None:
    client.publish("q", b"stays")
    assert (await moved(broker, guest, **body))[0] == status
    assert bodies(broker, b"q") == [b"stays"]


async def test_a_stream_keeps_what_it_has(broker: Broker, guest: Http, client: Client) -> None:
    stream = {"durable": True, "arguments": {"x-queue-type": "stream"}}
    assert (await ask(guest, "PUT", "/queues/%2F/s", stream))[0] == 201
    status, answer = await ask(guest, "POST", "/ponymq/queues/%2F/s/move", {"destination": "q"})
    assert (status, answer["error"]) == (400, "bad_request")
    client.publish("q", b"to a stream")
    assert await moved(broker, guest, destination="s") == (200, {"moved": 1})


async def test_the_user_has_to_be_allowed_to_read_the_one_and_to_publish(
    broker: Broker, guest: Http, client: Client
) -> None:
    client.publish("q", b"stays")
    user = broker.context.users.by_name[b"guest"]
    access = user.access("/")
    permission = access.permission
    for narrowed in (
        {"configure": ".*", "write": ".*", "read": "^r$"},
        {"configure": ".*", "write": "^q$", "read": ".*"},
    ):
        await ask(guest, "PUT", "/permissions/%2F/guest", narrowed)
        status, answer = await ask(guest, "POST", MOVE, {"destination": "r"})
        assert (status, answer["error"]) == (401, "not_authorised")
    access.permission = permission
    assert bodies(broker, b"q") == [b"stays"]
