"""Users, vhosts and permissions: the paths that change them, each in a turn of its own. For administrators only."""

import asyncio
from typing import Final

from msgspec import Struct

from broker.auth.access import Permission, TopicPermission
from broker.auth.passwords import SHA256, PasswordHash, hashed, imported, no_password
from broker.auth.users import User
from broker.management.answers import CREATED, DONE, Answer
from broker.management.call import Call
from broker.management.refusals import Refusal, bad_request, not_found
from broker.management.routes import ADMINISTRATOR, Route
from broker.metrics.text import shown
from broker.queues.arguments import QUEUE_TYPES
from broker.vhost.vhost import VHost

LONGEST_NAME: Final = 255  # octets, as AMQP's short strings
LONGEST_PASSWORD: Final = 1024
MOST_TAGS: Final = 64
PROTECTED: Final = "protected"
_NO_TYPE: Final = frozenset({None, "", "undefined"})  # what tools send to say nothing


class PermissionBody(Struct):
    """What ``PUT /permissions`` is given."""

    configure: str
    write: str
    read: str


class TopicPermissionBody(Struct):
    """What ``PUT /topic-permissions`` is given."""

    exchange: str
    write: str
    read: str


class UserBody(Struct):
    """What ``PUT /users`` is given."""

    tags: str | list[str]
    password: str | None = None
    password_hash: str | None = None
    hashing_algorithm: str | None = None
    permissions: dict[str, PermissionBody] = {}


class BulkDeleteBody(Struct):
    """What ``POST /users/bulk-delete`` is given."""

    users: list[str]


class VHostBody(Struct):
    """What ``PUT /vhosts`` is given."""

    description: str = ""
    tags: str | list[str] = ""
    default_queue_type: str | None = None
    tracing: bool = False
    protected_from_deletion: bool | None = None


# --- users


async def put_user(call: Call, name: bytes) -> Answer:
    """Make a user, or give one another password and other tags.

    Permissions by vhost are taken on creation only. Without a password nobody can log in by one.
    """
    body = call.body_as(UserBody)
    _check_name(name)
    tags = _tags(body.tags)
    permissions = {vhost: _permission(each) for vhost, each in body.permissions.items()}
    password = await _password(call, body)
    # From here on nothing waits: what is there now is there when it is named.
    if not permissions.keys() <= call.facts.context.turn.vhosts.keys():
        raise bad_request("vhost_or_user_not_found")
    user = call.facts.context.users.by_name.get(name)
    if user is not None:
        _check_protection(user)
    with call.facts.turn():
        call.facts.administration.put_user(name, password, tags, call.viewer.name)
        if user is None:
            for vhost, permission in permissions.items():
                call.facts.administration.permit(name, vhost, permission, call.viewer.name)
    return CREATED if user is None else DONE


async def _password(call: Call, body: UserBody) -> PasswordHash:
    if body.password is not None and body.password_hash is not None:
        raise bad_request("both_password_and_password_hash_are_provided")
    if body.password_hash is not None:
        try:
            return imported(body.password_hash, body.hashing_algorithm or SHA256)
        except ValueError as error:
            raise bad_request(str(error)) from None
    if not body.password:
        return no_password()
    password = body.password.encode()
    if len(password) > LONGEST_PASSWORD:
        raise bad_request(f"the password is longer than {LONGEST_PASSWORD} octets")
    return await asyncio.to_thread(hashed, password, call.facts.administration.new_passwords)


def delete_user(call: Call, name: bytes) -> Answer:
    """Delete a user, and close the user's connections."""
    user = call.facts.context.users.by_name.get(name)
    if user is None:
        raise not_found()
    _check_protection(user)
    with call.facts.turn():
        call.facts.administration.delete_user(user, call.viewer.name)
    return DONE


def delete_users(call: Call) -> Answer:
    """Delete many users at once; unknown names are no error."""
    body = call.body_as(BulkDeleteBody)
    users = [
        user for name in set(body.users) if (user := call.facts.context.users.by_name.get(name.encode())) is not None
    ]
    for user in users:
        _check_protection(user)
    with call.facts.turn():
        for user in users:
            call.facts.administration.delete_user(user, call.viewer.name)
    return DONE


