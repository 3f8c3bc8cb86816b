"""A raw AMQP 0-9-1 peer for tests: octets and frames by hand, so that it can say what no client library would.

`connect` brings a socket to a named stage of the handshake; `RawClient` sends octets and states what must come back.
pamqp encodes the ordinary methods. Everything that is meant to be wrong is spelled out by the functions below.
"""

import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Literal, NamedTuple, Protocol, Self

import pamqp.frame
from pamqp import base, commands

Verdict = int | tuple[int, int] | Literal["end"]
Stage = Literal["header", "start", "tune", "open", "channel"]

PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
FRAME_METHOD: Final = 1
FRAME_HEADER: Final = 2
FRAME_BODY: Final = 3
FRAME_HEARTBEAT: Final = 8
FRAME_END: Final = 0xCE
FRAME_MAX: Final = 131_072
CHANNEL_MAX: Final = 2047
CLOSES: Final = ((10, 50), (20, 40))
TIMEOUT_S: Final = 10.0
LINGER_ZERO: Final = struct.pack("ii", 1, 0)  # close() then sends RST at once instead of FIN


class Endpoint(Protocol):
    """Where a broker listens."""

    host: str
    port: int


class Frame(NamedTuple):
    """One frame as it came; ``payload`` is without the frame-end octet."""

    type: int
    channel: int
    payload: bytes

    @property
    def method(self) -> tuple[int, int]:
        """Class and method id of a method frame; (0, 0) for any other."""
        if self.type != FRAME_METHOD:
            return (0, 0)
        class_id, method_id = struct.unpack_from(">HH", self.payload)
        return class_id, method_id


class Close(NamedTuple):
    """The arguments of connection.close or channel.close."""

    code: int
    text: str
    class_id: int
    method_id: int


def frame(frame_type: int, channel: int, payload: bytes, *, end: int = FRAME_END, size: int | None = None) -> bytes:
    """Encode a frame; ``size`` and ``end`` may lie."""
    return struct.pack(">BHI", frame_type, channel, len(payload) if size is None else size) + payload + bytes([end])


def method_frame(channel: int, class_id: int, method_id: int, arguments: bytes = b"") -> bytes:
    """Encode a method frame with arguments as octets."""
    return frame(FRAME_METHOD, channel, struct.pack(">HH", class_id, method_id) + arguments)


def header_frame(
    channel: int, body_size: int, *, class_id: int = 60, weight: int = 0, properties: bytes = b"\x00\x00"
) -> bytes:
    """Encode a content header; ``properties`` begins with the property flags."""
    return frame(FRAME_HEADER, channel, struct.pack(">HHQ", class_id, weight, body_size) + properties)


def body_frame(channel: int, body: bytes) -> bytes:
    """Encode a content body frame."""
    return frame(FRAME_BODY, channel, body)


def encode(method: base.Frame, channel: int = 1) -> bytes:
    """Encode an ordinary method with pamqp."""
    return pamqp.frame.marshal(method, channel)


def publish(routing_key: str, body: bytes, *, channel: int = 1, frame_size: int = FRAME_MAX - 8) -> bytes:
    """Encode a whole publish to the default exchange: method, header, and no more body frames than it needs."""
    parts = [body_frame(channel, body[at : at + frame_size]) for at in range(0, len(body), frame_size)]
    method = encode(commands.Basic.Publish(exchange="", routing_key=routing_key), channel)
    return method + header_frame(channel, len(body)) + b"".join(parts)


def short_string(octets: bytes) -> bytes:
    """Encode a short string, UTF-8 or not."""
    return bytes([len(octets)]) + octets


def long_string(octets: bytes) -> bytes:
    """Encode a long string."""
    return struct.pack(">I", len(octets)) + octets


def table(items: bytes, *, size: int | None = None) -> bytes:
    """Encode a field table from encoded items; ``size`` may lie."""
    return struct.pack(">I", len(items) if size is None else size) + items


def field(name: bytes, kind: bytes, value: bytes) -> bytes:
    """Encode one table item."""
    return short_string(name) + kind + value


def queue_declare(queue: bytes, arguments: bytes = b"\x00\x00\x00\x00", *, channel: int = 1) -> bytes:
    """Encode queue.declare with every bit off and an argument table as octets."""
    return method_frame(channel, 50, 10, b"\x00\x00" + short_string(queue) + b"\x00" + arguments)


def start_ok(
    mechanism: bytes = b"PLAIN",
    response: bytes = b"\x00guest\x00guest",
    *,
    properties: bytes = b"\x00\x00\x00\x00",
    locale: bytes = b"en_US",
) -> bytes:
    """Encode connection.start-ok; ``properties`` is a whole field table."""
    return method_frame(0, 10, 11, properties + short_string(mechanism) + long_string(response) + short_string(locale))


