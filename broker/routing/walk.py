"""From an exchange to queues: through exchange-to-exchange bindings and alternate exchanges.

Both may form cycles. Every exchange is asked once and every queue is given once, however many paths lead there.
"""

from typing import cast

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table
from broker.core.destination import Destination
from broker.routing.exchange import Exchange
from broker.routing.matches import Matches


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class ExchangeLookup:
    """What the walk asks the vhost."""

    def find_exchange(self, name: bytes) -> Exchange | None:
        """The exchange of that name, None if there is none."""
        raise NotImplementedError


def find_queues(source: Exchange, key: bytes, headers: Table | None, lookup: ExchangeLookup) -> list[Destination]:
    """The queues a message goes to, each once; empty when it is unroutable.

    Args:
        source: The exchange published to.
        key: The routing key.
        headers: The message's headers, None if absent or if ``depends_on_headers`` said they do not matter.
        lookup: Finds alternate exchanges.
    """
    return find_queues_for_keys(source, [key], headers, lookup)


def find_queues_for_keys(
    source: Exchange,
    keys: list[bytes],
    headers: Table | None,
    lookup: ExchangeLookup,
    header: bytes = b"",
    now_ms: i64 = 0,
) -> list[Destination]:
    """The same for a message with several routing keys: its own, and those of CC and BCC.

    Not the union of one walk per key: an exchange that matches any of the keys does not pass the others on to its
    alternate exchange.

    Args:
        source: The exchange published to.
        keys: The routing keys, the message's own first.
        headers: As for ``find_queues``.
        lookup: Finds alternate exchanges.
        header: The content header, for exchanges that look at properties.
        now_ms: The turn's wall clock, for exchanges that remember.

    Returns:
        The queues, and behind them what looks on (``Enqueuer.is_aside``).
    """
    matches = Matches(header, now_ms)
    matches.add(source)
    found = matches.found  # grows while it is gone through: what an exchange leads to comes after it
    queues: list[Destination] = []
    at: i64 = 0
    while at < len(found):
        destination = found[at]
        at += 1
        if not destination.is_exchange:
            queues.append(destination)
            continue
        exchange = cast("Exchange", destination)
        hits_before = matches.hits
        if exchange.takes_first_key:
            exchange.collect(keys[0], headers, matches)
        else:
            for key in keys:
                exchange.collect(key, headers, matches)
        if matches.hits == hits_before and exchange.alternate:
            alternate = lookup.find_exchange(exchange.alternate)
            if alternate is not None:
                matches.add(alternate)
    queues.extend(matches.asides)
    return queues


def depends_on_headers(source: Exchange, lookup: ExchangeLookup) -> bool:
    """Whether any exchange that a message may come by from here looks at headers.

    If so, its route must not be remembered by routing key.
    """
    ahead = Matches()
    ahead.add(source)
    found = ahead.found
    at: i64 = 0
    while at < len(found):
        exchange = cast("Exchange", found[at])
        at += 1
        if exchange.needs_headers:
            return True
        ahead.add_all(exchange.bound_exchanges())
        if exchange.alternate:
            alternate = lookup.find_exchange(exchange.alternate)
            if alternate is not None:
                ahead.add(alternate)
    return False
