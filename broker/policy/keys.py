"""What a policy may say: the keys, the values each may have, and which queue types know them. RabbitMQ 4's."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Field, long, longstr

MAX_TIME_MS: Final = 315_360_000_000  # ten years, as for the arguments of a declare
MAX_NUMBER: Final = 2**53
LONGEST_TEXT: Final = 255  # exchange names and routing keys are short strings on the wire

_AGE_UNITS: Final = "YMDhms"


@mypyc_attr(native_class=True)
class PolicyKey:
    """The values of one key.

    Attributes:
        refusal: What a refusal says behind the value.
        is_operators: Operator policies may hold it, too.
    """

    def __init__(self, refusal: str, is_operators: bool) -> None:
        self.refusal: Final = refusal
        self.is_operators: Final = is_operators

    def field(self, value: object) -> Field | None:
        """The value of a JSON document as an argument; None if it is not acceptable."""
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class NumberKey(PolicyKey):
    """A whole number between two others."""

    def __init__(self, refusal: str, least: int = 0, most: int = MAX_NUMBER, is_operators: bool = False) -> None:
        super().__init__(f"is not a valid {refusal}", is_operators)
        self._least: Final[i64] = least
        self._most: Final[i64] = most

    def field(self, value: object) -> Field | None:
        if isinstance(value, bool) or not isinstance(value, int):
            return None
        return long(value) if int(self._least) <= value <= int(self._most) else None


@final
@mypyc_attr(native_class=True)
class TextKey(PolicyKey):
    """A string; if there are choices, one of them."""

    def __init__(self, refusal: str, choices: list[str] | None = None, is_operators: bool = False) -> None:
        super().__init__(refusal, is_operators)
        self._choices: Final = choices

    def field(self, value: object) -> Field | None:
        if not isinstance(value, str) or (self._choices is not None and value not in self._choices):
            return None
        octets = value.encode("utf-8", "replace")
        return longstr(octets) if len(octets) <= LONGEST_TEXT else None


@final
@mypyc_attr(native_class=True)
class AgeKey(PolicyKey):
    """A duration such as ``7D``."""

    def __init__(self) -> None:
        super().__init__("is not a valid max age", False)

    def field(self, value: object) -> Field | None:
        if not isinstance(value, str) or len(value) < 2 or len(value) > 19:
            return None
        number = value[:-1]
        return longstr(value.encode()) if number.isascii() and number.isdigit() and value[-1] in _AGE_UNITS else None


POLICY_KEYS: Final[dict[str, PolicyKey]] = {
    "alternate-exchange": TextKey("is not a valid alternate exchange name"),
    "consumer-disconnected-timeout": NumberKey("consumer disconnected timeout"),
    "consumer-timeout": NumberKey("consumer timeout"),
    "dead-letter-exchange": TextKey("is not a valid dead letter exchange name"),
    "dead-letter-routing-key": TextKey("is not a valid dead letter routing key"),
    "dead-letter-strategy": TextKey("is not a valid dead letter strategy", ["at-most-once", "at-least-once"]),
    "delayed-retry-max": NumberKey("delayed retry maximum", most=MAX_TIME_MS),
    "delayed-retry-min": NumberKey("delayed retry minimum", most=MAX_TIME_MS),
    "delayed-retry-type": TextKey("is not a valid delayed retry type", ["all", "failed", "returned", "disabled"]),
    "delivery-limit": NumberKey("delivery limit", -MAX_NUMBER, is_operators=True),
    "expires": NumberKey("queue expiry", 1, MAX_TIME_MS, is_operators=True),
    "initial-cluster-size": NumberKey("cluster size"),
    "max-age": AgeKey(),
    "max-in-memory-bytes": NumberKey("maximum memory in bytes", is_operators=True),
    "max-in-memory-length": NumberKey("maximum memory in bytes", is_operators=True),
    "max-length": NumberKey("maximum length", is_operators=True),
    "max-length-bytes": NumberKey("maximum length in bytes", is_operators=True),
    "message-ttl": NumberKey("message TTL", 0, MAX_TIME_MS, is_operators=True),
    "overflow": TextKey(
        "is not a valid overflow value", ["drop-head", "reject-publish", "reject-publish-dlx"], is_operators=True
    ),
    "queue-leader-locator": TextKey(
        "is not a valid queue leader locator value", ["client-local", "balanced", "random", "least-leaders"]
    ),
    "queue-master-locator": TextKey("invalid queue-master-locator value", ["client-local", "min-masters", "random"]),
    "queue-mode": TextKey("is not a valid queue-mode value", ["default", "lazy"]),
    "queue-version": NumberKey("queue-version value", 1, 2, is_operators=True),
    "stream-filter-size-bytes": NumberKey("filter size", 16, 255),
    "stream-max-segment-size-bytes": NumberKey("segment size"),
    "target-group-size": NumberKey("qq target count value", 1, is_operators=True),
}

# A policy that holds one of these does not apply to a queue of that type at all.
_STREAMS_ONLY: Final[list[bytes]] = [
    b"initial-cluster-size",
    b"max-age",
    b"stream-filter-size-bytes",
    b"stream-max-segment-size-bytes",
]
_QUORUM_ONLY: Final[list[bytes]] = [
    b"consumer-disconnected-timeout",
    b"dead-letter-strategy",
    b"delayed-retry-max",
    b"delayed-retry-min",
    b"delayed-retry-type",
    b"delivery-limit",
    b"target-group-size",
]
_MEMORY: Final[list[bytes]] = [b"max-in-memory-bytes", b"max-in-memory-length"]
_CLASSIC_ONLY: Final[list[bytes]] = [b"queue-master-locator", b"queue-mode"]
_MESSAGES: Final[list[bytes]] = [
    b"consumer-timeout",
    b"dead-letter-exchange",
    b"dead-letter-routing-key",
    b"expires",
    b"max-length",
    b"message-ttl",
    b"overflow",
]
UNSUPPORTED: Final[dict[bytes, list[bytes]]] = {
    b"classic": _STREAMS_ONLY + _QUORUM_ONLY + _MEMORY,
    b"quorum": _STREAMS_ONLY + _CLASSIC_ONLY,
    b"stream": _QUORUM_ONLY + _CLASSIC_ONLY + _MEMORY + _MESSAGES,
}
