"""A blocking AMQP client of its own, octet by octet, so that no library stands between the ledger and the broker."""

import select
import socket
import struct
import time
from typing import NamedTuple

HEADER = b"AMQP\x00\x00\x09\x01"
FRAME_END = b"\xce"
METHOD, CONTENT_HEADER, BODY = 1, 2, 3

CONNECTION_START = (10, 10)
CONNECTION_TUNE = (10, 30)
CONNECTION_OPEN_OK = (10, 41)
CONNECTION_CLOSE = (10, 50)
CHANNEL_OPEN_OK = (20, 11)
CHANNEL_CLOSE = (20, 40)
EXCHANGE_DECLARE_OK = (40, 11)
EXCHANGE_DELETE_OK = (40, 21)
QUEUE_DECLARE_OK = (50, 11)
QUEUE_BIND_OK = (50, 21)
QUEUE_DELETE_OK = (50, 41)
QUEUE_UNBIND_OK = (50, 51)
QOS_OK = (60, 11)
CONSUME_OK = (60, 21)
DELIVER = (60, 60)
GET_OK = (60, 71)
GET_EMPTY = (60, 72)
ACK = (60, 80)
NACK = (60, 120)
SELECT_OK = (85, 11)

PERSISTENT = struct.pack(">HB", 0x1000, 2)  # property flags, delivery_mode


class GoneError(Exception):
    """The broker is no longer there."""


class RefusedError(Exception):
    """The broker closed the channel or the connection; the text is its own."""


class Frame(NamedTuple):
    kind: int
    channel: int
    payload: bytes

    @property
    def method(self) -> tuple[int, int]:
        if self.kind != METHOD:
            return (0, 0)
        class_id, method_id = struct.unpack_from(">HH", self.payload)
        return (class_id, method_id)


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + FRAME_END


def method(class_id: int, method_id: int, arguments: bytes = b"", *, channel: int = 1) -> bytes:
    return frame(METHOD, channel, struct.pack(">HH", class_id, method_id) + arguments)


def short(octets: bytes) -> bytes:
    return bytes([len(octets)]) + octets


def long(octets: bytes) -> bytes:
    return struct.pack(">I", len(octets)) + octets


def publish(queue: bytes, body: bytes, *, exchange: bytes = b"", properties: bytes = PERSISTENT) -> bytes:
    """A whole publish, persistent unless told otherwise; the body must fit one frame."""
    content = struct.pack(">HHQ", 60, 0, len(body)) + properties
    octets = method(60, 40, b"\0\0" + short(exchange) + short(queue) + b"\0") + frame(CONTENT_HEADER, 1, content)
    return octets + (frame(BODY, 1, body) if body else b"")


def queue_declare(name: bytes, *, is_durable: bool = True, is_passive: bool = False) -> bytes:
    bits = is_passive | is_durable << 1
    return method(50, 10, b"\0\0" + short(name) + bytes([bits]) + b"\0\0\0\0")


def queue_bind(name: bytes, exchange: bytes, key: bytes) -> bytes:
    return method(50, 20, b"\0\0" + short(name) + short(exchange) + short(key) + b"\0" + b"\0\0\0\0")


def queue_unbind(name: bytes, exchange: bytes, key: bytes) -> bytes:
    return method(50, 50, b"\0\0" + short(name) + short(exchange) + short(key) + b"\0\0\0\0")


def queue_delete(name: bytes) -> bytes:
    return method(50, 40, b"\0\0" + short(name) + b"\0")


def exchange_declare(name: bytes, *, is_passive: bool = False) -> bytes:
    return method(40, 10, b"\0\0" + short(name) + short(b"direct") + bytes([2 | is_passive]) + b"\0\0\0\0")


def exchange_delete(name: bytes) -> bytes:
    return method(40, 20, b"\0\0" + short(name) + b"\0")


def qos(prefetch: int) -> bytes:
    return method(60, 10, struct.pack(">IHB", 0, prefetch, 0))


def consume(queue: bytes, tag: bytes) -> bytes:
    return method(60, 20, b"\0\0" + short(queue) + short(tag) + b"\0" + b"\0\0\0\0")


def get(queue: bytes, *, no_ack: bool = False) -> bytes:
    return method(60, 70, b"\0\0" + short(queue) + bytes([no_ack]))


