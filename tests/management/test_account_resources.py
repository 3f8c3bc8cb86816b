"""Users, vhosts and permissions over HTTP."""

import pytest
from aiohttp.test_utils import TestClient, TestServer

from broker.auth.passwords import SHA512
from broker.management.api_app import api_app
from broker.management.facts import Facts
from broker.policy.limits import Limits
from tests.management.asking import Http, ask, basic, refused
from tests.metrics.scene import Broker, Client

SHA256_OF_TEST12 = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


# --- users


async def test_a_user_is_made_changed_and_deleted(broker: Broker, guest: Http) -> None:
    assert await ask(guest, "PUT", "/users/ann", {"password": "apple", "tags": "monitoring, x"}) == (201, None)
    status, row = await ask(guest, "GET", "/users/ann")
    assert status == 200
    assert set(row) == {"name", "password_hash", "hashing_algorithm", "tags", "limits"}
    assert (row["name"], row["tags"], row["limits"]) == ("ann", ["monitoring", "x"], {})
    assert broker.users.by_name[b"ann"].password.matches(b"apple")
    assert await ask(guest, "PUT", "/users/ann", {"password": "pear", "tags": []}) == (204, None)
    assert broker.users.by_name[b"ann"].password.matches(b"pear")
    assert await ask(guest, "DELETE", "/users/ann") == (204, None)
    assert (await ask(guest, "DELETE", "/users/ann"))[0] == 404
    assert (await ask(guest, "GET", "/users/ann"))[0] == 404


async def test_rabbitmqs_hashes_go_in_and_out_unchanged(broker: Broker, guest: Http) -> None:
    body = {"password_hash": SHA256_OF_TEST12, "tags": ""}
    assert await ask(guest, "PUT", "/users/ann", body) == (201, None)
    _, row = await ask(guest, "GET", "/users/ann")
    assert row["password_hash"] == SHA256_OF_TEST12
    assert row["hashing_algorithm"] == "rabbit_password_hashing_sha256"
    assert broker.users.by_name[b"ann"].password.matches(b"test12")
    long = "kI3GChuNuIYf8lRbCCxZjgjKwsY19ns6+uFO0zcXRBGA/XGJPYD8OWMy7EB8TaOmAzjP2azv84GbINYwX2cDWb4DHnc="
    body = {"password_hash": long, "hashing_algorithm": SHA512, "tags": ""}
    assert await ask(guest, "PUT", "/users/bob", body) == (201, None)
    assert broker.users.by_name[b"bob"].password.matches(b"test12")


async def test_a_user_without_a_password_cannot_log_in_with_one(broker: Broker, guest: Http) -> None:
    await ask(guest, "PUT", "/users/ann", {"password": "apple", "tags": "management"})
    assert (await ask(guest, "GET", "/whoami", auth=None, headers={"Authorization": basic("ann", "apple")}))[0] == 200
    assert await ask(guest, "PUT", "/users/ann", {"tags": "management"}) == (204, None)  # as RabbitMQ: cleared
    for password in ("apple", ""):
        headers = {"Authorization": basic("ann", password)}
        assert (await ask(guest, "GET", "/whoami", headers=headers))[0] == 401


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"password": "x"}, "tags"),
        ({"password": "x", "password_hash": "y", "tags": ""}, "both_password_and_password_hash_are_provided"),
        ({"password_hash": "???", "tags": ""}, "not base64"),
        ({"password_hash": "AAAA", "tags": ""}, "wrong length"),
        ({"password_hash": SHA256_OF_TEST12, "hashing_algorithm": "rot13", "tags": ""}, "unknown hashing algorithm"),
        ({"password": "x" * 1025, "tags": ""}, "longer than"),
        ({"password": "x", "tags": ["t"] * 65}, "more than"),
        ({"password": "x", "tags": "", "permissions": {"absent": {"configure": "", "write": "", "read": ""}}}, "vhost"),
        (b"{", "not_json"),
        (b'"{}"', "doubly-JSON-encoded"),
    ],
)
async def test_a_user_that_cannot_be_is_refused(broker: Broker, guest: Http, body: object, reason: str) -> None:
    assert reason in await refused(guest, "PUT", "/users/ann", body)
    assert b"ann" not in broker.users.by_name


async def test_a_refusal_repeats_no_password(guest: Http) -> None:
    for body in ({"password": ["hunter2"], "tags": ""}, {"password": "hunter2"}, b'{"password": "hunter2"'):
        assert "hunter2" not in await refused(guest, "PUT", "/users/ann", body)


async def test_permissions_can_come_with_a_new_user(broker: Broker, guest: Http) -> None:
    rights = {"configure": "", "write": "^w", "read": ".*"}
    await ask(guest, "PUT", "/users/ann", {"password": "x", "tags": "", "permissions": {"/": rights}})
    assert await ask(guest, "GET", "/permissions/%2F/ann") == (200, {"user": "ann", "vhost": "/", **rights})


