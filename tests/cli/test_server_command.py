"""The server command: flags become settings, mistakes become one line and exit code 78."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import CliRunner

from broker.cli.server_command import EX_CONFIG, app
from broker.server.build import version_text
from broker.settings.model import OFF, Settings


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings that the daemon was run with, in place of a daemon; it ends with 7."""
    seen: list[Settings] = []

    def run(settings: Settings) -> int:
        seen.append(settings)
        return 7

    daemon = ModuleType("broker.server.daemon")
    daemon.__dict__["run"] = run
    monkeypatch.setitem(sys.modules, "broker.server.daemon", daemon)
    return seen


def test_flags_reach_the_daemon_and_its_exit_code_comes_back(started: list[Settings], tmp_path: Path) -> None:
    config = tmp_path / "ponymq.toml"
    config.write_text("port = 1\ncluster_name = 'stable'\n", encoding="utf-8")
    words = f"--config {config} --data-dir {tmp_path} --bind ::1 --port 0 --http-port off --metrics-port 15999"
    result = CliRunner().invoke(app, [*words.split(), "--log-level", "debug", "--set", "amqp.heartbeat_s=5"])
    assert result.exit_code == 7
    [settings] = started
    assert (settings.data_dir, settings.bind, settings.port) == (str(tmp_path), "::1", 0)
    assert (settings.http_port, settings.metrics_port) == (OFF, 15999)
    assert (settings.log.level, settings.amqp.heartbeat_s) == ("debug", 5)
    assert settings.cluster_name == "stable"


def test_the_environment_stands_below_the_flags(started: list[Settings]) -> None:
    environ = {"PONYMQ_PORT": "1001", "PONYMQ_HTTP_PORT": "1002"}
    CliRunner().invoke(app, ["--port", "2001"], env=environ)
    assert (started[0].port, started[0].http_port) == (2001, 1002)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--port", "x"], "ponymq: command line: port = 'x': expected a whole number from 0 to 65535, or \"off\"\n"),
        (
            ["--set", "nonsense"],
            "ponymq: command line: --set 'nonsense': expected KEY=VALUE, such as log.level=debug\n",
        ),
        (["--set", "prot=1"], "ponymq: command line: prot = '1': there is no such setting; did you mean port?\n"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_started(started: list[Settings], words: list[str], line: str) -> None:
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, result.stderr, result.stdout) == (EX_CONFIG, line, "")
    assert started == []


def test_version_says_the_build_and_starts_nothing(started: list[Settings]) -> None:
    result = CliRunner().invoke(app, ["--version", "--port", "x"])
    assert (result.exit_code, result.stdout) == (0, version_text() + "\n")
    assert started == []


def test_help_names_every_flag_that_must_exist(started: list[Settings]) -> None:
    result = CliRunner().invoke(app, ["--help"])
    assert result.exit_code == 0
    flags = "--config --data-dir --bind --port --http-port --metrics-port --log-level --set --version"
    assert [flag for flag in flags.split() if flag not in result.stdout] == []
    assert started == []
