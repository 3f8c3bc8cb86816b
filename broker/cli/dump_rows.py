"""Records of the store as rows of a dump: what is wanted, under the names that people gave."""

import base64
import datetime
from dataclasses import dataclass
from typing import Final

from librt.strings import read_i64_le

from broker.cli.access_rows import access_words
from broker.cli.peer_text import escaped, preview, quoted
from broker.cli.queue_names import QueueNames, decoded
from broker.cli.rows import Row
from broker.core.errors import AmqpError
from broker.core.message import Message
from broker.definitions.records import (
    BindingGone,
    BindingRecord,
    DefaultQueueTypeRecord,
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
    unpack_table,
)
from broker.management.json_values import json_table
from broker.metrics.text import shown
from broker.store.records import (
    CLOSED,
    DELIVERED,
    FORGOTTEN,
    RETURNED,
    SETTLED_ONE,
    SETTLED_RANGE,
    ContentReader,
    SettlementReader,
)

PREVIEW_BYTES: Final = 48
SETTLEMENT_KINDS: Final = {
    SETTLED_ONE: "settled",
    SETTLED_RANGE: "settled",
    DELIVERED: "delivered",
    FORGOTTEN: "forgotten",
    CLOSED: "closed",
    RETURNED: "returned",
}
EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Choice:
    """What a dump shows.

    Attributes:
        queue: Only records about queues of this name; None for all.
        kinds: Only records of these kinds; empty for all.
        has_bodies: Bodies and content headers whole.
    """

    queue: bytes | None = None
    kinds: frozenset[str] = frozenset()
    has_bodies: bool = False


