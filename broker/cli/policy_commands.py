"""``ponymqctl``: policies, operator policies, limits of vhosts and users. The names are rabbitmqctl's."""

import json
from typing import Annotated, Final
from urllib.parse import quote

import typer

from broker.cli.api_options import GUEST, URI, AsJson, Password, Uri, User, ask, change, failed, printable
from broker.policy.limits import USER_LIMITS, VHOST_LIMITS

app = typer.Typer()

_POLICY_COLUMNS: Final = ("vhost", "name", "pattern", "apply-to", "definition", "priority")

VHost = Annotated[str, typer.Option("--vhost", "-p", help="The virtual host.")]
Name = Annotated[str, typer.Argument(help="The policy's name.")]
Pattern = Annotated[str, typer.Argument(help="Regular expression, searched in names; ^ and $ anchor it.")]
Definition = Annotated[str, typer.Argument(help='What it says, as JSON: {"max-length":1000}')]
Priority = Annotated[int, typer.Option(help="Of several policies that match, the highest applies.")]
ApplyTo = Annotated[str, typer.Option(help="all, queues, classic_queues, quorum_queues, streams or exchanges.")]
UserName = Annotated[str, typer.Argument(metavar="USER", help="Whose limits.")]
LimitsJson = Annotated[str, typer.Argument(metavar="LIMITS", help='As JSON: {"max-connections":10}; -1 is no limit.')]


@app.command("set-policy")
def set_policy(
    name: Name,
    pattern: Pattern,
    definition: Definition,
    *,
    vhost: VHost = "/",
    priority: Priority = 0,
    apply_to: ApplyTo = "all",
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Give queues and exchanges arguments by the pattern of their names, now and later."""
    document = {"pattern": pattern, "definition": _object(definition), "priority": priority, "apply-to": apply_to}
    change(uri, user, password, "PUT", _path("policies", vhost, name), document)


@app.command("set-operator-policy")
def set_operator_policy(
    name: Name,
    pattern: Pattern,
    definition: Definition,
    *,
    vhost: VHost = "/",
    priority: Priority = 0,
    apply_to: ApplyTo = "all",
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Limit queues by the pattern of their names; neither arguments nor policies can loosen it."""
    document = {"pattern": pattern, "definition": _object(definition), "priority": priority, "apply-to": apply_to}
    change(uri, user, password, "PUT", _path("operator-policies", vhost, name), document)


@app.command("clear-policy")
def clear_policy(
    name: Name,
    *,
    vhost: VHost = "/",
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Remove a policy, and what it does."""
    change(uri, user, password, "DELETE", _path("policies", vhost, name))


@app.command("clear-operator-policy")
def clear_operator_policy(
    name: Name,
    *,
    vhost: VHost = "/",
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Remove an operator policy, and what it does."""
    change(uri, user, password, "DELETE", _path("operator-policies", vhost, name))


@app.command("list-policies")
def list_policies(
    *,
    vhost: VHost = "/",
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
    as_json: AsJson = False,
) -> None:
    """List the policies of a virtual host, one per line, columns parted by tabs."""
    _list(ask(uri, user, password, _path("policies", vhost)), _POLICY_COLUMNS, as_json=as_json)


@app.command("list-operator-policies")
def list_operator_policies(
    *,
    vhost: VHost = "/",
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
    as_json: AsJson = False,
) -> None:
    """List the operator policies of a virtual host."""
    _list(ask(uri, user, password, _path("operator-policies", vhost)), _POLICY_COLUMNS, as_json=as_json)


@app.command("set-vhost-limits")
def set_vhost_limits(
    limits: LimitsJson,
    *,
    vhost: VHost = "/",
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Set max-connections or max-queues of a virtual host; others stay as they are."""
    for name, value in _object(limits).items():
        change(uri, user, password, "PUT", _path("vhost-limits", vhost, name), {"value": value})


@app.command("clear-vhost-limits")
def clear_vhost_limits(
    *,
    vhost: VHost = "/",
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Remove the limits of a virtual host."""
    for name in VHOST_LIMITS:
        change(uri, user, password, "DELETE", _path("vhost-limits", vhost, name))


@app.command("list-vhost-limits")
def list_vhost_limits(
    *,
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
    as_json: AsJson = False,
) -> None:
    """List the virtual hosts that have limits."""
    _list(ask(uri, user, password, "/api/vhost-limits"), ("vhost", "value"), as_json=as_json)


@app.command("set-user-limits")
def set_user_limits(
    name: UserName,
    limits: LimitsJson,
    *,
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Set max-connections or max-channels of a user; others stay as they are."""
    for limit, value in _object(limits).items():
        change(uri, user, password, "PUT", _path("user-limits", name, limit), {"value": value})


@app.command("clear-user-limits")
def clear_user_limits(
    name: UserName,
    *,
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
) -> None:
    """Remove the limits of a user."""
    for limit in USER_LIMITS:
        change(uri, user, password, "DELETE", _path("user-limits", name, limit))


@app.command("list-user-limits")
def list_user_limits(
    *,
    uri: Uri = URI,
    user: User = GUEST,
    password: Password = GUEST,
    as_json: AsJson = False,
) -> None:
    """List the users who have limits."""
    _list(ask(uri, user, password, "/api/user-limits"), ("user", "value"), as_json=as_json)


def _path(*segments: str) -> str:
    return "/api/" + "/".join(quote(segment, safe="") for segment in segments)


def _object(text: str) -> dict[str, object]:
    """The JSON object that was typed.

    Raises:
        BadParameter: It is none.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{text!r} is not a JSON object")
    return value


def _list(answer: object, columns: tuple[str, ...], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer))
        return
    if not isinstance(answer, list):
        raise failed("the answer is not a list")
    typer.echo("\t".join(columns))
    for row in answer:
        if isinstance(row, dict):
            typer.echo("\t".join(_cell(row.get(column, "")) for column in columns))


def _cell(value: object) -> str:
    return printable(json.dumps(value) if isinstance(value, dict) else value)
