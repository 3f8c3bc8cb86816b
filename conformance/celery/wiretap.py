"""A TCP proxy that remembers what a client and a broker said to each other, frame by frame.

Some lines of the Celery contract are only visible on the wire: which number a channel is reopened on, which octet
announces an integer in a table, what is sent before a reply is read. A client under test is given the proxy's address
in place of the broker's; every octet is passed on unchanged and a copy is cut into frames. Decoding waits until a test
asks, so that the proxy keeps up with a busy worker.
"""

import contextlib
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Self

from pamqp import frame

HOST: Final = "127.0.0.1"
FRAME_HEADER_OCTETS: Final = 7  # type octet, channel short, payload size long
PROTOCOL_HEADER: Final = b"AMQP"
PROTOCOL_HEADER_OCTETS: Final = 8
READ_OCTETS: Final = 65536
WAIT_SECONDS: Final = 20.0


@dataclass(frozen=True)
class WireFrame:
    """One frame as it passed.

    Attributes:
        connection: Number of the TCP connection through this proxy, in order of arrival, from 1.
        from_client: Who sent it.
        octets: The whole frame, frame-end included.
        seen_at: Monotonic seconds.
    """

    connection: int
    from_client: bool
    octets: bytes
    seen_at: float

    @cached_property
    def _decoded(self) -> tuple[int, Any]:
        _, channel, value = frame.unmarshal(self.octets)
        return channel, value

    @property
    def channel(self) -> int:
        """The channel number; 0 is the connection's own."""
        return self._decoded[0]

    @property
    def value(self) -> Any:
        """The frame as pamqp decodes it; attributes are named as in the specification."""
        return self._decoded[1]

    @property
    def name(self) -> str:
        """`Queue.Declare` and the like, `ContentHeader`, `ContentBody`, `Heartbeat` or `ProtocolHeader`."""
        return str(self.value.name)

    @property
    def arguments(self) -> dict[str, Any]:
        """The method's arguments by name, without the reserved ones."""
        return {key: value for key, value in self.value if key != "ticket" and not key.startswith("reserved")}

    def __repr__(self) -> str:
        arrow = ">" if self.from_client else "<"
        detail = self.arguments if "." in self.name else ""
        return f"{self.connection}/{self.channel} {arrow} {self.name} {detail}"


@dataclass(frozen=True)
class WireMessage:
    """A content-bearing method with its content header and body.

    Attributes:
        method: The `Basic.Publish`, `Basic.Deliver`, `Basic.GetOk` or `Basic.Return` frame.
        properties: The content header's properties.
        header_octets: The content header frame as it was sent, to look at the types in its tables.
        body: All body frames joined.
    """

    method: WireFrame
    properties: Any
    header_octets: bytes
    body: bytes


class Wiretap:
    """A recording proxy in front of one broker.

    Two threads copy each connection, one per direction; a third accepts. `close` ends all of them.
    """

    def __init__(self, broker_host: str, broker_port: int) -> None:
        self._target = (broker_host, broker_port)
        self._listener = socket.create_server((HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self._frames: list[WireFrame] = []
        self._changed = threading.Condition()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._is_closed = False
        self._is_muted = False
        self._connection_count = 0
        self._run(self._accept)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The address a client is given."""
        return f"amqp://guest:guest@{HOST}:{self.port}//"

    def frames(self, *, connection: int | None = None, from_client: bool | None = None) -> list[WireFrame]:
        """What has passed so far, in the order in which the proxy saw it."""
        with self._changed:
            seen = list(self._frames)
        return [
            one
            for one in seen
            if (connection is None or one.connection == connection)
            and (from_client is None or one.from_client == from_client)
        ]

    def methods(self, *names: str, connection: int | None = None, from_client: bool | None = None) -> list[WireFrame]:
        """The method frames with one of these names; without names, all of them."""
        return [
            one
            for one in self.frames(connection=connection, from_client=from_client)
            if (one.name in names if names else "." in one.name)
        ]

    def messages(self, name: str, *, connection: int | None = None) -> list[WireMessage]:
        """Every complete message carried by the method `name`, for example `Basic.Publish`."""
        complete: list[WireMessage] = []
        open_contents: dict[tuple[int, bool, int], tuple[WireFrame, WireFrame | None, bytes]] = {}
        for one in self.frames(connection=connection):
            place = (one.connection, one.from_client, one.channel)
            if one.name == name:
                open_contents[place] = (one, None, b"")
                continue
            if place not in open_contents or one.name not in {"ContentHeader", "ContentBody"}:
                continue
            method, header, body = open_contents[place]
            if one.name == "ContentHeader":
                header = one
            else:
                body += one.value.value
            open_contents[place] = (method, header, body)
            if header is not None and len(body) == header.value.body_size:
                complete.append(WireMessage(method, header.value.properties, header.octets, body))
                del open_contents[place]
        return complete

    def wait_for(self, predicate: Callable[[Self], object], timeout_s: float = WAIT_SECONDS) -> None:
        """Return when the predicate holds; it is asked again after each chunk that passes.

        Raises:
            AssertionError: It did not come true in time; the text lists the last frames.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not predicate(self):
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    last = "\n".join(map(repr, self._frames[-40:]))
                    raise AssertionError(f"not seen on the wire within {timeout_s} s; last frames:\n{last}")

    def wait_for_method(self, name: str, count: int = 1, timeout_s: float = WAIT_SECONDS) -> WireFrame:
        """Return the `count`-th method frame of this name as soon as it has passed."""
        self.wait_for(lambda tap: len(tap.methods(name)) >= count, timeout_s)
        return self.methods(name)[count - 1]

    def mute_broker(self) -> None:
        """Keep from now on what the broker sends; the connections stay open, as with a broken switch in between."""
        self._is_muted = True

    def cut(self) -> None:
        """Close every connection that is open; new ones are accepted."""
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close every connection and end every thread."""
        self._is_closed = True
        with contextlib.suppress(OSError):
            # Closing alone does not wake a thread that is in accept.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(WAIT_SECONDS)
        for one in self._sockets:
            one.close()

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                broker = socket.create_connection(self._target, WAIT_SECONDS)
            except OSError:
                # A client that finds the broker gone sees the same through the proxy: a connection that goes away.
                client.close()
                continue
            broker.settimeout(None)
            for one in (client, broker):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets.append(one)
            self._connection_count += 1
            self._run(self._copy, client, broker, self._connection_count, True)
            self._run(self._copy, broker, client, self._connection_count, False)
            if self._is_closed:
                return

    def _copy(self, source: socket.socket, sink: socket.socket, connection: int, from_client: bool) -> None:
        pending = b""
        try:
            while data := source.recv(READ_OCTETS):
                # Recorded before it is passed on, so that an answer is never listed before its request.
                pending = self._record(pending + data, connection, from_client)
                if from_client or not self._is_muted:
                    sink.sendall(data)
        except OSError:
            pass
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _record(self, data: bytes, connection: int, from_client: bool) -> bytes:
        now = time.monotonic()
        position = 0
        found: list[WireFrame] = []
        while len(data) - position >= FRAME_HEADER_OCTETS:
            if data.startswith(PROTOCOL_HEADER, position):
                end = position + PROTOCOL_HEADER_OCTETS
            else:
                (payload_size,) = struct.unpack_from(">I", data, position + 3)
                end = position + FRAME_HEADER_OCTETS + payload_size + 1
            if end > len(data):
                break
            found.append(WireFrame(connection, from_client, data[position:end], now))
            position = end
        if found:
            with self._changed:
                self._frames += found
                self._changed.notify_all()
        return data[position:]
