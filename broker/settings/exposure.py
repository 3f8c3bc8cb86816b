"""Whether the chosen address would show the broker to a network while only ``guest`` guards it."""

import ipaddress
from collections.abc import Collection

from broker.settings.model import Settings
from broker.settings.together import listeners_of


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

    Call it when the users are known: after recovery, or with the default user that a first start is about to make.

    Args:
        settings: The settings of this process.
        user_names: Every user that exists.
    """
    if settings.allow_only_guest or set(user_names) - {"guest"} or "internal" not in settings.auth.backends:
        return None
    binds = [("bind", settings.bind)]
    binds += [(f"{key}.bind", listener.bind) for key, listener in listeners_of(settings) if listener.bind]
    for key, bind in binds:
        if not is_loopback(bind):
            return (
                f"{key} = {bind!r}: refused, because guest is the only user and its password is known to everybody; "
                "choose default_user and default_pass on an empty data directory, or set allow_only_guest = true"
            )
    return None
