"""The node over HTTP: versions, features, settings, and what a cluster has and one node need not do."""

import pytest

from broker.auth.passwords import SHA256, imported
from broker.management.facts import Facts
from tests.management.asking import Http
from tests.management.test_policy_changes import ask, reason
from tests.metrics.scene import Broker, Client

GONE = (404, {"error": "Object Not Found", "reason": "Not Found"})


async def test_the_version_is_told_without_a_login(api: Http, facts: Facts) -> None:
    assert await ask(api, "GET", "/version") == (200, facts.node.rabbitmq_version)


async def test_features_are_on_and_can_be_enabled_again(guest: Http) -> None:
    answer = await ask(guest, "GET", "/feature-flags")
    assert isinstance(answer, tuple)
    rows = answer[1]
    assert {row["state"] for row in rows} == {"enabled"}
    assert {"quorum_queue", "stream_queue"} <= {row["name"] for row in rows}
    assert set(rows[0]) == {"name", "desc", "doc_url", "state", "stability", "provided_by"}
    assert await ask(guest, "PUT", "/feature-flags/quorum_queue/enable", {"name": "quorum_queue"}) == 204
    assert await ask(guest, "PUT", "/feature-flags/no/enable", {}) == reason("unsupported")


@pytest.mark.parametrize("path", ["/extensions", "/deprecated-features", "/deprecated-features/used"])
async def test_there_is_nothing_of_these(guest: Http, path: str) -> None:
    assert await ask(guest, "GET", path) == (200, [])


async def test_a_password_is_hashed_for_a_definitions_file(guest: Http) -> None:
    for method, path, body in (
        ("GET", "/auth/hash_password/an%20apple", None),
        ("PUT", "/auth/hash_password", {"password": "an apple"}),
    ):
        answer = await ask(guest, method, path, body)
        assert isinstance(answer, tuple)
        assert imported(answer[1]["ok"], SHA256).matches(b"an apple")
    too_long = reason("a password has 1 to 1024 octets")
    assert await ask(guest, "PUT", "/auth/hash_password", {"password": "x" * 1025}) == too_long


async def test_logins_on_the_amqp_ports_are_counted(broker: Broker, guest: Http) -> None:
    Client(broker)
    path = f"/auth/attempts/{broker.node.name}"
    row = {"protocol": "amqp091", "auth_attempts": 1, "auth_attempts_failed": 0, "auth_attempts_succeeded": 1}
    assert await ask(guest, "GET", path) == (200, [row])
    assert await ask(guest, "DELETE", path) == 204
    assert await ask(guest, "GET", f"{path}/source") == (200, [])
    assert await ask(guest, "GET", "/auth/attempts/another@host") == GONE


async def test_what_is_for_clusters_does_no_harm(broker: Broker, guest: Http) -> None:
    node = broker.node.name
    assert await ask(guest, "DELETE", "/reset") == 204
    assert await ask(guest, "DELETE", f"/reset/{node}") == 204
    assert await ask(guest, "POST", "/rebalance/queues/", {}) == 204
    assert await ask(guest, "POST", f"/vhosts/other/start/{node}") == 204
    assert await ask(guest, "POST", f"/vhosts/absent/start/{node}") == GONE
    assert await ask(guest, "POST", "/vhosts/other/start/another@host") == GONE


async def test_the_settings_are_shown_as_text(guest: Http, facts: Facts) -> None:
    facts.configuration = "port = 5672\n"
    async with guest.get("/api/config/effective") as response:
        assert (response.status, response.content_type) == (200, "text/plain")
        assert await response.text() == "port = 5672\n"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/config/effective"),
        ("GET", "/auth/hash_password/x"),
        ("DELETE", "/reset"),
        ("POST", "/rebalance/queues"),
        ("PUT", "/feature-flags/quorum_queue/enable"),
    ],
)
async def test_these_are_for_administrators(api: Http, method: str, path: str) -> None:
    async with api.request(
        method, f"/api{path}", auth=None, headers={"Authorization": "Basic ZXZlOmFwcGxl"}
    ) as response:
        assert (response.status, (await response.json())["reason"]) == (401, "Not administrator user")


async def test_a_vhost_is_described_by_what_is_named_only(broker: Broker, guest: Http) -> None:
    document = {"description": "d", "tags": "a", "defaultqueuetype": "quorum", "tracing": "true"}
    assert await ask(guest, "PUT", "/vhosts/v", document) == 201
    assert await ask(guest, "PUT", "/vhosts/v", {"description": "e"}) == 204
    assert await ask(guest, "PUT", "/vhosts/v", {}) == 204
    vhost = broker.turn.vhosts["v"]
    assert (vhost.description, vhost.tags, vhost.default_queue_type) == ("e", ["a"], b"quorum")
