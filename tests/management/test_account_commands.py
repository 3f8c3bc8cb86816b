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
    assert listed[:2] == ["name\ttags", "ann\t[monitoring, management]"]
    assert "nobody\t[]" in listed
    await control.done("delete-user", "ann")
    assert b"ann" not in users


async def test_a_user_who_is_there_is_not_added_again(broker: Broker, control: Control) -> None:
    assert await control.run("add-user", "eve", "x") == (69, "", "ponymqctl: user eve exists already\n")
    assert broker.users.by_name[b"eve"].password.matches(b"apple")


async def test_a_vhost_from_the_beginning_to_the_end(broker: Broker, control: Control) -> None:
    await control.done("add-vhost", "a/b", "--description", "a test")
    assert broker.turn.vhosts["a/b"].description == "a test"
    assert (await control.done("list-vhosts")).splitlines() == ["name", "/", "a/b", "other"]
    assert (await control.run("add-vhost", "a/b"))[2] == "ponymqctl: vhost a/b exists already\n"
    await control.done("delete-vhost", "a/b")
    assert "a/b" not in broker.turn.vhosts


async def test_permissions_from_the_beginning_to_the_end(broker: Broker, control: Control) -> None:
    access = broker.users.by_name[b"nobody"].access("other")
    await control.done("set-permissions", "-p", "other", "nobody", "^a", "", ".*")
    assert access.permission is not None
    listed = (await control.done("list-permissions", "--vhost", "other")).splitlines()
    assert listed == ["user\tconfigure\twrite\tread", "guest\t.*\t.*\t.*", "nobody\t^a\t\t.*"]
    rows = json.loads(await control.done("list-permissions", "--vhost", "other", "--json"))
    assert rows[1] == {"user": "nobody", "vhost": "other", "configure": "^a", "write": "", "read": ".*"}
    await control.done("set-topic-permissions", "-p", "other", "nobody", "amq.topic", "^w", "^r")
    assert access.topics[b"amq.topic"].write == "^w"
    await control.done("clear-permissions", "-p", "other", "nobody")
    assert access.permission is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["delete-user", "stranger"], "Not Found"),
        (["change-password", "stranger", "x"], "Not Found"),
        (["delete-vhost", "absent"], "Not Found"),
        (["list-permissions", "-p", "absent"], "Not Found"),
        (["set-permissions", "eve", "(", "", ""], "invalid regular expression"),
        (["list-users", "--user", "eve", "--password", "apple"], "Not administrator user"),
        (["list-users", "--password", "wrong"], "login refused"),
    ],
)
async def test_a_refusal_is_one_line_and_exit_code_69(control: Control, words: list[str], said: str) -> None:
    code, out, err = await control.run(*words)
    assert (code, out) == (69, "")
    assert said in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
