"""``ponymqctl`` against the API it was written for."""

import asyncio

from typer.testing import CliRunner

from broker.cli.control_command import app
from tests.management.asking import Http
from tests.metrics.scene import Broker, Client


async def ask(guest: Http, command: str) -> str:
    uri = str(guest.make_url("")).rstrip("/")
    result = await asyncio.to_thread(CliRunner().invoke, app, [command, "--uri", uri])
    assert result.exit_code == 0, result.output
    return result.stdout


async def test_status_prints_the_overview(broker: Broker, guest: Http) -> None:
    Client(broker).declare("q")
    printed = await ask(guest, "status")
    for line in ("product_name\tPonyMQ", "cluster_name\tstable", "queues\t1", "connections\t1", "messages\t0"):
        assert line in printed.splitlines()


async def test_list_queues_prints_every_column(broker: Broker, guest: Http) -> None:
    client = Client(broker)
    client.declare("jobs")
    client.publish("jobs", b"1")
    header, row = (await ask(guest, "list-queues")).splitlines()
    assert header.split("\t") == ["vhost", "name", "messages_ready", "messages_unacknowledged", "consumers"]
    assert row.split("\t") == ["/", "jobs", "1", "0", "0"]