# --- vhosts


def put_vhost(call: Call, name: bytes) -> Answer:
    """Make a vhost, or describe one differently."""
    body = call.body_as(VHostBody)
    _check_name(name)
    queue_type = None if body.default_queue_type in _NO_TYPE else str(body.default_queue_type).encode()
    if queue_type is not None and queue_type not in QUEUE_TYPES:
        raise bad_request("Unsupported default queue type")
    if body.tracing:
        raise bad_request("tracing is not supported")
    if len(body.description.encode()) > LONGEST_NAME:
        raise bad_request(f"the description is longer than {LONGEST_NAME} octets")
    tags = _tags(body.tags)
    vhost = call.facts.context.turn.vhosts.get(shown(name))
    answer = DONE
    with call.facts.turn():
        if vhost is None:
            vhost = call.facts.administration.create_vhost(shown(name), body.description, tags, call.viewer.name)
            answer = CREATED
        elif (vhost.description, vhost.tags) != (body.description, tags):
            call.facts.administration.describe_vhost(vhost, body.description, tags, call.viewer.name)
        if queue_type is not None and queue_type != vhost.default_queue_type:
            call.facts.administration.default_queue_type(vhost, queue_type, call.viewer.name)
        if body.protected_from_deletion is not None and body.protected_from_deletion != vhost.is_protected:
            call.facts.administration.protect_vhost(vhost, body.protected_from_deletion, call.viewer.name)
    return answer


def delete_vhost(call: Call, name: bytes) -> Answer:
    """Delete a vhost with everything in it, and close its connections."""
    vhost = _vhost(call, name)
    if vhost.is_protected:
        raise Refusal(412, "precondition_failed", f"vhost '{vhost.name}' is protected from deletion")
    with call.facts.turn():
        call.facts.administration.delete_vhost(vhost, call.viewer.name)
    return DONE


def protect_vhost(call: Call, name: bytes) -> Answer:
    """Protect a vhost from being deleted."""
    return _protect(call, name, True)


def unprotect_vhost(call: Call, name: bytes) -> Answer:
    """Let a vhost be deleted again."""
    return _protect(call, name, False)


def _protect(call: Call, name: bytes, is_protected: bool) -> Answer:
    vhost = _vhost(call, name)
    with call.facts.turn():
        call.facts.administration.protect_vhost(vhost, is_protected, call.viewer.name)
    return DONE


def _vhost(call: Call, name: bytes) -> VHost:
    vhost = call.facts.context.turn.vhosts.get(shown(name))
    if vhost is None:
        raise not_found()
    return vhost


# --- permissions


def put_permission(call: Call, vhost: bytes, name: bytes) -> Answer:
    """Let a user into a vhost, with these rights."""
    body = call.body_as(PermissionBody)
    user = _user_for(call, vhost, name)
    permission = _permission(body)
    answer = DONE if user.may_enter(shown(vhost)) else CREATED
    with call.facts.turn():
        call.facts.administration.permit(name, shown(vhost), permission, call.viewer.name)
    return answer


def delete_permission(call: Call, vhost: bytes, name: bytes) -> Answer:
    """Take the permission for a vhost back. Open connections stay, and may do nothing."""
    user = call.facts.context.users.by_name.get(name)
    if user is None or not user.may_enter(shown(vhost)):
        raise not_found()
    with call.facts.turn():
        call.facts.administration.forbid(user.access(shown(vhost)), call.viewer.name)
    return DONE


def put_topic_permission(call: Call, vhost: bytes, name: bytes) -> Answer:
    """Restrict the keys that a user publishes with and binds on a topic exchange."""
    body = call.body_as(TopicPermissionBody)
    access = _user_for(call, vhost, name).access(shown(vhost))
    exchange = body.exchange.encode()
    try:
        topic = TopicPermission(name, shown(vhost), body.write, body.read)
    except ValueError as error:
        raise bad_request(f"invalid regular expression: {error}") from None
    answer = DONE if exchange in access.topics else CREATED
    with call.facts.turn():
        call.facts.administration.permit_topics(access, exchange, topic, call.viewer.name)
    return answer


