"""The words of ``ponymqctl`` against a running broker that has no HTTP port: over its local socket."""

import base64
import contextlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import pytest
from typer.testing import CliRunner

from broker import __version__
from broker.auth.passwords import imported
from broker.cli.control_command import app
from broker.cli.listings import LISTINGS, Listing
from tests.crash.daemon import Daemon

Done = Callable[..., str]


def ask(daemon: Daemon, *words: str, typed: str = "") -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    environment = {"PONYMQCTL_SOCKET": str(daemon.data_dir / "ponymqctl.sock")}
    result = CliRunner().invoke(app, list(words), env=environment, input=typed)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    running = Daemon(tmp_path_factory.mktemp("words"))
    running.start()
    try:
        yield running
    finally:
        running.kill()


@pytest.fixture
def done(daemon: Daemon) -> Done:
    """Say some words that must succeed; returns what is printed."""

    def say(*words: str, typed: str = "") -> str:
        code, out, err = ask(daemon, *words, typed=typed)
        assert (code, err) == (0, ""), (words, out, err)
        return out

    return say


@pytest.fixture
def connection(daemon: Daemon) -> Iterator[pika.BlockingConnection]:
    opened = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", daemon.port))
    yield opened
    with contextlib.suppress(pika.exceptions.AMQPError):
        opened.close()


def test_the_local_socket_is_its_owners_alone(daemon: Daemon) -> None:
    about = (daemon.data_dir / "ponymqctl.sock").stat()
    assert stat.S_ISSOCK(about.st_mode)
    assert stat.S_IMODE(about.st_mode) == 0o600


def test_who_asks_over_the_local_socket_is_told_by_process_and_user(daemon: Daemon, done: Done) -> None:
    assert done("whoami") == f"local(uid={os.getuid()},pid={os.getpid()})\t[administrator]\n"
    done("add-vhost", "seen")
    assert f'by="local(uid={os.getuid()},pid={os.getpid()})" vhost=seen' in daemon.text


@pytest.mark.parametrize("word", ["list_queues", "list-queues"])
def test_both_spellings_of_a_word_are_understood(done: Done, word: str) -> None:
    done("create_queue", "spelt")
    assert done("-q", word, "name").splitlines()[0] == "name"
    done("delete-queue", "spelt", "-q")


@pytest.mark.parametrize("listing", LISTINGS, ids=lambda each: each.word)
def test_every_list_can_be_asked_for(daemon: Daemon, listing: Listing) -> None:
    names = ("guest",) if "{user_name}" in listing.path else ()
    code, out, err = ask(daemon, f"list-{listing.word}", *names, "--format", "json")
    assert (code, err) == (0, "")
    assert isinstance(json.loads(out), list)


def test_a_queue_from_the_beginning_to_the_end(done: Done) -> None:
    assert done("create-queue", "jobs", "--arguments", '{"x-max-length":5}') == ""
    done("publish", "jobs", "one")
    done("publish", "jobs", typed="two")
    assert done("list-queues", "name", "messages", "durable", "arguments", "policy") == (
        'name\tmessages\tdurable\targuments\tpolicy\njobs\t2\ttrue\t[{"x-max-length",5}]\t\n'
    )
    assert [row["payload"] for row in json.loads(done("get", "jobs", "--count", "9", "--format", "json"))] == [
        "one",
        "two",
    ]
    assert done("get", "jobs", "--remove", "--no-table-headers").split("\t")[1] == "jobs"
    assert done("purge-queue", "jobs", "--dry-run") == "would purge 1 messages\n"
    assert done("purge_queue", "jobs") == "Purged about 1 messages\n"
    assert done("delete_queue", "jobs", "--dry-run") == "would delete queue jobs with 0 ready messages\n"
    assert done("delete_queue", "jobs") == "Queue was successfully deleted with 0 ready messages\n"
    assert done("list-queues") == ""


