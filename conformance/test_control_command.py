"""``ponymqctl`` and Debian's ``rabbitmqctl``: the same words print the same columns, parted by the same tabs.

The expectations are rabbitmqctl's; each command is asked of the broker that it belongs to.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.brokers import CHECKOUT, Broker, RabbitMQ

RABBITMQCTL = Path("/usr/lib/rabbitmq/bin/rabbitmqctl")
DIAGNOSTICS = Path("/usr/lib/rabbitmq/bin/rabbitmq-diagnostics")

Control = Callable[..., tuple[int, str]]

pytestmark = pytest.mark.timeout(600)  # rabbitmqctl starts a virtual machine for each word


@pytest.fixture
def control(broker: Broker) -> Control:
    """Says words to the broker under test; returns the exit code and standard output."""

    def say(*words: str, tool: Path = RABBITMQCTL) -> tuple[int, str]:
        if isinstance(broker, RabbitMQ):
            command = [str(tool), "-n", broker.node, "-q", *words]
            environment = broker.environment()
        else:
            start = "from broker.cli.control_command import main; main()"
            command = [sys.executable, "-c", start, "-q", *words]
            environment = os.environ | {"PONYMQCTL_URI": f"http://{broker.host}:{broker.http_port}"}
            environment["PYTHONPATH"] = os.pathsep.join([os.environ.get("PYTHONPATH", ""), str(CHECKOUT)])
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)
        return done.returncode, done.stdout

    return say


def test_queues_are_listed_with_the_columns_that_are_asked_for(
    control: Control, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, durable=True, arguments={"x-max-length": 5, "x-message-ttl": 60000})
    channel.basic_publish("", name, b"x")
    channel.queue_purge(name)
    code, out = control("list_queues", "name", "durable", "auto_delete", "arguments", "policy", "consumers", "messages")
    header, *rows = out.splitlines()
    assert (code, header) == (0, "name\tdurable\tauto_delete\targuments\tpolicy\tconsumers\tmessages")
    assert f'{name}\ttrue\tfalse\t[{{"x-max-length",5}},{{"x-message-ttl",60000}}]\t\t0\t0' in rows
    code, out = control("list_queues")
    assert (code, out.splitlines()[0]) == (0, "name\tmessages")
    assert f"{name}\t0" in out.splitlines()
    channel.queue_delete(name)


def test_exchanges_and_bindings_are_listed(control: Control, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name)
    channel.queue_bind(name, "amq.topic", "a.#", {"k": "v"})
    code, out = control("list_exchanges")
    assert (code, out.splitlines()[0]) == (0, "name\ttype")
    assert {"\tdirect", "amq.topic\ttopic", "amq.match\theaders"} <= set(out.splitlines())
    code, out = control("list_bindings")
    header = "source_name\tsource_kind\tdestination_name\tdestination_kind\trouting_key\targuments"
    assert (code, out.splitlines()[0]) == (0, header)
    assert f"\texchange\t{name}\tqueue\t{name}\t[]" in out.splitlines()
    assert f'amq.topic\texchange\t{name}\tqueue\ta.#\t[{{"k","v"}}]' in out.splitlines()
    channel.queue_delete(name)


def test_connections_and_channels_are_listed(control: Control, channel: BlockingChannel) -> None:
    code, out = control("list_connections")
    assert (code, out.splitlines()[0]) == (0, "user\tpeer_host\tpeer_port\tstate")
    assert [line for line in out.splitlines() if line.startswith("guest\t127.0.0.1\t") and line.endswith("\trunning")]
    code, out = control("list_channels", "user", "consumer_count", "messages_unacknowledged", "prefetch_count")
    header, *rows = out.splitlines()
    assert (code, header) == (0, "user\tconsumer_count\tmessages_unacknowledged\tprefetch_count")
    assert "guest\t0\t0\t0" in rows


def test_users_from_the_beginning_to_the_end(control: Control, name: str) -> None:
    assert control("add_user", name, "apple")[0] == 0
    assert control("add_user", name, "apple")[0] == 70
    assert control("set_user_tags", name, "monitoring", "management")[0] == 0
    code, out = control("list_users")
    assert (code, out.splitlines()[0]) == (0, "user\ttags")
    assert {f"{name}\t[monitoring, management]", "guest\t[administrator]"} <= set(out.splitlines())
    assert control("set_permissions", name, "^a", "", ".*")[0] == 0
    code, out = control("list_permissions")
    assert (code, out.splitlines()[0]) == (0, "user\tconfigure\twrite\tread")
    assert f"{name}\t^a\t\t.*" in out.splitlines()
    assert control("list_user_permissions", name) == (0, "vhost\tconfigure\twrite\tread\n/\t^a\t\t.*\n")
    assert control("delete_user", name)[0] == 0
    assert control("delete_user", name)[0] == 67
    assert control("set_permissions", name, "", "", "")[0] == 67


def test_vhosts_and_policies_are_listed(control: Control, name: str) -> None:
    assert control("add_vhost", name)[0] == 0
    assert control("add_vhost", name)[0] == 0
    code, out = control("list_vhosts")
    assert (code, out.splitlines()[0]) == (0, "name")
    assert {"/", name} <= set(out.splitlines())
    assert control("set_policy", "-p", name, "p", "^q", '{"max-length":7}', "--priority", "2")[0] == 0
    listed = f'vhost\tname\tpattern\tapply-to\tdefinition\tpriority\n{name}\tp\t^q\tall\t{{"max-length":7}}\t2\n'
    assert control("list_policies", "-p", name) == (0, listed)
    assert control("delete_vhost", name)[0] == 0
    assert control("delete_vhost", name)[0] == 65


def test_what_is_wrong_with_the_words_ends_with_64(control: Control) -> None:
    assert control("no_such_word")[0] == 64
    assert control("set_permissions", "guest", "a")[0] == 64
    assert control("list_queues", "--nonsense")[0] == 64


def test_health_checks_pass(broker: Broker, control: Control) -> None:
    assert control("ping") == (0, "Ping succeeded\n")
    assert control("await_startup")[0] == 0
    for words in (("check_running",), ("check_local_alarms",), ("check_port_connectivity",), ("check_virtual_hosts",)):
        assert control(*words, tool=DIAGNOSTICS)[0] == 0
    assert control("check_port_listener", str(broker.port), tool=DIAGNOSTICS)[0] == 0
    assert control("check_port_listener", "1", tool=DIAGNOSTICS)[0] == 69
    assert control("check_protocol_listener", "gopher", tool=DIAGNOSTICS)[0] == 69
