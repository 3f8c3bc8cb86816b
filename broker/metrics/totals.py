"""Sums over everything there is: what one broker holds at the moment."""

from collections.abc import Iterable, Iterator
from typing import Final

from msgspec import Struct

from broker.metrics.peers import Peers
from broker.queues.queue import Queue
from broker.routing.exchange import Exchange
from broker.vhost.delay_line import delay_line_of
from broker.vhost.vhost import VHost

SLICE: Final = 400  # objects counted in one step: half a millisecond


class Totals(Struct):
    """Sums over queues, connections and channels.

    Attributes:
        queues: Queues in all vhosts.
        exchanges: Exchanges in all vhosts, predeclared ones included.
        delayed: Messages that wait in delayed message exchanges.
        consumers: Consumers on all queues.
        ready: Messages ready.
        unacked: Messages delivered and not settled.
        ready_bytes: Octets of the bodies ready.
        unacked_bytes: Octets of the bodies unacked.
        connections: Connections past their handshake.
        handshakes: Connections in their handshake.
        channels: Open channels.
        publishers: Connections that have published.
        unread: Connections whose peer does not read what it is sent.
        unconfirmed: Publishes without an answer.
        uncommitted: Publishes that transactions hold back.
        uncommitted_acks: Settlements that transactions hold back.
        channel_unacked: Deliveries out, counted on the channels.
    """

    queues: int = 0
    exchanges: int = 0
    delayed: int = 0
    consumers: int = 0
    ready: int = 0
    unacked: int = 0
    ready_bytes: int = 0
    unacked_bytes: int = 0
    connections: int = 0
    handshakes: int = 0
    channels: int = 0
    publishers: int = 0
    unread: int = 0
    unconfirmed: int = 0
    uncommitted: int = 0
    uncommitted_acks: int = 0
    channel_unacked: int = 0

    def add_queues(self, queues: Iterable[Queue]) -> Iterator[None]:
        """Count these queues in, a slice at each step."""
        listed = list(queues)
        for at in range(0, len(listed), SLICE):
            part = listed[at : at + SLICE]
            self.queues += len(part)
            self.consumers += sum([len(queue.consumers) for queue in part])
            self.ready += sum([queue.ready_count for queue in part])
            self.unacked += sum([queue.unacked_count for queue in part])
            self.ready_bytes += sum([queue.ready_bytes for queue in part])
            self.unacked_bytes += sum([queue.unacked_bytes for queue in part])
            yield

    def add_exchanges(self, exchanges: Iterable[Exchange]) -> Iterator[None]:
        """Count these exchanges in, a slice at each step."""
        listed = list(exchanges)
        for at in range(0, len(listed), SLICE):
            for exchange in listed[at : at + SLICE]:
                self.exchanges += 1
                line = delay_line_of(exchange)
                if line is not None:
                    self.delayed += line.count
            yield

    def add_peers(self, peers: Peers) -> Iterator[None]:
        """Count every connection and channel in, a slice at each step."""
        self.handshakes += peers.handshake_count()
        for connection in peers.connections():
            self.connections += 1
            self.publishers += connection.is_publisher
            self.unread += connection.is_reading_stopped
            if self.connections % SLICE == 0:
                yield
        for channel in peers.channels():
            self.channels += 1
            self.unconfirmed += channel.unconfirmed_count
            self.uncommitted += channel.uncommitted_count
            self.uncommitted_acks += channel.uncommitted_acks
            self.channel_unacked += channel.unacked_count
            if self.channels % SLICE == 0:
                yield

    def add_all(self, vhosts: Iterable[VHost], peers: Peers) -> Iterator[None]:
        """Count everything in; the broker may work at every step. 10,000 queues take 25 steps."""
        for vhost in list(vhosts):
            yield from self.add_exchanges(vhost.exchanges.values())
            yield from self.add_queues(vhost.queues.values())
        yield from self.add_peers(peers)
