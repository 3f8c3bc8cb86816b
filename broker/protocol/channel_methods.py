"""channel.flow and access.request. AMQP 0-9-1 §1.5.2.3."""

from broker.core.errors import NOT_IMPLEMENTED, HardError
from broker.protocol.channel import Channel
from broker.wire.arguments import ArgumentReader
from broker.wire.methods import ACCESS_REQUEST_OK, CHANNEL_FLOW_OK


def flow(channel: Channel, reader: ArgumentReader) -> None:
    """``channel.flow``: on is always granted; off is what prefetch is for, and RabbitMQ refuses it.

    Raises:
        HardError: 540.
    """
    bits = reader.octet()
    reader.end()
    if bits & 1 == 0:
        raise HardError(NOT_IMPLEMENTED, "active=false")
    channel.answer(CHANNEL_FLOW_OK, b"\x01")


def access_request(channel: Channel) -> None:
    """``access.request`` of clients older than 0-9-1: the ticket means nothing."""
    channel.answer(ACCESS_REQUEST_OK, b"\x00\x01")
