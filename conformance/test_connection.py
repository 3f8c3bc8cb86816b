"""The connection: what the server announces, tuning, heartbeats, secrets, closing."""

import struct
import time
from typing import Any, NoReturn

import pamqp.frame
import pika
import pytest
from pamqp import commands
from pika.exceptions import ConnectionClosedByBroker, ProbableAuthenticationError

from conformance import clients, raw
from conformance.brokers import Broker
from conformance.deviations import deviates
from conformance.raw import encode


def read_heartbeats(client: raw.RawClient) -> NoReturn:
    """Read for ever; nothing but heartbeats may come."""
    while True:
        assert client.read_frame().type == raw.FRAME_HEARTBEAT


CAPABILITIES = {
    "publisher_confirms": True,
    "exchange_exchange_bindings": True,
    "basic.nack": True,
    "consumer_cancel_notify": True,
    "connection.blocked": True,
    "consumer_priorities": True,
    "authentication_failure_close": True,
    "per_consumer_qos": True,
    "direct_reply_to": True,
}


def read_method(client: raw.RawClient) -> Any:
    frame = client.read_frame()
    octets = struct.pack(">BHI", frame.type, frame.channel, len(frame.payload)) + frame.payload + b"\xce"
    return pamqp.frame.unmarshal(octets)[2]


@pytest.mark.smoke
def test_start_announces_version_mechanisms_locale_and_properties(broker: Broker) -> None:
    with raw.connect(broker, "header") as client:
        client.send(raw.PROTOCOL_HEADER)
        start = read_method(client)
    assert (start.version_major, start.version_minor) == (0, 9)
    assert {"PLAIN", "AMQPLAIN"} <= set(start.mechanisms.split(" "))
    assert "en_US" in start.locales.split(" ")
    properties = start.server_properties
    assert {"capabilities", "product", "version", "platform", "copyright", "information", "cluster_name"} <= set(
        properties
    )
    assert properties["product"] == "RabbitMQ"
    assert int(properties["version"].split(".")[0]) >= 3


@pytest.mark.smoke
def test_start_announces_every_capability_as_true(broker: Broker) -> None:
    with raw.connect(broker, "header") as client:
        client.send(raw.PROTOCOL_HEADER)
        capabilities = read_method(client).server_properties["capabilities"]
    assert capabilities == CAPABILITIES


@pytest.mark.smoke
def test_tune_offers_the_documented_limits(broker: Broker) -> None:
    with raw.connect(broker, "start") as client:
        client.send(raw.start_ok())
        tune = read_method(client)
    assert (tune.channel_max, tune.frame_max, tune.heartbeat) == (2047, 131072, 60)


@deviates("tune-refusal")
@pytest.mark.parametrize(
    ("tune", "text"),
    [
        (
            raw.tune_ok(channel_max=4096),
            "negotiated channel_max = 4096 is higher than the maximum allowed value (2047)",
        ),
        (
            raw.tune_ok(channel_max=0),
            "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)",
        ),
        (
            raw.tune_ok(frame_max=262144),
            "negotiated frame_max = 262144 is higher than the maximum allowed value (131072)",
        ),
        (raw.tune_ok(frame_max=100), "negotiated frame_max = 100 is lower than the minimum allowed value (…"),
    ],
    ids=["channel_max_higher", "channel_max_unlimited", "frame_max_higher", "frame_max_lower"],
)
def test_tune_ok_outside_the_offer_is_refused(broker: Broker, tune: bytes, text: str) -> None:
    with raw.connect(broker, "tune") as client:
        client.send(tune)
        if broker.name == "rabbitmq":
            client.expect_end()
        else:
            client.expect_connection_close(530, f"NOT_ALLOWED - {text}", 10, 30)


@pytest.mark.parametrize("frame_max", [4096, 8192, 70000])
def test_smaller_frame_max_is_obeyed_in_both_directions(broker: Broker, name: str, frame_max: int) -> None:
    body = bytes(range(256)) * 100
    with raw.connect(broker, tune=raw.tune_ok(frame_max=frame_max)) as client:
        client.declare_queue(name)
        client.send(raw.publish(name, body, frame_size=frame_max - 8))
        client.send(encode(commands.Basic.Get(queue=name, no_ack=True)))
        client.expect_method(60, 71)
        client.read_frame()
        received = b""
        while len(received) < len(body):
            part = client.read_frame()
            assert len(part.payload) <= frame_max - 8
            received += part.payload
    assert received == body


@pytest.mark.smoke
def test_unknown_vhost_is_refused_by_name(broker: Broker) -> None:
    with raw.connect(broker, "tune") as client:
        client.send(raw.tune_ok(), raw.connection_open(b"foo"))
        client.expect_connection_close(530, "NOT_ALLOWED - vhost foo not found", 10, 40)


@pytest.mark.smoke
def test_wrong_password_is_refused_with_a_close_frame_to_a_capable_client(broker: Broker) -> None:
    with pytest.raises(ProbableAuthenticationError) as refusal:
        clients.connect(broker, credentials=pika.PlainCredentials("guest", "wrong"))
    assert "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN." in str(refusal.value)


def test_wrong_password_gets_no_frame_without_the_capability(broker: Broker) -> None:
    with raw.connect(broker, "start") as client:
        client.send(raw.start_ok(response=b"\x00guest\x00wrong"))
        client.expect_end()


