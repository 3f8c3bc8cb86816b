"""Writes the topology down and reads it back."""

import logging
from typing import Final

import msgspec

from broker.auth.access import Access
from broker.auth.users import User, Users
from broker.core.destination import Destination
from broker.core.errors import AmqpError
from broker.definitions.access_journal import (
    AccessReader,
    access_records,
    permission_record,
    topic_permission_record,
    user_record,
    vhost_record,
)
from broker.definitions.access_records import DefaultsMade, UserGone, VHostGone
from broker.definitions.records import (
    BindingGone,
    BindingRecord,
    DefaultQueueTypeRecord,
    ExchangeGone,
    ExchangeRecord,
    ParameterGone,
    ParameterRecord,
    PolicyGone,
    PolicyRecord,
    QueueGone,
    QueueRecord,
    QueueTtlRecord,
    Record,
    TopologyRecord,
    UserLimitsRecord,
    VHostLimitsRecord,
    decode_record,
    encode_record,
    pack_table,
    unpack_table,
)
from broker.policy.limits import Limits
from broker.policy.parameters import Parameter
from broker.policy.policy import Policy, PolicyRefused
from broker.queues.arguments import CLASSIC
from broker.queues.classic import ClassicQueue
from broker.queues.queue import Queue
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange
from broker.store.placing import Recovered
from broker.store.store import Store
from broker.vhost.delay_line import delay_line_of
from broker.vhost.restorer import MessageRestorer
from broker.vhost.topology import TopologyJournal
from broker.vhost.turn import Turn
from broker.vhost.vhost import RESERVED_PREFIX, VHost
from broker.vhost.vhosts import VHosts

LOG: Final = logging.getLogger("broker.definitions")


class StoredTopology(TopologyJournal):
    """Puts every durable change into the batch of the turn that made it."""

    def __init__(self, store: Store) -> None:
        """Write to ``store``."""
        super().__init__()
        self._store = store

    def exchange_declared(self, exchange: Exchange) -> None:
        """A durable exchange is new."""
        self._write(exchange_record(exchange))

    def exchange_deleted(self, exchange: Exchange) -> None:
        """A durable exchange is gone."""
        self._write(ExchangeGone(exchange.vhost_name, exchange.name))

    def queue_declared(self, queue: Queue) -> None:
        """A durable queue is new."""
        self._write(queue_record(queue))

    def queue_deleted(self, queue: Queue) -> None:
        """A durable queue is gone."""
        self._write(QueueGone(queue.vhost_name, queue.name))

    def bound(self, binding: Binding) -> None:
        """A durable binding is new."""
        self._write(binding_record(binding))

    def unbound(self, binding: Binding) -> None:
        """A durable binding is gone."""
        added = binding_record(binding)
        self._write(
            BindingGone(added.vhost, added.source, added.destination, added.is_to_exchange, added.key, added.arguments)
        )

    def policy_set(self, policy: Policy) -> None:
        """A policy is new, or another than before."""
        self._write(policy_record(policy))

    def policy_removed(self, vhost_name: str, name: str, is_operator: bool) -> None:
        """A policy is gone."""
        self._write(PolicyGone(vhost_name, name, is_operator))

    def ttl_changed(self, queue: Queue) -> None:
        """Messages in a durable queue have another TTL than those to come."""
        self._write(queue_ttl_record(queue))

    def vhost_limits_set(self, vhost_name: str, limits: Limits) -> None:
        """A vhost has these limits, and no others."""
        self._write(VHostLimitsRecord(vhost_name, limits.values))

    def user_limits_set(self, user_name: bytes, limits: Limits) -> None:
        """A user has these limits, and no others."""
        self._write(UserLimitsRecord(user_name, limits.values))

    def default_queue_type_set(self, vhost_name: str, queue_type: bytes) -> None:
        """Queues that are declared without a type get this one."""
        self._write(DefaultQueueTypeRecord(vhost_name, queue_type))

    def parameter_set(self, parameter: Parameter) -> None:
        """A parameter is new, or has another value."""
        self._write(parameter_record(parameter))

    def parameter_removed(self, vhost_name: str, component: str, name: str) -> None:
        """A parameter is gone."""
        self._write(ParameterGone(vhost_name, component, name))

    def vhost_changed(self, vhost: VHost) -> None:
        """A vhost is new, or what is said about it has changed."""
        self._write(vhost_record(vhost))

    def vhost_deleted(self, vhost: VHost) -> None:
        """A vhost is gone."""
        self._write(VHostGone(vhost.name))

    def user_changed(self, user: User) -> None:
        """A user is new, or has another password or other tags."""
        self._write(user_record(user))

    def user_deleted(self, user: User) -> None:
        """A user is gone."""
        self._write(UserGone(user.name))

    def permission_changed(self, access: Access) -> None:
        """A user has another permission in a vhost, or none any more."""
        self._write(permission_record(access))

    def topic_permission_changed(self, access: Access, exchange_name: bytes) -> None:
        """A user has another topic permission for an exchange, or none any more."""
        self._write(topic_permission_record(access, exchange_name))

    def defaults_made(self) -> None:
        """The first start made the default user and vhost."""
        self._write(DefaultsMade())

    def _write(self, record: Record) -> None:
        self._store.record_topology(encode_record(record))


