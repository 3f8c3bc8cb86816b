"""Names as a channel's methods give them."""

from broker.auth.access import READ
from broker.core.errors import NOT_FOUND, SoftError
from broker.protocol.channel import Channel
from broker.queues.queue import Queue


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


def readable_queue(channel: Channel, name: bytes) -> Queue:
    """The queue of that name, to be consumed from, got from or purged.

    Raises:
        SoftError: 403 before anything is said of whether it exists, 404, 405.
    """
    channel.access.check_queue(READ, name)
    return channel.vhost.queue(name, channel.connection.id)
