"""Publisher confirms: every number once, returns first, refusals as nacks."""

import struct

import pytest
from pamqp import commands
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import NackError, UnroutableError

from conformance import raw
from conformance.brokers import Broker
from conformance.clients import channel_refused, drain, publish

pytestmark = pytest.mark.smoke
ACK, NACK, RETURN, GET_OK, GET_EMPTY = (60, 80), (60, 120), (60, 50), (60, 71), (60, 72)


def select_confirms(client: raw.RawClient) -> None:
    client.send(raw.encode(commands.Confirm.Select()))
    client.expect_method(85, 11)


def read_confirms(client: raw.RawClient, count: int) -> tuple[set[int], set[int]]:
    """Read until `count` numbers are settled; each may be settled only once. Returns the acked and the nacked."""
    acked: set[int] = set()
    nacked: set[int] = set()
    while len(acked) + len(nacked) < count:
        frame = client.read_frame()
        assert frame.method in {ACK, NACK}, frame
        tag, bits = struct.unpack_from(">QB", frame.payload, 4)
        settled = {tag}
        if bits & 1:
            settled = {number for number in range(1, tag + 1) if number not in acked and number not in nacked}
        assert not settled & (acked | nacked)
        (acked if frame.method == ACK else nacked).update(settled)
    return acked, nacked


@pytest.mark.parametrize("durable", [False, True])
def test_ten_thousand_publishes_are_confirmed_each_once(broker: Broker, name: str, durable: bool) -> None:
    properties = b"\x10\x00\x02" if durable else b"\x00\x00"
    one = raw.encode(commands.Basic.Publish(routing_key=name)) + raw.header_frame(1, 1, properties=properties)
    one += raw.body_frame(1, b"x")
    with raw.connect(broker) as client:
        client.send(raw.encode(commands.Queue.Declare(queue=name, durable=durable)))
        client.expect_method(50, 11)
        select_confirms(client)
        client.send(one * 10_000)
        acked, nacked = read_confirms(client, 10_000)
        assert acked == set(range(1, 10_001))
        assert not nacked
        client.send(raw.encode(commands.Queue.Delete(queue=name)))
        assert client.expect_method(50, 41).payload[4:] == struct.pack(">I", 10_000)


def test_numbers_start_at_the_first_publish_after_select_and_select_again_changes_nothing(
    broker: Broker, name: str
) -> None:
    with raw.connect(broker) as client:
        client.declare_queue(name)
        client.send(raw.publish(name, b"unconfirmed"))
        select_confirms(client)
        client.send(raw.publish(name, b"1"))
        assert read_confirms(client, 1) == ({1}, set())
        select_confirms(client)
        client.send(raw.publish(name, b"2"))
        assert struct.unpack_from(">Q", client.expect_method(*ACK).payload, 4) == (2,)


def test_return_comes_before_the_confirm_and_the_confirm_is_an_ack(broker: Broker, name: str) -> None:
    publish_mandatory = raw.encode(commands.Basic.Publish(routing_key=name, mandatory=True))
    with raw.connect(broker) as client:
        select_confirms(client)
        client.send(publish_mandatory, raw.header_frame(1, 4), raw.body_frame(1, b"body"))
        client.expect_method(*RETURN)
        assert client.expect_content() == b"body"
        assert struct.unpack_from(">Q", client.expect_method(*ACK).payload, 4) == (1,)


def test_pika_sees_confirms_returns_and_nacks(channel: BlockingChannel, name: str) -> None:
    channel.confirm_delivery()
    channel.queue_declare(name, exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    channel.basic_publish("", name, b"1", mandatory=True)
    with pytest.raises(NackError):
        channel.basic_publish("", name, b"2")
    with pytest.raises(UnroutableError):
        channel.basic_publish("", f"{name}-missing", b"3", mandatory=True)
    assert drain(channel, name) == [b"1"]
    channel.basic_publish("", name, b"4")


def test_refusal_by_one_queue_is_a_nack_and_the_other_keeps_its_copy(channel: BlockingChannel, name: str) -> None:
    full, free = f"{name}-full", f"{name}-free"
    channel.queue_declare(full, exclusive=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"})
    channel.queue_declare(free, exclusive=True)
    for queue in (full, free):
        channel.queue_bind(queue, "amq.direct", name)
    channel.confirm_delivery()
    with pytest.raises(NackError):
        channel.basic_publish("amq.direct", name, b"x", mandatory=True)
    assert drain(channel, free) == [b"x"]
    assert drain(channel, full) == []


def test_publish_that_fails_the_channel_is_not_confirmed(channel: BlockingChannel, name: str) -> None:
    channel.confirm_delivery()
    with channel_refused(404, f"NOT_FOUND - no exchange '{name}' in vhost '/'"):
        channel.basic_publish(name, "k", b"x")


def test_dropped_and_expired_messages_are_acked(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments={"x-max-length": 2})
    channel.confirm_delivery()
    for number in range(5):
        channel.basic_publish("", name, str(number).encode())
    publish(channel, name, b"never", expiration="0")
    assert drain(channel, name) in ([b"4"], [b"3", b"4"])
