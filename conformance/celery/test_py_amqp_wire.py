"""py-amqp on the wire: what it sends, what it takes for granted, and what it makes of an error.

Each test is one line of what kombu and Celery rely on below their own level.
"""

import contextlib
import socket
import struct
from typing import Any

import amqp
import pytest
from amqp import exceptions

from conformance.brokers import Broker
from conformance.celery.field_types import field_types
from conformance.celery.processes import wait_until
from conformance.celery.wiretap import Wiretap

NOTICE_SECONDS = 10.0
# Only these three are asked for, and each only if the server announced it.
CAPABILITIES = {"consumer_cancel_notify": True, "connection.blocked": True, "authentication_failure_close": True}


def connect(port: int, **options: Any) -> amqp.Connection:
    """Connect as kombu does: PLAIN, and no heartbeat unless asked."""
    connection = amqp.Connection(host=f"127.0.0.1:{port}", **{"login_method": "PLAIN", **options})
    connection.connect()
    return connection


def tick(connection: amqp.Connection) -> None:
    """Do what kombu's event loop does once a second: look at the heartbeats, read what is there."""
    connection.heartbeat_tick()
    with contextlib.suppress(TimeoutError):
        connection.drain_events(timeout=0.05)


def connection_start_table(tap: Wiretap) -> bytes:
    # Frame header 7, class and method 4, version 2: then the table with its length.
    octets = tap.methods("Connection.Start")[0].octets
    (size,) = struct.unpack_from(">I", octets, 13)
    return octets[17 : 17 + size]


@pytest.mark.smoke
def test_the_handshake_is_plain_with_the_announced_capabilities(tap: Wiretap) -> None:
    connect(tap.port).close()

    start = tap.methods("Connection.Start")[0].value
    start_ok = tap.methods("Connection.StartOk")[0].value
    assert tap.frames(from_client=True)[0].octets == b"AMQP\x00\x00\x09\x01"
    assert start_ok.mechanism == "PLAIN"
    assert start_ok.response == "\0guest\0guest"
    assert start_ok.locale == "en_US"
    assert start_ok.client_properties["product"] == "py-amqp"
    assert start_ok.client_properties["product_version"] == amqp.__version__
    assert start_ok.client_properties["capabilities"] == CAPABILITIES
    assert CAPABILITIES.items() <= start.server_properties["capabilities"].items()


@pytest.mark.smoke
def test_without_kombu_the_second_mechanism_amqplain_is_taken(tap: Wiretap) -> None:
    connection = amqp.Connection(host=f"127.0.0.1:{tap.port}")
    connection.connect()
    connection.close()

    assert tap.methods("Connection.StartOk")[0].value.mechanism == "AMQPLAIN"


@pytest.mark.smoke
def test_the_servers_channel_and_frame_limits_win(tap: Wiretap) -> None:
    connect(tap.port, channel_max=7, frame_max=4096).close()

    tune, tune_ok = tap.methods("Connection.Tune")[0].value, tap.methods("Connection.TuneOk")[0].value
    assert (tune_ok.channel_max, tune_ok.frame_max) == (tune.channel_max, tune.frame_max)
    assert tune.channel_max >= 100
    assert tune.frame_max >= 4096


@pytest.mark.parametrize("asked", [0, 10, 3600])
def test_the_heartbeat_is_the_smaller_wish_but_none_if_the_client_wants_none(tap: Wiretap, asked: int) -> None:
    connect(tap.port, heartbeat=asked).close()

    offered = tap.methods("Connection.Tune")[0].value.heartbeat
    assert offered == 60
    assert tap.methods("Connection.TuneOk")[0].value.heartbeat == min(asked, offered)


def test_heartbeats_go_both_ways_and_a_silent_server_is_given_up(tap: Wiretap) -> None:
    connection = connect(tap.port, heartbeat=1)
    sides: set[bool] = set()

    def both_have_beaten() -> bool:
        tick(connection)
        sides.update(one.from_client for one in tap.frames() if one.name == "Heartbeat")
        return len(sides) == 2

    wait_until(both_have_beaten, NOTICE_SECONDS, "a heartbeat from each side")

    tap.mute_broker()
    with pytest.raises(exceptions.ConnectionForced, match="Too many heartbeats missed"):
        wait_until(lambda: tick(connection), NOTICE_SECONDS, "the client gives up")
    connection.collect()


@pytest.mark.smoke
def test_the_lowest_free_channel_number_is_used_again(broker: Broker) -> None:
    with connect(broker.port) as connection:
        channels = [connection.channel() for _ in range(3)]
        assert [channel.channel_id for channel in channels] == [1, 2, 3]
        channels[1].close()

        again = connection.channel()

        assert again.channel_id == 2
        assert again.queue_declare(exclusive=True).message_count == 0


