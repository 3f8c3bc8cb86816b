"""The node, its consumers, and lists without figures over HTTP."""

import json
import os

import pytest
from pamqp import commands
from yarl import URL

from broker.management.consumer_view import MOST_CONSUMERS
from broker.management.facts import Facts
from tests.management.asking import Http, basic, sample
from tests.metrics.scene import Broker, Client


async def get(client: Http, path: str, status: int = 200) -> object:
    async with client.get(URL(path, encoded=True)) as response:
        assert response.status == status, await response.text()
        return json.loads(await response.read())


async def get_object(client: Http, path: str, status: int = 200) -> dict[str, object]:
    answer = await get(client, path, status)
    assert isinstance(answer, dict)
    return answer


# --- the node


@pytest.mark.parametrize("is_sampled", [False, True])
async def test_node_row_has_what_strict_clients_insist_on(facts: Facts, guest: Http, is_sampled: bool) -> None:
    if is_sampled:
        sample(facts)
    listed = await get(guest, "/api/nodes")
    assert isinstance(listed, list)
    row = listed[0]
    assert (row["name"], row["type"], row["running"], row["os_pid"]) == ("ponymq@test", "disc", True, str(os.getpid()))
    for used, total in (
        ("mem_used", "mem_limit"),
        ("fd_used", "fd_total"),
        ("sockets_used", "sockets_total"),
        ("proc_used", "proc_total"),
    ):
        assert 0 <= row[used] <= row[total], used
        assert row[total] > 0, total
        assert row[f"{used}_details"]["rate"] == 0.0
    assert row["disk_free"] > 0
    assert (row["mem_alarm"], row["disk_free_alarm"]) == (False, False)
    for name in ("io_read_count", "msg_store_read_count", "queue_index_journal_write_count", "io_sync_avg_time"):
        assert row[name] == 0, name
    assert {each["name"] for each in row["auth_mechanisms"]} >= {"PLAIN", "AMQPLAIN"}
    assert (await get_object(guest, "/api/nodes/ponymq@test"))["name"] == "ponymq@test"


async def test_node_has_a_past(broker: Broker, facts: Facts, guest: Http) -> None:
    for _ in range(3):
        sample(facts)
        broker.clock.advance(5.0)
    row = await get_object(guest, "/api/nodes/ponymq@test?node_stats_age=10&node_stats_incr=5")
    found = row["mem_used_details"]
    assert isinstance(found, dict)
    assert len(found["samples"]) == 3


async def test_memory_is_told_in_octets_and_in_percent(guest: Http) -> None:
    whole = (await get_object(guest, "/api/nodes/ponymq@test/memory"))["memory"]
    assert isinstance(whole, dict)
    assert whole["strategy"] == "rss"
    assert whole["queue_procs"] + whole["other_proc"] == whole["total"]["rss"]
    share = (await get_object(guest, "/api/nodes/ponymq@test/memory/relative"))["memory"]
    assert isinstance(share, dict)
    assert share["total"] == 100
    assert share["queue_procs"] + share["other_proc"] == 100
    row = await get_object(guest, "/api/nodes/ponymq@test?memory=true")
    assert "memory" in row


@pytest.mark.parametrize("path", ["/api/nodes/absent", "/api/nodes/absent/memory", "/api/nodes/ponymq@test/binary"])
async def test_other_nodes_and_paths_are_not_there(guest: Http, path: str) -> None:
    await get(guest, path, 404)


async def test_node_is_for_monitors(api: Http) -> None:
    async with api.get("/api/nodes", headers={"Authorization": basic("eve", "apple")}) as response:
        assert response.status == 401
        assert (await response.json())["reason"] == "Not monitor user"


# --- consumers


