"""The metrics port over HTTP."""

import asyncio

import pytest

from tests.management.asking import Http
from tests.metrics.reading import Reading
from tests.metrics.scene import Broker, Client


async def scrape(door: Http, path: str) -> Reading:
    async with door.get(path) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return Reading([await response.read()])


async def test_metrics_tell_of_clients_without_a_login(broker: Broker, door: Http) -> None:
    client = Client(broker)
    client.declare("q")
    client.publish("q", b"1")
    reading = await scrape(door, "/metrics")
    assert reading.value("rabbitmq_connections") == 1
    assert reading.value("rabbitmq_channels") == 1
    assert reading.value("rabbitmq_global_publishers", protocol="amqp091") == 1
    assert reading.value("rabbitmq_queue_messages_ready") == 1


async def test_per_object_names_connection_and_channel(broker: Broker, door: Http) -> None:
    client = Client(broker)
    client.declare("q")
    reading = await scrape(door, "/metrics/per-object")
    name = "10.0.0.7:50000 -> 127.0.0.1:5672"
    assert reading.value("rabbitmq_connection_channels", connection=name) == 1
    assert reading.value("rabbitmq_channel_consumers", channel=f"{name} (1)") == 0
    received = reading.value("rabbitmq_connection_incoming_bytes_total", connection=name)
    assert received == client.connection.octets_received


async def test_detailed_takes_several_families_and_vhosts(broker: Broker, door: Http) -> None:
    broker.turn.vhosts["/"].declare_queue(b"q", False, False, False, {}, 0)
    broker.turn.vhosts["other"].declare_queue(b"r", False, False, False, {}, 0)
    reading = await scrape(
        door, "/metrics/detailed?vhost=/&vhost=other&family=queue_coarse_metrics&family=queue_consumer_count"
    )
    assert reading.value("rabbitmq_detailed_queue_messages", queue="q", vhost="/") == 0
    assert reading.value("rabbitmq_detailed_queue_consumers", queue="r", vhost="other") == 0


async def test_detailed_with_a_bad_expression_is_a_400(door: Http) -> None:
    async with door.get("/metrics/detailed", params={"family": "queue_metrics", "queue": "("}) as response:
        assert response.status == 400
        assert "regular expression" in await response.text()


@pytest.mark.parametrize("path", ["/metrics/nonsense", "/metrics/memory-breakdown", "/metrics/a/b"])
async def test_other_registries_are_unknown(door: Http, path: str) -> None:
    async with door.get(path) as response:
        assert response.status == 404
        assert await response.text() == "Unknown Registry"


async def test_two_scrapes_at_once_are_both_whole(broker: Broker, door: Http) -> None:
    for i in range(600):
        broker.turn.vhosts["/"].declare_queue(b"q%d" % i, False, False, False, {}, 0)
    first, second = await asyncio.gather(scrape(door, "/metrics/per-object"), scrape(door, "/metrics/per-object"))
    for reading in (first, second):
        assert len([name for name, _ in reading.samples if name == "rabbitmq_queue_consumers"]) == 600


async def test_root_is_a_page_with_links(door: Http) -> None:
    async with door.get("/") as response:
        assert "/metrics/per-object" in await response.text()
