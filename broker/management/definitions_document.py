"""A document of definitions in RabbitMQ's JSON: its sections, and what is in each."""

import re
from collections.abc import Iterator
from typing import Final, Literal, TypeVar, cast

import msgspec
from msgspec import Struct

from broker.auth.passwords import MD5, SHA256
from broker.management.json_values import Json
from broker.management.refusals import bad_request

T = TypeVar("T")

_OLD_VERSION: Final = re.compile(r"[12]\.|3\.[0-5]\.")  # before RabbitMQ had another hash than MD5

BOM: Final = b"\xef\xbb\xbf"

# What a document may hold about one vhost; the rest is about the whole broker.
OF_VHOST: Final = frozenset({"parameters", "policies", "queues", "exchanges", "bindings"})
SECTIONS: Final = OF_VHOST | {"users", "vhosts", "permissions", "topic_permissions", "global_parameters"}

# Objects that RabbitMQ of some age writes as an empty list when there is nothing in them.
_OBJECTS: Final = ("arguments", "limits", "metadata", "definition")


class UserItem(Struct):
    """A user."""

    name: str
    tags: str | list[str]
    password_hash: str | None = None
    hashing_algorithm: str | None = None
    password: str | None = None
    limits: dict[str, object] | None = None


class VHostMetadata(Struct):
    """What is said about a vhost; what is missing is not changed."""

    description: str | None = None
    tags: str | list[str] | None = None
    default_queue_type: str | None = None
    protected_from_deletion: bool | None = None


class VHostItem(VHostMetadata, kw_only=True):
    """A vhost; RabbitMQ's newer versions put what is said about it into ``metadata``."""

    name: str
    metadata: VHostMetadata | None = None
    limits: dict[str, object] = {}


class PermissionItem(Struct):
    """A permission."""

    user: str
    vhost: str
    configure: str
    write: str
    read: str


class TopicPermissionItem(Struct):
    """A topic permission."""

    user: str
    vhost: str
    exchange: str
    write: str
    read: str


class GlobalParameterItem(Struct):
    """A global parameter."""

    name: str
    value: object


class ParameterItem(Struct):
    """A parameter of a vhost."""

    vhost: str
    component: str
    name: str
    value: object


class PolicyItem(Struct):
    """A policy; what it says is read from the object as a whole."""

    vhost: str
    name: str


class QueueItem(Struct):
    """A queue."""

    vhost: str
    name: str
    durable: bool = True
    auto_delete: bool = False
    arguments: dict[str, object] = {}
    type: str | None = None


class ExchangeItem(Struct):
    """An exchange."""

    vhost: str
    name: str
    type: str = "direct"
    durable: bool = True
    auto_delete: bool = False
    internal: bool = False
    arguments: dict[str, object] = {}


class BindingItem(Struct):
    """A binding."""

    vhost: str
    source: str
    destination: str
    destination_type: Literal["queue", "exchange"] = "queue"
    routing_key: str = ""
    arguments: dict[str, object] = {}


class Document(Struct):
    """What was read.

    Attributes:
        sections: The objects of each section. Those that nobody knows are left out.
        hashing: The algorithm of password hashes that do not name theirs.
    """

    sections: dict[str, list[Json]]
    hashing: str


def read_document(octets: bytes, vhost_name: str | None) -> Document:
    """A document, taken apart.

    Args:
        octets: JSON, with or without a byte order mark.
        vhost_name: The document is about this vhost, and what is in it belongs there, whatever it says itself. None
            for one about the whole broker.

    Raises:
        Refusal: 400.
    """
    try:
        document = msgspec.json.decode(octets.removeprefix(BOM))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_request("failed_to_parse_json") from None
    if not isinstance(document, dict):
        raise bad_request("failed_to_parse_json")
    sections: dict[str, list[Json]] = {}
    for key in SECTIONS if vhost_name is None else OF_VHOST:
        items = document.get(key)
        if items is None:
            items = []
        if not isinstance(items, list):
            raise bad_request(f"{key}: expected a list")
        for number, item in enumerate(items):
            if not isinstance(item, dict):
                raise bad_request(f"{key}[{number}]: expected an object")
            if vhost_name is not None:
                item["vhost"] = vhost_name
        sections[key] = cast("list[Json]", items)
    version = document.get("rabbitmq_version", document.get("rabbit_version"))
    is_old = isinstance(version, str) and _OLD_VERSION.match(version) is not None
    return Document(sections, MD5 if is_old else SHA256)


def items_of(section: str, documents: list[Json], kind: type[T]) -> Iterator[tuple[str, T, Json]]:
    """Each object of a section: how to name it in a refusal, as a struct, and as it came.

    Raises:
        Refusal: 400, it is not of that shape; naming the object and the key.
    """
    for number, document in enumerate(documents):
        where = _named(section, number, document)
        for key in _OBJECTS:
            if document.get(key) == []:
                document[key] = {}
        try:
            yield where, msgspec.convert(document, kind, strict=False), document
        except msgspec.ValidationError as error:
            raise bad_request(f"{where}: {error}") from None


def _named(section: str, number: int, document: Json) -> str:
    """``queues[3] ('orders' in vhost '/')``."""
    name = document.get("name", document.get("user", document.get("source")))
    vhost = document.get("vhost")
    shown = f"'{name}'" if isinstance(name, str) else ""
    if isinstance(vhost, str):
        shown += f" in vhost '{vhost}'"
    return f"{section}[{number}] ({shown.strip()})" if shown else f"{section}[{number}]"
