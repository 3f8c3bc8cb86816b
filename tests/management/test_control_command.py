"""``ponymqctl`` against the API it was written for."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from broker.cli.control_command import app
from tests.management.asking import Http
from tests.metrics.scene import Broker, Client


async def ask(guest: Http, *words: str) -> str:
    uri = str(guest.make_url("")).rstrip("/")
    result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--uri", uri])
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
    header, row = (
        await ask(guest, "list-queues", "vhost", "name", "messages_ready", "messages_unacknowledged", "consumers")
    ).splitlines()
    assert header.split("\t") == ["vhost", "name", "messages_ready", "messages_unacknowledged", "consumers"]
    assert row.split("\t") == ["/", "jobs", "1", "0", "0"]


async def run(guest: Http, *words: str, code: int = 0) -> tuple[str, str]:
    uri = str(guest.make_url("")).rstrip("/")
    result = await asyncio.to_thread(CliRunner().invoke, app, [*words, "--uri", uri])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


async def test_policies_are_set_listed_and_cleared(broker: Broker, guest: Http) -> None:
    words = ("caps", "^jobs", '{"max-length":5}', "--priority", "-3", "--apply-to", "queues", "-p", "other")
    assert await run(guest, "set-policy", *words) == ("", "")
    assert await run(guest, "set-operator-policy", "o/p", "", '{"expires":5000}') == ("", "")
    policy = broker.turn.vhosts["other"].policies.find("caps", False)
    assert policy is not None
    assert (policy.pattern, policy.priority, policy.apply_to) == ("^jobs", -3, "queues")
    out, _ = await run(guest, "list-policies", "-p", "other")
    header = "vhost\tname\tpattern\tapply-to\tdefinition\tpriority"
    assert out.splitlines() == [header, 'other\tcaps\t^jobs\tqueues\t{"max-length":5}\t-3']
    out, _ = await run(guest, "list-operator-policies")
    assert out.splitlines() == [header, '/\to/p\t\tall\t{"expires":5000}\t0']
    assert json.loads((await run(guest, "list-policies", "--format", "json"))[0]) == []
    await run(guest, "clear-policy", "caps", "-p", "other")
    await run(guest, "clear-operator-policy", "o/p")
    assert (await run(guest, "list-operator-policies"))[0] == ""


async def test_limits_are_set_listed_and_cleared(broker: Broker, guest: Http) -> None:
    await run(guest, "set-vhost-limits", '{"max-queues":3,"max-connections":-1}')
    await run(guest, "set-user-limits", "eve", '{"max-channels":3}')
    assert (await run(guest, "list-vhost-limits"))[0].splitlines() == [
        "vhost\tlimits",
        '/\t{"max-queues":3,"max-connections":-1}',
    ]
    assert (await run(guest, "list-user-limits"))[0].splitlines() == ["user\tlimits", 'eve\t{"max-channels":3}']
    await run(guest, "clear-vhost-limits")
    await run(guest, "clear-user-limits", "eve")
    assert (broker.turn.vhosts["/"].limits.values, broker.turn.user_limits.all()) == ({}, [])


async def test_limits_of_a_vhost_are_set_as_a_whole_and_those_of_a_user_one_by_one(broker: Broker, guest: Http) -> None:
    for limits in ('{"max-queues":3}', '{"max-connections":4}'):
        await run(guest, "set-vhost-limits", limits)
    assert broker.turn.vhosts["/"].limits.values == {"max-connections": 4}
    for limits in ('{"max-channels":3}', '{"max-connections":4}'):
        await run(guest, "set-user-limits", "eve", limits)
    assert (await run(guest, "list-user-limits", "limits"))[0] == 'limits\n{"max-channels":3,"max-connections":4}\n'
    await run(guest, "clear-user-limits", "eve", "max-channels")
    assert (await run(guest, "list-user-limits", "limits"))[0] == 'limits\n{"max-connections":4}\n'
    await run(guest, "clear-user-limits", "eve", "all")
    assert broker.turn.user_limits.all() == []


async def test_a_refused_change_is_told_in_one_line(guest: Http) -> None:
    out, err = await run(guest, "set-policy", "p", "", '{"foo":1}', code=65)
    uri = str(guest.make_url("")).rstrip("/")
    assert out == ""
    assert err == f'ponymqctl: {uri}: Validation failed [{{<<"foo">>,1}}] are not recognised policy settings\n'
    _, err = await run(guest, "clear-policy", "absent", code=65)
    assert err == f"ponymqctl: {uri}: Not Found\n"
    _, err = await run(guest, "set-vhost-limits", '{"max-queues":1}', "--user", "eve", "--password", "apple", code=77)
    assert err == f"ponymqctl: {uri}: User not authorised to access object\n"
    _, err = await run(guest, "list-policies", "--password", "wrong", code=77)
    assert err == f"ponymqctl: {uri}: login refused\n"


@pytest.mark.parametrize("typed", ["nonsense", "[1]", '"x"'])
async def test_a_definition_that_is_no_object_is_not_even_sent(guest: Http, typed: str) -> None:
    _, err = await run(guest, "set-policy", "p", "", typed, code=64)
    assert "is not" in err
