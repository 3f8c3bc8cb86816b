"""Parameters, global parameters and the cluster's name over HTTP. RabbitMQ's answers."""

from collections.abc import AsyncIterator

import pytest
from aiohttp.test_utils import TestClient, TestServer

from broker.core.arguments import octets
from broker.definitions.journal import StoredTopology
from broker.management.api_app import api_app
from broker.management.facts import Facts
from tests.auth.people import add_user
from tests.management.asking import Http, basic
from tests.management.test_policy_changes import ask, reason
from tests.metrics.scene import Broker

GONE = (404, {"error": "Object Not Found", "reason": "Not Found"})
NO_VHOST = (404, {"error": "not_found", "reason": "vhost_not_found"})
SHOVEL = {"src-uri": ["amqp://"], "src-queue": "q"}


@pytest.fixture
async def maker(broker: Broker, facts: Facts) -> AsyncIterator[Http]:
    """A client logged in as a policymaker of the vhost /."""
    add_user(broker.users, b"mona", b"plum", ["policymaker"], vhosts=["/"])
    async with TestClient(TestServer(api_app(facts)), headers={"Authorization": basic("mona", "plum")}) as client:
        yield client


@pytest.fixture
async def eve(facts: Facts) -> AsyncIterator[Http]:
    """A client logged in with no more than the management tag."""
    async with TestClient(TestServer(api_app(facts)), headers={"Authorization": basic("eve", "apple")}) as client:
        yield client


async def test_a_parameter_is_made_changed_shown_and_removed(guest: Http) -> None:
    assert await ask(guest, "PUT", "/parameters/shovel/%2F/s", {"value": 1, "vhost": "ignored"}) == 201
    assert await ask(guest, "PUT", "/parameters/shovel/%2F/s", {"value": SHOVEL}) == 204
    row = {"component": "shovel", "vhost": "/", "name": "s", "value": SHOVEL}
    assert await ask(guest, "PUT", "/parameters/other/other/a%2Fb", {"value": None}) == 201
    other = {"component": "other", "vhost": "other", "name": "a/b", "value": None}
    assert await ask(guest, "GET", "/parameters") == (200, [row, other])
    assert await ask(guest, "GET", "/parameters/shovel") == (200, [row])
    assert await ask(guest, "GET", "/parameters/shovel/other") == (200, [])
    assert await ask(guest, "GET", "/parameters/shovel/%2F/s") == (200, row)
    assert await ask(guest, "DELETE", "/parameters/shovel/%2F/s") == 204
    assert await ask(guest, "DELETE", "/parameters/shovel/%2F/s") == GONE
    assert await ask(guest, "GET", "/parameters/shovel/%2F/s") == GONE


async def test_a_parameter_is_in_the_log_when_it_is_answered(broker: Broker, guest: Http) -> None:
    broker.vhosts.write_to(StoredTopology(broker.store))
    assert await ask(guest, "PUT", "/parameters/shovel/%2F/s", {"value": SHOVEL}) == 201
    assert broker.store.is_dirty


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("/parameters/shovel/%2F/s", {}, "[{key_missing,value}]"),
        ("/parameters/policy/%2F/s", {"value": {}}, "policies may not be set using this method"),
        ("/parameters/shovel/%2F/s", {"value": "x" * 70_000}, "the value is longer than 65536 octets"),
        (f"/parameters/shovel/%2F/{'s' * 256}", {"value": 1}, "the name is longer than 255 octets"),
        ("/parameters/vhost-limits/%2F/x", {"value": {}}, "the limits of a vhost have the name limits"),
        ("/global-parameters/x", {}, "[{key_missing,value}]"),
        ("/cluster-name", {}, "[{key_missing,name}]"),
        ("/cluster-name", {"name": 3}, "the name is not a text of 1 to 255 octets"),
        ("/cluster-name", {"name": ""}, "the name is not a text of 1 to 255 octets"),
    ],
)
async def test_what_is_no_parameter_is_refused(guest: Http, path: str, body: object, text: str) -> None:
    assert await ask(guest, "PUT", path, body) == reason(text)


async def test_a_vhost_that_is_not_there_has_no_parameters(guest: Http) -> None:
    assert await ask(guest, "PUT", "/parameters/shovel/absent/s", {"value": 1}) == NO_VHOST
    assert await ask(guest, "GET", "/parameters/shovel/absent") == NO_VHOST


