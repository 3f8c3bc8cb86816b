"""Policies, limits and the default queue type over HTTP. RabbitMQ's answers."""

import json
import logging
from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from broker.definitions.journal import StoredTopology
from broker.management.api_app import api_app
from broker.management.facts import Facts
from broker.metrics.machine import Machine
from tests.auth.people import add_user
from tests.management.asking import Http, basic
from tests.metrics.scene import Broker, Client

POLICY = {"pattern": "^q", "definition": {"max-length": 2}}


async def ask(client: Http, method: str, path: str, document: object = None, *, body: bytes | None = None) -> object:
    """Status alone where there is no body, otherwise status and what it says."""
    octets = body if body is not None or document is None else json.dumps(document).encode()
    async with client.request(method, URL(f"/api{path}", encoded=True), data=octets) as response:
        answer = await response.read()
        return (response.status, json.loads(answer)) if answer else response.status


def reason(text: object) -> object:
    return 400, {"error": "bad_request", "reason": text}


@pytest.fixture
async def maker(broker: Broker, facts: Facts) -> AsyncIterator[Http]:
    """A client logged in as a policymaker."""
    add_user(broker.users, b"mona", b"plum", ["policymaker"], vhosts=["/"])
    async with TestClient(TestServer(api_app(facts)), headers={"Authorization": basic("mona", "plum")}) as client:
        yield client


@pytest.fixture
async def eve(facts: Facts) -> AsyncIterator[Http]:
    """A client logged in with no more than the management tag."""
    async with TestClient(TestServer(api_app(facts)), headers={"Authorization": basic("eve", "apple")}) as client:
        yield client


# --- policies


@pytest.mark.parametrize("kind", ["policies", "operator-policies"])
async def test_a_policy_is_made_changed_shown_and_removed(guest: Http, kind: str) -> None:
    assert await ask(guest, "PUT", f"/{kind}/%2F/p", POLICY) == 201
    row = {"vhost": "/", "name": "p", "priority": 0, "apply-to": "all", **POLICY}
    assert await ask(guest, "GET", f"/{kind}/%2F/p") == (200, row)
    changed = POLICY | {"priority": "7", "apply-to": "queues", "vhost": "ignored"}
    assert await ask(guest, "PUT", f"/{kind}/%2F/p", changed) == 204
    row |= {"priority": 7, "apply-to": "queues"}
    assert await ask(guest, "PUT", f"/{kind}/other/a%2Fb", POLICY) == 201
    other = {"vhost": "other", "name": "a/b", "priority": 0, "apply-to": "all", **POLICY}
    assert await ask(guest, "GET", f"/{kind}") == (200, [row, other])
    assert await ask(guest, "GET", f"/{kind}/other") == (200, [other])
    assert await ask(guest, "DELETE", f"/{kind}/%2F/p") == 204
    gone = (404, {"error": "Object Not Found", "reason": "Not Found"})
    assert await ask(guest, "DELETE", f"/{kind}/%2F/p") == gone
    assert await ask(guest, "GET", f"/{kind}/%2F/p") == gone
    assert await ask(guest, "GET", f"/{kind}/absent") == gone
    absent = (404, {"error": "not_found", "reason": "vhost_not_found"})
    assert await ask(guest, "PUT", f"/{kind}/absent/p", POLICY) == absent


async def test_a_policy_acts_before_it_is_answered(broker: Broker, guest: Http) -> None:
    broker.turn.vhosts["/"].journal = StoredTopology(broker.store)
    client = Client(broker)
    client.declare("q")
    for number in range(3):
        client.publish("q", b"%d" % number)
    assert await ask(guest, "PUT", "/policies/%2F/p", POLICY) == 201
    queue = broker.turn.vhosts["/"].queues[b"q"]
    assert (queue.ready.count, queue.limits.max_length) == (2, 2)
    assert broker.store.is_dirty, "its record is in the log"


