"""``ponymqctl``: export definitions to a file, and import them from one. The names are rabbitmqctl's."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from broker.cli.completion import vhost_names
from broker.cli.exit_codes import EX_CANTCREAT, EX_NOINPUT
from broker.cli.paths import api_path
from broker.cli.remote import Remote, failed
from broker.cli.words import asks

app = typer.Typer()

STANDARD: Final = "-"
"""Standard input or output instead of a file."""

TIMEOUT_S: Final = 300.0  # of an import of a hundred thousand queues
_OWNERS_ONLY: Final = 0o600  # the file holds password hashes

File = Annotated[str, typer.Argument(metavar="FILE", help="JSON file; - for standard input or output.")]
VHost = Annotated[str | None, typer.Option("--vhost", "-p", help="Only this virtual host.", autocompletion=vhost_names)]


@app.command("export-definitions")
@asks
def export_definitions(remote: Remote, file: File, vhost: VHost = None) -> None:
    """Write everything but messages to a file: users with their password hashes, vhosts, policies, queues and so on."""
    remote.wait_up_to(TIMEOUT_S)
    text = json.dumps(remote.get(_path(vhost)), indent=2) + "\n"
    try:
        if file == STANDARD:
            typer.echo(text, nl=False)
        else:
            # What is there already keeps its rights until it is replaced as a whole: half a file is none.
            new = Path(f"{file}.new")
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNERS_ONLY), "w") as opened:
                opened.write(text)
            new.replace(file)
    except OSError as error:
        raise failed(f"{file}: cannot be written: {error.strerror}", EX_CANTCREAT) from None


@app.command("import-definitions")
@asks
def import_definitions(remote: Remote, file: File, vhost: VHost = None) -> None:
    """Merge a file of definitions, PonyMQ's or RabbitMQ's, into the broker. Nothing is deleted."""
    try:
        octets = sys.stdin.buffer.read() if file == STANDARD else Path(file).read_bytes()
    except OSError as error:
        raise failed(f"{file}: cannot be read: {error.strerror}", EX_NOINPUT) from None
    remote.wait_up_to(TIMEOUT_S)
    remote.ask("POST", _path(vhost), octets)


def _path(vhost: str | None) -> str:
    return api_path("definitions", *([] if vhost is None else [vhost]))