async def test_operator_policies_limits_and_policies_are_parameters_as_well(broker: Broker, guest: Http) -> None:
    value = {"pattern": "^q", "definition": {"max-length": 2}, "priority": 0, "apply-to": "all"}
    vhost = broker.turn.vhosts["/"]
    assert await ask(guest, "PUT", "/parameters/operator_policy/%2F/o", {"value": value}) == 201
    assert vhost.policies.find("o", is_operator=True) is not None
    assert await ask(guest, "PUT", "/parameters/vhost-limits/%2F/limits", {"value": {"max-queues": 5}}) == 201
    assert vhost.limits.values == {"max-queues": 5}
    assert await ask(guest, "PUT", "/policies/%2F/p", value) == 201
    operators = {"component": "operator_policy", "vhost": "/", "name": "o", "value": value}
    limits = {"component": "vhost-limits", "vhost": "/", "name": "limits", "value": {"max-queues": 5}}
    assert await ask(guest, "GET", "/parameters") == (200, [operators, limits])
    policy = {"component": "policy", "vhost": "/", "name": "p", "value": value}
    assert await ask(guest, "GET", "/parameters/policy") == (200, [policy])
    assert await ask(guest, "GET", "/parameters/policy/%2F/p") == (200, policy)
    assert await ask(guest, "DELETE", "/parameters/operator_policy/%2F/o") == 204
    assert await ask(guest, "DELETE", "/parameters/vhost-limits/%2F/limits") == 204
    assert await ask(guest, "DELETE", "/parameters/vhost-limits/%2F/limits") == GONE
    assert (vhost.policies.find("o", is_operator=True), vhost.limits.values) == (None, {})


async def test_a_policymaker_sees_and_sets_those_of_own_vhosts(guest: Http, maker: Http, eve: Http) -> None:
    await ask(guest, "PUT", "/parameters/shovel/other/s", {"value": 1})
    assert await ask(maker, "PUT", "/parameters/shovel/%2F/s", {"value": 1}) == 201
    row = {"component": "shovel", "vhost": "/", "name": "s", "value": 1}
    assert await ask(maker, "GET", "/parameters") == (200, [row])
    refused = (401, {"error": "not_authorised", "reason": "User not authorised to access object"})
    assert await ask(maker, "PUT", "/parameters/shovel/other/s", {"value": 2}) == refused
    assert await ask(maker, "GET", "/parameters/shovel/other/s") == refused
    for path in ("/parameters", "/parameters/shovel/%2F", "/parameters/shovel/%2F/s", "/global-parameters"):
        assert await ask(eve, "GET", path) == refused


async def test_a_global_parameter_is_made_changed_shown_and_removed(maker: Http) -> None:
    assert await ask(maker, "PUT", "/global-parameters/g", {"value": {"a": 1}}) == 201
    assert await ask(maker, "PUT", "/global-parameters/g", {"value": [1]}) == 204
    row = {"name": "g", "value": [1]}
    assert await ask(maker, "GET", "/global-parameters") == (200, [row])
    assert await ask(maker, "GET", "/global-parameters/g") == (200, row)
    assert await ask(maker, "GET", "/parameters") == (200, [])
    assert await ask(maker, "DELETE", "/global-parameters/g") == 204
    assert await ask(maker, "DELETE", "/global-parameters/g") == GONE
    assert await ask(maker, "GET", "/global-parameters/g") == GONE


async def test_the_cluster_gets_another_name(broker: Broker, guest: Http, maker: Http) -> None:
    assert await ask(guest, "GET", "/cluster-name") == (200, {"name": "stable"})
    assert await ask(guest, "PUT", "/cluster-name", {"name": "herd"}) == 204
    assert await ask(guest, "PUT", "/cluster-name/", {"name": "herd"}) == 204
    assert await ask(maker, "GET", "/cluster-name") == (200, {"name": "herd"})
    assert await ask(guest, "GET", "/global-parameters") == (200, [{"name": "cluster_name", "value": "herd"}])
    assert await ask(guest, "GET", "/overview?columns=cluster_name") == (200, {"cluster_name": "herd"})
    assert octets(broker.context.server_properties[b"cluster_name"]) == b"herd", "what connection.start says"
    refused = (401, {"error": "not_authorised", "reason": "Not administrator user"})
    assert await ask(maker, "PUT", "/cluster-name", {"name": "mine"}) == refused


async def test_a_deleted_vhost_takes_its_parameters_along(guest: Http) -> None:
    await ask(guest, "PUT", "/parameters/shovel/other/s", {"value": 1})
    await ask(guest, "DELETE", "/vhosts/other")
    assert await ask(guest, "GET", "/parameters") == (200, [])