class RowMaker:
    """Makes rows, none for a record that was not asked for.

    Attributes:
        names: Which queue a log_id is.
    """

    def __init__(self, directory: str, choice: Choice) -> None:
        """``directory``: files are named relative to it."""
        self.names = QueueNames()
        self._prefix = f"{directory.rstrip('/')}/"
        self._choice = choice

    def wants(self, kind: str) -> bool:
        """Tells whether records of this kind are shown."""
        return not self._choice.kinds or kind in self._choice.kinds

    def finding(self, kind: str, path: str, offset: int, text: str) -> list[Row]:
        """What recovery would tell about a place. Shown for every queue: it may be any queue's."""
        if not self.wants(kind):
            return []
        return [Row(self._short(path) or "-", offset, -1, kind, True, [text], {"text": text})]

    def message(self, path: str, batch: int, record: ContentReader, is_kept: bool) -> list[Row]:
        """A content with its places."""
        data = record.data
        places = [
            (int(read_i64_le(data, at)), int(read_i64_le(data, at + 8)))
            for at in range(int(record.targets), int(record.after), 16)
        ]
        if not any(self._wants_queue(log_id) for log_id, _ in places):
            return []
        row = Row(self._short(path), int(record.start), batch, "message", is_kept, [])
        row.words = [", ".join(f"{self.names.label(log_id)} position {position}" for log_id, position in places)]
        row.facts = {"places": [self._queue_facts(log_id) | {"position": position} for log_id, position in places]}
        self._tell_content(row, record.message())
        return [row]

    def wants_stream(self, log_id: int) -> bool:
        """Tells whether the messages of this stream are shown."""
        return self.wants("stream-message") and self._wants_queue(log_id)

    def stream_message(self, path: str, place: int, log_id: int, offset: int, message: Message, is_kept: bool) -> Row:
        """A message of a stream, which begins at ``place`` of the file."""
        row = Row(self._short(path), place, -1, "stream-message", is_kept, [])
        row.words = [f"{self.names.label(log_id)} offset {offset}"]
        row.facts = self._queue_facts(log_id) | {"stream_offset": offset}
        self._tell_content(row, message)
        return row

    def _tell_content(self, row: Row, message: Message) -> None:
        exchange, routing_key = route_names(message.route)
        flags = ["persistent" if message.is_persistent else "transient"]
        if message.priority:
            flags.append(f"priority {message.priority}")
        if message.ttl_ms >= 0:
            flags.append(f"ttl {message.ttl_ms} ms")
        at_time = time_text(int(message.timestamp_ms))
        body = message.body
        row.words += [
            " ".join(flags),
            at_time,
            f"exchange {quoted(exchange)} routing key {quoted(routing_key)}",
            f"{len(body)} octets {quoted(body) if self._choice.has_bodies else preview(body, PREVIEW_BYTES)}",
        ]
        row.facts |= {
            "persistent": message.is_persistent,
            "priority": int(message.priority),
            "ttl_ms": int(message.ttl_ms) if message.ttl_ms >= 0 else None,
            "published": at_time,
            "exchange": shown(exchange),
            "routing_key": shown(routing_key),
            "header_octets": len(message.header),
            "body_octets": len(body),
            "preview": escaped(body[:PREVIEW_BYTES]),
        }
        if self._choice.has_bodies:
            row.facts["header_base64"] = base64.b64encode(message.header).decode("ascii")
            row.facts["body_base64"] = base64.b64encode(body).decode("ascii")

    def settlement(self, path: str, batch: int, record: SettlementReader, is_kept: bool) -> list[Row]:
        """What became of messages, or of a whole queue; or the mark of a clean stop."""
        number = int(record.kind)
        kind = SETTLEMENT_KINDS[number]
        if not self.wants(kind):
            return []
        row = Row(self._short(path), int(record.start), batch, kind, is_kept, [])
        if number == CLOSED:
            if self._choice.queue is not None:
                return []
            row.words.append("the broker was stopped in good order")
            return [row]
        log_id = int(record.log_id)
        if not self._wants_queue(log_id):
            return []
        label = self.names.label(log_id)
        row.facts = self._queue_facts(log_id)
        first, last = int(record.first), int(record.last)
        if number == FORGOTTEN:
            row.words.append(f"{label} is gone")
        elif number == DELIVERED:
            row.words.append(f"{label} up to position {last}")
            row.facts["position"] = last
        elif number == RETURNED:
            times, failures = int(record.acquired_count), int(record.delivery_count)
            row.words.append(f"{label} position {first} came back {times} times, {failures} of them failures")
            row.facts |= {"position": first, "acquired_count": times, "delivery_count": failures}
        else:
            row.words.append(f"{label} position {first}" if first == last else f"{label} positions {first} to {last}")
            row.facts |= {"first": first, "last": last}
        return [row]

    def topology(self, path: str, offset: int, batch: int, octets: bytes, is_kept: bool) -> list[Row]:
        """One change of the topology."""
        record = decoded(octets)
        if record is None:
            if not self.wants("undecodable") or self._choice.queue is not None:
                return []
            words = [f"{len(octets)} octets {preview(octets, PREVIEW_BYTES)}"]
            facts: dict[str, object] = {"octets": len(octets), "preview": escaped(octets[:PREVIEW_BYTES])}
            return [Row(self._short(path), offset, batch, "undecodable", is_kept, words, facts)]
        kind = str(record.__struct_config__.tag)
        if not self.wants(kind) or not self._wants_record(record):
            return []
        if isinstance(record, TopologyRecord | UserLimitsRecord):
            words, facts = topology_words(record)
        elif isinstance(record, ParameterRecord | ParameterGone):
            words, facts = parameter_words(record)
        else:
            words, facts = access_words(record)
        return [Row(self._short(path), offset, batch, kind, is_kept, words, facts)]

    def _short(self, path: str) -> str:
        return path.removeprefix(self._prefix)

    def _wants_queue(self, log_id: int) -> bool:
        if self._choice.queue is None:
            return True
        name = self.names.find(log_id)
        return name is not None and not name.is_exchange and name.name == self._choice.queue

    def _wants_record(self, record: Record) -> bool:
        if self._choice.queue is None:
            return True
        if isinstance(record, QueueRecord | QueueGone | QueueTtlRecord):
            return record.name == self._choice.queue
        if isinstance(record, BindingRecord | BindingGone):
            return not record.is_to_exchange and record.destination == self._choice.queue
        return False

    def _queue_facts(self, log_id: int) -> dict[str, object]:
        name = self.names.find(log_id)
        if name is None:
            return {"log_id": log_id, "vhost": None, "queue": None}
        kind = "exchange" if name.is_exchange else "queue"
        return {"log_id": log_id, "vhost": name.vhost, kind: shown(name.name)}


