"""Rates and their past over HTTP."""

import json
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from pamqp import commands, frame
from pamqp.header import ContentHeader
from yarl import URL

from broker.management.facts import Facts
from tests.management.asking import Http, sample
from tests.metrics.scene import Broker, Client


async def get(client: Http, path: str, status: int = 200) -> dict[str, object]:
    async with client.get(URL(path, encoded=True)) as response:
        assert response.status == status, await response.text()
        answer = json.loads(await response.read())
        assert isinstance(answer, dict)
        return answer


def publish_steadily(broker: Broker, facts: Facts, rounds: int) -> Client:
    """Ten messages to the queue q between any two rounds, which are five seconds apart."""
    client = Client(broker)
    client.declare("q")
    for _ in range(rounds):
        sample(facts)
        broker.clock.advance(5.0)
        for _ in range(10):
            client.publish("q", b"1")
    sample(facts)
    return client


def details(view: dict[str, object], *path: str) -> dict[str, object]:
    value: object = view
    for step in path:
        assert isinstance(value, dict)
        value = value[step]
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/api/overview", ("message_stats", "publish_details")),
        ("/api/vhosts/%2F", ("message_stats", "publish_details")),
        ("/api/queues/%2F/q", ("message_stats", "publish_details")),
        ("/api/overview", ("queue_totals", "messages_details")),
        ("/api/vhosts/%2F", ("messages_details",)),
        ("/api/queues/%2F/q", ("messages_details",)),
    ],
)
async def test_past_comes_newest_first_with_its_averages(
    broker: Broker, facts: Facts, guest: Http, path: str, field: tuple[str, ...]
) -> None:
    publish_steadily(broker, facts, 12)
    spans = "lengths_age=20&lengths_incr=5&msg_rates_age=20&msg_rates_incr=5"
    found = details(await get(guest, f"{path}?{spans}"), *field)
    assert found["rate"] == 2.0
    assert found["avg_rate"] == 2.0
    samples = found["samples"]
    assert isinstance(samples, list)
    assert [each["sample"] for each in samples] == [120, 110, 100, 90, 80]
    assert found["avg"] == 100.0
    stamps = [each["timestamp"] for each in samples]
    assert stamps[0] % 5000 == 0
    assert [newer - older for newer, older in pairwise(stamps)] == [5000] * 4


async def test_without_a_pair_of_keys_there_is_only_the_rate(broker: Broker, facts: Facts, guest: Http) -> None:
    publish_steadily(broker, facts, 2)
    for query in ("", "?msg_rates_age=60", "?msg_rates_age=x&msg_rates_incr=5"):
        found = details(await get(guest, f"/api/queues/%2F/q{query}"), "message_stats", "publish_details")
        assert found == {"rate": 2.0}


@pytest.mark.parametrize("query", ["msg_rates_age=60000&msg_rates_incr=5", "lengths_age=60&lengths_incr=0"])
async def test_more_than_five_hundred_samples_are_refused(guest: Http, query: str) -> None:
    answer = await get(guest, f"/api/overview?{query}", 400)
    assert answer["error"] == "bad_request"
    assert str(answer["reason"]).startswith("Invalid range parameters: age 60")


async def test_octets_of_a_connection_and_deliveries_of_a_channel_have_rates(
    broker: Broker, facts: Facts, guest: Http
) -> None:
    client = Client(broker)
    client.declare("q")
    sample(facts)
    broker.clock.advance(5.0)
    client.tell(commands.Basic.Consume(queue="q", no_ack=True))
    for _ in range(10):
        client.publish("q", b"1")
    sample(facts)
    name = "10.0.0.7%3A50000%20-%3E%20127.0.0.1%3A5672"
    connection = await get(guest, f"/api/connections/{name}?data_rates_age=20&data_rates_incr=5")
    received = details(connection, "recv_oct_details")
    assert float(str(received["rate"])) > 20.0
    assert len(received["samples"]) == 2  # type: ignore[arg-type]
    channel = await get(guest, f"/api/channels/{name}%20%281%29")
    assert channel["message_stats"] == {"deliver_get": 10, "deliver_get_details": {"rate": 2.0}}


async def test_publishes_and_confirms_of_a_channel_are_told_in_confirm_mode(
    broker: Broker, facts: Facts, guest: Http
) -> None:
    client = Client(broker)
    client.declare("q", durable=True)
    client.tell(commands.Confirm.Select())
    client.publish("q", b"1", persistent=True)
    name = "10.0.0.7%3A50000%20-%3E%20127.0.0.1%3A5672%20%281%29"
    stats = details(await get(guest, f"/api/channels/{name}"), "message_stats")
    assert (stats["publish"], stats["confirm"]) == (1, 0)
    broker.sync()
    stats = details(await get(guest, f"/api/channels/{name}"), "message_stats")
    assert (stats["publish"], stats["confirm"]) == (1, 1)


