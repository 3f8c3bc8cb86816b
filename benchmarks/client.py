"""A blocking client of one connection and channel 1: it sets a scene up, the scenarios then use its socket."""

import socket
import ssl
import struct
from collections.abc import Iterable
from typing import Final

from benchmarks.wire import (
    HEARTBEAT,
    METHOD,
    PROTOCOL_HEADER,
    Table,
    frame,
    long_string,
    method,
    short_string,
    table,
)

HOST: Final = "127.0.0.1"
SILENCE_SECONDS: Final = 20
RECEIVE_OCTETS: Final = 1 << 18
CALLS_AT_ONCE: Final = 200
CONSUMER_TAG: Final = b"c"

CHANNEL_CLOSE: Final = (20, 40)
CONNECTION_CLOSE: Final = (10, 50)


class BenchmarkError(Exception):
    """The broker said or did something that the scenario cannot be measured with."""


def explain(error: Exception) -> str:
    """An error as a report of a failure tells it."""
    if isinstance(error, BlockingIOError):
        return f"the broker said or took nothing for {SILENCE_SECONDS} s"
    return str(error) if isinstance(error, BenchmarkError) else f"{type(error).__name__}: {error}"


class Client:
    """One connection, logged in as guest, with channel 1 open.

    Attributes:
        socket: Blocking; a send or receive that nothing answers for SILENCE_SECONDS raises BlockingIOError. The
            kernel keeps that time: Python's own timeouts would add a poll to every call.
        received: Octets that arrived and were not yet taken.
    """

    def __init__(self, port: int, heartbeat_s: int = 0, authority: str = "") -> None:
        """Connect and log in.

        Args:
            port: AMQP, on loopback.
            heartbeat_s: As agreed on with the broker.
            authority: Certificate file of who has signed the broker's; empty for a port without TLS.
        """
        self.socket = socket.create_connection((HOST, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        silence = struct.pack("ll", SILENCE_SECONDS, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, silence)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, silence)
        if authority:
            self.socket = ssl.create_default_context(cafile=authority).wrap_socket(self.socket, server_hostname=HOST)
        self.received = bytearray()
        self.socket.sendall(PROTOCOL_HEADER)
        self.read()
        login = table({}) + short_string(b"PLAIN") + long_string(b"\x00guest\x00guest") + short_string(b"en_US")
        self.send(method(10, 11, login), 0)
        self.read()
        tune_ok = frame(METHOD, 0, method(10, 31, struct.pack(">HIH", 2047, 131072, heartbeat_s)))
        self.socket.sendall(tune_ok + frame(METHOD, 0, method(10, 40, short_string(b"/") + b"\x00\x00")))
        self.read()
        self.call(method(20, 10, b"\x00"))

    def send(self, payload: bytes, channel: int = 1) -> None:
        """Send one method frame."""
        self.socket.sendall(frame(METHOD, channel, payload))

    def read(self) -> bytes:
        """Wait for one frame, passing over heartbeats; returns all its octets.

        Raises:
            BenchmarkError: The broker closed the channel or the connection.
        """
        while True:
            if len(self.received) >= 7:
                length = struct.unpack_from(">I", self.received, 3)[0] + 8
                if len(self.received) >= length:
                    whole = bytes(self.received[:length])
                    del self.received[:length]
                    if whole[0] == HEARTBEAT:
                        continue
                    if whole[0] == METHOD and struct.unpack_from(">HH", whole, 7) in {CHANNEL_CLOSE, CONNECTION_CLOSE}:
                        raise BenchmarkError(whole[14:-5].decode("latin-1"))
                    return whole
            octets = self.socket.recv(RECEIVE_OCTETS)
            if not octets:
                raise BenchmarkError("the broker closed the connection")
            self.received += octets

    def call(self, payload: bytes) -> bytes:
        """Send one method on channel 1 and return the frame that answers it."""
        self.send(payload)
        return self.read()

    def call_all(self, payloads: Iterable[bytes]) -> None:
        """Send many methods, CALLS_AT_ONCE before their answers are awaited: what counts is the work, not the wire."""
        waiting: list[bytes] = []
        for payload in payloads:
            waiting.append(frame(METHOD, 1, payload))
            if len(waiting) == CALLS_AT_ONCE:
                self._call_together(waiting)
                waiting = []
        self._call_together(waiting)

    def _call_together(self, frames: list[bytes]) -> None:
        self.socket.sendall(b"".join(frames))
        for _ in frames:
            self.read()

    def declare_queue(self, queue: bytes, durable: bool = False, arguments: Table | None = None) -> None:
        """queue.declare."""
        self.call(method(50, 10, b"\x00\x00" + short_string(queue) + bytes([2 * durable]) + table(arguments or {})))

    def ready(self, queue: bytes) -> int:
        """How many messages the queue has ready, by a passive declare; everything sent before has been handled then."""
        answer = self.call(method(50, 10, b"\x00\x00" + short_string(queue) + b"\x01" + table({})))
        return int(struct.unpack_from(">I", answer, 12 + answer[11])[0])

    def delete_queues(self, queues: Iterable[bytes]) -> None:
        """queue.delete, whatever is in them."""
        self.call_all(method(50, 40, b"\x00\x00" + short_string(queue) + b"\x00") for queue in queues)

    def declare_exchange(self, exchange: bytes, kind: bytes) -> None:
        """exchange.declare of a transient exchange."""
        self.call(method(40, 10, b"\x00\x00" + short_string(exchange) + short_string(kind) + b"\x00" + table({})))

    def delete_exchange(self, exchange: bytes) -> None:
        """exchange.delete, bindings included."""
        self.call(method(40, 20, b"\x00\x00" + short_string(exchange) + b"\x00"))

    def qos(self, prefetch_count: int) -> None:
        """basic.qos for the consumers that follow."""
        self.call(method(60, 10, struct.pack(">IHB", 0, prefetch_count, 0)))

    def consume(self, queue: bytes, no_ack: bool = True) -> None:
        """basic.consume; deliveries may arrive behind the answer, in `received`."""
        self.call(consume(queue, CONSUMER_TAG, no_ack))

    def select_confirm(self) -> None:
        """confirm.select."""
        self.call(method(85, 10, b"\x00"))

    def close(self) -> None:
        """Hang up without a word."""
        self.socket.close()

    def close_in_good_order(self) -> None:
        """connection.close, its answer, and then the socket."""
        self.send(method(10, 50, struct.pack(">H", 200) + short_string(b"") + b"\x00\x00\x00\x00"), 0)
        self.read()
        self.socket.close()


def bind(queue: bytes, exchange: bytes, binding_key: bytes, arguments: Table | None = None) -> bytes:
    """The payload of queue.bind."""
    names = short_string(queue) + short_string(exchange) + short_string(binding_key)
    return method(50, 20, b"\x00\x00" + names + b"\x00" + table(arguments or {}))


def consume(queue: bytes, consumer_tag: bytes, no_ack: bool = True) -> bytes:
    """The payload of basic.consume."""
    names = short_string(queue) + short_string(consumer_tag)
    return method(60, 20, b"\x00\x00" + names + bytes([2 * no_ack]) + table({}))
