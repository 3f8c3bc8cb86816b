"""The requester's side of direct reply-to, and its refusals. RabbitMQ's extension."""

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.destination import resource_text
from broker.core.errors import ACCESS_REFUSED, NOT_FOUND, NOT_IMPLEMENTED, HardError, SoftError
from broker.core.message import Message, Queued
from broker.queues.classic import ClassicQueue
from broker.queues.consumer import Consumer
from broker.vhost.replies import REPLY_TO
from broker.wire.octets import shortstr
from broker.wire.stencil import Stencil

if TYPE_CHECKING:
    from broker.protocol.channel import Channel


@final
@mypyc_attr(native_class=True)
class ReplyConsumer(Consumer):
    """Hands the answers to a channel's requests to that channel. No prefetch limits it: nothing is ever unacked.

    Attributes:
        queue: Where the answers arrive; its name is what the requests carry as reply_to.
        stencil: What all its deliveries have in common.
    """

    def __init__(self, channel: "Channel", queue: ClassicQueue, tag: bytes) -> None:
        super().__init__(tag, True, False, 0)
        self._channel: Final = channel
        self.queue: Final = queue
        self.stencil: Final = Stencil(channel.number, shortstr(tag))

    def can_take(self) -> bool:
        return self._channel.connection.has_room()

    def has_unacked(self) -> bool:
        return False

    def take(self, queued: Queued) -> None:
        self._channel.deliver_reply(self, queued.message, queued.message.body)

    def take_run(self, like: Message, bodies: list[bytes], first: i64, end: i64, position: i64) -> i64:
        at = first
        while at < end and self.can_take():
            self._channel.deliver_reply(self, like, bodies[at])
            at += 1
        return at - first

    def queue_deleted(self) -> None:
        """Only the channel itself ends the queue."""


def is_reply_name(name: bytes) -> bool:
    """Is this the name of direct reply-to, or one that may stand for a requester?"""
    return name.startswith(REPLY_TO)


def check_requester(channel: "Channel", name: bytes) -> None:
    """``queue.declare`` of a reply name: how a responder asks whether the requester is still there.

    Raises:
        SoftError: 404, it is not.
    """
    vhost = channel.vhost
    if not vhost.replies.is_answered(name):
        raise SoftError(NOT_FOUND, f"no {resource_text('queue', name, vhost.name)}")


def refuse_binding(name: bytes) -> None:
    """Reply names cannot be bound.

    Raises:
        SoftError: 403.
    """
    if is_reply_name(name):
        raise SoftError(ACCESS_REFUSED, "cannot bind or unbind to a volatile (direct reply-to) queue")


def refuse_get(channel: "Channel", name: bytes) -> None:
    """Answers are only delivered.

    Raises:
        HardError: 540.
    """
    if is_reply_name(name):
        what = resource_text("queue", name, channel.vhost.name)
        raise HardError(NOT_IMPLEMENTED, f"basic.get not supported by volatile {what}")
