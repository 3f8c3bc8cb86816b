"""``ponymqctl``: ask a running broker, over its HTTP API; or look into the data directory of a stopped one."""

import json
from typing import Final

import typer

from broker import __version__
from broker.cli import account_commands, definition_commands, log_commands, policy_commands
from broker.cli.api_options import GUEST, URI, AsJson, Password, Uri, User, ask, failed, printable

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
app.add_typer(account_commands.app)
app.add_typer(policy_commands.app)
app.add_typer(definition_commands.app)

_QUEUE_COLUMNS: Final = ("vhost", "name", "messages_ready", "messages_unacknowledged", "consumers")


@app.command()
def status(uri: Uri = URI, user: User = GUEST, password: Password = GUEST, as_json: AsJson = False) -> None:
    """Say which broker answers, and how much it holds."""
    answer = ask(uri, user, password, "/api/overview")
    if as_json:
        typer.echo(json.dumps(answer))
        return
    if not isinstance(answer, dict):
        raise failed(f"{uri}: the answer of /api/overview is not an object")
    for key in ("cluster_name", "product_name", "product_version", "rabbitmq_version", "node"):
        if key in answer:
            typer.echo(f"{key}\t{printable(answer[key])}")
    for group in ("object_totals", "queue_totals"):
        totals = answer.get(group)
        if isinstance(totals, dict):
            for name, value in totals.items():
                if isinstance(value, int):
                    typer.echo(f"{printable(name)}\t{value}")


@app.command("list-queues")
def list_queues(uri: Uri = URI, user: User = GUEST, password: Password = GUEST, as_json: AsJson = False) -> None:
    """List every queue the user may see, one per line, columns parted by tabs."""
    answer = ask(uri, user, password, "/api/queues")
    if as_json:
        typer.echo(json.dumps(answer))
        return
    queues = answer.get("items") if isinstance(answer, dict) else answer
    if not isinstance(queues, list):
        raise failed(f"{uri}: the answer of /api/queues is not a list")
    typer.echo("\t".join(_QUEUE_COLUMNS))
    for queue in queues:
        if isinstance(queue, dict):
            typer.echo("\t".join(printable(queue.get(column, "")) for column in _QUEUE_COLUMNS))


@app.command()
def version() -> None:
    """Say the version of this command."""
    typer.echo(f"ponymqctl {__version__}")


def main() -> None:
    """Entry point of ``ponymqctl``."""
    app(prog_name="ponymqctl")
