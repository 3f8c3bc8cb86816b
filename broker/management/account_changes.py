"""Users, vhosts and permissions: the paths that change them, each in a turn of its own. For administrators only."""

from typing import Final

from msgspec import Struct

from broker.auth.access import Permission
from broker.auth.passwords import SHA256
from broker.auth.users import User
from broker.management.account_values import (
    check_description,
    check_name,
    password_of,
    permission_of,
    queue_type_of,
    tags_of,
    topic_permission_of,
)
from broker.management.answers import CREATED, DONE, Answer
from broker.management.call import Call
from broker.management.refusals import Refusal, bad_request, not_found
from broker.management.routes import ADMINISTRATOR, Route
from broker.metrics.text import shown
from broker.vhost.vhost import VHost

PROTECTED: Final = "protected"


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

    description: str | None = None
    tags: str | list[str] | None = None
    default_queue_type: str | None = None
    defaultqueuetype: str | None = None  # what some tools send instead
    tracing: bool = False
    protected_from_deletion: bool | None = None


# --- users


async def put_user(call: Call, name: bytes) -> Answer:
    """Make a user, or give one another password and other tags.

    Permissions by vhost are taken on creation only. Without a password nobody can log in by one.
    """
    body = call.body_as(UserBody)
    check_name(name)
    tags = tags_of(body.tags)
    permissions = {vhost: _permission(each) for vhost, each in body.permissions.items()}
    password = await password_of(
        body.password,
        body.password_hash,
        body.hashing_algorithm or SHA256,
        call.facts.administration.new_passwords,
    )
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
    """Make a vhost, or describe one differently; what the body does not name stays as it is.

    There is no tracing: that it is asked for is ignored.
    """
    body = call.body_as(VHostBody)
    check_name(name)
    queue_type = queue_type_of(body.default_queue_type or body.defaultqueuetype)
    check_description(body.description or "")
    tags = None if body.tags is None else tags_of(body.tags)
    administration, by = call.facts.administration, call.viewer.name
    vhost = call.facts.context.turn.vhosts.get(shown(name))
    answer = DONE
    with call.facts.turn():
        if vhost is None:
            vhost = administration.create_vhost(shown(name), body.description or "", tags or [], by)
            answer = CREATED
        else:
            description = vhost.description if body.description is None else body.description
            tags = vhost.tags if tags is None else tags
            if (vhost.description, vhost.tags) != (description, tags):
                administration.describe_vhost(vhost, description, tags, by)
        if queue_type is not None and queue_type != vhost.default_queue_type:
            administration.default_queue_type(vhost, queue_type, by)
        if body.protected_from_deletion is not None and body.protected_from_deletion != vhost.is_protected:
            administration.protect_vhost(vhost, body.protected_from_deletion, by)
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
    topic = topic_permission_of(name, shown(vhost), body.write, body.read)
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
    return permission_of(body.configure, body.write, body.read)


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
