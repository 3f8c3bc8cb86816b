"""Definitions: what is exported comes back, and what cannot be imported changes nothing."""

import asyncio
import copy
import json
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.auth.passwords import ARGON2ID, MD5, hashed
from broker.core.arguments import longstr
from broker.management.api_app import api_app
from broker.management.definitions_export import export_definitions
from broker.management.definitions_import import import_definitions
from broker.management.definitions_plan import SLICE
from broker.management.refusals import Refusal
from broker.policy.limits import Limits
from tests.auth.people import add_user
from tests.management.asking import Http, basic
from tests.management.definition_documents import SHA256_OF_TEST12, Document, documents, sample
from tests.management.engine import Life

BY = b"boss"
TOO_MANY = {"destination_type": "exchange", "arguments": {"n": [0] * 40_000}}


def nested(depth: int) -> Document:
    """A table in a table in a table…"""
    return {"t": nested(depth - 1)} if depth else {}


def exported(life: Life) -> Document:
    document: Document = json.loads(asyncio.run(export_definitions(life.facts)))
    return document


def imported(life: Life, document: object) -> None:
    asyncio.run(import_definitions(life.facts, BY, json.dumps(document).encode()))


def refused(life: Life, document: object) -> str:
    with pytest.raises(Refusal) as caught:
        imported(life, document)
    assert caught.value.status == 400
    return str(caught.value)


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    made = Life(tmp_path / "data")
    yield made
    made.kill()


@pytest.fixture
async def boss(life: Life) -> AsyncIterator[Http]:
    """A client logged in as the administrator."""
    client = TestClient(TestServer(api_app(life.facts)), headers={"Authorization": basic("guest", "guest")})
    async with client:
        yield client


# --- what comes back


def test_a_document_with_something_of_everything_comes_back(life: Life) -> None:
    given_document = sample()
    imported(life, given_document)
    found = exported(life)
    for section in ("permissions", "topic_permissions", "policies", "queues", "exchanges", "bindings"):
        assert [row for row in found[section] if row.get("user") != "guest"] == given_document[section]
    assert found["users"][0] == given_document["users"][0]
    assert found["vhosts"][1]["metadata"] == given_document["vhosts"][0]["metadata"]
    limits = {"component": "vhost-limits", "vhost": "shop", "name": "limits", "value": {"max-queues": 9}}
    assert [*given_document["parameters"], limits] == sorted(
        found["parameters"], key=lambda row: str(row["name"]), reverse=True
    )
    assert found["global_parameters"] == given_document["global_parameters"]
    assert life.facts.node.cluster_name == "herd"
    assert (found["rabbitmq_definition_format"], found["original_cluster_name"]) == ("cluster", "herd")


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(documents())
def test_what_is_exported_comes_back_on_an_empty_broker(document: Document) -> None:
    with tempfile.TemporaryDirectory() as directory:
        first, second = Life(Path(directory) / "first"), Life(Path(directory) / "second")
        imported(first, document)
        kept = exported(first)
        imported(second, kept)
        assert exported(second) == kept
        written = second.engine.store.written
        imported(second, kept)
        assert second.engine.store.written == written, "what is so already is not written again"
        assert exported(second) == kept
        first.kill()
        second = second.killed()
        assert survivors(exported(second)) == survivors(kept)
        second.kill()


def survivors(document: Document) -> Document:
    """What a restart keeps, whatever its order: not what is transient."""
    kept = copy.deepcopy(document)
    gone = {
        (row["vhost"], kind, row["name"])
        for kind in ("queue", "exchange")
        for row in kept[f"{kind}s"]
        if not row["durable"]
    }
    for kind in ("queue", "exchange"):
        kept[f"{kind}s"] = [row for row in kept[f"{kind}s"] if row["durable"]]
    kept["bindings"] = [
        row
        for row in kept["bindings"]
        if (row["vhost"], "exchange", row["source"]) not in gone
        and (row["vhost"], row["destination_type"], row["destination"]) not in gone
    ]
    for section in ("queues", "exchanges", "bindings"):
        kept[section].sort(key=str)
    del kept["original_cluster_name"], kept["explanation"]
    return kept


