"""An AMQP port in this process, and peers that behave badly towards it."""

import asyncio
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pamqp.frame
from pamqp import body, commands, header

from broker.net.listener import AmqpListeners, bound_port
from broker.protocol.connection import Connection
from broker.queues.queue import Queue
from broker.server.engine import Engine
from broker.server.heart import Heart
from broker.server.password_workers import PasswordWorkers
from broker.settings.amqp import AmqpSettings
from broker.settings.model import Settings

HEADER = b"AMQP\x00\x00\x09\x01"
PLAIN = "\0guest\0guest"
TIMEOUT_S = 10.0
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close() sends RST


async def until(condition: Callable[[], bool], seconds: float = TIMEOUT_S) -> None:
    """Let the loop run until the condition holds.

    Raises:
        AssertionError: It did not within that time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.002)


class Port:
    """A broker that listens on a free port of loopback."""

    def __init__(self, data_dir: Path, amqp: AmqpSettings) -> None:
        self.amqp = amqp
        self.engine = Engine(Settings(data_dir=str(data_dir), amqp=amqp))
        self.failures: list[str] = []
        self.peers: list[Peer] = []

    async def open(self) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: self.failures.append(str(context)))
        self.heart = Heart(self.engine.context, lambda: self.failures.append("the store has failed"))
        self.workers = PasswordWorkers()
        self.engine.context.logins.checker = self.workers
        self.listeners = AmqpListeners(self.engine.context, self.heart, self.amqp.max_connection_rate)
        self.server = await self.listeners.listen("127.0.0.1", 0)
        self.number = bound_port(self.server)

    async def close(self) -> None:
        """Close everything. What went wrong unseen, in a callback of the loop, fails the test."""
        for peer in self.peers:
            peer.sock.close()
        self.server.close()
        for connection in self.connections:
            connection.transport.abort()
        await until(lambda: not self.connections)
        await self.workers.stop()
        await self.heart.stop()
        self.engine.close()
        assert self.failures == []

    @property
    def connections(self) -> list[Connection]:
        return list(self.engine.context.connections.values())

    def queue(self, name: bytes = b"q") -> Queue:
        return self.engine.turn.vhosts["/"].queues[name]

    async def dial(self, *, receive_buffer: int = 0) -> "Peer":
        """A connected socket; nothing has been said."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        peer = Peer(sock)
        self.peers.append(peer)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.number))
        return peer

    async def login(self, *, receive_buffer: int = 0, heartbeat_s: int = 0) -> "Peer":
        """A peer with channel 1 open."""
        peer = await self.dial(receive_buffer=receive_buffer)
        await peer.write(HEADER)
        await peer.expect(commands.Connection.Start)
        login = commands.Connection.StartOk(client_properties={}, mechanism="PLAIN", response=PLAIN, locale="en_US")
        await peer.say(login, channel=0)
        await peer.expect(commands.Connection.Tune)
        tuned = commands.Connection.TuneOk(channel_max=2047, frame_max=131_072, heartbeat=heartbeat_s)
        await peer.say(tuned, commands.Connection.Open(virtual_host="/"), channel=0)
        await peer.expect(commands.Connection.OpenOk)
        await peer.say(commands.Channel.Open())
        await peer.expect(commands.Channel.OpenOk)
        peer.connection = self.connections[-1]
        return peer


class Peer:
    """One socket, read only when a test says so."""

    connection: Connection  # the broker's side, after a login

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unread = b""

    async def write(self, octets: bytes) -> None:
        await asyncio.wait_for(asyncio.get_running_loop().sock_sendall(self.sock, octets), TIMEOUT_S)

    async def receive(self, size: int = 65536) -> bytes:
        """What there is to read, at most ``size`` octets; empty at the end of the stream, also by RST."""
        try:
            return await asyncio.wait_for(asyncio.get_running_loop().sock_recv(self.sock, size), TIMEOUT_S)
        except ConnectionError:
            return b""

    async def read_to_end(self) -> bytes:
        octets = self.unread
        while piece := await self.receive():
            octets += piece
        return octets

    async def say(self, *methods: Any, channel: int = 1) -> None:
        await self.write(frames(channel, *methods))

    async def hear(self) -> Any:
        """The next frame."""
        while True:
            if len(self.unread) >= 7 and len(self.unread) >= (size := 8 + int.from_bytes(self.unread[3:7], "big")):
                _, _, found = pamqp.frame.unmarshal(self.unread[:size])
                self.unread = self.unread[size:]
                return found
            octets = await self.receive()
            assert octets, "the stream ended"
            self.unread += octets

    async def expect(self, kind: type) -> Any:
        found = await self.hear()
        assert isinstance(found, kind), f"wanted {kind.__name__}, got {found}"
        return found

    async def declare(self, queue: str = "q") -> None:
        await self.say(commands.Queue.Declare(queue=queue))
        await self.expect(commands.Queue.DeclareOk)

    async def consume(self, queue: str = "q", *, channel: int = 1, no_ack: bool = False) -> None:
        """Start a consumer; consume-ok is left to be read."""
        await self.say(commands.Basic.Consume(queue=queue, no_ack=no_ack), channel=channel)

    async def deliveries(self, count: int) -> list[bytes]:
        """Read frames until so many contents have come; returns their bodies."""
        found: list[bytes] = []
        size = 0
        while len(found) < count or size:
            each = await self.hear()
            if isinstance(each, header.ContentHeader):
                size = each.body_size
                found.append(b"")
            elif isinstance(each, body.ContentBody):
                found[-1] += each.value
                size -= len(each.value)
        return found

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.sock.close()


def frames(channel: int, *methods: Any) -> bytes:
    """Method frames, one after the other."""
    return b"".join(pamqp.frame.marshal(each, channel) for each in methods)


def publish(*bodies: bytes, queue: str = "q", channel: int = 1) -> bytes:
    """Whole publishes to the default exchange."""
    octets = b""
    method = pamqp.frame.marshal(commands.Basic.Publish(exchange="", routing_key=queue), channel)
    for each in bodies:
        octets += method + pamqp.frame.marshal(header.ContentHeader(0, len(each)), channel)
        for at in range(0, len(each), 131_000):
            octets += pamqp.frame.marshal(body.ContentBody(each[at : at + 131_000]), channel)
    return octets