def test_a_queue_that_is_not_empty_or_in_use_is_kept_if_that_was_asked(
    daemon: Daemon, done: Done, connection: pika.BlockingConnection
) -> None:
    done("create-queue", "kept")
    done("publish", "kept", "x")
    code, _, err = ask(daemon, "delete-queue", "kept", "--if-empty")
    assert (code, "not empty" in err) == (65, True)
    channel = connection.channel()
    channel.basic_consume("kept", lambda *_: None)
    code, _, err = ask(daemon, "delete-queue", "kept", "--if-unused")
    assert (code, "in use" in err) == (65, True)
    done("delete-queue", "kept", "-q")


def test_exchanges_and_bindings(done: Done) -> None:
    done("create-exchange", "shop", "topic")
    done("create-queue", "orders")
    done("create-binding", "shop", "orders", "order.#", "--arguments", '{"a":"b"}')
    done("publish", "order.new", "x", "--exchange", "shop")
    assert 'shop\texchange\torders\tqueue\torder.#\t[{"a","b"}]' in done("list-bindings").splitlines()
    assert done("delete-exchange", "shop", "--dry-run") == "would delete exchange shop\n"
    done("delete-exchange", "shop")
    done("delete-queue", "orders", "-q")


def test_what_no_queue_takes_ends_with_65(daemon: Daemon) -> None:
    code, out, err = ask(daemon, "publish", "nowhere", "x")
    assert (code, out) == (65, "")
    assert "no queue took it" in err


def test_connections_are_listed_and_closed_with_a_reason(
    daemon: Daemon, done: Done, connection: pika.BlockingConnection
) -> None:
    rows = json.loads(done("list-connections", "pid", "user", "state", "--format", "json"))
    assert [(row["user"], row["state"]) for row in rows] == [("guest", "running")]
    assert done("close-all-connections", "bye", "--dry-run") == "would close 1 connections\n"
    done("close-connection", rows[0]["pid"], "go home")
    with pytest.raises(pika.exceptions.ConnectionClosedByBroker, match="go home"):
        connection.process_data_events(time_limit=10)
    assert done("close-all-connections", "bye") == "Closed 0 connections\n"
    assert ask(daemon, "close-connection", "nobody", "x")[0] == 65


def test_all_connections_of_a_user_or_a_vhost_are_closed(done: Done, connection: pika.BlockingConnection) -> None:
    assert done("close-all-user-connections", "stranger", "x") == "Closed 0 connections\n"
    assert done("close-all-connections", "x", "-p", "elsewhere") == "Closed 0 connections\n"
    assert done("close-all-user-connections", "guest", "x") == "Closed 1 connections\n"


def test_channels_and_consumers_are_listed(done: Done, connection: pika.BlockingConnection) -> None:
    channel = connection.channel()
    channel.queue_declare("consumed")
    channel.basic_qos(prefetch_count=3)
    channel.basic_consume("consumed", lambda *_: None, consumer_tag="tag", arguments={"x-priority": 2})
    header, row = done("list-channels").splitlines()
    assert header == "pid\tuser\tconsumer_count\tmessages_unacknowledged"
    pid, *rest = row.split("\t")
    assert rest == ["guest", "1", "0"]
    assert done("list-consumers") == (
        "queue_name\tchannel_pid\tconsumer_tag\tack_required\tprefetch_count\tactive\targuments\n"
        f'consumed\t{pid}\ttag\ttrue\t3\ttrue\t[{{"x-priority",2}}]\n'
    )
    done("delete-queue", "consumed", "-q")
    assert done("list-consumers") == ""


def test_parameters_of_a_vhost(daemon: Daemon, done: Done) -> None:
    done("add-vhost", "sunny")
    done("set-parameter", "weather", "sky", '{"blue":[1,true]}')
    done("set_parameter", "weather", "sky", '"grey"', "-p", "sunny")
    assert done("list-parameters") == 'component\tname\tvalue\nweather\tsky\t{"blue":[1,true]}\n'
    assert done("list-parameters", "-p", "sunny", "value") == 'value\n"grey"\n'
    done("clear-parameter", "weather", "sky")
    assert done("list-parameters") == ""
    assert done("list-parameters", "-p", "sunny", "name") == "name\nsky\n"
    assert ask(daemon, "clear_parameter", "weather", "sky")[0] == 65
    done("delete-vhost", "sunny")


