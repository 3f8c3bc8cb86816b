"""``ponymqctl``: ask a running broker, over its HTTP API; or look into the data directory of a stopped one."""

import json
from typing import Annotated, Final

import typer

from broker import __version__
from broker.cli import log_commands
from broker.cli.api_client import ApiClient, ApiError

EX_UNAVAILABLE: Final = 69
"""Exit code when the broker did not answer as asked (sysexits.h); rabbitmqctl uses the same."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Ask a running PonyMQ, or look into what a stopped one keeps (log). Data goes to standard output, messages to "
        "standard error; exit code 69 means that the broker could not be reached or refused."
    ),
)
app.add_typer(log_commands.app, name="log")

_QUEUE_COLUMNS: Final = ("vhost", "name", "messages_ready", "messages_unacknowledged", "consumers")

Uri = Annotated[str, typer.Option(envvar="PONYMQCTL_URI", help="Address of the HTTP API.")]
User = Annotated[str, typer.Option(envvar="PONYMQCTL_USER", help="User to log in as.")]
Password = Annotated[
    str, typer.Option(envvar="PONYMQCTL_PASSWORD", show_default=False, help="That user's password; guest unless given.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]

_URI: Final = "http://127.0.0.1:15672"


@app.command()
def status(uri: Uri = _URI, user: User = "guest", password: Password = "guest", as_json: AsJson = False) -> None:  # noqa: S107
    """Say which broker answers, and how much it holds."""
    answer = _get(uri, user, password, "/api/overview")
    if as_json:
        typer.echo(json.dumps(answer))
        return
    if not isinstance(answer, dict):
        raise _failed(f"{uri}: the answer of /api/overview is not an object")
    for key in ("cluster_name", "product_name", "product_version", "rabbitmq_version", "node"):
        if key in answer:
            typer.echo(f"{key}\t{_printable(answer[key])}")
    for group in ("object_totals", "queue_totals"):
        totals = answer.get(group)
        if isinstance(totals, dict):
            for name, value in totals.items():
                if isinstance(value, int):
                    typer.echo(f"{_printable(name)}\t{value}")


@app.command("list-queues")
def list_queues(uri: Uri = _URI, user: User = "guest", password: Password = "guest", as_json: AsJson = False) -> None:  # noqa: S107
    """List every queue the user may see, one per line, columns parted by tabs."""
    answer = _get(uri, user, password, "/api/queues")
    if as_json:
        typer.echo(json.dumps(answer))
        return
    queues = answer.get("items") if isinstance(answer, dict) else answer
    if not isinstance(queues, list):
        raise _failed(f"{uri}: the answer of /api/queues is not a list")
    typer.echo("\t".join(_QUEUE_COLUMNS))
    for queue in queues:
        if isinstance(queue, dict):
            typer.echo("\t".join(_printable(queue.get(column, "")) for column in _QUEUE_COLUMNS))


@app.command()
def version() -> None:
    """Say the version of this command."""
    typer.echo(f"ponymqctl {__version__}")


def _get(uri: str, user: str, password: str, path: str) -> object:
    try:
        return ApiClient(uri, user, password).get(path)
    except ApiError as error:
        raise _failed(str(error)) from None


def _failed(message: str) -> typer.Exit:
    typer.echo(f"ponymqctl: {message}", err=True)
    return typer.Exit(EX_UNAVAILABLE)


def _printable(value: object) -> str:
    # Queue names are chosen by clients: a tab in one would shift the columns, an ANSI sequence paint the terminal.
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def main() -> None:
    """Entry point of ``ponymqctl``."""
    app(prog_name="ponymqctl")
