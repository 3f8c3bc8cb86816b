"""A port where something comes before the protocol: a PROXY header, a TLS handshake, or both."""

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from typing import Final, cast

from broker.core.clock import Clock
from broker.net.amqp_socket import Arrival
from broker.net.complaints import Complaints
from broker.net.connection_rate import ConnectionRate
from broker.net.tls import Tls
from broker.wire.proxy_header import MAX_VERSION_2_BYTES, ProxyHeader, ProxyHeaderError, read_proxy_header

LOG: Final = logging.getLogger("broker.net")

# Connections taken from the kernel before others have their turn.
ACCEPT_SHARE: Final = 64
# Beyond so many connections at the door the oldest goes: who means well needs milliseconds, and who only wants to keep
# others out must not succeed by waiting.
MOST_ENTERING: Final = 1000
# Without a free file descriptor nobody can be let in; the next try is after this.
NO_FILES_REST_S: Final = 1.0
# How long a peer may take to answer the end of TLS.
SHUTDOWN_S: Final = 2.0


class Door:
    """Accepts sockets, sees to what comes first, and then hands them to the loop with their protocol object.

    A peer that does not come through in time, or not as it should, is closed; at most one line per address and minute
    says why.

    Attributes:
        sockets: The listening ones.
        most_entering: Connections at one time that are not past the door.
    """

    def __init__(
        self,
        sockets: list[socket.socket],
        make_protocol: Callable[[Arrival], asyncio.Protocol],
        *,
        tls: Tls | None,
        has_proxy: bool,
        limit_s: float,
        rate: ConnectionRate,
        complaints: Complaints,
        clock: Clock,
    ) -> None:
        """Accept from now on, on the running loop.

        Args:
            sockets: Listening, not blocking.
            make_protocol: Called for each connection that is let in.
            tls: What TLS is spoken with; None for none.
            has_proxy: Every connection begins with a PROXY header.
            limit_s: How long a connection may take until its protocol begins.
            rate: How often one address may connect.
            complaints: Whether something may be logged about an address.
            clock: For the rates.
        """
        self.sockets: Final = sockets
        self.most_entering = MOST_ENTERING
        self._make_protocol = make_protocol
        self._tls = tls
        self._has_proxy = has_proxy
        self._limit_s = limit_s
        self._rate = rate
        self._complaints = complaints
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._entering: dict[asyncio.Task[None], socket.socket] = {}
        self._resting: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Let nobody in any more, and drop those who are at the door. Who is inside stays."""
        if self._resting is not None:
            self._resting.cancel()
        for listening in self.sockets:
            self._loop.remove_reader(listening)
            listening.close()
        for task in list(self._entering):
            self._drop(task)

    def _listen(self) -> None:
        self._resting = None
        for listening in self.sockets:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(ACCEPT_SHARE):
            try:
                sock, address = listening.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                LOG.error("no connection can be accepted", extra={"reason": str(error)})
                for each in self.sockets:
                    self._loop.remove_reader(each)
                self._resting = self._loop.call_later(NO_FILES_REST_S, self._listen)
                return
            sock.setblocking(False)
            host, port = str(address[0]), int(address[1])
            # Behind a proxy all connections have one address; there the announced one is counted.
            if not self._has_proxy and not self._is_welcome(host, port):
                sock.close()
                continue
            if len(self._entering) >= self.most_entering:
                self._drop(next(iter(self._entering)))
            task = self._loop.create_task(self._let_in(sock, host, port))
            self._entering[task] = sock
            task.add_done_callback(self._entered)

    def _is_welcome(self, host: str, port: int) -> bool:
        if self._rate.allows(host, self._clock.monotonic_s()):
            return True
        self._complain(host, port, "too many connections from this address")
        return False

    def _entered(self, task: asyncio.Task[None]) -> None:
        self._entering.pop(task, None)

    def _drop(self, task: asyncio.Task[None]) -> None:
        sock = self._entering.pop(task)
        with contextlib.suppress(OSError):  # it is gone already
            sock.shutdown(socket.SHUT_RDWR)  # or TLS would wait for a goodbye
        task.cancel()

    async def _let_in(self, sock: socket.socket, host: str, port: int) -> None:
        arrival = Arrival(host, port, self._clock.monotonic_s())
        began_s = self._loop.time()
        is_handed_over = False
        try:
            if self._has_proxy:
                async with asyncio.timeout(self._limit_s):
                    header = await self._read_header(sock)
                if header.host:
                    arrival = Arrival(header.host, header.port, arrival.accepted_s)
                if not self._is_welcome(arrival.host, arrival.port):
                    return
            is_handed_over = True
            await self._hand_over(sock, arrival, self._limit_s - (self._loop.time() - began_s))
        except (OSError, ProxyHeaderError) as error:  # TimeoutError and ssl.SSLError are OSErrors
            self._complain(arrival.host, arrival.port, _reason(error))
        finally:
            if not is_handed_over:
                sock.close()

    async def _hand_over(self, sock: socket.socket, arrival: Arrival, left_s: float) -> None:
        """From here on the loop owns the socket, also while it is in the TLS handshake."""
        tls = self._tls
        if tls is None:
            await self._loop.connect_accepted_socket(lambda: self._make_protocol(arrival), sock)
            return
        await self._loop.connect_accepted_socket(
            lambda: self._make_protocol(arrival),
            sock,
            ssl=tls.context,
            ssl_handshake_timeout=max(left_s, 0.001),
            ssl_shutdown_timeout=SHUTDOWN_S,
        )

    async def _read_header(self, sock: socket.socket) -> ProxyHeader:
        """Take the PROXY header from the socket, and not one octet of what follows: that is TLS's or the protocol's."""
        taken = b""
        while True:
            await self._readable(sock)
            try:
                peeked = sock.recv(MAX_VERSION_2_BYTES - len(taken), socket.MSG_PEEK)
            except BlockingIOError:
                continue
            if not peeked:
                raise ConnectionResetError("closed before its PROXY header was whole")
            header = read_proxy_header(taken + peeked)
            sock.recv(len(peeked) if header is None else int(header.size) - len(taken))
            if header is not None:
                return header
            taken += peeked

    async def _readable(self, sock: socket.socket) -> None:
        waiting: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(sock, _wake, waiting)
        try:
            await waiting
        finally:
            self._loop.remove_reader(sock)

    def _complain(self, host: str, port: int, reason: str) -> None:
        if self._complaints.is_due(host, self._clock.monotonic_s()):
            LOG.warning("connection refused", extra={"peer": f"{host}:{port}", "reason": reason})


async def open_sockets(host: str, port: int, backlog: int) -> list[socket.socket]:
    """Listen on every address that ``host`` stands for; port 0 takes any free one.

    Raises:
        OSError: An address cannot be had.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    opened: list[socket.socket] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            listening = socket.create_server(cast("tuple[str, int]", address), family=family, backlog=backlog)
            listening.setblocking(False)
            opened.append(listening)
    except OSError:
        for listening in opened:
            listening.close()
        raise
    return opened


def _wake(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_result(None)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"no TLS handshake: {(error.reason or str(error)).lower().replace('_', ' ')}"
    if isinstance(error, TimeoutError):
        return "not through the door in time"
    return str(error) or type(error).__name__
