"""One policy, and how one is read from a JSON document. RabbitMQ's rules and texts."""

from typing import Final, cast, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Field, Table
from broker.core.pattern import compiled_pattern
from broker.policy.keys import MAX_NUMBER, POLICY_KEYS, UNSUPPORTED
from broker.policy.term import printed_json

LONGEST_NAME: Final = 255  # octets of a policy's name, as of every name

ALL: Final = "all"
EXCHANGES: Final = "exchanges"
QUEUES: Final = "queues"
_OF_TYPE: Final[dict[bytes, str]] = {b"classic": "classic_queues", b"quorum": "quorum_queues", b"stream": "streams"}
APPLY_TO: Final[list[str]] = [QUEUES, *_OF_TYPE.values(), EXCHANGES, ALL]


class PolicyRefused(Exception):  # noqa: N818 - the operator's mistake, nobody's error here
    """A policy or a limit that cannot be. Its text is RabbitMQ's."""


@final
@mypyc_attr(native_class=True)
class Policy:
    """Arguments for everything in a vhost whose name matches. Immutable.

    Attributes:
        vhost_name: Where it applies.
        name: Its own name.
        pattern: Regular expression, searched in names.
        apply_to: One of ``APPLY_TO``.
        priority: The highest that matches applies, and no other.
        definition: Keys without ``x-``, and their values.
        is_operator: It is an operator policy; they have names of their own, and one applies beside the other kind.
    """

    def __init__(
        self,
        vhost_name: str,
        name: str,
        pattern: str,
        apply_to: str,
        priority: i64,
        definition: Table,
        is_operator: bool,
    ) -> None:
        """Make a policy of what ``read_policy`` has checked.

        Raises:
            ValueError: The pattern cannot be used.
        """
        self.vhost_name: Final = vhost_name
        self.name: Final = name
        self.pattern: Final = pattern
        self.apply_to: Final = apply_to
        self.priority: Final[i64] = priority
        self.definition: Final = definition
        self.is_operator: Final = is_operator
        self._regex: Final = compiled_pattern(pattern)

    def covers_exchange(self, name: bytes) -> bool:
        """May it apply to the exchange of that name?"""
        return self.apply_to in {ALL, EXCHANGES} and self._regex.search(name) is not None

    def covers_queue(self, name: bytes, queue_type: bytes) -> bool:
        """May it apply to the queue of that name and type? Not if it holds a key which that type does not support."""
        if self.apply_to not in {ALL, QUEUES} and self.apply_to != _OF_TYPE.get(queue_type):
            return False
        for key in UNSUPPORTED.get(queue_type, []):
            if key in self.definition:
                return False
        return self._regex.search(name) is not None


def read_policy(vhost_name: str, name: str, document: dict[str, object], is_operator: bool) -> Policy:
    """The policy that a JSON document describes.

    Args:
        vhost_name: Where it will apply.
        name: Its name.
        document: ``pattern`` and ``definition``; ``priority`` and ``apply-to`` may be left out. Numbers may come as
            strings, as old tools send them. Other keys are ignored.
        is_operator: It is to be an operator policy.

    Raises:
        PolicyRefused: Everything that is wrong with it, a line each.
    """
    pattern = document.get("pattern")
    apply_to = document.get("apply-to", ALL)
    given_priority = document.get("priority", 0)
    priority = _whole_number(given_priority)
    definition: Table = {}
    objections = [
        "" if 0 < len(name.encode("utf-8", "replace")) <= LONGEST_NAME else "the name must have 1 to 255 octets",
        _read_definition(document.get("definition"), is_operator, definition),
        _apply_to_objection(apply_to),
        _pattern_objection(pattern),
        "" if priority is not None else f"priority should be a number, actually was {printed_json(given_priority)}",
    ]
    lines = [objection for objection in objections if objection]
    if lines:
        raise validation_failed(lines)
    return Policy(
        vhost_name,
        name,
        cast("str", pattern),
        cast("str", apply_to),
        cast("int", priority),
        definition,
        is_operator,
    )


def validation_failed(objections: list[str]) -> PolicyRefused:
    """RabbitMQ's text for parameters that it does not accept."""
    lines = "\n".join(objections)
    return PolicyRefused(f"Validation failed\n\n{lines}\n")


def _read_definition(value: object, is_operator: bool, into: Table) -> str:
    """Put the definition ``into`` a table; returns what is wrong with it."""
    if not isinstance(value, dict):
        return f"definition must be a dictionary: {printed_json(value)}"
    if not value:
        return "no policy provided"
    unknown: list[str] = []
    for name in sorted(cast("dict[str, object]", value)):
        key = POLICY_KEYS.get(name)
        if key is None or (is_operator and not key.is_operators):
            unknown.append(f"{{{printed_json(name)},{printed_json(value[name])}}}")
            continue
        field: Field | None = key.field(value[name])
        if field is None:
            return f"{printed_json(value[name])} {key.refusal}"
        into[name.encode()] = field
    if unknown:
        return f"[{','.join(unknown)}] are not recognised policy settings"
    return ""


def _apply_to_objection(value: object) -> str:
    if isinstance(value, str):
        if value in APPLY_TO:
            return ""
        shown = value
    else:
        shown = printed_json(value)
    return (
        f"apply-to '{shown}' unrecognised; should be one of: 'queues', 'classic_queues', 'quorum_queues', 'streams', "
        "'exchanges', or 'all'"
    )


def _pattern_objection(value: object) -> str:
    if not isinstance(value, str):
        return f"pattern should be a binary but was {printed_json(value)}"
    try:
        compiled_pattern(value)
    except ValueError as error:
        return f"pattern should be regular expression but is invalid: {error}"
    return ""


def _whole_number(value: object) -> int | None:
    """The number, which may be in a string; None for anything else, and for one that no priority needs."""
    if isinstance(value, str):
        digits = value.removeprefix("-")
        return int(value) if digits.isascii() and digits.isdigit() and len(digits) <= 15 else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -MAX_NUMBER <= value <= MAX_NUMBER else None
