"""Whether the chosen address would show the broker to a network while only ``guest`` guards it."""

import ipaddress
from collections.abc import Collection

from broker.settings.model import Settings


def is_loopback(address: str) -> bool:
    """True if only this machine can reach a port bound to ``address``; a name other than localhost is not trusted."""
    if address.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def bind_refusal(settings: Settings, user_names: Collection[str]) -> str | None:
    """Why the broker must not listen where it was told to; None if it may.

    Call it when the users are known (after recovery, or with ``[settings.default_user]`` on an empty data directory)
    and before the first port is opened.

    Args:
        settings: The settings of this process.
        user_names: Every user that exists.
    """
    if settings.allow_only_guest or is_loopback(settings.bind) or set(user_names) - {"guest"}:
        return None
    return (
        f"bind = {settings.bind!r}: refused, because guest is the only user and its password is known to everybody; "
        "choose default_user and default_pass on an empty data directory, or set allow_only_guest = true"
    )
