"""A consumer on a channel."""

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Message, Queued
from broker.queues.consumer import Consumer
from broker.queues.queue import Queue
from broker.wire.octets import shortstr
from broker.wire.stencil import Stencil

if TYPE_CHECKING:
    from broker.protocol.channel import Channel


@final
@mypyc_attr(native_class=True)
class ChannelConsumer(Consumer):
    """Hands deliveries from its queue to its channel.

    Attributes:
        queue: The queue it consumes from.
        channel: The channel it was started on.
        stencil: What all its deliveries have in common.
        prefetch_count: Its own limit of unacked deliveries; 0 for none.
        unacked_count: Deliveries out and not settled.
        timeout_ms: Longest that a delivery to it may be out; 0 for no limit, -1 if it did not say.
    """

    def __init__(
        self,
        channel: "Channel",
        queue: Queue,
        tag: bytes,
        no_ack: bool,
        is_exclusive: bool,
        priority: i64,
        prefetch_count: i64,
        timeout_ms: i64 = -1,
    ) -> None:
        super().__init__(tag, no_ack, is_exclusive, priority)
        self.channel: Final = channel
        self.queue: Final = queue
        self.stencil: Final = Stencil(channel.number, shortstr(tag))
        self.prefetch_count: i64 = prefetch_count
        self.unacked_count: i64 = 0
        self.timeout_ms: Final[i64] = timeout_ms

    def can_take(self) -> bool:
        # RabbitMQ: a consumer without acknowledgements ignores its own limit, but not the channel's.
        if self.prefetch_count > 0 and self.unacked_count >= self.prefetch_count and not self.no_ack:
            return False
        return self.channel.can_deliver()

    def has_unacked(self) -> bool:
        return self.unacked_count > 0

    def take(self, queued: Queued) -> None:
        self.channel.deliver(self, queued)

    def take_run(self, like: Message, bodies: list[bytes], first: i64, end: i64, position: i64) -> i64:
        if not self.can_take():
            return 0
        if self.prefetch_count > 0 and not self.no_ack:
            room = self.prefetch_count - self.unacked_count
            if end - first > room:
                end = first + room
        return self.channel.deliver_run(self, like, bodies, first, end, position)

    def queue_deleted(self) -> None:
        self.channel.cancel_by_broker(self)