def exchange_record(exchange: Exchange) -> ExchangeRecord:
    """The record of a durable exchange."""
    line = delay_line_of(exchange)
    return ExchangeRecord(
        exchange.vhost_name,
        exchange.name,
        exchange.kind,
        exchange.is_auto_delete,
        exchange.is_internal,
        pack_table(exchange.arguments),
        0 if line is None else int(line.log_id),
    )


def queue_record(queue: Queue) -> QueueRecord:
    """The record of a durable queue."""
    return QueueRecord(
        queue.vhost_name, queue.name, int(queue.log_id), queue.is_auto_delete, pack_table(queue.arguments)
    )


def binding_record(binding: Binding) -> BindingRecord:
    """The record of a binding."""
    return BindingRecord(
        binding.source.vhost_name,
        binding.source.name,
        binding.destination.name,
        binding.destination.is_exchange,
        binding.key,
        pack_table(binding.arguments),
    )


def policy_record(policy: Policy) -> PolicyRecord:
    """The record of a policy."""
    return PolicyRecord(
        policy.vhost_name,
        policy.name,
        policy.is_operator,
        policy.pattern,
        policy.apply_to,
        int(policy.priority),
        pack_table(policy.definition),
    )


def parameter_record(parameter: Parameter) -> ParameterRecord:
    """The record of a parameter."""
    return ParameterRecord(parameter.vhost_name, parameter.component, parameter.name, parameter.value)


def queue_ttl_record(queue: Queue) -> QueueTtlRecord:
    """The record of a TTL that a policy changed."""
    return QueueTtlRecord(queue.vhost_name, queue.name, int(queue.ttl_since_ms), int(queue.earlier_ttl_ms))


def topology_records(turn: Turn, users: Users) -> list[bytes]:
    """Everything, for compacting the journal: exchanges and queues before the bindings between them."""
    records: list[Record] = list(access_records(turn.vhosts, users))
    records.extend(UserLimitsRecord(user, limits.values) for user, limits in turn.user_limits.all())
    records.extend(parameter_record(parameter) for parameter in turn.parameters.listed())
    bindings: list[Record] = []
    for vhost in turn.vhosts.values():
        records.extend(_decisions(vhost))
        for exchange in vhost.exchanges.values():
            if not exchange.is_durable:
                continue
            if exchange.name and not exchange.name.startswith(RESERVED_PREFIX):
                records.append(exchange_record(exchange))
            bindings.extend(
                binding_record(binding) for binding in exchange.bindings() if binding.destination.is_durable
            )
        for queue in vhost.queues.values():
            if queue.is_durable:
                records.append(queue_record(queue))
                if queue.ttl_since_ms > 0:
                    records.append(queue_ttl_record(queue))
    return [encode_record(record) for record in records + bindings]


def _decisions(vhost: VHost) -> list[Record]:
    """What an operator has decided about a vhost."""
    records: list[Record] = []
    if vhost.limits.values:
        records.append(VHostLimitsRecord(vhost.name, vhost.limits.values))
    if vhost.default_queue_type != CLASSIC:
        records.append(DefaultQueueTypeRecord(vhost.name, vhost.default_queue_type))
    for is_operator in (False, True):
        records.extend(policy_record(policy) for policy in vhost.policies.listed(is_operator))
    return records


