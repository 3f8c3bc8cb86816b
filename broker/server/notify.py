"""Telling the service manager how far we are: systemd's sd_notify, without its library.

The protocol is one datagram of ``KEY=value`` lines to the socket named by ``NOTIFY_SOCKET``. With ``Type=notify`` in
the unit, ``systemctl start`` returns when the ports are really open, not when the process exists.
"""

import logging
import socket
from collections.abc import Mapping

log = logging.getLogger("broker.server.notify")


class ServiceManager:
    """Whoever started us and wants to know; nobody, when ``NOTIFY_SOCKET`` is not set, and then nothing is sent."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")

    def ready(self, status: str) -> bool:
        """Say that every port is open. Call it once, after the last of them.

        Returns:
            True if somebody was told.
        """
        return self._send(f"READY=1\nSTATUS={_line(status)}")

    def stopping(self, status: str = "closing connections") -> bool:
        """Say that we stop on purpose. Call it when the signal arrives, before the first connection is closed."""
        return self._send(f"STOPPING=1\nSTATUS={_line(status)}")

    def _send(self, message: str) -> bool:
        if not self._address:
            return False
        # A name in Linux's abstract namespace is written with "@" and bound with a zero octet.
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
                channel.settimeout(1.0)
                channel.sendto(message.encode(), address)
        except OSError as error:
            # A broker that serves is worth more than a manager that knows it: say so and go on.
            log.warning("service manager not reached", extra={"socket": self._address, "reason": str(error)})
            return False
        return True


def _line(text: str) -> str:
    return " ".join(text.split())
