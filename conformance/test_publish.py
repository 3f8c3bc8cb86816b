"""Publishing: bodies of every size, properties and headers of every type, returns, keys in headers, expiration."""

import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pika
import pytest
from pamqp import commands
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import UnroutableError

from conformance import raw
from conformance.brokers import Broker
from conformance.clients import channel_refused, drain, get, publish, wait_until

FRAME_BODY_OCTETS = 131072 - 8


@pytest.mark.smoke
@pytest.mark.parametrize("frames", [0, 1, 2, 5])
@pytest.mark.parametrize("difference", [-1, 0, 1])
def test_body_around_a_whole_number_of_frames_survives(
    channel: BlockingChannel, name: str, frames: int, difference: int
) -> None:
    size = max(0, frames * FRAME_BODY_OCTETS + difference)
    body = (bytes(range(251)) * (size // 251 + 1))[:size]
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, body, b"after")
    assert drain(channel, name) == [body, b"after"]


@pytest.mark.smoke
def test_body_of_five_megabytes_survives(channel: BlockingChannel, name: str) -> None:
    body = bytes(range(256)) * 20480
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, body)
    assert drain(channel, name) == [body]


@pytest.mark.smoke
def test_empty_body_is_a_header_without_body_frames(broker: Broker, name: str) -> None:
    with raw.connect(broker) as client:
        client.declare_queue(name)
        client.send(raw.publish(name, b""), raw.encode(commands.Basic.Get(queue=name, no_ack=True)))
        client.expect_method(60, 71)
        header = client.read_frame()
        assert header.type == raw.FRAME_HEADER
        assert header.payload[:12] == struct.pack(">HHQ", 60, 0, 0)
        client.expect_alive()


@pytest.mark.smoke
def test_every_property_survives(channel: BlockingChannel, name: str) -> None:
    sent = {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": {"a": 1},
        "delivery_mode": 2,
        "priority": 7,
        "correlation_id": "correlation",
        "reply_to": "somewhere",
        "expiration": "60000",
        "message_id": "message",
        "timestamp": 1700000000,
        "type": "kind",
        "user_id": "guest",
        "app_id": "application",
        "cluster_id": "cluster",
    }
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"x", **sent)
    delivery = get(channel, name)
    assert delivery is not None
    assert {key: getattr(delivery.properties, key) for key in sent} == sent


@pytest.mark.smoke
def test_absent_properties_stay_absent(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    channel.basic_publish("", name, b"x")
    delivery = get(channel, name)
    assert delivery is not None
    assert [value for value in vars(delivery.properties).values() if value is not None] == []


@pytest.mark.smoke
def test_header_values_of_every_client_type_survive(channel: BlockingChannel, name: str) -> None:
    headers = {
        "text": "grüße",
        "empty": "",
        "true": True,
        "small": -5,
        "large": 2**40,
        "negative": -(2**40),
        "decimal": Decimal("3.14"),
        "time": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None),
        "table": {"inner": {"deep": [1, "two"]}, "none": None},
        "no table": {},
        "array": ["a", 1, None, [2], {"b": False}],
        "no array": [],
        "nothing": None,
        "bytes": b"\x00\xff",
    }
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"x", headers=headers)
    delivery = get(channel, name)
    assert delivery is not None
    received = dict(delivery.properties.headers)
    received["time"] = received["time"].replace(tzinfo=None)
    assert received == headers


FIELD_TYPES = {
    "b": b"\xfe",
    "B": b"\xfe",
    "s": b"\xff\x00",
    "u": b"\xff\x00",
    "I": b"\xff\x00\x00\x01",
    "i": b"\xff\x00\x00\x01",
    "l": b"\xff" + b"\x00" * 7,
    "f": struct.pack(">f", 1.25),
    "d": struct.pack(">d", -1.25),
    "D": b"\x02\x00\x00\x01\x3a",
    "t": b"\x01",
    "S": b"\x00\x00\x00\x03a\x00b",
    "x": b"\x00\x00\x00\x02\x00\xff",
    "T": b"\x00\x00\x00\x00\x65\x53\xf1\x00",
    "V": b"",
    "F": b"\x00\x00\x00\x00",
    "A": b"\x00\x00\x00\x02V" + b"V",
}


@pytest.mark.smoke
@pytest.mark.parametrize("letter", FIELD_TYPES)
def test_header_field_type_comes_back_octet_for_octet(broker: Broker, name: str, letter: str) -> None:
    table = raw.table(raw.field(b"h", letter.encode(), FIELD_TYPES[letter]))
    properties = struct.pack(">H", 0x2000) + table
    with raw.connect(broker) as client:
        client.declare_queue(name)
        client.send(raw.encode(commands.Basic.Publish(routing_key=name)))
        client.send(raw.header_frame(1, 1, properties=properties), raw.body_frame(1, b"x"))
        client.send(raw.encode(commands.Basic.Get(queue=name, no_ack=True)))
        client.expect_method(60, 71)
        assert client.read_frame().payload[12:] == properties


