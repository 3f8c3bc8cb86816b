"""``ponymqctl export-definitions`` and ``import-definitions``, against the API they were written for."""

import asyncio
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer
from typer.testing import CliRunner, Result

from broker.cli.control_command import app
from broker.management.api_app import api_app
from tests.management.definition_documents import sample
from tests.management.engine import Life


@pytest.fixture
def life(tmp_path: Path) -> Iterator[Life]:
    made = Life(tmp_path / "data")
    yield made
    made.kill()


async def run(life: Life, *words: str, typed: str = "") -> Result:
    async with TestClient(TestServer(api_app(life.facts))) as client:
        uri = str(client.make_url("")).rstrip("/")
        return await asyncio.to_thread(CliRunner().invoke, app, [*words, "--uri", uri], input=typed)


async def test_definitions_go_to_a_file_and_come_from_it(life: Life, tmp_path: Path) -> None:
    file = tmp_path / "definitions.json"
    file.write_text(json.dumps(sample()))
    result = await run(life, "import-definitions", str(file))
    assert (result.exit_code, result.output) == (0, "")
    assert "shop" in life.engine.turn.vhosts
    result = await run(life, "export-definitions", str(file))
    assert (result.exit_code, result.output) == (0, "")
    assert json.loads(file.read_text())["queues"] == sample()["queues"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600, "it holds password hashes"
    assert sorted(each.name for each in file.parent.iterdir()) == ["data", "definitions.json"]


async def test_definitions_go_through_pipes(life: Life) -> None:
    result = await run(life, "import-definitions", "-", typed=json.dumps(sample()))
    assert (result.exit_code, result.output) == (0, "")
    result = await run(life, "export-definitions", "-", "--vhost", "shop")
    assert json.loads(result.stdout)["original_vhost_name"] == "shop"


async def test_a_refusal_is_one_line(life: Life, tmp_path: Path) -> None:
    document = json.dumps({"queues": [{"name": "q", "vhost": "no"}]})
    result = await run(life, "import-definitions", "-", typed=document)
    assert result.exit_code == 65
    assert result.stderr.endswith("queues[0] ('q' in vhost 'no'): no_such_vhost no\n")
    result = await run(life, "import-definitions", str(tmp_path / "absent.json"))
    assert result.stderr.endswith("absent.json: cannot be read: No such file or directory\n")
    result = await run(life, "export-definitions", str(tmp_path / "absent" / "d.json"))
    assert result.stderr.endswith("d.json: cannot be written: No such file or directory\n")
