"""The arguments of ``queue.declare``: which are known, what they may be, what they mean.

RabbitMQ 4's rules and texts; unknown arguments are accepted, kept and ignored.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Field, Table, integer, is_integer, octets, type_name
from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.queues.stream_arguments import interval_ms

UNLIMITED: Final = -1
MAX_TIME_MS: Final = 315_360_000_000  # ten years: RabbitMQ's limit for every duration
MAX_PRIORITY: Final = 255
DEFAULT_DELIVERY_LIMIT: Final = 20  # of quorum queues, from RabbitMQ 4.0

DROP_HEAD: Final = 0
REJECT_PUBLISH: Final = 1
REJECT_PUBLISH_DLX: Final = 2
_OVERFLOW: Final[dict[bytes, int]] = {
    b"drop-head": DROP_HEAD,
    b"reject-publish": REJECT_PUBLISH,
    b"reject-publish-dlx": REJECT_PUBLISH_DLX,
}

# Where a cluster would place the queue: checked as RabbitMQ does, and without meaning on one machine.
_LOCATORS: Final[list[bytes]] = [b"client-local", b"balanced", b"random", b"least-leaders", b"min-masters"]

CLASSIC: Final = b"classic"
QUORUM: Final = b"quorum"
STREAM: Final = b"stream"
QUEUE_TYPES: Final[list[bytes]] = [CLASSIC, QUORUM, STREAM]

# Arguments that take part in the equivalence of a redeclare. RabbitMQ compares those its queue type knows.
_CLASSIC_ARGUMENTS: Final[list[bytes]] = [
    b"x-queue-type",
    b"x-message-ttl",
    b"x-expires",
    b"x-max-length",
    b"x-max-length-bytes",
    b"x-overflow",
    b"x-dead-letter-exchange",
    b"x-dead-letter-routing-key",
    b"x-single-active-consumer",
    b"x-max-priority",
    b"x-queue-mode",
    b"x-queue-version",
    b"x-delivery-limit",
    b"x-consumer-timeout",
]
_QUORUM_ARGUMENTS: Final[list[bytes]] = [
    b"x-queue-type",
    b"x-message-ttl",
    b"x-expires",
    b"x-max-length",
    b"x-max-length-bytes",
    b"x-overflow",
    b"x-dead-letter-exchange",
    b"x-dead-letter-routing-key",
    b"x-dead-letter-strategy",
    b"x-single-active-consumer",
    b"x-delivery-limit",
    b"x-consumer-timeout",
]
_STREAM_ARGUMENTS: Final[list[bytes]] = [
    b"x-queue-type",
    b"x-max-length-bytes",
    b"x-max-age",
    b"x-stream-max-segment-size-bytes",
    b"x-stream-filter-size-bytes",
    b"x-initial-cluster-size",
    b"x-queue-leader-locator",
]
# Known to another queue type only, and so refused. x-delivery-limit and x-consumer-timeout are accepted on classic
# queues too: a harmless superset, which LavinMQ has as well.
_REFUSED_BY_CLASSIC: Final[list[bytes]] = [
    b"x-dead-letter-strategy",
    b"x-quorum-initial-group-size",
    b"x-max-in-memory-length",
    b"x-max-in-memory-bytes",
    b"x-max-age",
    b"x-stream-max-segment-size-bytes",
    b"x-stream-filter-size-bytes",
    b"x-initial-cluster-size",
]
_REFUSED_BY_QUORUM: Final[list[bytes]] = [
    b"x-max-priority",
    b"x-queue-mode",
    b"x-queue-version",
    b"x-max-age",
    b"x-stream-max-segment-size-bytes",
    b"x-stream-filter-size-bytes",
    b"x-initial-cluster-size",
]


_REFUSED_BY_STREAM: Final[list[bytes]] = [
    b"x-max-length",
    b"x-message-ttl",
    b"x-expires",
    b"x-overflow",
    b"x-single-active-consumer",
    b"x-dead-letter-exchange",
    b"x-dead-letter-routing-key",
    b"x-dead-letter-strategy",
    b"x-delivery-limit",
    b"x-quorum-initial-group-size",
    b"x-max-in-memory-length",
    b"x-max-in-memory-bytes",
    b"x-max-priority",
    b"x-queue-mode",
    b"x-queue-version",
    b"x-queue-master-locator",
]
MAX_STREAM_SEGMENT_BYTES: Final = 3_000_000_000


@final
@mypyc_attr(native_class=True)
class QueueLimits:
    """What the arguments of a queue mean. -1 stands for no limit, where nothing else is said.

    Attributes:
        message_ttl_ms: Longest a message may wait.
        expires_ms: Longest the queue may be unused.
        max_length: Most messages ready.
        max_bytes: Most body octets ready.
        overflow: DROP_HEAD, REJECT_PUBLISH or REJECT_PUBLISH_DLX.
        dead_letter_exchange: Name of the exchange for dead letters; None for none, empty for the default exchange.
        dead_letter_key: Routing key for dead letters; None to keep the message's own.
        max_priority: Highest priority told apart; 0 for a queue without priorities.
        is_quorum: Declared as a quorum queue.
        counts_returns: Messages remember how often they came back.
        delivery_limit: Failed deliveries that a message may have; one more, and it is dead-lettered or dropped.
        is_at_least_once: A dead letter stays until its target has taken it.
        consumer_timeout_ms: Longest that a delivery may be out; 0 for no limit, -1 for the broker's setting.
    """

    def __init__(self, arguments: Table) -> None:
        self.message_ttl_ms: Final[i64] = _number(arguments, b"x-message-ttl")
        self.expires_ms: Final[i64] = _number(arguments, b"x-expires")
        self.max_length: Final[i64] = _number(arguments, b"x-max-length")
        self.max_bytes: Final[i64] = _number(arguments, b"x-max-length-bytes")
        self.is_quorum: Final = queue_type(arguments) == QUORUM
        overflow = _OVERFLOW.get(_text(arguments, b"x-overflow") or b"drop-head", DROP_HEAD)
        if self.is_quorum and overflow == REJECT_PUBLISH_DLX:
            overflow = DROP_HEAD  # as RabbitMQ's
        self.overflow: Final[i64] = overflow
        self.dead_letter_exchange: Final = _text(arguments, b"x-dead-letter-exchange")
        self.dead_letter_key: Final = _text(arguments, b"x-dead-letter-routing-key")
        self.max_priority: Final[i64] = max(_number(arguments, b"x-max-priority"), 0)
        limit = _number(arguments, b"x-delivery-limit")
        if self.is_quorum and not _has_integer(arguments, b"x-delivery-limit"):
            limit = DEFAULT_DELIVERY_LIMIT
        # On a classic queue the argument asks for the counts as well as for the limit.
        self.counts_returns: Final = self.is_quorum or _has_integer(arguments, b"x-delivery-limit")
        self.delivery_limit: Final[i64] = max(limit, UNLIMITED)
        self.is_at_least_once: Final = (
            _text(arguments, b"x-dead-letter-strategy") == b"at-least-once"
            and self.is_quorum
            and self.overflow == REJECT_PUBLISH
            and self.dead_letter_exchange is not None
        )
        self.consumer_timeout_ms: Final[i64] = max(_number(arguments, b"x-consumer-timeout"), UNLIMITED)


def _has_integer(arguments: Table, name: bytes) -> bool:
    field = arguments.get(name)
    return field is not None and is_integer(field)


def _number(arguments: Table, name: bytes) -> i64:
    field = arguments.get(name)
    if field is None or not is_integer(field):
        return UNLIMITED
    return integer(field)


def _text(arguments: Table, name: bytes) -> bytes | None:
    field = arguments.get(name)
    if field is None or field.kind != "S":
        return None
    return octets(field)


def queue_type(arguments: Table) -> bytes:
    """The type asked for; absent, empty and ``undefined`` mean classic."""
    if not names_queue_type(arguments):
        return CLASSIC
    return _text(arguments, b"x-queue-type") or CLASSIC


def names_queue_type(arguments: Table) -> bool:
    """Is a type asked for, and not left to the vhost's default?"""
    field = arguments.get(b"x-queue-type")
    if field is None or field.kind != "S":
        return field is not None
    return octets(field) not in {b"", b"undefined"}


