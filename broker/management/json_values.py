"""Values of AMQP as JSON, and back: whatever a client sent, the answer is valid JSON."""

import base64
import math
from typing import cast

from broker.core.arguments import Field, Table, array, boolean, long, longstr
from broker.core.arguments import table as table_field
from broker.management.refusals import bad_request
from broker.metrics.text import shown

Json = dict[str, object]

# Tables nest as deep as the wire lets them; JSON readers give up at some depth, and so does Python's stack.
DEEPEST = 64
LONGEST_KEY = 255  # octets of a name in a field table


def json_table(table: Table, depth: int = 0) -> Json:
    """A field table as an object. Always an object: RabbitMQ's empty list breaks typed clients."""
    return {shown(name): json_value(field, depth + 1) for name, field in table.items()}


def json_value(field: Field, depth: int = 0) -> object:
    """One value.

    Strings are text; binaries, and strings that are not UTF-8, get a readable form, as JSON has no octets. Numbers that
    JSON does not know (infinite, not a number) are null.
    """
    value = field.value
    kind = field.kind
    if depth > DEEPEST:
        return None
    if kind == "F":
        return json_table(cast("Table", value), depth)
    if kind == "A":
        return [json_value(each, depth + 1) for each in cast("list[Field]", value)]
    if kind == "x":
        return base64.b64encode(cast("bytes", value)).decode("ascii")
    if isinstance(value, bytes):
        return shown(value)
    if isinstance(value, tuple):
        scale, digits = cast("tuple[int, int]", value)
        return digits / 10**scale
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value


def table_of(given: object, what: str, depth: int = 0, *, takes_null: bool = False) -> Table:
    """A JSON object as a field table. Nothing, and RabbitMQ's empty list, is an empty one.

    Args:
        given: As it was decoded.
        what: Its name, for a refusal.
        depth: How many objects and arrays are around it.
        takes_null: Null is a void, which clients can put into tables, and not a mistake.

    Raises:
        Refusal: 400, it is no object, or holds what AMQP does not know.
    """
    if given is None or given == []:
        return {}
    if not isinstance(given, dict):
        raise bad_request(f"{what} is not an object")
    table: Table = {}
    for name, value in given.items():
        octets = str(name).encode()
        if len(octets) > LONGEST_KEY:
            raise bad_request(f"a name in {what} is longer than {LONGEST_KEY} octets")
        table[octets] = _field_of(value, what, depth + 1, takes_null)
    return table


def _field_of(value: object, what: str, depth: int, takes_null: bool) -> Field:
    """One value with RabbitMQ's choice of types: every integer is a long, every fraction a double."""
    if depth > DEEPEST:
        raise bad_request(f"{what} is nested deeper than {DEEPEST} levels")
    if isinstance(value, bool):
        return boolean(value)
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise bad_request(f"{what} holds an integer of more than 64 bits")
        return long(value)
    if isinstance(value, float):
        return Field("d", value)
    if isinstance(value, str):
        return longstr(value.encode())
    if isinstance(value, list):
        return array([_field_of(each, what, depth + 1, takes_null) for each in value])
    if isinstance(value, dict):
        return table_field(table_of(value, what, depth, takes_null=takes_null))
    if value is None and takes_null:
        return Field("V", None)
    raise bad_request("null_not_allowed")
