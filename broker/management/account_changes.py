"""Users, vhosts and permissions: the paths that change them."""

import asyncio
from typing import Final, TypeVar

from msgspec import Struct

from broker.auth.access import Permission, TopicPermission
from broker.auth.passwords import SHA256, PasswordHash, hashed, imported, no_password
from broker.auth.users import User
from broker.management.access import Viewer
from broker.management.facts import Facts
from broker.management.refusals import Refusal, bad_request, not_found
from broker.management.request_body import body_as
from broker.metrics.text import shown
from broker.queues.arguments import QUEUE_TYPES
from broker.vhost.vhost import VHost

T = TypeVar("T")

CREATED: Final = 201
DONE: Final = 204

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


class AccountChanges:
    """Carries out one request of one administrator."""

    def __init__(self, facts: Facts, viewer: Viewer) -> None:
        self._facts = facts
        self._viewer = viewer
        self._users = facts.context.users.by_name
        self._vhosts = facts.context.turn.vhosts
        self._administration = facts.administration
        self._by = viewer.name

    async def carry_out(self, method: str, path: list[bytes], body: bytes) -> int:
        """Change what is asked for, in a turn of its own. Returns the status; 0: the path or method is none of these.

        Raises:
            Refusal: 401, 404, or 400 for what cannot be.
        """
        match method, path:
            case "POST", [b"users", b"bulk-delete"]:
                return self._delete_users(self._checked(body, BulkDeleteBody))
            case "PUT", [b"users", name]:
                return await self._put_user(name, self._checked(body, UserBody))
            case "DELETE", [b"users", name]:
                self._viewer.must_be_administrator()
                return self._delete_user(name)
            case "PUT", [b"vhosts", name]:
                return self._put_vhost(name, self._checked(body, VHostBody))
            case "DELETE", [b"vhosts", name]:
                self._viewer.must_be_administrator()
                return self._delete_vhost(name)
            case "POST" | "DELETE", [b"vhosts", name, b"deletion", b"protection"]:
                self._viewer.must_be_administrator()
                return self._protect(name, method == "POST")
            case "PUT", [b"permissions", vhost, name]:
                return self._permit(vhost, name, self._checked(body, PermissionBody))
            case "DELETE", [b"permissions", vhost, name]:
                self._viewer.must_be_administrator()
                return self._forbid(vhost, name)
            case "PUT", [b"topic-permissions", vhost, name]:
                return self._permit_topics(vhost, name, self._checked(body, TopicPermissionBody))
            case "DELETE", [b"topic-permissions", vhost, name]:
                self._viewer.must_be_administrator()
                return self._free_topics(vhost, name, None)
            case "DELETE", [b"topic-permissions", vhost, name, exchange]:
                self._viewer.must_be_administrator()
                return self._free_topics(vhost, name, exchange)
            case _:
                return 0

    def _checked(self, body: bytes, kind: type[T]) -> T:
        self._viewer.must_be_administrator()
        return body_as(body, kind)

    # --- users

    async def _put_user(self, name: bytes, body: UserBody) -> int:
        _check_name(name)
        tags = _tags(body.tags)
        permissions = {vhost: _permission(each) for vhost, each in body.permissions.items()}
        password = await self._password(body)
        # From here on nothing waits: what is there now is there when it is named.
        if not permissions.keys() <= self._vhosts.keys():
            raise bad_request("vhost_or_user_not_found")
        user = self._users.get(name)
        if user is not None:
            _check_protection(user)
        with self._facts.turn():
            self._administration.put_user(name, password, tags, self._by)
            if user is None:
                for vhost, permission in permissions.items():
                    self._administration.permit(name, vhost, permission, self._by)
        return CREATED if user is None else DONE

    async def _password(self, body: UserBody) -> PasswordHash:
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
        return await asyncio.to_thread(hashed, password, self._administration.new_passwords)

    def _delete_user(self, name: bytes) -> int:
        user = self._users.get(name)
        if user is None:
            raise not_found()
        _check_protection(user)
        with self._facts.turn():
            self._administration.delete_user(user, self._by)
        return DONE

    def _delete_users(self, body: BulkDeleteBody) -> int:
        users = [user for name in set(body.users) if (user := self._users.get(name.encode())) is not None]
        for user in users:
            _check_protection(user)
        with self._facts.turn():
            for user in users:
                self._administration.delete_user(user, self._by)
        return DONE

    # --- vhosts

    def _put_vhost(self, name: bytes, body: VHostBody) -> int:
        _check_name(name)
        queue_type = None if body.default_queue_type in _NO_TYPE else str(body.default_queue_type).encode()
        if queue_type is not None and queue_type not in QUEUE_TYPES:
            raise bad_request("Unsupported default queue type")
        if body.tracing:
            raise bad_request("tracing is not supported")
        if len(body.description.encode()) > LONGEST_NAME:
            raise bad_request(f"the description is longer than {LONGEST_NAME} octets")
        tags = _tags(body.tags)
        vhost = self._vhosts.get(shown(name))
        status = DONE
        with self._facts.turn():
            if vhost is None:
                vhost = self._administration.create_vhost(shown(name), body.description, tags, self._by)
                status = CREATED
            elif (vhost.description, vhost.tags) != (body.description, tags):
                self._administration.describe_vhost(vhost, body.description, tags, self._by)
            if queue_type is not None and queue_type != vhost.default_queue_type:
                self._administration.default_queue_type(vhost, queue_type, self._by)
            if body.protected_from_deletion is not None and body.protected_from_deletion != vhost.is_protected:
                self._administration.protect_vhost(vhost, body.protected_from_deletion, self._by)
        return status

    def _delete_vhost(self, name: bytes) -> int:
        vhost = self._vhost(name)
        if vhost.is_protected:
            raise Refusal(412, "precondition_failed", f"vhost '{vhost.name}' is protected from deletion")
        with self._facts.turn():
            self._administration.delete_vhost(vhost, self._by)
        return DONE

    def _protect(self, name: bytes, is_protected: bool) -> int:
        vhost = self._vhost(name)
        with self._facts.turn():
            self._administration.protect_vhost(vhost, is_protected, self._by)
        return DONE

    def _vhost(self, name: bytes) -> VHost:
        vhost = self._vhosts.get(shown(name))
        if vhost is None:
            raise not_found()
        return vhost

    # --- permissions

    def _permit(self, vhost: bytes, name: bytes, body: PermissionBody) -> int:
        user = self._user_for(vhost, name)
        permission = _permission(body)
        status = DONE if user.may_enter(shown(vhost)) else CREATED
        with self._facts.turn():
            self._administration.permit(name, shown(vhost), permission, self._by)
        return status

    def _forbid(self, vhost: bytes, name: bytes) -> int:
        user = self._users.get(name)
        if user is None or not user.may_enter(shown(vhost)):
            raise not_found()
        with self._facts.turn():
            self._administration.forbid(user.access(shown(vhost)), self._by)
        return DONE

    def _permit_topics(self, vhost: bytes, name: bytes, body: TopicPermissionBody) -> int:
        access = self._user_for(vhost, name).access(shown(vhost))
        exchange = body.exchange.encode()
        try:
            topic = TopicPermission(name, shown(vhost), body.write, body.read)
        except ValueError as error:
            raise bad_request(f"invalid regular expression: {error}") from None
        status = DONE if exchange in access.topics else CREATED
        with self._facts.turn():
            self._administration.permit_topics(access, exchange, topic, self._by)
        return status

    def _free_topics(self, vhost: bytes, name: bytes, exchange: bytes | None) -> int:
        user = self._users.get(name)
        access = user.accesses.get(shown(vhost)) if user is not None else None
        if access is None:
            raise not_found()
        exchanges = [each for each in access.topics if exchange in {None, each}]
        if not exchanges:
            raise not_found()
        with self._facts.turn():
            for each in exchanges:
                self._administration.free_topics(access, each, self._by)
        return DONE

    def _user_for(self, vhost: bytes, name: bytes) -> User:
        user = self._users.get(name)
        if user is None or shown(vhost) not in self._vhosts:
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