async def test_exclusive_queues_and_names_that_are_no_text_are_left_out(life: Life) -> None:
    vhost = life.engine.turn.vhosts["/"]
    with life.facts.turn():
        mine = vhost.declare_queue(b"mine", False, True, False, {}, 7)
        odd = vhost.declare_queue(b"\xff", True, False, False, {}, 0)
        for queue in (mine, odd):
            vhost.bind(vhost.exchanges[b"amq.direct"], queue, b"", {})
    found = json.loads(await export_definitions(life.facts))
    assert (found["queues"], found["bindings"]) == ([], [])


def test_a_queue_without_a_type_stays_what_it_is_where_another_type_is_the_default(life: Life, tmp_path: Path) -> None:
    vhost = life.engine.turn.vhosts["/"]
    with life.facts.turn():
        vhost.declare_queue(b"old", True, False, False, {}, 0)
        vhost.set_default_queue_type(b"quorum")
    other = Life(tmp_path / "other")
    imported(other, exported(life))
    assert other.engine.turn.vhosts["/"].queues[b"old"].kind == b"classic"
    other.kill()


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"type": "quorum"}, b"quorum"),
        ({"type": "rabbit_stream_queue"}, b"stream"),
        ({"type": "classic"}, b"classic"),
        ({}, b"quorum"),
        ({"durable": False}, b"classic"),
        ({"auto_delete": True}, b"classic"),
        ({"arguments": {"x-queue-type": "stream"}, "type": "classic"}, b"stream"),
    ],
)
def test_the_type_of_a_queue_is_found_wherever_a_version_writes_it(life: Life, row: Document, kind: bytes) -> None:
    vhost = {"name": "v", "metadata": {"default_queue_type": "quorum"}}
    imported(life, {"vhosts": [vhost], "queues": [{"vhost": "v", "name": "q", **row}]})
    assert life.engine.turn.vhosts["v"].queues[b"q"].kind == kind


def test_what_was_imported_is_on_disk_when_it_is_answered(life: Life) -> None:
    imported(life, sample())
    store = life.engine.store
    assert store.synced == store.written


# --- merging


def test_what_is_there_stays(life: Life) -> None:
    vhost = life.engine.turn.vhosts["/"]
    with life.facts.turn():
        vhost.declare_queue(b"q", True, False, False, {}, 0)
        vhost.declare_exchange(b"x", b"fanout", True, False, False, {})
    imported(
        life,
        {
            "queues": [{"vhost": "/", "name": "q", "durable": False, "arguments": {"x-max-length": 1}}],
            "exchanges": [{"vhost": "/", "name": "x", "type": "topic"}, {"vhost": "/", "name": "amq.mine"}],
        },
    )
    assert (vhost.queues[b"q"].is_durable, vhost.queues[b"q"].arguments) == (True, {})
    assert vhost.exchanges[b"x"].kind == b"fanout"
    assert b"amq.mine" not in vhost.exchanges


def test_users_policies_and_permissions_are_overwritten(life: Life) -> None:
    imported(life, sample())
    document = sample()
    document["users"][0] |= {"tags": "a,b", "limits": []}
    document["permissions"][0]["read"] = "^r"
    document["policies"][0]["definition"] = {"max-length": 6}
    imported(life, document)
    ann = life.engine.context.users.by_name[b"ann"]
    assert ann.tags == ["a", "b"]
    assert life.engine.turn.user_limits.of(b"ann").values == {}
    permission = ann.accesses["shop"].permission
    assert permission is not None
    assert permission.texts == ["^a", "", "^r"]
    assert exported(life)["policies"][0]["definition"] == {"max-length": 6}


def test_a_user_of_whom_the_document_tells_no_password_keeps_the_own_one(life: Life) -> None:
    imported(life, {"users": [{"name": "guest", "tags": "administrator"}, {"name": "new", "tags": ""}]})
    users = life.engine.context.users.by_name
    assert users[b"guest"].password.matches(b"guest")
    assert users[b"new"].password.value == b""


