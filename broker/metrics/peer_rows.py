"""What is told of each channel and each connection."""

from typing import Final

from broker.metrics.families import Row, label_text
from broker.metrics.peers import ChannelFigures, ConnectionFigures

CHANNEL: Final = "channel_metrics"
CONNECTION_COARSE: Final = "connection_coarse_metrics"
CONNECTION: Final = "connection_metrics"

CHANNEL_ROWS: Final[list[Row[ChannelFigures]]] = [
    Row(CHANNEL, "gauge", "channel_consumers", "Consumers on a channel", lambda channel: channel.consumer_count),
    Row(
        CHANNEL,
        "gauge",
        "channel_messages_unacked",
        "Delivered but not yet acknowledged messages",
        lambda channel: channel.unacked_count,
    ),
    Row(
        CHANNEL,
        "gauge",
        "channel_messages_unconfirmed",
        "Published but not yet confirmed messages",
        lambda channel: channel.unconfirmed_count,
    ),
    Row(
        CHANNEL,
        "gauge",
        "channel_messages_uncommitted",
        "Messages received in a transaction but not yet committed",
        lambda channel: channel.uncommitted_count,
    ),
    Row(
        CHANNEL,
        "gauge",
        "channel_acks_uncommitted",
        "Message acknowledgements in a transaction not yet committed",
        lambda channel: channel.uncommitted_acks,
    ),
    Row(
        CHANNEL,
        "gauge",
        "consumer_prefetch",
        "Limit of unacknowledged messages for each new consumer of a channel",
        lambda channel: channel.prefetch_count,
    ),
    Row(
        CHANNEL,
        "gauge",
        "channel_prefetch",
        "Total limit of unacknowledged messages for all consumers on a channel",
        lambda channel: channel.shared_prefetch,
    ),
]

CONNECTION_ROWS: Final[list[Row[ConnectionFigures]]] = [
    Row(
        CONNECTION_COARSE,
        "counter",
        "connection_incoming_bytes",
        "Total number of bytes received on a connection",
        lambda connection: connection.received_bytes,
    ),
    Row(
        CONNECTION_COARSE,
        "counter",
        "connection_outgoing_bytes",
        "Total number of bytes sent on a connection",
        lambda connection: connection.sent_bytes,
    ),
    Row(
        CONNECTION,
        "gauge",
        "connection_channels",
        "Channels on a connection",
        lambda connection: connection.channel_count,
    ),
]


def channel_labels(channel: ChannelFigures) -> str:
    """The labels of one channel's rows."""
    return label_text({"channel": channel.name})


def connection_labels(connection: ConnectionFigures) -> str:
    """The labels of one connection's rows."""
    return label_text({"connection": connection.name})
