"""The class basic, but publish, which the frame loop hands to the channel itself. AMQP 0-9-1 §1.8."""

from librt.strings import BytesWriter, write_i64_be

from broker.core.arguments import Table, integer, is_integer, type_name
from broker.core.errors import (
    ACCESS_REFUSED,
    NOT_ALLOWED,
    NOT_IMPLEMENTED,
    PRECONDITION_FAILED,
    HardError,
    SoftError,
)
from broker.core.ids import generated_name
from broker.protocol.channel import DISCARD, REQUEUE, Channel
from broker.protocol.consumer import ChannelConsumer
from broker.protocol.names import queue_name
from broker.queues.queue import Queue
from broker.wire.arguments import ArgumentReader
from broker.wire.methods import (
    BASIC_CANCEL_OK,
    BASIC_CONSUME_OK,
    BASIC_GET_EMPTY,
    BASIC_GET_OK,
    BASIC_QOS_OK,
    BASIC_RECOVER_OK,
)
from broker.wire.octets import put_u8, put_u32, shortstr


def qos(channel: Channel, reader: ArgumentReader) -> None:
    """``basic.qos``: limits the deliveries that are out. RabbitMQ's meaning of ``global``.

    Raises:
        HardError: 540 for a limit in octets.
    """
    size = reader.long()
    count = reader.short()
    is_shared = reader.octet() & 1 != 0
    reader.end()
    if size != 0:
        raise HardError(NOT_IMPLEMENTED, f"prefetch_size!=0 ({size})")
    if is_shared:
        channel.shared_prefetch = count
    else:
        channel.prefetch_count = count
        channel.shared_prefetch = 0
        if channel.connection.has_channel_qos:
            # Celery raises the prefetch for every task that only waits for its ETA, and believes the specification:
            # the limit of the channel. Consumers that keep their old limit would starve.
            for consumer in channel.consumers.values():
                consumer.prefetch_count = count
    channel.answer(BASIC_QOS_OK, b"")
    channel.wake_consumers()


def consume(channel: Channel, reader: ArgumentReader) -> None:
    """``basic.consume``.

    Raises:
        SoftError: 403 for exclusive use, 404, 405, 406 for bad arguments.
        HardError: 530, the tag is in use, or too many consumers.
    """
    reader.short()
    queue = _queue(channel, reader)
    tag = reader.shortstr()
    bits = reader.octet()
    arguments = reader.table()
    reader.end()
    is_exclusive = bits & 4 != 0
    limit = channel.connection.context.limits.consumers_per_channel
    if not tag:
        tag = generated_name(b"amq.ctag-")
    elif tag in channel.consumers:
        raise HardError(NOT_ALLOWED, f"attempt to reuse consumer tag '{tag.decode('utf-8', 'replace')}'")
    if limit > 0 and len(channel.consumers) >= limit:
        raise HardError(NOT_ALLOWED, f"reached maximum ({limit}) of consumers per channel")
    priority = _priority(queue, arguments)
    if queue.limits.is_quorum:
        is_exclusive = False  # RabbitMQ's quorum queues ignore the flag
    elif queue.has_exclusive_consumer or (is_exclusive and (queue.consumers or queue.is_single_active)):
        raise SoftError(ACCESS_REFUSED, f"{queue} in exclusive use")
    consumer = ChannelConsumer(channel, queue, tag, bits & 2 != 0, is_exclusive, priority, channel.prefetch_count)
    channel.consumers[tag] = consumer
    if bits & 8 == 0:
        channel.answer(BASIC_CONSUME_OK, shortstr(tag))  # before the first delivery, which is put off to the turn's end
    queue.add_consumer(consumer)


def _priority(queue: Queue, arguments: Table) -> int:
    field = arguments.get(b"x-priority")
    for name in (b"x-stream-offset", b"x-stream-filter", b"x-stream-match-unfiltered"):
        if name in arguments:
            kind = "quorum" if queue.limits.is_quorum else "classic"
            text = f"invalid arg '{name.decode()}' for {queue} of queue type rabbit_{kind}_queue"
            raise SoftError(PRECONDITION_FAILED, text)
    if field is None:
        return 0
    if not is_integer(field):
        detail = f'"expected integer, got {type_name(field)}"'
        raise SoftError(PRECONDITION_FAILED, f"invalid arg 'x-priority' for {queue}: {detail}")
    return integer(field)


