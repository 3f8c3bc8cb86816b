"""What ``ponymq_why`` of a queue is made from."""

import msgspec

from broker.management.consumer_view import consumers_of, is_at_prefetch
from broker.management.facts import Facts
from broker.metrics.text import shown
from broker.metrics.why import ConsumerState, QueueState, why
from broker.protocol.consumer import ChannelConsumer
from broker.queues.arguments import DROP_HEAD
from broker.queues.classic import ClassicQueue
from broker.queues.queue import Queue


def queue_why(facts: Facts, queue: Queue) -> object:
    """Why the queue is as it is: ``{"state": …, "reasons": [{"code": …, "text": …, "connections": […]}]}``."""
    return msgspec.to_builtins(why(_state(facts, queue)))


def _state(facts: Facts, queue: Queue) -> QueueState:
    publish, deliver, auto_ack, get, _, ack, ready, unacked = facts.sampler.queues.rates(queue)
    alarms, limits = facts.context.alarms, queue.limits
    blocked = [
        facts.connection_name(each)
        for each in (facts.peers.open_connections() if alarms.is_on else ())
        if each.is_alarmed and each.vhost_name == queue.vhost_name
    ]
    return QueueState(
        ready=queue.ready_count,
        unacked=queue.unacked_count,
        publish_rate=publish,
        deliver_rate=deliver + auto_ack,
        get_rate=get,
        ack_rate=ack,
        auto_ack_rate=auto_ack,
        depth_rate=ready + unacked,
        consumers=[_consumer(facts, each) for each in consumers_of(queue)],
        is_stream=not isinstance(queue, ClassicQueue),
        is_refusing=queue.is_refusing,
        max_length=limits.max_length if limits.overflow == DROP_HEAD else -1,
        message_ttl_ms=limits.message_ttl_ms,
        dead_letter_exchange=None if limits.dead_letter_exchange is None else shown(limits.dead_letter_exchange),
        dead_letters_waiting=len(queue.dead) if isinstance(queue, ClassicQueue) and queue.dead else 0,
        alarm=_alarm(memory=alarms.memory, disk=alarms.disk),
        blocked=blocked,
    )


def _consumer(facts: Facts, consumer: ChannelConsumer) -> ConsumerState:
    connection, queue = consumer.channel.connection, consumer.queue
    return ConsumerState(
        facts.connection_name(connection),
        is_at_prefetch=is_at_prefetch(consumer),
        is_reading_stopped=connection.is_blocked,
        is_waiting=queue.is_single_active and queue.consumers[0] is not consumer,
    )


def _alarm(*, memory: bool, disk: bool) -> str:
    return " and ".join(name for name, is_short in (("memory", memory), ("disk", disk)) if is_short)
