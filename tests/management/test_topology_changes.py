"""Queues and exchanges, changed over HTTP: what only can be seen from inside. The rest is in ``conformance``."""

import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from broker.auth.access import Permission
from broker.core.arguments import Field
from broker.management.api_app import api_app
from broker.management.facts import Facts
from tests.management.asking import Http, ask, basic, refused
from tests.metrics.scene import Broker, Client


@pytest.fixture
async def eve(facts: Facts) -> AsyncIterator[Http]:
    """A client logged in with no more than the management tag."""
    async with TestClient(TestServer(api_app(facts)), headers={"Authorization": basic("eve", "apple")}) as client:
        yield client


async def test_json_becomes_arguments_as_rabbitmq_types_them(broker: Broker, guest: Http) -> None:
    arguments = {"n": 1, "half": 0.5, "yes": True, "s": "ü", "list": [1, {"x": "y"}], "table": {"m": -(2**63)}}
    assert await ask(guest, "PUT", "/queues/%2F/q", {"arguments": arguments}) == (201, None)
    assert broker.turn.vhosts["/"].queues[b"q"].arguments == {
        b"n": Field("l", 1),
        b"half": Field("d", 0.5),
        b"yes": Field("t", True),
        b"s": Field("S", "ü".encode()),
        b"list": Field("A", [Field("l", 1), Field("F", {b"x": Field("S", b"y")})]),
        b"table": Field("F", {b"m": Field("l", -(2**63))}),
    }
    assert (await ask(guest, "GET", "/queues/%2F/q"))[1]["arguments"] == arguments


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"x": 2**63}, "arguments holds an integer of more than 64 bits"),
        ({"x": nested(40)}, "field table is nested deeper than 32 levels"),
        ({"x": nested(70)}, "arguments is nested deeper than 64 levels"),
        ({"k" * 256: 1}, "a name in arguments is longer than 255 octets"),
        ({"x": list(range(40_000))}, "field table has more than 32768 values"),
        ({"x": None}, "null_not_allowed"),
        ([1], "arguments is not an object"),
    ],
)
async def test_arguments_that_amqp_cannot_hold_are_refused(
    broker: Broker, guest: Http, arguments: object, text: str
) -> None:
    assert await refused(guest, "PUT", "/queues/%2F/q", {"arguments": arguments}) == text
    assert not broker.turn.vhosts["/"].queues


async def test_the_type_of_a_queue_can_be_said_beside_its_arguments(broker: Broker, guest: Http) -> None:
    assert await ask(guest, "PUT", "/queues/%2F/q", {"durable": True, "type": "quorum"}) == (201, None)
    assert broker.turn.vhosts["/"].queues[b"q"].kind == b"quorum"
    same = {"durable": 1, "arguments": {"x-queue-type": "quorum"}, "type": "classic", "node": "rabbit@x"}
    assert await ask(guest, "PUT", "/queues/%2F/q", same) == (204, None)
    assert "invalid property 'non-durable'" in await refused(guest, "PUT", "/queues/%2F/r", {"type": "quorum"})


async def test_a_name_in_a_path_may_hold_any_octet_but_must_be_utf8(broker: Broker, guest: Http) -> None:
    assert await ask(guest, "PUT", "/queues/%2F/%E2%82%AC%00%25%2F", {}) == (201, None)
    assert list(broker.turn.vhosts["/"].queues) == ["€\0%/".encode()]
    assert "UTF-8" in await refused(guest, "PUT", "/queues/%2F/%FF", {})


async def test_a_change_is_audited_with_the_user_and_where_the_request_came_from(
    broker: Broker, eve: Http, caplog: pytest.LogCaptureFixture
) -> None:
    broker.users.by_name[b"eve"].access("/").permission = Permission("^ok", "^ok", "")
    with caplog.at_level(logging.INFO, "broker.audit"):
        await ask(eve, "PUT", "/queues/%2F/ok", {"durable": True})
        await ask(eve, "PUT", "/queues/%2F/no", {"durable": True})
        await ask(eve, "DELETE", "/queues/%2F/ok")
    events = [record for record in caplog.records if record.name == "broker.audit"]
    assert [record.getMessage() for record in events] == ["queue declared", "refused", "queue deleted"]
    for record in events:
        assert (vars(record)["by"], vars(record)["vhost"]) == (b"eve", "/")
        assert vars(record)["peer"].startswith("127.0.0.1:")


async def test_who_has_no_permission_in_a_vhost_may_look_and_no_more(broker: Broker, guest: Http) -> None:
    broker.users.by_name[b"guest"].access("other").permission = None
    assert (await ask(guest, "GET", "/queues/other"))[0] == 200
    refusal = {"error": "not_authorised", "reason": "access to vhost 'other' refused for user 'guest'"}
    assert await ask(guest, "PUT", "/queues/other/q", {}) == (401, refusal)


async def test_a_vhost_that_the_user_may_not_enter_is_as_if_it_did_not_exist(eve: Http) -> None:
    hidden = {"error": "Object Not Found", "reason": "Not Found"}
    for vhost in ("other", "absent"):
        assert await ask(eve, "PUT", f"/queues/{vhost}/q", {}) == (404, hidden)


async def test_an_exclusive_queue_of_a_client_is_left_alone(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("own", exclusive=True)
    for method, path in (("PUT", ""), ("DELETE", ""), ("DELETE", "/contents")):
        text = await refused(guest, method, f"/queues/%2F/own{path}", {} if method == "PUT" else None)
        assert text.startswith("cannot obtain exclusive access to locked queue 'own' in vhost '/'")
    assert b"own" in broker.turn.vhosts["/"].queues


async def test_who_may_open_no_channel_may_not_over_http_either(broker: Broker, guest: Http) -> None:
    await ask(guest, "PUT", "/user-limits/guest/max-channels", {"value": 0})
    text = await refused(guest, "PUT", "/queues/%2F/q", {})
    assert "number of channels opened for user 'guest' has reached the maximum allowed user limit of (0)" in text
    assert not broker.context.connections


async def test_no_connection_is_left_behind(broker: Broker, guest: Http) -> None:
    for body in ({}, {"durable": True}):
        await ask(guest, "PUT", "/queues/%2F/q", body)
    assert not broker.context.connections
    assert broker.context.open_count == 0
