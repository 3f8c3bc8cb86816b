"""Names, tags, passwords and permissions as requests and definitions give them, checked."""

import asyncio
from typing import Final

from broker.auth.access import Permission, TopicPermission
from broker.auth.passwords import PasswordHash, hashed, imported, no_password
from broker.management.refusals import bad_request
from broker.queues.arguments import QUEUE_TYPES

LONGEST_NAME: Final = 255  # octets, as AMQP's short strings
LONGEST_PASSWORD: Final = 1024
MOST_TAGS: Final = 64
_NO_TYPE: Final = frozenset({None, "", "undefined"})


def check_name(name: bytes) -> None:
    """Refuse what cannot be the name of a user or a vhost.

    Raises:
        Refusal: 400.
    """
    try:
        name.decode()
    except UnicodeDecodeError:
        raise bad_request("the name is not UTF-8") from None
    if not name:
        raise bad_request("the name is empty")
    if len(name) > LONGEST_NAME:
        raise bad_request(f"the name is longer than {LONGEST_NAME} octets")


def check_description(text: str) -> None:
    """Refuse a description that is too long.

    Raises:
        Refusal: 400.
    """
    if len(text.encode()) > LONGEST_NAME:
        raise bad_request(f"the description is longer than {LONGEST_NAME} octets")


def queue_type_of(given: str | None) -> bytes | None:
    """A default queue type; None if nothing is said, for which tools have several words.

    Raises:
        Refusal: 400.
    """
    if given in _NO_TYPE:
        return None
    octets = str(given).encode()
    if octets not in QUEUE_TYPES:
        raise bad_request("Unsupported default queue type")
    return octets


def tags_of(given: str | list[str]) -> list[str]:
    """Tags as a list; older tools write them in one text, with commas.

    Raises:
        Refusal: 400.
    """
    words = given.split(",") if isinstance(given, str) else given
    tags = [word.strip() for word in words if word.strip()]
    if len(tags) > MOST_TAGS or any(len(tag.encode()) > LONGEST_NAME for tag in tags):
        raise bad_request(f"more than {MOST_TAGS} tags, or one that is longer than {LONGEST_NAME} octets")
    return tags


async def password_of(
    password: str | None, password_hash: str | None, hashing_algorithm: str, new_passwords: str
) -> PasswordHash:
    """A user's password: in clear, as a hash of ``hashing_algorithm``, or none at all.

    Args:
        password: In clear; hashed beside the loop, because that takes long.
        password_hash: RabbitMQ's text of a hash.
        hashing_algorithm: Of that hash.
        new_passwords: The algorithm to hash with.

    Raises:
        Refusal: 400.
    """
    if password is not None and password_hash is not None:
        raise bad_request("both_password_and_password_hash_are_provided")
    if password_hash is not None:
        try:
            return imported(password_hash, hashing_algorithm)
        except ValueError as error:
            raise bad_request(str(error)) from None
    if not password:
        return no_password()
    octets = password.encode()
    if len(octets) > LONGEST_PASSWORD:
        raise bad_request(f"the password is longer than {LONGEST_PASSWORD} octets")
    return await asyncio.to_thread(hashed, octets, new_passwords)


def permission_of(configure: str, write: str, read: str) -> Permission:
    """A permission.

    Raises:
        Refusal: 400, an expression cannot be used.
    """
    try:
        return Permission(configure, write, read)
    except ValueError as error:
        raise bad_request(f"invalid regular expression: {error}") from None


def topic_permission_of(user: bytes, vhost_name: str, write: str, read: str) -> TopicPermission:
    """A topic permission.

    Raises:
        Refusal: 400, an expression cannot be used.
    """
    try:
        return TopicPermission(user, vhost_name, write, read)
    except ValueError as error:
        raise bad_request(f"invalid regular expression: {error}") from None