async def test_a_protected_user_is_left_alone(guest: Http) -> None:
    await ask(guest, "PUT", "/users/ann", {"password": "x", "tags": "protected"})
    assert "protected" in await refused(guest, "DELETE", "/users/ann")
    assert "protected" in await refused(guest, "PUT", "/users/ann", {"tags": ""})
    assert "protected" in await refused(guest, "POST", "/users/bulk-delete", {"users": ["eve", "ann"]})
    assert (await ask(guest, "GET", "/users/eve"))[0] == 200


async def test_users_are_listed_and_many_are_deleted_at_once(guest: Http) -> None:
    _, rows = await ask(guest, "GET", "/users?columns=name")
    assert rows == [{"name": "eve"}, {"name": "guest"}, {"name": "nobody"}]
    _, rows = await ask(guest, "GET", "/users/without-permissions/")
    assert [row["name"] for row in rows] == ["nobody"]
    _, page = await ask(guest, "GET", "/users/?page=1&page_size=2")
    assert (page["total_count"], page["item_count"]) == (3, 2)
    assert await ask(guest, "POST", "/users/bulk-delete", {"users": ["eve", "nobody", "stranger"]}) == (204, None)
    _, rows = await ask(guest, "GET", "/users?columns=name")
    assert rows == [{"name": "guest"}]


async def test_a_user_is_shown_with_limits(broker: Broker, guest: Http) -> None:
    broker.turn.set_user_limits(b"eve", Limits({"max-channels": 3}))
    assert await ask(guest, "GET", "/users/eve?columns=limits") == (200, {"limits": {"max-channels": 3}})
    _, rows = await ask(guest, "GET", "/users?columns=name,limits")
    assert {"name": "eve", "limits": {"max-channels": 3}} in rows


async def test_a_deleted_users_connection_is_closed(broker: Broker, guest: Http) -> None:
    client = Client(broker, user="eve")
    await ask(guest, "DELETE", "/users/eve")
    assert b"CONNECTION_FORCED - user 'eve' is deleted" in client.transport.octets


# --- permissions


async def test_a_permission_is_set_shown_and_cleared(broker: Broker, guest: Http) -> None:
    rights = {"configure": "^a", "write": "", "read": ".*"}
    row = {"user": "nobody", "vhost": "other", **rights}
    assert await ask(guest, "PUT", "/permissions/other/nobody", rights) == (201, None)
    assert await ask(guest, "PUT", "/permissions/other/nobody", rights) == (204, None)
    assert await ask(guest, "GET", "/permissions/other/nobody") == (200, row)
    assert await ask(guest, "GET", "/users/nobody/permissions") == (200, [row])
    _, rows = await ask(guest, "GET", "/vhosts/other/permissions")
    assert row in rows
    _, rows = await ask(guest, "GET", "/permissions/")
    assert row in rows
    assert len(rows) == 4
    assert await ask(guest, "DELETE", "/permissions/other/nobody") == (204, None)
    assert (await ask(guest, "DELETE", "/permissions/other/nobody"))[0] == 404
    assert (await ask(guest, "GET", "/permissions/other/nobody"))[0] == 404


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/permissions/absent/eve", {"configure": "", "write": "", "read": ""}, "vhost_or_user_not_found"),
        ("/permissions/%2F/absent", {"configure": "", "write": "", "read": ""}, "vhost_or_user_not_found"),
        ("/permissions/%2F/eve", {"configure": "", "write": ""}, "read"),
        ("/permissions/%2F/eve", {"configure": "(", "write": "", "read": ""}, "regular expression"),
        ("/permissions/%2F/eve", {"configure": "(a+)+", "write": "", "read": ""}, "too long"),
        ("/topic-permissions/%2F/eve", {"exchange": "x", "write": "("}, "read"),
        ("/topic-permissions/%2F/eve", {"exchange": "x", "write": "(", "read": ""}, "regular expression"),
        ("/topic-permissions/%2F/absent", {"exchange": "x", "write": "", "read": ""}, "vhost_or_user_not_found"),
    ],
)
async def test_a_permission_that_cannot_be_is_refused(guest: Http, path: str, body: object, reason: str) -> None:
    assert reason in await refused(guest, "PUT", path, body)


async def test_topic_permissions_are_set_shown_and_cleared(guest: Http) -> None:
    rows = []
    for exchange in ("x", "y"):
        body = {"exchange": exchange, "write": "^{username}", "read": ".*"}
        rows.append({"user": "eve", "vhost": "/", **body})
        assert await ask(guest, "PUT", "/topic-permissions/%2F/eve", body) == (201, None)
    for path in ("/topic-permissions", "/topic-permissions/%2F/eve", "/users/eve/topic-permissions"):
        assert await ask(guest, "GET", path) == (200, rows)
    assert await ask(guest, "GET", "/vhosts/other/topic-permissions") == (200, [])
    assert await ask(guest, "DELETE", "/topic-permissions/%2F/eve/x") == (204, None)
    assert await ask(guest, "GET", "/topic-permissions") == (200, rows[1:])
    assert await ask(guest, "DELETE", "/topic-permissions/%2F/eve") == (204, None)
    assert (await ask(guest, "DELETE", "/topic-permissions/%2F/eve"))[0] == 404
    assert (await ask(guest, "GET", "/topic-permissions/%2F/eve"))[0] == 404


