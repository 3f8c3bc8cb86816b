"""What the API answers from."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from broker.management.listener import Listener
from broker.management.log_ring import LogRing
from broker.management.peers import ProtocolPeers
from broker.metrics.node import Node
from broker.metrics.rates import Rates
from broker.protocol.administration import Administration
from broker.protocol.channel import Channel
from broker.protocol.connection import Connection
from broker.protocol.context import Context


class Facts:
    """The broker as the HTTP side sees it. Made once by the server.

    Attributes:
        context: The broker.
        node: Who it is.
        listeners: Its open ports; the list that was given, so that ports may be added when they are open.
        peers: Its connections and channels.
        administration: Changes users, vhosts and permissions.
        rates: Remembers counters between two looks.
        log: The last lines of the log; empty until somebody fills it.
        attend: To be called after a turn: sees to what it left undone.
    """

    def __init__(
        self,
        context: Context,
        node: Node,
        listeners: Sequence[Listener],
        administration: Administration,
        attend: Callable[[], None],
    ) -> None:
        """Gather them; ``attend`` sees to what a turn leaves undone."""
        self.context = context
        self.node = node
        self.listeners = listeners
        self.peers = ProtocolPeers(context)
        self.administration = administration
        self.rates = Rates(context.clock)
        self.attend = attend
        self.log = LogRing()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn for changing things in: what was changed is written when the block ends, also one that raises."""
        turn = self.context.turn
        turn.begin()
        try:
            yield
        finally:
            turn.finish()
            self.attend()

    def connection_name(self, connection: Connection) -> str:
        """RabbitMQ's name of a connection."""
        return self.peers.connection_name(connection)

    def channel_name(self, channel: Channel) -> str:
        """RabbitMQ's name of a channel."""
        return self.peers.channel_name(channel)
