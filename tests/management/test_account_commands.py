"""``ponymqctl`` on users, vhosts and permissions, against the API it was written for."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from broker.cli.control_command import app
from tests.management.asking import Http
from tests.metrics.scene import Broker


class Control:
    """The command, as guest."""

    def __init__(self, guest: Http) -> None:
        self.uri = str(guest.make_url("")).rstrip("/")

    async def run(self, *words: str, typed: str = "") -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--uri", self.uri], input=typed)
        return result.exit_code, result.stdout, result.stderr

    async def done(self, *words: str, typed: str = "") -> str:
        code, out, err = await self.run(*words, typed=typed)
        assert (code, err) == (0, "")
        return out


@pytest.fixture
def control(guest: Http) -> Control:
    return Control(guest)


async def test_a_user_from_the_beginning_to_the_end(broker: Broker, control: Control) -> None:
    users = broker.users.by_name
    assert await control.done("add-user", "ann", "apple") == ""
    assert users[b"ann"].password.matches(b"apple")
    await control.done("set-user-tags", "ann", "monitoring", "management")
    assert users[b"ann"].tags == ["monitoring", "management"]
    assert users[b"ann"].password.matches(b"apple")
    await control.done("change-password", "ann", typed="pear\n")
    assert users[b"ann"].password.matches(b"pear")
    assert users[b"ann"].tags == ["monitoring", "management"]
    listed = (await control.done("list-users")).splitlines()
    assert listed[:2] == ["user\ttags", "ann\t[monitoring, management]"]
    assert "nobody\t[]" in listed
    await control.done("delete-user", "ann")
    assert b"ann" not in users


async def test_a_user_who_is_there_is_not_added_again(broker: Broker, control: Control) -> None:
    assert await control.run("add-user", "eve", "x") == (70, "", "ponymqctl: user eve exists already\n")
    assert broker.users.by_name[b"eve"].password.matches(b"apple")


async def test_a_vhost_from_the_beginning_to_the_end(broker: Broker, control: Control) -> None:
    await control.done("add-vhost", "a/b", "--description", "a test")
    assert broker.turn.vhosts["a/b"].description == "a test"
    assert (await control.done("list-vhosts")).splitlines() == ["name", "/", "a/b", "other"]
    await control.done("add-vhost", "a/b", "--description", "another")
    assert broker.turn.vhosts["a/b"].description == "a test"
    await control.done("delete-vhost", "a/b")
    assert "a/b" not in broker.turn.vhosts


async def test_permissions_from_the_beginning_to_the_end(broker: Broker, control: Control) -> None:
    access = broker.users.by_name[b"nobody"].access("other")
    await control.done("set-permissions", "-p", "other", "nobody", "^a", "", ".*")
    assert access.permission is not None
    listed = (await control.done("list-permissions", "--vhost", "other")).splitlines()
    assert listed == ["user\tconfigure\twrite\tread", "guest\t.*\t.*\t.*", "nobody\t^a\t\t.*"]
    rows = json.loads(await control.done("list-permissions", "--vhost", "other", "--format", "json"))
    assert rows[1] == {"user": "nobody", "configure": "^a", "write": "", "read": ".*"}
    await control.done("set-topic-permissions", "-p", "other", "nobody", "amq.topic", "^w", "^r")
    assert access.topics[b"amq.topic"].write == "^w"
    await control.done("clear-permissions", "-p", "other", "nobody")
    assert access.permission is None
    await control.done("clear-permissions", "-p", "other", "nobody")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["delete-user", "stranger"], 67, "user stranger does not exist"),
        (["change-password", "stranger", "x"], 67, "user stranger does not exist"),
        (["set-permissions", "stranger", "", "", ""], 67, "user stranger does not exist"),
        (["delete-vhost", "absent"], 65, "Not Found"),
        (["list-permissions", "-p", "absent"], 65, "Not Found"),
        (["set-permissions", "eve", "(", "", ""], 65, "invalid regular expression"),
        (["list-users", "--user", "eve", "--password", "apple"], 77, "Not administrator user"),
        (["list-users", "--password", "wrong"], 77, "login refused"),
        (["authenticate-user", "eve", "wrong"], 65, "login refused"),
    ],
)
async def test_a_refusal_is_one_line_and_an_exit_code(control: Control, words: list[str], code: int, said: str) -> None:
    found, out, err = await control.run(*words)
    assert (found, out) == (code, "")
    assert said in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


async def test_a_password_is_told_right_from_wrong(control: Control) -> None:
    assert await control.done("authenticate-user", "eve", typed="apple\n") == "Success\n"
    assert await control.done("authenticate-user", "guest", "guest") == "Success\n"


async def test_without_a_password_nobody_logs_in_and_the_tags_stay(broker: Broker, control: Control) -> None:
    tags = list(broker.users.by_name[b"eve"].tags)
    assert await control.done("clear-password", "eve") == ""
    for given in ("apple", ""):
        assert (await control.run("authenticate-user", "eve", given))[0] == 65
    assert broker.users.by_name[b"eve"].tags == tags
    await control.done("change-password", "eve", "pear")
    assert await control.done("authenticate-user", "eve", "pear") == "Success\n"


async def test_a_dry_run_deletes_nothing(broker: Broker, control: Control) -> None:
    assert await control.done("delete-user", "eve", "--dry-run") == "would delete user eve\n"
    assert await control.done("delete-vhost", "other", "--dry-run") == "would delete vhost other with 0 messages\n"
    assert b"eve" in broker.users.by_name
    assert "other" in broker.turn.vhosts


async def test_what_is_known_of_a_vhost_is_changed_and_the_rest_stays(broker: Broker, control: Control) -> None:
    await control.done("add-vhost", "shop", "--description", "old", "--tags", "a,b", "--default-queue-type", "quorum")
    await control.done("update-vhost-metadata", "shop", "--description", "new")
    vhost = broker.turn.vhosts["shop"]
    assert (vhost.description, vhost.tags, vhost.default_queue_type) == ("new", ["a", "b"], b"quorum")
    await control.done("enable-vhost-deletion-protection", "shop")
    assert (await control.run("delete-vhost", "shop"))[0] == 65
    await control.done("disable-vhost-deletion-protection", "shop")
    await control.done("delete-vhost", "shop")


async def test_topic_permissions_are_listed_and_lifted(broker: Broker, control: Control) -> None:
    for exchange in ("amq.topic", "other", "third"):
        await control.done("set-topic-permissions", "eve", exchange, "^w", "^r")
    await control.done("clear-topic-permissions", "eve", "third")
    header, *rows = (await control.done("list-topic-permissions")).splitlines()
    assert header == "user\texchange\twrite\tread"
    assert sorted(rows) == ["eve\tamq.topic\t^w\t^r", "eve\tother\t^w\t^r"]
    header, *rows = (await control.done("list-user-topic-permissions", "eve")).splitlines()
    assert header == "vhost\texchange\twrite\tread"
    assert sorted(rows) == ["/\tamq.topic\t^w\t^r", "/\tother\t^w\t^r"]
    await control.done("clear-topic-permissions", "eve")
    assert await control.done("list-topic-permissions") == ""
    await control.done("clear-topic-permissions", "eve")
