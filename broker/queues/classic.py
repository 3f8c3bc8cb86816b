"""The queue whose messages are settled one by one, in order or by priority."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table, long
from broker.core.counters import Counters
from broker.core.errors import HardError
from broker.core.message import NOT_STORED, Message, Queued
from broker.policy.effective import EffectivePolicy, effective_arguments
from broker.queues.agenda import Agenda, DeadLetter
from broker.queues.arguments import DROP_HEAD, REJECT_PUBLISH_DLX, QueueLimits
from broker.queues.consumer import Consumer
from broker.queues.fifo import FifoReady
from broker.queues.held_keys import HeldKeys
from broker.queues.priority import PriorityReady
from broker.queues.queue import Queue
from broker.queues.ready import ParkedLine, Ready
from broker.store.spool_chunk import Chunk
from broker.store.spooled_line import SpooledLine
from broker.store.store import Store
from broker.store.survivors import Survivors
from broker.wire.properties import headers_of, rewritten

# Deliveries from one queue in one turn. Enough for a chunk of 100-octet publishes; small enough that a consumer who
# finds a long backlog does not hold up everybody else for more than a millisecond.
DELIVERY_BUDGET: Final = 4096
# Between two attempts to hand over dead letters that their targets refused.
DEAD_LETTER_RETRY_MS: Final = 1000
# RabbitMQ's quorum queues: 32 priorities told apart; a message without one is in the middle of what AMQP uses.
QUORUM_MAX_PRIORITY: Final = 31
QUORUM_PRIORITY: Final = 4
# Recovered messages between two looks whether the queue has outgrown its window.
LOOK_EVERY: Final = 256


@final
@mypyc_attr(native_class=True)
class ClassicQueue(Queue):
    """Messages in order, each for one consumer, until it is settled. A quorum queue on one machine is one as well.

    A message is in ``ready``, or counted in ``unacked_count`` and kept by the channel it was delivered on, or gone.

    Attributes:
        ready: What waits for a consumer.
        dead: Dead letters that their targets have not taken yet, by position; None unless dead-lettering is at least
            once.
        dead_bytes: Octets of their bodies.
    """

    def __init__(
        self,
        name: bytes,
        vhost_name: str,
        is_durable: bool,
        is_auto_delete: bool,
        owner_id: i64,
        arguments: Table,
        log_id: i64,
        agenda: Agenda,
        store: Store,
        counters: Counters,
    ) -> None:
        super().__init__(
            name, vhost_name, is_durable, is_auto_delete, owner_id, arguments, log_id, agenda, store, counters
        )
        limits = self.limits
        self.stores_all = limits.is_quorum
        self.ready: Final[Ready] = self._make_ready(limits)
        self.dead: dict[int, DeadLetter] | None = None
        self.dead_bytes: i64 = 0
        self._next_consumer: i64 = 0
        self._has_priorities: bool = False
        self._is_single_active: Final = _is_true(arguments, b"x-single-active-consumer")
        self._keys: Final = HeldKeys() if _is_true(arguments, b"x-message-deduplication") else None
        self._chooses: Final = (
            self._is_single_active or self._keys is not None
        )  # who gets what is not a matter of turns
        self._refuses: bool = False
        self._trims: bool = False
        self._has_timers: bool = False
        self._wake_ms: i64 = 0  # when the agenda will wake this queue for its first message; 0 for never
        self._unused_since_ms: i64 = agenda.now_ms
        self._lease_wake_ms: i64 = 0  # when the agenda will look whether the lease has run out; 0 for never
        self._retry_wake_ms: i64 = 0  # when dead letters are tried again; 0 for never
        self._limits_changed()

    def _make_ready(self, limits: QueueLimits) -> Ready:
        window = self._agenda.window
        spool = self._agenda.spool
        if limits.is_quorum:
            return PriorityReady(QUORUM_MAX_PRIORITY, QUORUM_PRIORITY, window, spool, self)
        if limits.max_priority > 0:
            return PriorityReady(limits.max_priority, 0, window, spool, self)
        if spool is None:
            return FifoReady()
        return FifoReady(window, SpooledLine(spool, self))

    @property
    def ready_count(self) -> i64:
        return self.ready.count

    # --- messages in

    def push(self, message: Message) -> bool:
        """Take in one message. Unless it can be handed on at once, deliveries are tried at the end of the turn.

        Returns:
            False if the queue is full and refuses what it cannot hold (overflow reject-publish).
        """
        is_next = self.ready.count == 0 and len(self.consumers) > 0
        if is_next and message.ttl_ms < 0 and self.takes_run(message) and self._hand_on(message, [message.body]) > 0:
            return True
        if self._refuses and self._is_full():
            if self.limits.overflow == REJECT_PUBLISH_DLX:
                self._dead_letter(message, b"maxlen")
            return False
        position = self.next_position
        if self._keys is not None and not self._keys.enter(message, position):
            return True  # a duplicate: the queue holds that message already
        self.next_position = position + 1
        queued = Queued(message, self, position)
        if self._stores(message):
            self._store.append(queued)
        if message.ttl_ms >= 0 or self._has_timers:
            self._set_expiry(queued)
        self.ready.push(queued)
        self.ready_bytes += len(message.body)
        self.published += 1
        if not self.is_due:
            self.is_due = True
            self._agenda.due.append(self)
        return True

    def takes_run(self, like: Message) -> bool:
        if self._chooses or self._has_priorities or self._has_timers or self._trims or self._refuses:
            return False
        return not self._stores(like)

    def push_run(self, like: Message, bodies: list[bytes]) -> None:
        first: i64 = 0
        if self.consumers and self.ready.count == 0:
            first = self._hand_on(like, bodies)
        count = len(bodies) - first
        if count == 0:
            return
        self.ready.push_run(self, like, bodies, first, self.next_position)
        self.next_position += count
        self.ready_bytes += count * len(bodies[first])
        self.published += count
        if not self.is_due:
            self.is_due = True
            self._agenda.due.append(self)

    def _hand_on(self, like: Message, bodies: list[bytes]) -> i64:
        """Hand messages that have just come to consumers, in turn, as far as the next one has room; nothing waits.

        Returns:
            How many were handed on.
        """
        consumers = self.consumers
        count: i64 = len(consumers)
        end: i64 = len(bodies)
        done: i64 = 0
        at = self._next_consumer
        while done < end:
            if at >= count:
                at = 0
            consumer = consumers[at]
            taken = consumer.take_run(like, bodies, done, end if count == 1 else done + 1, self.next_position)
            if taken == 0:
                break
            self._handed_over(consumer, taken, len(bodies[0]))
            at += 1
            done += taken
            self.next_position += taken
        self._next_consumer = at
        self.published += done
        self.active_ms = self._agenda.now_ms
        return done

    def _stores(self, message: Message) -> bool:
        return self.is_durable and (message.is_persistent or self.stores_all)

    def take_back(self, first_position: i64) -> None:
        self.ready_bytes -= self.ready.take_back(first_position)
        if self._keys is not None:
            self._keys.take_back(first_position)

    def restore(self, queued: Queued) -> None:
        """Put back a message that the store recovered; its expiry counts from when it was published."""
        message = queued.message
        # A policy's TTL is for messages that come after it: a restart must not take what a running broker would keep.
        is_older = message.timestamp_ms < self.ttl_since_ms
        ttl = _shorter(message.ttl_ms, self.earlier_ttl_ms if is_older else self.limits.message_ttl_ms)
        if ttl >= 0:
            self._has_timers = True
            queued.expires_ms = message.timestamp_ms + ttl
        if queued.position >= self.next_position:
            self.next_position = queued.position + 1
        if self._keys is not None:
            self._keys.enter(message, queued.position)
        limits = self.limits
        if limits.counts_returns and queued.redelivered and queued.acquired_count == 0:
            queued.acquired_count = 1  # out when the broker ended: no failure of its consumer
        if self.dead is not None and 0 <= limits.delivery_limit < i64(queued.delivery_count):
            self._drop(queued, b"delivery_limit")  # it had died, and no target had taken it
            return
        self.ready.push(queued)
        self.ready_bytes += len(message.body)
        self.wake()
        if self.ready.count % LOOK_EVERY == 0:
            # Recovered records have their place in the log: what there is no room for can go to the spool at once.
            self.ready.spool()

    @property
    def takes_no_duplicates(self) -> bool:
        """Must it know the key of every message that it holds?"""
        return self._keys is not None

    @property
    def has_timers(self) -> bool:
        """Has any message of it had a time to live?"""
        return self._has_timers

    def unpark(self, lines: list[ParkedLine], next_position: i64, has_timers: bool) -> None:
        """Take over what an earlier life parked: ``restore`` for all messages at once.

        Raises:
            ValueError: It was a queue with other priorities.
        """
        self.ready.unpark(lines)
        for line in lines:
            for chunk in line.aside:
                self.ready_bytes += chunk.bodies
            for chunk in line.line:
                self.ready_bytes += chunk.bodies
        self.next_position = next_position
        self._has_timers = self._has_timers or has_timers
        self.wake()

    def put_back(self, returned: list[Queued], is_failure: bool = False) -> None:
        """Requeue deliveries at their original places, marked as redelivered.

        Args:
            returned: What was delivered.
            is_failure: They were rejected or lost with their channel, which a queue with a delivery limit counts.
        """
        if self.is_deleted:
            return
        for queued in returned:
            queued.redelivered = True
            size: i64 = len(queued.message.body)
            self.ready_bytes += size
            self.unacked_bytes -= size
        self.unacked_count -= len(returned)
        if self.limits.counts_returns:
            returned = self._counted(returned, is_failure)
        self.ready.put_back(returned)
        self.wake()

    def put_back_chunk(self, chunk: Chunk, is_failure: bool = False) -> None:
        """Requeue the deliveries that a channel has in the spool, unread; the chunk is this queue's from now on.

        A queue that counts has to read them.
        """
        spool = self._agenda.spool
        if self.is_deleted:
            if spool is not None:
                spool.release(chunk)
            return
        if self.limits.counts_returns and spool is not None:
            returned: list[Queued] = []
            for queued in spool.messages(chunk):
                assert queued is not None
                returned.append(queued)
            spool.release(chunk)
            self.put_back(returned, is_failure)
            self.ready.spool()  # all that a channel had out may be more than there is room for
            return
        chunk.is_returned = True
        self.ready_bytes += chunk.bodies
        self.unacked_bytes -= chunk.bodies
        self.unacked_count -= chunk.count
        self.ready.put_back_chunk(chunk)
        self.wake()

    def _counted(self, returned: list[Queued], is_failure: bool) -> list[Queued]:
        """Count that they came back once more. Returns those that have not failed too often."""
        limit = self.limits.delivery_limit
        kept: list[Queued] = []
        for queued in returned:
            queued.acquired_count += 1
            if is_failure:
                queued.delivery_count += 1
            self._store.returned(queued)
            if 0 <= limit < i64(queued.delivery_count):
                self.ready_bytes -= len(queued.message.body)
                self._drop(queued, b"delivery_limit")
            else:
                kept.append(queued)
        return kept

    def header_of(self, queued: Queued) -> bytes:
        """The content header as a client gets it: with the counts, if the message came back and this queue counts."""
        header = queued.message.header
        if queued.acquired_count == 0:
            return header
        headers: Table = dict(headers_of(header) or {})
        headers[b"x-delivery-count"] = long(int(queued.delivery_count))
        headers[b"x-acquired-count"] = long(int(queued.acquired_count))
        try:
            return rewritten(header, headers, keep_expiration=True)
        except HardError:
            return header  # its headers are at the limit of what a table may hold

    # --- messages out

    def settle(self, queued: Queued) -> None:
        """A delivery was acknowledged."""
        if self.is_deleted:
            return
        self.unacked_count -= 1
        self.unacked_bytes -= len(queued.message.body)
        self.acknowledged += 1
        self._counters.messages_acknowledged += 1
        if self._keys is not None:
            self._keys.leave(queued)
        if queued.log_segment != NOT_STORED:
            self._store.settle(queued)

    def settle_alike(self, count: i64, size: i64) -> None:
        if self.is_deleted:
            return
        self.unacked_count -= count
        self.unacked_bytes -= count * size
        self.acknowledged += count
        self._counters.messages_acknowledged += count

    def reject(self, queued: Queued) -> None:
        """A delivery was refused for good: it is dead-lettered or dropped."""
        if self.is_deleted:
            return
        self.unacked_count -= 1
        self.unacked_bytes -= len(queued.message.body)
        self._drop(queued, b"rejected")

    def get(self) -> Queued | None:
        """Take the first message for ``basic.get``; None if nothing is ready. The caller settles or keeps it."""
        self.bring_up_to_date()
        self.renew_lease()
        if self.ready.count == 0:
            return None
        queued = self._take()
        if self._has_timers:
            self.wake()  # the next one may have expired behind it, or wants its alarm
        self.got += 1
        if queued.log_segment != NOT_STORED:
            self._store.delivered(self, queued.position)
        return queued

    def purge(self, unacked: Survivors) -> int:
        """Settle everything that is ready, without looking at each. Returns how many messages that was.

        Args:
            unacked: Every delivery of this queue that is out: these survive, and so do dead letters on their way.
        """
        self.bring_up_to_date()
        count = int(self.ready.count)
        self.ready.clear()
        self.ready_bytes = 0
        if self._keys is not None:
            self._keys.keep_only(unacked)
        if self.is_durable:
            if self.dead is not None:
                for letter in self.dead.values():
                    assert letter.queued is not None
                    unacked.add(letter.queued)
            self._store.purge(self, unacked)
        return count

    def delete(self) -> int:
        """Forget everything and tell the consumers. Returns how many messages were ready.

        The vhost takes the queue out of its namespace and its bindings; nothing is dead-lettered.
        """
        self.bring_up_to_date()
        count = int(self.ready.count)
        self.is_deleted = True
        self.ready.clear()
        self.ready_bytes = 0
        if self.dead is not None:
            self.dead.clear()
        consumers = self.consumers
        self.consumers = []
        for consumer in consumers:
            consumer.queue_deleted()
        if self.is_durable:
            self._store.forget_queue(self.log_id)
        self._counters.queues_deleted += 1
        return count

    def bring_up_to_date(self) -> None:
        """Do now what was put off to the end of the turn, so that counts are what a client expects."""
        if self.is_due or self._has_timers:
            self.deliver()

    def deliver(self) -> None:
        """Hand ready messages to consumers that can take them, then drop what may not stay."""
        self.is_due = False
        if self.is_deleted:
            return
        self.active_ms = self._agenda.now_ms
        if self._has_timers:
            self._drop_expired(self._agenda.now_ms - 1)
        if self.consumers and self.ready.count > 0:
            if self._has_priorities or self._is_single_active:
                self._deliver_by_rank()
            else:
                self._deliver_in_turn()
        # What the budget left over may still find a consumer in the next turn, and is counted then.
        if self._trims and not self.is_due:
            self._trim()
        if self._has_timers:
            self._drop_expired(self._agenda.now_ms)
            self._arm_timer()
        if self.ready.is_long():
            self._agenda.long.append(self.ready)

    def _deliver_in_turn(self) -> None:
        """Round robin: a consumer without room is passed over."""
        consumers = self.consumers
        ready = self.ready
        count: i64 = len(consumers)
        budget: i64 = DELIVERY_BUDGET
        most: i64 = DELIVERY_BUDGET if count == 1 else 1  # for one consumer, before it is the next one's turn
        passed: i64 = 0
        at = self._next_consumer
        mark: i64 = 0
        while ready.count > 0 and passed < count:
            if budget == 0:
                self._go_on_later()
                break
            if at >= count:
                at = 0
            consumer = consumers[at]
            at += 1
            body = ready.run_body()
            if body >= 0:
                taken = ready.give_run(consumer, min(budget, most))
                passed = 0 if taken > 0 else passed + 1
                self._handed_over(consumer, taken, body)
                self.ready_bytes -= taken * body
                budget -= taken
                continue
            if not consumer.can_take():
                passed += 1
                continue
            passed = 0
            budget -= 1
            queued = self._take()
            if not consumer.no_ack and queued.log_segment != NOT_STORED and queued.position > mark:
                mark = queued.position
            self._hand_over(queued, consumer)
        self._next_consumer = at
        if mark > 0:
            self._store.delivered(self, mark)

    def _deliver_by_rank(self) -> None:
        """The highest priority with room first, equals in turn; a single active consumer gets everything."""
        consumers = self.consumers
        ready = self.ready
        budget: i64 = DELIVERY_BUDGET
        while ready.count > 0:
            if budget == 0:
                self._go_on_later()
                return
            budget -= 1
            chosen = self._choose()
            if chosen < 0:
                return
            consumer = consumers[chosen]
            queued = self._take()
            if not consumer.no_ack and queued.log_segment != NOT_STORED:
                self._store.delivered(self, queued.position)
            self._hand_over(queued, consumer)
            if not self._is_single_active:
                # Behind its equals: the list keeps the order of turns within a priority.
                place = chosen + 1
                while place < len(consumers) and consumers[place].priority == consumer.priority:
                    consumers[place - 1] = consumers[place]
                    place += 1
                consumers[place - 1] = consumer

    def _choose(self) -> i64:
        consumers = self.consumers
        if self._is_single_active:
            if self._is_to_hand_on():
                active = consumers[0]
                if active.has_unacked():
                    return -1
                del consumers[0]
                consumers.insert(self._place_of(active), active)
            return 0 if consumers[0].can_take() else -1
        count: i64 = len(consumers)
        index: i64 = 0
        while index < count:
            if consumers[index].can_take():
                return index
            index += 1
        return -1

    def _is_to_hand_on(self) -> bool:
        """RabbitMQ's quorum queues: one of higher priority takes over once the active one has settled everything."""
        consumers = self.consumers
        return self.limits.is_quorum and len(consumers) > 1 and consumers[1].priority > consumers[0].priority

    def _hand_over(self, queued: Queued, consumer: Consumer) -> None:
        if consumer.no_ack:
            self.unacked_count -= 1
            self.unacked_bytes -= len(queued.message.body)
            self.delivered_auto_ack += 1
            if self._keys is not None:
                self._keys.leave(queued)
            if queued.log_segment != NOT_STORED:
                self._store.settle(queued)
        else:
            self.delivered += 1
        consumer.take(queued)

    def _handed_over(self, consumer: Consumer, count: i64, body: i64) -> None:
        """So many messages with bodies of this size, none of which was stored, have gone to a consumer."""
        if consumer.no_ack:
            self.delivered_auto_ack += count
        else:
            self.delivered += count
            self.unacked_count += count
            self.unacked_bytes += count * body

    def settle_unseen(self, queued: Queued) -> None:
        """A ``basic.get`` without acknowledgement: settled by being sent."""
        self.unacked_count -= 1
        self.unacked_bytes -= len(queued.message.body)
        if self._keys is not None:
            self._keys.leave(queued)
        if queued.log_segment != NOT_STORED:
            self._store.settle(queued)

    def _take(self) -> Queued:
        """The first ready message, from now on unacked."""
        queued = self.ready.take()
        size: i64 = len(queued.message.body)
        self.ready_bytes -= size
        self.unacked_bytes += size
        self.unacked_count += 1
        if queued.redelivered:
            self.redelivered += 1
            self._counters.messages_redelivered += 1
        return queued

    def _take_ready(self) -> Queued:
        """The first ready message, to be dropped."""
        queued = self.ready.take()
        self.ready_bytes -= len(queued.message.body)
        return queued

    # --- consumers

    def add_consumer(self, consumer: Consumer) -> None:
        """Admit ``consumer``; it is served at the end of the turn."""
        consumers = self.consumers
        if consumer.priority != 0:
            self._has_priorities = True
        consumers.insert(self._place_of(consumer), consumer)
        self.wake()

    def _place_of(self, consumer: Consumer) -> int:
        """Behind those of its priority. The active one of a single-active queue is not displaced by being preceded."""
        consumers = self.consumers
        place = len(consumers)
        first = 1 if self._is_single_active else 0
        while place > first and consumers[place - 1].priority < consumer.priority:
            place -= 1
        return place

    def remove_consumer(self, consumer: Consumer) -> None:
        """Let ``consumer`` go; what it holds unacked stays with its channel."""
        if consumer not in self.consumers:
            return
        index = self.consumers.index(consumer)
        del self.consumers[index]
        if index < self._next_consumer:
            self._next_consumer -= 1
        self.renew_lease()
        self.wake()

    @property
    def has_exclusive_consumer(self) -> bool:
        """Is it reserved for one consumer?"""
        return len(self.consumers) == 1 and self.consumers[0].is_exclusive

    @property
    def consumer_count(self) -> int:
        """As ``queue.declare-ok`` tells it: of a single-active quorum queue only the active one."""
        count = len(self.consumers)
        return min(count, 1) if self._is_single_active and self.limits.is_quorum else count

    @property
    def is_single_active(self) -> bool:
        """Only the first of its consumers gets anything."""
        return self._is_single_active

    # --- limits and time

    def apply_policy(self, policy: EffectivePolicy) -> bool:
        """Other policies than before may apply: act on them from now on, and trim at the end of this turn.

        A TTL touches only messages yet to come; the time to expiry begins anew.

        Returns:
            Whether ``ttl_since_ms`` and ``earlier_ttl_ms`` have changed, and must be known after a restart.
        """
        if policy.is_of(self.policy):
            return False
        old_ttl = self.limits.message_ttl_ms
        self.policy = policy
        self.limits = QueueLimits(effective_arguments(self.arguments, policy.definition, self.kind))
        self._limits_changed()
        self.wake()
        if self.limits.message_ttl_ms == old_ttl or (self.ready.count == 0 and self.unacked_count == 0):
            return False
        # Messages from before an earlier change may be there still: none may get less than it was given.
        if self.ttl_since_ms == 0 or old_ttl < 0 or 0 <= self.earlier_ttl_ms < old_ttl:
            self.earlier_ttl_ms = old_ttl
        self.ttl_since_ms = self._agenda.now_ms
        return True

    def _limits_changed(self) -> None:
        """Work out what is looked at per message."""
        limits = self.limits
        has_length_limit = limits.max_length >= 0 or limits.max_bytes >= 0
        self._refuses = has_length_limit and limits.overflow != DROP_HEAD
        self._trims = has_length_limit and not self._refuses
        if limits.is_at_least_once and self.dead is None:
            self.dead = {}
        if limits.message_ttl_ms >= 0:
            self._has_timers = True  # and stays so: what it gave to messages it does not take back
        self._stay()
        self.renew_lease()

    def _is_full(self) -> bool:
        """At its limit before another message came. Deliveries of this turn make room first."""
        if self.is_due:
            self.deliver()
        limits = self.limits
        count = self.ready.count
        if self.dead is not None:
            count += len(self.dead)
        return (limits.max_length >= 0 and count >= limits.max_length) or (
            limits.max_bytes >= 0 and self.ready_bytes + self.dead_bytes >= limits.max_bytes
        )

    def _is_over(self) -> bool:
        limits = self.limits
        return (limits.max_length >= 0 and self.ready.count > limits.max_length) or (
            limits.max_bytes >= 0 and self.ready_bytes > limits.max_bytes
        )

    def _trim(self) -> None:
        """Drop from the head what is over the limit. A limit that has just come may find a long backlog: in slices."""
        budget: i64 = DELIVERY_BUDGET
        while self.ready.count > 0 and self._is_over():
            if budget == 0:
                self._go_on_later()
                return
            budget -= 1
            self._drop(self._take_ready(), b"maxlen")

    def _set_expiry(self, queued: Queued) -> None:
        ttl = _shorter(queued.message.ttl_ms, self.limits.message_ttl_ms)
        if ttl >= 0:  # in a queue without TTL, one message with an expiration does not make the others expire
            self._has_timers = True
            queued.expires_ms = self._agenda.now_ms + ttl

    def _drop_expired(self, now_ms: i64) -> None:
        """Drop messages at the head whose time ended at ``now_ms`` or before; a long-lived head shields the rest."""
        ready = self.ready
        while ready.count > 0:
            expired = ready.take_expired(now_ms)
            if expired is None:
                return
            self.ready_bytes -= len(expired.message.body)
            self._drop(expired, b"expired")

    def _arm_timer(self) -> None:
        next_ms = self.ready.next_expiry()
        if next_ms > 0 and (self._wake_ms == 0 or next_ms < self._wake_ms):
            self._wake_ms = next_ms
            self._agenda.wake_at(next_ms, self)

    def time_has_come(self, time_ms: i64) -> None:
        if self.is_deleted:
            return
        if time_ms == self._wake_ms:
            self._wake_ms = 0
            self.wake()
        if time_ms == self._lease_wake_ms:
            self._lease_wake_ms = 0
            self._look_at_lease()
        if time_ms == self._retry_wake_ms:
            self._retry_wake_ms = 0
            self._retry_dead_letters()

    def renew_lease(self) -> None:
        """The queue was used: declared, read with ``basic.get``, or left by a consumer. RabbitMQ's ``x-expires``."""
        if self.limits.expires_ms >= 0:
            self._unused_since_ms = self._agenda.now_ms
            self._stay()
            self._look_at_lease()

    def _stay(self) -> None:
        if self in self._agenda.expired:
            # It ran out as this turn began; whoever uses it now must not be answered ok and lose it.
            self._agenda.expired.remove(self)

    def _look_at_lease(self) -> None:
        """Expire, or see that somebody looks again. While there are consumers the lease does not run."""
        if self.consumers or self.limits.expires_ms < 0:
            return
        ends_ms = self._unused_since_ms + self.limits.expires_ms
        if 0 < self._lease_wake_ms <= ends_ms:
            return
        if ends_ms <= self._agenda.now_ms:
            self._agenda.expired.append(self)
        else:
            self._lease_wake_ms = ends_ms
            self._agenda.wake_at(ends_ms, self)

    def _drop(self, queued: Queued, reason: bytes) -> None:
        if self._keys is not None:
            self._keys.leave(queued)
        if self.dead is not None and self.limits.is_at_least_once:
            letter = DeadLetter(queued.message, self, reason, queued)
            self.dead[int(queued.position)] = letter
            self.dead_bytes += len(queued.message.body)
            self._agenda.dead_letters.append(letter)
            return
        if queued.log_segment != NOT_STORED:
            self._store.settle(queued)
        self._dead_letter(queued.message, reason)

    def _dead_letter(self, message: Message, reason: bytes) -> None:
        if self.limits.dead_letter_exchange is not None:
            self._agenda.dead_letters.append(DeadLetter(message, self, reason))

    # --- dead letters that must arrive

    @property
    def is_refusing(self) -> bool:
        """Would it refuse a message now?"""
        return self._refuses and self._is_full()

    def dead_letter_taken(self, queued: Queued) -> None:
        """The targets have the dead letter: its place here is settled in the same turn, hence in the same batch."""
        if self.dead is not None and self.dead.pop(int(queued.position), None) is not None:
            self.dead_bytes -= len(queued.message.body)
            self._store.settle(queued)

    def dead_letter_refused(self, letter: DeadLetter) -> None:
        """No target, or a full one: the dead letter stays, behind the others, and is tried again."""
        queued = letter.queued
        if queued is None or self.dead is None:
            return
        if not self.limits.is_at_least_once:
            self.dead_letter_taken(queued)  # a policy has changed: it is dropped, as any other
            return
        if self.dead.pop(int(queued.position), None) is None:
            return
        self.dead[int(queued.position)] = letter
        if self._retry_wake_ms == 0:
            self._retry_wake_ms = self._agenda.now_ms + DEAD_LETTER_RETRY_MS
            self._agenda.wake_at(self._retry_wake_ms, self)

    def _retry_dead_letters(self) -> None:
        if self.dead is not None:
            self._agenda.dead_letters.extend(list(self.dead.values())[:DELIVERY_BUDGET])


def _shorter(ttl_ms: i64, other_ms: i64) -> i64:
    """The shorter of two times to live, of which -1 is none."""
    if ttl_ms >= 0 and (other_ms < 0 or ttl_ms < other_ms):
        return ttl_ms
    return other_ms


def _is_true(arguments: Table, name: bytes) -> bool:
    field = arguments.get(name)
    return field is not None and field.kind == "t" and field.value is True
