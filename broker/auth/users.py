"""Users and their passwords."""

import hashlib
import hmac
import os
from typing import Final, final

SALT_BYTES: Final = 4  # RabbitMQ's layout: base64(salt + SHA-256(salt + password))


def hash_password(password: bytes, salt: bytes) -> bytes:
    """``salt`` followed by SHA-256 of salt and password: the octets RabbitMQ keeps, before base64."""
    return salt + hashlib.sha256(salt + password).digest()


@final
class User:
    """Somebody who may log in.

    Attributes:
        name: The login.
        tags: What the user may do besides messaging: ``administrator``, ``monitoring``…
    """

    def __init__(self, name: bytes, password: bytes, tags: list[str]) -> None:
        self.name: Final = name
        self.tags: Final = tags
        self._hash: bytes = hash_password(password, os.urandom(SALT_BYTES))

    def has_password(self, password: bytes) -> bool:
        """Is this the password? An empty one never is; compared in constant time."""
        expected = self._hash
        return bool(password) and hmac.compare_digest(expected, hash_password(password, expected[:SALT_BYTES]))


@final
class Users:
    """Everybody who may log in.

    Attributes:
        by_name: The users.
        loopback_only: Names that may come only from this machine; RabbitMQ's ``loopback_users``.
    """

    def __init__(self, loopback_only: list[bytes]) -> None:
        self.loopback_only: Final = loopback_only
        self.by_name: Final[dict[bytes, User]] = {}
        # Costs an unknown user as much time as a wrong password.
        self._nobody: Final = User(b"", os.urandom(16), [])

    def add(self, user: User) -> None:
        """Admit ``user``, or replace the one of that name."""
        self.by_name[user.name] = user

    def named(self, name: bytes, *, is_loopback: bool) -> User | None:
        """The user of that name, who has been authenticated by other means; None is a refusal.

        Args:
            name: The login.
            is_loopback: The peer is on this machine.
        """
        if name in self.loopback_only and not is_loopback:
            return None
        return self.by_name.get(name)

    def authenticate(self, name: bytes, password: bytes, *, is_loopback: bool) -> User | None:
        """The user, if name and password are right and the peer may use that name; None is a refusal.

        Args:
            name: The login.
            password: As it arrived.
            is_loopback: The peer is on this machine.
        """
        user = self.by_name.get(name)
        if user is None:
            self._nobody.has_password(password)
            return None
        if not user.has_password(password) or (name in self.loopback_only and not is_loopback):
            return None
        return user
