"""Closing connections over HTTP."""

import asyncio
import logging
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestClient, TestServer
from pamqp import commands, frame

from broker.management.api_app import api_app
from broker.management.facts import Facts
from tests.management.asking import Http, ask, basic
from tests.metrics.scene import Broker, Client


def told(client: Client) -> tuple[int, str] | None:
    """Code and text of the close that a client has got; None if it has got none."""
    octets = client.transport.octets
    while octets:
        size, _, method = frame.unmarshal(octets)
        octets = octets[size:]
        if isinstance(method, commands.Connection.Close):
            return method.reply_code, method.reply_text
    return None


def path_of(client: Client) -> str:
    name = f"{client.connection.peer} -> {client.connection.listener}"
    return "/connections/" + quote(name, safe="")


@pytest.fixture
async def eve(facts: Facts) -> AsyncIterator[Http]:
    async with TestClient(TestServer(api_app(facts)), headers={"Authorization": basic("eve", "apple")}) as client:
        yield client


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "Closed via management plugin"),
        ({"X-Reason": "maintenance"}, "maintenance"),
        ({"X-Reason": "x" * 400}, "x" * 235),
    ],
)
async def test_a_closed_client_is_told_why(broker: Broker, guest: Http, headers: dict[str, str], reason: str) -> None:
    client = Client(broker)
    assert await ask(guest, "DELETE", path_of(client), headers=headers) == (204, None)
    assert told(client) == (320, f"CONNECTION_FORCED - {reason}")


async def test_a_reason_that_is_no_text_is_told_as_far_as_it_goes(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    reader, writer = await asyncio.open_connection(guest.host, guest.port)
    lines = (f"DELETE /api{path_of(client)} HTTP/1.1", "Host: x", f"Authorization: {basic('guest', 'guest')}")
    writer.write("\r\n".join(lines).encode() + b"\r\nX-Reason: no\xff\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 204")
    writer.close()
    assert told(client) == (320, "CONNECTION_FORCED - no\N{REPLACEMENT CHARACTER}")


async def test_users_close_their_own_and_administrators_all(
    broker: Broker, guest: Http, eve: Http, caplog: pytest.LogCaptureFixture
) -> None:
    guests, eves = Client(broker), Client(broker, "10.0.0.8:1000", "eve")
    broker.users.by_name[b"eve"].tags = ["monitoring"]
    refusal = {"error": "not_authorised", "reason": "User not authorised to access object"}
    assert await ask(eve, "DELETE", path_of(guests)) == (401, refusal)
    assert await ask(eve, "DELETE", "/connections/username/guest") == (401, refusal)
    broker.users.by_name[b"eve"].tags = ["management"]
    assert (await ask(eve, "DELETE", path_of(guests)))[0] == 404
    assert told(guests) is None
    with caplog.at_level(logging.INFO, "broker.audit"):
        assert await ask(eve, "DELETE", path_of(eves)) == (204, None)
    assert told(eves) is not None
    (event,) = [record for record in caplog.records if record.getMessage() == "connection closed on request"]
    assert (vars(event)["by"], vars(event)["user"], vars(event)["peer"]) == (b"eve", b"eve", "10.0.0.8:1000")


async def test_all_connections_of_a_user_are_listed_and_closed(broker: Broker, guest: Http) -> None:
    first, second, other = Client(broker), Client(broker, "10.0.0.9:1"), Client(broker, "10.0.0.8:1", "eve")
    row = {"name": "10.0.0.7:50000 -> 127.0.0.1:5672", "vhost": "/", "user": "guest", "node": "ponymq@test"}
    status, rows = await ask(guest, "GET", "/connections/username/guest")
    assert (status, rows[0], len(rows)) == (200, row, 2)
    assert await ask(guest, "DELETE", "/connections/username/guest") == (204, None)
    assert told(first)
    assert told(second)
    assert told(other) is None
    assert await ask(guest, "DELETE", "/connections/username/nobody") == (204, None)