def test_parameters_of_no_vhost(daemon: Daemon, done: Done) -> None:
    done("set-global-parameter", "colour", '{"r":1}')
    assert 'colour\t{"r":1}' in done("list-global-parameters").splitlines()
    done("clear-global-parameter", "colour")
    assert "colour" not in done("list-global-parameters")
    assert ask(daemon, "clear-global-parameter", "colour")[0] == 65


def test_the_clusters_name_is_told_to_clients(daemon: Daemon, done: Done) -> None:
    done("set-cluster-name", "stable")
    with contextlib.closing(pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", daemon.port))) as opened:
        assert opened._impl.server_properties["cluster_name"] == "stable"
    assert "cluster_name\tstable" in done("status").splitlines()


def test_feature_flags_are_enabled_already(daemon: Daemon, done: Done) -> None:
    header, *rows = done("list-feature-flags").splitlines()
    assert (header, "quorum_queue\tenabled" in rows) == ("name\tstate", True)
    assert [row for row in rows if not row.endswith("\tenabled")] == []
    done("enable-feature-flag", "quorum_queue")
    done("enable_feature_flag", "all")
    assert ask(daemon, "enable-feature-flag", "no_such_flag")[0] == 65


def test_definitions_go_out_and_come_back(done: Done, tmp_path: Path) -> None:
    done("create-queue", "defined")
    file = str(tmp_path / "all.json")
    done("export_definitions", file)
    done("delete-queue", "defined", "-q")
    done("import_definitions", file)
    assert "defined" in done("list-queues", "name").splitlines()
    done("delete-queue", "defined", "-q")


def test_diagnostics_pass_on_a_healthy_broker(daemon: Daemon, done: Done) -> None:
    assert done("ping") == "Ping succeeded\n"
    assert done("-q", "ping") == "Ping succeeded\n"
    assert done("await_startup") == ""
    assert done("check_running") == "running\n"
    assert done("-q", "check_local_alarms") == ""
    assert done("check-alarms") == "no alarms\n"
    assert done("alarms") == ""
    assert done("check_virtual_hosts") == "all vhosts are running\n"
    assert done("check_port_connectivity") == f"connected to {daemon.port}\n"
    assert done("check_port_listener", str(daemon.port)) == f"there is a listener on port {daemon.port}\n"
    assert done("check_protocol_listener", "amqp") == "there is a listener for amqp\n"
    listeners = f"protocol\tip_address\tport\ttls\namqp\t127.0.0.1\t{daemon.port}\tfalse\n"
    assert (done("listeners"), done("list-listeners")) == (listeners, listeners)
    assert done("server-version") == f"{__version__}\n"
    assert done("check-certificate-expiration") == "no certificate ends so soon\n"


def test_diagnostics_tell_of_an_alarm(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, "limits.memory_high_watermark=0")
    daemon.start()
    try:
        assert ask(daemon, "alarms") == (0, "memory\n", "")
        assert "alarms\tmemory" in ask(daemon, "status")[1].splitlines()
        for word in ("check_alarms", "check_local_alarms"):
            assert ask(daemon, word) == (69, "", "ponymqctl: alarms: memory; publishers are refused\n")
        assert ask(daemon, "check_running")[0] == 0
    finally:
        daemon.kill()


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["no_such_word"], 64),
        (["list_queues", "--no-such-option"], 64),
        (["set_permissions", "guest", "a", "b"], 64),
        (["list_exchanges", "no_such_column"], 64),
        (["set_policy", "p", "q", "no json"], 64),
        (["purge_queue", "absent"], 65),
        (["delete_queue", "absent"], 65),
        (["list_queues", "-p", "absent"], 65),
        (["delete_user", "absent"], 67),
        (["clear_password", "absent"], 67),
        (["set_user_tags", "absent", "management"], 67),
        (["clear_permissions", "absent"], 67),
        (["clear_permissions", "guest", "-p", "absent"], 65),
        (["set_topic_permissions", "absent", "amq.topic", "", ""], 67),
        (["clear_topic_permissions", "absent"], 67),
        (["update_vhost_metadata", "absent"], 65),
        (["enable_vhost_deletion_protection", "absent"], 65),
        (["disable_vhost_deletion_protection", "absent"], 65),
        (["set_parameter", "c", "n", "no json"], 64),
        (["set_vhost_limits", '{"max-channels":1}'], 65),
        (["set_user_limits", "guest", '{"max-queues":1}'], 65),
        (["clear_user_limits", "guest", "max-queues"], 64),
        (["clear_vhost_limits", "-p", "absent"], 65),
        (["set_cluster_name", ""], 65),
        (["hash_password", "x", "--algorithm", "md5"], 64),
        (["check_port_listener", "1"], 69),
        (["check_protocol_listener", "gopher"], 69),
        (["ping", "--uri", "http://127.0.0.1:1"], 69),
        (["await_startup", "--uri", "http://127.0.0.1:1", "-t", "0.3"], 75),
        (["environment", "--config", "/no/such/file"], 78),
    ],
)
def test_what_goes_wrong_has_an_exit_code(daemon: Daemon, words: list[str], code: int) -> None:
    found, out, err = ask(daemon, *words)
    assert (found, out) == (code, "")
    assert err


