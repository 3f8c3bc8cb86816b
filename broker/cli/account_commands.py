"""``ponymqctl add-user`` and its like: users, vhosts and permissions, in rabbitmqctl's words."""

import http.client
import sys
from typing import Annotated, Final

import typer

from broker.auth.passwords import ARGON2ID, SHA256, SHA512, hashed
from broker.cli.api_client import ApiError
from broker.cli.arguments import DryRun, UserName, VHost, VHostName
from broker.cli.exit_codes import EX_DATAERR, EX_NOPERM, EX_NOUSER, EX_SOFTWARE
from broker.cli.paths import api_path
from broker.cli.remote import Remote, failed
from broker.cli.words import asks

app = typer.Typer()

NewPassword = Annotated[
    str | None,
    typer.Argument(
        metavar="[PASSWORD]",
        help="Read from standard input if not given, where other users of the machine do not see it.",
    ),
]
Tags = Annotated[list[str] | None, typer.Argument(metavar="[TAG]...", help="administrator, monitoring, management…")]
Configure = Annotated[str, typer.Argument(help="Regular expression: what may be declared and deleted.")]
Write = Annotated[str, typer.Argument(help="Regular expression: what may be published to.")]
Read = Annotated[str, typer.Argument(help="Regular expression: what may be consumed from.")]
Exchange = Annotated[str, typer.Argument(help="The topic exchange.")]
Algorithm = Annotated[str, typer.Option(help=f"{SHA256}, {SHA512} or {ARGON2ID}.")]

_METADATA: Final = ("description", "tags", "default_queue_type", "protected_from_deletion", "tracing")


@app.command("add-user")
@asks
def add_user(remote: Remote, name: UserName, new_password: NewPassword = None) -> None:
    """Add a user without tags and permissions."""
    path = api_path("users", name)
    if remote.has(path):
        raise failed(f"user {name} exists already", EX_SOFTWARE)
    remote.ask("PUT", path, {"password": _secret(new_password), "tags": ""})
    remote.say("Added. Let the user into a vhost with set-permissions.")


@app.command("delete-user")
@asks
def delete_user(remote: Remote, name: UserName, dry_run: DryRun = False) -> None:
    """Delete a user, and close the user's connections."""
    _user(remote, name)
    if dry_run:
        typer.echo(f"would delete user {name}")
        return
    remote.ask("DELETE", api_path("users", name))


@app.command("change-password")
@asks
def change_password(remote: Remote, name: UserName, new_password: NewPassword = None) -> None:
    """Give a user another password. Open connections stay."""
    tags = _user(remote, name).get("tags")
    remote.ask("PUT", api_path("users", name), {"password": _secret(new_password), "tags": tags})


@app.command("clear-password")
@asks
def clear_password(remote: Remote, name: UserName) -> None:
    """Let a user log in by certificate or token only."""
    remote.ask("PUT", api_path("users", name), {"password_hash": "", "tags": _user(remote, name).get("tags")})


@app.command("authenticate-user")
@asks
def authenticate_user(remote: Remote, name: UserName, given: NewPassword = None) -> None:
    """Tell whether this is the user's password. Needs the HTTP port."""
    try:
        remote.client.as_user(name, _secret(given)).get("/api/whoami")
    except ApiError as error:
        is_refused = error.exit_code == EX_NOPERM
        if not is_refused or "Not management user" not in str(error):  # which is said to the right password only
            raise failed(str(error), EX_DATAERR if is_refused else error.exit_code) from None
    typer.echo("Success")


@app.command("set-user-tags")
@asks
def set_user_tags(remote: Remote, name: UserName, tags: Tags = None) -> None:
    """Give a user these tags and no others."""
    row = _user(remote, name)
    body = {key: row.get(key) for key in ("password_hash", "hashing_algorithm")}
    remote.ask("PUT", api_path("users", name), {**body, "tags": tags or []})


@app.command("hash-password")
def hash_password(given: NewPassword = None, algorithm: Algorithm = SHA256) -> None:
    """Hash a password as definitions hold it; the default one also for RabbitMQ."""
    if algorithm not in {SHA256, SHA512, ARGON2ID}:
        raise typer.BadParameter(f"{algorithm!r} is none of {SHA256}, {SHA512}, {ARGON2ID}", param_hint="--algorithm")
    typer.echo(hashed(_secret(given).encode(), algorithm).text)


