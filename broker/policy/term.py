"""Values of a JSON document as RabbitMQ's refusals print them."""

from typing import Final, cast

from broker.core.arguments import erlang_octets

LONGEST: Final = 300
DEEPEST: Final = 8


def printed_json(value: object, depth: int = 0) -> str:
    """The value as an Erlang term: ``<<"foo">>``, ``[1,true]``, ``#{<<"a">> => null}``; a long one is cut."""
    text = _printed(value, depth)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def _printed(value: object, depth: int) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return erlang_octets(value[: LONGEST + 1].encode("utf-8", "replace"))
    if isinstance(value, (dict, list)) and depth >= DEEPEST:
        return "..."
    if isinstance(value, list):
        return "[" + ",".join([_printed(each, depth + 1) for each in cast("list[object]", value)]) + "]"
    if isinstance(value, dict):
        items = cast("dict[str, object]", value)
        parts = [f"{_printed(name, depth)} => {_printed(items[name], depth + 1)}" for name in sorted(items)]
        return "#{" + ",".join(parts) + "}"
    return str(value)
