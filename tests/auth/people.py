"""Users for tests: their passwords are hashed the quick way, because most tests are about something else."""

from collections.abc import Sequence

from broker.auth.access import Permission
from broker.auth.passwords import SHA256, hashed
from broker.auth.users import User, Users


def add_user(
    users: Users, name: bytes, password: bytes = b"", tags: Sequence[str] = (), vhosts: Sequence[str] = ()
) -> User:
    """Admit a user, with all rights in those vhosts."""
    user = User(name, hashed(password, SHA256), list(tags))
    users.add(user)
    for vhost in vhosts:
        user.access(vhost).permission = Permission(".*", ".*", ".*")
    return user


def permit(user: User, vhost: str = "/", configure: str = "", write: str = "", read: str = "") -> None:
    """Give the user other rights, past the journal."""
    user.access(vhost).permission = Permission(configure, write, read)
