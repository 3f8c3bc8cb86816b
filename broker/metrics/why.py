"""Why a queue is as it is: what its figures mean, in words that somebody who is called at night understands."""

from collections.abc import Iterator, Sequence
from typing import Final

from msgspec import Struct

# A depth that changes by less is steady: so many messages a second, or this share of what comes.
LEAST_CHANGE: Final = 0.5
LEAST_SHARE: Final = 0.05
MOST_NAMES: Final = 10  # connections named with one reason


class ConsumerState(Struct, frozen=True):
    """One consumer of the queue.

    Attributes:
        connection: Name of its connection.
        is_at_prefetch: It gets nothing until it acknowledges.
        is_reading_stopped: Its socket is full: it does not read what it was sent.
        is_waiting: Another consumer is the single active one.
    """

    connection: str
    is_at_prefetch: bool = False
    is_reading_stopped: bool = False
    is_waiting: bool = False


class QueueState(Struct, frozen=True):
    """What is known of one queue. Rates are per second, over the last interval.

    Attributes:
        ready: Messages ready.
        unacked: Messages delivered and not settled.
        publish_rate: Messages that came in.
        deliver_rate: Messages that went to consumers.
        get_rate: Messages fetched with ``basic.get``.
        ack_rate: Acknowledgements.
        auto_ack_rate: Deliveries that need no acknowledgement.
        depth_rate: Change of ready and unacked messages together.
        consumers: Who consumes.
        is_stream: It keeps what is read.
        is_refusing: It is full, and refuses what is published.
        max_length: Messages that it may hold, the oldest being dropped; -1 for any number.
        message_ttl_ms: After that messages expire; -1 for never.
        dead_letter_exchange: Where dead letters go; None for nowhere.
        dead_letters_waiting: Dead letters that their target has not taken yet.
        alarm: The resource that is short in the whole broker; empty for none.
        blocked: Names of connections that have been told not to publish, in this vhost.
    """

    ready: int = 0
    unacked: int = 0
    publish_rate: float = 0.0
    deliver_rate: float = 0.0
    get_rate: float = 0.0
    ack_rate: float = 0.0
    auto_ack_rate: float = 0.0
    depth_rate: float = 0.0
    consumers: Sequence[ConsumerState] = ()
    is_stream: bool = False
    is_refusing: bool = False
    max_length: int = -1
    message_ttl_ms: int = -1
    dead_letter_exchange: str | None = None
    dead_letters_waiting: int = 0
    alarm: str = ""
    blocked: Sequence[str] = ()

    @property
    def settled_rate(self) -> float:
        """Messages that left because a consumer has them."""
        return self.ack_rate + self.auto_ack_rate

    @property
    def lost_rate(self) -> float:
        """Messages that left without any consumer's being done with them.

        That is what came in and neither stayed nor was settled. A message that was fetched may have been settled by
        that, so fetched ones are left out: rather too few than one too many.
        """
        return self.publish_rate - self.settled_rate - self.get_rate - self.depth_rate

    @property
    def least_change(self) -> float:
        """Below this a rate means nothing."""
        return max(LEAST_CHANGE, LEAST_SHARE * self.publish_rate)


class Reason(Struct, frozen=True):
    """One reason.

    Attributes:
        code: A word for programs.
        text: A sentence for people.
        connections: Names of the connections that it is about; at most ten.
    """

    code: str
    text: str
    connections: list[str]


class Why(Struct, frozen=True):
    """The answer.

    Attributes:
        state: ``blocked``, ``growing``, ``draining``, ``steady`` or ``idle``.
        reasons: The weightiest first; none if there is nothing to explain.
    """

    state: str
    reasons: list[Reason]


def why(queue: QueueState) -> Why:
    """What the queue is doing, and why."""
    return Why(_state(queue), list(_reasons(queue)))


def _state(queue: QueueState) -> str:
    if queue.is_refusing or (queue.alarm and queue.blocked):
        return "blocked"
    if queue.depth_rate > queue.least_change:
        return "growing"
    if queue.depth_rate < -queue.least_change:
        return "draining"
    rates = (queue.publish_rate, queue.deliver_rate, queue.get_rate, queue.ack_rate, queue.depth_rate)
    return "steady" if any(rates) else "idle"


