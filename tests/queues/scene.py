"""A broker without sockets: queues, a turn, a clock moved by hand, and peers that speak through a fake transport."""

from pathlib import Path
from typing import Any, NamedTuple

import pamqp.frame
from pamqp import body, commands, header
from pamqp.base import Frame

from broker.auth.users import Users
from broker.core.arguments import Field, Table
from broker.core.counters import Counters
from broker.core.message import Message
from broker.protocol.connection import Connection
from broker.protocol.context import ConnectionLimits, Context
from broker.protocol.transport import Transport
from broker.queues.agenda import Agenda
from broker.queues.queue import Queue
from broker.store.files import Files
from broker.store.limits import StoreLimits
from broker.store.store import Store
from broker.vhost.topology import TopologyJournal
from broker.vhost.turn import Turn
from broker.vhost.vhost import LogIds, VHost
from tests.auth.people import add_user
from tests.clock import ManualClock

PLAIN = "\0guest\0guest"


class Scene:
    """Everything a queue needs, and nothing that is not its business."""

    def __init__(self, path: Path, files: Files | None = None, *, consumer_timeout_ms: int = 0) -> None:
        self.clock = ManualClock()
        self.store = Store(str(path), files or Files(), StoreLimits(allocate_bytes=0))
        self.store.recover()
        self.counters = Counters()
        self.agenda = Agenda()
        self.agenda.now_ms = self.clock.now_ms()
        self.turn = Turn(self.clock, self.agenda, self.store, self.counters)
        self.vhost = VHost("/", self.agenda, self.store, self.counters, LogIds(), TopologyJournal())
        self.turn.vhosts["/"] = self.vhost
        users = Users([])
        add_user(users, b"guest", b"guest", vhosts=["/"])
        limits = ConnectionLimits(
            frame_max=131_072,
            channel_max=2047,
            heartbeat_s=0,
            handshake_s=10.0,
            max_message_bytes=16_777_216,
            max_connections=0,
            consumers_per_channel=0,
            has_py_amqp_qos=False,
            consumer_timeout_ms=consumer_timeout_ms,
        )
        self.context = Context(self.turn, users, limits, self.clock, {})

    def close(self) -> None:
        self.store.close_files()
        self.store.directory.release()

    def declare(self, name: bytes = b"q", arguments: Table | None = None, *, is_durable: bool = False) -> Queue:
        """A shared queue, declared in a turn of its own."""
        self.turn.begin()
        queue = self.vhost.declare_queue(name, is_durable, False, False, arguments or {}, 0)
        self.turn.finish()
        return queue

    def run(self, seconds: float = 0.0) -> None:
        """Move the clock and run one turn."""
        self.clock.advance(seconds)
        self.turn.begin()
        self.turn.finish()

    def push(self, queue: Queue, *bodies: bytes, ttl_ms: int = -1, priority: int = 0) -> list[bool]:
        """Publish in one turn, past the exchanges; tells for each message whether the queue took it."""
        self.turn.begin()
        taken = [queue.push(transient(each, ttl_ms=ttl_ms, priority=priority)) for each in bodies]
        self.turn.finish()
        return taken

    def bodies(self, queue: Queue) -> list[bytes]:
        """Empty the queue by ``basic.get`` without acknowledgement."""
        self.turn.begin()
        found = []
        while (queued := queue.get()) is not None:
            queue.settle_unseen(queued)
            found.append(queued.message.body)
        self.turn.finish()
        return found


def transient(octets: bytes, *, ttl_ms: int = -1, priority: int = 0) -> Message:
    """A message to no exchange in particular, whose header frame says only its size."""
    head = b"\x00\x3c\x00\x00" + len(octets).to_bytes(8, "big") + b"\x00\x00"
    return Message(b"\x00\x01q", head, octets, False, 0, priority, ttl_ms)


def number(value: int) -> Field:
    return Field("I", value)


def text(value: str) -> Field:
    return Field("S", value.encode())


class Delivery(NamedTuple):
    """A ``basic.deliver`` or ``basic.get-ok`` with its content."""

    channel: int
    consumer: str
    tag: int
    is_redelivered: bool
    body: bytes
    headers: dict[str, Any] | None = None

    @property
    def counts(self) -> tuple[int, int] | None:
        """``x-acquired-count`` and ``x-delivery-count``; None without them."""
        if self.headers is None or "x-acquired-count" not in self.headers:
            return None
        return self.headers["x-acquired-count"], self.headers["x-delivery-count"]