async def test_queues_and_exchanges_show_what_applies_to_them(broker: Broker, guest: Http) -> None:
    Client(broker).declare("q")
    Client(broker).declare("other")
    await ask(
        guest,
        "PUT",
        "/policies/%2F/p",
        {"pattern": "^(q|amq.topic)$", "definition": {"max-length": 5, "expires": 9999}},
    )
    await ask(guest, "PUT", "/operator-policies/%2F/o", {"pattern": "^q$", "definition": {"max-length": 3}})
    columns = "?columns=policy,operator_policy,effective_policy_definition"
    assert await ask(guest, "GET", f"/queues/%2F/q{columns}") == (
        200,
        {
            "policy": "p",
            "operator_policy": "o",
            "effective_policy_definition": {"max-length": 3, "expires": 9999},
        },
    )
    nothing = {"policy": None, "operator_policy": None, "effective_policy_definition": {}}
    assert await ask(guest, "GET", f"/queues/%2F/other{columns}") == (200, nothing)
    assert await ask(guest, "GET", "/exchanges/%2F/amq.topic?columns=policy") == (200, {"policy": "p"})
    assert await ask(guest, "GET", "/exchanges/%2F/amq.direct?columns=policy") == (200, {"policy": None})


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ({}, "[{key_missing,pattern},{key_missing,definition}]"),
        ({"pattern": ""}, "[{key_missing,definition}]"),
        (POLICY | {"definition": {}}, "Validation failed\n\nno policy provided\n"),
        (
            POLICY | {"definition": {"foo": 1}},
            'Validation failed\n\n[{<<"foo">>,1}] are not recognised policy settings\n',
        ),
        (
            POLICY | {"definition": {"max-length": "foo"}},
            'Validation failed\n\n<<"foo">> is not a valid maximum length\n',
        ),
    ],
)
async def test_a_wrong_policy_is_refused_and_changes_nothing(guest: Http, document: object, text: str) -> None:
    assert await ask(guest, "PUT", "/policies/%2F/p", document) == reason(text)
    assert await ask(guest, "GET", "/policies") == (200, [])


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"nonsense", "not_json"),
        (b"[1]", "not_json"),
        (b"7", "not_json"),
        (b"\xff", "not_json"),
        (b'{"pattern":"\\ud800"}', "not_json"),
        (b"[" * 100_000, "not_json"),
        (
            b'"x"',
            "invalid payload: the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?",
        ),
        (b"null", "[{key_missing,pattern},{key_missing,definition}]"),
        (b"", "[{key_missing,pattern},{key_missing,definition}]"),
    ],
)
async def test_a_body_that_is_no_object_is_refused(guest: Http, body: bytes, text: str) -> None:
    assert await ask(guest, "PUT", "/policies/%2F/p", body=body) == reason(text)


# --- limits


async def test_limits_of_a_vhost_are_set_shown_and_removed(broker: Broker, guest: Http) -> None:
    assert await ask(guest, "GET", "/vhost-limits") == (200, [])
    assert await ask(guest, "PUT", "/vhost-limits/%2F/max-queues", {"value": 5}) == 204
    assert await ask(guest, "PUT", "/vhost-limits/%2F/max-connections", {"value": -1}) == 204
    row = {"vhost": "/", "value": {"max-queues": 5, "max-connections": -1}}
    assert await ask(guest, "GET", "/vhost-limits") == (200, [row])
    assert await ask(guest, "GET", "/vhost-limits/%2F") == (200, [row])
    assert await ask(guest, "GET", "/vhost-limits/other") == (200, [])
    assert broker.turn.vhosts["/"].limits.values == row["value"]
    for name in ("max-queues", "max-connections", "max-foo"):
        assert await ask(guest, "DELETE", f"/vhost-limits/%2F/{name}") == 204
    assert await ask(guest, "GET", "/vhost-limits/%2F") == (200, [])
    gone = (404, {"error": "not_found", "reason": "vhost_not_found"})
    assert await ask(guest, "PUT", "/vhost-limits/absent/max-queues", {"value": 5}) == gone


async def test_limits_of_a_user_are_set_shown_and_removed(broker: Broker, guest: Http, eve: Http) -> None:
    assert await ask(guest, "PUT", "/user-limits/eve/max-channels", {"value": 5}) == 204
    row = {"user": "eve", "value": {"max-channels": 5}}
    assert await ask(guest, "GET", "/user-limits") == (200, [row])
    assert await ask(eve, "GET", "/user-limits/eve") == (200, [row])
    assert await ask(guest, "GET", "/user-limits/guest") == (200, [])
    assert await ask(guest, "GET", "/user-limits/absent") == (404, {"error": "Object Not Found", "reason": "Not Found"})
    refused = (401, {"error": "not_authorised", "reason": "Not monitor user"})
    assert await ask(eve, "GET", "/user-limits/guest") == refused
    assert await ask(guest, "DELETE", "/user-limits/eve/max-channels") == 204
    assert broker.turn.user_limits.all() == []
    assert await ask(guest, "PUT", "/user-limits/absent/max-channels", {"value": 5}) == reason("no_such_user")


@pytest.mark.parametrize(
    ("path", "document", "text"),
    [
        ("/vhost-limits/%2F/max-queues", {}, "[{key_missing,value}]"),
        (
            "/vhost-limits/%2F/max-queues",
            {"value": "5"},
            'Validation failed\n\nmax-queues should be a number, actually was <<"5">>\n',
        ),
        (
            "/vhost-limits/%2F/max-foo",
            {"value": 5},
            'Validation failed\n\nUnrecognised terms [{<<"max-foo">>,5}] in limits\n',
        ),
        ("/user-limits/guest/max-foo", {"value": 5}, 'Unrecognised terms [{<<"max-foo">>,5}] in user-limits'),
    ],
)
async def test_a_wrong_limit_is_refused(guest: Http, path: str, document: object, text: str) -> None:
    assert await ask(guest, "PUT", path, document) == reason(text)


