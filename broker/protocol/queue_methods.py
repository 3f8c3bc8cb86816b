"""The class queue. AMQP 0-9-1 §1.7."""

from broker.auth.access import CONFIGURE, WRITE
from broker.core.destination import resource_text
from broker.core.errors import NOT_FOUND, NOT_IMPLEMENTED, PRECONDITION_FAILED, HardError, SoftError
from broker.core.ids import generated_name
from broker.protocol.audit import bindings_changed, topology_changed
from broker.protocol.channel import Channel
from broker.protocol.exchange_methods import check_source, refuse_default
from broker.protocol.names import queue_name, readable_queue, stripped
from broker.protocol.reply_to import check_requester, is_reply_name, refuse_binding
from broker.queues.arguments import QUORUM, STREAM
from broker.queues.queue import Queue
from broker.wire.arguments import ArgumentReader
from broker.wire.methods import (
    QUEUE_BIND_OK,
    QUEUE_DECLARE_OK,
    QUEUE_DELETE_OK,
    QUEUE_PURGE_OK,
    QUEUE_UNBIND_OK,
)
from broker.wire.octets import shortstr, u32


def declare(channel: Channel, reader: ArgumentReader) -> None:
    """``queue.declare``.

    Raises:
        SoftError: 403, 404 if passive, 405, 406.
    """
    reader.short()
    name = stripped(reader.shortstr())
    bits = reader.octet()
    arguments = reader.table()
    reader.end()
    connection = channel.connection
    if is_reply_name(name):
        check_requester(channel, name)
        channel.last_queue = name
        if bits & 16 == 0:
            channel.answer(QUEUE_DECLARE_OK, shortstr(name) + u32(0) + u32(1))
        return
    vhost = channel.vhost
    if bits & 1:
        channel.access.check_any("queue", name)
        queue = vhost.queue(name, connection.id)
        queue.bring_up_to_date()
        queue.renew_lease()
    else:
        is_exclusive = bits & 4 != 0
        before = vhost.version
        if not name and not channel.made_up:
            channel.made_up = generated_name(b"amq.gen-")
        queue = vhost.declare_queue(
            name, bits & 2 != 0, is_exclusive, bits & 8 != 0, arguments, connection.id, channel.access, channel.made_up
        )
        channel.made_up = b""
        topology_changed(channel, before, "queue declared", queue)
        if is_exclusive:
            connection.exclusive_queues[queue.name] = queue
    channel.last_queue = queue.name
    if bits & 16 == 0:
        counts = u32(queue.ready_count) + u32(queue.consumer_count)
        channel.answer(QUEUE_DECLARE_OK, shortstr(queue.name) + counts)


def bind(channel: Channel, reader: ArgumentReader) -> None:
    """``queue.bind``; with no queue and no key, the name of the queue declared last is both.

    Raises:
        SoftError: 403, 404, 405, 406.
    """
    reader.short()
    given_name = stripped(reader.shortstr())
    exchange_name = stripped(reader.shortstr())
    key = reader.shortstr()
    bits = reader.octet()
    arguments = reader.table()
    reader.end()
    name = queue_name(channel, given_name)
    if not given_name and not key:
        key = name
    refuse_binding(name)
    vhost = channel.vhost
    channel.access.check_queue(WRITE, name)
    refuse_default(exchange_name)
    check_source(channel.access, exchange_name, vhost.find_exchange(exchange_name), key)
    source = vhost.exchange(exchange_name)
    queue = vhost.queues.get(name)
    if queue is None:
        raise SoftError(NOT_FOUND, f"no {resource_text('queue', name, vhost.name)}")
    source.check_binding(key, arguments)
    vhost.queue(name, channel.connection.id)
    before = vhost.version
    vhost.bind(source, queue, key, arguments)
    bindings_changed(channel, before, "bound", source, queue, key)
    if bits & 1 == 0:
        channel.answer(QUEUE_BIND_OK, b"")


def unbind(channel: Channel, reader: ArgumentReader) -> None:
    """``queue.unbind``; what is not there is no error.

    Raises:
        SoftError: 403, 405.
    """
    reader.short()
    given_name = stripped(reader.shortstr())
    exchange_name = stripped(reader.shortstr())
    key = reader.shortstr()
    arguments = reader.table()
    reader.end()
    name = queue_name(channel, given_name)
    if not given_name and not key:
        key = name
    refuse_binding(name)
    vhost = channel.vhost
    channel.access.check_queue(WRITE, name)
    refuse_default(exchange_name)
    source = vhost.find_exchange(exchange_name)
    check_source(channel.access, exchange_name, source, key)
    if source is not None and name in vhost.queues:
        queue = vhost.queue(name, channel.connection.id)
        before = vhost.version
        vhost.unbind(source, queue, key, arguments)
        bindings_changed(channel, before, "unbound", source, queue, key)
    channel.answer(QUEUE_UNBIND_OK, b"")


def purge(channel: Channel, reader: ArgumentReader) -> None:
    """``queue.purge``.

    Raises:
        SoftError: 404, 405.
    """
    reader.short()
    queue = readable_queue(channel, queue_name(channel, reader.shortstr()))
    bits = reader.octet()
    reader.end()
    count = queue.purge(channel.connection.context.unacked_of(queue))
    if bits & 1 == 0:
        channel.answer(QUEUE_PURGE_OK, u32(count))


def delete(channel: Channel, reader: ArgumentReader) -> None:
    """``queue.delete``; a queue that is not there is no error.

    Raises:
        SoftError: 405, 406 if it is not empty or in use and that was asked.
    """
    reader.short()
    name = queue_name(channel, stripped(reader.shortstr()))
    bits = reader.octet()
    reader.end()
    channel.access.check_queue(CONFIGURE, name)
    count = 0
    vhost = channel.vhost
    if name in vhost.queues:
        queue = vhost.queue(name, channel.connection.id)
        queue.bring_up_to_date()
        _check_conditions(queue, if_unused=bits & 1 != 0, if_empty=bits & 2 != 0)
        channel.connection.exclusive_queues.pop(name, None)
        before = vhost.version
        count = vhost.delete_queue(queue)
        topology_changed(channel, before, "queue deleted", queue)
    if bits & 4 == 0:
        channel.answer(QUEUE_DELETE_OK, u32(count))


def _check_conditions(queue: Queue, *, if_unused: bool, if_empty: bool) -> None:
    if queue.kind == STREAM:
        return  # RabbitMQ's streams ignore both
    if queue.kind == QUORUM and (if_unused or if_empty):
        flag = "if-unused" if if_unused else "if-empty"
        text = f"cannot delete {queue}. queue.delete operations with {flag} flag set are not supported by quorum queues"
        raise HardError(NOT_IMPLEMENTED, text)
    if if_empty and queue.ready_count > 0:
        raise SoftError(PRECONDITION_FAILED, f"{queue} not empty")
    if if_unused and queue.consumers:
        raise SoftError(PRECONDITION_FAILED, f"{queue} in use")
