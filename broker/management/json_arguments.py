"""JSON as arguments of AMQP: what declares, bindings and policies get that come over HTTP."""

from typing import Final, cast

from broker.core.arguments import Field, Table, array, boolean, long, longstr, table

DEEPEST: Final = 32
LONGEST_NAME: Final = 255  # octets of a name in a table
_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1


def arguments_of(document: dict[str, object], depth: int = 0) -> Table:
    """The object as a table, with the types that RabbitMQ gives: integers are of 64 bits, other numbers double.

    Raises:
        ValueError: AMQP cannot hold it. The text says what.
    """
    if depth >= DEEPEST:
        raise ValueError(f"arguments are nested deeper than {DEEPEST}")
    found: Table = {}
    for name, value in document.items():
        octets = name.encode()
        if len(octets) > LONGEST_NAME:
            raise ValueError(f"the name of an argument is longer than {LONGEST_NAME} octets")
        found[octets] = _field(value, depth + 1)
    return found


def _field(value: object, depth: int) -> Field:
    if isinstance(value, bool):
        return boolean(value)
    if isinstance(value, int):
        if not _LEAST <= value <= _MOST:
            raise ValueError("a number in arguments has more than 64 bits")
        return long(value)
    if isinstance(value, float):
        return Field("d", value)
    if isinstance(value, str):
        return longstr(value.encode())
    if isinstance(value, dict):
        return table(arguments_of(cast("dict[str, object]", value), depth))
    if isinstance(value, list):
        if depth >= DEEPEST:
            raise ValueError(f"arguments are nested deeper than {DEEPEST}")
        return array([_field(each, depth + 1) for each in value])
    return Field("V", None)
