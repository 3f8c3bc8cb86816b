"""Fanout exchanges: every destination, whatever the key. AMQP 0-9-1 §3.1.3.2."""

from typing import final

from mypy_extensions import mypyc_attr

from broker.core.arguments import Table
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.matches import Matches


@final
@mypyc_attr(native_class=True)
class FanoutExchange(Exchange):
    """Routes everything to everyone bound, once each however many bindings it has."""

    def __init__(self, name: bytes, vhost_name: str, traits: ExchangeTraits) -> None:
        super().__init__(b"fanout", name, vhost_name, traits)

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add every destination."""
        for destination in self.destinations():
            into.add(destination)