def compared_arguments(arguments: Table) -> list[bytes]:
    """Names that a redeclare of a queue with these arguments must repeat."""
    kind = queue_type(arguments)
    if kind == STREAM:
        return _STREAM_ARGUMENTS
    return _QUORUM_ARGUMENTS if kind == QUORUM else _CLASSIC_ARGUMENTS


def check_arguments(arguments: Table, queue_text: str) -> None:
    """Refuse arguments that RabbitMQ refuses.

    Args:
        arguments: As they were declared.
        queue_text: The queue as reply texts name it.

    Raises:
        SoftError: 406, with RabbitMQ's detail.
    """
    exchange = arguments.get(b"x-dead-letter-exchange")
    if exchange is not None and exchange.kind != "S":
        text = f"invalid type '{type_name(exchange)}' for arg 'x-dead-letter-exchange' in {queue_text}"
        raise SoftError(PRECONDITION_FAILED, text)
    kind = arguments.get(b"x-queue-type")
    if kind is not None and kind.kind != "S":
        raise _invalid(b"x-queue-type", queue_text, f'"expected string, got {type_name(kind)}"')
    chosen = queue_type(arguments)
    if chosen not in {CLASSIC, QUORUM, STREAM}:
        detail = f"\"unsupported queue type '{chosen.decode('utf-8', 'replace')}'\""
        raise _invalid(b"x-queue-type", queue_text, detail)
    refused = _REFUSED_BY_CLASSIC
    if chosen == STREAM:
        refused = _REFUSED_BY_STREAM
    elif chosen == QUORUM:
        refused = _REFUSED_BY_QUORUM
    for name in refused:
        if name in arguments:
            text = f"invalid arg '{name.decode()}' for {queue_text} of queue type rabbit_{chosen.decode()}_queue"
            raise SoftError(PRECONDITION_FAILED, text)
    for name in arguments:
        detail = _objection(name, arguments[name], arguments)
        if detail:
            raise _invalid(name, queue_text, detail)
    segment = arguments.get(b"x-stream-max-segment-size-bytes")
    if segment is not None and integer(segment) > MAX_STREAM_SEGMENT_BYTES:
        raise SoftError(PRECONDITION_FAILED, "Exceeded max value for x-stream-max-segment-size-bytes")
    filter_size = arguments.get(b"x-stream-filter-size-bytes")
    if filter_size is not None and not 16 <= integer(filter_size) <= 255:
        raise SoftError(PRECONDITION_FAILED, "Invalid value for x-stream-filter-size-bytes")


