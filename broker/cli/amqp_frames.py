"""The frames that a load test sends and reads, each encoded once."""

import struct
from typing import Final

from broker.core.arguments import Field, Table
from broker.wire.methods import (
    BASIC_ACK,
    BASIC_CONSUME,
    BASIC_PUBLISH,
    BASIC_QOS,
    CONFIRM_SELECT,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_METHOD,
    QUEUE_DECLARE,
    QUEUE_DELETE,
)
from broker.wire.octets import longstr, shortstr
from broker.wire.tables import encode_table

STAMP_BYTES: Final = 8
"""A body begins with when it was sent, in nanoseconds; zeros in most, for one in a batch is enough."""
CONSUMER_TAG: Final = b"bench"
ACK_FRAME: Final = struct.Struct(">BHIIQ?B")  # also that of a basic.nack: only the method differs
_PERSISTENT: Final = 2
_HAS_DELIVERY_MODE: Final = 0x1000


def method(number: int, arguments: bytes = b"", channel: int = 1) -> bytes:
    """A method frame."""
    return frame(FRAME_METHOD, channel, struct.pack(">I", number) + arguments)


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """One frame. AMQP 0-9-1 §4.2.3."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([FRAME_END])


def start_ok(user: str, password: str) -> bytes:
    """The arguments of connection.start-ok, with PLAIN."""
    # Without this capability a refused login is a closed socket and no word why.
    capabilities: Table = {b"authentication_failure_close": Field("t", True)}
    properties = encode_table(
        {b"connection_name": Field("S", b"ponymqctl bench"), b"capabilities": Field("F", capabilities)}
    )
    login = longstr(f"\0{user}\0{password}".encode())
    return properties + shortstr(b"PLAIN") + login + shortstr(b"en_US")


def declare(queue: bytes, *, is_durable: bool, arguments: Table) -> bytes:
    """queue.declare."""
    return method(QUEUE_DECLARE, b"\0\0" + shortstr(queue) + bytes([2 * is_durable]) + encode_table(arguments))


def delete(queue: bytes) -> bytes:
    """queue.delete, whatever is in it."""
    return method(QUEUE_DELETE, b"\0\0" + shortstr(queue) + b"\0")


def consume(queue: bytes, *, is_auto_ack: bool) -> bytes:
    """basic.consume."""
    names = shortstr(queue) + shortstr(CONSUMER_TAG)
    return method(BASIC_CONSUME, b"\0\0" + names + bytes([2 * is_auto_ack]) + encode_table({}))


def qos(prefetch_count: int) -> bytes:
    """basic.qos."""
    return method(BASIC_QOS, struct.pack(">IH?", 0, prefetch_count, False))


def select_confirm() -> bytes:
    """confirm.select."""
    return method(CONFIRM_SELECT, b"\0")


def ack_until(delivery_tag: int) -> bytes:
    """basic.ack for all deliveries up to a tag."""
    return method(BASIC_ACK, struct.pack(">Q?", delivery_tag, True))


def publish(queue: bytes, size: int, *, is_persistent: bool) -> tuple[bytes, int]:
    """A message of ``size`` octets by way of the default exchange, as octets, and where in them its body begins."""
    mode = _PERSISTENT if is_persistent else 1
    head = method(BASIC_PUBLISH, b"\0\0" + shortstr(b"") + shortstr(queue) + b"\0")
    head += frame(FRAME_HEADER, 1, struct.pack(">HHQHB", BASIC_PUBLISH >> 16, 0, size, _HAS_DELIVERY_MODE, mode))
    if size == 0:
        return head, len(head)
    body = bytes(min(size, STAMP_BYTES)) + b"x" * max(size - STAMP_BYTES, 0)
    return head + frame(FRAME_BODY, 1, body), len(head) + 7
