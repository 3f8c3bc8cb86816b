"""Frames of AMQP 0-9-1, encoded once: only what the scenarios say and count."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
METHOD: Final = 1
HEADER: Final = 2
BODY: Final = 3
HEARTBEAT: Final = 8
FRAME_OVERHEAD: Final = 8  # §4.2.3: type, channel, size; the end octet after the payload
HEARTBEAT_FRAME: Final = b"\x08\x00\x00\x00\x00\x00\x00\xce"

BASIC_ACK: Final = (60, 80)
BASIC_DELIVER: Final = b"\x00\x3c\x00\x3c"
DELIVER_FIXED_LENGTH: Final = 13  # class, method, delivery tag, redelivered

CONTENT_TYPE: Final = b"text/plain"
HAS_CONTENT_TYPE: Final = 0x8000
HAS_HEADERS: Final = 0x2000
HAS_DELIVERY_MODE: Final = 0x1000
HAS_PRIORITY: Final = 0x0800

Table = Mapping[str, str | int | bool]


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """One frame. AMQP 0-9-1 §4.2.3."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def method(class_id: int, method_id: int, arguments: bytes = b"") -> bytes:
    """The payload of a method frame. §4.2.4."""
    return struct.pack(">HH", class_id, method_id) + arguments


def short_string(value: bytes) -> bytes:
    """At most 255 octets behind one octet of length. §4.2.5.3."""
    return bytes([len(value)]) + value


def long_string(value: bytes) -> bytes:
    """Octets behind four of length. §4.2.5.3."""
    return struct.pack(">I", len(value)) + value


def table(values: Mapping[str, str | int | bool]) -> bytes:
    """A field table of booleans (t), 32-bit integers (I) and long strings (S). §4.2.5.5."""
    fields = bytearray()
    for name, value in values.items():
        fields += short_string(name.encode())
        if isinstance(value, bool):
            fields += b"t" + bytes([value])
        elif isinstance(value, int):
            fields += b"I" + struct.pack(">i", value)
        else:
            fields += b"S" + long_string(value.encode())
    return long_string(bytes(fields))


def acks(first_tag: int, last_tag: int) -> bytes:
    """One basic.ack frame for each delivery tag of a range, both ends included, on channel 1."""
    return b"".join(
        [struct.pack(">BHIHHQBB", METHOD, 1, 13, 60, 80, tag, 0, 0xCE) for tag in range(first_tag, last_tag + 1)]
    )


def ack_until(tag: int) -> bytes:
    """One basic.ack frame for every delivery up to the tag, on channel 1."""
    return struct.pack(">BHIHHQBB", METHOD, 1, 13, 60, 80, tag, 1, 0xCE)


@dataclass(frozen=True, slots=True)
class Message:
    """A message that is published again and again on channel 1.

    Attributes:
        exchange: Empty for the default exchange.
        routing_key: The queue's name on the default exchange.
        size: Octets of the body; it must fit in one body frame.
        persistent: Delivery mode 2, else 1. Always sent, so that both have the same length.
        priority: None to leave the property out.
        headers: None to leave the property out.
    """

    exchange: bytes
    routing_key: bytes
    size: int = 100
    persistent: bool = False
    priority: int | None = None
    headers: Table | None = None

    def properties(self) -> bytes:
        """Property flags and list. §4.2.6.1; a broker sends them on as they are."""
        flags = HAS_CONTENT_TYPE | HAS_DELIVERY_MODE
        values = short_string(CONTENT_TYPE)
        if self.headers is not None:
            flags |= HAS_HEADERS
            values += table(self.headers)
        values += b"\x02" if self.persistent else b"\x01"
        if self.priority is not None:
            flags |= HAS_PRIORITY
            values += bytes([self.priority])
        return struct.pack(">H", flags) + values

    def publish_frames(self) -> bytes:
        """basic.publish, content header and body; the body is the frames' last ``size`` octets but one."""
        publish = method(60, 40, b"\x00\x00" + short_string(self.exchange) + short_string(self.routing_key) + b"\x00")
        header = struct.pack(">HHQ", 60, 0, self.size) + self.properties()
        frames = frame(METHOD, 1, publish) + frame(HEADER, 1, header)
        return frames + frame(BODY, 1, b"x" * self.size) if self.size else frames

    def content_length(self) -> int:
        """Octets of the content header's and the body's frames."""
        header = FRAME_OVERHEAD + 12 + len(self.properties())
        return header + (FRAME_OVERHEAD + self.size if self.size else 0)

    def delivery_length(self, consumer_tag: bytes) -> int:
        """Octets of one basic.deliver of this message with its content."""
        names = short_string(consumer_tag) + short_string(self.exchange) + short_string(self.routing_key)
        return FRAME_OVERHEAD + DELIVER_FIXED_LENGTH + len(names) + self.content_length()

    def get_length(self) -> int:
        """Octets of one basic.get-ok of this message with its content."""
        names = short_string(self.exchange) + short_string(self.routing_key)
        return FRAME_OVERHEAD + DELIVER_FIXED_LENGTH + len(names) + 4 + self.content_length()
