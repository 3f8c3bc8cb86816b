"""The AMQP ports."""

import asyncio
import logging
import socket
from typing import Any, Final, cast

from broker.core.clock import Clock
from broker.net.amqp_socket import AmqpSocket, Arrival, Attendant, Entrance
from broker.net.complaints import Complaints
from broker.net.connection_rate import ConnectionRate
from broker.net.door import Door, open_sockets
from broker.net.tls import Tls
from broker.protocol.context import Context
from broker.protocol.tls_session import TlsSession

LOG: Final = logging.getLogger("broker.net")

# Connections the kernel keeps for us while a turn runs: a restart brings every client back at once.
BACKLOG = 4096
# A peer behind a dead network and without heartbeats is found by the kernel: first asked after a minute, given up 80 s
# later. With the kernel's own figures it would hold its queues and unacked messages for two hours.
KEEPALIVE_IDLE_S = 60
KEEPALIVE_INTERVAL_S = 20
KEEPALIVE_COUNT = 4


class AmqpEntrance(Entrance):
    """The way in to one AMQP port."""

    def __init__(self, rate: ConnectionRate, complaints: Complaints, clock: Clock, tls: Tls | None) -> None:
        super().__init__()
        self._rate = rate
        self._complaints = complaints
        self._clock = clock
        self._tls = tls

    def lets_in(self, host: str) -> bool:
        now_s = self._clock.monotonic_s()
        if self._rate.allows(host, now_s):
            return True
        if self._complaints.is_due(host, now_s):
            LOG.warning("connection refused", extra={"peer": host, "reason": "too many connections from this address"})
        return False

    def is_told(self, host: str) -> bool:
        return self._complaints.is_due(host, self._clock.monotonic_s())

    def tls_session(self, transport: Any) -> TlsSession | None:
        return None if self._tls is None else self._tls.session(transport.get_extra_info("ssl_object"))


class AmqpListeners:
    """Opens the AMQP ports of one broker, which share their limits."""

    def __init__(self, context: Context, attendant: Attendant, connections_per_s: int) -> None:
        """Prepare.

        Args:
            context: The broker.
            attendant: Does what turns leave to the event loop.
            connections_per_s: How often one address may connect; 0 for no limit.
        """
        self._context = context
        self._attendant = attendant
        self._rate = ConnectionRate(connections_per_s)
        self._complaints = Complaints()

    async def listen(
        self, host: str, port: int, tls: Tls | None = None, *, has_proxy: bool = False
    ) -> "asyncio.Server | Door":
        """Open one port; 0 takes any free one.

        Args:
            host: The address.
            port: The port.
            tls: What TLS is spoken with; None for none.
            has_proxy: Every connection begins with a PROXY header.

        Raises:
            OSError: The address cannot be had.
        """
        context = self._context
        attendant = self._attendant
        entrance = AmqpEntrance(self._rate, self._complaints, context.clock, tls)

        # A compiled class cannot inherit asyncio.Protocol and keep its layout; it has all of its callbacks.
        def accept() -> asyncio.Protocol:
            return cast("asyncio.Protocol", AmqpSocket(context, attendant, entrance))

        def let_in(arrival: Arrival) -> asyncio.Protocol:
            return cast("asyncio.Protocol", AmqpSocket(context, attendant, entrance, arrival))

        server: asyncio.Server | Door
        if tls is None and not has_proxy:
            loop = asyncio.get_running_loop()
            server = await loop.create_server(accept, host, port, backlog=BACKLOG, reuse_address=True)
        else:
            server = Door(
                await open_sockets(host, port, BACKLOG),
                let_in,
                tls=tls,
                has_proxy=has_proxy,
                limit_s=context.limits.handshake_s,
                rate=self._rate,
                complaints=self._complaints,
                clock=context.clock,
            )
        for listening in server.sockets:
            _keep_alive(listening)
        entrance.listener = f"{host}:{bound_port(server)}"
        return server


def _keep_alive(listening: socket.socket) -> None:
    """Set on the listening socket, whose accepted ones inherit it: nothing is to be done for each connection."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # macOS has other names, and then keeps its own figures
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)


def bound_port(server: "asyncio.Server | Door") -> int:
    """The port a server listens on."""
    address: socket.socket = server.sockets[0]
    return int(address.getsockname()[1])
