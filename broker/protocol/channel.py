"""One channel: content assembly, publishing, deliveries, settlement. AMQP 0-9-1 §1.5, §1.8, §4.2.6."""

from typing import TYPE_CHECKING, Final, cast, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.access import READ
from broker.core.counters import Counters
from broker.core.errors import (
    CONNECTION_FORCED,
    FRAME_ERROR,
    NO_ROUTE,
    PRECONDITION_FAILED,
    UNEXPECTED_FRAME,
    HardError,
    SoftError,
)
from broker.core.message import Message, Queued
from broker.protocol.ack_clock import AckClock, timeout_of
from broker.protocol.consumer import ChannelConsumer
from broker.protocol.pattern import Pattern
from broker.protocol.reply_to import ReplyConsumer
from broker.protocol.states import CHANNEL_RUNNING, EXPECT_BODY, EXPECT_HEADER, EXPECT_METHOD
from broker.protocol.transaction import Transaction
from broker.protocol.unacked import Unacked
from broker.queues.queue import Queue
from broker.store.survivors import Survivors
from broker.vhost.alarms import Alarms
from broker.vhost.confirms import ConfirmLedger
from broker.vhost.publisher import REFUSED, STORED, UNROUTABLE, Publisher, Route
from broker.vhost.replies import REPLY_TO
from broker.wire.methods import BASIC, BASIC_CANCEL, BASIC_RETURN
from broker.wire.octets import get_u16, shortstr, u16
from broker.wire.outbox import Outbox
from broker.wire.properties import HEADER_SIZE, PropertyScanner, body_size
from broker.wire.stencil import LARGEST_HEADER
from broker.wire.tables import undecodable

if TYPE_CHECKING:
    from broker.protocol.connection import Connection

# A larger body is not kept for the sake of the messages after it: there may be very many channels.
LARGEST_LIKE: Final = 4096

# What becomes of a delivery.
ACK: Final = 0
REQUEUE: Final = 1
DISCARD: Final = 2
FAIL: Final = 3  # requeue, and a failed delivery to queues that count those

UNLIMITED: Final = 0x7FFF_FFFF_FFFF_FFFF
MAX_BODY_SIZE: Final = 536_870_912  # RabbitMQ's limit whatever is configured: beyond it, it is a frame error


