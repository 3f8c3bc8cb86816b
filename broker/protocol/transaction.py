"""What a transactional channel holds back until ``tx.commit``. AMQP 0-9-1 §1.9."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Enqueuer, Message, Queued
from broker.protocol.consumer import ChannelConsumer


@final
@mypyc_attr(native_class=True)
class HeldSettlement:
    """A delivery with its verdict.

    Attributes:
        tag: Its delivery tag, under which a rollback puts it back.
        queued: The delivery.
        holder: The consumer it went to; None for ``basic.get``.
        verdict: Ack, requeue or discard.
    """

    def __init__(self, tag: i64, queued: Queued, holder: ChannelConsumer | None, verdict: i64) -> None:
        self.tag: Final[i64] = tag
        self.queued: Final = queued
        self.holder: Final = holder
        self.verdict: Final[i64] = verdict


@final
@mypyc_attr(native_class=True)
class Transaction:
    """Publishes and settlements in the order they came. RabbitMQ applies the publishes first.

    Attributes:
        messages: The publishes.
        targets: Who takes each, found when it was published.
        mandatory: Whether each comes back if no queue takes it.
        settled: The settlements, all of deliveries that are no longer in the channel's ``unacked``.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.targets: list[list[Enqueuer]] = []
        self.mandatory: list[bool] = []
        self.settled: list[HeldSettlement] = []

    def hold_publish(self, message: Message, targets: list[Enqueuer], is_mandatory: bool) -> None:
        """Keep a publish for the commit."""
        self.messages.append(message)
        self.targets.append(targets)
        self.mandatory.append(is_mandatory)

    def hold_settlement(self, tag: i64, queued: Queued, holder: ChannelConsumer | None, verdict: i64) -> None:
        """Keep a settlement for the commit."""
        self.settled.append(HeldSettlement(tag, queued, holder, verdict))

    def clear(self) -> None:
        """Hold nothing: after a commit, or to drop it all."""
        self.messages = []
        self.targets = []
        self.mandatory = []
        self.settled = []