@pytest.mark.parametrize(("version", "algorithm"), [("3.5.7", MD5), ("3.6.0", "rabbit_password_hashing_sha256")])
def test_an_old_document_has_md5_where_it_names_no_algorithm(life: Life, version: str, algorithm: str) -> None:
    text = "kI3GChNpte2FApYFXScl+0dIluk=" if algorithm == MD5 else SHA256_OF_TEST12
    imported(life, {"rabbit_version": version, "users": [{"name": "ann", "password_hash": text, "tags": ""}]})
    password = life.engine.context.users.by_name[b"ann"].password
    assert password.algorithm == algorithm
    assert password.matches(b"test12")


def test_our_own_hashes_move_too(life: Life, tmp_path: Path) -> None:
    user = add_user(life.engine.context.users, b"ann")
    user.password = hashed(b"apple", ARGON2ID)
    other = Life(tmp_path / "other")
    imported(other, exported(life))
    assert other.engine.context.users.by_name[b"ann"].password.matches(b"apple")
    other.kill()


def test_bindings_whose_ends_are_missing_are_left_out(life: Life) -> None:
    row = {"vhost": "/", "destination": "amq.fanout", "destination_type": "exchange"}
    imported(
        life, {"bindings": [{**row, "source": "absent"}, {**row, "source": "amq.direct", "destination": "absent"}]}
    )
    assert exported(life)["bindings"] == []


def test_keys_that_only_clusters_know_are_left_out(life: Life) -> None:
    row = {"vhost": "/", "pattern": "", "apply-to": "all", "priority": 0}
    mirrored = {**row, "name": "m", "definition": {"ha-mode": "all", "max-length": 5}}
    idle = {**row, "name": "n", "definition": {"ha-mode": "all", "ha-sync-mode": "automatic"}}
    imported(life, {"policies": [mirrored, idle]})
    assert exported(life)["policies"] == [{**mirrored, "definition": {"max-length": 5}}]


# --- what cannot be


