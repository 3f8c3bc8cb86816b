"""Users, and the register of them."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.access import Access
from broker.auth.passwords import PasswordHash

ADMINISTRATOR: Final = "administrator"
IMPERSONATOR: Final = "impersonator"

# The setting auth.backends: who knows users.
INTERNAL: Final = "internal"  # the register below
OAUTH2: Final = "oauth2"  # whoever signs tokens
REMOTE: Final = "http"  # a service that is asked


@mypyc_attr(native_class=True)
class User:
    """Somebody who may log in. Changed in place, so that open connections see it.

    Subclassed for users who are not stored here: somebody else vouches for one login of theirs.

    Attributes:
        name: The login.
        password: To recognise the password by.
        tags: What the user may do besides messaging: ``administrator``, ``monitoring``…
        accesses: Rights by vhost; also without any, once a connection has asked.
        is_deleted: Set once; a connection that is just coming in looks at it.
        backend: Which of the setting ``auth.backends`` knows the user.
        expires_ms: Wall clock, milliseconds: when the connection must end; 0 for never.
    """

    def __init__(self, name: bytes, password: PasswordHash, tags: list[str]) -> None:
        self.name: Final = name
        self.password: PasswordHash = password
        self.tags: list[str] = tags
        self.accesses: Final[dict[str, Access]] = {}
        self.is_deleted: bool = False
        self.backend: str = INTERNAL
        self.expires_ms: i64 = 0

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

    def renew(self, other: "User") -> None:
        """The same user has logged in again on the same connection: go by what ``other`` may do from here on."""

    def fresh(self) -> "User":
        """The user without what was found out about the rights: for a request that stands for itself."""
        return self

    def forgets(self, now_s: float) -> bool:
        """Has something that was found out about the user's rights become too old to build on? Asked now and then."""
        return False


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