@final
@mypyc_attr(native_class=True)
class Channel:
    """A channel of one connection.

    Attributes:
        connection: The connection it is multiplexed on.
        number: Its number there.
        vhost: Where it declares, binds, publishes and consumes.
        access: What its user may do there.
        state: One of the channel states.
        expects: The frame it wants next.
        pattern: What the next publish begins with if it is like the last.
        consumers: By consumer tag.
        reply_consumer: Takes the answers to its requests; None if it has not asked for direct reply-to.
        unacked: Deliveries out.
        ack_clock: Watches how long they are out; None if no timeout applies.
        next_tag: The next delivery tag; the first is 1.
        prefetch_count: What consumers started from now on get as their own limit; 0 for none.
        shared_prefetch: Limit of all its consumers together; 0 for none.
        shared_unacked: Deliveries out that count against it.
        confirms: The ledger of publisher confirms.
        transaction: What is held back until ``tx.commit``; None unless the channel is transactional.
        last_queue: Name of the queue declared last, which an empty queue name means.
        made_up: Name for the queue that is being declared without one. A declare is carried out again when somebody has
            to be asked for permission, and asks for the same name then.
    """

    def __init__(self, connection: "Connection", number: i64, publisher: Publisher, outbox: Outbox) -> None:
        self.connection: Final = connection
        self.number: Final[i64] = number
        self.state: i64 = CHANNEL_RUNNING
        self.expects: i64 = EXPECT_METHOD
        self._publisher: Final = publisher
        self.vhost: Final = publisher.vhost
        self.access: Final = publisher.access
        self._outbox: Final = outbox
        self._counters: Final[Counters] = publisher.vhost.counters
        self._alarms: Final[Alarms] = connection.context.alarms
        self._max_message_bytes: Final[i64] = connection.context.limits.max_message_bytes
        self._scanner: Final = PropertyScanner()
        self._interceptor: Final = connection.context.interceptor
        # the content being assembled
        self._route: Route | None = None
        self._header: bytes = b""
        self.pattern: Final = Pattern(number)
        self._like: Message | None = None  # the last message, if those after it may differ from it in the body alone
        self._remaining: i64 = 0
        self._pieces: list[bytes] = []
        # deliveries
        self.consumers: Final[dict[bytes, ChannelConsumer]] = {}
        self.reply_consumer: ReplyConsumer | None = None
        self.unacked: Final = Unacked(publisher.vhost.agenda)
        self.ack_clock: AckClock | None = None
        self.next_tag: i64 = 1
        self.prefetch_count: i64 = 0
        self.shared_prefetch: i64 = 0
        self.shared_unacked: i64 = 0
        limit = connection.context.limits.unacked_per_channel
        self._max_unacked: Final[i64] = limit if limit > 0 else UNLIMITED
        self._was_full: bool = False
        self.confirms: Final = ConfirmLedger(number, outbox, connection, publisher.vhost.counters)
        self.transaction: Transaction | None = None
        self.last_queue: bytes | None = None
        self.made_up: bytes = b""

    def answer(self, method: i64, arguments: bytes) -> None:
        """Put one method into the outbox."""
        self._outbox.method(self.number, method, arguments)
        self.connection.touch()

    # --- publishing

    def begin_publish(self, method: bytes) -> None:
        """``basic.publish`` has come; its content follows.

        Raises:
            SoftError: 403 or 404. The content is discarded with everything else on a closing channel.
            HardError: 540 for ``immediate``.
        """
        route = self._publisher.route(method)
        if route is not self._route:
            self._route = route
            self._like = None
            self.pattern.forget()
        elif self.pattern.size == 0:
            self.pattern.learn_method(method)
        self.expects = EXPECT_HEADER

    def content_header(self, header: bytes) -> None:
        """The content header frame's payload.

        Raises:
            HardError: 501 or 505.
            SoftError: 406, a body larger than is configured.
        """
        if self.expects != EXPECT_HEADER:
            if self.expects == EXPECT_BODY:
                text = "expected content body, got non content body frame instead"
            else:
                text = "expected method frame, got non method frame instead"
            raise HardError(UNEXPECTED_FRAME, text)
        if len(header) < HEADER_SIZE:
            raise undecodable(header, 0, len(header))
        class_id = get_u16(header, 0)
        if class_id != BASIC:
            text = f"expected content header for class 60, got one for class {class_id} instead"
            raise HardError(UNEXPECTED_FRAME, text)
        if get_u16(header, 2) != 0:
            text = "expected content header for class 60, got non content header frame instead"
            raise HardError(UNEXPECTED_FRAME, text)
        size = body_size(header)
        if size < 0 or size > MAX_BODY_SIZE:
            shown = int(size) if size >= 0 else int(size) + (1 << 64)
            text = f"content body size {shown} exceeds maximum allowed size {MAX_BODY_SIZE}"
            raise HardError(FRAME_ERROR, text)
        if size > self._max_message_bytes:
            # Refused at the header: nothing of the body is kept.
            text = f"message size {size} is larger than configured max size {self._max_message_bytes}"
            raise SoftError(PRECONDITION_FAILED, text)
        if header == self._header:
            # The older one is kept: messages that are alike share their header, which saves its memory in a backlog.
            self._learn_content(size)
        else:
            self._header = header
            self._like = None
            if self.pattern.body_size >= 0:
                self.pattern.forget()
        self._remaining = size
        if size == 0:
            self._publish(b"")
        else:
            self.expects = EXPECT_BODY

    def _learn_content(self, size: i64) -> None:
        """The content header is that of the last message, which the scanner has seen."""
        route = self._route
        pattern = self.pattern
        if route is None or pattern.size == 0 or pattern.body_size >= 0 or size == 0:
            return
        if size > self.connection.max_payload or self._interceptor is not None or self._scanner.reply_to_start:
            return  # the body comes in pieces, or the header is changed for each message
        if len(self._header) > LARGEST_HEADER:
            return  # there may be very many channels
        pattern.learn_content(route.method, self._header, size)

    def content_body(self, piece: bytes) -> None:
        """A body frame's payload.

        Raises:
            HardError: 501 or 505.
            SoftError: whatever publishing refuses, once the body is whole.
        """
        if self.expects != EXPECT_BODY:
            if self.expects == EXPECT_HEADER:
                text = "expected content header for class 60, got non content header frame instead"
            else:
                text = "expected method frame, got non method frame instead"
            raise HardError(UNEXPECTED_FRAME, text)
        remaining = self._remaining - len(piece)
        if remaining < 0:
            raise HardError(FRAME_ERROR, "content body frame exceeds remaining content size")
        # Of the last piece nothing is noted: its frame is read again if permission for a key must be asked for first.
        if remaining > 0:
            self._remaining = remaining
            if piece:
                self._pieces.append(piece)
        elif self._pieces:
            self._publish(b"".join([*self._pieces, piece]))
            self._pieces = []
        else:
            self._publish(piece)

    def look_again(self) -> None:
        """The user's rights may have changed: ask for the route even of a publish that is like the last."""
        self.pattern.forget()

    def _publish(self, body: bytes) -> None:
        header = self._header
        scanner = self._scanner
        if not scanner.scan(header):
            raise undecodable(header, 0, len(header))
        if self._interceptor is not None:
            header = self._interceptor.stamped(header, self.vhost.agenda.now_ms)
            scanner.scan(header)
        if scanner.reply_to_start and header[scanner.reply_to_start : scanner.reply_to_end] == REPLY_TO:
            header = self._with_reply_name(header)
        self._take_in(header, body)

    def takes_run(self) -> bool:
        """May messages that begin with the octets of ``pattern`` come by ``publish_run``? Nothing refuses them."""
        route = self._route
        return (
            self._like is not None
            and route is not None
            and route.version == self.vhost.version
            and not self._alarms.is_on
            and self.transaction is None
        )

    def publish_run(self, bodies: list[bytes]) -> None:
        """The octets of ``pattern`` have come several times, with these bodies behind them. ``takes_run`` said yes."""
        like = self._like
        route = self._route
        assert like is not None
        assert route is not None
        count: i64 = len(bodies)
        counters = self._counters
        counters.messages_received += count
        counters.count_bodies(len(bodies[0]), count)
        publisher = self._publisher
        if not publisher.publish_run(route, like, bodies):
            for body in bodies:
                self._published(publisher.publish_alike(route, like, body), route)
            return
        confirms = self.confirms
        if confirms.is_selected:
            counters.messages_received_confirm += count
            confirms.accepted(count)
            if not confirms.is_listed:
                self.connection.context.turn.watch(confirms)

    def publish_again(self, body: bytes) -> None:
        """The octets of ``pattern`` have come, and this body behind them; ``takes_run`` said no.

        Raises:
            SoftError: whatever publishing refuses.
        """
        # As if the body's frame had been read by itself, in case that it must be read again.
        self.expects = EXPECT_BODY
        self._remaining = len(body)
        self._take_in(self._header, body)

    def _take_in(self, header: bytes, body: bytes) -> None:
        """Publish a message whose content header the scanner has just seen, or the same octets in the last message."""
        route = self._route
        assert route is not None
        publisher = self._publisher
        scanner = self._scanner
        if route.version != publisher.vhost.version:
            # Another connection changed the topology between the method and the end of its body.
            route = publisher.route(route.method)
            self._route = route
        counters = self._counters
        counters.messages_received += 1
        counters.count_bodies(len(body), 1)
        self.connection.has_published = True
        if self._alarms.is_on and self._is_refused():
            return
        transaction = self.transaction
        if transaction is not None:
            publisher.prepare(route, header, body, scanner)
            transaction.hold_publish(publisher.message, publisher.targets, route.is_mandatory)
            self.expects = EXPECT_METHOD
            return
        outcome = publisher.publish(route, header, body, scanner)
        self.expects = EXPECT_METHOD
        message = publisher.message
        was_taken = outcome != UNROUTABLE and outcome != REFUSED and publisher.targets is route.queues
        if was_taken and message.ttl_ms < 0 and len(body) <= LARGEST_LIKE:
            self._like = message
        self._published(outcome, route)

    def _published(self, outcome: i64, route: Route) -> None:
        """The publisher's last message has gone where it could: say what there is to say of it."""
        if outcome == UNROUTABLE:
            self.unroutable(self._publisher.message, route.is_mandatory)
        confirms = self.confirms
        if confirms.is_selected:
            self._counters.messages_received_confirm += 1
            confirms.published(outcome == STORED, outcome == REFUSED)
            if not confirms.is_listed:
                self.connection.context.turn.watch(confirms)

    def _with_reply_name(self, header: bytes) -> bytes:
        """The header of a request, with the name of this channel's reply queue in place of the plain one.

        Raises:
            SoftError: 406, nobody here waits for an answer.
        """
        consumer = self.reply_consumer
        if consumer is None:
            raise SoftError(PRECONDITION_FAILED, "fast reply consumer does not exist")
        scanner = self._scanner
        name = shortstr(consumer.queue.name)
        named = header[: scanner.reply_to_start - 1] + name + header[scanner.reply_to_end :]
        scanner.scan(named)
        return named

    def _is_refused(self) -> bool:
        """Under an alarm: a publish is nacked on a confirming channel, and taken in the time of grace on others.

        Raises:
            HardError: 320, no confirms and the time is up. The close frame blames no method.
        """
        may_publish = self.connection.may_publish()
        confirms = self.confirms
        if confirms.is_selected:
            self._counters.messages_received_confirm += 1
            confirms.published(False, True)
            if not confirms.is_listed:
                self.connection.context.turn.watch(confirms)
        elif may_publish:
            return False
        self.expects = EXPECT_METHOD
        self._counters.messages_refused += 1
        if not confirms.is_selected:
            raise HardError(CONNECTION_FORCED, self._shortage(), names_method=False)
        return True

    def _shortage(self) -> str:
        return "broker is " + self._alarms.reason().decode()

    def unroutable(self, message: Message, is_mandatory: bool) -> None:
        """No queue took a message: return it if it was mandatory, drop it otherwise. §1.8.3.10."""
        if not is_mandatory:
            self._counters.messages_unroutable_dropped += 1
            return
        self._counters.messages_unroutable_returned += 1
        arguments = u16(NO_ROUTE) + shortstr(b"NO_ROUTE") + message.route
        self._outbox.method(self.number, BASIC_RETURN, arguments)
        self._outbox.content(self.number, message.header, message.body)
        self.connection.touch()

    def commit(self, transaction: Transaction) -> None:
        """Apply a transaction: publishes first, then settlements; ``tx.commit-ok`` follows from the ledger.

        Raises:
            SoftError: 406, a full queue refused a publish; or publishes are refused because of an alarm, and then
                nothing at all has been applied.
        """
        if self._alarms.is_on and transaction.messages:
            self._counters.messages_refused += len(transaction.messages)
            raise SoftError(PRECONDITION_FAILED, self._shortage())
        publisher = self._publisher
        is_stored = False
        is_refused = False
        for i in range(len(transaction.messages)):
            message = transaction.messages[i]
            outcome = publisher.enqueue(message, transaction.targets[i])
            if outcome == UNROUTABLE:
                self.unroutable(message, transaction.mandatory[i])
            elif outcome == STORED:
                is_stored = True
            elif outcome == REFUSED:
                is_refused = True
        settled = transaction.settled
        transaction.clear()
        for held in settled:
            self.settle_taken(held.queued, held.holder, held.verdict)
            is_stored = True
        if is_refused:
            raise SoftError(PRECONDITION_FAILED, "partial tx completion")
        self.confirms.commit(is_stored)
        self.connection.context.turn.watch(self.confirms)

    def roll_back(self, transaction: Transaction) -> None:
        """Drop the publishes; the settlements are undone: those deliveries are out again, not redelivered. §1.9.2.3."""
        for held in transaction.settled:
            self.unacked.add(held.tag, held.queued, held.holder)
        transaction.clear()

    # --- deliveries

    def can_deliver(self) -> bool:
        """Is there room under the limits of the channel and on the connection? If not, it is woken when there is."""
        out = self.shared_unacked
        if out >= self._max_unacked or (self.shared_prefetch > 0 and out >= self.shared_prefetch):
            self._was_full = True
            return False
        return self.connection.has_room()

    def deliver(self, consumer: ChannelConsumer, queued: Queued) -> None:
        """Send one delivery and remember it, unless the consumer does not acknowledge."""
        tag = self.next_tag
        self.next_tag = tag + 1
        counters = self._counters
        if consumer.no_ack:
            counters.delivered_auto_ack += 1
        else:
            counters.delivered_manual_ack += 1
            self.unacked.add(tag, queued, consumer)
            consumer.unacked_count += 1
            self.shared_unacked += 1
        message = queued.message
        header = consumer.queue.header_of(queued) if queued.redelivered else message.header
        self._outbox.deliver(consumer.stencil, tag, queued.redelivered, message.route, header, message.body)
        connection = self.connection
        if not connection.is_touched:
            connection.touch()

    def deliver_run(
        self, consumer: ChannelConsumer, like: Message, bodies: list[bytes], first: i64, end: i64, position: i64
    ) -> i64:
        """The same for messages of which only the bodies are there; ``like`` has all else. Only after ``can_deliver``.

        Returns:
            How many were sent: as many as the limits of the channel and of the connection leave room for.
        """
        if not consumer.no_ack:
            room = self._max_unacked - self.shared_unacked
            if self.shared_prefetch > 0 and room > self.shared_prefetch - self.shared_unacked:
                room = self.shared_prefetch - self.shared_unacked
            if end - first > room:  # which may be all that fits in 64 bits
                end = first + room
        tag = self.next_tag
        connection = self.connection
        count = self._outbox.deliver_run(consumer.stencil, tag, like.route, like.header, bodies, first, end)
        self.next_tag = tag + count
        counters = self._counters
        if consumer.no_ack:
            counters.delivered_auto_ack += count
        else:
            counters.delivered_manual_ack += count
            self.unacked.add_run(tag, like, bodies, first, count, consumer, position)
            consumer.unacked_count += count
            self.shared_unacked += count
        if not connection.is_touched:
            connection.touch()
        return count

    def deliver_reply(self, consumer: ReplyConsumer, like: Message, body: bytes) -> None:
        """Send one answer to a request of this channel."""
        tag = self.next_tag
        self.next_tag = tag + 1
        self._counters.delivered_auto_ack += 1
        self._outbox.deliver(consumer.stencil, tag, False, like.route, like.header, body)
        self.connection.touch()

    def wait_for_replies(self, tag: bytes) -> None:
        """Make this channel a requester, under a name that nobody can guess.

        Raises:
            SoftError: 406, it is one already.
        """
        if self.reply_consumer is not None:
            raise SoftError(PRECONDITION_FAILED, "reply consumer already set")
        consumer = ReplyConsumer(self, self.vhost.replies.open(), tag)
        self.reply_consumer = consumer
        consumer.queue.add_consumer(consumer)

    def end_replies(self) -> None:
        """Answers that still come are dropped."""
        consumer = self.reply_consumer
        if consumer is not None:
            self.reply_consumer = None
            self.vhost.replies.close(consumer.queue)

    def share_prefetch(self, count: i64) -> None:
        """Let all consumers share one limit, 0 for none. All that is out counts, what was fetched included."""
        self.shared_prefetch = count
        if count == 0 or self.unacked.count == 0:
            return
        # As if a consumer had it: whatever settles one of them gives its credit back.
        queue = self.unacked.queue_of(self.unacked.tags(-1)[0])
        fetcher = ChannelConsumer(self, queue, b"", False, False, 0, 0)
        fetcher.unacked_count = self.unacked.give_to(fetcher)
        self.shared_unacked += fetcher.unacked_count

    def watch_acks(self, queue: Queue, holder: ChannelConsumer | None) -> None:
        """Deliveries of ``queue`` to this consumer, None for ``basic.get``, will have to be settled in time."""
        default_ms = self.connection.context.limits.consumer_timeout_ms
        timeout_ms = timeout_of(holder, queue.limits, default_ms)
        if timeout_ms == 0:
            return
        if self.ack_clock is None:
            self.ack_clock = AckClock(default_ms, timeout_ms)
        elif timeout_ms < self.ack_clock.least_ms:
            self.ack_clock.least_ms = timeout_ms

    def check_acks(self, now_s: float) -> None:
        """Has a delivery been out for too long?

        Raises:
            SoftError: 406. The close frame blames no method.
        """
        if self.ack_clock is None:
            return
        timeout_ms = self.ack_clock.look(int(now_s * 1000), self.next_tag - 1, self.unacked)
        if timeout_ms > 0:
            text = (
                f"delivery acknowledgement on channel {self.number} timed out. Timeout value used: {timeout_ms} ms. "
                "This timeout value can be configured, see consumers doc guide to learn more"
            )
            raise SoftError(PRECONDITION_FAILED, text, names_method=False)

    def cancel_by_broker(self, consumer: ChannelConsumer) -> None:
        """The queue is gone or may not be read any more: drop the consumer, and tell a client that asked to be told."""
        self.consumers.pop(consumer.tag, None)
        connection = self.connection
        if connection.wants_cancel_notify:
            self._outbox.method(self.number, BASIC_CANCEL, shortstr(consumer.tag) + b"\x01")
            connection.touch()

    def cancel_unreadable(self) -> None:
        """The user's rights have changed: cancel the consumers of queues that may no longer be read."""
        for consumer in list(self.consumers.values()):
            if not self.access.allows(READ, "queue", consumer.queue.name):
                consumer.queue.remove_consumer(consumer)
                self.cancel_by_broker(consumer)
                self.vhost.consumer_left(consumer.queue)

    # --- settlement

    def acknowledge(self, tag: i64, is_multiple: bool) -> None:
        """``basic.ack``.

        Raises:
            SoftError: 406, nothing is out under this tag.
        """
        if is_multiple or self.transaction is not None:
            self.settle(tag, is_multiple, ACK)
            return
        size = self.unacked.settle_alike(tag)
        if size >= 0:
            self._settled_alike(1, size)
            return
        queued = self.unacked.take(tag)
        if queued is None:
            raise unknown_tag(tag)
        holder = self.unacked.holder
        queue = cast("Queue", queued.queue)
        queue.settle(queued)
        if holder is not None:
            self._give_back(holder, queue, 1)

    def settle(self, tag: i64, is_multiple: bool, verdict: i64) -> None:
        """Ack, requeue, fail or discard one delivery, or every one up to ``tag`` (0 with multiple: all).

        In a transaction this is held until the commit, but an unknown tag is refused at once.

        Raises:
            SoftError: 406, nothing is out under this tag. AMQP 0-9-1 §1.8.3.13.
        """
        unacked = self.unacked
        if tag == 0 and is_multiple:
            tag = -1
        elif not unacked.has(tag):
            raise unknown_tag(tag)
        transaction = self.transaction
        if transaction is not None:
            for held_tag in unacked.tags(tag) if is_multiple else [int(tag)]:
                held = unacked.take(held_tag)
                assert held is not None
                transaction.hold_settlement(held_tag, held, unacked.holder, verdict)
            return
        if not is_multiple:
            taken = unacked.take(tag)
            assert taken is not None
            self.settle_taken(taken, unacked.holder, verdict)
            return
        if verdict == REQUEUE and tag < 0:
            self._put_back_all(False)
            return
        queued: list[Queued] = []
        holders: list[ChannelConsumer | None] = []
        for number in unacked.numbers(tag):
            if verdict == ACK:
                count = unacked.settle_run(number, tag)
                if count > 0:
                    self._settled_alike(count, unacked.size)
            unacked.take_page(number, tag, queued, holders)
            if verdict == REQUEUE:
                self._put_back(queued, holders, False)
            else:
                for i in range(len(queued)):
                    self.settle_taken(queued[i], holders[i], verdict)

    def settle_taken(self, queued: Queued, holder: ChannelConsumer | None, verdict: i64) -> None:
        """Settle a delivery that has been taken out of ``unacked``."""
        queue = cast("Queue", queued.queue)
        self._free(holder)
        if verdict == ACK:
            queue.settle(queued)
        elif verdict == DISCARD:
            queue.reject(queued)
        else:
            queue.put_back([queued], verdict == FAIL)
        queue.wake()

    def _settled_alike(self, count: i64, size: i64) -> None:
        """Acknowledge what ``unacked`` has just removed, so many of one consumer with bodies of this size."""
        holder = self.unacked.holder
        assert holder is not None
        queue = holder.queue
        queue.settle_alike(count, size)
        self._give_back(holder, queue, count)

    def _give_back(self, holder: ChannelConsumer, queue: Queue, count: i64) -> None:
        """Give back the credit of so many deliveries of one queue, and let it use that."""
        holder.unacked_count -= count
        self.shared_unacked -= count
        if not queue.is_due and queue.ready_count > 0:
            queue.wake()
        if self._was_full:
            self.wake_consumers()

    def _free(self, holder: ChannelConsumer | None) -> None:
        """Give back the credit of one delivery."""
        if holder is None:
            return
        holder.unacked_count -= 1
        self.shared_unacked -= 1
        if self._was_full:
            self.wake_consumers()

    def _put_back(self, queued: list[Queued], holders: list[ChannelConsumer | None], is_failure: bool) -> None:
        """Requeue many at once, each queue's together: places are found by sorting."""
        by_queue: dict[Queue, list[Queued]] = {}
        for each in queued:
            queue = cast("Queue", each.queue)
            if queue in by_queue:
                by_queue[queue].append(each)
            else:
                by_queue[queue] = [each]
        for holder in holders:
            self._free(holder)
        for queue, returned in by_queue.items():
            queue.put_back(returned, is_failure)

    def _put_back_all(self, is_failure: bool) -> None:
        """Requeue everything that is out. What is in the spool stays there, and changes hands without being read."""
        unacked = self.unacked
        for part in unacked.take_spooled():
            holder = part.holder
            if holder is not None:
                holder.unacked_count -= part.chunk.count
                self.shared_unacked -= part.chunk.count
            cast("Queue", part.chunk.queue).put_back_chunk(part.chunk, is_failure)
        if self._was_full:
            self.wake_consumers()
        queued: list[Queued] = []
        holders: list[ChannelConsumer | None] = []
        for number in unacked.numbers(-1):
            unacked.take_page(number, -1, queued, holders)
            self._put_back(queued, holders, is_failure)

    def recover(self) -> None:
        """Requeue everything that is out: ``basic.recover``. §1.8.3.16."""
        self._put_back_all(False)

    def survive(self, queue: Queue, survivors: Survivors) -> None:
        """Add every delivery of ``queue`` that is out, those that a transaction has settled but not committed too."""
        self.unacked.survive(queue, survivors)
        if self.transaction is not None:
            for held in self.transaction.settled:
                if held.queued.queue is queue:
                    survivors.add(held.queued)

    def wake_consumers(self) -> None:
        """There may be room again: let every queue consumed from on this channel try."""
        self._was_full = False
        for consumer in self.consumers.values():
            consumer.queue.wake()
        if self.reply_consumer is not None:
            self.reply_consumer.queue.wake()

    # --- the end

    def close(self) -> None:
        """Cancel the consumers, requeue what is out, drop what a transaction holds. Says nothing to the client."""
        vhost = self.vhost
        self.end_replies()
        consumers = list(self.consumers.values())
        self.consumers.clear()
        for consumer in consumers:
            consumer.queue.remove_consumer(consumer)
        self._put_back_all(True)
        transaction = self.transaction
        if transaction is not None:
            settled = transaction.settled
            self._put_back([held.queued for held in settled], [held.holder for held in settled], True)
            transaction.clear()
        for consumer in consumers:
            vhost.consumer_left(consumer.queue)
        self.confirms.is_closed = True
        self._pieces = []
        self._route = None
        self._like = None
        self.pattern.forget()
        self.expects = EXPECT_METHOD
        self._counters.channels_closed += 1


def unknown_tag(tag: i64) -> SoftError:
    """RabbitMQ's refusal; bunny compares the whole text."""
    shown = int(tag) if tag >= 0 else int(tag) + (1 << 64)
    return SoftError(PRECONDITION_FAILED, f"unknown delivery tag {shown}")
