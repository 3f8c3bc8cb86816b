"""Delayed message exchanges: a message with the header x-delay is routed so many milliseconds later.

The interface of RabbitMQ's community plugin (type ``x-delayed-message``, argument ``x-delayed-type``), and LavinMQ's
(argument ``x-delayed-exchange`` on any other type). Where the messages wait is the vhost's affair.
"""

from typing import Final, cast, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Field, Table, integer, is_integer, octets
from broker.core.message import Enqueuer, Message
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.matches import Matches

KIND: Final = b"x-delayed-message"
DELAYED_TYPE: Final = b"x-delayed-type"
DELAYED_EXCHANGE: Final = b"x-delayed-exchange"
X_DELAY: Final = b"x-delay"
MAX_DELAY_MS: Final = 0xFFFF_FFFF


@final
@mypyc_attr(native_class=True)
class DelayedExchange(Exchange):
    """An exchange of another type, with a place to wait before it.

    Attributes:
        line: Where delayed messages wait. The vhost sets it before anything is published.
    """

    def __init__(self, kind: bytes, inner: Exchange, traits: ExchangeTraits) -> None:
        """Make it.

        Args:
            kind: What it was declared as.
            inner: Routes what need not wait. It has the same name, and nobody else knows it.
            traits: As declared.
        """
        super().__init__(
            kind,
            inner.name,
            inner.vhost_name,
            traits,
            needs_headers=True,
            takes_first_key=inner.takes_first_key,
        )
        self._inner: Final = inner
        self.line: Enqueuer | None = None

    def check_binding(self, key: bytes, arguments: Table) -> None:
        self._inner.check_binding(key, arguments)

    def check_queue_type(self, queue_type: bytes) -> None:
        self._inner.check_queue_type(queue_type)

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add the line for a message that is to wait, and otherwise what the inner exchange finds.

        When it has waited, the sign of its x-delay is turned, and it is routed from here again.
        """
        line = self.line
        if line is not None and headers is not None and delay_of(headers.get(X_DELAY)) > 0:
            into.add(line)
        else:
            self._inner.collect(key, headers, into)

    def replayed(self) -> list[Message]:
        return self._inner.replayed()

    def undo(self, turn_ms: i64) -> None:
        self._inner.undo(turn_ms)

    def attach(self, binding: Binding) -> None:
        """Bind the inner exchange too."""
        self._inner.add(binding.destination, binding.key, binding.arguments)

    def detach(self, binding: Binding) -> None:
        """Unbind the inner exchange too."""
        self._inner.remove(binding.destination, binding.key, binding.arguments)


def delay_of(field: Field | None) -> i64:
    """The milliseconds that an x-delay asks for; 0 if it is none, is not positive, or above MAX_DELAY_MS.

    As the plugin: an integer of any width, a number in a string, or a float without what is behind its point.
    """
    if field is None:
        return 0
    if is_integer(field):
        delay = integer(field)
    elif field.kind == "S" and octets(field).isdigit() and len(octets(field)) < 20:
        delay = int(octets(field))
    elif field.kind in {"d", "f"}:
        delay = int(cast("float", field.value))
    else:
        return 0
    return delay if 0 < delay <= MAX_DELAY_MS else 0