async def test_consumers_are_listed_with_channel_and_queue(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("q")
    client.tell(commands.Basic.Qos(prefetch_count=7))
    client.tell(commands.Basic.Consume(queue="q", consumer_tag="c", arguments={"x-priority": 3}))
    client.publish("q", b"1")
    listed = await get(guest, "/api/consumers?page=1")
    assert listed == await get(guest, "/api/consumers/%2F")
    assert isinstance(listed, list)
    assert listed == [
        {
            "consumer_tag": "c",
            "queue": {"name": "q", "vhost": "/"},
            "channel_details": {
                "name": "10.0.0.7:50000 -> 127.0.0.1:5672 (1)",
                "number": 1,
                "user": "guest",
                "connection_name": "10.0.0.7:50000 -> 127.0.0.1:5672",
                "peer_host": "10.0.0.7",
                "peer_port": 50000,
                "node": "ponymq@test",
            },
            "ack_required": True,
            "prefetch_count": 7,
            "exclusive": False,
            "active": True,
            "activity_status": "up",
            "consumer_timeout": 0,
            "messages_unacknowledged": 1,
            "arguments": {"x-priority": 3},
        }
    ]
    queue = await get_object(guest, "/api/queues/%2F/q")
    assert queue["consumer_details"] == listed
    channel = await get_object(guest, "/api/channels/10.0.0.7%3A50000%20-%3E%20127.0.0.1%3A5672%20%281%29")
    assert channel["consumer_details"] == listed
    assert await get(guest, "/api/consumers/other") == []
    assert await get(guest, "/api/consumers?columns=consumer_tag,queue.name") == [
        {"consumer_tag": "c", "queue": {"name": "q"}}
    ]


async def test_only_the_first_consumer_of_a_single_active_queue_is_active(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("q", arguments={"x-single-active-consumer": True})
    for tag in ("a", "b"):
        client.tell(commands.Basic.Consume(queue="q", consumer_tag=tag))
    listed = await get(guest, "/api/consumers")
    assert isinstance(listed, list)
    assert {each["consumer_tag"]: (each["active"], each["activity_status"]) for each in listed} == {
        "a": (True, "single_active"),
        "b": (False, "waiting"),
    }


async def test_a_queue_with_a_crowd_of_consumers_tells_of_the_first_ones(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("q")
    for number in range(MOST_CONSUMERS + 5):
        client.tell(commands.Basic.Consume(queue="q", consumer_tag=str(number)))
    queue = await get_object(guest, "/api/queues/%2F/q")
    assert (queue["consumers"], len(list(queue["consumer_details"]))) == (MOST_CONSUMERS + 5, MOST_CONSUMERS)  # type: ignore[call-overload]
    listed = await get(guest, "/api/consumers")
    assert isinstance(listed, list)
    assert len(listed) == MOST_CONSUMERS + 5


async def test_capacity_is_zero_while_every_consumer_is_at_its_prefetch(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("q")
    client.tell(commands.Basic.Qos(prefetch_count=1))
    client.tell(commands.Basic.Consume(queue="q", consumer_tag="c"))
    assert (await get_object(guest, "/api/queues/%2F/q"))["consumer_capacity"] == 1.0
    client.publish("q", b"1")
    assert (await get_object(guest, "/api/queues/%2F/q"))["consumer_utilisation"] == 0.0


# --- lists without figures


async def test_lists_without_statistics_are_bare(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("q")
    client.publish("q", b"1")
    bare = {
        "name": "q",
        "vhost": "/",
        "type": "classic",
        "durable": False,
        "auto_delete": False,
        "exclusive": False,
        "arguments": {},
        "node": "ponymq@test",
        "state": "running",
    }
    assert await get(guest, "/api/queues?disable_stats=true") == [bare]
    depths = {"messages": 1, "messages_ready": 1, "messages_unacknowledged": 0}
    assert await get(guest, "/api/queues?disable_stats=true&enable_queue_totals=true") == [{**bare, **depths}]
    vhosts = await get(guest, "/api/vhosts?disable_stats=true")
    assert isinstance(vhosts, list)
    assert "messages" not in vhosts[0]


async def test_persistent_messages_and_memory_are_told(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("q", durable=True)
    client.publish("q", b"1234567890", persistent=True)
    client.publish("q", b"1")
    row = await get_object(guest, "/api/queues/%2F/q")
    assert row["messages_persistent"] == 1
    assert int(str(row["memory"])) >= 11


async def test_detailed_list_has_what_the_plain_one_leaves_out(broker: Broker, guest: Http) -> None:
    Client(broker).declare("q")
    plain, detailed = await get(guest, "/api/queues"), await get(guest, "/api/queues/detailed")
    assert isinstance(plain, list)
    assert isinstance(detailed, list)
    assert set(detailed[0]) - set(plain[0]) == {
        "backing_queue_status",
        "consumer_details",
        "deliveries",
        "incoming",
        "ponymq_why",
    }
