"""The class basic, but publish, which the frame loop hands to the channel itself. AMQP 0-9-1 §1.8."""

from librt.strings import BytesWriter, write_i64_be

from broker.core.arguments import Table, integer, is_integer, type_name
from broker.core.errors import (
    ACCESS_REFUSED,
    NOT_ALLOWED,
    NOT_IMPLEMENTED,
    PRECONDITION_FAILED,
    RESOURCE_LOCKED,
    HardError,
    SoftError,
)
from broker.core.ids import generated_name
from broker.protocol.channel import DISCARD, FAIL, REQUEUE, Channel
from broker.protocol.consumer import ChannelConsumer
from broker.protocol.names import queue_name, readable_queue
from broker.protocol.reply_to import refuse_get
from broker.queues.arguments import QUORUM, STREAM, integer_objection
from broker.queues.queue import Queue
from broker.queues.stream import Stream
from broker.queues.stream_arguments import ReaderArguments
from broker.vhost.replies import REPLY_TO
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

_STREAM_ARGUMENTS = (b"x-stream-offset", b"x-stream-filter", b"x-stream-match-unfiltered")


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
        channel.share_prefetch(count)
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
        SoftError: 403 without permission or for exclusive use, 404, 405, 406 for bad arguments and for direct reply-to
            that is none.
        HardError: 530, the tag is in use, or too many consumers; 540, a quorum queue and a shared prefetch.
    """
    reader.short()
    name = queue_name(channel, reader.shortstr())
    queue = readable_queue(channel, name) if name != REPLY_TO else None
    tag = reader.shortstr()
    bits = reader.octet()
    arguments = reader.table()
    reader.end()
    is_exclusive = bits & 4 != 0
    limit = channel.connection.context.limits.consumers_per_channel
    if not tag:
        tag = generated_name(b"amq.ctag-")
    elif tag in channel.consumers or _is_reply_tag(channel, tag):
        raise HardError(NOT_ALLOWED, f"attempt to reuse consumer tag '{tag.decode('utf-8', 'replace')}'")
    if queue is None:
        if bits & 2 == 0:
            raise SoftError(PRECONDITION_FAILED, "reply consumer cannot acknowledge")
        channel.wait_for_replies(tag)
        if bits & 8 == 0:
            channel.answer(BASIC_CONSUME_OK, shortstr(tag))
        return
    if limit > 0 and len(channel.consumers) >= limit:
        raise HardError(NOT_ALLOWED, f"reached maximum ({limit}) of consumers per channel")
    priority = _priority(queue, arguments)
    reading = None
    if isinstance(queue, Stream):
        is_exclusive = False
        reading = _reading(channel, queue, arguments, no_ack=bits & 2 != 0)
    elif queue.kind == QUORUM:
        if channel.shared_prefetch > 0:
            raise HardError(NOT_IMPLEMENTED, f"{queue} does not support global qos")
        is_exclusive = False  # RabbitMQ's quorum queues and streams ignore the flag
    elif queue.has_exclusive_consumer or (is_exclusive and (queue.consumers or queue.is_single_active)):
        raise SoftError(ACCESS_REFUSED, f"{queue} in exclusive use")
    no_ack = bits & 2 != 0
    timeout_ms = _timeout(queue, arguments)
    consumer = ChannelConsumer(channel, queue, tag, no_ack, is_exclusive, priority, channel.prefetch_count, timeout_ms)
    channel.consumers[tag] = consumer
    if not no_ack:
        channel.watch_acks(queue, consumer)
    if bits & 8 == 0:
        channel.answer(BASIC_CONSUME_OK, shortstr(tag))  # before the first delivery, which is put off to the turn's end
    if isinstance(queue, Stream) and reading is not None:
        queue.add_reader(consumer, reading)
    else:
        queue.add_consumer(consumer)


def _reading(channel: Channel, stream: Stream, arguments: Table, *, no_ack: bool) -> ReaderArguments:
    """Where a consumer of a stream begins, if it may."""
    reading = ReaderArguments(arguments, str(stream), channel.vhost.agenda.now_ms)
    if channel.shared_prefetch > 0:
        raise HardError(NOT_IMPLEMENTED, f"{stream} does not support global qos")
    if channel.prefetch_count == 0:
        raise SoftError(PRECONDITION_FAILED, f"consumer prefetch count is not set for stream {stream}")
    if no_ack:
        raise HardError(NOT_IMPLEMENTED, f"automatic acknowledgement not supported by stream {stream}")
    return reading


def _priority(queue: Queue, arguments: Table) -> int:
    field = arguments.get(b"x-priority")
    for name in (b"x-priority",) if queue.kind == STREAM else _STREAM_ARGUMENTS:
        if name in arguments:
            text = f"invalid arg '{name.decode()}' for {queue} of queue type rabbit_{queue.kind.decode()}_queue"
            raise SoftError(PRECONDITION_FAILED, text)
    if field is None:
        return 0
    if not is_integer(field):
        detail = f'"expected integer, got {type_name(field)}"'
        raise SoftError(PRECONDITION_FAILED, f"invalid arg 'x-priority' for {queue}: {detail}")
    return integer(field)


def _timeout(queue: Queue, arguments: Table) -> int:
    """``x-consumer-timeout`` in milliseconds; -1 without it."""
    field = arguments.get(b"x-consumer-timeout")
    if field is None:
        return -1
    objection = integer_objection(field)
    if objection:
        raise SoftError(PRECONDITION_FAILED, f"invalid arg 'x-consumer-timeout' for {queue}: {objection}")
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
    elif _is_reply_tag(channel, tag):
        channel.end_replies()
    if bits & 1 == 0:
        channel.answer(BASIC_CANCEL_OK, shortstr(tag))


def _is_reply_tag(channel: Channel, tag: bytes) -> bool:
    return channel.reply_consumer is not None and channel.reply_consumer.tag == tag


def get(channel: Channel, reader: ArgumentReader) -> None:
    """``basic.get``.

    Raises:
        SoftError: 403, 404, 405, 406 for too many unacked deliveries.
        HardError: 540, answers by direct reply-to cannot be fetched.
    """
    reader.short()
    name = queue_name(channel, reader.shortstr())
    refuse_get(channel, name)
    queue = readable_queue(channel, name)
    no_ack = reader.octet() & 1 != 0
    reader.end()
    if queue.kind == QUORUM and queue.is_single_active:
        text = (
            f"cannot obtain access to locked {queue}. basic.get operations are not supported by quorum queues with "
            "single active consumer"
        )
        raise SoftError(RESOURCE_LOCKED, text)
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
        channel.watch_acks(queue, None)
    message = queued.message
    out = BytesWriter()
    write_i64_be(out, tag)
    put_u8(out, 1 if queued.redelivered else 0)
    out.write(message.route)
    put_u32(out, queue.ready_count)
    channel.answer(BASIC_GET_OK, out.getvalue())
    header = queue.header_of(queued) if queued.redelivered else message.header
    channel.connection.outbox.content(channel.number, header, message.body)


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
    """``basic.reject``: requeue, or dead-letter and drop. To a queue that counts, requeuing means that it failed.

    RabbitMQ from 4.3: a nack does not, so that a consumer can give back what it could not begin.

    Raises:
        SoftError: 406, unknown tag.
    """
    tag = reader.longlong()
    bits = reader.octet()
    reader.end()
    channel.settle(tag, False, FAIL if bits & 1 else DISCARD)


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