def tune_ok(channel_max: int = CHANNEL_MAX, frame_max: int = FRAME_MAX, heartbeat_s: int = 0) -> bytes:
    """Encode connection.tune-ok."""
    return method_frame(0, 10, 31, struct.pack(">HIH", channel_max, frame_max, heartbeat_s))


def connection_open(vhost: bytes = b"/") -> bytes:
    """Encode connection.open."""
    return method_frame(0, 10, 40, short_string(vhost) + b"\x00\x00")


def capabilities(names: Iterable[bytes]) -> bytes:
    """Encode client properties that announce these capabilities."""
    return table(field(b"capabilities", b"F", table(b"".join(field(name, b"t", b"\x01") for name in names))))


class RawClient:
    """One TCP connection to a broker, and the assertions about what comes out of it.

    Every wait is bounded by ``timeout_s`` seconds; one that runs out is a test failure (``TimeoutError``).
    """

    def __init__(self, endpoint: Endpoint, *, timeout_s: float = TIMEOUT_S) -> None:
        self.sock = socket.create_connection((endpoint.host, endpoint.port), timeout=timeout_s)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.timeout_s = timeout_s
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.sock.close()

    def send(self, *octets: bytes) -> None:
        """Send all octets.

        Raises:
            ConnectionError: The peer has closed already.
        """
        self.sock.sendall(b"".join(octets))

    def send_refused(self, *octets: bytes) -> None:
        """Send octets that the peer may refuse before it has read the last of them."""
        with suppress(ConnectionError):  # what came before the reset is still there to be read
            self.send(*octets)

    def reset(self) -> None:
        """Close with RST, as a peer does whose process was killed with data unread."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        self.sock.close()

    def half_close(self) -> None:
        """Say that nothing more will be sent, and keep reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def read_exactly(self, count: int) -> bytes:
        """Read ``count`` octets.

        Raises:
            EOFError: The stream ended first, by FIN or RST.
            TimeoutError: They did not come in time.
        """
        deadline = time.monotonic() + self.timeout_s
        while len(self._unread) < count:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                chunk = self.sock.recv(65_536)
            except ConnectionError:
                chunk = b""
            finally:
                self.sock.settimeout(self.timeout_s)
            if not chunk:
                raise EOFError(f"end of stream after {self._unread!r}, wanted {count} octets")
            self._unread += chunk
        octets, self._unread = self._unread[:count], self._unread[count:]
        return octets

    def read_frame(self) -> Frame:
        """Read the next frame, whatever it is."""
        frame_type, channel, size = struct.unpack(">BHI", self.read_exactly(7))
        payload = self.read_exactly(size + 1)
        assert payload[-1] == FRAME_END
        return Frame(frame_type, channel, payload[:-1])

    def expect_method(self, class_id: int, method_id: int, *, channel: int = 1) -> Frame:
        """Read one frame, which must be this method on this channel."""
        answer = self.read_frame()
        assert (answer.channel, answer.method) == (channel, (class_id, method_id)), answer
        return answer

    def expect_content(self, *, channel: int = 1) -> bytes:
        """Read a content header and its body frames; return the body."""
        header = self.read_frame()
        assert (header.type, header.channel) == (FRAME_HEADER, channel), header
        (size,) = struct.unpack_from(">Q", header.payload, 4)
        body = b""
        while len(body) < size:
            part = self.read_frame()
            assert (part.type, part.channel) == (FRAME_BODY, channel), part
            body += part.payload
        assert len(body) == size
        return body

    def expect_octets(self, octets: bytes) -> None:
        """Read exactly these octets."""
        assert self.read_exactly(len(octets)) == octets

    def expect_end(self) -> None:
        """Nothing more comes, and the stream ends in time."""
        try:
            octets = self.read_exactly(1)
        except EOFError:
            return
        raise AssertionError(f"wanted end of stream, got {octets + self._unread!r}")

    def expect_connection_close(
        self, code: int, text: str, class_id: int = 0, method_id: int = 0, *, hangs_up: bool = False
    ) -> None:
        """Read connection.close with these arguments, answer it, and see the stream end.

        Args:
            code: Reply code.
            text: The whole reply text; a text that ends in ``…`` is only how it begins.
            class_id: Class of the method to blame, 0 for none.
            method_id: Method to blame, 0 for none.
            hangs_up: The broker closes without waiting for close-ok, so none is sent.
        """
        answer = self.expect_method(10, 50, channel=0)
        assert_close(close_arguments(answer), Close(code, text, class_id, method_id))
        if not hangs_up:
            self.send_refused(encode(commands.Connection.CloseOk(), 0))
        self.expect_end()

    def expect_channel_close(self, code: int, text: str, class_id: int, method_id: int, *, channel: int = 1) -> None:
        """Read channel.close with these arguments and answer it, after which the number is free again."""
        answer = self.expect_method(20, 40, channel=channel)
        assert_close(close_arguments(answer), Close(code, text, class_id, method_id))
        self.send(encode(commands.Channel.CloseOk(), channel))

    def read_to_end(self) -> list[Frame]:
        """Read frames until the stream ends, which a refused protocol header may do with the header that was wanted.

        Raises:
            TimeoutError: It did not end in time.
        """
        frames: list[Frame] = []
        try:
            while True:
                start = self.read_exactly(4)
                self._unread = start + self._unread
                if start == PROTOCOL_HEADER[:4]:
                    self.expect_octets(PROTOCOL_HEADER)
                    self.expect_end()
                    return frames
                frames.append(self.read_frame())
        except EOFError:
            assert not self._unread, "the stream ended within a frame"
            return frames

    def verdict(self) -> Verdict:
        """Read one frame and say what it was: a close's reply code, another method's ids, or ``end`` of the stream.

        A connection.close or channel.close is answered. For cases in which several answers are right.
        """
        try:
            answer = self.read_frame()
        except EOFError:
            return "end"
        if answer.method not in CLOSES:
            return answer.method
        self.send_refused(method_frame(answer.channel, answer.method[0], answer.method[1] + 1))
        return close_arguments(answer).code

    def expect_alive(self, *, channel: int = 1) -> None:
        """The channel still answers: basic.qos in, qos-ok out."""
        self.send(encode(commands.Basic.Qos(), channel))
        self.expect_method(60, 11, channel=channel)

    def open_channel(self, channel: int = 1) -> None:
        """Open a channel."""
        self.send(encode(commands.Channel.Open(), channel))
        self.expect_method(20, 11, channel=channel)

    def declare_queue(self, queue: str = "", *, channel: int = 1, **arguments: Any) -> str:
        """Declare a queue, exclusive unless told otherwise; return its name."""
        arguments.setdefault("exclusive", True)
        self.send(encode(commands.Queue.Declare(queue=queue, **arguments), channel))
        answer = self.expect_method(50, 11, channel=channel)
        return answer.payload[5 : 5 + answer.payload[4]].decode()

    def get(self, queue: str, *, channel: int = 1, no_ack: bool = True) -> bytes | None:
        """Get one message's body; None if the queue is empty."""
        self.send(encode(commands.Basic.Get(queue=queue, no_ack=no_ack), channel))
        answer = self.read_frame()
        if answer.method == (60, 72):
            return None
        assert (answer.channel, answer.method) == (channel, (60, 71)), answer
        return self.expect_content(channel=channel)


