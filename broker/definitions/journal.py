"""Writes the topology down and reads it back."""

import logging
from collections.abc import Callable
from typing import Final

import msgspec

from broker.core.destination import Destination
from broker.core.errors import AmqpError
from broker.definitions.records import (
    BindingGone,
    BindingRecord,
    ExchangeGone,
    ExchangeRecord,
    QueueGone,
    QueueRecord,
    Record,
    decode_record,
    encode_record,
    pack_table,
    unpack_table,
)
from broker.queues.queue import ClassicQueue, Queue
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange
from broker.store.placing import Recovered
from broker.store.store import Store
from broker.vhost.restorer import MessageRestorer
from broker.vhost.topology import TopologyJournal
from broker.vhost.turn import Turn
from broker.vhost.vhost import RESERVED_PREFIX, VHost

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

    def _write(self, record: Record) -> None:
        self._store.record_topology(encode_record(record))


def exchange_record(exchange: Exchange) -> ExchangeRecord:
    """The record of a durable exchange."""
    return ExchangeRecord(
        exchange.vhost_name,
        exchange.name,
        exchange.kind,
        exchange.is_auto_delete,
        exchange.is_internal,
        pack_table(exchange.arguments),
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


def topology_records(turn: Turn) -> list[bytes]:
    """The whole topology, for compacting the journal: exchanges and queues before the bindings between them."""
    records: list[Record] = []
    bindings: list[Record] = []
    for vhost in turn.vhosts.values():
        for exchange in vhost.exchanges.values():
            if not exchange.is_durable:
                continue
            if exchange.name and not exchange.name.startswith(RESERVED_PREFIX):
                records.append(exchange_record(exchange))
            bindings.extend(
                binding_record(binding) for binding in exchange.bindings() if binding.destination.is_durable
            )
        records.extend(queue_record(queue) for queue in vhost.queues.values() if queue.is_durable)
    return [encode_record(record) for record in records + bindings]


class TopologyReader:
    """Builds the vhosts' contents from what the store recovered.

    Attributes:
        restorer: Puts messages back into the queues that ``apply`` has made: the sink for the store's recovery.
        exchanges: Durable exchanges that were restored.
        queues: Durable queues.
        bindings: Bindings between them.
        messages: Messages put back into queues.
        left_out: Records that could not be applied.
    """

    def __init__(self, turn: Turn, make_vhost: Callable[[str], VHost]) -> None:
        """Restore into the vhosts of ``turn``; ``make_vhost`` makes one that only the records know."""
        self._turn = turn
        self._make_vhost = make_vhost
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
        except (msgspec.MsgspecError, UnicodeDecodeError, AmqpError) as error:
            self.left_out += 1
            LOG.error("a record of the topology was left out", extra={"reason": str(error), "octets": len(octets)})

    def _apply_record(self, record: Record) -> None:
        vhost = self._turn.vhosts.get(record.vhost)
        if vhost is None:
            # Another default_vhost than on the last start: what is in the old one is not given up for that.
            vhost = self._make_vhost(record.vhost)
            vhost.keeps_abandoned = True
        if isinstance(record, ExchangeRecord):
            vhost.declare_exchange(
                record.name,
                record.kind,
                True,
                record.is_auto_delete,
                record.is_internal,
                unpack_table(record.arguments),
            )
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
        elif record.name in vhost.queues:
            vhost.delete_queue(vhost.queues[record.name])


def _ends(vhost: VHost, record: BindingRecord | BindingGone) -> tuple[Exchange | None, Destination | None]:
    """The two ends of a binding; None for one that has gone since."""
    source = vhost.find_exchange(record.source)
    if record.is_to_exchange:
        return source, vhost.find_exchange(record.destination)
    return source, vhost.queues.get(record.destination)
