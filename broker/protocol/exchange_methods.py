"""The class exchange, with RabbitMQ's bindings between exchanges. AMQP 0-9-1 §1.6."""

from broker.core.errors import ACCESS_REFUSED, SoftError
from broker.protocol.channel import Channel
from broker.protocol.names import stripped
from broker.wire.arguments import ArgumentReader
from broker.wire.methods import EXCHANGE_BIND_OK, EXCHANGE_DECLARE_OK, EXCHANGE_DELETE_OK, EXCHANGE_UNBIND_OK


def declare(channel: Channel, reader: ArgumentReader) -> None:
    """``exchange.declare``.

    Raises:
        SoftError: 403, 404 if passive, 406.
    """
    reader.short()
    name = stripped(reader.shortstr())
    kind = reader.shortstr()
    bits = reader.octet()
    arguments = reader.table()
    reader.end()
    if bits & 1:
        refuse_default(name)
        channel.vhost.exchange(name)
    else:
        channel.vhost.declare_exchange(name, kind, bits & 2 != 0, bits & 4 != 0, bits & 8 != 0, arguments)
    if bits & 16 == 0:
        channel.answer(EXCHANGE_DECLARE_OK, b"")


def delete(channel: Channel, reader: ArgumentReader) -> None:
    """``exchange.delete``.

    Raises:
        SoftError: 403, 406 if it is in use.
    """
    reader.short()
    name = stripped(reader.shortstr())
    bits = reader.octet()
    reader.end()
    channel.vhost.delete_exchange(name, bits & 1 != 0)
    if bits & 2 == 0:
        channel.answer(EXCHANGE_DELETE_OK, b"")


def bind(channel: Channel, reader: ArgumentReader) -> None:
    """``exchange.bind``: from ``source`` to ``destination``.

    Raises:
        SoftError: 403, 404, 406.
    """
    reader.short()
    destination_name = stripped(reader.shortstr())
    source_name = stripped(reader.shortstr())
    key = reader.shortstr()
    bits = reader.octet()
    arguments = reader.table()
    reader.end()
    refuse_default(destination_name)
    refuse_default(source_name)
    vhost = channel.vhost
    source = vhost.exchange(source_name)
    vhost.bind(source, vhost.exchange(destination_name), key, arguments)
    if bits & 1 == 0:
        channel.answer(EXCHANGE_BIND_OK, b"")


def unbind(channel: Channel, reader: ArgumentReader) -> None:
    """``exchange.unbind``; what is not there is no error.

    Raises:
        SoftError: 403.
    """
    reader.short()
    destination_name = stripped(reader.shortstr())
    source_name = stripped(reader.shortstr())
    key = reader.shortstr()
    bits = reader.octet()
    arguments = reader.table()
    reader.end()
    refuse_default(destination_name)
    refuse_default(source_name)
    vhost = channel.vhost
    source = vhost.find_exchange(source_name)
    destination = vhost.find_exchange(destination_name)
    if source is not None and destination is not None:
        vhost.unbind(source, destination, key, arguments)
    if bits & 1 == 0:
        channel.answer(EXCHANGE_UNBIND_OK, b"")


def refuse_default(name: bytes) -> None:
    """Nothing can be done to the exchange without a name.

    Raises:
        SoftError: 403.
    """
    if not name:
        raise SoftError(ACCESS_REFUSED, "operation not permitted on the default exchange")