def ack(tag: int, *, multiple: bool = False) -> bytes:
    return method(60, 80, struct.pack(">QB", tag, multiple))


class Peer:
    """One connection with channel 1 open. Every wait is bounded.

    Raises:
        GoneError: From any method, when the broker has closed the socket.
        RefusedError: From any method that reads, when the broker has closed the channel or the connection.
    """

    def __init__(self, port: int, *, heartbeat_s: int = 0, timeout_s: float = 20.0) -> None:
        self.timeout_s = timeout_s
        self.unread = b""
        try:
            self.sock = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        except OSError as error:
            raise GoneError(str(error)) from error
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.send(HEADER)
            self.expect(CONNECTION_START)
            login = b"\0\0\0\0" + short(b"PLAIN") + long(b"\0guest\0guest") + short(b"en_US")
            self.send(method(10, 11, login, channel=0))
            self.expect(CONNECTION_TUNE)
            tuned = method(10, 31, struct.pack(">HIH", 2047, 131_072, heartbeat_s), channel=0)
            self.send(tuned + method(10, 40, short(b"/") + b"\0\0", channel=0))
            self.expect(CONNECTION_OPEN_OK)
            self.call(method(20, 10, b"\0"), CHANNEL_OPEN_OK)
        except BaseException:
            self.sock.close()
            raise

    def send(self, octets: bytes) -> None:
        try:
            self.sock.sendall(octets)
        except OSError as error:
            raise GoneError(str(error)) from error

    def read(self) -> Frame:
        """The next frame, but for heartbeats.

        Raises:
            TimeoutError: None came in time.
        """
        while True:
            head = self.exactly(7)
            kind, channel, size = struct.unpack(">BHI", head)
            payload = self.exactly(size + 1)
            assert payload[-1:] == FRAME_END, "octets that are no frame"
            found = Frame(kind, channel, payload[:-1])
            if found.method in {CONNECTION_CLOSE, CHANNEL_CLOSE}:
                raise RefusedError(found.payload[7 : 7 + found.payload[6]].decode())
            if kind != 8:
                return found

    def exactly(self, size: int) -> bytes:
        while len(self.unread) < size:
            try:
                octets = self.sock.recv(262_144)
            except TimeoutError:
                raise
            except OSError as error:
                raise GoneError(str(error)) from error
            if not octets:
                raise GoneError("end of stream")
            self.unread += octets
        found = self.unread[:size]
        self.unread = self.unread[size:]
        return found

    def is_readable(self, seconds: float) -> bool:
        """Whether something can be read within that time."""
        return bool(self.unread) or bool(select.select([self.sock], [], [], seconds)[0])

    def expect(self, wanted: tuple[int, int]) -> bytes:
        """The payload of the next frame, which must be that method."""
        found = self.read()
        assert found.method == wanted, f"wanted {wanted}, got {found}"
        return found.payload

    def call(self, octets: bytes, answer: tuple[int, int]) -> bytes:
        """Send one method and read its answer, which must be the next frame."""
        self.send(octets)
        return self.expect(answer)

    def content(self) -> bytes:
        """The body that follows a deliver or a get-ok."""
        head = self.read()
        assert head.kind == CONTENT_HEADER, f"wanted a content header, got {head}"
        (size,) = struct.unpack_from(">Q", head.payload, 4)
        body = b""
        while len(body) < size:
            body += self.read().payload
        return body

    def get(self, queue: bytes) -> tuple[bytes, bool] | None:
        """One message without acknowledgement: its body and ``redelivered``; None if the queue is empty."""
        self.send(get(queue, no_ack=True))
        found = self.read()
        if found.method == GET_EMPTY:
            return None
        assert found.method == GET_OK, f"wanted get-ok, got {found}"
        return self.content(), found.payload[12] & 1 != 0

    def close(self) -> None:
        self.sock.close()


def wait_for(port: int, seconds: float) -> float:
    """Wait until the port answers a protocol header; returns how long that took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1.0) as probe:
                probe.settimeout(1.0)
                probe.sendall(HEADER)
                if probe.recv(1) == b"\x01":
                    return time.monotonic() - began
        except OSError:
            time.sleep(0.005)  # nothing to wait on: the port of a process that is starting
    raise TimeoutError(f"nothing answered on port {port} in {seconds} s")
