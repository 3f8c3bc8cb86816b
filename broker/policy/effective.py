"""What comes out when arguments, a policy and an operator policy meet. RabbitMQ's rules of precedence."""

from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.core.arguments import Field, Table, integer, is_integer
from broker.policy.policy import Policy

_SMALLER_WINS: Final[list[bytes]] = [
    b"consumer-timeout",
    b"expires",
    b"max-length",
    b"max-length-bytes",
    b"message-ttl",
]


def combined(definition: Table, operator_definition: Table) -> Table:
    """A policy's definition and an operator policy's: of two numbers the stricter one, otherwise the operator's."""
    if not operator_definition:
        return definition
    result = dict(definition)
    for key, field in operator_definition.items():
        result[key] = _stricter(key, definition.get(key), field)
    return result


def effective_arguments(arguments: Table, definition: Table, queue_type: bytes) -> Table:
    """The arguments of a queue and what policies add to them, as if all of it had been declared.

    Limits become the stricter of the two; elsewhere the argument wins. The policy wins for all of a stream, and for
    overflow of a quorum queue.
    """
    result = dict(arguments)
    for key, field in definition.items():
        name = b"x-" + key
        argument = arguments.get(name)
        if argument is None or queue_type == b"stream" or (queue_type == b"quorum" and key == b"overflow"):
            result[name] = field
        elif key in _SMALLER_WINS or key == b"delivery-limit":
            result[name] = _stricter(key, argument, field)
    return result


def _stricter(key: bytes, field: Field | None, second: Field) -> Field:
    """The smaller of two numbers; the second of two fields that are none."""
    if field is None or not is_integer(field) or not is_integer(second) or key == b"queue-version":
        return second
    a = integer(field)
    b = integer(second)
    if key == b"delivery-limit" and (a < 0 or b < 0):
        return field if a > b else second  # a negative one is no limit
    return field if a < b else second


@final
@mypyc_attr(native_class=True)
class EffectivePolicy:
    """The policies that apply to one queue or exchange, at most one of each kind. Immutable, shared by all they meet.

    Attributes:
        policy: The user policy.
        operator_policy: The operator policy.
        definition: What the two say together.
    """

    def __init__(self, policy: Policy | None, operator_policy: Policy | None) -> None:
        self.policy: Final = policy
        self.operator_policy: Final = operator_policy
        self.definition: Final = combined(
            {} if policy is None else policy.definition, {} if operator_policy is None else operator_policy.definition
        )

    @property
    def name(self) -> str | None:
        """Name of the user policy."""
        return None if self.policy is None else self.policy.name

    @property
    def operator_name(self) -> str | None:
        """Name of the operator policy."""
        return None if self.operator_policy is None else self.operator_policy.name

    def is_of(self, other: "EffectivePolicy") -> bool:
        """Is it made of the same policies, none of them changed?"""
        return self.policy is other.policy and self.operator_policy is other.operator_policy


NO_POLICY: Final = EffectivePolicy(None, None)
