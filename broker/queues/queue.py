"""What everybody above knows of a queue, whatever its type."""

from typing import Final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table
from broker.core.counters import Counters
from broker.core.message import Enqueuer, Message, Queued
from broker.policy.effective import NO_POLICY, EffectivePolicy
from broker.queues.agenda import Agenda
from broker.queues.arguments import UNLIMITED, QueueLimits, queue_type
from broker.queues.consumer import Consumer
from broker.store.spool_chunk import Chunk
from broker.store.store import Store
from broker.store.survivors import Survivors


@mypyc_attr(native_class=True)
class Queue(Enqueuer):
    """A queue of any type: a ``ClassicQueue`` or a ``Stream``.

    Attributes:
        arguments: As declared.
        policy: The policies that apply to it.
        limits: What arguments and policies mean together.
        kind: ``classic``, ``quorum`` or ``stream``.
        ttl_since_ms: Wall clock since which messages get the TTL of ``limits``; 0 if all of them have it.
        earlier_ttl_ms: TTL of those published before; -1 for none.
        is_auto_delete: Goes when its last consumer goes.
        owner_id: Number of the connection that has it exclusively; 0 if it is not exclusive.
        stores_all: Transient messages are stored as well.
        consumers: Who gets its messages; the queue keeps them in the order of their next turn.
        is_due: On the agenda: deliveries are tried at the end of the turn.
        ready_bytes: Octets of the bodies ready; of a stream, of its files.
        unacked_count: Deliveries out and not settled.
        unacked_bytes: Octets of their bodies.
        active_ms: Wall clock of the last turn that had to do with it.
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
        super().__init__(name, vhost_name, is_durable, log_id)
        self.arguments: Final = arguments
        self.policy: EffectivePolicy = NO_POLICY
        self.limits: QueueLimits = QueueLimits(arguments)
        self.kind: Final = queue_type(arguments)
        self.ttl_since_ms: i64 = 0
        self.earlier_ttl_ms: i64 = UNLIMITED
        self.is_auto_delete: Final = is_auto_delete
        self.owner_id: Final[i64] = owner_id
        self._agenda: Final = agenda
        self._store: Final = store
        self._counters: Final = counters
        self.consumers: list[Consumer] = []
        self.is_due: bool = False
        self.ready_bytes: i64 = 0
        self.unacked_count: i64 = 0
        self.unacked_bytes: i64 = 0
        self.active_ms: i64 = agenda.now_ms
        # totals
        self.published: i64 = 0
        self.delivered: i64 = 0
        self.delivered_auto_ack: i64 = 0
        self.got: i64 = 0
        self.redelivered: i64 = 0
        self.acknowledged: i64 = 0

    @property
    def ready_count(self) -> i64:
        """Messages that a consumer could get."""
        raise NotImplementedError

    @property
    def message_count(self) -> i64:
        """Messages in it, those included that are out and not settled."""
        return self.ready_count + self.unacked_count

    @property
    def has_exclusive_consumer(self) -> bool:
        """Is it reserved for one consumer?"""
        return False

    @property
    def is_single_active(self) -> bool:
        """Only the first of its consumers gets anything."""
        return False

    @property
    def consumer_count(self) -> int:
        """As ``queue.declare-ok`` tells it."""
        return len(self.consumers)

    @property
    def is_refusing(self) -> bool:
        """Would it refuse a message now?"""
        return False

    def apply_policy(self, policy: EffectivePolicy) -> bool:
        """Other policies than before may apply: act on them from now on.

        Returns:
            Whether ``ttl_since_ms`` and ``earlier_ttl_ms`` have changed, and must be known after a restart.
        """
        raise NotImplementedError

    def push(self, message: Message) -> bool:
        """Take in one message; false if the queue is full and refuses it."""
        raise NotImplementedError

    def settle(self, queued: Queued) -> None:
        """A delivery was acknowledged."""
        raise NotImplementedError

    def settle_alike(self, count: i64, size: i64) -> None:
        """So many deliveries were acknowledged, of messages with a body of ``size`` octets that nobody stored."""
        raise NotImplementedError

    def reject(self, queued: Queued) -> None:
        """A delivery was refused for good."""
        raise NotImplementedError

    def header_of(self, queued: Queued) -> bytes:
        """The content header as a client gets it when the message had been delivered before."""
        return queued.message.header

    def put_back(self, returned: list[Queued], is_failure: bool = False) -> None:
        """Deliveries come back to be delivered again; ``is_failure``: rejected, or lost with their channel."""
        raise NotImplementedError

    def put_back_chunk(self, chunk: Chunk, is_failure: bool = False) -> None:
        """Deliveries that a channel has in the spool come back, unread; the chunk is this queue's from now on."""
        raise NotImplementedError

    def get(self) -> Queued | None:
        """Take the first message for ``basic.get``; None if nothing is ready.

        Raises:
            HardError: 540, not by this type.
        """
        raise NotImplementedError

    def settle_unseen(self, queued: Queued) -> None:
        """A ``basic.get`` without acknowledgement: settled by being sent."""
        raise NotImplementedError

    def purge(self, unacked: Survivors) -> int:
        """Settle everything that is ready; ``unacked`` is out. Returns how many messages that was.

        Raises:
            HardError: 540, not by this type.
        """
        raise NotImplementedError

    def delete(self) -> int:
        """Forget everything and tell the consumers. Returns how many messages the client is told of."""
        raise NotImplementedError

    def deliver(self) -> None:
        """Hand messages to consumers that can take them."""
        raise NotImplementedError

    def add_consumer(self, consumer: Consumer) -> None:
        """Admit ``consumer``; it is served at the end of the turn."""
        raise NotImplementedError

    def remove_consumer(self, consumer: Consumer) -> None:
        """Let ``consumer`` go; what it holds unacked stays with its channel."""
        raise NotImplementedError

    def bring_up_to_date(self) -> None:
        """Do now what was put off to the end of the turn, so that counts are what a client expects."""

    def renew_lease(self) -> None:
        """The queue was used."""

    def time_has_come(self, time_ms: i64) -> None:
        """The agenda's call at a time that this queue had asked for."""

    def wake(self) -> None:
        """Try to deliver at the end of this turn: a consumer may have room again."""
        if not self.is_due and not self.is_deleted:
            self.is_due = True
            self._agenda.due.append(self)

    def _go_on_later(self) -> None:
        self.is_due = True
        if self not in self._agenda.again:  # a request in this turn may have used up one budget before its end does
            self._agenda.again.append(self)
