"""A broker without sockets, with clients that speak frames to it: what the metrics and the HTTP API are read from."""

from pathlib import Path

from pamqp import commands, frame
from pamqp.base import Frame
from pamqp.body import ContentBody
from pamqp.common import FieldTable
from pamqp.header import ContentHeader, ProtocolHeader

from broker.auth.passwords import SHA256
from broker.auth.users import Users
from broker.core.counters import Counters
from broker.definitions.journal import StoredTopology
from broker.metrics.node import Node
from broker.protocol.administration import Administration
from broker.protocol.connection import Connection
from broker.protocol.context import ConnectionLimits, Context
from broker.protocol.transport import Transport
from broker.queues.agenda import Agenda
from broker.store.files import Files
from broker.store.limits import StoreLimits
from broker.store.store import Store
from broker.vhost.turn import Turn
from broker.vhost.vhosts import VHosts
from tests.auth.people import add_user
from tests.clock import ManualClock

LIMITS = ConnectionLimits(
    frame_max=131_072,
    channel_max=2047,
    heartbeat_s=60,
    handshake_s=10.0,
    max_message_bytes=16_777_216,
    max_connections=0,
    consumers_per_channel=0,
    has_py_amqp_qos=True,
)


class Sink(Transport):
    """Takes what the broker sends."""

    def __init__(self) -> None:
        super().__init__()
        self.octets = b""

    def send(self, parts: list[bytes]) -> None:
        self.octets += b"".join(parts)

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


class Broker:
    """Store, turn, vhosts ``/`` and ``other``, users guest (administrator), eve (management), nobody (no tag)."""

    def __init__(self, directory: Path) -> None:
        self.clock = ManualClock()
        self.counters = Counters()
        self.store = Store(str(directory), Files(), StoreLimits())
        self.store.recover()
        agenda = Agenda()
        agenda.now_ms = self.clock.now_ms()
        self.turn = Turn(self.clock, agenda, self.store, self.counters)
        self.vhosts = VHosts(self.turn)
        for name in ("/", "other"):
            self.vhosts.make(name)
        users = Users([b"guest"])
        add_user(users, b"guest", b"guest", ["administrator"], ["/", "other"])
        add_user(users, b"eve", b"apple", ["management"], ["/"])
        add_user(users, b"nobody", b"secret")
        self.users = users
        self.context = Context(self.turn, users, LIMITS, self.clock, {})
        self.journal = StoredTopology(self.store)
        self.administration = Administration(self.context, self.vhosts, self.journal, SHA256)
        self.node = Node(
            name="ponymq@test",
            cluster_name="stable",
            cluster_id="cluster-1",
            product_version="0.1.0",
            rabbitmq_version="4.1.0",
            started_s=0.0,
        )

    def close(self) -> None:
        self.store.close()

    def sync(self) -> None:
        """One group commit, as the server does it."""
        job = self.store.begin_sync()
        job.run()
        self.store.finish_sync(job)
        self.counters.syncs += 1
        self.counters.sync_seconds += 0.25
        self.turn.synced()


class Client:
    """One connection with channel 1 open."""

    def __init__(
        self,
        broker: Broker,
        peer: str = "10.0.0.7:50000",
        user: str = "guest",
        properties: FieldTable | None = None,
    ) -> None:
        self.transport = Sink()
        self.connection = Connection(broker.context, self.transport, peer, is_loopback=True, listener="127.0.0.1:5672")
        password = {"guest": "guest", "eve": "apple"}[user]
        self.connection.feed(ProtocolHeader(0, 9, 1).marshal())
        self.tell(
            commands.Connection.StartOk(
                client_properties=properties or {}, mechanism="PLAIN", response=f"\0{user}\0{password}", locale="en_US"
            ),
            0,
        )
        self.tell(commands.Connection.TuneOk(2047, 131_072, 0), 0)
        self.tell(commands.Connection.Open("/"), 0)
        self.tell(commands.Channel.Open())

    def tell(self, method: Frame, channel: int = 1) -> None:
        self.connection.feed(frame.marshal(method, channel))

    def declare(
        self, name: str, *, durable: bool = False, exclusive: bool = False, arguments: FieldTable | None = None
    ) -> None:
        self.tell(commands.Queue.Declare(queue=name, durable=durable, exclusive=exclusive, arguments=arguments))

    def publish(self, key: str, body: bytes, *, mandatory: bool = False, persistent: bool = False) -> None:
        """Publish to the default exchange."""
        properties = commands.Basic.Properties(delivery_mode=2 if persistent else 1)
        self.connection.feed(
            frame.marshal(commands.Basic.Publish(routing_key=key, mandatory=mandatory), 1)
            + frame.marshal(ContentHeader(0, len(body), properties), 1)
            + (frame.marshal(ContentBody(body), 1) if body else b"")
        )
