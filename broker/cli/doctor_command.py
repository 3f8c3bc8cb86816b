"""``ponymqctl doctor``: what is wrong, or will be, and what to do about it."""

import json
import os
import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from broker.cli.broker_checks import broker_findings
from broker.cli.exit_codes import EX_FAILED
from broker.cli.finding import Finding, Verdict, ok, problem
from broker.cli.machine_checks import machine_findings
from broker.cli.output import Format
from broker.cli.remote import Remote, printable
from broker.cli.words import asks
from broker.settings.load import SettingsError, load_settings
from broker.settings.model import Settings

app = typer.Typer()

_COLOURS = {Verdict.OK: "green", Verdict.NOTE: "yellow", Verdict.PROBLEM: "bold red"}


@app.command("doctor")
@asks
def doctor(
    remote: Remote,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="The broker's settings; PONYMQ_CONFIG names it as well.")
    ] = None,
    data_dir: Annotated[str | None, typer.Option(metavar="DIR", help="Its data directory.")] = None,
    form: Annotated[Format, typer.Option("--format", "--formatter", "-f", help="table or json.")] = Format.TABLE,
) -> None:
    """Look at settings, directory, disk, memory, files, certificates, clocks and alarms, and say what to do.

    Run it on the broker's machine, as its user, with its environment. Exit code 1 if there is a problem.
    """
    findings = []
    for finding in _findings(remote, config, data_dir):
        findings.append(finding)
        if form is not Format.JSON and (finding.verdict is not Verdict.OK or not remote.is_quiet):
            _print(finding)
    if form is Format.JSON:
        names = ("subject", "verdict", "text", "advice")
        typer.echo(json.dumps([{name: getattr(each, name) for name in names} for each in findings]))
    if any(each.verdict is Verdict.PROBLEM for each in findings):
        raise typer.Exit(EX_FAILED)


def _findings(remote: Remote, config: str | None, data_dir: str | None) -> Iterator[Finding]:
    settings = Settings()
    try:
        settings = load_settings(config, os.environ, {"data_dir": data_dir})
        yield ok("settings", config or os.environ.get("PONYMQ_CONFIG") or "no file; the defaults and the environment")
    except SettingsError as error:
        yield problem("settings", str(error), "the broker does not start so; below, the defaults are looked at")
    yield from machine_findings(settings)
    yield from broker_findings(remote.client)


def _print(finding: Finding) -> None:
    line = Text(f"{finding.verdict:8}", _COLOURS[finding.verdict])
    line.append(f"{finding.subject}: {printable(finding.text)}", "default")
    Console(soft_wrap=True).print(line)
    if finding.advice:
        typer.echo(f"        → {printable(finding.advice)}")
    sys.stdout.flush()
