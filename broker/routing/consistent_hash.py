"""Consistent hash exchanges: equal routing keys, headers or properties go the same way. RabbitMQ's x-consistent-hash.

Each message goes to the destination that wins a draw: every destination gets a number out of the hash of the message
and its own name, and the highest number, weighted, wins (rendezvous hashing). A new destination takes what it now wins
from all others, in proportion, and moves nothing else; one that goes gives back only what it had.

Chosen over a ring of virtual points: a ring needs hundreds of points for each unit of weight before the shares come
near the weights, and the weight is a client's choice. Here a weight costs nothing and the shares are exact. The price
is a look at every destination, 5 to 20 ns each, for a message whose route is not cached.
"""

import math
import re
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table, canonical_value, erlang_octets, octets, type_name
from broker.core.destination import Destination, resource_text
from broker.core.errors import PRECONDITION_FAILED, SoftError
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.hashing import HASH_BITS, identity, in_stable_order, mixed, stable_hash
from broker.routing.matches import Matches
from broker.wire.properties import FLAG_CORRELATION_ID, FLAG_MESSAGE_ID, FLAG_TIMESTAMP, property_octets

HASH_HEADER: Final = b"hash-header"
HASH_PROPERTY: Final = b"hash-property"

_PROPERTIES: Final[dict[bytes, int]] = {
    b"correlation_id": FLAG_CORRELATION_ID,
    b"message_id": FLAG_MESSAGE_ID,
    b"timestamp": FLAG_TIMESTAMP,
}
_INTEGER: Final = re.compile(rb"[+-]?[0-9]+")
_SPAN: Final = float(1 << HASH_BITS)


@final
@mypyc_attr(native_class=True)
class _Candidate:
    """One destination in the draw.

    Attributes:
        destination: Where it leads.
        seed: Hash of its name.
        weight: Its share, in proportion to those of the others.
    """

    def __init__(self, destination: Destination, weight: float) -> None:
        self.destination: Final = destination
        self.seed: Final[i64] = stable_hash(identity(destination))
        self.weight: Final = weight


@final
@mypyc_attr(native_class=True)
class ConsistentHashExchange(Exchange):
    """Gives each message to one destination, chosen by a hash. The binding key is the destination's weight."""

    def __init__(self, name: bytes, vhost_name: str, traits: ExchangeTraits) -> None:
        """Make it.

        Raises:
            SoftError: 406, arguments that cannot be.
        """
        header = _text_argument(traits.arguments, HASH_HEADER, name, vhost_name)
        wanted = _text_argument(traits.arguments, HASH_PROPERTY, name, vhost_name)
        if header and wanted:
            raise SoftError(PRECONDITION_FAILED, "hash-header and hash-property are mutually exclusive")
        if wanted and wanted not in _PROPERTIES:
            raise SoftError(PRECONDITION_FAILED, f"Unsupported property: {wanted.decode('utf-8', 'replace')}")
        super().__init__(
            b"x-consistent-hash",
            name,
            vhost_name,
            traits,
            needs_headers=bool(header or wanted),
            takes_first_key=True,
        )
        self._header: Final = header
        self._property: Final[i64] = _PROPERTIES.get(wanted, 0)
        self._candidates: list[_Candidate] = []
        self._is_weighted: bool = False
        self._is_stale: bool = False

    def check_binding(self, key: bytes, arguments: Table) -> None:
        """Refuse a weight that is none.

        Raises:
            SoftError: 406, in RabbitMQ's words.
        """
        if _INTEGER.fullmatch(key) is None:
            raise SoftError(PRECONDITION_FAILED, f"The binding key must be an integer: {erlang_octets(key)}")
        if int(key) < 1:
            raise SoftError(PRECONDITION_FAILED, "The binding key must be greater than 0")

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add the destination that wins the draw."""
        if self._is_stale:
            self._renew()
        winner: _Candidate | None = None
        hashed = stable_hash(self._hashed_octets(key, headers, into))
        if self._is_weighted:
            best = -1.0
            for candidate in self._candidates:
                # Between 0 and 1, both left out; of several exponential clocks, the winner is the first to ring.
                drawn = (float(mixed(hashed ^ candidate.seed)) + 0.5) / _SPAN
                score = candidate.weight / -math.log(drawn)
                if score > best:
                    best = score
                    winner = candidate
        else:
            highest: i64 = -1
            for candidate in self._candidates:
                number = mixed(hashed ^ candidate.seed)
                if number > highest:
                    highest = number
                    winner = candidate
        if winner is not None:
            into.add(winner.destination)

    def attach(self, binding: Binding) -> None:
        """Look at the bindings again before the next message."""
        self._is_stale = True

    def detach(self, binding: Binding) -> None:
        """Look at the bindings again before the next message."""
        self._is_stale = True

    def _hashed_octets(self, key: bytes, headers: Table | None, into: Matches) -> bytes:
        """What of the message decides. Messages without it are all alike, so they all go the same way."""
        if self._header:
            field = None if headers is None else headers.get(self._header)
            return b"" if field is None else canonical_value(field)
        if self._property:
            found = property_octets(into.header, self._property) if into.header else None
            return b"" if found is None else found
        return key

    def _renew(self) -> None:
        self._is_stale = False
        self._is_weighted = False
        candidates: list[_Candidate] = []
        # Sorted, because of two equal numbers the first one wins.
        for destination in in_stable_order(list(self.destinations())):
            # As RabbitMQ: a further binding of the same destination changes nothing.
            candidate = _Candidate(destination, float(int(self.bindings_to(destination)[0].key)))
            if candidates and candidate.weight != candidates[0].weight:
                self._is_weighted = True
            candidates.append(candidate)
        self._candidates = candidates


def _text_argument(arguments: Table, argument: bytes, name: bytes, vhost_name: str) -> bytes:
    field = arguments.get(argument)
    if field is None:
        return b""
    if field.kind != "S":
        raise SoftError(
            PRECONDITION_FAILED,
            f"invalid type '{type_name(field)}' for arg '{argument.decode()}' in "
            f"{resource_text('exchange', name, vhost_name)}",
        )
    return octets(field)
