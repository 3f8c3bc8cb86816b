"""What the API answers from."""

from collections.abc import Callable, Sequence

from broker.management.listener import Listener
from broker.management.peers import ProtocolPeers
from broker.metrics.node import Node
from broker.metrics.rates import Rates
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
        rates: Remembers counters between two looks.
        attend: To be called after a turn: sees to what it left undone.
    """

    def __init__(self, context: Context, node: Node, listeners: Sequence[Listener], attend: Callable[[], None]) -> None:
        self.context = context
        self.node = node
        self.listeners = listeners
        self.peers = ProtocolPeers(context)
        self.rates = Rates(context.clock)
        self.attend = attend

    def connection_name(self, connection: Connection) -> str:
        """RabbitMQ's name of a connection."""
        return self.peers.connection_name(connection)

    def channel_name(self, channel: Channel) -> str:
        """RabbitMQ's name of a channel."""
        return self.peers.channel_name(channel)
