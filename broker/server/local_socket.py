"""The file in the data directory through which ``ponymqctl`` reaches the HTTP API without a password."""

import contextlib
import logging
import socket
from pathlib import Path

from broker.settings.model import Settings

LOG = logging.getLogger("broker.server")


def local_socket_path(settings: Settings) -> Path | None:
    """Where it is: relative to the data directory unless it is absolute; None if it is switched off."""
    name = settings.management.socket
    return Path(settings.data_dir, name).absolute() if name else None


def open_local_socket(path: Path) -> socket.socket | None:
    """Listen there, in place of the file that a killed broker left; only the broker's own user may connect.

    A file that cannot be made, or that another process listens on, is no reason not to start: it is logged, and None
    returned.
    """
    listening = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket() and not _is_answered(path):
            path.unlink()
        listening.bind(str(path))
        path.chmod(0o600)  # nobody can connect before it listens
        listening.listen()
    except OSError as error:
        listening.close()
        LOG.warning("no local socket: ponymqctl needs the HTTP port", extra={"path": path, "reason": str(error)})
        return None
    listening.setblocking(False)
    return listening


def _is_answered(path: Path) -> bool:
    """Does anybody listen there? Outside the data directory, which is ours alone, it may be another broker."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True  # it is busy, or not ours to ask
    return True


def remove_local_socket(path: Path) -> None:
    """Take the file away behind the last answer."""
    with contextlib.suppress(OSError):
        path.unlink()
