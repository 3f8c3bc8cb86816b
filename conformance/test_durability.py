"""What survives a restart and a kill, and what clients are told."""

import struct
from collections.abc import Callable

import pika
import pytest
from pamqp import commands
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ConnectionClosedByBroker

from conformance import raw
from conformance.brokers import Broker
from conformance.clients import drain, exchange_exists, exists, get, publish, ready, wait_ready
from conformance.deviations import by_broker, deviates

PERSISTENT = pika.BasicProperties(delivery_mode=2)
MESSAGES = 200
Connect = Callable[[], pika.BlockingConnection]


def confirmed(connect_own: Connect) -> BlockingChannel:
    channel = connect_own().channel()
    channel.confirm_delivery()
    return channel


def fill(channel: BlockingChannel, queue: str, count: int = MESSAGES) -> list[bytes]:
    channel.queue_declare(queue, durable=True)
    bodies = [str(number).encode() for number in range(count)]
    for body in bodies:
        channel.basic_publish("", queue, body, PERSISTENT)
    return bodies


def end(broker: Broker, how: str) -> None:
    if how == "kill":
        broker.kill()
    else:
        broker.stop()
    broker.start()


@deviates("redelivered-after-kill")
@pytest.mark.parametrize("how", ["stop", "kill"])
def test_confirmed_persistent_messages_are_back_once_in_order_after(
    own_broker: Broker, connect_own: Connect, how: str
) -> None:
    bodies = fill(confirmed(connect_own), "q")
    end(own_broker, how)
    channel = connect_own().channel()
    wait_ready(channel, "q", MESSAGES)
    first = get(channel, "q")
    assert first is not None
    assert (first.body, first.properties.delivery_mode) == (bodies[0], 2)
    redelivered = {"ponymq": False, "rabbitmq": how == "kill"}
    assert first.method.redelivered is redelivered[own_broker.name]
    assert drain(channel, "q") == bodies[1:]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_topology_is_back_where_it_was_durable_after(own_broker: Broker, connect_own: Connect, how: str) -> None:
    channel = confirmed(connect_own)
    for exchange, durable in (("durable", True), ("transient", False)):
        channel.exchange_declare(exchange, "topic", durable=durable)
        channel.queue_declare(exchange, durable=durable)
        channel.queue_bind(exchange, exchange, "a.#")
    channel.exchange_declare("target", "fanout", durable=True, arguments={"alternate-exchange": "durable"})
    channel.exchange_bind("target", "durable", "e.#")
    channel.queue_bind("durable", "target", "")
    channel.queue_bind("durable", "amq.headers", "", arguments={"x-match": "any", "h": 1})
    channel.queue_declare("arguments", durable=True, arguments={"x-max-length": 2, "x-message-ttl": 60000})
    channel.queue_declare("exclusive", exclusive=True, durable=True)
    named = channel.queue_declare("", durable=True).method.queue
    channel.basic_publish("", "durable", b"", PERSISTENT)
    end(own_broker, how)
    channel = connect_own().channel()
    assert exchange_exists(channel, "durable")
    assert not exchange_exists(channel, "transient")
    assert [exists(channel, queue) for queue in ("durable", "transient", "exclusive", named)] == [
        True,
        False,
        False,
        True,
    ]
    channel.queue_declare("arguments", durable=True, arguments={"x-max-length": 2, "x-message-ttl": 60000})
    channel.exchange_declare("target", "fanout", durable=True, arguments={"alternate-exchange": "durable"})
    channel.queue_purge("durable")
    for key in ("a.b", "e.f", "other"):
        channel.basic_publish("durable", key, key.encode())
    channel.basic_publish("amq.headers", "", b"h", pika.BasicProperties(headers={"h": 1}))
    assert drain(channel, "durable") == [b"a.b", b"e.f", b"h"]


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_transient_messages_in_a_durable_queue_are_gone_after(
    own_broker: Broker, connect_own: Connect, how: str
) -> None:
    channel = confirmed(connect_own)
    channel.queue_declare("q", durable=True)
    for number in range(20):
        mode = 2 if number % 2 else 1
        channel.basic_publish("", "q", str(number).encode(), pika.BasicProperties(delivery_mode=mode))
    end(own_broker, how)
    assert drain(connect_own().channel(), "q") == [str(number).encode() for number in range(1, 20, 2)]


@deviates("redelivered-after-kill")
def test_acked_messages_do_not_come_back_after_a_kill_and_unacked_ones_do_as_redelivered(
    own_broker: Broker, connect_own: Connect
) -> None:
    channel = confirmed(connect_own)
    bodies = fill(channel, "q", 50)
    consuming = channel.connection.channel()
    for _ in range(30):
        assert get(consuming, "q") is not None
    consuming.basic_ack(20, multiple=True)
    # The confirm of a later message says that what came before it in this queue is on disk as well.
    consuming.basic_qos(prefetch_count=0)
    channel.basic_publish("", "q", b"later", PERSISTENT)
    end(own_broker, "kill")
    again = connect_own().channel()
    wait_ready(again, "q", 31)
    deliveries = [get(again, "q") for _ in range(31)]
    received = [(delivery.body, delivery.method.redelivered) for delivery in deliveries if delivery is not None]
    assert [body for body, _ in received] == [*bodies[20:], b"later"]
    expected = by_broker(own_broker, ponymq=[True] * 10 + [False] * 21, rabbitmq=[True] * 31)
    assert [redelivered for _, redelivered in received] == expected


