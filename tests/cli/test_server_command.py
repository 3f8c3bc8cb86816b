"""The server command: flags become settings, mistakes become one line and exit code 78."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from broker.cli.server_command import EX_CONFIG, serve
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
    assert serve([*words.split(), "--log-level", "debug", "--set", "amqp.heartbeat_s=5"]) == 7
    [settings] = started
    assert (settings.data_dir, settings.bind, settings.port) == (str(tmp_path), "::1", 0)
    assert (settings.http_port, settings.metrics_port) == (OFF, 15999)
    assert (settings.log.level, settings.amqp.heartbeat_s) == ("debug", 5)
    assert settings.cluster_name == "stable"


def test_the_environment_stands_below_the_flags(started: list[Settings], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PONYMQ_PORT", "1001")
    monkeypatch.setenv("PONYMQ_HTTP_PORT", "1002")
    serve(["--port", "2001"])
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
def test_a_mistake_is_one_line_and_nothing_is_started(
    started: list[Settings], capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    assert serve(words) == EX_CONFIG
    assert capsys.readouterr() == ("", line)
    assert started == []


def test_version_says_the_build_and_starts_nothing(started: list[Settings], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        serve(["--version", "--port", "x"])
    assert (end.value.code, capsys.readouterr().out) == (0, version_text() + "\n")
    assert started == []


def test_help_names_every_flag_that_must_exist(started: list[Settings], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        serve(["--help"])
    assert end.value.code == 0
    said = capsys.readouterr().out
    flags = "--config --data-dir --bind --port --http-port --metrics-port --log-level --set --version"
    assert [flag for flag in flags.split() if flag not in said] == []
    assert started == []


def test_a_flag_that_does_not_exist_is_told_and_nothing_is_started(
    started: list[Settings], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        serve(["--prot", "1"])
    assert end.value.code == 2
    assert "unrecognized arguments: --prot" in capsys.readouterr().err
    assert started == []


def test_the_daemon_is_started_without_the_libraries_of_the_other_command() -> None:
    listed = "import sys, broker.cli.server_command; print({'typer', 'pydantic', 'rich'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