def _reasons(queue: QueueState) -> Iterator[Reason]:
    yield from _publishers(queue)
    yield from _consumers(queue)
    yield from _losses(queue)
    if queue.is_stream and _state(queue) == "growing":
        yield Reason("stream_keeps", "A stream keeps what is published to it, read or not, while retention allows.", [])
    if _state(queue) == "idle" and queue.ready == 0 and queue.unacked == 0:
        if queue.consumers:
            yield Reason("no_publishes", "Its consumers wait: nothing is published to it.", [])
        else:
            yield Reason("unused", "Nothing is published to it, and nobody consumes from it.", [])


def _publishers(queue: QueueState) -> Iterator[Reason]:
    if queue.is_refusing:
        yield Reason("queue_full", "It is at its length limit and refuses what is published to it.", [])
    if queue.alarm:
        text = f"The broker is short of {queue.alarm} and takes no messages from publishers."
        yield Reason("publisher_blocked", text, _named(queue.blocked))


def _consumers(queue: QueueState) -> Iterator[Reason]:
    waiting = queue.ready
    if not queue.consumers:
        if waiting > 0 and not queue.is_stream:
            text = f"Nobody consumes from it: {_messages(waiting)} ready."
            if queue.get_rate > 0:
                text = f"Nobody consumes from it but by basic.get, {_rate(queue.get_rate)}: {_messages(waiting)} ready."
            yield Reason("no_consumers", text, [])
        return
    active = [each for each in queue.consumers if not each.is_waiting]
    held = [each.connection for each in active if each.is_at_prefetch]
    deaf = [each.connection for each in active if each.is_reading_stopped]
    if deaf:
        text = f"{_of(deaf, active)} not read what the broker has sent."
        yield Reason("consumer_not_reading", text, _named(deaf))
    if held and (waiting > 0 or len(held) == len(active)):
        text = f"{_of(held, active)} not get more before acknowledging: as many messages are out as prefetch allows."
        yield Reason("consumers_at_prefetch", text, _named(held))
    if queue.unacked > 0 and queue.ack_rate == 0.0:
        text = f"{queue.unacked} delivered and not acknowledged, and no acknowledgement in the last five seconds."
        yield Reason("no_acks", text, _named([each.connection for each in active]))
    too_slow = waiting > 0 and queue.publish_rate - queue.settled_rate - queue.get_rate > queue.least_change
    if too_slow and not queue.is_stream:
        came, went = _rate(queue.publish_rate), _rate(queue.settled_rate)
        text = f"Messages come faster than consumers are done with them: {came} in, {went} settled."
        yield Reason("consumer_slow", text, _named([each.connection for each in active]))


def _losses(queue: QueueState) -> Iterator[Reason]:
    if queue.dead_letters_waiting > 0:
        text = f"{_messages(queue.dead_letters_waiting)} dead and kept until exchange {_shown(queue)} has taken them."
        yield Reason("dead_letters_waiting", text, [])
    lost = queue.lost_rate
    if queue.is_stream or lost <= queue.least_change:
        return
    if queue.message_ttl_ms >= 0:
        text = f"Messages expire after {queue.message_ttl_ms} ms: {_rate(lost)} leave it without a consumer."
        yield Reason("ttl_expiring", text, [])
    if queue.max_length >= 0 and queue.ready >= queue.max_length:
        text = f"It is at its length limit of {queue.max_length}: {_rate(lost)} make room for newer ones."
        yield Reason("length_limit", text, [])
    if queue.dead_letter_exchange is not None:
        text = f"Messages go to the dead-letter exchange {_shown(queue)}: {_rate(lost)}."
        yield Reason("dead_lettering", text, [])


def _named(names: Sequence[str]) -> list[str]:
    """Each connection once."""
    return list(dict.fromkeys(names))[:MOST_NAMES]


def _of(some: Sequence[str], every: Sequence[ConsumerState]) -> str:
    if len(every) == 1:
        return "Its consumer does"
    return f"All {len(every)} consumers do" if len(some) == len(every) else f"{len(some)} of {len(every)} consumers do"


def _messages(count: int) -> str:
    return "1 message is" if count == 1 else f"{count} messages are"


def _rate(rate: float) -> str:
    return f"{rate:.1f} a second" if rate < 10 else f"{rate:.0f} a second"


def _shown(queue: QueueState) -> str:
    return "''" if queue.dead_letter_exchange is None else f"'{queue.dead_letter_exchange}'"
