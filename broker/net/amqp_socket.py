"""One AMQP socket: asyncio's callbacks on one side, a connection on the other."""

import asyncio
import logging
from typing import Any, Final, final

from mypy_extensions import i64, mypyc_attr

from broker.protocol.connection import Connection
from broker.protocol.context import Context
from broker.protocol.handshake import client_name
from broker.protocol.states import RUNNING
from broker.protocol.tls_session import TlsSession
from broker.protocol.transport import Transport
from broker.wire.outbox import OUTBOX_LIMIT

LOG: Final = logging.getLogger("broker.connection")

# Octets a peer may leave unread before we stop reading from it: answers to its own methods, as deliveries have stopped
# long before.
UNREAD_LIMIT: Final = 16 * 1024 * 1024
# Octets read from one socket before every other socket that has something is read from: some 400 small messages, less
# than a quarter of a millisecond. With twice as much, a publisher outruns a consumer with a prefetch of 1,000.
READ_SHARE_BYTES: Final = 64 * 1024
# The same where messages are large, and a turn for every four of them would cost more than the messages.
LARGE_SHARE_BYTES: Final = 256 * 1024
# With fewer in so much they are large: 1 KiB is, and goes through two thirds faster that way. None at all may be
# acknowledgements, which are small.
DENSE_MESSAGES: Final = 256
# The end of a chunk is copied before the next one, up to this size: a larger one costs more than to join the two.
MOST_TAIL_BYTES: Final = 64 * 1024


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class Attendant:
    """Does what a turn leaves to the event loop: a sync, a further turn, a timer. ``broker.server`` subclasses it.

    Attributes:
        input: Where every socket reads to. One is enough: a chunk is copied out of it before the next is read.
    """

    def __init__(self) -> None:
        self.input: Any = memoryview(bytearray(MOST_TAIL_BYTES + LARGE_SHARE_BYTES))

    def attend(self) -> None:
        """Look at the turn and see to what it wants. Called after every chunk, so it must be cheap."""
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class Arrival:
    """Who has come through a door.

    Attributes:
        host: Address of the peer, or the one that a proxy announced.
        port: Its port.
        accepted_s: When the socket was accepted, by the monotonic clock.
    """

    def __init__(self, host: str, port: i64, accepted_s: float) -> None:
        self.host: Final = host
        self.port: Final[i64] = port
        self.accepted_s: Final = accepted_s


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class Entrance:
    """What all connections of one port have in common. ``broker.net`` subclasses it.

    Attributes:
        listener: Address of the port.
    """

    def __init__(self) -> None:
        self.listener: str = ""

    def lets_in(self, host: str) -> bool:
        """May a socket of this address become a connection? Not asked about those that came through a door."""
        return True

    def is_told(self, host: str) -> bool:
        """Is the end of a stranger logged, of a peer that never came to say who it is?"""
        return True

    def tls_session(self, transport: Any) -> TlsSession | None:
        """What TLS has agreed on for this transport; None without TLS."""
        return None


