"""Vhosts, users and what users may do, as records of the journal.

Later versions may add fields behind the ones that are here, with defaults.
"""

import msgspec


class VHostRecord(msgspec.Struct, array_like=True, tag="vhost", frozen=True):
    """A vhost, and what is said about it."""

    vhost: str
    description: str = ""
    tags: list[str] = []
    is_protected: bool = False


class VHostGone(msgspec.Struct, array_like=True, tag="vhost-gone", frozen=True):
    """The vhost and everything in it no longer exist, permissions included."""

    vhost: str


class UserRecord(msgspec.Struct, array_like=True, tag="user", frozen=True):
    """A user; ``hash_value`` is that of ``broker.auth.passwords.PasswordHash``."""

    user: bytes
    hash_algorithm: str
    hash_value: bytes
    tags: list[str]


class UserGone(msgspec.Struct, array_like=True, tag="user-gone", frozen=True):
    """The user and the user's permissions no longer exist."""

    user: bytes


class PermissionRecord(msgspec.Struct, array_like=True, tag="permission", frozen=True):
    """What a user may do in a vhost: three expressions."""

    user: bytes
    vhost: str
    configure: str
    write: str
    read: str


class PermissionGone(msgspec.Struct, array_like=True, tag="permission-gone", frozen=True):
    """The user may no longer enter the vhost."""

    user: bytes
    vhost: str


class TopicPermissionRecord(msgspec.Struct, array_like=True, tag="topic-permission", frozen=True):
    """Which keys a user may publish with and bind on a topic exchange."""

    user: bytes
    vhost: str
    exchange: bytes
    write: str
    read: str


class TopicPermissionGone(msgspec.Struct, array_like=True, tag="topic-permission-gone", frozen=True):
    """The keys are no longer restricted."""

    user: bytes
    vhost: str
    exchange: bytes


class DefaultsMade(msgspec.Struct, array_like=True, tag="defaults-made", frozen=True):
    """The first start made the default user and vhost. Without this record, a start is the first one."""


AccessRecord = (
    VHostRecord
    | VHostGone
    | UserRecord
    | UserGone
    | PermissionRecord
    | PermissionGone
    | TopicPermissionRecord
    | TopicPermissionGone
    | DefaultsMade
)
