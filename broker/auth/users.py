"""Users, and the register of them."""

from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.auth.access import Access
from broker.auth.passwords import PasswordHash

ADMINISTRATOR: Final = "administrator"
IMPERSONATOR: Final = "impersonator"


@final
@mypyc_attr(native_class=True)
class User:
    """Somebody who may log in. Changed in place, so that open connections see it.

    Attributes:
        name: The login.
        password: To recognise the password by.
        tags: What the user may do besides messaging: ``administrator``, ``monitoring``…
        accesses: Rights by vhost; also without any, once a connection has asked.
        is_deleted: Set once; a connection that is just coming in looks at it.
    """

    def __init__(self, name: bytes, password: PasswordHash, tags: list[str]) -> None:
        self.name: Final = name
        self.password: PasswordHash = password
        self.tags: list[str] = tags
        self.accesses: Final[dict[str, Access]] = {}
        self.is_deleted: bool = False

    def access(self, vhost_name: str) -> Access:
        """The rights in that vhost, of which there may be none."""
        access = self.accesses.get(vhost_name)
        if access is None:
            access = Access(self, vhost_name)
            self.accesses[vhost_name] = access
        return access

    def may_enter(self, vhost_name: str) -> bool:
        """Is there a permission, whatever it allows?"""
        access = self.accesses.get(vhost_name)
        return access is not None and access.permission is not None


@final
@mypyc_attr(native_class=True)
class Users:
    """Everybody who may log in.

    Attributes:
        by_name: The users.
        loopback_only: Names that may come only from this machine; RabbitMQ's ``loopback_users``.
    """

    def __init__(self, loopback_only: list[bytes]) -> None:
        self.by_name: Final[dict[bytes, User]] = {}
        self.loopback_only: Final = loopback_only

    def add(self, user: User) -> None:
        """Admit ``user``; there must be none of that name."""
        assert user.name not in self.by_name
        self.by_name[user.name] = user

    def remove(self, user: User) -> None:
        """Admit ``user`` no more."""
        user.is_deleted = True
        del self.by_name[user.name]

    def may_come_from(self, name: bytes, is_loopback: bool) -> bool:
        """May a user of that name come from there?"""
        return is_loopback or name not in self.loopback_only
