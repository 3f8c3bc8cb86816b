"""Who changed the topology: events of the logger ``broker.audit``, durable things at info and passing ones at debug."""

import logging
from typing import Final

from mypy_extensions import i64

from broker.core.destination import Destination
from broker.protocol.channel import Channel

AUDIT: Final = logging.getLogger("broker.audit")


def topology_changed(channel: Channel, before: i64, event: str, what: Destination) -> None:
    """An exchange or queue was declared or deleted by a method of ``channel``.

    Args:
        channel: Where the method came from.
        before: The vhost's version before the method; if it is still the same, nothing was changed.
        event: What happened.
        what: The exchange or queue.
    """
    if channel.vhost.version != before:
        _log(channel, event, what.is_durable, {"exchange" if what.is_exchange else "queue": what.name})


def bindings_changed(
    channel: Channel, before: i64, event: str, source: Destination, destination: Destination, key: bytes
) -> None:
    """A binding was made or removed; arguments as in ``topology_changed``."""
    if channel.vhost.version != before:
        fields = {"source": source.name, "destination": destination.name, "key": key}
        _log(channel, event, source.is_durable and destination.is_durable, fields)


def _log(channel: Channel, event: str, is_durable: bool, names: dict[str, bytes]) -> None:
    level = logging.INFO if is_durable else logging.DEBUG
    if AUDIT.isEnabledFor(level):
        connection = channel.connection
        by = {"by": connection.user_name, "peer": connection.peer, "vhost": connection.vhost_name}
        AUDIT.log(level, event, extra={**by, **names})