async def test_the_default_queue_type_of_a_vhost_is_set_and_shown(broker: Broker, guest: Http) -> None:
    assert await ask(guest, "PUT", "/vhosts/%2F", {"default_queue_type": "quorum"}) == 204
    Client(broker).declare("q", durable=True)
    assert await ask(guest, "GET", "/queues/%2F/q?columns=type") == (200, {"type": "quorum"})
    shown = (200, {"default_queue_type": "quorum"})
    assert await ask(guest, "GET", "/vhosts/%2F?columns=default_queue_type") == shown
    assert await ask(guest, "PUT", "/vhosts/%2F", {"default_queue_type": "fast"}) == reason(
        "Unsupported default queue type"
    )
    assert await ask(guest, "PUT", "/vhosts/%2F", {}) == 204
    assert await ask(guest, "GET", "/vhosts/%2F?columns=default_queue_type") == shown


# --- who may


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("PUT", "/operator-policies/%2F/p", POLICY),
        ("DELETE", "/operator-policies/%2F/p", None),
        ("GET", "/operator-policies/%2F/p", None),
        ("PUT", "/vhost-limits/%2F/max-queues", {"value": 1}),
        ("DELETE", "/vhost-limits/%2F/max-queues", None),
        ("PUT", "/user-limits/guest/max-channels", {"value": 1}),
        ("DELETE", "/user-limits/guest/max-channels", None),
        ("GET", "/user-limits", None),
        ("PUT", "/vhosts/%2F", {"default_queue_type": "quorum"}),
    ],
)
async def test_what_only_administrators_may(maker: Http, method: str, path: str, document: object) -> None:
    refused = (401, {"error": "not_authorised", "reason": "Not administrator user"})
    assert await ask(maker, method, path, document) == refused


async def test_policymakers_make_policies_and_others_only_list_them(maker: Http, eve: Http) -> None:
    assert await ask(maker, "PUT", "/policies/%2F/p", POLICY) == 201
    status, rows = await ask(eve, "GET", "/policies")  # type: ignore[misc]
    assert (status, len(rows)) == (200, 1)
    refused = (401, {"error": "not_authorised", "reason": "User not authorised to access object"})
    assert await ask(eve, "GET", "/policies/%2F/p") == refused
    assert await ask(eve, "PUT", "/policies/%2F/p", POLICY) == refused
    assert await ask(eve, "DELETE", "/policies/%2F/p") == refused
    assert await ask(maker, "DELETE", "/policies/%2F/p") == 204


async def test_policymakers_make_policies_only_where_they_may_enter(broker: Broker, maker: Http, guest: Http) -> None:
    assert await ask(guest, "PUT", "/policies/other/p", POLICY) == 201
    refused = (401, {"error": "not_authorised", "reason": "User not authorised to access object"})
    assert await ask(maker, "PUT", "/policies/other/p", POLICY) == refused
    assert await ask(maker, "GET", "/policies/other/p") == refused
    assert await ask(maker, "DELETE", "/policies/other/p") == refused
    assert await ask(maker, "GET", "/policies") == (200, [])
    assert list(broker.turn.vhosts["other"].policies.listed(False)), "it is still there"


async def test_every_change_is_audited_with_who_made_it(
    maker: Http, guest: Http, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "broker.audit"):
        await ask(maker, "PUT", "/policies/%2F/p", POLICY)
        await ask(maker, "PUT", "/policies/other/p", POLICY)
        await ask(guest, "PUT", "/vhost-limits/%2F/max-queues", {"value": "5"})
        await ask(guest, "PUT", "/vhosts/%2F", {"default_queue_type": "quorum"})
    events = [record for record in caplog.records if not record.getMessage().startswith("login")]
    assert [(record.getMessage(), vars(record)["by"]) for record in events] == [
        ("policy changed", b"mona"),
        ("refused", b"mona"),
        ("default queue type changed", b"guest"),
    ]


async def test_the_server_is_called_after_each_change(broker: Broker) -> None:
    calls: list[int] = []
    machine = Machine(".")
    facts = Facts(broker.context, broker.node, [], broker.administration, lambda: calls.append(1), machine)
    async with TestClient(TestServer(api_app(facts)), headers={"Authorization": basic("guest", "guest")}) as client:
        assert await ask(client, "PUT", "/policies/%2F/p", POLICY) == 201
        assert await ask(client, "PUT", "/policies/%2F/p", {}) == reason(
            "[{key_missing,pattern},{key_missing,definition}]"
        )
        assert await ask(client, "DELETE", "/policies/%2F/p") == 204
    assert len(calls) == 2
