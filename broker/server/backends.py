"""What the login backends need beside the register of users: keys of tokens, and a client for the service."""

import logging

from broker.auth.logins import Logins
from broker.auth.users import OAUTH2, REMOTE
from broker.core.clock import Clock
from broker.server.http_inquirer import HttpInquirer
from broker.settings.auth import AuthSettings

LOG = logging.getLogger("broker.server")


class BackendError(Exception):
    """A backend cannot be used as it is set up."""


class Backends:
    """Opens and closes what the setting ``auth.backends`` asks for, and nothing else."""

    def __init__(self, settings: AuthSettings, logins: Logins, clock: Clock) -> None:
        """Give ``logins`` what it needs.

        Raises:
            BackendError: A file cannot be used.
        """
        self._logins = logins
        self._inquirer: HttpInquirer | None = None
        if OAUTH2 in settings.backends:
            # The libraries for tokens take some megabytes, which nobody else needs.
            from broker.server.token_files import TokenFileError, TokenFiles, token_verifier  # noqa: PLC0415

            try:
                self._files = TokenFiles(settings.oauth2)
            except TokenFileError as error:
                raise BackendError(str(error)) from error
            logins.verifier = token_verifier(settings.oauth2, self._files, clock)
        if REMOTE in settings.backends:
            try:
                self._inquirer = HttpInquirer(settings.http)
            except OSError as error:
                wrong = f"auth.http.authorities = {settings.http.authorities!r}: expected certificates in PEM"
                raise BackendError(f"{wrong} ({error})") from error
            remote = logins.remote
            remote.inquirer = self._inquirer
            remote.remember_s = settings.http.cache_ttl_s
            remote.most_remembered = settings.http.cache_size

    def reload(self) -> None:
        """Read the keys of tokens again."""
        if OAUTH2 in self._logins.backends and self._files.reload():
            self._logins.forget()

    async def stop(self) -> None:
        """Ask nothing more."""
        if self._inquirer is not None:
            await self._inquirer.stop()
