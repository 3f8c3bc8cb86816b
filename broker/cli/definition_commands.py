"""``ponymqctl``: export definitions to a file, and import them from one. The names are rabbitmqctl's."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import typer

from broker.cli.api_client import ApiClient, ApiError
from broker.cli.api_options import GUEST, URI, Password, Uri, User, failed

app = typer.Typer()

STANDARD: Final = "-"
"""Standard input or output instead of a file."""

TIMEOUT_S: Final = 300.0  # of an import of a hundred thousand queues
_OWNERS_ONLY: Final = 0o600  # the file holds password hashes

File = Annotated[str, typer.Argument(metavar="FILE", help="JSON file; - for standard input or output.")]
VHost = Annotated[str | None, typer.Option("--vhost", "-p", help="Only this virtual host.")]


@app.command("export-definitions")
def export_definitions(
    file: File, *, vhost: VHost = None, uri: Uri = URI, user: User = GUEST, password: Password = GUEST
) -> None:
    """Write everything but messages to a file: users with their password hashes, vhosts, policies, queues and so on."""
    try:
        document = ApiClient(uri, user, password, TIMEOUT_S).get(_path(vhost))
        text = json.dumps(document, indent=2) + "\n"
        if file == STANDARD:
            typer.echo(text, nl=False)
        else:
            # What is there already keeps its rights until it is replaced as a whole: half a file is none.
            new = Path(f"{file}.new")
            new.unlink(missing_ok=True)
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNERS_ONLY), "w") as opened:
                opened.write(text)
            new.replace(file)
    except ApiError as error:
        raise failed(str(error)) from None
    except OSError as error:
        raise failed(f"{file}: cannot be written: {error.strerror}") from None


@app.command("import-definitions")
def import_definitions(
    file: File, *, vhost: VHost = None, uri: Uri = URI, user: User = GUEST, password: Password = GUEST
) -> None:
    """Merge a file of definitions, PonyMQ's or RabbitMQ's, into the broker. Nothing is deleted."""
    try:
        octets = sys.stdin.buffer.read() if file == STANDARD else Path(file).read_bytes()
        ApiClient(uri, user, password, TIMEOUT_S).upload(_path(vhost), octets)
    except ApiError as error:
        raise failed(str(error)) from None
    except OSError as error:
        raise failed(f"{file}: cannot be read: {error.strerror}") from None


def _path(vhost: str | None) -> str:
    return "/api/definitions" if vhost is None else f"/api/definitions/{quote(vhost, safe='')}"
