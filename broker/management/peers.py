"""Connections and channels, read from the protocol for the metrics."""

from typing import Final

from broker.metrics.peers import ChannelFigures, ConnectionFigures, Peers
from broker.protocol.channel import Channel
from broker.protocol.connection import Connection
from broker.protocol.context import Context
from broker.protocol.states import CHANNEL_RUNNING, CLOSING, RUNNING

_OPEN: Final = frozenset({RUNNING, CLOSING})


class ProtocolPeers(Peers):
    """The connections of one broker."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def open_connections(self) -> list[Connection]:
        """Connections that have got past their handshake, oldest first. RabbitMQ lists no others."""
        return [connection for connection in self._context.connections.values() if connection.state in _OPEN]

    def connection_name(self, connection: Connection) -> str:
        """RabbitMQ's name: ``10.0.0.7:50000 -> 10.0.0.1:5672``. The second half is the listener's address."""
        return f"{connection.peer} -> {connection.listener}"

    def channel_name(self, channel: Channel) -> str:
        """RabbitMQ's name: that of the connection, and the number."""
        return f"{self.connection_name(channel.connection)} ({channel.number})"

    def open_channels(self) -> list[Channel]:
        """Channels that are neither closed nor closing."""
        return [channel for connection in self.open_connections() for channel in running_channels(connection)]

    def connections(self) -> list[ConnectionFigures]:
        return [
            ConnectionFigures(
                self.connection_name(connection),
                len(running_channels(connection)),
                connection.octets_received,
                connection.octets_sent,
                connection.has_published,
                connection.is_blocked,
            )
            for connection in self.open_connections()
        ]

    def channels(self) -> list[ChannelFigures]:
        figures: list[ChannelFigures] = []
        for channel in self.open_channels():
            transaction = channel.transaction
            figures.append(
                ChannelFigures(
                    self.channel_name(channel),
                    len(channel.consumers),
                    channel.unacked.count,
                    channel.confirms.unconfirmed_count,
                    len(transaction.messages) if transaction is not None else 0,
                    len(transaction.settled) if transaction is not None else 0,
                    channel.prefetch_count,
                    channel.shared_prefetch,
                )
            )
        return figures

    def handshake_count(self) -> int:
        return len([each for each in self._context.connections.values() if each.state < RUNNING])


def running_channels(connection: Connection) -> list[Channel]:
    """The channels of one connection that are neither closed nor closing."""
    return [channel for channel in connection.channels.values() if channel.state == CHANNEL_RUNNING]