@pytest.mark.parametrize(
    ("section", "row", "reason"),
    [
        ("users", {"tags": ""}, "users[0]: Object missing required field `name`"),
        ("users", {"name": "a"}, "users[0] ('a'): Object missing required field `tags`"),
        ("users", {"name": "a", "tags": "", "password_hash": "!"}, "users[0] ('a'): password hash is not base64"),
        ("users", {"name": "a", "tags": "", "limits": {"x": 1}}, "users[0] ('a'): Unrecognised terms"),
        ("vhosts", {"name": "v", "default_queue_type": "fast"}, "vhosts[0] ('v'): Unsupported default queue type"),
        ("vhosts", {"name": ""}, "vhosts[0] (''): the name is empty"),
        ("queues", {"name": "q"}, "queues[0] ('q'): Object missing required field `vhost`"),
        ("queues", {"name": "q", "vhost": "no"}, "queues[0] ('q' in vhost 'no'): no_such_vhost no"),
        ("queues", {"name": "", "vhost": "/"}, "the name is empty"),
        ("queues", {"name": "q" * 256, "vhost": "/"}, "longer than 255"),
        (
            "queues",
            {"name": "q", "vhost": "/", "arguments": {"x-max-length": "a"}},
            "queues[0] ('q' in vhost '/'): invalid arg 'x-max-length' for queue 'q' in vhost '/'",
        ),
        ("queues", {"name": "q", "vhost": "/", "type": "fast"}, "invalid arg 'x-queue-type'"),
        ("queues", {"name": "q", "vhost": "/", "type": "quorum", "durable": False}, "invalid property 'non-durable'"),
        ("queues", {"name": "q", "vhost": "/", "arguments": {"n": 2**64}}, "more than 64 bits"),
        ("queues", {"name": "q", "vhost": "/", "arguments": nested(33)}, "deeper than"),
        ("bindings", {"vhost": "/", "source": "amq.direct", "destination": "amq.fanout", **TOO_MANY}, "more than"),
        ("exchanges", {"name": "x", "vhost": "/", "type": "no"}, "unknown exchange type 'no'"),
        ("permissions", {"user": "no", "vhost": "/", "configure": "", "write": "", "read": ""}, "no_such_user no"),
        ("permissions", {"user": "guest", "vhost": "/", "configure": "(", "write": "", "read": ""}, "invalid regular"),
        ("policies", {"name": "p", "vhost": "/", "pattern": "(", "definition": {"max-length": 1}}, "Validation failed"),
        ("policies", {"vhost": "/", "pattern": "", "definition": {}}, "missing required field `name`"),
        ("parameters", {"vhost": "/", "name": "p", "component": "policy", "value": {}}, "policies may not be set"),
        ("parameters", {"vhost": "/", "name": "p", "component": "c"}, "missing required field `value`"),
        (
            "bindings",
            {"vhost": "/", "source": "x", "destination": "q", "destination_type": "cat"},
            "Invalid enum value",
        ),
    ],
)
def test_a_refusal_names_the_object_and_nothing_changes(life: Life, section: str, row: Document, reason: str) -> None:
    before = exported(life)
    document = sample()
    del document[section]
    if section == "users":
        document["permissions"] = document["topic_permissions"] = []
    if section == "vhosts":
        document = {}
    assert reason in refused(life, {**document, section: [row]})
    assert exported(life) == before


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "failed_to_parse_json"),
        (b"[]", "failed_to_parse_json"),
        (b'"{}"', "failed_to_parse_json"),
        (b"[" * 100_000, "failed_to_parse_json"),
        (b'{"users":3}', "users: expected a list"),
        (b'{"users":[3]}', "users[0]: expected an object"),
    ],
)
async def test_what_is_no_document_is_refused(life: Life, octets: bytes, reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        await import_definitions(life.facts, BY, octets)
    assert (caught.value.status, str(caught.value)) == (400, reason)


def test_the_queue_limit_that_a_vhost_has_is_kept(life: Life) -> None:
    life.engine.turn.vhosts["/"].limits = Limits({"max-queues": 2})
    rows = [{"vhost": "/", "name": f"q{number}"} for number in range(3)]
    assert refused(life, {"queues": rows}) == (
        'Adding 3 queue(s) to virtual host "/" would exceed the limit of 2 queue(s).\n\n'
        "This virtual host currently has 0 queue(s) defined.\n\nImport aborted!"
    )
    imported(life, {"queues": rows[:2]})
    imported(life, {"queues": rows[:2]})
    assert len(life.engine.turn.vhosts["/"].queues) == 2


def test_a_vhost_with_more_queues_than_its_limit_comes_back(life: Life) -> None:
    limits = {"component": "vhost-limits", "vhost": "/", "name": "limits", "value": {"max-queues": 1}}
    imported(life, {"parameters": [limits], "queues": [{"vhost": "/", "name": name} for name in "ab"]})
    assert len(life.engine.turn.vhosts["/"].queues) == 2
    assert life.engine.turn.vhosts["/"].limits.values == {"max-queues": 1}


@st.composite
def damaged(draw: st.DrawFn) -> Document:
    """A good document with one thing taken away or replaced, at any depth."""
    document = sample()
    place: Any = document
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        inner = place[key]
        if isinstance(inner, (dict, list)) and inner and draw(st.integers(0, 3)):
            place = inner
            continue
        if isinstance(place, dict) and draw(st.booleans()):
            del place[key]
        else:
            place[key] = draw(
                st.sampled_from([None, True, 2**70, -1, 1.5, "", "x", "é" * 200, [], [[]], {}, {"a": {}}])
            )
        return document


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=damaged())
def test_a_damaged_document_is_refused_as_a_whole_or_is_still_a_good_one(document: Document) -> None:
    with tempfile.TemporaryDirectory() as directory:
        life = Life(Path(directory) / "data")
        before = exported(life)
        status = 204
        try:
            imported(life, document)
        except Refusal as refusal:
            status = refusal.status
        assert status == 204 or (status == 400 and exported(life) == before)
        life.kill()


# --- slices


async def test_ten_thousand_queues_are_imported_in_slices_with_the_broker_s_turns_between(life: Life) -> None:
    passes = 0

    async def other_work() -> None:
        nonlocal passes
        while True:
            passes += 1
            await asyncio.sleep(0)

    document = {"queues": [{"vhost": "/", "name": f"q{number}"} for number in range(10_000)]}
    beside = asyncio.create_task(other_work())
    await import_definitions(life.facts, BY, json.dumps(document).encode())
    beside.cancel()
    assert len(life.engine.turn.vhosts["/"].queues) == 10_000
    assert life.turns == 10_000 // SLICE
    assert passes >= 2 * life.turns, "once for each slice of what is checked, once for each of what is done"