def test_a_column_that_few_rows_have_is_no_mistake(done: Done) -> None:
    done("create-queue", "plain")
    assert done("list-queues", "name", "owner_pid") == "name\towner_pid\nplain\t\n"
    done("delete-queue", "plain", "-q")


def test_a_list_on_a_terminal_is_a_table_and_csv_is_quoted(done: Done) -> None:
    assert "│ guest" in done("list-users", "user", "--format", "table")
    assert done("list-users", "--format", "csv") == '"user","tags"\n"guest","[administrator]"\n'
    assert done("-s", "list-users") == "guest\t[administrator]\n"
    assert done("list-users", "--no-table-headers") == "guest\t[administrator]\n"


def test_the_environment_hides_passwords(daemon: Daemon) -> None:
    result = CliRunner().invoke(app, ["environment"], env={"PONYMQ_DEFAULT_PASS": "s3cret"})
    assert "default_pass\t(hidden)" in result.stdout.splitlines()
    assert "s3cret" not in result.output


def test_hash_password_makes_what_rabbitmq_reads(done: Done) -> None:
    hashed = done("hash-password", "test12").strip()
    argon2 = done("hash-password", "x", "--algorithm", "argon2id")
    assert base64.b64decode(argon2).startswith(b"$argon2id$")
    assert imported(hashed, "rabbit_password_hashing_sha256").matches(b"test12")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shells_completion_asks_the_broker(daemon: Daemon, done: Done, shell: str) -> None:
    done("create-queue", "complete-me")
    line = "ponymqctl purge-queue comp"
    environment = os.environ | {
        "PONYMQCTL_SOCKET": str(daemon.data_dir / "ponymqctl.sock"),
        "_PONYMQCTL_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": "2",
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    start = "from broker.cli.control_command import main; main()"
    command = [sys.executable, "-c", start]
    completed = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "complete-me" in completed.stdout, completed.stderr
    done("delete-queue", "complete-me", "-q")


def test_a_killed_brokers_socket_is_replaced_and_a_stopped_ones_removed(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path)
    daemon.start()
    daemon.kill()
    assert (daemon.data_dir / "ponymqctl.sock").is_socket()
    assert ask(daemon, "ping")[0] == 69
    daemon.start()
    assert ask(daemon, "ping")[0] == 0
    assert daemon.stop() == 0
    assert not (daemon.data_dir / "ponymqctl.sock").exists()


def test_no_socket_is_opened_when_it_is_switched_off(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, "management.socket=")
    daemon.start()
    assert not (daemon.data_dir / "ponymqctl.sock").exists()
    daemon.kill()


def test_a_socket_that_cannot_be_made_is_told_and_the_broker_starts(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, f"management.socket={'x' * 120}")
    daemon.start()
    assert "no local socket: ponymqctl needs the HTTP port" in daemon.text
    daemon.kill()
