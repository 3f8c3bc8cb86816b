"""The class exchange, with RabbitMQ's bindings between exchanges. AMQP 0-9-1 §1.6."""

from broker.auth.access import READ, WRITE, Access
from broker.core.errors import ACCESS_REFUSED, SoftError
from broker.protocol.audit import bindings_changed, topology_changed
from broker.protocol.channel import Channel
from broker.protocol.names import stripped
from broker.routing.exchange import Exchange
from broker.routing.exchange_types import TOPIC
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
    vhost = channel.vhost
    access = channel.access
    if bits & 1:
        refuse_default(name)
        access.check_any("exchange", name)
        vhost.exchange(name)
    else:
        before = vhost.version
        exchange = vhost.declare_exchange(name, kind, bits & 2 != 0, bits & 4 != 0, bits & 8 != 0, arguments, access)
        topology_changed(channel, before, "exchange declared", exchange)
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
    vhost = channel.vhost
    exchange = vhost.find_exchange(name)
    before = vhost.version
    vhost.delete_exchange(name, bits & 1 != 0, channel.access)
    if exchange is not None:
        topology_changed(channel, before, "exchange deleted", exchange)
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
    channel.access.check_exchange(WRITE, destination_name)
    refuse_default(destination_name)
    refuse_default(source_name)
    vhost = channel.vhost
    check_source(channel.access, source_name, vhost.find_exchange(source_name), key)
    source = vhost.exchange(source_name)
    destination = vhost.exchange(destination_name)
    before = vhost.version
    vhost.bind(source, destination, key, arguments)
    bindings_changed(channel, before, "bound", source, destination, key)
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
    channel.access.check_exchange(WRITE, destination_name)
    refuse_default(destination_name)
    refuse_default(source_name)
    vhost = channel.vhost
    source = vhost.find_exchange(source_name)
    check_source(channel.access, source_name, source, key)
    destination = vhost.find_exchange(destination_name)
    if source is not None and destination is not None:
        before = vhost.version
        vhost.unbind(source, destination, key, arguments)
        bindings_changed(channel, before, "unbound", source, destination, key)
    if bits & 1 == 0:
        channel.answer(EXCHANGE_UNBIND_OK, b"")


def check_source(access: Access, name: bytes, source: Exchange | None, key: bytes) -> None:
    """Let a bind or unbind pass on its source, which may be missing; of a topic exchange also with that binding key.

    Raises:
        SoftError: 403.
    """
    access.check_exchange(READ, name)
    if source is not None and source.kind == TOPIC:
        access.check_topic(READ, name, key)


def refuse_default(name: bytes) -> None:
    """Nothing can be done to the exchange without a name.

    Raises:
        SoftError: 403.
    """
    if not name:
        raise SoftError(ACCESS_REFUSED, "operation not permitted on the default exchange")
