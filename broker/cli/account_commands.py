"""``ponymqctl add-user`` and its like: users, vhosts and permissions, in rabbitmqctl's words, over the HTTP API."""

import http.client
import json
import sys
from typing import Annotated, Final
from urllib.parse import quote

import typer

from broker.cli.api_client import ApiClient, ApiError
from broker.cli.api_options import GUEST, URI, AsJson, Password, Uri, User, ask, change, failed, printable

app = typer.Typer()

Name = Annotated[str, typer.Argument(metavar="USER", help="The user's name.")]
NewPassword = Annotated[
    str | None,
    typer.Argument(
        metavar="[PASSWORD]",
        help="Read from standard input if not given, where other users of the machine do not see it.",
    ),
]
Tags = Annotated[list[str] | None, typer.Argument(metavar="[TAG]...", help="administrator, monitoring, management…")]
VHostName = Annotated[str, typer.Argument(metavar="VHOST", help="The vhost's name.")]
Where = Annotated[str, typer.Option("--vhost", "-p", help="The vhost.")]
Configure = Annotated[str, typer.Argument(help="Regular expression: what may be declared and deleted.")]
Write = Annotated[str, typer.Argument(help="Regular expression: what may be published to.")]
Read = Annotated[str, typer.Argument(help="Regular expression: what may be consumed from.")]
Exchange = Annotated[str, typer.Argument(help="The topic exchange.")]

DEFAULT_VHOST: Final = "/"
LIST_USERS: Final = ("name", "tags")
LIST_PERMISSIONS: Final = ("user", "configure", "write", "read")


@app.command("add-user")
def add_user(
    name: Name, new_password: NewPassword = None, uri: Uri = URI, user: User = GUEST, password: Password = GUEST
) -> None:
    """Add a user without tags and permissions."""
    _refuse_if_found(uri, user, password, _user_path(name), f"user {name} exists already")
    change(uri, user, password, "PUT", _user_path(name), {"password": _secret(new_password), "tags": ""})


@app.command("delete-user")
def delete_user(name: Name, uri: Uri = URI, user: User = GUEST, password: Password = GUEST) -> None:
    """Delete a user, and close the user's connections."""
    change(uri, user, password, "DELETE", _user_path(name))


@app.command("change-password")
def change_password(
    name: Name, new_password: NewPassword = None, uri: Uri = URI, user: User = GUEST, password: Password = GUEST
) -> None:
    """Give a user another password. Open connections stay."""
    tags = _row(uri, user, password, _user_path(name)).get("tags")
    change(uri, user, password, "PUT", _user_path(name), {"password": _secret(new_password), "tags": tags})


@app.command("set-user-tags")
def set_user_tags(
    name: Name, tags: Tags = None, uri: Uri = URI, user: User = GUEST, password: Password = GUEST
) -> None:
    """Give a user these tags and no others."""
    row = _row(uri, user, password, _user_path(name))
    body = {key: row.get(key) for key in ("password_hash", "hashing_algorithm")}
    change(uri, user, password, "PUT", _user_path(name), {**body, "tags": tags or []})


@app.command("list-users")
def list_users(uri: Uri = URI, user: User = GUEST, password: Password = GUEST, as_json: AsJson = False) -> None:
    """List the users and their tags."""
    rows = _rows(uri, user, password, "/api/users?columns=name,tags")
    for row in rows:
        if not as_json and isinstance(tags := row.get("tags"), list):
            row["tags"] = f"[{', '.join(map(str, tags))}]"
    _print(rows, LIST_USERS, as_json)


@app.command("add-vhost")
def add_vhost(
    name: VHostName,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Add a vhost. Nobody may enter it before set-permissions."""
    _refuse_if_found(uri, user, password, _vhost_path(name), f"vhost {name} exists already")
    change(uri, user, password, "PUT", _vhost_path(name), {"description": description})


@app.command("delete-vhost")
def delete_vhost(name: VHostName, uri: Uri = URI, user: User = GUEST, password: Password = GUEST) -> None:
    """Delete a vhost with everything in it, and close its connections."""
    change(uri, user, password, "DELETE", _vhost_path(name))


@app.command("list-vhosts")
def list_vhosts(uri: Uri = URI, user: User = GUEST, password: Password = GUEST, as_json: AsJson = False) -> None:
    """List the vhosts that the user may see."""
    _print(_rows(uri, user, password, "/api/vhosts?columns=name"), ("name",), as_json)


@app.command("set-permissions")
def set_permissions(
    name: Name,
    configure: Configure,
    write: Write,
    read: Read,
    vhost: Where = DEFAULT_VHOST,
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Let a user into a vhost, with these rights and no others."""
    body = {"configure": configure, "write": write, "read": read}
    change(uri, user, password, "PUT", _permission_path("permissions", vhost, name), body)


@app.command("clear-permissions")
def clear_permissions(
    name: Name, vhost: Where = DEFAULT_VHOST, uri: Uri = URI, user: User = GUEST, password: Password = GUEST
) -> None:
    """Let a user into a vhost no more."""
    change(uri, user, password, "DELETE", _permission_path("permissions", vhost, name))


@app.command("list-permissions")
def list_permissions(
    vhost: Where = DEFAULT_VHOST,
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
    as_json: AsJson = False,
) -> None:
    """List who may do what in a vhost."""
    rows = _rows(uri, user, password, f"{_vhost_path(vhost)}/permissions")
    _print(rows, LIST_PERMISSIONS, as_json)


@app.command("set-topic-permissions")
def set_topic_permissions(
    name: Name,
    exchange: Exchange,
    write: Write,
    read: Read,
    vhost: Where = DEFAULT_VHOST,
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Restrict the routing keys (write) and binding keys (read) of a user on a topic exchange."""
    body = {"exchange": exchange, "write": write, "read": read}
    change(uri, user, password, "PUT", _permission_path("topic-permissions", vhost, name), body)


def _user_path(name: str) -> str:
    return f"/api/users/{quote(name, safe='')}"


def _vhost_path(name: str) -> str:
    return f"/api/vhosts/{quote(name, safe='')}"


def _permission_path(kind: str, vhost: str, name: str) -> str:
    return f"/api/{kind}/{quote(vhost, safe='')}/{quote(name, safe='')}"


def _secret(given: str | None) -> str:
    if given is not None:
        return given
    if sys.stdin.isatty():
        return str(typer.prompt("Password", hide_input=True))
    return sys.stdin.readline().rstrip("\r\n")


def _refuse_if_found(uri: str, user: str, password: str, path: str, text: str) -> None:
    try:
        ApiClient(uri, user, password).get(path)
    except ApiError as error:
        if error.status == http.client.NOT_FOUND:
            return
        text = str(error)
    raise failed(text)


def _row(uri: str, user: str, password: str, path: str) -> dict[str, object]:
    found = ask(uri, user, password, path)
    if not isinstance(found, dict):
        raise failed(f"the answer of {path} is not an object")
    return found


def _rows(uri: str, user: str, password: str, path: str) -> list[dict[str, object]]:
    found = ask(uri, user, password, path)
    if not isinstance(found, list):
        raise failed(f"the answer of {path} is not a list")
    return [row for row in found if isinstance(row, dict)]


def _print(rows: list[dict[str, object]], columns: tuple[str, ...], as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(rows))
        return
    typer.echo("\t".join(columns))
    for row in rows:
        typer.echo("\t".join(printable(row.get(column, "")) for column in columns))