def close_arguments(answer: Frame) -> Close:
    """Decode the arguments of a connection.close or channel.close frame."""
    (code,) = struct.unpack_from(">H", answer.payload, 4)
    length = answer.payload[6]
    class_id, method_id = struct.unpack_from(">HH", answer.payload, 7 + length)
    return Close(code, answer.payload[7 : 7 + length].decode(errors="backslashreplace"), class_id, method_id)


def assert_close(actual: Close, expected: Close) -> None:
    """Compare close arguments; an expected text ending in ``…`` is a beginning."""
    if expected.text.endswith("…") and actual.text.startswith(expected.text[:-1]):
        expected = expected._replace(text=actual.text)
    assert actual == expected, f"got {actual}, wanted {expected}"


def connect(endpoint: Endpoint, stage: Stage = "channel", *, tune: bytes | None = None) -> RawClient:
    """Bring a connection to a stage, as guest in vhost ``/``.

    Args:
        endpoint: The broker.
        stage: ``header``: nothing sent; ``start``: connection.start was read; ``tune``: connection.tune was read;
            ``open``: connection.open-ok was read; ``channel``: channel 1 is open.
        tune: A whole connection.tune-ok frame instead of one that agrees with what the broker offers, without
            heartbeats.
    """
    client = RawClient(endpoint)
    try:
        if stage == "header":
            return client
        client.send(PROTOCOL_HEADER)
        client.expect_method(10, 10, channel=0)
        if stage == "start":
            return client
        client.send(start_ok())
        client.expect_method(10, 30, channel=0)
        if stage == "tune":
            return client
        client.send(tune_ok() if tune is None else tune, connection_open())
        client.expect_method(10, 41, channel=0)
        if stage == "channel":
            client.open_channel()
    except BaseException:
        client.sock.close()
        raise
    return client