@pytest.mark.smoke
def test_amqplain_logs_in(broker: Broker) -> None:
    response = raw.field(b"LOGIN", b"S", raw.long_string(b"guest")) + raw.field(
        b"PASSWORD", b"S", raw.long_string(b"guest")
    )
    with raw.connect(broker, "start") as client:
        client.send(raw.start_ok(b"AMQPLAIN", response))
        client.expect_method(10, 30, channel=0)


@pytest.mark.smoke
def test_update_secret_is_answered(broker: Broker) -> None:
    with raw.connect(broker) as client:
        client.send(encode(commands.Connection.UpdateSecret("guest", "rotation"), 0))
        client.expect_method(10, 71, channel=0)
        client.expect_alive()


def test_server_sends_heartbeats_and_keeps_a_client_that_sends_them(broker: Broker) -> None:
    with raw.connect(broker, tune=raw.tune_ok(heartbeat_s=1)) as client:
        for _ in range(5):
            heartbeat = client.read_frame()
            assert (heartbeat.type, heartbeat.channel, heartbeat.payload) == (raw.FRAME_HEARTBEAT, 0, b"")
            client.send(raw.frame(raw.FRAME_HEARTBEAT, 0, b""))
        client.send(encode(commands.Basic.Qos()))
        answer = client.read_frame()
        while answer.type == raw.FRAME_HEARTBEAT:
            answer = client.read_frame()
        assert answer.method == (60, 11)


def test_server_drops_a_silent_client_without_a_close_frame(broker: Broker) -> None:
    with raw.connect(broker, tune=raw.tune_ok(heartbeat_s=1)) as client:
        since = time.monotonic()
        with pytest.raises(EOFError):
            read_heartbeats(client)
        assert 1.5 < time.monotonic() - since < 5


def test_server_sends_no_heartbeats_when_the_client_declines(broker: Broker) -> None:
    with raw.connect(broker, tune=raw.tune_ok(heartbeat_s=0)) as client:
        client.timeout_s = 2.0
        with pytest.raises(TimeoutError):
            client.read_frame()


@pytest.mark.smoke
def test_every_channel_up_to_the_limit_opens_and_a_closed_number_opens_again(broker: Broker) -> None:
    with raw.connect(broker, "open") as client:
        client.send(*(encode(commands.Channel.Open(), number) for number in range(1, raw.CHANNEL_MAX + 1)))
        opened = {client.read_frame().channel for _ in range(raw.CHANNEL_MAX)}
        assert opened == set(range(1, raw.CHANNEL_MAX + 1))
        client.send(encode(commands.Channel.Close(200, "", 0, 0), 1000))
        client.expect_method(20, 41, channel=1000)
        client.open_channel(1000)
        client.expect_alive(channel=1000)


def test_one_channel_more_than_negotiated_closes_the_connection(broker: Broker) -> None:
    with raw.connect(broker, "open", tune=raw.tune_ok(channel_max=3)) as client:
        for number in (1, 2, 3):
            client.open_channel(number)
        client.send(encode(commands.Channel.Open(), 4))
        text = "NOT_ALLOWED - number of channels opened (3) has reached the negotiated channel_max (3)"
        client.expect_connection_close(530, text)


def test_first_method_of_a_channel_must_open_it(broker: Broker) -> None:
    with raw.connect(broker, "open") as client:
        client.send(encode(commands.Basic.Qos(), 5))
        client.expect_connection_close(504, "CHANNEL_ERROR - expected 'channel.open'", 60, 10)


@pytest.mark.smoke
def test_exclusive_names_are_free_once_close_ok_is_read(broker: Broker, name: str) -> None:
    for _ in range(5):
        with raw.connect(broker) as client:
            client.declare_queue(name)
            client.send(encode(commands.Connection.Close(200, "done", 0, 0), 0))
            client.expect_method(10, 51, channel=0)
            with raw.connect(broker) as next_owner:
                next_owner.declare_queue(name)
                next_owner.send(encode(commands.Queue.Delete(queue=name)))
                next_owner.expect_method(50, 41)


def test_unacked_return_and_exclusive_queues_vanish_when_the_socket_is_reset(broker: Broker, name: str) -> None:
    connection = clients.connect(broker)
    watcher = connection.channel()
    watcher.queue_declare(name, auto_delete=True)
    clients.publish(watcher, name, b"1", b"2")
    client = raw.connect(broker)
    client.declare_queue(name + "-exclusive")
    client.send(encode(commands.Basic.Get(queue=name)))
    client.expect_method(60, 71)
    client.reset()
    clients.wait_ready(watcher, name, 2)
    clients.wait_until(connection, lambda: not clients.exists(watcher, name + "-exclusive"))
    watcher.queue_delete(name)
    connection.close()


def test_heartbeats_of_pika_keep_an_idle_connection(broker: Broker) -> None:
    connection = clients.connect(broker, heartbeat=1)
    until = time.monotonic() + 3.5
    clients.wait_until(connection, lambda: time.monotonic() > until)
    connection.channel().close()
    connection.close()


@pytest.mark.smoke
def test_connection_error_reaches_pika_as_an_exception(broker: Broker) -> None:
    channel = clients.connect(broker).channel()
    with pytest.raises(ConnectionClosedByBroker) as refusal:
        channel.basic_qos(prefetch_size=10)
    assert (refusal.value.reply_code, refusal.value.reply_text) == (540, "NOT_IMPLEMENTED - prefetch_size!=0 (10)")
