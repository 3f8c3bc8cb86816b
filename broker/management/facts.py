"""What the API answers from."""

import asyncio
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar

from broker.core.arguments import longstr
from broker.management.listener import Listener
from broker.management.log_ring import LogRing
from broker.management.parameters import cluster_name_of
from broker.management.peers import ProtocolPeers
from broker.management.refusals import Refusal
from broker.metrics.history import Sample, Span
from broker.metrics.machine import Machine
from broker.metrics.node import Node
from broker.metrics.sampler import Sampler
from broker.metrics.tracks import Tracks
from broker.protocol.administration import Administration
from broker.protocol.channel import Channel
from broker.protocol.connection import Connection
from broker.protocol.context import Context

SYNC_LOOK_S: Final = 0.005

K = TypeVar("K", bound=Hashable)


class Facts:
    """The broker as the HTTP side sees it. Made once by the server.

    Attributes:
        context: The broker.
        node: Who it is.
        listeners: Its open ports; the list that was given, so that ports may be added when they are open.
        peers: Its connections and channels.
        administration: Changes users, vhosts and permissions.
        configuration: The settings of the process, a line each, without passwords.
        log: The last lines of the log; empty until somebody fills it.
        machine: What it runs on.
        rates_mode: ``none`` (nothing is sampled), ``basic`` or ``detailed``, which is the same here.
        sampler: Remembers counters; somebody else drives it.
        attend: To be called after a turn: sees to what it left undone.
    """

    def __init__(
        self,
        context: Context,
        node: Node,
        listeners: Sequence[Listener],
        administration: Administration,
        attend: Callable[[], None],
        machine: Machine,
        rates_mode: str = "basic",
    ) -> None:
        """Gather them; ``attend`` sees to what a turn leaves undone."""
        self.context = context
        self.node = node
        self.listeners = listeners
        self.peers = ProtocolPeers(context)
        self.administration = administration
        self.configuration = ""
        self.machine = machine
        self.rates_mode = rates_mode
        self.sampler = Sampler(context.turn, self.peers, context.clock, is_on=rates_mode != "none")
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

    async def until_synced(self) -> None:
        """Return when everything that has been written is on disk.

        Raises:
            Refusal: 503, the disk is full, or the store has failed.
        """
        store = self.context.turn.store
        written = store.written
        while store.synced < written and not store.is_failed:  # noqa: ASYNC110 - a sync calls back those who confirm
            await asyncio.sleep(SYNC_LOOK_S)
        if store.is_failed or self.context.alarms.is_disk_full:
            raise Refusal(503, "service_unavailable", "not everything could be written to disk")

    def take_cluster_name(self) -> None:
        """Be called what the parameters say from now on."""
        name = cluster_name_of(self.context.turn)
        if name:
            self.node.cluster_name = name
            self.context.server_properties[b"cluster_name"] = longstr(name.encode())

    def connection_name(self, connection: Connection) -> str:
        """RabbitMQ's name of a connection."""
        return self.peers.connection_name(connection)

    def channel_name(self, channel: Channel) -> str:
        """RabbitMQ's name of a channel."""
        return self.peers.channel_name(channel)

    def samples(self, tracks: Tracks[K], key: K, span: Span | None) -> list[Sample] | None:
        """The past of one object, newest first; None if nobody asked for it."""
        return None if span is None else tracks.samples(key, span, int(self.context.clock.now_ms()))