@pytest.mark.smoke
def test_channel_close_is_answered_and_the_same_number_opened_at_once(tap: Wiretap, name: str) -> None:
    with connect(tap.port) as connection:
        channel = connection.channel()
        with pytest.raises(exceptions.NotFound):
            channel.queue_declare(name, passive=True)

        # The error is raised after the channel is open again: it can be used without another word.
        queue = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message("still here"), routing_key=queue)
        assert channel.basic_get(queue, no_ack=True).body == "still here"

    sequence = [(one.name, one.channel) for one in tap.methods() if one.channel == 1]
    at = sequence.index(("Channel.Close", 1))
    assert sequence[at : at + 4] == [
        ("Channel.Close", 1),
        ("Channel.CloseOk", 1),
        ("Channel.Open", 1),
        ("Channel.OpenOk", 1),
    ]


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("code", "kind", "is_recoverable"),
    [
        (403, exceptions.AccessRefused, False),
        (404, exceptions.NotFound, False),
        (405, exceptions.ResourceLocked, True),
        (406, exceptions.PreconditionFailed, False),
    ],
)
def test_channel_errors_have_the_classes_that_kombu_sorts_by(
    broker: Broker, name: str, code: int, kind: type[exceptions.AMQPError], is_recoverable: bool
) -> None:
    with connect(broker.port) as connection, connect(broker.port) as other:
        channel = connection.channel()
        other.channel().queue_declare(name, exclusive=True)

        channel.queue_declare(f"{name}-changed", durable=False, auto_delete=True)
        provocations = {
            403: lambda: channel.exchange_declare("amq.reserved", "direct"),
            404: lambda: channel.basic_consume(f"{name}-missing"),
            405: lambda: channel.queue_declare(name, passive=True),
            406: lambda: channel.queue_declare(f"{name}-changed", durable=True, auto_delete=True),
        }

        with pytest.raises(kind) as raised:
            provocations[code]()

        assert raised.value.reply_code == code
        assert isinstance(raised.value, exceptions.RecoverableChannelError) == is_recoverable
        assert connection.connected


@pytest.mark.smoke
def test_connection_errors_are_irrecoverable_when_the_client_is_to_blame(broker: Broker, name: str) -> None:
    with pytest.raises(exceptions.NotAllowed) as unknown_vhost:
        connect(broker.port, virtual_host=name)
    connection = connect(broker.port)
    with pytest.raises(exceptions.AMQPNotImplementedError) as not_implemented:
        connection.channel().basic_qos(1, 0, False)

    assert unknown_vhost.value.reply_code == 530
    assert not_implemented.value.reply_code == 540
    for raised in (unknown_vhost, not_implemented):
        assert isinstance(raised.value, exceptions.IrrecoverableConnectionError)
    assert not connection.connected


@pytest.mark.smoke
def test_small_integers_are_sent_as_signed_32_and_large_ones_as_signed_64_bits(tap: Wiretap) -> None:
    headers = {"small": -5, "large": 5_000_000_000, "very small": -5_000_000_000}
    with connect(tap.port) as connection:
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message("", application_headers=headers), routing_key=queue)
        received = channel.basic_get(queue, no_ack=True)

    sent = tap.messages("Basic.Publish")[0].header_octets
    assert b"\x05smallI\xff\xff\xff\xfb" in sent
    assert b"\x05largeL" + struct.pack(">q", 5_000_000_000) in sent
    assert received.headers == headers


@pytest.mark.smoke
def test_a_header_of_every_type_comes_back_octet_for_octet(tap: Wiretap) -> None:
    headers = {
        "string": "text with ünïcödé",
        "boolean": True,
        "double": 2.5,
        "integer": 2**31 - 1,
        "long": 2**62,
        "table": {"nested": {"deeper": [1, None, "x"]}},
        "array": [1, "two", [3.5], {"four": False}],
        "void": None,
    }
    with connect(tap.port) as connection:
        channel = connection.channel()
        queue = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message("", application_headers=headers), routing_key=queue)
        received = channel.basic_get(queue, no_ack=True)

    assert received.headers == headers
    sent, delivered = tap.messages("Basic.Publish")[0], tap.messages("Basic.GetOk")[0]
    assert delivered.header_octets == sent.header_octets


@pytest.mark.smoke
def test_tables_made_by_the_broker_hold_only_types_that_all_clients_read_alike(tap: Wiretap, name: str) -> None:
    with connect(tap.port) as connection:
        channel = connection.channel()
        channel.queue_declare(name, exclusive=True)
        arguments = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": name, "x-message-ttl": 0}
        dying = channel.queue_declare(exclusive=True, arguments=arguments).queue
        # The broker's own table is looked at, so the message brings no headers of its own.
        channel.basic_publish(amqp.Message(b"dies", expiration="60000"), routing_key=dying)
        wait_until(lambda: channel.queue_declare(name, passive=True).message_count == 1, NOTICE_SECONDS, "dead letter")
        dead = channel.basic_get(name, no_ack=True)

    header = tap.messages("Basic.GetOk")[0].header_octets
    # Frame header 7, class 2, weight 2, body size 8, flags 2: then the headers table, being the only property.
    (size,) = struct.unpack_from(">I", header, 21)
    death_types = field_types(header[25 : 25 + size])
    start_types = field_types(connection_start_table(tap))
    assert dead.headers["x-death"][0]["original-expiration"] == "60000"
    assert dead.headers["x-death"][0]["count"] == 1
    # `s` is a short string to some clients and a 16-bit integer to others; `b` and `B` differ in their sign.
    assert death_types <= set("SAFlTt")
    assert start_types <= set("SFt")