def _invalid(name: bytes, queue_text: str, detail: str) -> SoftError:
    return SoftError(PRECONDITION_FAILED, f"invalid arg '{name.decode()}' for {queue_text}: {detail}")


def _objection(name: bytes, field: Field, arguments: Table) -> str:
    """What is wrong with one argument, in RabbitMQ's words; empty if nothing is."""
    if name == b"x-message-ttl":
        return _time_objection(field, 0)
    if name == b"x-expires":
        return _time_objection(field, 1)
    if name in {b"x-max-length", b"x-max-length-bytes", b"x-max-in-memory-length", b"x-max-in-memory-bytes"}:
        return integer_objection(field)
    if name in {b"x-stream-max-segment-size-bytes", b"x-stream-filter-size-bytes"}:
        return integer_objection(field)
    if name == b"x-initial-cluster-size":
        objection = integer_objection(field)
        return "{value_zero,0}" if not objection and integer(field) == 0 else objection
    if name == b"x-max-age":
        if field.kind != "S":
            return f"{{unacceptable_type,{type_name(field)}}}"
        return "" if interval_ms(octets(field)) > 0 else "invalid_max_age"
    if name in {b"x-consumer-timeout", b"x-consumer-disconnected-timeout"}:
        return integer_objection(field)
    if name == b"x-max-priority":
        objection = integer_objection(field)
        if not objection and integer(field) > MAX_PRIORITY:
            return f"{{max_value_exceeded,{integer(field)}}}"
        return objection
    if name == b"x-overflow":
        return _choice_objection(field, list(_OVERFLOW), "invalid_overflow")
    if name == b"x-dead-letter-routing-key":
        if field.kind != "S":
            return f"{{unacceptable_type,{type_name(field)}}}"
        return "" if b"x-dead-letter-exchange" in arguments else "routing_key_but_no_dlx_defined"
    if name == b"x-dead-letter-strategy":
        return _choice_objection(field, [b"at-most-once", b"at-least-once"], "invalid_dlx_strategy")
    if name == b"x-queue-leader-locator":
        return _choice_objection(field, _LOCATORS, "invalid_queue_locator_arg")
    if name == b"x-single-active-consumer":
        return "" if field.kind == "t" else f"{{unacceptable_type,{type_name(field)}}}"
    if name == b"x-queue-version":
        objection = integer_objection(field)
        if not objection and integer(field) not in {1, 2}:
            return f"\"unsupported queue version '{integer(field)}'\""
        return objection
    return ""


def integer_objection(field: Field) -> str:
    """What is wrong with an argument that must be a whole number, 0 or more; empty if nothing is."""
    if not is_integer(field):
        return f'"expected integer, got {type_name(field)}"'
    if integer(field) < 0:
        return f"{{value_negative,{integer(field)}}}"
    return ""


def _time_objection(field: Field, least: int) -> str:
    objection = integer_objection(field)
    if objection:
        return objection
    value = integer(field)
    if value < least:
        return f"{{value_zero,{value}}}"
    if value > MAX_TIME_MS:
        return f"{{value_too_large,{value}}}"
    return ""


def _choice_objection(field: Field, choices: list[bytes], otherwise: str) -> str:
    if field.kind != "S":
        return f"{{unacceptable_type,{type_name(field)}}}"
    return "" if octets(field) in choices else otherwise
