"""Arguments and options that many commands take."""

import json
from typing import Annotated

import typer

from broker.cli.completion import queue_names, user_names, vhost_names

VHost = Annotated[str, typer.Option("--vhost", "-p", help="The vhost.", autocompletion=vhost_names)]
VHostName = Annotated[str, typer.Argument(metavar="VHOST", help="The vhost's name.", autocompletion=vhost_names)]
UserName = Annotated[str, typer.Argument(metavar="USER", help="The user's name.", autocompletion=user_names)]
QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.", autocompletion=queue_names)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


def json_object(text: str) -> dict[str, object]:
    """The JSON object that was typed.

    Raises:
        BadParameter: It is none.
    """
    value = json_value(text)
    if not isinstance(value, dict):
        raise typer.BadParameter(f"{text!r} is not a JSON object")
    return value


def json_value(text: str) -> object:
    """The JSON value that was typed.

    Raises:
        BadParameter: It is none.
    """
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is not JSON: {error}") from error
    return value
