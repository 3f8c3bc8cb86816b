"""Definitions that a start imports."""

import json
from pathlib import Path

import pytest

from broker.auth.passwords import SHA256
from broker.server.definitions_file import DefinitionsError, load_definitions
from broker.server.engine import ExposureError
from broker.settings.auth import AuthSettings
from broker.settings.definitions import DefinitionsSettings
from broker.settings.model import Settings
from tests.management.definition_documents import SHA256_OF_TEST12, sample
from tests.management.engine import Life

ANN = {"name": "ann", "password_hash": SHA256_OF_TEST12, "tags": "administrator"}


def settings(tmp_path: Path, bind: str = "127.0.0.1", *, skips: bool = False) -> Settings:
    return Settings(
        data_dir=str(tmp_path / "data"),
        bind=bind,
        auth=AuthSettings(new_passwords=SHA256),
        definitions=DefinitionsSettings(str(tmp_path / "definitions"), skips),
    )


def write(tmp_path: Path, document: object) -> None:
    (tmp_path / "definitions").write_text(json.dumps(document))


async def start(tmp_path: Path, bind: str = "127.0.0.1", *, skips: bool = False) -> Life:
    life = Life(tmp_path / "data", settings(tmp_path, bind, skips=skips))
    await load_definitions(life.settings, life.engine, life.facts)
    return life


async def test_a_first_start_with_definitions_makes_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, sample())
    life = await start(tmp_path)
    assert set(life.engine.turn.vhosts) == {"shop"}
    assert set(life.engine.context.users.by_name) == {b"ann"}
    life.kill()
    plain = Life(tmp_path / "data")
    assert set(plain.engine.context.users.by_name) == {b"ann"}, "nor does a later one without"
    plain.kill()


async def test_a_file_that_cannot_be_imported_leaves_the_first_start_to_the_next(tmp_path: Path) -> None:
    write(tmp_path, {"queues": [{"name": "q", "vhost": "no"}]})
    life = Life(tmp_path / "data", settings(tmp_path))
    with pytest.raises(DefinitionsError, match=r"definitions: queues\[0\] \('q' in vhost 'no'\): no_such_vhost no"):
        await load_definitions(life.settings, life.engine, life.facts)
    life.kill()
    plain = Life(tmp_path / "data")
    assert set(plain.engine.context.users.by_name) == {b"guest"}
    plain.kill()


async def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    life = Life(tmp_path / "data", settings(tmp_path))
    with pytest.raises(DefinitionsError, match="definitions: cannot be read: No such file"):
        await load_definitions(life.settings, life.engine, life.facts)
    (tmp_path / "definitions").mkdir()
    with pytest.raises(DefinitionsError, match="there is no JSON file in it"):
        await load_definitions(life.settings, life.engine, life.facts)
    life.kill()


async def test_a_directory_is_imported_in_the_order_of_its_names(tmp_path: Path) -> None:
    directory = tmp_path / "definitions"
    directory.mkdir()
    (directory / "1.json").write_text(json.dumps({"users": [ANN], "vhosts": [{"name": "v"}]}))
    (directory / "2.json").write_text(json.dumps({"queues": [{"name": "q", "vhost": "v"}]}))
    (directory / "readme.txt").write_text("not looked at")
    life = await start(tmp_path)
    assert set(life.engine.turn.vhosts["v"].queues) == {b"q"}
    life.kill()


@pytest.mark.parametrize("skips", [False, True])
async def test_what_was_imported_last_may_be_skipped(tmp_path: Path, skips: bool) -> None:
    write(tmp_path, {"users": [ANN], "vhosts": [{"name": "v"}], "queues": [{"name": "q", "vhost": "v"}]})
    life = await start(tmp_path, skips=skips)
    with life.facts.turn():
        vhost = life.engine.turn.vhosts["v"]
        vhost.delete_queue(vhost.queues[b"q"])
    life.kill()
    life = await start(tmp_path, skips=skips)
    assert set(life.engine.turn.vhosts["v"].queues) == (set() if skips else {b"q"})
    life.kill()
    write(tmp_path, {"queues": [{"name": "other", "vhost": "v"}]})
    life = await start(tmp_path, skips=skips)
    assert b"other" in life.engine.turn.vhosts["v"].queues
    life.kill()


async def test_ports_beyond_this_machine_need_a_user_from_the_file(tmp_path: Path) -> None:
    write(tmp_path, {"vhosts": [{"name": "v"}]})
    life = Life(tmp_path / "data", settings(tmp_path, "0.0.0.0"))  # noqa: S104 - nothing is opened
    with pytest.raises(ExposureError):
        await load_definitions(life.settings, life.engine, life.facts)
    life.kill()
    write(tmp_path, {"users": [ANN]})
    (await start(tmp_path, "0.0.0.0")).kill()  # noqa: S104
