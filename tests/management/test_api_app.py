"""The HTTP API over HTTP: paths, lists, refusals."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from pamqp import commands
from yarl import URL

from broker.core.arguments import longstr
from broker.core.message import Message
from broker.management import listing
from broker.management.facts import Facts
from broker.vhost.delay_line import delay_line_of
from tests.management.asking import Http, ask, basic, sample
from tests.metrics.scene import Broker, Client
from tests.vhost.scene import content_header


async def get(client: Http, path: str, status: int = 200) -> object:
    async with client.get(URL(path, encoded=True)) as response:
        assert response.status == status, await response.text()
        assert response.content_type == "application/json"
        return json.loads(await response.read())


def names(answer: object) -> list[str]:
    assert isinstance(answer, list)
    return [each["name"] for each in answer]


# --- who asks


async def test_no_login_asks_for_one_with_an_empty_body(api: Http) -> None:
    async with api.get("/api/overview") as response:
        assert response.status == 401
        assert response.headers["WWW-Authenticate"] == 'Basic realm="RabbitMQ Management"'
        assert await response.read() == b""


@pytest.mark.parametrize(
    ("header", "error", "reason"),
    [
        (basic("guest", "wrong"), "not_authorized", "Not_Authorized"),
        (basic("stranger", "x"), "not_authorized", "Not_Authorized"),
        (basic("guest", ""), "not_authorized", "Not_Authorized"),
        (basic("nobody", "secret"), "not_authorised", "Not management user"),
        ("Basic ???", "not_authorized", "Not_Authorized"),
        ("Basic Z3Vlc3Q=", "not_authorized", "Not_Authorized"),
        ("Bearer abc", "not_authorized", "Not_Authorized"),
    ],
)
async def test_wrong_login_is_refused_in_rabbitmqs_words(api: Http, header: str, error: str, reason: str) -> None:
    async with api.get("/api/whoami", headers={"Authorization": header}) as response:
        assert response.status == 401
        assert "WWW-Authenticate" not in response.headers
        assert await response.json() == {"error": error, "reason": reason}


async def test_whoami_names_the_user_and_the_tags(guest: Http) -> None:
    assert await get(guest, "/api/whoami") == {"name": "guest", "tags": ["administrator"], "is_internal_user": True}


async def test_who_is_no_monitor_sees_own_connections_and_no_listeners(broker: Broker, api: Http) -> None:
    Client(broker)
    Client(broker, "10.0.0.8:1000", "eve")
    headers = {"Authorization": basic("eve", "apple")}
    async with api.get("/api/connections", headers=headers) as response:
        assert [each["user"] for each in await response.json()] == ["eve"]
    async with api.get("/api/overview", headers=headers) as response:
        answer = await response.json()
        assert "listeners" not in answer
        assert answer["object_totals"]["connections"] == 2


# --- refusals


@pytest.mark.parametrize(
    "path",
    [
        "/api/nonsense",
        "/api/queues/%2F/absent",
        "/api/queues/absent",
        "/api/exchanges/%2F/absent",
        "/api/vhosts/absent",
        "/api/connections/absent",
        "/api/channels/absent",
        "/api/aliveness-test/absent",
        "/api/queues/%2F/a/b/c/d",
        "/elsewhere",
    ],
)
async def test_what_is_not_there_has_rabbitmqs_404(guest: Http, path: str) -> None:
    assert await get(guest, path, 404) == {"error": "Object Not Found", "reason": "Not Found"}


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
async def test_a_method_that_a_path_does_not_have_is_refused_with_those_it_has(api: Http, method: str) -> None:
    async with api.request(method, "/api/overview", json={}) as response:
        assert response.status == 405
        assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
        assert (await response.json())["error"] == "method_not_allowed"
    async with api.options(URL("/api/queues/%2F/q", encoded=True)) as response:
        assert response.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PUT"


async def test_head_has_no_body_and_options_needs_no_login(api: Http, guest: Http) -> None:
    async with guest.head("/api/overview") as response:
        assert response.status == 200
        assert await response.read() == b""
    async with api.options("/api/overview") as response:
        assert response.status == 200


async def test_who_is_deleted_before_the_body_has_come_is_not_served(
    broker: Broker, guest: Http, caplog: pytest.LogCaptureFixture
) -> None:
    is_deleted = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"{"
        await is_deleted.wait()
        yield b"}"

    url, headers = URL("/api/queues/%2F/q", encoded=True), {"Authorization": basic("eve", "apple")}
    asked = asyncio.create_task(guest.session.put(guest.make_url("/").join(url), data=body(), headers=headers))
    for _ in range(200):
        await asyncio.sleep(0)
    assert (await ask(guest, "DELETE", "/users/eve"))[0] == 204
    is_deleted.set()
    async with await asked as response:
        assert response.status == 401
    assert "login refused" not in caplog.text, "she was let in"
    assert not broker.turn.vhosts["/"].queues


async def test_a_newline_in_a_path_is_part_of_a_name(broker: Broker, guest: Http) -> None:
    assert (await get(guest, "/api/queues/%2F/a%0Ab", 404)) == {"error": "Object Not Found", "reason": "Not Found"}
    # AMQP takes it out of names that are declared.
    assert (await ask(guest, "PUT", "/queues/%2F/a%0Ab", {}))[0] == 201
    assert (await ask(guest, "PUT", "/queues/%2F/a%0Ab", {}))[0] == 204
    assert list(broker.turn.vhosts["/"].queues) == [b"ab"]


async def test_a_mistake_of_ours_is_a_500_that_tells_nothing(
    broker: Broker, guest: Http, caplog: pytest.LogCaptureFixture
) -> None:
    broker.context.connections[99] = None  # type: ignore[assignment] # what cannot be, to see it caught
    answer = await get(guest, "/api/connections", 500)
    del broker.context.connections[99]
    assert answer == {"error": "internal_server_error", "reason": "Internal Server Error"}
    assert "request failed" in caplog.text


async def test_the_api_describes_itself_without_a_login(api: Http) -> None:
    async with api.get("/api") as response:
        assert response.url.path == "/api/index.html"
        assert "/api/queues/{vhost}/{queue}/contents" in await response.text()
    status, document = await ask(api, "GET", "/openapi.json")
    assert (status, document["openapi"], document["info"]["version"]) == (200, "3.1.0", "0.1.0")
    operation = document["paths"]["/queues/{vhost}/{queue}"]["put"]
    assert (operation["operationId"], operation["summary"].partition(";")[0]) == (
        "put_queues_vhost_queue",
        "Declare a queue",
    )
    assert set(operation["responses"]) == {"201", "204", "400", "401", "404", "413"}
    schema = document["components"]["schemas"]["QueueBody"]
    assert set(schema["properties"]) == {"durable", "auto_delete", "arguments", "type"}


# --- overview and checks


async def test_overview_has_what_strict_clients_insist_on(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("q")
    client.publish("q", b"1")
    client.publish("q", b"2")
    client.tell(commands.Basic.Get(queue="q"))
    answer = await get(guest, "/api/overview")
    assert isinstance(answer, dict)
    assert answer["object_totals"] == {"connections": 1, "channels": 1, "exchanges": 14, "queues": 1, "consumers": 0}
    totals = answer["queue_totals"]
    assert (totals["messages"], totals["messages_ready"], totals["messages_unacknowledged"]) == (2, 1, 1)
    assert totals["messages_details"] == {"rate": 0.0}
    assert answer["message_stats"]["publish"] == 2
    assert answer["message_stats"]["deliver_get"] == 1
    assert answer["churn_rates"]["queue_created"] == 1
    assert answer["node"] == "ponymq@test"
    assert [each["protocol"] for each in answer["listeners"]] == ["amqp", "http", "http/prometheus"]
    assert [each["port"] for each in answer["contexts"]] == ["15672", "15692"]


async def test_rates_are_per_second_between_the_last_two_rounds(broker: Broker, facts: Facts, guest: Http) -> None:
    client = Client(broker)
    client.declare("q")
    sample(facts)
    broker.clock.advance(10.0)
    for _ in range(20):
        client.publish("q", b"1")
    sample(facts)
    overview, queue = await get(guest, "/api/overview"), await get(guest, "/api/queues/%2F/q")
    assert isinstance(overview, dict)
    assert isinstance(queue, dict)
    assert overview["message_stats"]["publish_details"]["rate"] == 2.0
    assert overview["queue_totals"]["messages_details"]["rate"] == 2.0
    assert queue["message_stats"]["publish_details"]["rate"] == 2.0


async def test_checks_pass_until_the_store_has_failed(broker: Broker, guest: Http) -> None:
    for path in ("/api/health/checks/alarms", "/api/aliveness-test/%2F"):
        assert await get(guest, path) == {"status": "ok"}
    broker.store.is_failed = True
    for path in ("/api/health/checks/alarms", "/api/aliveness-test/%2F/"):
        answer = await get(guest, path, 503)
        assert isinstance(answer, dict)
        assert answer["status"] == "failed"
        assert answer["alarms"] == [{"node": "ponymq@test", "resource": "store"}]
    broker.store.is_failed = False


async def test_alarms_check_names_what_is_short_and_the_vhost_stays_alive(broker: Broker, guest: Http) -> None:
    alarms = broker.turn.alarms
    alarms.set_memory(True, 0.0)
    alarms.set_disk_low(True, 0.0)
    for path in ("/api/health/checks/alarms", "/api/health/checks/local-alarms"):
        answer = await get(guest, path, 503)
        assert isinstance(answer, dict)
        assert answer["reason"] == "resource alarm(s) in effect"
        assert answer["alarms"] == [
            {"node": "ponymq@test", "resource": "memory"},
            {"node": "ponymq@test", "resource": "disk"},
        ]
    assert await get(guest, "/api/aliveness-test/%2F") == {"status": "ok"}
    alarms.set_memory(False, 0.0)
    alarms.set_disk_low(False, 0.0)
    assert await get(guest, "/api/health/checks/alarms") == {"status": "ok"}


# --- queues


async def test_queue_row_has_what_flower_and_keda_read(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("celery", durable=True, arguments={"x-max-priority": 5})
    client.publish("celery", b"12345")
    client.publish("celery", b"123")
    client.tell(commands.Basic.Get(queue="celery"))
    answer = await get(guest, "/api/queues/%2F/")
    assert isinstance(answer, list)
    row = answer[0]
    assert {key: row[key] for key in ("name", "vhost", "messages", "messages_ready", "messages_unacknowledged")} == {
        "name": "celery",
        "vhost": "/",
        "messages": 2,
        "messages_ready": 1,
        "messages_unacknowledged": 1,
    }
    assert row["consumers"] == 0
    assert row["durable"] is True
    assert row["arguments"] == {"x-max-priority": 5}
    assert row["message_bytes"] == 8
    assert row["message_stats"]["publish_details"] == {"rate": 0.0}
    single = await get(guest, "/api/queues/%2F/celery")
    assert isinstance(single, dict)
    assert {key: single[key] for key in row} == row
    assert single["consumer_details"] == []


async def test_exclusive_queue_names_its_owner(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("mine", exclusive=True)
    client.tell(commands.Basic.Consume(queue="mine", consumer_tag="only", exclusive=True))
    row = await get(guest, "/api/queues/%2F/mine")
    assert isinstance(row, dict)
    assert row["exclusive"] is True
    assert row["exclusive_consumer_tag"] == "only"
    assert row["owner_pid_details"] == {
        "name": "10.0.0.7:50000 -> 127.0.0.1:5672",
        "peer_host": "10.0.0.7",
        "peer_port": 50000,
    }


@pytest.mark.parametrize(
    ("declared", "path", "shown"),
    [
        (b"a/b", "a%2Fb", "a/b"),
        (b"a b", "a+b", "a b"),
        (b"a+b", "a%2Bb", "a+b"),
        (b"100%", "100%25", "100%"),
        ("dürer".encode(), "d%C3%BCrer", "dürer"),
        (b"\xff", "%FF", "\\xff"),
        (b"..", "%2E%2E", ".."),
    ],
)
async def test_odd_names_are_found_under_their_quoted_path(
    broker: Broker, guest: Http, declared: bytes, path: str, shown: str
) -> None:
    broker.turn.vhosts["/"].declare_queue(declared, False, False, False, {}, 0)
    answer = await get(guest, f"/api/queues/%2F/{path}")
    assert isinstance(answer, dict)
    assert answer["name"] == shown


async def test_lists_are_ordered_by_vhost_and_name(broker: Broker, guest: Http) -> None:
    for vhost, name in (("other", b"a"), ("/", b"c"), ("/", b"b")):
        broker.turn.vhosts[vhost].declare_queue(name, False, False, False, {}, 0)
    assert names(await get(guest, "/api/queues")) == ["b", "c", "a"]
    assert names(await get(guest, "/api/queues?sort=name")) == ["a", "b", "c"]
    assert names(await get(guest, "/api/queues?sort=")) == ["b", "c", "a"]
    assert names(await get(guest, "/api/queues/other")) == ["a"]
    async with guest.get("/api/queues", headers={"x-vhost": "other"}) as response:
        assert names(await response.json()) == ["a"]


async def test_list_is_sorted_by_any_column(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    for i, name in enumerate(("x", "y", "z")):
        client.declare(name)
        for _ in range((2, 0, 1)[i]):
            client.publish(name, b"")
    assert names(await get(guest, "/api/queues?sort=messages")) == ["y", "z", "x"]
    assert names(await get(guest, "/api/queues?sort=message_stats.publish&sort_reverse=true")) == ["x", "z", "y"]
    assert sorted(names(await get(guest, "/api/queues?sort=no.such.column"))) == ["x", "y", "z"]


async def test_columns_keep_only_what_was_asked_for(broker: Broker, guest: Http) -> None:
    Client(broker).declare("q")
    answer = await get(guest, "/api/queues?columns=name,message_stats.publish,no.such,name.deeper")
    assert answer == [{"name": "q", "message_stats": {"publish": 0}}]


async def test_pages_count_what_the_filter_left(broker: Broker, guest: Http) -> None:
    for i in range(7):
        broker.turn.vhosts["/"].declare_queue(b"task%d" % i, False, False, False, {}, 0)
    broker.turn.vhosts["/"].declare_queue(b"mail", False, False, False, {}, 0)
    answer = await get(guest, "/api/queues?page=2&page_size=3&name=TASK&pagination=true")
    assert isinstance(answer, dict)
    assert names(answer.pop("items")) == ["task3", "task4", "task5"]
    assert answer == {
        "total_count": 8,
        "filtered_count": 7,
        "item_count": 3,
        "page": 2,
        "page_size": 3,
        "page_count": 3,
    }
    regex = await get(
        guest, "/api/queues/%2F?page=1&use_regex=true&pagination=false&name=^(mail|task[01])$&page_size=100"
    )
    assert isinstance(regex, dict)
    assert names(regex["items"]) == ["mail", "task0", "task1"]
    assert regex["page_count"] == 1
    nothing = await get(guest, "/api/queues?page=1&name=absent")
    assert isinstance(nothing, dict)
    assert (nothing["items"], nothing["page_count"]) == ([], 0)


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("page=0", "invalid_pagination_parameters"),
        ("page=x", "bad_request"),
        ("page=-1", "bad_request"),
        ("page=1&page_size=501", "invalid_pagination_parameters"),
        ("page=2", "page_out_of_range"),
        ("name=(a%2B)%2B&use_regex=true", "bad_request"),
        ("name=" + "a" * 1025, "bad_request"),
    ],
)
async def test_pages_that_cannot_be_are_refused(guest: Http, query: str, error: str) -> None:
    answer = await get(guest, f"/api/queues?{query}", 400)
    assert isinstance(answer, dict)
    assert answer["error"] == error


async def test_broker_works_between_the_slices_of_a_long_list(broker: Broker, guest: Http) -> None:
    vhost = broker.turn.vhosts["/"]
    for i in range(2000):
        vhost.declare_queue(b"q%06d" % i, False, False, False, {}, 0)
    turns = 0

    async def work() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(work())
    asked = URL("/api/queues?sort=message_stats.publish_details.rate", encoded=True)
    async with guest.get(asked) as response:
        before = turns
        listed = await response.json()
    other.cancel()
    assert before >= 10
    assert sorted(names(listed)) == [f"q{i:06d}" for i in range(2000)]


async def test_queue_deleted_while_the_list_is_made_does_no_harm(broker: Broker, guest: Http) -> None:
    vhost = broker.turn.vhosts["/"]
    for i in range(3 * listing.ENCODED_AT_ONCE):
        vhost.declare_queue(b"q%06d" % i, False, False, False, {}, 0)
    asking = asyncio.create_task(get(guest, "/api/queues"))
    while vhost.queues:
        vhost.delete_queue(next(iter(vhost.queues.values())))
        await asyncio.sleep(0)
    answer = await asking
    assert isinstance(answer, list)


# --- connections, channels, exchanges, vhosts


async def test_connection_row_says_who_is_there(broker: Broker, guest: Http) -> None:
    Client(broker, properties={"product": "pika", "connection_name": "worker 1", "capabilities": {"basic.nack": True}})
    listed = await get(guest, "/api/connections")
    assert isinstance(listed, list)
    row = listed[0]
    assert row["name"] == "10.0.0.7:50000 -> 127.0.0.1:5672"
    assert (row["peer_host"], row["peer_port"], row["user"], row["vhost"]) == ("10.0.0.7", 50000, "guest", "/")
    assert (row["protocol"], row["state"], row["channels"]) == ("AMQP 0-9-1", "running", 1)
    assert row["client_properties"]["capabilities"] == {"basic.nack": True}
    assert row["user_provided_name"] == "worker 1"
    assert row["recv_oct"] > 0
    assert row["connected_at"] == 1_700_000_000_000
    path = "10.0.0.7%3A50000%20-%3E%20127.0.0.1%3A5672"
    assert await get(guest, f"/api/connections/{path}") == row
    channels = await get(guest, f"/api/connections/{path}/channels")
    assert isinstance(channels, list)
    assert channels[0]["name"] == row["name"] + " (1)"
    single = await get(guest, f"/api/channels/{path}%20%281%29")
    assert isinstance(single, dict)
    assert {key: single[key] for key in channels[0]} == channels[0]
    assert await get(guest, "/api/channels") == channels
    assert await get(guest, "/api/vhosts/%2F/channels") == channels
    assert await get(guest, "/api/vhosts/other/connections") == []


async def test_connection_in_its_handshake_is_not_listed(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.connection.enter(3)
    assert await get(guest, "/api/connections") == []


async def test_channel_row_counts_what_is_out(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("q", durable=True)
    client.tell(commands.Confirm.Select())
    client.tell(commands.Basic.Qos(prefetch_count=7))
    client.tell(commands.Basic.Consume(queue="q", consumer_tag="c"))
    client.publish("q", b"1", persistent=True)
    listed = await get(guest, "/api/channels")
    assert isinstance(listed, list)
    row = listed[0]
    assert (row["confirm"], row["transactional"], row["consumer_count"]) == (True, False, 1)
    assert (row["messages_unacknowledged"], row["messages_unconfirmed"], row["prefetch_count"]) == (1, 1, 7)


async def test_exchanges_list_has_the_default_one(guest: Http) -> None:
    listed = await get(guest, "/api/exchanges/%2F")
    assert names(listed)[:2] == ["", "amq.direct"]
    default = await get(guest, "/api/exchanges/%2F/amq.default")
    assert isinstance(default, dict)
    assert (default["name"], default["type"], default["arguments"]) == ("", "direct", {})


async def test_vhost_row_sums_its_queues(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("a")
    client.declare("b")
    client.publish("a", b"1")
    client.publish("b", b"1")
    listed = await get(guest, "/api/vhosts")
    assert names(listed) == ["/", "other"]
    row = await get(guest, "/api/vhosts/%2F")
    assert isinstance(row, dict)
    assert (row["messages"], row["messages_ready"], row["tracing"]) == (2, 2, False)
    assert row["cluster_state"] == {"ponymq@test": "running"}


async def test_delayed_exchange_tells_how_many_messages_wait(broker: Broker, guest: Http) -> None:
    vhost = broker.turn.vhosts["/"]
    vhost.declare_exchange(b"x", b"x-delayed-message", True, False, False, {b"x-delayed-type": longstr(b"topic")})
    line = delay_line_of(vhost.exchange(b"x"))
    assert line is not None
    for _ in range(3):
        line.push(Message(b"\x01x\x00", content_header(0, headers={"x-delay": 60_000}), b"", True, 0, 0, -1))
    row = await get(guest, "/api/exchanges/%2F/x")
    assert isinstance(row, dict)
    assert (row["type"], row["messages_delayed"]) == ("x-delayed-message", 3)
    plain = await get(guest, "/api/exchanges/%2F/amq.topic")
    assert isinstance(plain, dict)
    assert "messages_delayed" not in plain


async def test_every_exchange_type_is_listed(guest: Http) -> None:
    overview = await get(guest, "/api/overview")
    assert isinstance(overview, dict)
    listed = [each["name"] for each in overview["exchange_types"]]
    assert {"direct", "topic", "x-consistent-hash", "x-delayed-message", "x-recent-history"} <= set(listed)
