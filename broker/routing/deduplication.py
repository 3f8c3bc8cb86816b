"""Deduplication exchanges: fanouts that drop what they have seen before. The community plugin's interface.

What has been seen is in memory and ends with the process, whatever ``x-cache-persistence`` asks for.
"""

from typing import Final, NoReturn, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Field, Table, integer, is_integer, octets
from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.core.message import Enqueuer, Message
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.matches import Matches
from broker.wire.deduplication import deduplication_key
from broker.wire.properties import header_field

KIND: Final = b"x-message-deduplication"
CACHE_SIZE: Final = b"x-cache-size"
CACHE_TTL: Final = b"x-cache-ttl"
CACHE_PERSISTENCE: Final = b"x-cache-persistence"
# Keys of one exchange, about 200 octets each: more than anybody declares, and still no end of memory.
MAX_CACHE_SIZE: Final = 10_000_000
MAX_TTL_MS: Final = 315_360_000_000  # ten years, as for every duration


@final
@mypyc_attr(native_class=True)
class DeduplicationCache(Enqueuer):
    """The keys of the messages that an exchange has routed, the oldest first.

    A key is remembered when its message is pushed, not when its route is found: one whose publisher is refused, or
    rolls back, has not been seen.
    """

    def __init__(self, exchange_name: bytes, vhost_name: str, size: i64, ttl_ms: i64) -> None:
        """``ttl_ms``: how long keys are remembered whose message does not say; 0 for ever."""
        super().__init__(exchange_name, vhost_name, False, 0, is_aside=True)
        self._size: Final[i64] = size
        self._ttl_ms: Final[i64] = ttl_ms
        self._seen: Final[dict[bytes, tuple[int, int]]] = {}  # when it came, and when it may come again; 0 for never

    def knows(self, key: bytes, now_ms: i64) -> bool:
        """Has a message with this key been seen, and not too long ago?"""
        seen = self._seen.get(key)
        return seen is not None and (seen[1] == 0 or seen[1] > now_ms)

    def push(self, message: Message) -> bool:
        key = deduplication_key(message.header)
        ttl_ms = _positive(header_field(message.header, CACHE_TTL)) or self._ttl_ms
        seen = self._seen
        seen.pop(key, None)  # an expired one: the new one belongs at the end
        if len(seen) >= self._size:
            del seen[next(iter(seen))]
        now_ms = int(message.timestamp_ms)
        seen[key] = (now_ms, now_ms + int(ttl_ms) if ttl_ms > 0 else 0)
        return True

    def undo(self, turn_ms: i64) -> None:
        """Forget the keys of the turn that began at ``turn_ms``."""
        seen = self._seen
        while seen:
            last = next(reversed(seen))
            if seen[last][0] != turn_ms:
                return
            del seen[last]


@final
@mypyc_attr(native_class=True)
class DeduplicationExchange(Exchange):
    """Routes to everyone bound what it has not seen before."""

    def __init__(self, name: bytes, vhost_name: str, traits: ExchangeTraits) -> None:
        """Make it, with nothing seen.

        Raises:
            SoftError: 406, arguments that cannot be.
        """
        arguments = traits.arguments
        size = _positive(arguments.get(CACHE_SIZE))
        if size == 0:
            _refuse("Missing or invalid argument, 'x-cache-size' must be an integer greater than 0")
        if size > MAX_CACHE_SIZE:
            _refuse(f"Invalid argument, 'x-cache-size' must be at most {MAX_CACHE_SIZE}")
        ttl_ms = _positive(arguments.get(CACHE_TTL))
        if ttl_ms == 0 and CACHE_TTL in arguments:
            _refuse("Invalid argument, 'x-cache-ttl' must be an integer greater than 0")
        persistence = arguments.get(CACHE_PERSISTENCE)
        if persistence is not None and (persistence.kind != "S" or octets(persistence) not in {b"disk", b"memory"}):
            _refuse("Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'")
        super().__init__(KIND, name, vhost_name, traits, needs_headers=True, takes_first_key=True)
        self._cache: Final = DeduplicationCache(name, vhost_name, size, ttl_ms)

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add every destination, unless the message is a duplicate."""
        known = deduplication_key(into.header) if into.header else b""
        if known:
            if self._cache.knows(known, into.now_ms):
                return
            into.add_aside(self._cache)
        for destination in self.destinations():
            into.add(destination)

    def undo(self, turn_ms: i64) -> None:
        self._cache.undo(turn_ms)


def _positive(field: Field | None) -> i64:
    """A number above 0 and not above MAX_TTL_MS, also in a string; 0 if it is none."""
    number = 0
    if field is not None and is_integer(field):
        number = integer(field)
    elif field is not None and field.kind == "S" and octets(field).isdigit() and len(octets(field)) < 20:
        number = int(octets(field))
    return min(number, MAX_TTL_MS) if number > 0 else 0


def _refuse(text: str) -> NoReturn:
    raise SoftError(PRECONDITION_FAILED, text)