class Peer(Transport):
    """A client on one connection: what it says is fed in, what it is told is decoded."""

    def __init__(self, scene: Scene) -> None:
        super().__init__()
        self.parts: list[bytes] = []
        self.is_closed = False
        self.connection = Connection(scene.context, self, "test", True)
        self.connection.feed(b"AMQP\x00\x00\x09\x01")
        self.say(
            0,
            commands.Connection.StartOk(client_properties={}, mechanism="PLAIN", response=PLAIN, locale="en_US"),
            commands.Connection.TuneOk(channel_max=2047, frame_max=131_072, heartbeat=0),
            commands.Connection.Open(virtual_host="/"),
        )
        self.hear()

    def send(self, parts: list[bytes]) -> None:
        self.parts.extend(parts)

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = True

    def say(self, channel: int, *frames: Any) -> None:
        """Feed frames as one chunk: one turn."""
        self.connection.feed(b"".join(pamqp.frame.marshal(each, channel) for each in frames))

    def hear(self) -> list[tuple[int, Any]]:
        """Every frame since the last call, with its channel."""
        octets = b"".join(self.parts)
        self.parts = []
        frames = []
        while octets:
            size, channel, each = pamqp.frame.unmarshal(octets)
            frames.append((channel, each))
            octets = octets[size:]
        return frames

    def deliveries(self) -> list[Delivery]:
        """Every delivery since the last call; other methods are passed over."""
        found: list[Delivery] = []
        for channel, each in self.hear():
            if isinstance(each, commands.Basic.Deliver):
                found.append(Delivery(channel, each.consumer_tag or "", each.delivery_tag or 0, each.redelivered, b""))
            elif isinstance(each, commands.Basic.GetOk):
                found.append(Delivery(channel, "", each.delivery_tag or 0, each.redelivered, b""))
            elif isinstance(each, header.ContentHeader):
                found[-1] = found[-1]._replace(headers=each.properties.headers)
            elif isinstance(each, body.ContentBody):
                found[-1] = found[-1]._replace(body=found[-1].body + each.value)
        return found

    def open(self, channel: int = 1) -> None:
        self.say(channel, commands.Channel.Open())
        self.hear()

    def consume(
        self,
        tag: str,
        *,
        channel: int = 1,
        queue: str = "q",
        prefetch: int = 0,
        no_ack: bool = False,
        priority: int = 0,
    ) -> None:
        """Start a consumer with its own prefetch; deliveries may be heard at once."""
        arguments: dict[str, Any] = {"x-priority": priority} if priority else {}
        self.say(
            channel,
            commands.Basic.Qos(0, prefetch, False),
            commands.Basic.Consume(queue=queue, consumer_tag=tag, no_ack=no_ack, arguments=arguments),
        )

    def publish(self, *bodies: bytes, channel: int = 1, queue: str = "q", **properties: Any) -> None:
        """Publish to the default exchange, all in one chunk."""
        frames: list[Frame | header.ContentHeader | body.ContentBody] = []
        for each in bodies:
            frames.append(commands.Basic.Publish(exchange="", routing_key=queue))
            frames.append(header.ContentHeader(0, len(each), commands.Basic.Properties(**properties)))
            if each:
                frames.append(body.ContentBody(each))
        self.say(channel, *frames)

    def ack(self, tag: int, *, multiple: bool = False, channel: int = 1) -> None:
        self.say(channel, commands.Basic.Ack(tag, multiple))

    def nack(self, tag: int, *, multiple: bool = False, requeue: bool = True, channel: int = 1) -> None:
        self.say(channel, commands.Basic.Nack(tag, multiple, requeue))

    def reject(self, tag: int, *, requeue: bool = True, channel: int = 1) -> None:
        self.say(channel, commands.Basic.Reject(tag, requeue))

    def get(self, *, channel: int = 1, queue: str = "q", no_ack: bool = False) -> Delivery | None:
        """``basic.get``; None if the queue is empty."""
        self.say(channel, commands.Basic.Get(queue=queue, no_ack=no_ack))
        found = self.deliveries()
        return found[0] if found else None

    def declare_passive(self, queue: str, *, channel: int = 1) -> None:
        self.say(channel, commands.Queue.Declare(queue=queue, passive=True))

    def cancel(self, tag: str, *, channel: int = 1) -> None:
        self.say(channel, commands.Basic.Cancel(tag))
