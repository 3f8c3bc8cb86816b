"""Values of AMQP as JSON: whatever a client sent, the answer is valid JSON."""

import base64
import math
from typing import cast

from broker.core.arguments import Field, Table
from broker.metrics.text import shown

Json = dict[str, object]

# Tables nest as deep as the wire lets them; JSON readers give up at some depth, and so does Python's stack.
DEEPEST = 64


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