def cancel(channel: Channel, reader: ArgumentReader) -> None:
    """``basic.cancel``: no deliveries after cancel-ok; what is out stays out. An unknown tag is no error."""
    tag = reader.shortstr()
    bits = reader.octet()
    reader.end()
    consumer = channel.consumers.pop(tag, None)
    if consumer is not None:
        consumer.queue.remove_consumer(consumer)
        channel.vhost.consumer_left(consumer.queue)
    if bits & 1 == 0:
        channel.answer(BASIC_CANCEL_OK, shortstr(tag))


def get(channel: Channel, reader: ArgumentReader) -> None:
    """``basic.get``.

    Raises:
        SoftError: 404, 405, 406 for too many unacked deliveries.
    """
    reader.short()
    queue = _queue(channel, reader)
    no_ack = reader.octet() & 1 != 0
    reader.end()
    limit = channel.connection.context.limits.unacked_per_channel
    if limit > 0 and not no_ack and channel.unacked.count >= limit:
        raise SoftError(PRECONDITION_FAILED, f"reached maximum ({limit}) of unacked deliveries per channel")
    counters = channel.vhost.counters
    queued = queue.get()
    if queued is None:
        counters.got_empty += 1
        channel.answer(BASIC_GET_EMPTY, b"\x00")
        return
    tag = channel.next_tag
    channel.next_tag = tag + 1
    if no_ack:
        counters.got_auto_ack += 1
        queue.settle_unseen(queued)
    else:
        counters.got_manual_ack += 1
        channel.unacked.add(tag, queued, None)
    message = queued.message
    out = BytesWriter()
    write_i64_be(out, tag)
    put_u8(out, 1 if queued.redelivered else 0)
    out.write(message.route)
    put_u32(out, queue.ready.count)
    channel.answer(BASIC_GET_OK, out.getvalue())
    channel.connection.outbox.content(channel.number, message.header, message.body)


def ack(channel: Channel, reader: ArgumentReader) -> None:
    """``basic.ack`` of an unusual size, which the frame loop does not take.

    Raises:
        HardError: 501, the size is wrong.
    """
    tag = reader.longlong()
    bits = reader.octet()
    reader.end()
    channel.acknowledge(tag, bits & 1 != 0)


def reject(channel: Channel, reader: ArgumentReader) -> None:
    """``basic.reject``: requeue, or dead-letter and drop.

    Raises:
        SoftError: 406, unknown tag.
    """
    tag = reader.longlong()
    bits = reader.octet()
    reader.end()
    channel.settle(tag, False, REQUEUE if bits & 1 else DISCARD)


def nack(channel: Channel, reader: ArgumentReader) -> None:
    """``basic.nack``, RabbitMQ's reject for many.

    Raises:
        SoftError: 406, unknown tag.
    """
    tag = reader.longlong()
    bits = reader.octet()
    reader.end()
    channel.settle(tag, bits & 1 != 0, REQUEUE if bits & 2 else DISCARD)


def recover(channel: Channel, reader: ArgumentReader, *, is_async: bool) -> None:
    """``basic.recover`` and ``basic.recover-async``: requeue all that is out.

    Raises:
        HardError: 540 for redelivery to the same consumer only, which RabbitMQ does not do either.
    """
    bits = reader.octet()
    reader.end()
    if bits & 1 == 0:
        raise HardError(NOT_IMPLEMENTED, "requeue=false")
    channel.recover()
    if not is_async:
        channel.answer(BASIC_RECOVER_OK, b"")


def _queue(channel: Channel, reader: ArgumentReader) -> Queue:
    return channel.vhost.queue(queue_name(channel, reader.shortstr()), channel.connection.id)