# --- vhosts


async def test_a_vhost_is_made_described_and_deleted(broker: Broker, guest: Http) -> None:
    body = {"description": "a test", "tags": "a,b", "default_queue_type": "classic", "tracing": "false"}
    assert await ask(guest, "PUT", "/vhosts/v%2F1", body) == (201, None)
    assert await ask(guest, "PUT", "/vhosts/v%2F1", body) == (204, None)
    _, row = await ask(guest, "GET", "/vhosts/v%2F1")
    assert (row["name"], row["description"], row["tags"]) == ("v/1", "a test", ["a", "b"])
    assert row["metadata"]["description"] == "a test"
    assert await ask(guest, "DELETE", "/vhosts/v%2F1") == (204, None)
    assert (await ask(guest, "DELETE", "/vhosts/v%2F1"))[0] == 404


async def test_a_protected_vhost_is_not_deleted(guest: Http) -> None:
    assert await ask(guest, "POST", "/vhosts/other/deletion/protection") == (204, None)
    status, answer = await ask(guest, "DELETE", "/vhosts/other")
    assert (status, answer["error"]) == (412, "precondition_failed")
    assert (await ask(guest, "GET", "/vhosts/other"))[1]["protected_from_deletion"] is True
    assert await ask(guest, "DELETE", "/vhosts/other/deletion/protection") == (204, None)
    assert await ask(guest, "DELETE", "/vhosts/other") == (204, None)


async def test_what_a_vhost_cannot_do_is_not_promised(guest: Http) -> None:
    assert "Unsupported" in await refused(guest, "PUT", "/vhosts/v", {"default_queue_type": "fast"})
    assert "longer than" in await refused(guest, "PUT", "/vhosts/" + "v" * 256, {})
    assert (await ask(guest, "GET", "/vhosts/v"))[0] == 404


async def test_a_deleted_vhosts_connections_are_closed(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    await ask(guest, "DELETE", "/vhosts/%2F")
    assert b"CONNECTION_FORCED - vhost '/' is deleted" in client.transport.octets
    assert (await ask(guest, "GET", "/queues/%2F"))[0] == 404


# --- who may


ADMINISTRATORS_ONLY = [
    ("GET", "/users"),
    ("GET", "/users/guest"),
    ("GET", "/users/eve"),
    ("GET", "/users/without-permissions"),
    ("GET", "/permissions"),
    ("GET", "/permissions/%2F/eve"),
    ("GET", "/vhosts/%2F/permissions"),
    ("GET", "/topic-permissions"),
    ("PUT", "/users/x"),
    ("DELETE", "/users/guest"),
    ("POST", "/users/bulk-delete"),
    ("PUT", "/vhosts/x"),
    ("DELETE", "/vhosts/%2F"),
    ("POST", "/vhosts/%2F/deletion/protection"),
    ("PUT", "/permissions/%2F/eve"),
    ("DELETE", "/permissions/%2F/guest"),
    ("PUT", "/topic-permissions/%2F/eve"),
    ("DELETE", "/topic-permissions/%2F/eve"),
]


@pytest.mark.parametrize("tag", ["management", "policymaker", "monitoring"])
@pytest.mark.parametrize(("method", "path"), ADMINISTRATORS_ONLY)
async def test_users_and_permissions_are_for_administrators_only(
    broker: Broker, facts: Facts, method: str, path: str, tag: str
) -> None:
    broker.users.by_name[b"eve"].tags = [tag]
    headers = {"Authorization": basic("eve", "apple")}
    async with TestClient(TestServer(api_app(facts)), headers=headers) as eve:
        status, answer = await ask(eve, method, path, {"tags": ""})
    assert (status, answer) == (401, {"error": "not_authorised", "reason": "Not administrator user"})


async def test_a_vhost_that_the_user_may_not_enter_is_as_if_it_did_not_exist(broker: Broker, facts: Facts) -> None:
    headers = {"Authorization": basic("eve", "apple")}
    async with TestClient(TestServer(api_app(facts)), headers=headers) as eve:
        absent = await ask(eve, "GET", "/queues/absent")
        assert absent[0] == 404
        for path in ("/queues/other", "/vhosts/other", "/exchanges/other/amq.topic", "/aliveness-test/other"):
            assert await ask(eve, "GET", path) == absent
        assert [row["name"] for row in (await ask(eve, "GET", "/vhosts"))[1]] == ["/"]
        assert {row["vhost"] for row in (await ask(eve, "GET", "/exchanges"))[1]} == {"/"}
        broker.users.by_name[b"eve"].tags = ["monitoring"]
        assert [row["name"] for row in (await ask(eve, "GET", "/vhosts"))[1]] == ["/", "other"]


async def test_what_was_changed_is_written_before_the_answer(broker: Broker, guest: Http) -> None:
    written = broker.store.written
    await ask(guest, "PUT", "/vhosts/v", {})
    assert broker.store.written == written + 1
    assert not broker.store.has_news
