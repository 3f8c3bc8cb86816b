"""What the words of ``ponymqctl`` have in common: both spellings, and the options that say which broker is meant."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from inspect import Parameter, Signature
from typing import Annotated, Final

import typer
from typer.core import TyperGroup

from broker.cli.api_client import TIMEOUT_S, ApiError
from broker.cli.exit_codes import EX_USAGE
from broker.cli.remote import Remote, client_for, failed

_TYPERS: Final = 2  # its own exit code for wrong words

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No messages beside the data.")]
Silent = Annotated[bool, typer.Option("--silent", "-s", help="Nor headers of columns.")]
Timeout = Annotated[float | None, typer.Option("--timeout", "-t", min=0.1, help="Seconds to wait for an answer; 10.")]
Node = Annotated[str | None, typer.Option("--node", "-n", hidden=True, help="Taken and ignored: rabbitmqctl has it.")]
LongNames = Annotated[bool, typer.Option("--longnames", "-l", hidden=True, help="Likewise.")]


class Words(TyperGroup):
    """Commands, each under two spellings: ``list-queues``, and rabbitmqctl's ``list_queues``."""

    def get_command(self, ctx, cmd_name):  # type: ignore[no-untyped-def]
        """The command of that name."""
        return super().get_command(ctx, cmd_name) or super().get_command(ctx, cmd_name.replace("_", "-"))

    def make_context(self, *args, **more):  # type: ignore[no-untyped-def]
        """Read the options before the word."""
        with _usage():
            return super().make_context(*args, **more)

    def invoke(self, ctx):  # type: ignore[no-untyped-def]
        """Read the rest and carry it out."""
        with _usage():
            return super().invoke(ctx)


@contextmanager
def _usage() -> Iterator[None]:
    """Wrong words end with 64, as rabbitmqctl's do."""
    try:
        yield
    except typer.TyperException as error:
        if error.exit_code == _TYPERS:
            error.exit_code = EX_USAGE
        raise


def before_the_word(
    ctx: typer.Context,
    *,
    quiet: Quiet = False,
    silent: Silent = False,
    timeout: Timeout = None,
    node: Node = None,
    longnames: LongNames = False,
) -> None:
    """Options that rabbitmqctl takes before the word as well."""
    del node, longnames
    ctx.obj = {"quiet": quiet, "silent": silent, "timeout": timeout}


def _remote(
    ctx: typer.Context,
    *,
    uri: Annotated[
        str | None,
        typer.Option(
            envvar="PONYMQCTL_URI",
            help="Address of the HTTP API: http://…, https://…, unix:///path. The local socket unless given, or else "
            "http://127.0.0.1:15672.",
        ),
    ] = None,
    user: Annotated[
        str | None, typer.Option(envvar="PONYMQCTL_USER", help="User to log in as, over HTTP; guest unless given.")
    ] = None,
    password: Annotated[
        str | None, typer.Option(envvar="PONYMQCTL_PASSWORD", help="That user's password; guest unless given.")
    ] = None,
    socket: Annotated[
        str | None,
        typer.Option(
            envvar="PONYMQCTL_SOCKET",
            metavar="PATH",
            help="The broker's local socket; ponymqctl.sock in PONYMQ_DATA_DIR or ./data unless given.",
        ),
    ] = None,
    quiet: Quiet = False,
    silent: Silent = False,
    timeout: Timeout = None,
    node: Node = None,
    longnames: LongNames = False,
) -> Remote:
    """The broker that these options name."""
    del node, longnames
    before = ctx.obj if isinstance(ctx.obj, dict) else {}
    timeout_s = timeout or before.get("timeout")
    is_silent = silent or bool(before.get("silent"))
    try:
        return Remote(
            lambda: client_for(uri, user, password, socket, timeout_s or TIMEOUT_S),
            timeout_s=timeout_s,
            is_quiet=quiet or is_silent or bool(before.get("quiet")),
            is_silent=is_silent,
        )
    except ApiError as error:
        raise failed(str(error), error.exit_code) from None


_SHARED = inspect.signature(_remote).parameters


def asks(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which broker is meant; its first argument becomes that broker."""
    own = list(inspect.signature(command).parameters.values())[1:]

    def run(**given: object) -> None:
        remote = _remote(**{name: given.pop(name) for name in _SHARED})  # type: ignore[arg-type]
        command(remote, **given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    signed(run, [*own, *_SHARED.values()])
    return run


def signed(run: Callable[..., None], parameters: list[Parameter]) -> None:
    """Have typer read these parameters as those of ``run``, which takes them by name."""
    named = [each.replace(kind=Parameter.KEYWORD_ONLY) for each in parameters]
    run.__signature__ = Signature(named)  # type: ignore[attr-defined]
