"""``ponymqctl``: policies and operator policies, limits of vhosts and users. The names are rabbitmqctl's."""

from collections.abc import Callable
from typing import Annotated, Final

import typer

from broker.cli.arguments import UserName, VHost, json_object
from broker.cli.paths import api_path
from broker.cli.remote import Remote
from broker.cli.words import asks
from broker.policy.limits import USER_LIMITS, VHOST_LIMITS

app = typer.Typer()

ALL: Final = "all"

Name = Annotated[str, typer.Argument(help="The policy's name.")]
Pattern = Annotated[str, typer.Argument(help="Regular expression, searched in names; ^ and $ anchor it.")]
Definition = Annotated[str, typer.Argument(help='What it says, as JSON: {"max-length":1000}')]
Priority = Annotated[int, typer.Option(help="Of several policies that match, the highest applies.")]
ApplyTo = Annotated[str, typer.Option(help="all, queues, classic_queues, quorum_queues, streams or exchanges.")]
WhichLimit = Annotated[str, typer.Argument(metavar="[LIMIT]", help="max-connections, max-channels or all.")]
LimitsJson = Annotated[str, typer.Argument(metavar="LIMITS", help='As JSON: {"max-connections":10}; -1 is no limit.')]


def _setting(kind: str) -> Callable[..., None]:
    @asks
    def set_policy(
        remote: Remote,
        name: Name,
        pattern: Pattern,
        definition: Definition,
        vhost: VHost = "/",
        priority: Priority = 0,
        apply_to: ApplyTo = "all",
    ) -> None:
        document = {
            "pattern": pattern,
            "definition": json_object(definition),
            "priority": priority,
            "apply-to": apply_to,
        }
        remote.say(f'Setting {kind} "{name}" for pattern "{pattern}" in vhost "{vhost}" ...')
        remote.ask("PUT", api_path(kind, vhost, name), document)

    return set_policy


def _clearing(kind: str) -> Callable[..., None]:
    @asks
    def clear_policy(remote: Remote, name: Name, vhost: VHost = "/") -> None:
        remote.say(f'Clearing {kind} "{name}" in vhost "{vhost}" ...')
        remote.ask("DELETE", api_path(kind, vhost, name))

    return clear_policy


app.command("set-policy", help="Give queues and exchanges arguments by the pattern of their names, now and later.")(
    _setting("policies")
)
app.command(
    "set-operator-policy",
    help="Limit queues by the pattern of their names; neither arguments nor policies can loosen it.",
)(_setting("operator-policies"))
app.command("clear-policy", help="Remove a policy, and what it does.")(_clearing("policies"))
app.command("clear-operator-policy", help="Remove an operator policy, and what it does.")(
    _clearing("operator-policies")
)


@app.command("set-vhost-limits")
@asks
def set_vhost_limits(remote: Remote, limits: LimitsJson, vhost: VHost = "/") -> None:
    """Set max-connections and max-queues of a virtual host; what is not named is no limit any more."""
    remote.ask("PUT", api_path("parameters", "vhost-limits", vhost, "limits"), {"value": json_object(limits)})


@app.command("clear-vhost-limits")
@asks
def clear_vhost_limits(remote: Remote, vhost: VHost = "/") -> None:
    """Remove the limits of a virtual host."""
    for name in VHOST_LIMITS:
        remote.ask("DELETE", api_path("vhost-limits", vhost, name))


@app.command("set-user-limits")
@asks
def set_user_limits(remote: Remote, name: UserName, limits: LimitsJson) -> None:
    """Set max-connections or max-channels of a user; others stay as they are."""
    for limit, value in json_object(limits).items():
        remote.ask("PUT", api_path("user-limits", name, limit), {"value": value})


@app.command("clear-user-limits")
@asks
def clear_user_limits(remote: Remote, name: UserName, limit: WhichLimit = ALL) -> None:
    """Remove the limits of a user, or one of them."""
    if limit not in {ALL, *USER_LIMITS}:
        raise typer.BadParameter(f"{limit!r} is none of {', '.join(USER_LIMITS)} and {ALL}")
    for each in USER_LIMITS if limit == ALL else [limit]:
        remote.ask("DELETE", api_path("user-limits", name, each))