@final
@mypyc_attr(native_class=True)
class AmqpSocket(Transport):
    """The protocol object of one accepted socket.

    Attributes:
        connection: The connection, once the socket is made.
    """

    def __init__(
        self, context: Context, attendant: Attendant, entrance: Entrance, arrival: Arrival | None = None
    ) -> None:
        self._context: Final = context
        self._attendant: Final = attendant
        self._entrance: Final = entrance
        self._arrival: Final = arrival
        self._loop: Any = asyncio.get_running_loop()
        self._transport: Any = None
        self._is_closing: bool = False
        self._taken: i64 = 0  # octets read since others last had their turn
        self._is_dense: bool = True  # its chunks hold many small messages, or nothing is known of them yet
        self._is_waiting: bool = False
        self._tail: i64 = 0  # octets at the head of the input that were there before the chunk that is being read
        self._host: str = ""
        self.connection: Connection | None = None

    # --- asyncio's callbacks

    def connection_made(self, transport: Any) -> None:
        """A peer has been accepted."""
        self._transport = transport
        if self._context.is_stopping:
            # Accepted by the kernel before the port was closed, as happens to a client that our own close sent back at
            # once. Let in, it would be cut off later without being told why.
            self._is_closing = True
            transport.close()
            return
        entrance = self._entrance
        arrival = self._arrival
        waited_s = 0.0
        if arrival is not None:
            host = arrival.host
            port = f":{arrival.port}"
            waited_s = self._context.clock.monotonic_s() - arrival.accepted_s
        else:
            peer = transport.get_extra_info("peername")
            host = str(peer[0]) if isinstance(peer, tuple) else "local"
            port = f":{peer[1]}" if isinstance(peer, tuple) else ""
            if not entrance.lets_in(host):
                self._is_closing = True
                transport.abort()
                return
        transport.set_write_buffer_limits(high=OUTBOX_LIMIT)
        tls = entrance.tls_session(transport)
        self._host = host
        self.connection = Connection(
            self._context, self, host + port, is_loopback(host), entrance.listener, tls, waited_s
        )

    def get_buffer(self, size: int) -> Any:
        """Where the next chunk goes: uvloop's way to let a protocol choose the size of its chunks.

        The end of the chunk before it, that of a frame not whole yet, is put in front.
        """
        tail: i64 = 0
        connection = self.connection
        if connection is not None:
            tail = len(connection.tail)
            if 0 < tail <= MOST_TAIL_BYTES:
                self._attendant.input[:tail] = connection.tail
            else:
                tail = 0
        self._tail = tail
        return self._attendant.input[tail : tail + (READ_SHARE_BYTES if self._is_dense else LARGE_SHARE_BYTES)]

    def buffer_updated(self, size: int) -> None:
        """A chunk is there."""
        self._receive(bytes(self._attendant.input[: self._tail + size]), self._tail)

    def data_received(self, data: bytes) -> None:
        """A chunk has arrived."""
        self._receive(data, 0)

    def _receive(self, data: bytes, tail: i64) -> None:
        connection = self.connection
        if connection is None:
            return
        counters = self._context.counters
        received = counters.messages_received
        try:
            connection.feed(data, tail)
        except Exception:  # noqa: BLE001 - the outermost edge: a bug ends this connection and no other
            self._fail(connection)
        if connection.is_choked and not connection.is_held:
            connection.is_held = True
            self._transport.pause_reading()
            if not connection.is_blocked and not connection.is_waiting:
                # The socket took everything: go on when the others have had their turn.
                self._loop.call_soon(self.resume_writing)
        size = len(data) - tail
        if size >= READ_SHARE_BYTES:
            received = counters.messages_received - received
            self._is_dense = received == 0 or received * LARGE_SHARE_BYTES > DENSE_MESSAGES * size
        self._taken += size
        if self._taken >= READ_SHARE_BYTES and not connection.is_held and not self._is_closing:
            # uvloop reads a socket up to 32 times in a row while the buffer gets full: let the others have a turn.
            self._is_waiting = True
            self._transport.pause_reading()
            self._loop.call_soon(self._read_on)
        self._attendant.attend()

    def _read_on(self) -> None:
        """Everybody else has been read from: it is this socket's turn again."""
        self._taken = 0
        self._is_waiting = False
        connection = self.connection
        if connection is not None and not connection.is_held and not self._is_closing:
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        """The peer will send no more: AMQP has no half-open connections."""
        connection = self.connection
        if connection is not None and connection.state == RUNNING:
            # It left without connection.close. To write what is waiting first would let a peer that does not read keep
            # its deliveries for ever.
            self.abort()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The socket is gone."""
        connection = self.connection
        if connection is None:
            return
        self._is_closing = True
        reason = connection.close_reason
        if not reason:
            reason = f"connection lost: {error}" if error is not None else "client closed the socket"
        try:
            connection.lost()
        except Exception:
            LOG.exception("could not release a lost connection", extra={"peer": connection.peer})
        if connection.mechanism or self._entrance.is_told(self._host):
            self._log_end(connection, reason)
        self._attendant.attend()

    def _log_end(self, connection: Connection, reason: str) -> None:
        LOG.info(
            "connection closed",
            extra={
                "peer": connection.peer,
                "user": connection.user_name.decode("utf-8", "replace"),
                "vhost": connection.vhost_name,
                "client": client_name(connection.client_properties),
                "reason": reason,
            },
        )

    def pause_writing(self) -> None:
        """The peer does not read as fast as we write."""
        if self.connection is not None:
            self.connection.pause()

    def resume_writing(self) -> None:
        """The peer has caught up."""
        connection = self.connection
        if connection is None:
            return
        try:
            connection.resume()
        except Exception:  # noqa: BLE001 - as in data_received
            self._fail(connection)
        if connection.is_choked:
            if not connection.is_blocked and not connection.is_waiting:
                self._loop.call_soon(self.resume_writing)
        elif connection.is_held:
            connection.is_held = False
            if not self._is_waiting:
                self._transport.resume_reading()
        self._attendant.attend()

    def _fail(self, connection: Connection) -> None:
        """Called while an exception is being handled: log it, and close with 541."""
        LOG.error("internal error", exc_info=True, extra={"peer": connection.peer})  # noqa: LOG014
        try:
            connection.fail()
        except Exception:
            LOG.exception("could not close after an internal error", extra={"peer": connection.peer})
            self.abort()

    # --- what the connection asks for

    def send(self, parts: list[bytes]) -> None:
        """Write the parts; what the socket does not take at once waits in the transport."""
        if self._is_closing:
            return
        transport = self._transport
        if len(parts) == 1:
            transport.write(parts[0])
        else:
            transport.writelines(parts)
        connection = self.connection
        if connection is not None and connection.is_blocked and not connection.is_held:
            unread: i64 = transport.get_write_buffer_size()
            if unread > UNREAD_LIMIT:
                connection.is_held = True
                transport.pause_reading()

    def read_on(self) -> None:
        """What the connection waited for is there. A socket that is full goes on when it has drained."""
        connection = self.connection
        if not self._is_closing and connection is not None and not connection.is_blocked:
            self.resume_writing()

    def close(self) -> None:
        """Close when everything sent has been written."""
        if not self._is_closing:
            self._is_closing = True
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._is_closing = True
        self._transport.abort()


def is_loopback(host: str) -> bool:
    """Is the peer on this machine? IPv4 addresses may come mapped into IPv6."""
    return host.startswith(("127.", "::ffff:127.")) or host == "::1" or host == "local"
