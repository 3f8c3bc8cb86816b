"""The AMQP port."""

import asyncio
import socket
from typing import cast

from broker.net.amqp_socket import AmqpSocket, Attendant
from broker.protocol.context import Context

# Connections the kernel keeps for us while a turn runs: a restart brings every client back at once.
BACKLOG = 4096


async def listen(host: str, port: int, context: Context, attendant: Attendant) -> asyncio.Server:
    """Open the AMQP port; 0 takes any free one.

    Raises:
        OSError: The address cannot be had.
    """

    def accept() -> asyncio.Protocol:
        # A compiled class cannot inherit asyncio.Protocol and keep its layout; it has all of its callbacks.
        return cast("asyncio.Protocol", AmqpSocket(context, attendant))

    loop = asyncio.get_running_loop()
    return await loop.create_server(accept, host, port, backlog=BACKLOG, reuse_address=True)


def bound_port(server: asyncio.Server) -> int:
    """The port a server listens on."""
    address: socket.socket = server.sockets[0]
    return int(address.getsockname()[1])
