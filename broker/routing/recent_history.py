"""Recent history exchanges: fanouts that give the last messages to whoever is bound later. RabbitMQ's x-recent-history.

The history is in memory and ends with the process, as in RabbitMQ: what must survive belongs in a queue.
"""

from collections import deque
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Field, Table, erlang_term, integer, is_integer
from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.core.message import Enqueuer, Message
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.matches import Matches

KIND: Final = b"x-recent-history"
LENGTH: Final = b"x-recent-history-length"
NO_STORE: Final = b"x-recent-history-no-store"
DEFAULT_LENGTH: Final = 20
# Memory of one history, whatever length a client asks for; the oldest messages go first.
MAX_HISTORY_BYTES: Final = 8 * 1024 * 1024
# What a message costs beside its octets, roughly.
MESSAGE_OVERHEAD: Final = 400


@final
@mypyc_attr(native_class=True)
class RecentHistory(Enqueuer):
    """The last messages of one exchange, the oldest first.

    Attributes:
        messages: Only to be read.
    """

    def __init__(self, exchange_name: bytes, vhost_name: str, length: i64) -> None:
        super().__init__(exchange_name, vhost_name, False, 0, is_aside=True)
        self.messages: Final[deque[Message]] = deque()
        self._length: Final[i64] = length
        self._octets: i64 = 0

    def push(self, message: Message) -> bool:
        """Remember a message. One that is larger than a whole history is passed over."""
        size = _size(message)
        if size > MAX_HISTORY_BYTES:
            return True
        messages = self.messages
        messages.append(message)
        self._octets += size
        while len(messages) > self._length or self._octets > MAX_HISTORY_BYTES:
            self._octets -= _size(messages.popleft())
        return True

    def undo(self, turn_ms: i64) -> None:
        """Forget the messages of the turn that began at ``turn_ms``."""
        messages = self.messages
        while messages and messages[-1].timestamp_ms == turn_ms:
            self._octets -= _size(messages.pop())


@final
@mypyc_attr(native_class=True)
class RecentHistoryExchange(Exchange):
    """Routes everything to everyone bound, and remembers it."""

    def __init__(self, name: bytes, vhost_name: str, traits: ExchangeTraits) -> None:
        """Make it with an empty history.

        Raises:
            SoftError: 406, a length that is none.
        """
        length = traits.arguments.get(LENGTH)
        if length is not None and not (is_integer(length) and integer(length) > 0):
            raise SoftError(
                PRECONDITION_FAILED,
                f"Invalid argument {erlang_term(length)}, 'x-recent-history-length' must be a positive integer",
            )
        super().__init__(KIND, name, vhost_name, traits, needs_headers=True)
        self._history: Final = RecentHistory(name, vhost_name, _length(length))

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add every destination, and the history unless the message does not want to be in it."""
        for destination in self.destinations():
            into.add(destination)
        no_store = None if headers is None else headers.get(NO_STORE)
        if no_store is None or no_store.kind != "t" or no_store.value is not True:
            into.add_aside(self._history)

    def replayed(self) -> list[Message]:
        return list(self._history.messages)

    def undo(self, turn_ms: i64) -> None:
        self._history.undo(turn_ms)


def _length(field: Field | None) -> i64:
    """A length as a number that fits; no history can be so long."""
    return DEFAULT_LENGTH if field is None else min(integer(field), MAX_HISTORY_BYTES)


def _size(message: Message) -> i64:
    return len(message.route) + len(message.header) + len(message.body) + MESSAGE_OVERHEAD
