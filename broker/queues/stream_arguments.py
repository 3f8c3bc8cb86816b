"""What ``queue.declare`` and ``basic.consume`` say to a stream. RabbitMQ's rules and texts."""

from typing import Final, cast, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Field, Table, erlang_term, integer, is_integer, octets, type_name
from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.store.stream_log import LEAST_SEGMENT_BYTES, StreamLimits

# Where a reader begins.
NEXT: Final = 0  # with what is published from now on
FIRST: Final = 1
LAST: Final = 2  # with the last chunk
AT_OFFSET: Final = 3
AT_TIME: Final = 4

_STARTS: Final[dict[bytes, int]] = {b"next": NEXT, b"first": FIRST, b"last": LAST}

# Milliseconds of the units of x-max-age and of an interval in x-stream-offset.
_UNITS: Final[dict[bytes, int]] = {
    b"Y": 365 * 86_400_000,
    b"M": 30 * 86_400_000,
    b"D": 86_400_000,
    b"h": 3_600_000,
    b"m": 60_000,
    b"s": 1000,
}
_MAX_DIGITS: Final = 18
_MAX_INTERVAL_MS: Final = 1 << 62  # longer ones are as good as for ever, and no 64-bit integer

# A stream that is limited to so many octets is cut into at least this many segments, for only whole ones can go.
_LEAST_SEGMENTS: Final = 8


def interval_ms(text: bytes) -> i64:
    """The milliseconds in ``7D``, ``24h`` and the like; -1 if it is none, or no time at all."""
    digits = text[:-1]
    unit = _UNITS.get(text[-1:])
    if unit is None or not digits.isdigit() or len(digits) > _MAX_DIGITS or int(digits) == 0:
        return -1
    return min(int(digits) * unit, _MAX_INTERVAL_MS)


def stream_limits(arguments: Table, default_segment_bytes: i64) -> StreamLimits:
    """How much a stream with these arguments keeps; they have been checked, or come from the journal."""
    max_bytes = _number(arguments, b"x-max-length-bytes")
    segment_bytes = _number(arguments, b"x-stream-max-segment-size-bytes")
    if segment_bytes < 0:
        segment_bytes = default_segment_bytes
        if max_bytes >= 0:
            segment_bytes = max(LEAST_SEGMENT_BYTES, min(segment_bytes, max_bytes // _LEAST_SEGMENTS))
    age = arguments.get(b"x-max-age")
    max_age_ms = interval_ms(octets(age)) if age is not None and age.kind == "S" else -1
    return StreamLimits(segment_bytes, max_bytes, max_age_ms)


def _number(arguments: Table, name: bytes) -> i64:
    field = arguments.get(name)
    return integer(field) if field is not None and is_integer(field) else -1


@final
@mypyc_attr(native_class=True)
class ReaderArguments:
    """What a consumer of a stream asks for.

    Attributes:
        start: NEXT, FIRST, LAST, AT_OFFSET or AT_TIME.
        value: The offset, or the wall clock in milliseconds.
        filters: Filter values wanted; empty for all messages.
        match_unfiltered: Messages without a filter value are wanted as well.
    """

    def __init__(self, arguments: Table, queue_text: str, now_ms: i64) -> None:
        """Read the arguments of ``basic.consume``; those of another type or meaning are ignored, as RabbitMQ does.

        Raises:
            SoftError: 406, an offset that is none.
        """
        self.start: i64 = NEXT
        self.value: i64 = 0
        self.filters: Final[list[bytes]] = _filters(arguments.get(b"x-stream-filter"))
        unfiltered = arguments.get(b"x-stream-match-unfiltered")
        self.match_unfiltered: Final = unfiltered is not None and unfiltered.value is True
        offset = arguments.get(b"x-stream-offset")
        if offset is not None:
            self._read_offset(offset, queue_text, now_ms)

    def _read_offset(self, field: Field, queue_text: str, now_ms: i64) -> None:
        if is_integer(field):
            self.start = AT_OFFSET
            self.value = integer(field)
            return
        if field.kind == "T":
            self.start = AT_TIME
            # Seconds may be anything that 64 bits hold; beyond the year 5000 they are all the same.
            self.value = min(integer(field), 100_000_000_000) * 1000
            return
        if field.kind == "S":
            text = octets(field)
            interval = interval_ms(text)
            if text in _STARTS:
                self.start = _STARTS[text]
                return
            if interval > 0:
                self.start = AT_TIME
                self.value = now_ms - interval
                return
        detail = f"{{invalid_stream_offset_arg,{{{type_name(field)},{erlang_term(field)}}}}}"
        raise SoftError(PRECONDITION_FAILED, f"invalid arg 'x-stream-offset' for {queue_text}: {detail}")


def _filters(field: Field | None) -> list[bytes]:
    if field is None:
        return []
    if field.kind == "S":
        return [octets(field)]
    if field.kind == "A":
        return [octets(item) for item in cast("list[Field]", field.value) if item.kind == "S"]
    return []
