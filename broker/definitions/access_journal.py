"""Vhosts, users and permissions to records and back."""

from collections.abc import Callable, Iterator

from broker.auth.access import Access, Permission, TopicPermission
from broker.auth.passwords import PasswordHash
from broker.auth.users import User, Users
from broker.definitions.access_records import (
    AccessRecord,
    DefaultsMade,
    PermissionGone,
    PermissionRecord,
    TopicPermissionGone,
    TopicPermissionRecord,
    UserGone,
    UserRecord,
    VHostGone,
    VHostRecord,
)
from broker.vhost.vhost import VHost
from broker.vhost.vhosts import VHosts


def vhost_record(vhost: VHost) -> VHostRecord:
    """The record of a vhost."""
    return VHostRecord(vhost.name, vhost.description, vhost.tags, vhost.is_protected)


def user_record(user: User) -> UserRecord:
    """The record of a user."""
    return UserRecord(user.name, user.password.algorithm, user.password.value, user.tags)


def permission_record(access: Access) -> PermissionRecord | PermissionGone:
    """The record of a permission, or of its end."""
    permission = access.permission
    if permission is None:
        return PermissionGone(access.user.name, access.vhost_name)
    return PermissionRecord(access.user.name, access.vhost_name, *permission.texts)


def topic_permission_record(access: Access, exchange_name: bytes) -> TopicPermissionRecord | TopicPermissionGone:
    """The record of a topic permission, or of its end."""
    topic = access.topics.get(exchange_name)
    if topic is None:
        return TopicPermissionGone(access.user.name, access.vhost_name, exchange_name)
    return TopicPermissionRecord(access.user.name, access.vhost_name, exchange_name, topic.write, topic.read)


def access_records(vhosts: dict[str, VHost], users: Users) -> Iterator[AccessRecord]:
    """All of them, for compacting the journal: vhosts and users before the permissions between them."""
    yield DefaultsMade()
    for vhost in vhosts.values():
        yield vhost_record(vhost)
    for user in users.by_name.values():
        yield user_record(user)
        for access in user.accesses.values():
            if access.permission is not None:
                yield permission_record(access)
            for exchange_name in access.topics:
                yield topic_permission_record(access, exchange_name)


class AccessReader:
    """Fills the register of users from the journal.

    Attributes:
        is_first_start: Nothing of the kind was there: the data directory is new, or older than users.
    """

    def __init__(self, users: Users, vhosts: VHosts, vhost_of: Callable[[str], VHost]) -> None:
        """Restore into ``users``; ``vhost_of`` finds a vhost by name, or makes it."""
        self._users = users
        self._vhosts = vhosts
        self._vhost_of = vhost_of
        self.is_first_start = True

    def apply(self, record: AccessRecord) -> None:
        """Apply the next record.

        Raises:
            ValueError: It does not fit what came before it, or holds an expression that cannot be used any more.
        """
        self.is_first_start = False
        match record:
            case VHostRecord():
                vhost = self._vhost_of(record.vhost)
                vhost.description, vhost.tags, vhost.is_protected = record.description, record.tags, record.is_protected
            case VHostGone():
                self._vhosts.delete(self._vhost_of(record.vhost))
                for user in self._users.by_name.values():
                    user.accesses.pop(record.vhost, None)
            case UserRecord():
                password = PasswordHash(record.hash_algorithm, record.hash_value)
                known = self._users.by_name.get(record.user)
                if known is None:
                    self._users.add(User(record.user, password, record.tags))
                else:
                    known.password, known.tags = password, record.tags
            case UserGone():
                self._users.remove(self._user(record.user))
            case PermissionRecord():
                self._vhost_of(record.vhost)  # its own record may be lost
                permission = Permission(record.configure, record.write, record.read)
                self._user(record.user).access(record.vhost).permission = permission
            case PermissionGone():
                self._user(record.user).access(record.vhost).permission = None
            case TopicPermissionRecord():
                topic = TopicPermission(record.user, record.vhost, record.write, record.read)
                self._user(record.user).access(record.vhost).topics[record.exchange] = topic
            case TopicPermissionGone():
                self._user(record.user).access(record.vhost).topics.pop(record.exchange, None)
            case DefaultsMade():
                pass

    def _user(self, name: bytes) -> User:
        user = self._users.by_name.get(name)
        if user is None:
            raise ValueError(f"there is no user {name.decode('utf-8', 'replace')!r}")
        return user
