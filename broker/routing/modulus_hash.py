"""Modulus hash exchanges: the routing key's hash modulo the number of destinations. RabbitMQ's x-modulus-hash."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table
from broker.core.destination import Destination
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.hashing import in_stable_order, stable_hash
from broker.routing.matches import Matches

KIND: Final = b"x-modulus-hash"


@final
@mypyc_attr(native_class=True)
class ModulusHashExchange(Exchange):
    """Gives each message to one destination by its routing key; a changed number of destinations moves most keys."""

    def __init__(self, name: bytes, vhost_name: str, traits: ExchangeTraits) -> None:
        super().__init__(KIND, name, vhost_name, traits, takes_first_key=True)
        self._choices: list[Destination] = []
        self._is_stale: bool = False

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add the destination that the hash points at."""
        if self._is_stale:
            self._is_stale = False
            self._choices = in_stable_order(list(self.destinations()))
        count: i64 = len(self._choices)
        if count > 0:
            into.add(self._choices[stable_hash(key) % count])

    def attach(self, binding: Binding) -> None:
        """Look at the bindings again before the next message."""
        self._is_stale = True

    def detach(self, binding: Binding) -> None:
        """Look at the bindings again before the next message."""
        self._is_stale = True
