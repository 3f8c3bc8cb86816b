"""Connections and channels as the metrics see them; whoever knows the protocol fills these in."""

from collections.abc import Iterator

from msgspec import Struct


class ConnectionFigures(Struct, frozen=True):
    """One open connection.

    Attributes:
        name: ``10.0.0.7:50000 -> 10.0.0.1:5672``.
        channel_count: Open channels.
        received_bytes: Octets read from it since it was accepted.
        sent_bytes: Octets written to it.
        is_publisher: It has published at least once.
        is_reading_stopped: Its socket is full: it does not read what it is sent.
    """

    name: str
    channel_count: int
    received_bytes: int
    sent_bytes: int
    is_publisher: bool
    is_reading_stopped: bool


class ChannelFigures(Struct, frozen=True):
    """One open channel.

    Attributes:
        name: The connection's name and the channel's number: ``… (1)``.
        consumer_count: Consumers started on it.
        unacked_count: Deliveries out.
        unconfirmed_count: Publishes in confirm mode without an answer.
        uncommitted_count: Publishes that a transaction holds back.
        uncommitted_acks: Settlements that a transaction holds back.
        prefetch_count: What the next consumer gets as its limit; 0 for none.
        shared_prefetch: Limit of all its consumers together; 0 for none.
    """

    name: str
    consumer_count: int
    unacked_count: int
    unconfirmed_count: int
    uncommitted_count: int
    uncommitted_acks: int
    prefetch_count: int
    shared_prefetch: int


class Peers:
    """Where the figures of connections come from. Only connections that have finished their handshake count.

    Each is read when it is asked for, so that whoever walks over thousands can let the broker work in between; one that
    has closed meanwhile may still come.
    """

    def connections(self) -> Iterator[ConnectionFigures]:
        """The open connections."""
        raise NotImplementedError

    def channels(self) -> Iterator[ChannelFigures]:
        """The open channels."""
        raise NotImplementedError

    def connection_count(self) -> int:
        """How many connections are open."""
        raise NotImplementedError

    def octets(self) -> Iterator[tuple[int, str, int, int]]:
        """Of each open connection: its number, its vhost, octets received and octets sent."""
        raise NotImplementedError

    def channel_counts(self) -> Iterator[tuple[int, int, tuple[int, int, int]]]:
        """Of each open channel: number of its connection, its own, and its counters.

        These are publishes (known in confirm mode only, else 0), those of them that were confirmed, and deliveries.
        """
        raise NotImplementedError

    def handshake_count(self) -> int:
        """Connections accepted that have not finished their handshake."""
        raise NotImplementedError
