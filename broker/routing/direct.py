"""Direct exchanges, and the default exchange, which has the queues' names for keys. AMQP 0-9-1 §3.1.3.1."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table
from broker.core.destination import Destination
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.matches import Matches


@final
@mypyc_attr(native_class=True)
class DirectExchange(Exchange):
    """Routes by the whole routing key."""

    def __init__(self, name: bytes, vhost_name: str, traits: ExchangeTraits) -> None:
        super().__init__(b"direct", name, vhost_name, traits)
        # Binding key, then destination and how many bindings differ only by their arguments.
        self._by_key: Final[dict[bytes, dict[Destination, int]]] = {}

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add the destinations bound with exactly this key."""
        bound = self._by_key.get(key)
        if bound is not None:
            for destination in bound:
                into.add(destination)

    def attach(self, binding: Binding) -> None:
        """Count the binding under its key."""
        bound = self._by_key.get(binding.key)
        if bound is None:
            bound = {}
            self._by_key[binding.key] = bound
        bound[binding.destination] = bound.get(binding.destination, 0) + 1

    def detach(self, binding: Binding) -> None:
        """Take the binding off the count, and the key away with its last one."""
        bound = self._by_key[binding.key]
        left: i64 = bound[binding.destination] - 1
        if left > 0:
            bound[binding.destination] = left
            return
        del bound[binding.destination]
        if not bound:
            del self._by_key[binding.key]


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class QueueLookup:
    """What the default exchange asks its vhost."""

    def find_queue(self, name: bytes) -> Destination | None:
        """The queue of that name, None if there is none."""
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class DefaultExchange(Exchange):
    """The exchange without a name: every queue is reached by its own name, without a binding.

    It cannot be declared, deleted or bound: the vhost refuses with 403 before anything gets here.
    """

    def __init__(self, vhost_name: str, queues: QueueLookup) -> None:
        super().__init__(b"direct", b"", vhost_name, ExchangeTraits())
        self._queues: Final = queues

    def collect(self, key: bytes, headers: Table | None, into: Matches) -> None:
        """Add the queue named by the routing key."""
        queue = self._queues.find_queue(key)
        if queue is not None:
            into.add(queue)
