"""Publishing at full speed on one or many connections: repeated octets out, publisher confirms in."""

import selectors
import socket
import ssl
import struct
from collections.abc import Sequence
from typing import Final

from benchmarks.client import SILENCE_SECONDS, BenchmarkError, Client
from benchmarks.wire import BASIC_ACK

MOST_MESSAGES_AT_ONCE: Final = 500
MOST_OCTETS_AT_ONCE: Final = 1 << 18
CONFIRM_LENGTH: Final = 21
RECEIVE_OCTETS: Final = 1 << 18


class Confirms:
    """Counts publisher confirms: tags up to `_floor` are confirmed, and those of `_ahead` beyond it.

    Attributes:
        count: Messages confirmed so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._floor = 0
        self._ahead: set[int] = set()
        self._rest = b""

    def feed(self, octets: bytes) -> None:
        """Take octets as they arrived, cut anywhere.

        Raises:
            BenchmarkError: Something else than basic.ack was said, a nack among it.
        """
        octets = self._rest + octets
        whole = len(octets) // CONFIRM_LENGTH * CONFIRM_LENGTH
        self._rest = octets[whole:]
        for at in range(0, whole, CONFIRM_LENGTH):
            class_id, method_id, tag, multiple = struct.unpack_from(">HHQB", octets, at + 7)
            if (class_id, method_id) != BASIC_ACK:
                raise BenchmarkError(f"method {class_id}.{method_id} where a confirm was expected")
            if not multiple:
                self._ahead.add(tag)
            elif tag > self._floor:
                self._floor = tag
                self._ahead = {later for later in self._ahead if later > tag}
        while self._floor + 1 in self._ahead:
            self._floor += 1
            self._ahead.discard(self._floor)
        self.count = self._floor + len(self._ahead)


class Publishing:
    """One connection that publishes `count` messages as fast as the broker takes them.

    Attributes:
        connection: The socket.
        count: Messages to publish.
        window: Most messages without a confirm; 0 if the channel is not in confirm mode.
        wants: The selector events this waits for; 0 when all is sent and confirmed.
    """

    def __init__(self, connection: socket.socket, frames: Sequence[bytes], count: int, window: int = 0) -> None:
        """Prepare the octets.

        Args:
            connection: An open channel 1 behind it; it becomes non-blocking.
            frames: Messages of one length, sent in turn.
            count: Messages to publish.
            window: Most messages without a confirm.
        """
        self.connection = connection
        self.count = count
        self.window = window
        self.wants = selectors.EVENT_WRITE
        self._length = len(frames[0])
        assert all(len(one) == self._length for one in frames)
        most = min(window // 2 or MOST_MESSAGES_AT_ONCE, MOST_MESSAGES_AT_ONCE, MOST_OCTETS_AT_ONCE // self._length)
        turns = max(1, most // len(frames))
        self._batch = turns * len(frames)
        self._octets = memoryview(b"".join(frames) * turns)
        self._rest = self._octets[:0]
        self._sent = 0
        self._confirms = Confirms()
        connection.setblocking(False)

    def advance(self, events: int) -> None:
        """Send and receive what the socket allows now, then say in `wants` what to wait for."""
        try:
            if events & selectors.EVENT_READ:
                self._receive()
            if events & selectors.EVENT_WRITE:
                self._send()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass  # a part of a TLS record
        can_send = bool(self._rest) or (self._sent < self.count and self._room() > 0)
        unconfirmed = self.window > 0 and self._confirms.count < self.count
        self.wants = (selectors.EVENT_WRITE if can_send else 0) | (selectors.EVENT_READ if unconfirmed else 0)

    def _room(self) -> int:
        if not self.window:
            return self._batch
        room = self.window - (self._sent - self._confirms.count)
        # Whole batches only, until the end: a broker that confirms one by one must not make us publish one by one.
        return self._batch if room >= self._batch else 0

    def _send(self) -> None:
        if not self._rest:
            take = min(self._room(), self.count - self._sent)
            self._rest = self._octets[: take * self._length]
            self._sent += take
        if self._rest:
            self._rest = self._rest[self.connection.send(self._rest) :]

    def _receive(self) -> None:
        octets = self.connection.recv(RECEIVE_OCTETS)
        if not octets:
            raise BenchmarkError("the broker closed a publisher's connection")
        self._confirms.feed(octets)


def publish(flows: Sequence[Publishing]) -> None:
    """Publish on all connections until everything is sent, and confirmed where that was asked for.

    The sockets are blocking again afterwards.

    Raises:
        BenchmarkError: The broker took nothing for SILENCE_SECONDS, or hung up.
    """
    with selectors.DefaultSelector() as selector:
        for flow in flows:
            selector.register(flow.connection, flow.wants, flow)
        while selector.get_map():
            ready = selector.select(SILENCE_SECONDS)
            if not ready:
                raise BenchmarkError(f"the broker took nothing for {SILENCE_SECONDS} s")
            for key, events in ready:
                flow = key.data
                flow.advance(events)
                if not flow.wants:
                    selector.unregister(flow.connection)
                    flow.connection.setblocking(True)
                elif flow.wants != key.events:
                    selector.modify(flow.connection, flow.wants, flow)


def publish_many(client: Client, message: bytes, count: int, window: int = 0) -> None:
    """Publish one message many times on one connection."""
    publish([Publishing(client.socket, [message], count, window)])
