"""The keys of those who sign tokens, read from files: at the start, on SIGHUP, and when a token names a new one."""

import logging
import os
import threading
from pathlib import Path

from broker.auth.jwt_verifier import JwtVerifier, KeyRing
from broker.auth.token_claims import TokenRules
from broker.auth.token_keys import TokenKey, read_key_set, read_pem, read_secret
from broker.core.clock import Clock
from broker.settings.oauth2 import OAuth2Settings

LOG = logging.getLogger("broker.server")

# A file that somebody took for a key set; those of large authorities have a few kilobytes.
LARGEST_FILE_BYTES = 1_048_576


class TokenFileError(Exception):
    """A file cannot be used. Its text names the key, the file and what is wrong with it."""


class TokenFiles(KeyRing):
    """The ring of keys."""

    def __init__(self, settings: OAuth2Settings) -> None:
        """Read every file.

        Raises:
            TokenFileError: One cannot be used.
        """
        self._settings = settings
        self._lock = threading.Lock()
        self._stamp = self._look()
        super().__init__(self._read())

    def reload(self) -> bool:
        """Read the files again. If one cannot be used, everything stays as it was, and False is returned."""
        with self._lock:
            return self._reload()

    def refresh(self) -> None:
        """On the thread of a check: the set is read again if the file is another one than it was."""
        with self._lock:
            if self._settings.jwks_file and self._look() != self._stamp:
                self._reload()

    def _reload(self) -> bool:
        self._stamp = self._look()
        try:
            self.keys = self._read()
        except TokenFileError as error:
            LOG.error("keys of tokens kept as they were", extra={"reason": str(error)})
            return False
        LOG.info("keys of tokens read again", extra={"keys": len(self.keys)})
        return True

    def _look(self) -> tuple[int, int, int]:
        """What changes with the file of the set: its number, size and time."""
        try:
            found = os.stat(self._settings.jwks_file)  # noqa: PTH116 - Path("").stat() would be the directory's
        except OSError:
            return (0, 0, 0)
        return (found.st_ino, found.st_size, found.st_mtime_ns)

    def _read(self) -> dict[str, TokenKey]:
        keys: dict[str, TokenKey] = {}
        settings = self._settings
        if settings.jwks_file:
            key = "auth.oauth2.jwks_file"
            try:
                keys |= read_key_set(_octets(key, settings.jwks_file))
            except ValueError as error:
                raise TokenFileError(f"{key} = {settings.jwks_file!r}: {error}") from error
        for number, each in enumerate(settings.keys):
            key = f"auth.oauth2.keys[{number}].file"
            octets = _octets(key, each.file)
            try:
                keys[each.kid] = read_secret(octets) if each.secret else read_pem(octets)
            except ValueError as error:
                raise TokenFileError(f"{key} = {each.file!r}: {error}") from error
        return keys


def _octets(key: str, path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            octets = file.read(LARGEST_FILE_BYTES + 1)
    except OSError as error:
        raise TokenFileError(f"{key} = {path!r}: cannot be read: {error.strerror}") from error
    if len(octets) > LARGEST_FILE_BYTES:
        raise TokenFileError(f"{key} = {path!r}: larger than {LARGEST_FILE_BYTES} octets")
    return octets


def token_verifier(settings: OAuth2Settings, files: TokenFiles, clock: Clock) -> JwtVerifier:
    """The verifier that the settings describe."""
    rules = TokenRules(
        settings.resource_server_id,
        issuer=settings.issuer,
        verify_aud=settings.verify_aud,
        require_exp=settings.require_exp,
        leeway_s=settings.leeway_s,
        scope_prefix=None if settings.scope_prefix == "auto" else settings.scope_prefix,
        additional_scopes=list(settings.additional_scopes_key),
        user_claims=list(settings.preferred_username_claims),
        aliases={each.alias: list(each.scopes) for each in settings.scope_aliases},
    )
    return JwtVerifier(files, list(settings.algorithms), settings.default_key, rules, clock)
