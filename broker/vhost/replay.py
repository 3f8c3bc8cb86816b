"""Messages that an exchange remembers, for a destination that has just been bound to it."""

from typing import cast

from mypy_extensions import i64

from broker.core.destination import Destination
from broker.core.message import Enqueuer, Message
from broker.routing.exchange import Exchange
from broker.routing.walk import ExchangeLookup, find_queues_for_keys
from broker.vhost.routing_keys import routing_keys
from broker.wire.properties import headers_of


def replay(messages: list[Message], destination: Destination, lookup: ExchangeLookup, now_ms: i64) -> None:
    """Give each message to a queue, or route it from an exchange, as if it had been published now."""
    for old in messages:
        message = Message(
            old.route, old.header, old.body, old.is_persistent, now_ms, old.priority, old.ttl_ms, old.is_dead_letter
        )
        targets: list[Destination] = [destination]
        if destination.is_exchange:
            headers = headers_of(old.header) or {}
            source = cast("Exchange", destination)
            targets = find_queues_for_keys(source, routing_keys(old, headers), headers, lookup, old.header, now_ms)
        for target in targets:
            cast("Enqueuer", target).push(message)
