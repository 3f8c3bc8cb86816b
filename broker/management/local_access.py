"""Who asks over the local socket: whoever may open its file, which the file's rights decide."""

import socket
import struct
from collections.abc import Iterable
from typing import Final

from aiohttp import web

from broker.auth.access import Permission
from broker.auth.passwords import no_password
from broker.auth.users import ADMINISTRATOR, User
from broker.management.access import Viewer

_EVERYTHING: Final = Permission(".*", ".*", ".*")
_CREDENTIALS: Final = struct.Struct("3i")  # struct ucred of Linux: pid, uid, gid


def local_viewer(request: web.Request, vhost_names: Iterable[str]) -> Viewer | None:
    """The administrator at the other end of the local socket; None if the request came over a network.

    The login tells the audit log which process of which user it was: ``local(uid=0,pid=4711)``.
    """
    transport = request.transport
    if transport is None or not isinstance(transport.get_extra_info("sockname"), str):
        return None  # an address of TCP is a tuple
    user = User(f"local({_process(transport.get_extra_info('socket'))})".encode(), no_password(), [ADMINISTRATOR])
    for name in vhost_names:
        user.access(name).permission = _EVERYTHING
    return Viewer(user)


def _process(connection: socket.socket) -> str:
    """Owner and number of the process that opened the connection, as the kernel knows it."""
    if not hasattr(socket, "SO_PEERCRED"):
        return "unknown"
    pid, uid, _ = _CREDENTIALS.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return f"uid={uid},pid={pid}"
