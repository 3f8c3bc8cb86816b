"""Flower's broker page: its own client, its limits of time, and the page itself, against the HTTP API.

RabbitMQ has this API in its management plugin, which these tests run it with.
"""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amqp
import pytest
from flower.utils.broker import RabbitMQ as FlowerBroker
from kombu import Connection
from tornado import httpclient

from conformance.brokers import Broker, free_ports
from conformance.celery.app import DEFAULT_QUEUES
from conformance.celery.processes import CeleryProcess, Worker, wait_until

COUNTS = ("messages", "messages_ready", "messages_unacknowledged", "consumers")
# RabbitMQ's statistics are five seconds behind.
NOTICE_SECONDS = 20.0
CONNECT_SECONDS = 1.0
REQUEST_SECONDS = 2.0


@pytest.fixture(scope="module")
def busy_queue(broker: Broker) -> Iterator[str]:
    """Five messages, two of them with a consumer that does not settle them."""
    name = "flower-busy"
    with amqp.Connection(host=f"{broker.host}:{broker.port}", login_method="PLAIN") as connection:
        channel = connection.channel()
        channel.queue_declare(name, auto_delete=False)
        for _ in range(5):
            channel.basic_publish(amqp.Message("text"), routing_key=name)
        channel.basic_qos(0, 2, False)
        tag = channel.basic_consume(name, callback=lambda message: None)
        yield name
        channel.basic_cancel(tag)
        channel.queue_delete(name)


@pytest.fixture
def api(broker: Broker) -> str:
    """What a user gives Flower as --broker-api."""
    return f"http://guest:guest@{broker.host}:{broker.http_port}/api/"


def get_queues(broker: Broker, vhost: str, login: str = "guest:guest") -> list[dict[str, Any]]:
    """Ask as Flower does: basic authentication, a second for the connection, two for the answer."""
    username, _, password = login.partition(":")
    client = httpclient.HTTPClient()
    try:
        response = client.fetch(
            f"http://{broker.host}:{broker.http_port}/api/queues/{vhost}",
            auth_username=username,
            auth_password=password,
            connect_timeout=CONNECT_SECONDS,
            request_timeout=REQUEST_SECONDS,
            validate_cert=False,
        )
    finally:
        client.close()
    queues: list[dict[str, Any]] = json.loads(response.body)
    return queues


def counts(queues: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The four counts of the page, of one queue."""
    return {field: queue.get(field) for queue in queues if queue["name"] == name for field in COUNTS}


# Flower takes the vhost from kombu's address, where the default vhost is a second slash. Joined to the address of the
# API it vanishes, so Flower 2.2 asks for `queues/` and gets the queues of all vhosts; other vhosts are named.
@pytest.mark.parametrize("vhost", ["%2F", ""])
def test_queues_have_the_fields_of_the_page(broker: Broker, busy_queue: str, vhost: str) -> None:
    expected = dict(zip(COUNTS, (5, 3, 2, 1), strict=True))

    wait_until(
        lambda: counts(get_queues(broker, vhost), busy_queue) == expected, NOTICE_SECONDS, f"{busy_queue}: {expected}"
    )


def test_flowers_own_client_finds_a_queue_by_its_name(broker: Broker, busy_queue: str, api: str) -> None:
    flower = FlowerBroker(Connection(broker.url).as_uri(include_password=True), api)

    async def ask() -> list[dict[str, Any]]:
        queues: list[dict[str, Any]] = await flower.queues([busy_queue, "no such queue"])
        return queues

    wait_until(
        lambda: counts(asyncio.run(ask()), busy_queue).get("messages") == 5,
        NOTICE_SECONDS,
        "five messages in the queue",
    )


def test_an_idle_queue_says_since_when(broker: Broker, name: str) -> None:
    with amqp.Connection(host=f"{broker.host}:{broker.port}", login_method="PLAIN") as connection:
        channel = connection.channel()
        channel.queue_declare(name, auto_delete=False)
        try:
            wait_until(
                lambda: any(one["name"] == name and one.get("idle_since") for one in get_queues(broker, "%2F")),
                NOTICE_SECONDS,
                "idle_since",
            )
        finally:
            channel.queue_delete(name)


def test_a_wrong_password_is_refused(broker: Broker) -> None:
    with pytest.raises(httpclient.HTTPError) as refused:
        get_queues(broker, "%2F", login="guest:wrong")

    assert refused.value.code == 401


def test_the_page_lists_the_queues_of_the_workers(
    prefork_worker: Worker, broker: Broker, api: str, tmp_path: Path
) -> None:
    (port,) = free_ports(1)
    command = ("flower", f"--address={broker.host}", f"--port={port}", f"--broker_api={api}")
    with CeleryProcess(*command, broker_url=broker.url, directory=tmp_path) as flower:

        def page_lists_the_queues() -> bool:
            assert flower.running, flower.log
            try:
                with urllib.request.urlopen(f"http://{broker.host}:{port}/broker", timeout=5) as answer:
                    page = answer.read().decode()
            except OSError:
                return False
            return all(f'<tr id="{queue}">' in page for queue in DEFAULT_QUEUES)

        wait_until(page_lists_the_queues, NOTICE_SECONDS, "both queues on the page")
        assert "management API call failed" not in flower.log
