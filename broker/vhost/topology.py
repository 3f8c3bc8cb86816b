"""What the vhost reports so that durable exchanges, queues and bindings survive a restart."""

from mypy_extensions import mypyc_attr

from broker.queues.queue import Queue
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class TopologyJournal:
    """Told of every durable change before the client is answered. This base keeps nothing: for tests.

    ``broker.definitions`` subclasses it and writes each change to the store's journal, in the turn's own batch.
    """

    def exchange_declared(self, exchange: Exchange) -> None:
        """A durable exchange is new."""

    def exchange_deleted(self, exchange: Exchange) -> None:
        """A durable exchange is gone, and so are its bindings."""

    def queue_declared(self, queue: Queue) -> None:
        """A durable queue is new."""

    def queue_deleted(self, queue: Queue) -> None:
        """A durable queue is gone, and so are its bindings and messages."""

    def bound(self, binding: Binding) -> None:
        """A binding between two durable ends is new."""

    def unbound(self, binding: Binding) -> None:
        """A binding between two durable ends is gone."""
