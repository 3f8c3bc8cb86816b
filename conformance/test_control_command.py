"""``ponymqctl`` and Debian's ``rabbitmqctl``: the same words print the same columns, parted by the same tabs.

The expectations are rabbitmqctl's; each command is asked of the broker that it belongs to.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pika
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


def test_consumers_are_listed(control: Control, channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name)
    channel.basic_qos(prefetch_count=3)
    channel.basic_consume(name, lambda *_: None, consumer_tag="tag", arguments={"x-priority": 2})
    code, out = control("list_consumers")
    header, *rows = out.splitlines()
    columns = ("queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments")
    assert (code, header) == (0, "\t".join(columns))
    [row] = [row.split("\t") for row in rows if row.startswith(f"{name}\t")]
    assert row[2:] == ["tag", "true", "3", "true", '[{"x-priority",2}]']
    channel.queue_delete(name)


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


def test_without_a_password_a_user_cannot_log_in(control: Control, name: str) -> None:
    control("add_user", name, "apple")
    control("set_user_tags", name, "management")
    assert control("authenticate_user", name, "apple") == (0, "Success\n")
    assert control("clear_password", name)[0] == 0
    assert control("authenticate_user", name, "apple")[0] == 65
    assert control("authenticate_user", name, "")[0] == 65
    assert f"{name}\t[management]" in control("list_users")[1].splitlines()
    assert control("change_password", name, "pear")[0] == 0
    assert control("authenticate_user", name, "pear") == (0, "Success\n")
    control("delete_user", name)


def test_what_a_user_was_given_is_taken_back_as_often_as_one_likes(control: Control, name: str) -> None:
    control("add_user", name, "apple")
    control("set_permissions", name, "a", "b", "c")
    for _ in range(2):
        assert control("clear_permissions", name)[0] == 0
        assert control("list_user_permissions", name)[1].strip() == ""
    for exchange in ("amq.topic", "other", "third"):
        assert control("set_topic_permissions", name, exchange, "^w", "^r")[0] == 0
    assert control("clear_topic_permissions", name, "third")[0] == 0
    assert f"{name}\tother\t^w\t^r" in control("list_topic_permissions")[1].splitlines()
    listed = control("list_user_topic_permissions", name)[1].splitlines()
    # rabbitmqctl leaves the header out when it is quiet, of this list alone.
    assert {row for row in listed if row.startswith("/")} == {"/\tamq.topic\t^w\t^r", "/\tother\t^w\t^r"}
    for _ in range(2):
        assert control("clear_topic_permissions", name)[0] == 0
        assert "/\t" not in control("list_user_topic_permissions", name)[1]
    control("delete_user", name)
    assert control("clear_permissions", name)[0] == 67
    assert control("clear_topic_permissions", name)[0] == 67


def test_limits_of_a_vhost_are_set_as_a_whole(control: Control, name: str) -> None:
    control("add_vhost", name)
    for limits in ('{"max-queues":100}', '{"max-connections":200}'):
        assert control("set_vhost_limits", "-p", name, limits)[0] == 0
    header, *rows = control("list_vhost_limits", "--global")[1].splitlines()
    assert header == "vhost\tlimits"
    assert f'{name}\t{{"max-connections":200}}' in rows
    assert control("clear_vhost_limits", "-p", name)[0] == 0
    assert name not in control("list_vhost_limits", "--global")[1]
    control("delete_vhost", name)


def test_limits_of_a_user_are_set_one_by_one(control: Control, name: str) -> None:
    control("add_user", name, "apple")
    for limits in ('{"max-channels":100}', '{"max-connections":200}'):
        assert control("set_user_limits", name, limits)[0] == 0
    header, *rows = control("list_user_limits", "--global")[1].splitlines()
    assert header == "user\tlimits"
    assert f'{name}\t{{"max-channels":100,"max-connections":200}}' in rows
    assert control("clear_user_limits", name, "max-channels")[0] == 0
    assert f'{name}\t{{"max-connections":200}}' in control("list_user_limits", "--global")[1].splitlines()
    assert control("clear_user_limits", name, "all")[0] == 0
    assert f'{name}\t{{"' not in control("list_user_limits", "--global")[1]
    control("delete_user", name)


def test_parameters_are_set_listed_and_cleared(control: Control, name: str) -> None:
    control("add_vhost", name)
    assert control("set_parameter", "-p", name, "vhost-limits", "limits", '{"max-queues":100}')[0] == 0
    listed = 'component\tname\tvalue\nvhost-limits\tlimits\t{"max-queues":100}\n'
    assert control("list_parameters", "-p", name) == (0, listed)
    assert control("clear_parameter", "-p", name, "vhost-limits", "limits")[0] == 0
    assert control("list_parameters", "-p", name)[1].strip() == ""
    control("delete_vhost", name)
    assert control("set_global_parameter", name, '{"r":1}')[0] == 0
    header, *rows = control("list_global_parameters")[1].splitlines()
    assert (header, f'{name}\t{{"r":1}}' in rows) == ("name\tvalue", True)
    assert control("clear_global_parameter", name)[0] == 0
    assert name not in control("list_global_parameters")[1]


def test_feature_flags_are_listed_and_enabled(control: Control) -> None:
    code, out = control("list_feature_flags")
    assert (code, out.splitlines()[0]) == (0, "name\tstate")
    assert "quorum_queue\tenabled" in out.splitlines()
    assert control("enable_feature_flag", "all")[0] == 0
    assert control("enable_feature_flag", "no_such_flag")[0] != 0


def test_the_cluster_has_the_name_that_it_was_given(broker: Broker, control: Control) -> None:
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        before = connection._impl.server_properties["cluster_name"]
    assert control("set_cluster_name", "stable")[0] == 0
    with pika.BlockingConnection(pika.URLParameters(broker.url)) as connection:
        assert connection._impl.server_properties["cluster_name"] == "stable"
    assert control("set_cluster_name", before)[0] == 0


def test_connections_of_a_user_are_closed_with_a_reason(broker: Broker, control: Control, name: str) -> None:
    control("add_user", name, "apple")
    control("set_permissions", name, "", "", "")
    parameters = pika.URLParameters(broker.url)
    parameters.credentials = pika.PlainCredentials(name, "apple")
    connection = pika.BlockingConnection(parameters)
    assert control("close_all_user_connections", name, "go home")[0] == 0
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="CONNECTION_FORCED - go home"):
        connection.process_data_events(time_limit=10)
    control("delete_user", name)


def test_vhosts_and_policies_are_listed(control: Control, name: str) -> None:
    assert control("add_vhost", name)[0] == 0
    assert control("add_vhost", name)[0] == 0
    code, out = control("list_vhosts")
    assert (code, out.splitlines()[0]) == (0, "name")
    assert {"/", name} <= set(out.splitlines())
    assert control("set_policy", "-p", name, "p", "^q", '{"max-length":7}', "--priority", "2")[0] == 0
    listed = f'vhost\tname\tpattern\tapply-to\tdefinition\tpriority\n{name}\tp\t^q\tall\t{{"max-length":7}}\t2\n'
    assert control("list_policies", "-p", name) == (0, listed)
    assert control("clear_policy", "-p", name, "p")[0] == 0
    assert control("list_policies", "-p", name)[1].strip() == ""
    assert control("set_operator_policy", "-p", name, "o", "^q", '{"max-length":7}')[0] == 0
    listed = f'vhost\tname\tpattern\tapply-to\tdefinition\tpriority\n{name}\to\t^q\tall\t{{"max-length":7}}\t0\n'
    assert control("list_operator_policies", "-p", name) == (0, listed)
    assert control("clear_operator_policy", "-p", name, "o")[0] == 0
    assert control("list_operator_policies", "-p", name)[1].strip() == ""
    assert control("delete_vhost", name)[0] == 0
    assert control("delete_vhost", name)[0] == 65


def test_what_is_wrong_with_the_words_ends_with_64(control: Control) -> None:
    assert control("no_such_word")[0] == 64
    assert control("set_permissions", "guest", "a")[0] == 64
    assert control("list_queues", "--nonsense")[0] == 64


def test_health_checks_pass(broker: Broker, control: Control) -> None:
    assert control("ping") == (0, "Ping succeeded\n")
    assert control("await_startup")[0] == 0
    assert control("server_version", tool=DIAGNOSTICS)[1].count(".") == 2
    for words in (("check_running",), ("check_local_alarms",), ("check_port_connectivity",), ("check_virtual_hosts",)):
        assert control(*words, tool=DIAGNOSTICS)[0] == 0
    assert control("check_port_listener", str(broker.port), tool=DIAGNOSTICS)[0] == 0
    assert control("check_port_listener", "1", tool=DIAGNOSTICS)[0] == 69
    assert control("check_protocol_listener", "gopher", tool=DIAGNOSTICS)[0] == 69
