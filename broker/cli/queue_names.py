"""Which queue a log_id is: the store knows numbers only, the names are in the topology journal.

The delayed messages of an exchange have a number as well, and are listed like a queue.
"""

from typing import NamedTuple

import msgspec

from broker.cli.peer_text import quoted
from broker.definitions.records import ExchangeGone, ExchangeRecord, QueueGone, QueueRecord, Record, decode_record


class QueueName(NamedTuple):
    """A queue, or an exchange with delayed messages, as its declaration calls it."""

    vhost: str
    name: bytes
    is_gone: bool
    is_exchange: bool = False


class QueueNames:
    """Every queue that the journal speaks of, deleted ones included."""

    def __init__(self) -> None:
        self._by_log_id: dict[int, QueueName] = {}
        self._by_name: dict[tuple[str, bytes, bool], int] = {}

    def take(self, record: Record) -> None:
        """Take in the next record, in the journal's order."""
        if isinstance(record, QueueRecord):
            self._begin(record.log_id, QueueName(record.vhost, record.name, False))
        elif isinstance(record, ExchangeRecord) and record.log_id > 0:
            self._begin(record.log_id, QueueName(record.vhost, record.name, False, True))
        elif isinstance(record, QueueGone | ExchangeGone):
            self._end(record.vhost, record.name, isinstance(record, ExchangeGone))

    def _begin(self, log_id: int, queue: QueueName) -> None:
        self._end(queue.vhost, queue.name, queue.is_exchange)  # declared anew: the record of its end is lost
        self._by_log_id[log_id] = queue
        self._by_name[queue.vhost, queue.name, queue.is_exchange] = log_id

    def _end(self, vhost: str, name: bytes, is_exchange: bool) -> None:
        log_id = self._by_name.pop((vhost, name, is_exchange), None)
        if log_id is not None:
            self._by_log_id[log_id] = QueueName(vhost, name, True, is_exchange)

    def find(self, log_id: int) -> QueueName | None:
        """The queue, or None: the journal does not know this number."""
        return self._by_log_id.get(log_id)

    def label(self, log_id: int) -> str:
        """How a line calls the queue. The vhost is told unless it is ``/``."""
        queue = self._by_log_id.get(log_id)
        if queue is None:
            return f"queue number {log_id}"
        text = f"delayed by exchange {quoted(queue.name)}" if queue.is_exchange else quoted(queue.name)
        if queue.vhost != "/":
            text = f"{text} in vhost {quoted(queue.vhost.encode())}"
        return f"{text} (deleted)" if queue.is_gone else text

    def existing(self) -> list[int]:
        """The numbers of the queues that are not deleted, by vhost and name."""
        return [log_id for _, log_id in sorted(self._by_name.items())]


def decoded(octets: bytes) -> Record | None:
    """A record of the topology, or None: this version cannot read it, and would leave it out."""
    try:
        record: Record = decode_record(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return record