async def test_what_goes_while_an_import_is_under_way_is_said(life: Life) -> None:
    rows = [{"vhost": "v", "name": f"q{number}"} for number in range(3 * SLICE)]
    under_way = asyncio.create_task(
        import_definitions(life.facts, BY, json.dumps({"vhosts": [{"name": "v"}], "queues": rows}).encode())
    )
    while "v" not in life.engine.turn.vhosts:  # noqa: ASYNC110 - it is the loop's passes that count
        await asyncio.sleep(0)
    with life.facts.turn():
        life.engine.administration.delete_vhost(life.engine.turn.vhosts["v"], BY)
    with pytest.raises(Refusal, match="vhost 'v' was deleted while definitions were imported"):
        await under_way


async def test_a_full_disk_is_said(life: Life) -> None:
    life.engine.context.alarms.set_disk_full(True, 0.0)
    with pytest.raises(Refusal) as caught:
        await import_definitions(life.facts, BY, b"{}")
    assert caught.value.status == 503


# --- over HTTP


async def test_a_document_goes_out_and_in(life: Life, boss: Http) -> None:
    for path in ("/api/definitions", "/api/all-configuration"):
        async with boss.get(path) as response:
            assert response.status == 200
            octets = await response.read()
        async with boss.post(path, data=b"\xef\xbb\xbf" + octets) as response:
            assert (response.status, await response.read()) == (204, b"")


async def test_a_form_brings_a_file(life: Life, boss: Http) -> None:
    form = FormData()
    form.add_field("redirect", "../#/import-succeeded")
    form.add_field(
        "file", json.dumps(sample(), ensure_ascii=False, indent=2), filename="d.json", content_type="text/plain"
    )
    async with boss.post("/api/definitions", data=form) as response:
        assert response.status == 204
    assert "shop" in life.engine.turn.vhosts
    empty = FormData()
    empty.add_field("other", "x", filename="x")
    async with boss.post("/api/definitions", data=empty) as response:
        assert (response.status, (await response.json())["reason"]) == (400, "the form has no part 'file'")


async def test_a_browser_stores_a_file(boss: Http) -> None:
    async with boss.get("/api/definitions?download=all.json") as response:
        assert response.headers["Content-Disposition"] == 'attachment; filename="all.json"'
    async with boss.get("/api/definitions?download=a%22%0d%0ab") as response:
        assert response.status == 400


async def test_one_vhost_goes_into_another(life: Life, boss: Http) -> None:
    async with boss.post("/api/definitions", json=sample()) as response:
        assert response.status == 204
    async with boss.get("/api/definitions/shop") as response:
        document = await response.json()
    assert document["rabbitmq_definition_format"] == "single_virtual_host"
    assert not any("vhost" in row for section in ("queues", "policies", "parameters") for row in document[section])
    document["users"] = [{"name": "not looked at"}]
    async with boss.post("/api/definitions/%2F", json=document) as response:
        assert response.status == 204
    vhost = life.engine.turn.vhosts["/"]
    assert set(vhost.queues) == {b"q"}
    assert vhost.queues[b"q"].arguments[b"x-queue-type"] == longstr(b"quorum")
    assert vhost.limits.values == {"max-queues": 9}
    for method in ("GET", "POST"):
        async with boss.request(method, "/api/definitions/absent", data=b"{}") as response:
            assert (response.status, (await response.json())["reason"]) == (404, "vhost_not_found")


async def test_only_administrators_see_and_change_definitions(life: Life, boss: Http) -> None:
    add_user(life.engine.context.users, b"eve", b"apple", ["monitoring", "policymaker"], ["/"])
    for method in ("GET", "POST"):
        for path in ("/api/definitions", "/api/definitions/%2F", "/api/all-configuration"):
            login = {"Authorization": basic("eve", "apple")}
            async with boss.request(method, path, data=b"{}", headers=login) as response:
                assert (response.status, (await response.json())["reason"]) == (401, "Not administrator user")