def test_committed_transaction_survives_a_kill_and_an_open_one_does_not(
    own_broker: Broker, connect_own: Connect
) -> None:
    channel = connect_own().channel()
    channel.queue_declare("q", durable=True)
    channel.tx_select()
    for body in (b"1", b"2"):
        channel.basic_publish("", "q", body, PERSISTENT)
    channel.tx_commit()
    channel.basic_publish("", "q", b"open", PERSISTENT)
    channel.basic_qos(prefetch_count=0)
    end(own_broker, "kill")
    assert drain(connect_own().channel(), "q") == [b"1", b"2"]


def test_deletions_and_purges_survive_a_kill(own_broker: Broker, connect_own: Connect) -> None:
    channel = confirmed(connect_own)
    for queue in ("deleted", "purged", "kept"):
        fill(channel, queue, 5)
    channel.exchange_declare("x", "fanout", durable=True)
    channel.queue_bind("kept", "x", "")
    channel.queue_unbind("kept", "x", "")
    channel.queue_delete("deleted")
    channel.queue_purge("purged")
    for queue in ("purged", "kept"):
        channel.basic_publish("", queue, b"later", PERSISTENT)
    end(own_broker, "kill")
    channel = connect_own().channel()
    assert not exists(channel, "deleted")
    assert drain(channel, "purged") == [b"later"]
    channel.basic_publish("x", "", b"unbound")
    assert drain(channel, "kept") == [b"0", b"1", b"2", b"3", b"4", b"later"]


def test_large_persistent_body_and_its_headers_survive_a_kill(own_broker: Broker, connect_own: Connect) -> None:
    body = bytes(range(256)) * 4096
    channel = confirmed(connect_own)
    channel.queue_declare("q", durable=True)
    properties = pika.BasicProperties(delivery_mode=2, headers={"k": [1, "two"]}, message_id="m", priority=3)
    channel.basic_publish("", "q", body, properties)
    end(own_broker, "kill")
    delivery = get(connect_own().channel(), "q")
    assert delivery is not None
    assert delivery.body == body
    assert delivery.properties == properties


def test_second_kill_right_after_recovery_loses_nothing(own_broker: Broker, connect_own: Connect) -> None:
    bodies = fill(confirmed(connect_own), "q", 20)
    end(own_broker, "kill")
    channel = confirmed(connect_own)
    first = get(channel, "q")
    assert first is not None
    channel.basic_ack(first.method.delivery_tag)
    channel.basic_publish("", "q", b"second life", PERSISTENT)
    end(own_broker, "kill")
    assert drain(connect_own().channel(), "q") == [*bodies[1:], b"second life"]


def test_orderly_stop_tells_clients_why(own_broker: Broker, connect_own: Connect) -> None:
    idle = connect_own()
    with raw.connect(own_broker, "open") as client:
        own_broker.stop()
        payload = client.expect_method(10, 50, channel=0).payload
        assert struct.unpack_from(">H", payload, 4) == (320,)
        text = b"CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
        assert payload[7 : 7 + payload[6]] == text
        assert payload[-4:] == b"\x00\x00\x00\x00"
    with pytest.raises(ConnectionClosedByBroker) as refusal:
        idle.process_data_events(time_limit=10)
    assert refusal.value.reply_code == 320


def test_pipelined_confirms_hold_after_a_kill(own_broker: Broker, connect_own: Connect) -> None:
    one = raw.encode(commands.Basic.Publish(routing_key="q"))
    with raw.connect(own_broker) as client:
        client.send(raw.encode(commands.Queue.Declare(queue="q", durable=True)), raw.encode(commands.Confirm.Select()))
        client.expect_method(50, 11)
        client.expect_method(85, 11)
        for number in range(2000):
            header = raw.header_frame(1, 4, properties=b"\x10\x00\x02")
            client.send(one, header, raw.body_frame(1, struct.pack(">I", number)))
        confirmed_up_to = 0
        while confirmed_up_to < 1000:
            frame = client.read_frame()
            assert frame.method == (60, 80)
            tag, multiple = struct.unpack_from(">QB", frame.payload, 4)
            assert multiple or tag == confirmed_up_to + 1
            confirmed_up_to = tag
        own_broker.kill()
    own_broker.start()
    channel = connect_own().channel()
    bodies = [struct.unpack(">I", body)[0] for body in drain(channel, "q")]
    assert len(bodies) >= confirmed_up_to
    assert bodies == list(range(len(bodies)))
    publish(channel, "q", b"goes on")
    wait_ready(channel, "q", 1)
    assert ready(channel, "q") == 1
