"""Other people's clients of RabbitMQ's HTTP API: rabbitmqadmin, the script of Debian's package, and pyrabbit2."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pika
import pytest
from pika.exceptions import ConnectionClosedByBroker
from pyrabbit2.api import Client

from conformance.brokers import Broker
from conformance.http_api import ask, eventually, permit, put_user

RABBITMQADMIN = shutil.which("rabbitmqadmin")


class Admin:
    """rabbitmqadmin, logged in as guest."""

    def __init__(self, broker: Broker) -> None:
        assert RABBITMQADMIN is not None
        # The script's first line names Debian's Python; any will do.
        self._command = [sys.executable, RABBITMQADMIN, "-H", broker.host, "-P", str(broker.http_port)]

    def say(self, *words: str) -> str:
        """What it prints, which must not be a complaint."""
        ran = subprocess.run([*self._command, *words], capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode == 0, ran.stderr or ran.stdout
        return ran.stdout.strip()

    def rows(self, *words: str) -> Any:
        return json.loads(self.say("-f", "raw_json", *words))

    def complaint(self, *words: str) -> str:
        ran = subprocess.run([*self._command, *words], capture_output=True, text=True, check=False, timeout=60)
        assert ran.returncode != 0
        return ran.stderr + ran.stdout


@pytest.fixture
def admin(broker: Broker) -> Admin:
    if RABBITMQADMIN is None:
        pytest.skip("rabbitmqadmin, of the package rabbitmq-server, is not installed")
    return Admin(broker)


@pytest.fixture
def client(broker: Broker) -> Client:
    return Client(f"{broker.host}:{broker.http_port}", "guest", "guest", timeout=10)


def test_rabbitmqadmin_declares_publishes_gets_and_deletes(admin: Admin, name: str) -> None:
    assert admin.say("declare", "queue", f"name={name}", "durable=true", 'arguments={"x-max-length":5}') == (
        "queue declared"
    )
    assert admin.say("declare", "exchange", f"name={name}x", "type=topic") == "exchange declared"
    bound = admin.say("declare", "binding", f"source={name}x", f"destination={name}", "routing_key=a.*")
    assert bound == "binding declared"
    said = admin.say("publish", f"exchange={name}x", "routing_key=a.b", "payload=hello", 'properties={"priority":2}')
    assert said == "Message published"
    assert admin.say("publish", f"exchange={name}x", "routing_key=c", "payload=x") == (
        "Message published but NOT routed"
    )
    (row,) = admin.rows("get", f"queue={name}", "ackmode=ack_requeue_true", "count=3")
    assert (row["payload"], row["properties"]) == ("hello", {"priority": 2})
    assert "hello" in admin.say("get", f"queue={name}", "ackmode=ack_requeue_false")
    admin.say("publish", "routing_key=" + name, "payload=x", "exchange=amq.default")
    assert admin.say("purge", "queue", f"name={name}") == "queue purged"
    assert name in admin.say("list", "queues", "vhost", "name", "arguments")
    rows = admin.rows("list", "bindings", "source", "destination", "routing_key", "properties_key")
    assert {"source": f"{name}x", "destination": name, "routing_key": "a.*", "properties_key": "a.%2A"} in rows
    deleted = admin.say(
        *("delete", "binding", f"source={name}x", "destination_type=queue", f"destination={name}"),
        "properties_key=a.%2A",
    )
    assert deleted == "binding deleted"
    assert admin.say("delete", "exchange", f"name={name}x") == "exchange deleted"
    assert admin.say("delete", "queue", f"name={name}") == "queue deleted"


def test_rabbitmqadmin_makes_a_vhost_and_who_may_enter_it(admin: Admin, broker: Broker, name: str) -> None:
    assert admin.say("declare", "vhost", f"name={name}") == "vhost declared"
    assert admin.say("declare", "user", f"name={name}", "password=apple", "tags=management") == "user declared"
    rights = ["configure=.*", "write=.*", "read=.*"]
    assert admin.say("declare", "permission", f"vhost={name}", f"user={name}", *rights) == "permission declared"
    entry = ["-V", name, "-u", name, "-p", "apple"]
    assert admin.say(*entry, "declare", "queue", "name=q", "durable=false") == "queue declared"
    assert [row["name"] for row in admin.rows(*entry, "list", "queues", "name")] == ["q"]
    assert ask(broker, "GET", f"/queues/{name}/q")[1]["durable"] is False
    policy = ["name=p", "pattern=q", 'definition={"max-length":1}', "apply-to=queues"]
    assert admin.say("-V", name, "declare", "policy", *policy) == "policy declared"
    assert admin.say("-V", name, "delete", "policy", "name=p") == "policy deleted"
    assert admin.say("delete", "vhost", f"name={name}") == "vhost deleted"
    assert admin.say("delete", "user", f"name={name}") == "user deleted"


def test_rabbitmqadmin_tells_why_not(admin: Admin, name: str) -> None:
    admin.say("declare", "queue", f"name={name}", "durable=false")
    said = admin.complaint("declare", "queue", f"name={name}", "durable=true")
    assert f"inequivalent arg 'durable' for queue '{name}' in vhost '/'" in said
    assert "Not found" in admin.complaint("delete", "queue", "name=absent")
    admin.say("delete", "queue", f"name={name}")


def test_rabbitmqadmin_closes_a_connection(admin: Admin, broker: Broker, name: str) -> None:
    put_user(broker, name, "apple")
    permit(broker, name)
    credentials = pika.PlainCredentials(name, "apple")
    connection = pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port, "/", credentials))
    names: list[str] = []

    def is_listed() -> bool:
        names[:] = [row["name"] for row in ask(broker, "GET", "/connections")[1] if row["user"] == name]
        return bool(names)

    eventually(is_listed)
    assert admin.say("close", "connection", f"name={names[0]}") == "connection closed"
    with pytest.raises(ConnectionClosedByBroker):
        connection.process_data_events(10)
    ask(broker, "DELETE", f"/users/{name}")


@pytest.fixture
def queue(client: Client, name: str) -> Iterator[str]:
    client.create_queue("/", name, durable=True)
    yield name
    client.delete_queue("/", name)


def test_pyrabbit_publishes_and_gets(client: Client, queue: str) -> None:
    assert client.is_alive()
    client.create_exchange("/", f"{queue}x", "direct")
    client.create_binding("/", f"{queue}x", queue, "key")
    assert client.publish("/", f"{queue}x", "key", "hello")
    (message,) = client.get_messages("/", queue, count=5)
    assert message["payload"] == "hello"
    client.purge_queue("/", queue)
    assert client.get_messages("/", queue) == []
    client.delete_exchange("/", f"{queue}x")


def test_pyrabbit_finds_and_removes_a_binding(client: Client, queue: str) -> None:
    client.create_binding("/", "amq.direct", queue, "a.b")
    sources = {row["source"] for row in client.get_queue_bindings("/", queue)}
    assert sources == {"", "amq.direct"}
    assert queue in {row["destination"] for row in client.get_bindings()}
    client.delete_binding("/", "amq.direct", queue, "a.b")
    assert {row["source"] for row in client.get_queue_bindings("/", queue)} == {""}
