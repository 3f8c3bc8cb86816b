"""What the commands of ``ponymqctl`` share that ask the HTTP API: their options, and how they fail."""

from typing import Annotated, Final

import typer

from broker.cli.api_client import ApiClient, ApiError

EX_UNAVAILABLE: Final = 69
"""Exit code when the broker did not answer as asked (sysexits.h); rabbitmqctl uses the same."""

URI: Final = "http://127.0.0.1:15672"
GUEST: Final = "guest"

Uri = Annotated[str, typer.Option(envvar="PONYMQCTL_URI", help="Address of the HTTP API.")]
User = Annotated[str, typer.Option(envvar="PONYMQCTL_USER", help="User to log in as.")]
Password = Annotated[
    str, typer.Option(envvar="PONYMQCTL_PASSWORD", show_default=False, help="That user's password; guest unless given.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")]


def ask(uri: str, user: str, password: str, path: str) -> object:
    """What the API answers to a GET; the command ends if it does not."""
    try:
        return ApiClient(uri, user, password).get(path)
    except ApiError as error:
        raise failed(str(error)) from None


def change(uri: str, user: str, password: str, method: str, path: str, document: object = None) -> None:
    """Have the API change something; the command ends if it does not."""
    try:
        ApiClient(uri, user, password).change(method, path, document)
    except ApiError as error:
        raise failed(str(error)) from None


def failed(message: str) -> typer.Exit:
    """Say why on standard error. To be raised."""
    typer.echo(f"ponymqctl: {printable(message)}", err=True)
    return typer.Exit(EX_UNAVAILABLE)


def printable(value: object) -> str:
    """The value in a column. Clients choose names: a tab would shift columns, an ANSI sequence paint the terminal."""
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")