@app.command("add-vhost")
@asks
def add_vhost(
    remote: Remote,
    name: VHostName,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    tags: Annotated[str, typer.Option(help="Words, parted by commas.")] = "",
    default_queue_type: Annotated[
        str | None, typer.Option(help="classic, quorum or stream: for queues that do not say.")
    ] = None,
) -> None:
    """Add a vhost. Nobody may enter it before set-permissions. One that is there stays as it is."""
    path = api_path("vhosts", name)
    if remote.has(path):
        remote.say(f'vhost "{name}" is there already')
        return
    document = {"description": description, "tags": tags, "default_queue_type": default_queue_type}
    remote.ask("PUT", path, document)


@app.command("update-vhost-metadata")
@asks
def update_vhost_metadata(
    remote: Remote,
    name: VHostName,
    description: Annotated[str | None, typer.Option(help="What it is for.")] = None,
    tags: Annotated[str | None, typer.Option(help="Words, parted by commas.")] = None,
    default_queue_type: Annotated[
        str | None, typer.Option(help="classic, quorum or stream: for queues that do not say.")
    ] = None,
) -> None:
    """Change what is known of a vhost; what is not given stays."""
    path = api_path("vhosts", name)
    row = remote.row(path)
    given = {"description": description, "tags": tags, "default_queue_type": default_queue_type}
    document = {key: row[key] for key in _METADATA if key in row}
    remote.ask("PUT", path, document | {key: value for key, value in given.items() if value is not None})


@app.command("delete-vhost")
@asks
def delete_vhost(remote: Remote, name: VHostName, dry_run: DryRun = False) -> None:
    """Delete a vhost with everything in it, and close its connections."""
    if dry_run:
        messages = remote.row(api_path("vhosts", name)).get("messages")
        typer.echo(f"would delete vhost {name} with {messages} messages")
        return
    remote.ask("DELETE", api_path("vhosts", name))


@app.command("enable-vhost-deletion-protection")
@asks
def protect(remote: Remote, name: VHostName) -> None:
    """Have a vhost refuse to be deleted."""
    remote.ask("POST", api_path("vhosts", name, "deletion", "protection"))


@app.command("disable-vhost-deletion-protection")
@asks
def unprotect(remote: Remote, name: VHostName) -> None:
    """Let a vhost be deleted again."""
    remote.ask("DELETE", api_path("vhosts", name, "deletion", "protection"))


@app.command("set-permissions")
@asks
def set_permissions(
    remote: Remote, name: UserName, configure: Configure, write: Write, read: Read, vhost: VHost = "/"
) -> None:
    """Let a user into a vhost, with these rights and no others."""
    _user(remote, name)
    body = {"configure": configure, "write": write, "read": read}
    remote.ask("PUT", api_path("permissions", vhost, name), body)


@app.command("clear-permissions")
@asks
def clear_permissions(remote: Remote, name: UserName, vhost: VHost = "/") -> None:
    """Let a user into a vhost no more."""
    _take_back(remote, name, vhost, api_path("permissions", vhost, name))


@app.command("set-topic-permissions")
@asks
def set_topic_permissions(
    remote: Remote, name: UserName, exchange: Exchange, write: Write, read: Read, vhost: VHost = "/"
) -> None:
    """Restrict the routing keys (write) and binding keys (read) of a user on a topic exchange."""
    _user(remote, name)
    body = {"exchange": exchange, "write": write, "read": read}
    remote.ask("PUT", api_path("topic-permissions", vhost, name), body)


@app.command("clear-topic-permissions")
@asks
def clear_topic_permissions(
    remote: Remote,
    name: UserName,
    exchange: Annotated[str | None, typer.Argument(help="The topic exchange; all of them if not given.")] = None,
    vhost: VHost = "/",
) -> None:
    """Lift such restrictions."""
    path = api_path("topic-permissions", vhost, name, *([exchange] if exchange is not None else []))
    _take_back(remote, name, vhost, path)


def _take_back(remote: Remote, name: str, vhost: str, path: str) -> None:
    """Delete what a user was given in a vhost. As in rabbitmqctl both must be there, and what was given need not."""
    _user(remote, name)
    remote.get(api_path("vhosts", vhost))
    remote.delete(path)


def _user(remote: Remote, name: str) -> dict[str, object]:
    """The user's row."""
    try:
        row = remote.client.get(api_path("users", name))
    except ApiError as error:
        if error.status == http.client.NOT_FOUND:
            raise failed(f"user {name} does not exist", EX_NOUSER) from None
        remote.refuse(error)
    return row if isinstance(row, dict) else {}


def _secret(given: str | None) -> str:
    if given is not None:
        return given
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True))
    return sys.stdin.readline().rstrip("\r\n")
