"""A message's properties and payload between AMQP and JSON."""

import base64
import binascii
from typing import Final

from broker.management.json_values import Json, json_table, table_of
from broker.management.refusals import bad_request
from broker.management.session import short, table
from broker.metrics.text import shown
from broker.wire.methods import BASIC
from broker.wire.octets import u16, u64
from broker.wire.properties import (
    FLAG_APP_ID,
    FLAG_CLUSTER_ID,
    FLAG_CONTENT_ENCODING,
    FLAG_CONTENT_TYPE,
    FLAG_CORRELATION_ID,
    FLAG_DELIVERY_MODE,
    FLAG_EXPIRATION,
    FLAG_HEADERS,
    FLAG_MESSAGE_ID,
    FLAG_PRIORITY,
    FLAG_REPLY_TO,
    FLAG_TIMESTAMP,
    FLAG_TYPE,
    FLAG_USER_ID,
    headers_of,
    property_octets,
)

# In the order of the flags, which is that of the octets. AMQP 0-9-1 §1.8.2.
_PROPERTIES: Final = (
    ("content_type", FLAG_CONTENT_TYPE),
    ("content_encoding", FLAG_CONTENT_ENCODING),
    ("headers", FLAG_HEADERS),
    ("delivery_mode", FLAG_DELIVERY_MODE),
    ("priority", FLAG_PRIORITY),
    ("correlation_id", FLAG_CORRELATION_ID),
    ("reply_to", FLAG_REPLY_TO),
    ("expiration", FLAG_EXPIRATION),
    ("message_id", FLAG_MESSAGE_ID),
    ("timestamp", FLAG_TIMESTAMP),
    ("type", FLAG_TYPE),
    ("user_id", FLAG_USER_ID),
    ("app_id", FLAG_APP_ID),
    ("cluster_id", FLAG_CLUSTER_ID),
)
_OCTETS: Final = {"delivery_mode": 1, "priority": 1, "timestamp": 8}  # the sizes of the numbers


def content_header(properties: Json, body_bytes: int) -> bytes:
    """The content header that says ``properties``; names that AMQP does not know are ignored, as by RabbitMQ.

    Raises:
        Refusal: 400, a value of the wrong type.
    """
    flags = 0
    octets = b""
    for name, flag in _PROPERTIES:
        value = properties.get(name)
        if value is not None:
            flags |= flag
            octets += _property(name, value)
    return u16(BASIC) + u16(0) + u64(body_bytes) + u16(flags) + octets


def _property(name: str, value: object) -> bytes:
    if name == "headers":
        return table(table_of(value, "headers"))
    size = _OCTETS.get(name)
    if size is None:
        if not isinstance(value, str):
            raise bad_request(f"not_string: {name}")
        return short(name, value.encode())
    most = 255 if size == 1 else 2**63 - 1
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        raise bad_request(f"not_int: {name} is a number from 0 to {most}")
    return value.to_bytes(size, "big")


def properties_view(header: bytes) -> Json:
    """The properties in a content header that the broker has taken."""
    view: Json = {}
    for name, flag in _PROPERTIES:
        octets = property_octets(header, flag)
        if octets is None:
            continue
        if name == "headers":
            view[name] = json_table(headers_of(header) or {})
        elif name in _OCTETS:
            view[name] = int.from_bytes(octets, "big", signed=name == "timestamp")
        else:
            view[name] = shown(octets)
    return view


def payload_of(text: str, encoding: str) -> bytes:
    """The octets of a payload.

    Raises:
        Refusal: 400.
    """
    if encoding == "string":
        return text.encode()
    if encoding != "base64":
        raise bad_request(f"unsupported_encoding: {encoding}")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise bad_request("not_base64") from None


def payload_view(payload: bytes, *, as_base64: bool) -> Json:
    """A payload as text if it is UTF-8 and not asked for otherwise, else in base64."""
    if not as_base64:
        try:
            return {"payload": payload.decode(), "payload_encoding": "string"}
        except UnicodeDecodeError:
            pass
    return {"payload": base64.b64encode(payload).decode("ascii"), "payload_encoding": "base64"}
