"""The yardstick: a relay on the broker's event loop that parses nothing and copies every octet to its receivers.

No broker in Python on this loop can pass messages on faster; how near one comes is what its own code costs.
"""

import asyncio
import selectors
import socket
import time
from functools import partial
from typing import Final, cast

import uvloop

from benchmarks.client import HOST, SILENCE_SECONDS, BenchmarkError
from benchmarks.consumer import BUFFER
from benchmarks.publisher import Publishing, publish
from benchmarks.role import Role
from benchmarks.scenario import Outcome, Scenario
from benchmarks.usage import read_usage
from benchmarks.wire import Message

HELLO: Final = b"\x00"
BACKLOG: Final = 16


class Outlet(asyncio.Protocol):
    """A receiver's connection; it stops the inlet while its buffer is full."""

    def __init__(self, relay: "Relay") -> None:
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        outlet = cast("asyncio.Transport", transport)  # uvloop's own class, which does not inherit it
        self._relay.outlets.append(outlet)
        outlet.write(HELLO)

    def pause_writing(self) -> None:
        self._relay.hold()

    def resume_writing(self) -> None:
        self._relay.release()


class Inlet(asyncio.Protocol):
    """The publisher's connection."""

    def __init__(self, relay: "Relay") -> None:
        self._relay = relay

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._relay.inlet = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for outlet in self._relay.outlets:
            outlet.write(data)


class Relay:
    """Copies what one connection says to all others.

    Attributes:
        inlet: The publisher's connection.
        outlets: The receivers'.
    """

    def __init__(self) -> None:
        self.inlet: asyncio.Transport | None = None
        self.outlets: list[asyncio.Transport] = []
        self._full = 0

    def hold(self) -> None:
        """One more receiver's buffer is full: read no further."""
        self._full += 1
        if self._full == 1 and self.inlet is not None:
            self.inlet.pause_reading()

    def release(self) -> None:
        """One receiver's buffer is empty enough again."""
        self._full -= 1
        if not self._full and self.inlet is not None:
            self.inlet.resume_reading()

    async def serve(self, inlets: socket.socket, outlets: socket.socket) -> None:
        """Serve both listening sockets until the process is ended."""
        loop = asyncio.get_running_loop()
        await loop.create_server(partial(Outlet, self), sock=outlets)
        await loop.create_server(partial(Inlet, self), sock=inlets)
        await loop.create_future()


def run_relay(inlets: socket.socket, outlets: socket.socket) -> list[float]:
    """The part of the relay's role; it never returns by itself."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(Relay().serve(inlets, outlets))
    return []


def receive_all(receivers: list[socket.socket], octets: int) -> list[float]:
    """Receive that many octets over all connections; returns the time of the last.

    Raises:
        BenchmarkError: Nothing came for SILENCE_SECONDS.
    """
    arrived = 0
    with selectors.DefaultSelector() as selector:
        for receiver in receivers:
            selector.register(receiver, selectors.EVENT_READ, receiver)
        while arrived < octets:
            ready = selector.select(SILENCE_SECONDS)
            if not ready:
                raise BenchmarkError(f"nothing arrived for {SILENCE_SECONDS} s")
            for key, _ in ready:
                arrived += key.data.recv_into(BUFFER)
    return [time.monotonic()]


def play_relay(scenario: Scenario, count: int) -> Outcome:
    """Send a scenario's messages through a relay of their own, to as many receivers as the scenario has consumers."""
    frames = Message(b"", b"relay", scenario.relay_size).publish_frames()
    inlets, outlets = (socket.create_server((HOST, 0), backlog=BACKLOG) for _ in range(2))
    relay = Role(partial(run_relay, inlets, outlets))
    try:
        receivers = [socket.create_connection(outlets.getsockname()) for _ in range(scenario.relay_ports)]
        for receiver in receivers:
            assert receiver.recv(1) == HELLO
        publisher = socket.create_connection(inlets.getsockname())
        publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        copies = count * len(receivers)
        before = read_usage(relay.pid)
        role = Role(partial(receive_all, receivers, copies * len(frames)))
        began = time.monotonic()
        publish([Publishing(publisher, [frames], count)])
        [ended] = role.report()
        cpu_us = (read_usage(relay.pid).cpu_s - before.cpu_s) / copies * 1e6
    finally:
        relay.end()
    for one in (publisher, inlets, outlets, *receivers):
        one.close()
    rate = "messages_s" if len(receivers) == 1 else "deliveries_s"
    return Outcome(ended - began, {rate: copies / (ended - began), "cpu_us": cpu_us})
