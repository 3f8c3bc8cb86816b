"""The routing keys of a message that is routed again: its own, and those of CC."""

from typing import cast

from broker.core.arguments import Field, Table, octets
from broker.core.message import Message


def exchange_and_key(route: bytes) -> tuple[bytes, bytes]:
    """Exchange and routing key out of two short strings."""
    size = route[0]
    return route[1 : 1 + size], route[2 + size :]


def copy_keys(headers: Table, name: bytes) -> list[bytes]:
    """The keys in CC or BCC. Items that are no strings are ignored."""
    field = headers.get(name)
    if field is None or field.kind != "A":
        return []
    return [octets(item) for item in cast("list[Field]", field.value) if item.kind == "S"]


def routing_keys(message: Message, headers: Table) -> list[bytes]:
    """The message's own key first, then its copies'."""
    return [exchange_and_key(message.route)[1], *copy_keys(headers, b"CC")]
