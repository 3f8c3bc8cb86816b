"""What the shell completes: names that the broker knows. Without an answer at once there are none."""

import typer

from broker.cli.api_client import ApiError
from broker.cli.paths import api_path
from broker.cli.remote import client_for

PATIENCE_S = 1.0
MOST_NAMES = 200


def vhost_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Vhosts that begin so."""
    return _names(ctx, "/api/vhosts", incomplete)


def user_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Users who begin so."""
    return _names(ctx, "/api/users", incomplete)


def queue_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Queues of the chosen vhost that begin so."""
    return _names(ctx, api_path("queues", ctx.params.get("vhost") or "/"), incomplete)


def connection_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Connections that begin so."""
    return _names(ctx, "/api/connections", incomplete)


def _names(ctx: typer.Context, path: str, incomplete: str) -> list[str]:
    given = ctx.params
    try:
        client = client_for(
            given.get("uri"), given.get("user"), given.get("password"), given.get("socket"), timeout_s=PATIENCE_S
        )
        found = client.get(f"{path}?columns=name")
    except ApiError:
        return []
    rows = found if isinstance(found, list) else []
    names = [str(row["name"]) for row in rows if isinstance(row, dict) and "name" in row]
    return [name for name in names if name.startswith(incomplete)][:MOST_NAMES]