@pytest.mark.smoke
def test_repeated_header_keys_come_back_as_sent(broker: Broker, name: str) -> None:
    items = raw.field(b"k", b"I", b"\x00\x00\x00\x01") + raw.field(b"k", b"S", raw.long_string(b"two"))
    properties = struct.pack(">H", 0x2000) + raw.table(items)
    with raw.connect(broker) as client:
        client.declare_queue(name)
        client.send(raw.encode(commands.Basic.Publish(routing_key=name)))
        client.send(raw.header_frame(1, 0, properties=properties))
        client.send(raw.encode(commands.Basic.Get(queue=name, no_ack=True)))
        client.expect_method(60, 71)
        assert client.read_frame().payload[12:] == properties


@pytest.mark.smoke
def test_mandatory_message_without_a_route_comes_back_whole(channel: BlockingChannel, name: str) -> None:
    returned: list[tuple[Any, pika.BasicProperties, bytes]] = []
    channel.add_on_return_callback(lambda _, method, properties, body: returned.append((method, properties, body)))
    properties = pika.BasicProperties(message_id="1", headers={"a": 1}, delivery_mode=2)
    channel.basic_publish("amq.direct", name, b"body", properties, mandatory=True)
    wait_until(channel.connection, lambda: returned)
    method, back, body = returned[0]
    assert (method.reply_code, method.reply_text) == (312, "NO_ROUTE")
    assert (method.exchange, method.routing_key, body, back) == ("amq.direct", name, b"body", properties)


@pytest.mark.smoke
def test_message_without_a_route_vanishes_unless_mandatory(channel: BlockingChannel, name: str) -> None:
    channel.confirm_delivery()
    channel.basic_publish("", name, b"x")
    with pytest.raises(UnroutableError):
        channel.basic_publish("", name, b"x", mandatory=True)


@pytest.mark.smoke
def test_keys_in_cc_and_bcc_headers_route_once_per_queue(channel: BlockingChannel, name: str) -> None:
    queues = [f"{name}-{number}" for number in range(3)]
    for queue in queues:
        channel.queue_declare(queue, exclusive=True)
    headers = {"CC": [queues[1], queues[0], queues[1]], "BCC": [queues[2], queues[0]], "kept": 1}
    publish(channel, queues[0], b"x", headers=headers)
    for queue in queues:
        delivery = get(channel, queue)
        assert delivery is not None
        assert delivery.properties.headers == {"CC": headers["CC"], "kept": 1}
        assert delivery.method.routing_key == queues[0]
        assert get(channel, queue) is None


@pytest.mark.smoke
def test_bcc_is_absent_from_a_returned_message(channel: BlockingChannel, name: str) -> None:
    returned: list[dict[str, Any]] = []
    channel.add_on_return_callback(lambda _c, _m, properties, _b: returned.append(properties.headers))
    properties = pika.BasicProperties(headers={"BCC": [f"{name}-2"], "kept": 1})
    channel.basic_publish("", name, b"", properties, mandatory=True)
    wait_until(channel.connection, lambda: returned)
    assert returned == [{"kept": 1}]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("properties", "text"),
    [
        ({"expiration": "abc"}, "invalid expiration 'abc': no_integer"),
        ({"expiration": "10foobar"}, "invalid expiration '10foobar': {leftover_string,\"foobar\"}"),
        ({"expiration": "-10"}, "invalid expiration '-10': {value_negative,-10}"),
        ({"expiration": "315360000001"}, "invalid expiration '315360000001': {value_too_large,315360000001}"),
        ({"headers": {"CC": 70000}}, 'invalid message: {unacceptable_type_in_header,"CC",signedint}'),
        ({"headers": {"BCC": "text"}}, 'invalid message: {unacceptable_type_in_header,"BCC",longstr}'),
        ({"user_id": "somebody"}, "user_id property set to 'somebody' but authenticated user was 'guest'"),
    ],
)
def test_message_with_a_bad_property_is_refused(
    channel: BlockingChannel, name: str, properties: dict[str, Any], text: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    with channel_refused(406, f"PRECONDITION_FAILED - {text}"):
        publish(channel, name, b"x", **properties)
        channel.basic_qos(prefetch_count=1)


def test_immediate_is_not_implemented(broker: Broker, name: str) -> None:
    with raw.connect(broker) as client:
        client.send(raw.encode(commands.Basic.Publish(exchange=name, immediate=True)), raw.header_frame(1, 0))
        client.expect_connection_close(540, "NOT_IMPLEMENTED - immediate=true", 60, 40)


def test_contents_of_several_channels_may_interleave_frame_by_frame(broker: Broker, name: str) -> None:
    def parts(channel: int, body: bytes) -> list[bytes]:
        method = raw.encode(commands.Basic.Publish(routing_key=name), channel)
        return [method, raw.header_frame(channel, len(body)), *(raw.body_frame(channel, bytes([o])) for o in body)]

    with raw.connect(broker) as client:
        client.declare_queue(name)
        client.open_channel(2)
        for one, two in zip(parts(1, b"first!"), parts(2, b"second"), strict=True):
            client.send(one, two)
        bodies = {client.get(name), client.get(name)}
    assert bodies == {b"first!", b"second"}


@pytest.mark.smoke
@pytest.mark.parametrize("count", [1000])
def test_messages_of_one_channel_keep_their_order(channel: BlockingChannel, name: str, count: int) -> None:
    channel.queue_declare(name, exclusive=True)
    bodies = [str(number).encode() for number in range(count)]
    publish(channel, name, *bodies)
    assert drain(channel, name) == bodies
