"""Which build of PonyMQ this process runs: the version, and whether the hot path is compiled."""

import importlib.util
import platform

from broker import __version__

_WITNESS = "broker.protocol.connection"
"""The heart of the hot path; it is compiled together with all the rest of it, or not at all."""


def is_compiled() -> bool:
    """True if the rooms from ``core`` to ``protocol`` come from mypyc's extension modules."""
    try:
        found = importlib.util.find_spec(_WITNESS)
    except ModuleNotFoundError:
        return False
    return found is not None and found.origin is not None and not found.origin.endswith(".py")


def version_text() -> str:
    """One line for ``--version`` and the start banner: ``ponymq 0.1.0 (compiled: yes, Python 3.13.1)``."""
    return f"ponymq {__version__} (compiled: {'yes' if is_compiled() else 'no'}, Python {platform.python_version()})"
