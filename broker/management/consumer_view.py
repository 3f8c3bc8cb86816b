"""A consumer as the API shows it."""

from itertools import islice
from typing import Final

from broker.management.facts import Facts
from broker.management.json_values import Json
from broker.management.names import split_address
from broker.metrics.text import shown
from broker.protocol.ack_clock import timeout_of
from broker.protocol.consumer import ChannelConsumer
from broker.queues.queue import Queue

# Consumers that a single queue or channel tells of: a millisecond for all. ``/api/consumers`` lists every one.
MOST_CONSUMERS: Final = 200


def consumers_of(queue: Queue) -> list[ChannelConsumer]:
    """The first consumers of a queue, those left out that wait for direct replies."""
    return [each for each in islice(queue.consumers, MOST_CONSUMERS) if isinstance(each, ChannelConsumer)]


def consumer_view(facts: Facts, consumer: ChannelConsumer) -> Json:
    """The row of one consumer; a timeout of 0 stands for none."""
    queue, channel = consumer.queue, consumer.channel
    connection = channel.connection
    peer_host, peer_port = split_address(connection.peer)
    is_active = not queue.is_single_active or queue.consumers[0] is consumer
    return {
        "consumer_tag": shown(consumer.tag),
        "queue": {"name": shown(queue.name), "vhost": queue.vhost_name},
        "channel_details": {
            "name": facts.channel_name(channel),
            "number": channel.number,
            "user": shown(connection.user_name),
            "connection_name": facts.connection_name(connection),
            "peer_host": peer_host,
            "peer_port": peer_port,
            "node": facts.node.name,
        },
        "ack_required": not consumer.no_ack,
        "prefetch_count": consumer.prefetch_count,
        "exclusive": consumer.is_exclusive,
        "active": is_active,
        "activity_status": ("single_active" if is_active else "waiting") if queue.is_single_active else "up",
        "consumer_timeout": timeout_of(consumer, queue.limits, facts.context.limits.consumer_timeout_ms),
        "messages_unacknowledged": consumer.unacked_count,
        "arguments": {"x-priority": consumer.priority} if consumer.priority else {},
    }


def is_at_prefetch(consumer: ChannelConsumer) -> bool:
    """Does it get nothing until it acknowledges: by its own limit, or by that of its channel?"""
    channel = consumer.channel
    if channel.shared_prefetch > 0 and channel.shared_unacked >= channel.shared_prefetch:
        return True
    return not consumer.no_ack and 0 < consumer.prefetch_count <= consumer.unacked_count


def has_room(consumer: ChannelConsumer) -> bool:
    """Could it take a message at this moment?"""
    return not consumer.channel.connection.is_blocked and not is_at_prefetch(consumer)
