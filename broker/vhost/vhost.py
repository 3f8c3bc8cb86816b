"""One namespace of exchanges, queues and bindings."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.access import CONFIGURE, READ, WRITE, Access
from broker.core.arguments import Table, longstr, octets
from broker.core.counters import Counters
from broker.core.destination import Destination, resource_text
from broker.core.errors import (
    ACCESS_REFUSED,
    NOT_FOUND,
    PRECONDITION_FAILED,
    RESOURCE_LOCKED,
    SoftError,
)
from broker.core.ids import generated_name
from broker.policy.limits import MAX_QUEUES, NO_LIMITS, Limits
from broker.policy.policies import Policies
from broker.policy.policy import Policy
from broker.queues.agenda import Agenda
from broker.queues.arguments import CLASSIC, STREAM, check_arguments, names_queue_type, queue_type
from broker.queues.classic import ClassicQueue
from broker.queues.queue import Queue
from broker.queues.stream import Stream
from broker.routing.binding import Binding
from broker.routing.delayed import DelayedExchange
from broker.routing.direct import DefaultExchange, QueueLookup
from broker.routing.exchange import ALTERNATE_EXCHANGE, Exchange, ExchangeTraits
from broker.routing.exchange_types import check_kind, make_exchange
from broker.routing.walk import ExchangeLookup
from broker.store.store import Store
from broker.vhost.delay_line import DelayLine, delay_line_of
from broker.vhost.equivalence import check_exchange_equivalence, check_queue_equivalence
from broker.vhost.replay import replay
from broker.vhost.replies import ReplyQueues
from broker.vhost.topology import TopologyJournal

RESERVED_PREFIX: Final = b"amq."
PREDECLARED: Final[list[tuple[bytes, bytes, bool]]] = [
    (b"amq.direct", b"direct", False),
    (b"amq.fanout", b"fanout", False),
    (b"amq.topic", b"topic", False),
    (b"amq.headers", b"headers", False),
    (b"amq.match", b"headers", False),
    (b"amq.rabbitmq.trace", b"topic", True),
]


@final
@mypyc_attr(native_class=True)
class LogIds:
    """Numbers for durable queues and delay lines in the store; each is given once, also across restarts."""

    def __init__(self) -> None:
        self.last: i64 = 0

    def next(self) -> i64:
        """A number that no queue has had."""
        self.last += 1
        return self.last


@final
@mypyc_attr(native_class=True)
class QueueNames(QueueLookup):
    """The queues of a vhost by name, as the default exchange asks for them."""

    def __init__(self, replies: ReplyQueues) -> None:
        self.by_name: Final[dict[bytes, Queue]] = {}
        self._replies: Final = replies

    def find_queue(self, name: bytes) -> Destination | None:
        queue = self.by_name.get(name)
        return queue if queue is not None else self._replies.find(name)


@final
@mypyc_attr(native_class=True)
class VHost(ExchangeLookup):
    """Exchanges, queues and bindings under one name.

    Attributes:
        name: The vhost's name.
        description: What it is for, in its owner's words.
        tags: Further words of its owner's.
        is_protected: Not to be deleted until somebody says otherwise.
        exchanges: By name; the default exchange is under the empty one.
        queues: By name.
        replies: Names of direct reply-to.
        agenda: What the turn will do.
        policies: Its policies. Change them by ``set_policy`` and ``remove_policy``, which apply them.
        limits: How many connections and queues it may have.
        default_queue_type: Of queues that are declared without a type and can be of this one.
        version: Grows with every change that may alter a route; cached routes of an older version are void.
        keeps_abandoned: Auto-delete exchanges stay when their last binding goes. While the journal is read back: it
            names each one that went, and bindings that would keep one alive need not be in it.
    """

    def __init__(
        self, name: str, agenda: Agenda, store: Store, counters: Counters, log_ids: LogIds, journal: TopologyJournal
    ) -> None:
        self.name: Final = name
        self.description: str = ""
        self.tags: list[str] = []
        self.is_protected: bool = False
        self.agenda: Final = agenda
        self.store: Final = store
        self.counters: Final = counters
        self.journal: TopologyJournal = journal
        self._log_ids: Final = log_ids
        self.replies: Final = ReplyQueues(name, agenda, store, counters)
        names = QueueNames(self.replies)
        self.queues: Final = names.by_name
        self.exchanges: Final[dict[bytes, Exchange]] = {}
        self.policies: Final = Policies()
        self.limits: Limits = NO_LIMITS
        self.default_queue_type: bytes = CLASSIC
        self.version: i64 = 0
        self.keeps_abandoned: bool = False
        # Which exchanges have bindings to a destination: so that deleting one need not look at every exchange.
        self._sources: Final[dict[Destination, dict[Exchange, bool]]] = {}
        self.exchanges[b""] = DefaultExchange(name, names)
        for exchange_name, kind, is_internal in PREDECLARED:
            self.exchanges[exchange_name] = make_exchange(
                kind, exchange_name, name, ExchangeTraits(is_internal=is_internal)
            )

    # --- look-ups

    def find_exchange(self, name: bytes) -> Exchange | None:
        return self.exchanges.get(name)

    def exchange(self, name: bytes) -> Exchange:
        """The exchange of that name.

        Raises:
            SoftError: 404.
        """
        exchange = self.exchanges.get(name)
        if exchange is None:
            raise SoftError(NOT_FOUND, f"no {resource_text('exchange', name, self.name)}")
        return exchange

    def queue(self, name: bytes, connection_id: i64) -> Queue:
        """The queue of that name, for use by a connection.

        Raises:
            SoftError: 404, or 405 if it is another connection's exclusive queue.
        """
        queue = self.queues.get(name)
        if queue is None:
            raise SoftError(NOT_FOUND, f"no {resource_text('queue', name, self.name)}")
        if queue.owner_id not in {0, connection_id}:
            raise _locked(queue)
        return queue

    # --- exchanges

    def declare_exchange(
        self,
        name: bytes,
        kind: bytes,
        is_durable: bool,
        is_auto_delete: bool,
        is_internal: bool,
        arguments: Table,
        access: Access | None = None,
        log_id: i64 = 0,
    ) -> Exchange:
        """The exchange as declared, made if it is new.

        Args:
            name: Its name.
            kind: Its type.
            is_durable: Survives a restart.
            is_auto_delete: Goes with its last binding.
            is_internal: Clients may not publish to it.
            arguments: As declared.
            access: Who declares it; None is the broker itself, which may do everything.
            log_id: For recovery: the number that its delayed messages have in the store. 0 for a new one.

        Raises:
            SoftError: 403 for reserved names or without permission, 406 for an unknown type, bad arguments or a
                difference.
        """
        check_kind(kind)
        _refuse_default(name)
        if access is not None:
            access.check_exchange(CONFIGURE, name)
        existing = self.exchanges.get(name)
        if existing is not None:
            check_exchange_equivalence(existing, kind, is_durable, is_auto_delete, is_internal, arguments)
            return existing
        if name.startswith(RESERVED_PREFIX):
            text = f"exchange name '{name.decode('utf-8', 'replace')}' contains reserved prefix 'amq.*'"
            raise SoftError(ACCESS_REFUSED, text)
        alternate = arguments.get(ALTERNATE_EXCHANGE)
        if access is not None and alternate is not None and alternate.kind == "S":
            access.check_exchange(READ, name)
            access.check_exchange(WRITE, octets(alternate))
        traits = ExchangeTraits(
            is_durable=is_durable, is_auto_delete=is_auto_delete, is_internal=is_internal, arguments=arguments
        )
        exchange = make_exchange(kind, name, self.name, traits)
        if isinstance(exchange, DelayedExchange):
            number = log_id if log_id > 0 else self._log_ids.next()
            self._log_ids.last = max(self._log_ids.last, number)
            exchange.line = DelayLine(exchange, number, self.agenda, self.store)
        exchange.apply_policy(self.policies.for_exchange(name))
        self.exchanges[name] = exchange
        self.version += 1  # it may be the missing alternate of another
        if is_durable:
            self.journal.exchange_declared(exchange)
        return exchange

    def delete_exchange(self, name: bytes, if_unused: bool, access: Access | None = None) -> None:
        """Delete an exchange with all its bindings; a missing one is no error.

        Raises:
            SoftError: 403 for the predeclared ones or without permission, 406 if used and ``if_unused`` was asked.
        """
        _refuse_default(name)
        if name.startswith(RESERVED_PREFIX):
            text = f"deletion of system {resource_text('exchange', name, self.name)} not allowed"
            raise SoftError(ACCESS_REFUSED, text)
        if access is not None:
            access.check_exchange(CONFIGURE, name)
        exchange = self.exchanges.get(name)
        if exchange is None:
            return
        if if_unused and exchange.binding_count > 0:
            raise SoftError(PRECONDITION_FAILED, f"{exchange} in use")
        self._drop_exchange(exchange)

    def _drop_exchange(self, exchange: Exchange) -> None:
        self._take_out(exchange)
        self._drop_destination(exchange)

    def _take_out(self, exchange: Exchange) -> None:
        exchange.is_deleted = True
        del self.exchanges[exchange.name]
        self.version += 1
        if exchange.is_durable:
            self.journal.exchange_deleted(exchange)
        for binding in exchange.bindings():
            self._forget_source(exchange, binding.destination)
        line = delay_line_of(exchange)
        if line is not None:
            line.delete()

    def _drop_destination(self, destination: Destination) -> None:
        """Remove every binding to ``destination``; exchanges that this leaves without any may go as well, and so on."""
        # A list and no recursion: clients choose how long the chain is, and compiled code does not check its stack.
        gone: list[Destination] = [destination]
        while gone:
            last = gone.pop()
            sources = self._sources.pop(last, None)
            if sources is None:
                continue
            for source in sources:
                source.remove_destination(last)
                if self._is_to_go(source):
                    self._take_out(source)
                    gone.append(source)

    def _is_to_go(self, exchange: Exchange) -> bool:
        return exchange.is_abandoned and not exchange.is_deleted and not self.keeps_abandoned

    def _forget_source(self, exchange: Exchange, destination: Destination) -> None:
        sources = self._sources.get(destination)
        if sources is not None:
            sources.pop(exchange, None)
            if not sources:
                del self._sources[destination]

    # --- bindings

    def bind(self, source: Exchange, destination: Destination, key: bytes, arguments: Table) -> None:
        """Bind; an identical binding is no error.

        Raises:
            SoftError: 406, the exchange type does not accept the key or the arguments.
        """
        source.check_binding(key, arguments)
        source.check_queue_type(queue_type(destination.arguments) if isinstance(destination, Queue) else b"")
        if not source.add(destination, key, arguments):
            return
        self.version += 1
        sources = self._sources.get(destination)
        if sources is None:
            sources = {}
            self._sources[destination] = sources
        sources[source] = True
        if source.is_durable and destination.is_durable:
            self.journal.bound(Binding(source, destination, key, arguments))
        replay(source.replayed(), destination, self, self.agenda.now_ms)

    def unbind(self, source: Exchange, destination: Destination, key: bytes, arguments: Table) -> None:
        """Unbind; a missing binding is no error. May delete an auto-delete exchange that this leaves unused."""
        if not source.remove(destination, key, arguments):
            return
        self.version += 1
        if source.is_durable and destination.is_durable:
            self.journal.unbound(Binding(source, destination, key, arguments))
        if not source.bindings_to(destination):
            self._forget_source(source, destination)
        if self._is_to_go(source):
            self._drop_exchange(source)

    def bindings_to(self, destination: Destination) -> list[Binding]:
        """Every binding that leads to ``destination``, the default exchange's implicit one left out."""
        listed: list[Binding] = []
        sources = self._sources.get(destination)
        if sources is not None:
            for source in sources:
                listed.extend(source.bindings_to(destination))
        return listed

    # --- queues

    def declare_queue(
        self,
        name: bytes,
        is_durable: bool,
        is_exclusive: bool,
        is_auto_delete: bool,
        arguments: Table,
        connection_id: i64,
        access: Access | None = None,
        made_up: bytes = b"",
    ) -> Queue:
        """The queue as declared, made if it is new; an empty name asks for ``made_up``, or else for a generated one.

        ``access`` None is the broker itself, which may do everything.

        Raises:
            SoftError: 403 for reserved names or without permission, 405 and 406 for a difference, 406 for arguments.
        """
        if self.default_queue_type != CLASSIC and not names_queue_type(arguments):
            arguments = self._with_default_type(arguments, is_durable, is_exclusive, is_auto_delete)
        if not name:
            if queue_type(arguments) != CLASSIC:
                kind = queue_type(arguments).decode("utf-8", "replace")
                text = f"Cannot declare a server-named queue for type rabbit_{kind}_queue"
                raise SoftError(PRECONDITION_FAILED, text)
            name = made_up or generated_name(b"amq.gen-")
        elif name.startswith(RESERVED_PREFIX):
            text = f"queue name '{name.decode('utf-8', 'replace')}' contains reserved prefix 'amq.*'"
            raise SoftError(ACCESS_REFUSED, text)
        if access is not None:
            access.check_queue(CONFIGURE, name)
        self.counters.queues_declared += 1
        existing = self.queues.get(name)
        if existing is not None:
            if existing.owner_id != (connection_id if is_exclusive else 0):
                raise _locked(existing)
            check_queue_equivalence(existing, is_durable, is_auto_delete, arguments)
            existing.bring_up_to_date()
            existing.renew_lease()
            return existing
        what = resource_text("queue", name, self.name)
        check_arguments(arguments, what)
        dead_letters_to = arguments.get(b"x-dead-letter-exchange")
        if access is not None and dead_letters_to is not None:
            access.check_queue(READ, name)
            access.check_exchange(WRITE, octets(dead_letters_to))
        if queue_type(arguments) != CLASSIC:
            check_replicated_flags(what, is_durable, is_exclusive, is_auto_delete)
        if self.limits.is_reached(MAX_QUEUES, len(self.queues)):
            limit = self.limits.get(MAX_QUEUES)
            text = f"cannot declare queue '{name.decode('utf-8', 'replace')}': queue limit in vhost '{self.name}'"
            raise SoftError(PRECONDITION_FAILED, f"{text} ({limit}) is reached")
        queue = self.make_queue(
            # RabbitMQ stores an exclusive queue as not durable: it ends with its connection, and so with a restart.
            name,
            is_durable and not is_exclusive,
            is_auto_delete,
            connection_id if is_exclusive else 0,
            arguments,
            self._log_ids.next(),
        )
        self.counters.queues_created += 1
        if queue.is_durable:
            self.journal.queue_declared(queue)
        return queue

    def make_queue(
        self, name: bytes, is_durable: bool, is_auto_delete: bool, owner_id: i64, arguments: Table, log_id: i64
    ) -> Queue:
        """Add a queue without checks: for a declare that passed them, and for recovery."""
        if log_id > self._log_ids.last:
            self._log_ids.last = log_id
        queue: Queue
        if queue_type(arguments) == STREAM:
            queue = Stream(name, self.name, arguments, log_id, self.agenda, self.store, self.counters)
        else:
            queue = ClassicQueue(
                name,
                self.name,
                is_durable,
                is_auto_delete,
                owner_id,
                arguments,
                log_id,
                self.agenda,
                self.store,
                self.counters,
            )
        queue.apply_policy(self.policies.for_queue(name, queue.kind))
        self.queues[name] = queue
        self.version += 1
        return queue

    def _with_default_type(self, arguments: Table, is_durable: bool, is_exclusive: bool, is_auto_delete: bool) -> Table:
        """Arguments that name no type as RabbitMQ completes them, for a redeclare as for a new queue."""
        fits = is_durable and not is_exclusive and not is_auto_delete
        return {**arguments, b"x-queue-type": longstr(self.default_queue_type if fits else CLASSIC)}

    def delete_queue(self, queue: Queue) -> int:
        """Delete a queue with its messages and bindings. Returns how many messages were ready."""
        del self.queues[queue.name]
        self.version += 1
        if queue.is_durable:
            self.journal.queue_deleted(queue)
        count = queue.delete()
        self._drop_destination(queue)
        return count

    def consumer_left(self, queue: Queue) -> None:
        """A consumer has left ``queue``: delete it if it is auto-delete and this was the last one."""
        if queue.is_auto_delete and not queue.is_deleted and not queue.consumers:
            self.delete_queue(queue)

    def clear(self) -> None:
        """Delete every queue, and every exchange but the predeclared ones, with the messages that wait in them."""
        for queue in list(self.queues.values()):
            self.delete_queue(queue)
        for exchange in list(self.exchanges.values()):
            if not exchange.is_deleted and exchange.name and not exchange.name.startswith(RESERVED_PREFIX):
                self._drop_exchange(exchange)

    # --- what an operator decides

    def set_policy(self, policy: Policy) -> None:
        """Add a policy, or replace the one of its name. It acts at once on everything there is.

        Raises:
            PolicyRefused: There are too many.
        """
        self.policies.set(policy)
        self.journal.policy_set(policy)
        self.apply_policies()

    def remove_policy(self, name: str, is_operator: bool) -> bool:
        """Remove a policy and what it did; false if there is none of that name."""
        if not self.policies.remove(name, is_operator):
            return False
        self.journal.policy_removed(self.name, name, is_operator)
        self.apply_policies()
        return True

    def apply_policies(self) -> None:
        """Give every exchange and queue the policies that apply to it now."""
        for exchange in self.exchanges.values():
            exchange.apply_policy(self.policies.for_exchange(exchange.name))
        for queue in self.queues.values():
            policy = self.policies.for_queue(queue.name, queue_type(queue.arguments))
            if queue.apply_policy(policy) and queue.is_durable:
                self.journal.ttl_changed(queue)
        self.version += 1  # alternate exchanges may be others

    def set_limits(self, limits: Limits) -> None:
        """Replace the limits. What is there already stays, even if it is more."""
        self.limits = limits
        self.journal.vhost_limits_set(self.name, limits)

    def set_default_queue_type(self, kind: bytes) -> None:
        """Replace the default type; queues that exist stay as they are."""
        self.default_queue_type = kind
        self.journal.default_queue_type_set(self.name, kind)


def _refuse_default(name: bytes) -> None:
    if not name:
        raise SoftError(ACCESS_REFUSED, "operation not permitted on the default exchange")


def _locked(queue: Queue) -> SoftError:
    return SoftError(
        RESOURCE_LOCKED,
        f"cannot obtain exclusive access to locked {queue}. It could be originally declared on another connection or "
        "the exclusive property value does not match that of the original declaration.",
    )


def check_replicated_flags(what: str, is_durable: bool, is_exclusive: bool, is_auto_delete: bool) -> None:
    """Refuse flags that a quorum queue or a stream cannot have: they are durable and shared. RabbitMQ's texts.

    Raises:
        SoftError: 406.
    """
    if is_auto_delete:
        raise SoftError(PRECONDITION_FAILED, f"invalid property 'auto-delete' for {what}")
    if is_exclusive:
        raise SoftError(PRECONDITION_FAILED, f"invalid property 'exclusive-owner' for {what}")
    if not is_durable:
        raise SoftError(PRECONDITION_FAILED, f"invalid property 'non-durable' for {what}")
