"""Users and permissions: the paths that read. For administrators only."""

from collections.abc import Iterable
from typing import Final

from broker.auth.access import Access
from broker.auth.users import User
from broker.management.account_views import permission_view, topic_permission_views, user_view
from broker.management.answers import Answer
from broker.management.call import Call
from broker.management.json_values import Json
from broker.management.listing import Listed
from broker.management.refusals import not_found
from broker.management.routes import ADMINISTRATOR, COLUMNS, PAGED, Route
from broker.metrics.text import shown


async def users(call: Call) -> Answer:
    """Every user, with password hash."""
    return await _user_list(call, _users(call))


async def users_without_permissions(call: Call) -> Answer:
    """The users who may enter no vhost."""
    return await _user_list(call, (user for user in _users(call) if not _is_permitted(user)))


def one_user(call: Call, name: bytes) -> Answer:
    """One user, with password hash."""
    return call.one(_user_row(call, _user(call, name)))


def user_permissions(call: Call, name: bytes) -> Answer:
    """The permissions of a user."""
    return _permissions(call, _user(call, name).accesses.values())


def user_topic_permissions(call: Call, name: bytes) -> Answer:
    """The topic permissions of a user."""
    return _topic_permissions(call, _user(call, name).accesses.values())


def permissions(call: Call) -> Answer:
    """Every permission."""
    return _permissions(call, _accesses(call))


def topic_permissions(call: Call) -> Answer:
    """Every topic permission."""
    return _topic_permissions(call, _accesses(call))


def vhost_permissions(call: Call, vhost: bytes) -> Answer:
    """The permissions of a vhost."""
    return _permissions(call, _accesses_to(call, vhost))


def vhost_topic_permissions(call: Call, vhost: bytes) -> Answer:
    """The topic permissions of a vhost."""
    return _topic_permissions(call, _accesses_to(call, vhost))


def one_permission(call: Call, vhost: bytes, name: bytes) -> Answer:
    """What a user may do in a vhost."""
    access = _access(call, vhost, name)
    if access.permission is None:
        raise not_found()
    return call.one(permission_view(access))


def topic_permissions_of(call: Call, vhost: bytes, name: bytes) -> Answer:
    """The topic permissions of a user in a vhost."""
    access = _access(call, vhost, name)
    if not access.topics:
        raise not_found()
    return _topic_permissions(call, [access])


def _users(call: Call) -> Iterable[User]:
    return call.facts.context.users.by_name.values()


def _user(call: Call, name: bytes) -> User:
    user = call.facts.context.users.by_name.get(name)
    if user is None:
        raise not_found()
    return user


def _access(call: Call, vhost: bytes, name: bytes) -> Access:
    access = _user(call, name).accesses.get(shown(vhost))
    if access is None:
        raise not_found()
    return access


def _accesses(call: Call) -> Iterable[Access]:
    return (access for user in _users(call) for access in user.accesses.values())


def _accesses_to(call: Call, vhost: bytes) -> Iterable[Access]:
    name = call.vhost(vhost).name
    return (access for access in _accesses(call) if access.vhost_name == name)


async def _user_list(call: Call, users: Iterable[User]) -> Answer:
    listed = [Listed("", shown(user.name), user) for user in users]
    return await call.paged(listed, lambda user: _user_row(call, user))


def _user_row(call: Call, user: User) -> Json:
    return user_view(user, call.facts.context.turn.user_limits.of(user.name))


def _permissions(call: Call, accesses: Iterable[Access]) -> Answer:
    return call.rows([permission_view(access) for access in accesses if access.permission is not None])


def _topic_permissions(call: Call, accesses: Iterable[Access]) -> Answer:
    return call.rows([row for access in accesses for row in topic_permission_views(access)])


def _is_permitted(user: User) -> bool:
    return any(access.permission is not None for access in user.accesses.values())


ROUTES: Final = (
    Route("GET", "/users", users, ADMINISTRATOR, query=PAGED),
    Route("GET", "/users/without-permissions", users_without_permissions, ADMINISTRATOR, query=PAGED),
    Route("GET", "/users/{user}", one_user, ADMINISTRATOR, query=COLUMNS),
    Route("GET", "/users/{user}/permissions", user_permissions, ADMINISTRATOR, query=COLUMNS),
    Route("GET", "/users/{user}/topic-permissions", user_topic_permissions, ADMINISTRATOR, query=COLUMNS),
    Route("GET", "/permissions", permissions, ADMINISTRATOR, query=COLUMNS),
    Route("GET", "/topic-permissions", topic_permissions, ADMINISTRATOR, query=COLUMNS),
    Route("GET", "/vhosts/{vhost}/permissions", vhost_permissions, ADMINISTRATOR, query=COLUMNS),
    Route("GET", "/vhosts/{vhost}/topic-permissions", vhost_topic_permissions, ADMINISTRATOR, query=COLUMNS),
    Route("GET", "/permissions/{vhost}/{user}", one_permission, ADMINISTRATOR, query=COLUMNS),
    Route("GET", "/topic-permissions/{vhost}/{user}", topic_permissions_of, ADMINISTRATOR, query=COLUMNS),
)