async def test_an_idle_queue_has_a_flat_past(broker: Broker, facts: Facts, guest: Http) -> None:
    Client(broker).declare("idle")
    sample(facts)
    broker.clock.advance(10.0)
    sample(facts)
    view = await get(guest, "/api/queues/%2F/idle?msg_rates_age=60&msg_rates_incr=5")
    found = details(view, "message_stats", "publish_details")
    assert [each["sample"] for each in found["samples"]] == [0, 0, 0]  # type: ignore[union-attr, attr-defined]
    assert (found["avg"], found["avg_rate"]) == (0.0, 0.0)


async def test_churn_is_told_with_the_node(broker: Broker, facts: Facts, guest: Http) -> None:
    sample(facts)
    broker.clock.advance(5.0)
    Client(broker)
    sample(facts)
    view = await get(guest, "/api/overview?node_stats_age=20&node_stats_incr=5")
    found = details(view, "churn_rates", "connection_created_details")
    assert found["rate"] == 0.2
    assert [each["sample"] for each in found["samples"]] == [1, 0]  # type: ignore[union-attr, attr-defined]


async def test_why_is_told_of_a_single_queue_and_on_request_in_lists(broker: Broker, facts: Facts, guest: Http) -> None:
    client = publish_steadily(broker, facts, 2)
    client.tell(commands.Basic.Qos(prefetch_count=3))
    client.tell(commands.Basic.Consume(queue="q", consumer_tag="c"))
    view = await get(guest, "/api/queues/%2F/q")
    answer = details(view, "ponymq_why")
    assert answer["state"] == "growing"
    reasons = answer["reasons"]
    assert isinstance(reasons, list)
    assert reasons[0]["code"] == "consumers_at_prefetch"
    assert reasons[0]["connections"] == ["10.0.0.7:50000 -> 127.0.0.1:5672"]
    async with guest.get("/api/queues?columns=name,ponymq_why.state") as response:
        assert await response.json() == [{"name": "q", "ponymq_why": {"state": "growing"}}]
    async with guest.get("/api/queues") as response:
        assert "ponymq_why" not in (await response.json())[0]


async def test_blocked_publishers_are_named_as_the_reason(broker: Broker, facts: Facts, guest: Http) -> None:
    client = Client(broker, properties={"capabilities": {"connection.blocked": True}})
    client.declare("q")
    client.tell(commands.Confirm.Select())
    broker.turn.alarms.set_memory(True, 0.0)
    client.publish("q", b"1")
    answer = details(await get(guest, "/api/queues/%2F/q"), "ponymq_why")
    broker.turn.alarms.set_memory(False, 0.0)
    assert answer["state"] == "blocked"
    reasons = answer["reasons"]
    assert isinstance(reasons, list)
    assert reasons[0]["code"] == "publisher_blocked"
    assert "memory" in reasons[0]["text"]
    assert reasons[0]["connections"] == ["10.0.0.7:50000 -> 127.0.0.1:5672"]


async def test_an_exchange_tells_what_came_in_and_went_out(broker: Broker, facts: Facts, guest: Http) -> None:
    publish_steadily(broker, facts, 2)
    view = await get(guest, "/api/exchanges/%2F/amq.default?msg_rates_age=10&msg_rates_incr=5")
    stats = details(view, "message_stats")
    assert (stats["publish_in"], stats["publish_out"]) == (20, 20)
    found = details(stats, "publish_in_details")
    assert found["rate"] == 2.0
    assert [each["sample"] for each in found["samples"]] == [20, 10, 0]  # type: ignore[union-attr, attr-defined]
    async with guest.get("/api/exchanges/%2F?disable_stats=true") as response:
        assert "message_stats" not in (await response.json())[0]


async def test_timestamp_of_the_next_message_is_told(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("q")
    assert (await get(guest, "/api/queues/%2F/q"))["head_message_timestamp"] is None
    when = datetime.fromtimestamp(1_700_000_123, UTC)
    properties = commands.Basic.Properties(content_type="text/plain", timestamp=when)
    client.connection.feed(
        frame.marshal(commands.Basic.Publish(routing_key="q"), 1) + frame.marshal(ContentHeader(0, 0, properties), 1)
    )
    client.publish("q", b"without one")
    assert (await get(guest, "/api/queues/%2F/q"))["head_message_timestamp"] == 1_700_000_123
    client.tell(commands.Basic.Get(queue="q"))
    assert (await get(guest, "/api/queues/%2F/q"))["head_message_timestamp"] is None
