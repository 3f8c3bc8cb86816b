"""``ponymqctl``: connections are closed."""

from typing import Annotated

import typer

from broker.cli.arguments import DryRun, UserName
from broker.cli.completion import connection_names, vhost_names
from broker.cli.paths import api_path
from broker.cli.remote import Remote
from broker.cli.words import asks

app = typer.Typer()

Reason = Annotated[str, typer.Argument(help="What the client is told.")]
Limit = Annotated[int, typer.Option(min=0, help="How many at most; 0 for all.")]


@app.command("close-connection")
@asks
def close_connection(
    remote: Remote,
    name: Annotated[
        str,
        typer.Argument(metavar="CONNECTION", help="As list-connections name says it.", autocompletion=connection_names),
    ],
    reason: Reason,
) -> None:
    """Close a connection with 320 and a reason."""
    remote.ask("DELETE", api_path("connections", name), headers={"X-Reason": reason})


@app.command("close-all-connections")
@asks
def close_all_connections(
    remote: Remote,
    reason: Reason,
    vhost: Annotated[
        str | None, typer.Option("--vhost", "-p", help="Only those to this vhost.", autocompletion=vhost_names)
    ] = None,
    limit: Limit = 0,
    everywhere: Annotated[bool, typer.Option("--global", help="Those to any vhost.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Close the connections to a vhost, / unless another is named, or to all of them (--global)."""
    where = None if everywhere else vhost or "/"
    rows = [row for row in remote.rows("/api/connections") if where is None or row.get("vhost") == where]
    _close(remote, rows, reason, limit, dry_run)


@app.command("close-all-user-connections")
@asks
def close_all_user_connections(
    remote: Remote, user_name: UserName, reason: Reason, limit: Limit = 0, dry_run: DryRun = False
) -> None:
    """Close the connections of a user."""
    rows = [row for row in remote.rows("/api/connections") if row.get("user") == user_name]
    _close(remote, rows, reason, limit, dry_run)


def _close(remote: Remote, rows: list[dict[str, object]], reason: str, limit: int, dry_run: bool) -> None:
    names = [str(row.get("name")) for row in rows][: limit or None]
    if dry_run:
        typer.echo(f"would close {len(names)} connections")
        return
    closed = sum(remote.delete(api_path("connections", name), {"X-Reason": reason}) for name in names)
    if not remote.is_quiet:
        typer.echo(f"Closed {closed} connections")