class TopologyReader:
    """Builds the vhosts with their contents, and the users, from what the store recovered.

    Attributes:
        access: Vhosts, users and permissions among the records.
        restorer: Puts messages back into the queues that ``apply`` has made: the sink for the store's recovery.
        exchanges: Durable exchanges that were restored.
        queues: Durable queues.
        bindings: Bindings between them.
        messages: Messages put back into queues.
        left_out: Records that could not be applied.
    """

    def __init__(self, turn: Turn, vhosts: VHosts, users: Users) -> None:
        """Restore into the vhosts of ``turn``, which ``vhosts`` makes, and into ``users``."""
        self._turn = turn
        self._vhosts = vhosts
        self.access = AccessReader(users, vhosts, self._vhost_of)
        self.restorer = MessageRestorer()
        self.exchanges = 0
        self.queues = 0
        self.bindings = 0
        self.messages = 0
        self.left_out = 0

    def apply(self, topology: list[bytes]) -> None:
        """Apply the journal's records, in order. Before any message is put back."""
        for vhost in self._turn.vhosts.values():
            vhost.keeps_abandoned = True
        for octets in topology:
            self._apply(octets)
        for vhost in self._turn.vhosts.values():
            vhost.keeps_abandoned = False
            vhost.apply_policies()

    def finish(self, recovered: Recovered) -> None:
        """Every message has been put back by ``restorer``: see to the queues that are gone, and count."""
        restorer = self.restorer
        for log_id, found in recovered.queues.items():
            queue = restorer.queues.get(log_id)
            if queue is not None and not queue.is_deleted:
                queue.next_position = max(queue.next_position, found.next_position)
            elif queue is not None:
                # Its deletion was written before the crash and the end of its messages was not.
                self._turn.store.forget_queue(log_id)
            else:
                # Nobody deleted it: its record is lost. What cannot be served is kept all the same.
                LOG.error("messages of an unknown queue stay on disk", extra={"log_id": log_id})
        self.messages = int(restorer.count)
        for vhost in self._turn.vhosts.values():
            self.exchanges += sum(1 for exchange in vhost.exchanges.values() if exchange.is_durable)
            self.queues += len(vhost.queues)
            self.bindings += sum(int(exchange.binding_count) for exchange in vhost.exchanges.values())

    def _apply(self, octets: bytes) -> None:
        """One record. What no longer makes sense is reported and left out; the rest is kept."""
        try:
            record = decode_record(octets)
            self._apply_record(record)
        except (msgspec.MsgspecError, ValueError, AmqpError, PolicyRefused) as error:
            self.left_out += 1
            LOG.error("a record of the topology was left out", extra={"reason": str(error), "octets": len(octets)})

    def _vhost_of(self, name: str) -> VHost:
        """The vhost of a record; records from before vhosts had their own are about ones that nothing else names."""
        vhost = self._turn.vhosts.get(name)
        if vhost is None:
            vhost = self._vhosts.make(name)
            vhost.keeps_abandoned = True
        return vhost

    def _apply_record(self, record: Record) -> None:
        if isinstance(record, TopologyRecord):
            self._apply_topology(record)
        elif isinstance(record, UserLimitsRecord):
            self._turn.user_limits.set(record.user, Limits(record.limits))
        elif isinstance(record, ParameterRecord):
            parameters = self._turn.parameters
            parameters.set(Parameter(record.vhost, record.component, record.name, record.value))
        elif isinstance(record, ParameterGone):
            self._turn.parameters.remove(record.vhost, record.component, record.name)
        else:
            self.access.apply(record)

    def _apply_topology(self, record: TopologyRecord) -> None:
        vhost = self._vhost_of(record.vhost)
        if isinstance(record, ExchangeRecord):
            if record.log_id > 0 and record.name in vhost.exchanges:
                vhost.delete_exchange(record.name, if_unused=False)  # the record of its end is lost
            exchange = vhost.declare_exchange(
                record.name,
                record.kind,
                True,
                record.is_auto_delete,
                record.is_internal,
                unpack_table(record.arguments),
                log_id=record.log_id,
            )
            line = delay_line_of(exchange)
            if line is not None:
                self.restorer.queues[int(line.log_id)] = line
        elif isinstance(record, QueueRecord):
            existing = vhost.queues.get(record.name)
            if existing is not None:
                vhost.delete_queue(existing)  # the record of its end is lost
            queue = vhost.make_queue(
                record.name, True, record.is_auto_delete, 0, unpack_table(record.arguments), record.log_id
            )
            if isinstance(queue, ClassicQueue):
                self.restorer.queues[record.log_id] = queue
        elif isinstance(record, BindingRecord):
            source, destination = _ends(vhost, record)
            if source is not None and destination is not None:
                vhost.bind(source, destination, record.key, unpack_table(record.arguments))
        elif isinstance(record, BindingGone):
            source, destination = _ends(vhost, record)
            if source is not None and destination is not None:
                vhost.unbind(source, destination, record.key, unpack_table(record.arguments))
        elif isinstance(record, ExchangeGone):
            if record.name in vhost.exchanges:
                vhost.delete_exchange(record.name, if_unused=False)
        elif isinstance(record, QueueGone):
            if record.name in vhost.queues:
                vhost.delete_queue(vhost.queues[record.name])
        elif isinstance(record, QueueTtlRecord):
            changed = vhost.queues.get(record.name)
            if changed is not None:
                changed.ttl_since_ms = record.since_ms
                changed.earlier_ttl_ms = record.earlier_ms
        else:
            _decide(vhost, record)


def _ends(vhost: VHost, record: BindingRecord | BindingGone) -> tuple[Exchange | None, Destination | None]:
    """The two ends of a binding; None for one that has gone since."""
    source = vhost.find_exchange(record.source)
    if record.is_to_exchange:
        return source, vhost.find_exchange(record.destination)
    return source, vhost.queues.get(record.destination)


def _decide(vhost: VHost, record: PolicyRecord | PolicyGone | VHostLimitsRecord | DefaultQueueTypeRecord) -> None:
    """What an operator decided. Policies are applied when every record has been read."""
    if isinstance(record, PolicyRecord):
        policy = Policy(
            record.vhost,
            record.name,
            record.pattern,
            record.apply_to,
            record.priority,
            unpack_table(record.definition),
            record.is_operator,
        )
        vhost.policies.set(policy)
    elif isinstance(record, PolicyGone):
        vhost.policies.remove(record.name, record.is_operator)
    elif isinstance(record, VHostLimitsRecord):
        vhost.limits = Limits(record.limits)
    else:
        vhost.default_queue_type = record.queue_type
