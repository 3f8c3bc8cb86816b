"""Connections and channels, read from the protocol for the metrics."""

from collections.abc import Iterator
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

    def connections(self) -> Iterator[ConnectionFigures]:
        for connection in self.open_connections():
            yield ConnectionFigures(
                self.connection_name(connection),
                len(running_channels(connection)),
                connection.octets_received,
                connection.octets_sent,
                connection.has_published,
                connection.is_blocked,
            )

    def channels(self) -> Iterator[ChannelFigures]:
        for connection in self.open_connections():
            for channel in running_channels(connection):
                transaction = channel.transaction
                yield ChannelFigures(
                    self.channel_name(channel),
                    len(channel.consumers),
                    channel.unacked.count,
                    channel.confirms.unconfirmed_count,
                    len(transaction.messages) if transaction is not None else 0,
                    len(transaction.settled) if transaction is not None else 0,
                    channel.prefetch_count,
                    channel.shared_prefetch,
                )

    def connection_count(self) -> int:
        return len(self.open_connections())

    def octets(self) -> Iterator[tuple[int, str, int, int]]:
        for each in self.open_connections():
            yield each.id, each.vhost_name, each.octets_received, each.octets_sent

    def channel_counts(self) -> Iterator[tuple[int, int, tuple[int, int, int]]]:
        for connection in self.open_connections():
            for channel in running_channels(connection):
                yield connection.id, channel.number, message_counts(channel)

    def handshake_count(self) -> int:
        return len([each for each in self._context.connections.values() if each.state < RUNNING])


def message_counts(channel: Channel) -> tuple[int, int, int]:
    """What is known of a channel's messages: publishes and confirms, both in confirm mode only, and deliveries."""
    published = channel.confirms.next_tag - 1
    return published, published - channel.confirms.unconfirmed_count, channel.next_tag - 1


def running_channels(connection: Connection) -> list[Channel]:
    """The channels of one connection that are neither closed nor closing."""
    return [channel for channel in connection.channels.values() if channel.state == CHANNEL_RUNNING]
