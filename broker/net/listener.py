"""The AMQP port."""

import asyncio
import socket
from typing import cast

from broker.net.amqp_socket import AmqpSocket, Attendant
from broker.protocol.context import Context

# Connections the kernel keeps for us while a turn runs: a restart brings every client back at once.
BACKLOG = 4096
# A peer behind a dead network and without heartbeats is found by the kernel: first asked after a minute, given up 80 s
# later. With the kernel's own figures it would hold its queues and unacked messages for two hours.
KEEPALIVE_IDLE_S = 60
KEEPALIVE_INTERVAL_S = 20
KEEPALIVE_COUNT = 4


async def listen(host: str, port: int, context: Context, attendant: Attendant) -> asyncio.Server:
    """Open the AMQP port; 0 takes any free one.

    Raises:
        OSError: The address cannot be had.
    """

    def accept() -> asyncio.Protocol:
        # A compiled class cannot inherit asyncio.Protocol and keep its layout; it has all of its callbacks.
        return cast("asyncio.Protocol", AmqpSocket(context, attendant))

    loop = asyncio.get_running_loop()
    server = await loop.create_server(accept, host, port, backlog=BACKLOG, reuse_address=True)
    for listening in server.sockets:
        _keep_alive(listening)
    return server


def _keep_alive(listening: socket.socket) -> None:
    """Set on the listening socket, whose accepted ones inherit it: nothing is to be done for each connection."""
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # macOS has other names, and then keeps its own figures
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_COUNT)


def bound_port(server: asyncio.Server) -> int:
    """The port a server listens on."""
    address: socket.socket = server.sockets[0]
    return int(address.getsockname()[1])