@pytest.mark.smoke
def test_a_publish_reads_what_is_pending_before_it_writes(tap: Wiretap, name: str) -> None:
    with connect(tap.port) as connection:
        channel = connection.channel()
        channel.basic_publish(amqp.Message("nowhere"), exchange=name, routing_key="key")
        tap.wait_for_method("Channel.Close")

        def second_publish_fails() -> bool:
            # The close has passed the proxy; it may still be on its way to the client's socket.
            try:
                channel.basic_publish(amqp.Message("nowhere"), exchange="", routing_key=name)
            except exceptions.NotFound:
                return True
            return False

        wait_until(second_publish_fails, NOTICE_SECONDS, "the publish raises the error of the one before")


@pytest.mark.smoke
def test_a_large_load_never_runs_into_the_one_second_that_py_amqp_allows(broker: Broker) -> None:
    with connect(broker.port) as connection:
        options = (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        user_timeout_ms, *keepalive = (connection.sock.getsockopt(socket.IPPROTO_TCP, option) for option in options)
        channel = connection.channel()
        arguments = {"x-max-length": 1}
        queue = channel.queue_declare(exclusive=True, arguments=arguments).queue
        body = b"x" * 256 * 1024
        for _ in range(200):
            channel.basic_publish(amqp.Message(body), routing_key=queue)

        assert (user_timeout_ms, keepalive) == (1000, [60, 10, 9])
        assert channel.queue_declare(queue, passive=True).message_count == 1


@pytest.mark.smoke
def test_a_delivery_for_an_unknown_consumer_tag_is_rejected_and_requeued(tap: Wiretap, name: str) -> None:
    with connect(tap.port) as connection, connect(tap.port) as publisher:
        channel = connection.channel()
        channel.queue_declare(name, auto_delete=False)
        tag = channel.basic_consume(name, callback=lambda message: None)
        # As if the delivery had crossed with a cancel: the client has forgotten the tag, the server has not.
        del channel.callbacks[tag]
        publisher.channel().basic_publish(amqp.Message("too late"), routing_key=name)
        connection.drain_events(timeout=NOTICE_SECONDS)
        channel.basic_cancel(tag)

        # It may have been delivered a second time before the cancel arrived, and is rejected a second time then.
        other = publisher.channel()
        wait_until(lambda: other.queue_declare(name, passive=True).message_count == 1, NOTICE_SECONDS, "requeued")
        message = other.basic_get(name, no_ack=True)
        other.queue_delete(name)

    assert {one.value.requeue for one in tap.methods("Basic.Reject")} == {True}
    assert message.body == "too late"
    assert message.delivery_info["redelivered"] is True


@pytest.mark.smoke
def test_a_cancel_by_the_server_is_a_recoverable_connection_error(broker: Broker, name: str) -> None:
    with connect(broker.port) as connection, connect(broker.port) as other:
        channel = connection.channel()
        channel.queue_declare(name)
        channel.basic_consume(name, consumer_tag="None1", callback=lambda message: None)
        other.channel().queue_delete(name)

        with pytest.raises(exceptions.ConsumerCancelled, match="None1") as raised:
            connection.drain_events(timeout=NOTICE_SECONDS)

        assert isinstance(raised.value, exceptions.RecoverableConnectionError)


@pytest.mark.smoke
def test_a_returned_message_without_handler_is_an_error(broker: Broker, name: str) -> None:
    with connect(broker.port) as connection:
        channel = connection.channel()
        channel.basic_publish(amqp.Message("nowhere"), routing_key=name, mandatory=True)

        with pytest.raises(exceptions.ChannelError) as raised:
            connection.drain_events(timeout=NOTICE_SECONDS)

        assert (raised.value.reply_code, raised.value.reply_text) == (312, "NO_ROUTE")


@pytest.mark.smoke
def test_a_socket_closed_without_goodbye_frees_everything_and_is_no_error(broker: Broker, name: str) -> None:
    with connect(broker.port) as staying:
        watching = staying.channel()
        watching.queue_declare(name, auto_delete=False)
        watching.basic_publish(amqp.Message("held"), routing_key=name)
        connection = connect(broker.port)
        connection.channel().basic_consume(name, callback=lambda message: None)
        connection.drain_events(timeout=NOTICE_SECONDS)
        log_before = len(broker.log)

        connection.collect()

        wait_until(
            lambda: watching.queue_declare(name, passive=True)[1:] == (1, 0), NOTICE_SECONDS, "one ready, no consumer"
        )
        assert watching.basic_get(name, no_ack=True).delivery_info["redelivered"] is True
        watching.queue_delete(name)
    logged = broker.log[log_before:].lower()
    assert "[error]" not in logged
    assert " error " not in logged
    assert "traceback" not in logged
