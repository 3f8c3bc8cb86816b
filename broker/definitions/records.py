"""One change of the topology as octets. MessagePack arrays, the first item telling which kind it is."""

from typing import Annotated

import msgspec

from broker.core.arguments import Table
from broker.definitions.access_records import AccessRecord
from broker.wire.octets import get_u32
from broker.wire.tables import decode_table, encode_table, undecodable

Number = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]


class ExchangeRecord(msgspec.Struct, array_like=True, tag="exchange", frozen=True):
    """A durable exchange; ``log_id`` is the number of its delayed messages in the store, 0 if it delays none.

    Records of earlier versions end before it.
    """

    vhost: str
    name: bytes
    kind: bytes
    is_auto_delete: bool
    is_internal: bool
    arguments: bytes
    log_id: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0


class ExchangeGone(msgspec.Struct, array_like=True, tag="exchange-gone", frozen=True):
    """The exchange and every binding from or to it no longer exist."""

    vhost: str
    name: bytes


class QueueRecord(msgspec.Struct, array_like=True, tag="queue", frozen=True):
    """A durable queue; ``log_id`` is its number in the store."""

    vhost: str
    name: bytes
    log_id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    is_auto_delete: bool
    arguments: bytes


class QueueGone(msgspec.Struct, array_like=True, tag="queue-gone", frozen=True):
    """The queue and every binding to it no longer exist."""

    vhost: str
    name: bytes


class BindingRecord(msgspec.Struct, array_like=True, tag="binding", frozen=True):
    """A binding between durable ends."""

    vhost: str
    source: bytes
    destination: bytes
    is_to_exchange: bool
    key: bytes
    arguments: bytes


class BindingGone(msgspec.Struct, array_like=True, tag="binding-gone", frozen=True):
    """That binding no longer exists."""

    vhost: str
    source: bytes
    destination: bytes
    is_to_exchange: bool
    key: bytes
    arguments: bytes


class PolicyRecord(msgspec.Struct, array_like=True, tag="policy", frozen=True):
    """A policy; it replaces the one of its name."""

    vhost: str
    name: str
    is_operator: bool
    pattern: str
    apply_to: str
    priority: Number
    definition: bytes


class PolicyGone(msgspec.Struct, array_like=True, tag="policy-gone", frozen=True):
    """The policy no longer exists."""

    vhost: str
    name: str
    is_operator: bool


class QueueTtlRecord(msgspec.Struct, array_like=True, tag="queue-ttl", frozen=True):
    """A policy has changed a queue's TTL; what was published before ``since_ms`` has ``earlier_ms``, -1 for none."""

    vhost: str
    name: bytes
    since_ms: Number
    earlier_ms: Number


class VHostLimitsRecord(msgspec.Struct, array_like=True, tag="vhost-limits", frozen=True):
    """The limits of a vhost; those that are not here are not set."""

    vhost: str
    limits: dict[str, Number]


class UserLimitsRecord(msgspec.Struct, array_like=True, tag="user-limits", frozen=True):
    """The limits of a user, in all vhosts."""

    user: bytes
    limits: dict[str, Number]


class ParameterRecord(msgspec.Struct, array_like=True, tag="parameter", frozen=True):
    """A parameter and its value, which is JSON; a global one has neither vhost nor component."""

    vhost: str
    component: str
    name: str
    value: bytes


class ParameterGone(msgspec.Struct, array_like=True, tag="parameter-gone", frozen=True):
    """The parameter no longer exists."""

    vhost: str
    component: str
    name: str


class DefaultQueueTypeRecord(msgspec.Struct, array_like=True, tag="default-queue-type", frozen=True):
    """The type of queues that are declared without one."""

    vhost: str
    queue_type: bytes


# What belongs to one vhost.
TopologyRecord = (
    ExchangeRecord
    | ExchangeGone
    | QueueRecord
    | QueueGone
    | BindingRecord
    | BindingGone
    | PolicyRecord
    | PolicyGone
    | QueueTtlRecord
    | VHostLimitsRecord
    | DefaultQueueTypeRecord
)
Record = TopologyRecord | UserLimitsRecord | ParameterRecord | ParameterGone | AccessRecord

encode_record = msgspec.msgpack.Encoder().encode
decode_record = msgspec.msgpack.Decoder(Record).decode


def pack_table(table: Table) -> bytes:
    """Arguments as the octets of a field table, its length in front."""
    return encode_table(table)


def unpack_table(octets: bytes) -> Table:
    """Arguments back from ``pack_table``.

    Raises:
        HardError: 501, the octets are none that it made.
    """
    if len(octets) < 4:
        raise undecodable(octets, 0, len(octets))
    return decode_table(octets, 4, 4 + get_u32(octets, 0))