def delete_topic_permissions(call: Call, vhost: bytes, name: bytes) -> Answer:
    """Restrict a user's keys no more, on any exchange."""
    return _free_topics(call, vhost, name, None)


def delete_topic_permission(call: Call, vhost: bytes, name: bytes, exchange: bytes) -> Answer:
    """Restrict a user's keys no more, on one exchange."""
    return _free_topics(call, vhost, name, exchange)


def _free_topics(call: Call, vhost: bytes, name: bytes, exchange: bytes | None) -> Answer:
    user = call.facts.context.users.by_name.get(name)
    access = user.accesses.get(shown(vhost)) if user is not None else None
    if access is None:
        raise not_found()
    exchanges = [each for each in access.topics if exchange in {None, each}]
    if not exchanges:
        raise not_found()
    with call.facts.turn():
        for each in exchanges:
            call.facts.administration.free_topics(access, each, call.viewer.name)
    return DONE


def _user_for(call: Call, vhost: bytes, name: bytes) -> User:
    user = call.facts.context.users.by_name.get(name)
    if user is None or shown(vhost) not in call.facts.context.turn.vhosts:
        raise bad_request("vhost_or_user_not_found")
    return user


def _permission(body: PermissionBody) -> Permission:
    try:
        return Permission(body.configure, body.write, body.read)
    except ValueError as error:
        raise bad_request(f"invalid regular expression: {error}") from None


def _tags(given: str | list[str]) -> list[str]:
    """Tags as a list; older tools write them in one text, with commas."""
    words = given.split(",") if isinstance(given, str) else given
    tags = [word.strip() for word in words if word.strip()]
    if len(tags) > MOST_TAGS or any(len(tag.encode()) > LONGEST_NAME for tag in tags):
        raise bad_request(f"more than {MOST_TAGS} tags, or one that is longer than {LONGEST_NAME} octets")
    return tags


def _check_name(name: bytes) -> None:
    try:
        name.decode()
    except UnicodeDecodeError:
        raise bad_request("the name is not UTF-8") from None
    if len(name) > LONGEST_NAME:
        raise bad_request(f"the name is longer than {LONGEST_NAME} octets")


def _check_protection(user: User) -> None:
    if PROTECTED in user.tags:
        raise bad_request(f"user '{shown(user.name)}' is protected")


ROUTES: Final = (
    Route("POST", "/users/bulk-delete", delete_users, ADMINISTRATOR, body=BulkDeleteBody, statuses=[204]),
    Route("PUT", "/users/{user}", put_user, ADMINISTRATOR, body=UserBody, statuses=[201, 204]),
    Route("DELETE", "/users/{user}", delete_user, ADMINISTRATOR, statuses=[204], refusals=[400]),
    Route("PUT", "/vhosts/{vhost}", put_vhost, ADMINISTRATOR, body=VHostBody, statuses=[201, 204]),
    Route("DELETE", "/vhosts/{vhost}", delete_vhost, ADMINISTRATOR, statuses=[204], refusals=[412]),
    Route("POST", "/vhosts/{vhost}/deletion/protection", protect_vhost, ADMINISTRATOR, statuses=[204]),
    Route("DELETE", "/vhosts/{vhost}/deletion/protection", unprotect_vhost, ADMINISTRATOR, statuses=[204]),
    Route(
        "PUT", "/permissions/{vhost}/{user}", put_permission, ADMINISTRATOR, body=PermissionBody, statuses=[201, 204]
    ),
    Route("DELETE", "/permissions/{vhost}/{user}", delete_permission, ADMINISTRATOR, statuses=[204]),
    Route(
        "PUT",
        "/topic-permissions/{vhost}/{user}",
        put_topic_permission,
        ADMINISTRATOR,
        body=TopicPermissionBody,
        statuses=[201, 204],
    ),
    Route("DELETE", "/topic-permissions/{vhost}/{user}", delete_topic_permissions, ADMINISTRATOR, statuses=[204]),
    Route(
        "DELETE", "/topic-permissions/{vhost}/{user}/{exchange}", delete_topic_permission, ADMINISTRATOR, statuses=[204]
    ),
)
