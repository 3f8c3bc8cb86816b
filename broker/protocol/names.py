"""Names as a channel's methods give them."""

from broker.core.errors import NOT_FOUND, SoftError
from broker.protocol.channel import Channel


def stripped(name: bytes) -> bytes:
    """The name without CR and LF, which RabbitMQ takes out of names in declarations, deletions and bindings."""
    if b"\r" in name or b"\n" in name:
        return name.replace(b"\r", b"").replace(b"\n", b"")
    return name


def queue_name(channel: Channel, name: bytes) -> bytes:
    """The name itself, or for an empty one that of the queue declared last on this channel. §1.7.2.3.

    Raises:
        SoftError: 404, nothing was declared.
    """
    if name:
        return name
    if channel.last_queue is None:
        raise SoftError(NOT_FOUND, "no previously declared queue")
    return channel.last_queue
