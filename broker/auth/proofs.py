"""What proves who somebody is, once a password was checked, and whom it makes of a login."""

from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.auth.passwords import PasswordHash
from broker.auth.remote import Remote, RemoteUser
from broker.auth.tokens import Token, TokenUser
from broker.auth.users import User, Users


@mypyc_attr(native_class=True)
class Proof:
    """Kept for a while, so that the same password need not be checked again. Subclassed by each backend."""

    def user(self, name: bytes, host: str, now_ms: int) -> User | None:
        """Who logs in with it; None if it is worth nothing any more.

        Args:
            name: Who it is said to be.
            host: Where from.
            now_ms: Wall clock.
        """
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class PasswordProof(Proof):
    """The password was that of a user here, as long as the user has it."""

    def __init__(self, users: Users, expected: PasswordHash) -> None:
        self._users: Final = users
        self._expected: Final = expected

    def user(self, name: bytes, host: str, now_ms: int) -> User | None:
        user = self._users.by_name.get(name)
        # The user may have gone or changed the password in the meantime.
        return user if user is not None and user.password is self._expected else None


@final
@mypyc_attr(native_class=True)
class TokenProof(Proof):
    """The password was a token."""

    def __init__(self, token: Token) -> None:
        self._token: Final = token

    def user(self, name: bytes, host: str, now_ms: int) -> User | None:
        token = self._token
        return TokenUser(token) if token.expires_ms == 0 or now_ms < token.expires_ms else None


@final
@mypyc_attr(native_class=True)
class RemoteProof(Proof):
    """The service said yes."""

    def __init__(self, remote: Remote, tags: list[str]) -> None:
        self._remote: Final = remote
        self._tags: Final = tags

    def user(self, name: bytes, host: str, now_ms: int) -> User | None:
        return RemoteUser(self._remote, name, self._tags, host)