def topology_words(record: TopologyRecord | UserLimitsRecord) -> tuple[list[str], dict[str, object]]:
    """The line and the object of a change of the topology, but for its beginning."""
    if isinstance(record, PolicyRecord | PolicyGone | VHostLimitsRecord | UserLimitsRecord | DefaultQueueTypeRecord):
        return decision_words(record)
    facts: dict[str, object] = {"vhost": record.vhost}
    if isinstance(record, BindingRecord | BindingGone):
        kind = "exchange" if record.is_to_exchange else "queue"
        words = [
            f"from exchange {quoted(record.source)} to {kind} {quoted(record.destination)}",
            f"binding key {quoted(record.key)}",
        ]
        facts |= {
            "source": shown(record.source),
            "destination": shown(record.destination),
            "destination_type": kind,
            "binding_key": shown(record.key),
        }
        arguments = record.arguments
    else:
        words = [quoted(record.name)]
        facts["name"] = shown(record.name)
        arguments = b""
        if isinstance(record, ExchangeRecord):
            words.append(f"type {escaped(record.kind)}")
            facts |= {"type": shown(record.kind), "internal": record.is_internal, "auto_delete": record.is_auto_delete}
            words += ["internal"] * record.is_internal + ["auto-delete"] * record.is_auto_delete
            if record.log_id:
                words.append(f"delayed messages are number {record.log_id}")
                facts["log_id"] = record.log_id
            arguments = record.arguments
        elif isinstance(record, QueueTtlRecord):
            words.append(f"messages before {time_text(record.since_ms)} have a ttl of {record.earlier_ms} ms")
            facts |= {"since": time_text(record.since_ms), "earlier_ms": record.earlier_ms}
        elif isinstance(record, QueueRecord):
            words.append(f"number {record.log_id}")
            facts |= {"log_id": record.log_id, "auto_delete": record.is_auto_delete}
            words += ["auto-delete"] * record.is_auto_delete
            arguments = record.arguments
    words.append(f"vhost {quoted(record.vhost.encode())}")
    if arguments:
        table, text = arguments_text(arguments)
        facts["arguments"] = table
        if text:
            words.append(f"arguments {text}")
    return words, facts


def decision_words(
    record: PolicyRecord | PolicyGone | VHostLimitsRecord | UserLimitsRecord | DefaultQueueTypeRecord,
) -> tuple[list[str], dict[str, object]]:
    """The same of what an operator decided."""
    if isinstance(record, UserLimitsRecord):
        facts: dict[str, object] = {"user": shown(record.user), "limits": record.limits}
        return [f"user {quoted(record.user)}", limits_text(record.limits)], facts
    facts = {"vhost": record.vhost}
    if isinstance(record, VHostLimitsRecord):
        words = [limits_text(record.limits)]
        facts["limits"] = record.limits
    elif isinstance(record, DefaultQueueTypeRecord):
        words = [quoted(record.queue_type)]
        facts["queue_type"] = shown(record.queue_type)
    else:
        words = [quoted(record.name.encode())] + ["operator policy"] * record.is_operator
        facts |= {"name": record.name, "operator": record.is_operator}
    if isinstance(record, PolicyRecord):
        definition, text = arguments_text(record.definition)
        pattern = quoted(record.pattern.encode())
        words += [f"pattern {pattern} apply-to {record.apply_to} priority {record.priority}", f"definition {text}"]
        facts |= {
            "pattern": record.pattern,
            "apply_to": record.apply_to,
            "priority": record.priority,
            "definition": definition,
        }
    return [*words, f"vhost {quoted(record.vhost.encode())}"], facts


def parameter_words(record: ParameterRecord | ParameterGone) -> tuple[list[str], dict[str, object]]:
    """The same of a parameter, without its value: it may hold the password of another broker."""
    words = [quoted(record.name.encode())]
    if record.vhost:
        words += [f"component {quoted(record.component.encode())}", f"vhost {quoted(record.vhost.encode())}"]
    facts: dict[str, object] = {"vhost": record.vhost, "component": record.component, "name": record.name}
    if isinstance(record, ParameterRecord):
        words.append(f"{len(record.value)} octets")
        facts["octets"] = len(record.value)
    return words, facts


def limits_text(limits: dict[str, int]) -> str:
    """Limits in a line."""
    return " ".join(f"{quoted(name.encode())}={value}" for name, value in limits.items()) or "no limits"


def arguments_text(octets: bytes) -> tuple[object, str]:
    """Arguments as a JSON value and as text, which is empty for none."""
    try:
        table = json_table(unpack_table(octets))
    except AmqpError as error:
        return None, f"unreadable: {error}"
    words = [f"{quoted(name.encode())}={quoted(str(value).encode())}" for name, value in table.items()]
    return table, " ".join(words)


def route_names(route: bytes) -> tuple[bytes, bytes]:
    """Exchange and routing key of a route, two short strings."""
    if not route:
        return b"", b""
    end = 1 + route[0]
    return route[1:end], route[end + 1 :]


def time_text(timestamp_ms: int) -> str:
    """When a message was published, in UTC; the bare number if no calendar has it."""
    try:
        moment = EPOCH + datetime.timedelta(milliseconds=timestamp_ms)
    except OverflowError:
        return f"{timestamp_ms} ms"
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{timestamp_ms % 1000:03d}Z"
