"""The broker at the other end, as the commands of ``ponymqctl`` ask it: a failure ends the command."""

import http.client
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

import typer

from broker.cli.api_client import TIMEOUT_S, ApiClient, ApiError
from broker.cli.exit_codes import EX_UNAVAILABLE
from broker.settings.load import SettingsError, load_settings
from broker.settings.model import Settings

GUEST: Final = "guest"
LOCAL_PROBE_S: Final = 1.0


class Remote:
    """One broker, asked by one user.

    Attributes:
        client: Asks it.
        timeout_s: How long the user wants to wait; None if that was not said.
        is_quiet: Say nothing that was not asked for.
        is_silent: Nor the headers of columns.
    """

    def __init__(
        self,
        find: Callable[[], ApiClient],
        *,
        timeout_s: float | None = None,
        is_quiet: bool = False,
        is_silent: bool = False,
    ) -> None:
        """Ask the broker that ``find`` finds now.

        Raises:
            ApiError: Its address is none.
        """
        self._find = find
        self.client = find()
        self.timeout_s = timeout_s
        self.is_quiet = is_quiet
        self.is_silent = is_silent

    def look_again(self) -> None:
        """Find the broker again: one that has just started has a local socket now."""
        self.client = self._find()

    def wait_up_to(self, seconds: float) -> None:
        """Be patient with what takes long, unless the user has said how patient."""
        if self.timeout_s is None:
            self.client.timeout_s = seconds

    def get(self, path: str) -> object:
        """What the API answers to a GET."""
        return self.ask("GET", path)

    def row(self, path: str) -> dict[str, object]:
        """The object at a path."""
        found = self.get(path)
        if not isinstance(found, dict):
            raise failed(f"the answer of {path} is not an object")
        return found

    def rows(self, path: str) -> list[dict[str, object]]:
        """The list at a path."""
        found = self.get(path)
        if isinstance(found, dict) and "items" in found:
            found = found["items"]
        if not isinstance(found, list):
            raise failed(f"the answer of {path} is not a list")
        return [row for row in found if isinstance(row, dict)]

    def ask(self, method: str, path: str, document: object = None, headers: dict[str, str] | None = None) -> object:
        """What the API answers; None if it says no more than that it is done."""
        try:
            return self.client.ask(method, path, document, headers)
        except ApiError as error:
            self.refuse(error)

    def has(self, path: str) -> bool:
        """Is there anything at this path?"""
        try:
            self.client.get(path)
        except ApiError as error:
            if error.status == http.client.NOT_FOUND:
                return False
            self.refuse(error)
        return True

    def delete(self, path: str, headers: dict[str, str] | None = None) -> bool:
        """Delete what is at this path; False if nothing was."""
        try:
            self.client.ask("DELETE", path, None, headers)
        except ApiError as error:
            if error.status == http.client.NOT_FOUND:
                return False
            self.refuse(error)
        return True

    def refuse(self, error: ApiError) -> NoReturn:
        """End the command with what the broker said."""
        raise failed(str(error), error.exit_code) from None

    def say(self, text: str) -> None:
        """What is being done, for people: not in pipes and cron jobs."""
        if not self.is_quiet and os.isatty(2):
            typer.echo(text, err=True)


def failed(message: str, exit_code: int = EX_UNAVAILABLE) -> typer.Exit:
    """Say why on standard error. To be raised."""
    typer.echo(f"ponymqctl: {printable(message)}", err=True)
    return typer.Exit(exit_code)


def printable(value: object) -> str:
    """The value in a column. Clients choose names: a tab would shift columns, an ANSI sequence paint the terminal."""
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


def client_for(
    uri: str | None, user: str | None, password: str | None, socket_path: str | None, timeout_s: float = TIMEOUT_S
) -> ApiClient:
    """The client that the options ask for.

    Without an address and a user it is the local socket, if a broker listens there; else HTTP on this machine. Where
    they are is read from the settings in the environment, which are the broker's own in a container.

    Raises:
        ApiError: The address is none.
    """
    settings = _settings()
    if uri is None and user is None:
        path = Path(socket_path or Path(settings.data_dir, settings.management.socket)).absolute()
        if socket_path or _answers(path):
            return ApiClient(f"unix://{path}", "", "", timeout_s)
    port = settings.http_port if settings.http_port > 0 else 15672
    return ApiClient(uri or f"http://127.0.0.1:{port}", user or GUEST, password or GUEST, timeout_s)


def _settings() -> Settings:
    try:
        return load_settings(None, os.environ, {})
    except SettingsError:
        return Settings()  # not this command's to complain about, but doctor's


def _answers(path: Path) -> bool:
    """Does a broker listen there, to this user? A killed one leaves the file behind."""
    probe = socket.socket(socket.AF_UNIX)
    probe.settimeout(LOCAL_PROBE_S)
    try:
        probe.connect(str(path))
    except OSError:
        return False
    finally:
        probe.close()
    return True
