"""Bad input over raw sockets: each case is refused as stated, and never disturbs another connection.

Expectations are RabbitMQ's. Where RabbitMQ 3.10.8 answers otherwise than PonyMQ must, both answers stand in the test
with `by_broker`. RabbitMQ reports nothing on the wire before it has accepted start-ok (3.10.8: before tune-ok), but
waits 3 s and drops the socket.
"""

import struct
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from typing import Final
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import commands

from conformance.brokers import Broker, PonyMQ, RabbitMQ
from conformance.deviations import by_broker
from conformance.raw import (
    CLOSES,
    FRAME_BODY,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_MAX,
    FRAME_METHOD,
    PROTOCOL_HEADER,
    RawClient,
    Stage,
    Verdict,
    body_frame,
    capabilities,
    close_arguments,
    connect,
    connection_open,
    encode,
    field,
    frame,
    header_frame,
    long_string,
    method_frame,
    publish,
    queue_declare,
    short_string,
    start_ok,
    table,
    tune_ok,
)

HANDSHAKE_TIMEOUT_S: Final = 2
MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
TRACEBACK: Final = "Traceback (most recent call last)"
QOS: Final = encode(commands.Basic.Qos())
PUBLISH: Final = encode(commands.Basic.Publish(routing_key="nobody"))
UNDECODABLE: Final[frozenset[Verdict]] = frozenset({501, 502})
REFUSES_CLOSE: Final = capabilities([b"authentication_failure_close"])


def allowed(broker: Broker, *, ponymq: Collection[Verdict], rabbitmq: Collection[Verdict]) -> Collection[Verdict]:
    """The verdicts that are right for the broker under test."""
    return by_broker(broker, ponymq=ponymq, rabbitmq=rabbitmq)


class Bystander:
    """A healthy connection with a queue of its own, which no case may disturb."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.client = connect(broker)
        self.queue = self.client.declare_queue()

    def check(self) -> None:
        """Publish and get a message back."""
        body = uuid4().bytes
        self.client.send(publish(self.queue, body))
        assert self.client.get(self.queue) == body

    def close(self) -> None:
        """Hang up."""
        self.client.sock.close()


def watch(broker: Broker) -> Iterator[Bystander]:
    healthy = Bystander(broker)
    logged = len(broker.log)
    try:
        yield healthy
        healthy.check()
        assert TRACEBACK not in broker.log[logged:]
    finally:
        healthy.close()


@pytest.fixture(autouse=True)
def bystander(broker: Broker) -> Iterator[Bystander]:
    """Open a healthy connection before the case; after it, publish and get a message, and look for a traceback."""
    yield from watch(broker)


class ImpatientPonyMQ(PonyMQ):
    """PonyMQ with a short handshake timeout."""

    def environment(self) -> dict[str, str]:
        return super().environment() | {"PONYMQ_AMQP_HANDSHAKE_TIMEOUT_S": str(HANDSHAKE_TIMEOUT_S)}


@pytest.fixture(scope="module")
def impatient_broker(broker_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker with a short handshake timeout, and with 4.x's message size limit on RabbitMQ too."""
    directory = tmp_path_factory.mktemp("impatient") / "broker"
    directory.mkdir()
    config = f"handshake_timeout = {HANDSHAKE_TIMEOUT_S * 1000}\nmax_message_size = {MAX_MESSAGE_BYTES}"
    own = ImpatientPonyMQ(directory) if broker_name == "ponymq" else RabbitMQ(directory, plugins=(), config=config)
    try:
        own.start()
        yield own
    finally:
        own.close()


@pytest.fixture
def impatient(impatient_broker: Broker) -> Iterator[Broker]:
    """The impatient broker, with a bystander of its own."""
    for _ in watch(impatient_broker):
        yield impatient_broker


# Protocol header


@pytest.mark.smoke
@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(bytes(8), id="zeros"),
        pytest.param(b"\xff" * 4000, id="garbage"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", id="http-get"),
        pytest.param(bytes.fromhex("16030100c8010000c40303") + bytes(194), id="tls-hello"),
        pytest.param(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04test", id="mqtt-connect"),
        pytest.param(b"AMQP\x00\x00\x09\x02", id="revision-2"),
        pytest.param(b"AMQP\x00\x01\x00\x00", id="amqp-1.0"),
        pytest.param(b"AMQP\x03\x01\x00\x00", id="amqp-1.0-sasl"),
        pytest.param(b"amqp\x00\x00\x09\x01", id="lower-case"),
    ],
)
def test_wrong_protocol_is_answered_with_the_amqp_header_and_the_end(broker: Broker, octets: bytes) -> None:
    with connect(broker, "header") as client:
        client.send_refused(octets)
        client.expect_octets(PROTOCOL_HEADER)
        client.expect_end()


def test_header_of_0_9_is_accepted(broker: Broker) -> None:
    with connect(broker, "header") as client:
        client.send(b"AMQP\x01\x01\x00\x09")
        client.expect_method(10, 10, channel=0)


@pytest.mark.smoke
def test_header_one_octet_at_a_time_is_accepted(broker: Broker, bystander: Bystander) -> None:
    with connect(broker, "header") as client:
        for octet in PROTOCOL_HEADER:
            client.send(bytes([octet]))
            bystander.check()  # a round trip, so that the broker sees the octets apart
        client.expect_method(10, 10, channel=0)


# Handshake timeout


@pytest.mark.parametrize(
    ("stage", "octets"),
    [
        pytest.param("header", b"", id="nothing"),
        pytest.param("header", b"AMQP", id="half-a-header"),
        pytest.param("start", b"", id="after-start"),
        pytest.param("start", start_ok()[:20], id="half-a-start-ok"),
        pytest.param("tune", b"", id="after-tune"),
        pytest.param("tune", tune_ok(), id="after-tune-ok"),
        pytest.param("tune", tune_ok() + connection_open()[:9], id="half-an-open"),
    ],
)
def test_peer_silent_before_open_is_dropped_without_a_frame(impatient: Broker, stage: Stage, octets: bytes) -> None:
    began = time.monotonic()
    with connect(impatient, stage) as client:
        client.send(octets)
        client.expect_end()
    assert HANDSHAKE_TIMEOUT_S - 0.5 <= time.monotonic() - began <= HANDSHAKE_TIMEOUT_S + 3


def test_handshake_timeout_counts_from_accept_and_not_from_the_last_octet(impatient: Broker) -> None:
    began = time.monotonic()
    with connect(impatient, "start") as client:
        client.timeout_s = 0.2
        for octet in start_ok(properties=table(field(b"long", b"S", long_string(b"x" * 200)))):
            client.send_refused(bytes([octet]))
            try:
                client.expect_end()
            except TimeoutError:
                continue
            break
        else:
            pytest.fail("start-ok was waited for to its last octet")
    assert time.monotonic() - began <= HANDSHAKE_TIMEOUT_S + 3


def test_open_connection_outlives_the_handshake_timeout(impatient: Broker) -> None:
    with connect(impatient, "header") as silent, connect(impatient) as client:
        silent.expect_end()
        client.expect_alive()


# Login


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(b"\x00guest\x00wrong", id="wrong-password"),
        pytest.param(b"\x00guest\x00", id="empty-password"),
        pytest.param(b"\x00nobody\x00guest", id="unknown-user"),
        pytest.param(b"\x00\xff\x00\xfe", id="not-utf-8"),
    ],
)
@pytest.mark.smoke
def test_failed_login_is_reported_to_a_client_that_asked_for_it(broker: Broker, response: bytes) -> None:
    with connect(broker, "start") as client:
        client.send(start_ok(response=response, properties=REFUSES_CLOSE))
        client.expect_connection_close(
            403,
            "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
            "For details see the broker logfile.",
        )


LOGIN: Final = field(b"LOGIN", b"S", long_string(b"guest"))
PASSWORD: Final = field(b"PASSWORD", b"S", long_string(b"guest"))


def test_amqplain_logs_in(broker: Broker) -> None:
    with connect(broker, "start") as client:
        client.send(start_ok(b"AMQPLAIN", LOGIN + PASSWORD))
        client.expect_method(10, 30, channel=0)


def test_amqplain_with_a_password_of_another_type_is_refused(broker: Broker) -> None:
    with connect(broker, "start") as client:
        client.send(start_ok(b"AMQPLAIN", LOGIN + field(b"PASSWORD", b"I", bytes(4)), properties=REFUSES_CLOSE))
        client.expect_connection_close(403, "ACCESS_REFUSED - Login was refused using authentication mechanism …")


SILENT_REFUSALS: Final = {
    "wrong password, not asked to report": start_ok(response=b"\x00guest\x00wrong"),
    "empty password, not asked to report": start_ok(response=b"\x00guest\x00"),
    "PLAIN with authorisation identity": start_ok(response=b"guest\x00guest\x00guest", properties=REFUSES_CLOSE),
    "PLAIN without anything": start_ok(response=b"", properties=REFUSES_CLOSE),
    "PLAIN without password": start_ok(response=b"\x00guest", properties=REFUSES_CLOSE),
    "PLAIN with a third part": start_ok(response=b"\x00guest\x00guest\x00guest", properties=REFUSES_CLOSE),
    "AMQPLAIN without anything": start_ok(b"AMQPLAIN", b"", properties=REFUSES_CLOSE),
    "AMQPLAIN without password": start_ok(b"AMQPLAIN", LOGIN, properties=REFUSES_CLOSE),
    "AMQPLAIN cut short": start_ok(b"AMQPLAIN", (LOGIN + PASSWORD)[:-3], properties=REFUSES_CLOSE),
    "AMQPLAIN of garbage": start_ok(b"AMQPLAIN", b"\xff\xff\xff", properties=REFUSES_CLOSE),
    "unknown mechanism": start_ok(b"NTLM", properties=REFUSES_CLOSE),
    "mechanism not UTF-8": start_ok(b"\xff\xfe", properties=REFUSES_CLOSE),
    "start-ok of garbage": method_frame(0, 10, 11, b"\xff\xff"),
    "client property of unknown type": start_ok(properties=table(field(b"a", b"Z", b""))),
    "client properties beyond the frame": start_ok(properties=table(b"", size=0x80000000)),
    "frame over 8192 octets": start_ok(properties=table(field(b"a", b"S", long_string(b"x" * 8200)))),
    "frame of 4 GiB": frame(FRAME_METHOD, 0, b"", size=0xFFFFFFFF),
    "unknown frame type": frame(9, 0, b""),
    "tune-ok before start-ok": tune_ok(),
    "connection.open before start-ok": connection_open(),
    "channel.open before start-ok": encode(commands.Channel.Open()),
}


def test_errors_before_login_end_the_stream_without_a_frame(broker: Broker) -> None:
    clients = {case: connect(broker, "start") for case in SILENT_REFUSALS}  # all at once: each takes 3 s
    verdicts: dict[str, Verdict] = {}
    for case, client in clients.items():
        client.send_refused(SILENT_REFUSALS[case])
    for case, client in clients.items():
        with client:
            verdicts[case] = client.verdict()
    assert verdicts == dict.fromkeys(SILENT_REFUSALS, "end")


# Tune and open


@pytest.mark.parametrize(
    ("tune", "text"),
    [
        pytest.param(
            tune_ok(frame_max=0),
            "negotiated frame_max = 0 (no limit) is higher than the maximum allowed value (131072)",
            id="frame-max-0",
        ),
        pytest.param(
            tune_ok(frame_max=100), "negotiated frame_max = 100 is lower than the minimum allowed value…", id="100"
        ),
        pytest.param(
            tune_ok(frame_max=4095), "negotiated frame_max = 4095 is lower than the minimum allowed value…", id="4095"
        ),
        pytest.param(
            tune_ok(frame_max=131073),
            "negotiated frame_max = 131073 is higher than the maximum allowed value (131072)",
            id="131073",
        ),
        pytest.param(
            tune_ok(frame_max=0xFFFFFFFF),
            "negotiated frame_max = 4294967295 is higher than the maximum allowed value (131072)",
            id="frame-max-top-bit",
        ),
        pytest.param(
            tune_ok(0),
            "negotiated channel_max = 0 (no limit) is higher than the maximum allowed value (2047)",
            id="channel-max-0",
        ),
        pytest.param(
            tune_ok(2048), "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)", id="2048"
        ),
        pytest.param(
            tune_ok(65535),
            "negotiated channel_max = 65535 is higher than the maximum allowed value (2047)",
            id="channel-max-65535",
        ),
    ],
)
def test_tune_ok_out_of_range_is_refused(broker: Broker, tune: bytes, text: str) -> None:
    with connect(broker, "tune") as client:
        client.send(tune)
        if broker.name == "rabbitmq":  # 3.10.8 says so only in its log
            client.expect_end()
        else:
            client.expect_connection_close(530, f"NOT_ALLOWED - {text}", 10, 30)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "tune",
    [tune_ok(frame_max=4096), tune_ok(frame_max=8192), tune_ok(frame_max=70000), tune_ok(), tune_ok(channel_max=1)],
    ids=["4096", "8192", "70000", "131072", "one-channel"],
)
def test_tune_ok_in_range_is_accepted(broker: Broker, tune: bytes) -> None:
    with connect(broker, tune=tune) as client:
        client.expect_alive()


def test_one_channel_too_many_closes_the_connection(broker: Broker) -> None:
    with connect(broker, tune=tune_ok(1)) as client:
        client.send(encode(commands.Channel.Open(), 2))
        client.expect_connection_close(
            530, "NOT_ALLOWED - number of channels opened (1) has reached the negotiated channel_max (1)"
        )


def test_channel_number_above_channel_max_is_refused_or_counted(broker: Broker) -> None:
    with connect(broker, "open", tune=tune_ok(10)) as client:
        client.send(encode(commands.Channel.Open(), 11))
        # RabbitMQ counts channels and does not look at the number.
        assert client.verdict() in allowed(broker, ponymq={(20, 11), 504, 530}, rabbitmq={(20, 11)})


@pytest.mark.smoke
@pytest.mark.parametrize("vhost", [b"missing", b""], ids=["missing", "empty"])
def test_open_of_a_missing_vhost_is_refused(broker: Broker, vhost: bytes) -> None:
    with connect(broker, "tune") as client:
        client.send(tune_ok(), connection_open(vhost))
        client.expect_connection_close(530, f"NOT_ALLOWED - vhost {vhost.decode()} not found", 10, 40)


def test_open_of_a_vhost_that_is_not_utf_8_is_refused(broker: Broker) -> None:
    with connect(broker, "tune") as client:
        client.send(tune_ok(), connection_open(b"\xff\xfe"))
        assert client.verdict() == 501


@pytest.mark.parametrize(
    "octets",
    [start_ok(), connection_open(), encode(commands.Channel.Open())],
    ids=["second-start-ok", "open", "channel-open"],
)
def test_anything_but_tune_ok_after_tune_is_refused(broker: Broker, octets: bytes) -> None:
    with connect(broker, "tune") as client:
        client.send(octets)
        assert client.verdict() in allowed(broker, ponymq={"end", 504, 505}, rabbitmq={"end"})


def test_frame_over_8192_octets_before_tune_ok_is_refused(broker: Broker) -> None:
    with connect(broker, "tune") as client:
        client.send_refused(frame(FRAME_METHOD, 0, bytes(9000)))
        assert client.verdict() in allowed(broker, ponymq={"end", 501}, rabbitmq={"end"})


def test_client_properties_nested_too_deep_are_refused(broker: Broker) -> None:
    with connect(broker, "start") as client:
        client.send(start_ok(properties=nested_tables(500)))
        assert client.verdict() in allowed(broker, ponymq={"end"}, rabbitmq={(10, 30)})


def test_second_tune_ok_is_refused(broker: Broker) -> None:
    with connect(broker, "tune") as client:
        client.send(tune_ok(), tune_ok())
        client.expect_connection_close(504, "CHANNEL_ERROR - unexpected method in connection state opening", 10, 31)


def test_channel_frame_before_open_is_refused(broker: Broker) -> None:
    with connect(broker, "tune") as client:
        client.send(tune_ok(), encode(commands.Channel.Open()))
        client.expect_connection_close(505, "UNEXPECTED_FRAME - type 1, all octets = <<0,20,0,10,1,48>>")


# Channel 0


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("octets", "class_id", "method_id"),
    [
        pytest.param(start_ok(), 10, 11, id="start-ok"),
        pytest.param(method_frame(0, 10, 21, long_string(b"")), 10, 21, id="secure-ok"),
        pytest.param(tune_ok(), 10, 31, id="tune-ok"),
        pytest.param(connection_open(), 10, 40, id="second-open"),
        pytest.param(method_frame(0, 10, 41, b"\x00"), 10, 41, id="open-ok"),
        pytest.param(method_frame(0, 10, 51), 10, 51, id="close-ok"),
        pytest.param(encode(commands.Channel.Open(), 0), 20, 10, id="channel-open"),
        pytest.param(encode(commands.Channel.Close(200, "", 0, 0), 0), 20, 40, id="channel-close"),
        pytest.param(queue_declare(b"q", channel=0), 50, 10, id="queue-declare"),
        pytest.param(encode(commands.Basic.Publish(), 0), 60, 40, id="publish"),
    ],
)
def test_method_out_of_sequence_on_channel_0_is_refused(
    broker: Broker, octets: bytes, class_id: int, method_id: int
) -> None:
    with connect(broker) as client:
        client.send(octets)
        text = "CHANNEL_ERROR - unexpected method in connection state running"
        client.expect_connection_close(504, text, class_id, method_id)


@pytest.mark.parametrize("frame_type", [FRAME_HEADER, FRAME_BODY], ids=["header", "body"])
def test_content_on_channel_0_is_refused(broker: Broker, frame_type: int) -> None:
    octets = header_frame(0, 1) if frame_type == FRAME_HEADER else body_frame(0, b"abc")
    with connect(broker) as client:
        client.send(octets)
        client.expect_connection_close(505, f"UNEXPECTED_FRAME - type {frame_type}, all octets = …")


def test_connection_method_on_channel_1_is_refused(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(method_frame(1, 10, 40, short_string(b"/") + b"\x00\x00"))
        client.expect_connection_close(503, "COMMAND_INVALID - unimplemented method", 10, 40)


@pytest.mark.smoke
def test_heartbeat_on_channel_1_is_refused(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(frame(FRAME_HEARTBEAT, 1, b""))
        client.expect_connection_close(505, "UNEXPECTED_FRAME - type 8, all octets = <<>>")


def test_heartbeat_with_a_payload_is_refused(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(frame(FRAME_HEARTBEAT, 0, b"abc"))
        assert client.verdict() == 501


# Frames


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("octets", "size"),
    [
        pytest.param(frame(FRAME_BODY, 1, bytes(FRAME_MAX + 1)), FRAME_MAX + 1, id="one-octet-more"),
        pytest.param(frame(FRAME_BODY, 1, b"", size=0x80000000), 0x80000000, id="top-bit"),
        pytest.param(frame(FRAME_BODY, 1, b"", size=0xFFFFFFFF), 0xFFFFFFFF, id="4-gib"),
    ],
)
def test_frame_larger_than_negotiated_is_refused(broker: Broker, octets: bytes, size: int) -> None:
    with connect(broker) as client:
        client.send_refused(octets)
        text = f"FRAME_ERROR - type 3, all octets = <<>>: {{frame_too_large,{size},{FRAME_MAX - 8}}}"
        client.expect_connection_close(501, text)


def test_frame_larger_than_a_small_negotiated_size_is_refused(broker: Broker) -> None:
    with connect(broker, tune=tune_ok(frame_max=4096)) as client:
        client.send_refused(PUBLISH, header_frame(1, 5000), body_frame(1, bytes(5000)))
        text = "FRAME_ERROR - type 3, all octets = <<>>: {frame_too_large,5000,4088}"
        client.expect_connection_close(501, text)


def test_payload_of_frame_max_octets_is_let_pass(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(PUBLISH, header_frame(1, FRAME_MAX), body_frame(1, bytes(FRAME_MAX)))
        client.expect_alive()


@pytest.mark.smoke
@pytest.mark.parametrize("end", [0x00, 0xCD, 0xFF])
def test_wrong_frame_end_is_refused(broker: Broker, end: int) -> None:
    with connect(broker) as client:
        client.send(frame(FRAME_HEARTBEAT, 0, b"", end=end))
        text = f"FRAME_ERROR - type 8, all octets = <<>>: {{invalid_frame_end_marker,{end}}}"
        client.expect_connection_close(501, text)


def test_wrong_frame_end_of_a_body_is_refused(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(PUBLISH, header_frame(1, 3), frame(FRAME_BODY, 1, b"abc", end=1))
        client.expect_connection_close(501, "FRAME_ERROR - type 3, all octets = …")


@pytest.mark.parametrize("frame_type", [0, 4, 5, 9, 65, 255])
@pytest.mark.parametrize("channel", [0, 1])
def test_unknown_frame_type_is_refused(broker: Broker, frame_type: int, channel: int) -> None:
    with connect(broker) as client:
        client.send(frame(frame_type, channel, b""))
        text = f"FRAME_ERROR - type {frame_type}, all octets = <<>>: unknown_frame"
        client.expect_connection_close(501, text)


# Methods


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("channel", "class_id", "method_id"),
    [(1, 61, 1), (1, 60, 1), (1, 60, 999), (1, 50, 12), (1, 0, 0), (1, 65535, 65535), (0, 10, 99), (0, 61, 1)],
)
def test_unknown_method_is_not_implemented(broker: Broker, channel: int, class_id: int, method_id: int) -> None:
    with connect(broker) as client:
        client.send(method_frame(channel, class_id, method_id))
        if broker.name == "rabbitmq":  # it drops the connection
            client.expect_end()
        else:
            assert client.verdict() == 540
            client.expect_end()


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x00\x3c\x00"])
def test_method_frame_too_short_for_its_ids_is_refused(broker: Broker, payload: bytes) -> None:
    with connect(broker) as client:
        client.send(frame(FRAME_METHOD, 1, payload))
        assert client.verdict() == 501


@pytest.mark.parametrize(
    "method",
    [
        commands.Channel.OpenOk(),
        commands.Channel.FlowOk(True),
        commands.Channel.CloseOk(),
        commands.Exchange.DeclareOk(),
        commands.Queue.DeclareOk("q", 0, 0),
        commands.Queue.BindOk(),
        commands.Basic.QosOk(),
        commands.Basic.ConsumeOk("c"),
        commands.Basic.Return(312, "NO_ROUTE", "", "k"),
        commands.Basic.Deliver("c", 1, False, "", "k"),
        commands.Basic.GetOk(1, False, "", "k", 0),
        commands.Basic.GetEmpty(),
        commands.Basic.RecoverOk(),
        commands.Confirm.SelectOk(),
        commands.Tx.SelectOk(),
    ],
    ids=lambda method: method.name,
)
def test_method_that_only_a_server_sends_is_refused(broker: Broker, method: commands.Basic.Deliver) -> None:
    class_id, method_id = divmod(method.index, 1 << 16)
    has_content = (class_id, method_id) in {(60, 50), (60, 60), (60, 71)}
    with connect(broker) as client:
        # RabbitMQ reads the content of a method that has one before it looks at the method.
        client.send(encode(method), header_frame(1, 0) if has_content else b"")
        client.expect_connection_close(503, "COMMAND_INVALID - unimplemented method", class_id, method_id)


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("octets", "class_id", "method_id"),
    [
        pytest.param(method_frame(1, 50, 10, b"\x00"), 50, 10, id="cut-short"),
        pytest.param(method_frame(1, 50, 10, b"\x00\x00\xffabc"), 50, 10, id="short-string-beyond-the-frame"),
        pytest.param(method_frame(1, 60, 10, bytes(7) + b"junk"), 60, 10, id="octets-left-over"),
    ],
)
def test_arguments_that_cannot_be_decoded_are_refused(
    broker: Broker, octets: bytes, class_id: int, method_id: int
) -> None:
    with connect(broker) as client:
        client.send(octets)
        client.expect_connection_close(501, "FRAME_ERROR - cannot decode <<…", class_id, method_id)


@pytest.mark.smoke
@pytest.mark.parametrize("name", [b"\xff\xfe", b"\xc0\xaf", b"ok\x80"], ids=["no-start", "overlong", "stray"])
def test_queue_name_that_is_not_utf_8_is_refused(broker: Broker, name: bytes) -> None:
    with connect(broker) as client:
        client.send(queue_declare(name))
        client.expect_connection_close(501, "FRAME_ERROR - Malformed UTF-8 in shortstr")


def test_consumer_tag_that_is_not_utf_8_is_refused(broker: Broker) -> None:
    with connect(broker) as client:
        queue = client.declare_queue().encode()
        arguments = b"\x00\x00" + short_string(queue) + short_string(b"\xff\xfe") + b"\x00" + table(b"")
        client.send(method_frame(1, 60, 20, arguments))
        assert client.verdict() == 501


def test_exchange_name_that_is_not_utf_8_is_refused_on_publish(broker: Broker) -> None:
    with connect(broker) as client:
        octets = b"\x00\x00" + short_string(b"\xff\xfe") + short_string(b"") + b"\x00"
        client.send(method_frame(1, 60, 40, octets), header_frame(1, 0))
        # RabbitMQ reads names of publishes as octets, and finds no such exchange.
        assert client.verdict() in allowed(broker, ponymq={404, 501}, rabbitmq={404})


def test_routing_key_that_is_not_utf_8_is_only_octets(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(method_frame(1, 60, 40, b"\x00\x00\x00" + short_string(b"\xff\xfe") + b"\x00"), header_frame(1, 0))
        client.expect_alive()


@pytest.mark.parametrize("bits", [0xF8, 0xFC], ids=["spare-bits", "spare-bits-and-3"])
def test_reserved_octets_and_spare_bits_of_publish_are_ignored(broker: Broker, bits: int) -> None:
    with connect(broker) as client:
        arguments = b"\xab\xcd" + short_string(b"") + short_string(b"nobody") + bytes([bits])
        client.send(method_frame(1, 60, 40, arguments), header_frame(1, 3), body_frame(1, b"abc"))
        client.expect_alive()


def test_reserved_arguments_of_opens_and_declare_are_ignored(broker: Broker) -> None:
    with connect(broker, "tune") as client:
        client.send(tune_ok(), method_frame(0, 10, 40, b"\x01/\x03abc\xff"))
        client.expect_method(10, 41, channel=0)
        client.send(method_frame(1, 20, 10, b"\x03abc"))
        client.expect_method(20, 11)
        client.send(method_frame(1, 50, 10, b"\xff\xff\x00\xe4" + table(b"")))  # exclusive, and the three spare bits
        client.expect_method(50, 11)


def test_immediate_is_not_implemented_even_with_reserved_junk(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(method_frame(1, 60, 40, b"\xab\xcd\x00\x01k\x02"), header_frame(1, 0))
        client.expect_connection_close(540, "NOT_IMPLEMENTED - immediate=true", 60, 40)


# Channels


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("octets", "class_id", "method_id"),
    [
        pytest.param(QOS, 60, 10, id="qos"),
        pytest.param(publish("nobody", b"abc"), 60, 40, id="publish"),
        pytest.param(encode(commands.Channel.Close(200, "", 0, 0)), 20, 40, id="close"),
        pytest.param(encode(commands.Channel.CloseOk()), 20, 41, id="close-ok"),
    ],
)
def test_method_on_a_channel_never_opened_is_refused(
    broker: Broker, octets: bytes, class_id: int, method_id: int
) -> None:
    with connect(broker, "open") as client:
        client.send(octets)
        client.expect_connection_close(504, "CHANNEL_ERROR - expected 'channel.open'", class_id, method_id)


def test_method_on_a_channel_that_the_client_closed_is_refused(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(encode(commands.Channel.Close(200, "", 0, 0)))
        client.expect_method(20, 41)
        client.send(QOS)
        client.expect_connection_close(504, "CHANNEL_ERROR - expected 'channel.open'", 60, 10)


@pytest.mark.smoke
def test_second_open_of_a_channel_is_refused(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(encode(commands.Channel.Open()))
        client.expect_connection_close(504, "CHANNEL_ERROR - second 'channel.open' seen", 20, 10)


@pytest.mark.smoke
def test_publishes_while_channel_close_is_pending_are_discarded(broker: Broker, name: str) -> None:
    with connect(broker) as client:
        queue = client.declare_queue(name)
        client.send(
            encode(commands.Queue.Declare(queue="missing", passive=True)),
            publish(queue, b"first"),
            publish(queue, bytes(300_000)),
            QOS,
        )
        client.expect_channel_close(404, "NOT_FOUND - no queue 'missing' in vhost '/'", 50, 10)
        client.open_channel()
        assert client.get(queue) is None


def test_crossing_channel_close_is_answered(broker: Broker) -> None:
    with connect(broker) as client:
        passive = encode(commands.Queue.Declare(queue="missing", passive=True))
        client.send(passive, encode(commands.Channel.Close(200, "", 0, 0)))
        client.expect_method(20, 40)
        client.expect_method(20, 41)
        client.send(encode(commands.Channel.CloseOk()))
        client.open_channel()


# Contents


@pytest.mark.smoke
@pytest.mark.parametrize("octets", [header_frame(1, 3), body_frame(1, b"abc")], ids=["header", "body"])
def test_content_without_a_method_is_refused(broker: Broker, octets: bytes) -> None:
    with connect(broker) as client:
        client.send(octets)
        text = "UNEXPECTED_FRAME - expected method frame, got non method frame instead"
        client.expect_connection_close(505, text)


HEADER_DUE: Final = "UNEXPECTED_FRAME - expected content header for class 60, got "
BODY_DUE: Final = "UNEXPECTED_FRAME - expected content body, got non content body frame instead"


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("octets", "text"),
    [
        pytest.param(QOS, HEADER_DUE + "non content header frame instead", id="method-for-header"),
        pytest.param(body_frame(1, b"abc"), HEADER_DUE + "non content header frame instead", id="body-for-header"),
        pytest.param(header_frame(1, 3, weight=1), HEADER_DUE + "non content header frame instead", id="weight"),
        pytest.param(header_frame(1, 3, class_id=50), HEADER_DUE + "one for class 50 instead", id="other-class"),
        pytest.param(header_frame(1, 3, class_id=61), HEADER_DUE + "one for class 61 instead", id="unknown-class"),
        pytest.param(header_frame(1, 3) + QOS, BODY_DUE, id="method-for-body"),
        pytest.param(header_frame(1, 3) + PUBLISH, BODY_DUE, id="publish-for-body"),
        pytest.param(header_frame(1, 3) + header_frame(1, 3), BODY_DUE, id="header-for-body"),
        pytest.param(header_frame(1, 3) + body_frame(1, b"ab") + QOS, BODY_DUE, id="method-for-rest-of-body"),
    ],
)
def test_frame_out_of_turn_in_a_content_is_refused(broker: Broker, octets: bytes, text: str) -> None:
    with connect(broker) as client:
        client.send(PUBLISH, octets)
        client.expect_connection_close(505, text, 60, 40)


def test_body_frame_after_an_empty_body_is_refused(broker: Broker) -> None:
    with connect(broker) as client:
        client.send(PUBLISH, header_frame(1, 0), body_frame(1, b"a"))
        client.expect_connection_close(505, "UNEXPECTED_FRAME - expected method frame, got non method frame instead")


@pytest.mark.smoke
@pytest.mark.parametrize("bodies", [[b"abcd"], [b"ab", b"cd"], [b"", b"abc" * 1000]], ids=["one", "two", "far"])
def test_body_larger_than_declared_is_refused(broker: Broker, bodies: list[bytes]) -> None:
    with connect(broker) as client:
        client.send(PUBLISH, header_frame(1, 3), *[body_frame(1, body) for body in bodies])
        if broker.name == "rabbitmq":  # 3.10.8 goes on waiting for a body frame
            client.send(QOS)
            client.expect_connection_close(505, BODY_DUE, 60, 40)
        else:
            assert client.verdict() == 501


@pytest.mark.smoke
@pytest.mark.parametrize("size", [512 * 1024 * 1024 + 1, 1 << 63, (1 << 64) - 1], ids=["512-mib", "2-63", "2-64"])
def test_body_size_beyond_any_limit_is_refused_at_the_header(broker: Broker, size: int) -> None:
    with connect(broker) as client:
        client.send(PUBLISH, header_frame(1, size))
        if broker.name == "rabbitmq":  # 3.10.8 begins to collect it
            client.send(QOS)
            client.expect_connection_close(505, BODY_DUE, 60, 40)
        else:
            assert client.verdict() == 501


def test_message_larger_than_the_limit_closes_the_channel(impatient: Broker) -> None:
    size = MAX_MESSAGE_BYTES + 1
    text = f"PRECONDITION_FAILED - message size {size} is larger than configured max size {MAX_MESSAGE_BYTES}"
    with connect(impatient) as client:
        client.send(publish("nobody", bytes(size)))
        client.expect_channel_close(406, text, 60, 40)
        client.open_channel()
        client.expect_alive()


def test_message_larger_than_the_limit_is_refused_before_its_body(impatient: Broker) -> None:
    with connect(impatient) as client:
        client.send(PUBLISH, header_frame(1, MAX_MESSAGE_BYTES + 1))
        if impatient.name == "rabbitmq":  # it wants the whole body first
            client.send(QOS)
            client.expect_connection_close(505, BODY_DUE, 60, 40)
        else:
            assert client.verdict() == 406


def test_empty_body_frames_in_a_content_are_tolerated(broker: Broker) -> None:
    with connect(broker) as client:
        queue = client.declare_queue()
        empty = body_frame(1, b"") * 10_000
        method = encode(commands.Basic.Publish(routing_key=queue))
        client.send(method, header_frame(1, 3), empty, body_frame(1, b"a"), empty, body_frame(1, b"bc"))
        assert client.get(queue) == b"abc"


def test_contents_of_two_channels_may_interleave(broker: Broker) -> None:
    with connect(broker) as client:
        client.open_channel(2)
        queue = client.declare_queue()
        heartbeat = frame(FRAME_HEARTBEAT, 0, b"")
        method = commands.Basic.Publish(routing_key=queue)
        client.send(encode(method, 1), encode(method, 2), header_frame(2, 4), header_frame(1, 4), heartbeat)
        client.send(body_frame(1, b"on"), body_frame(2, b"t"), heartbeat, body_frame(2, b"wo!"), body_frame(1, b"e!"))
        client.expect_alive(channel=1)  # both publishes are with the queue when both channels have answered
        client.expect_alive(channel=2)
        assert {client.get(queue), client.get(queue)} == {b"one!", b"two!"}


def test_one_channels_unfinished_content_does_not_hold_up_another(broker: Broker) -> None:
    with connect(broker) as client:
        client.open_channel(2)
        client.send(PUBLISH, header_frame(1, 100), body_frame(1, bytes(50)))
        client.expect_alive(channel=2)


# Properties


@pytest.mark.parametrize("payload", [b"", bytes(11)], ids=["empty", "11-octets"])
def test_content_header_too_short_is_refused(broker: Broker, payload: bytes) -> None:
    with connect(broker) as client:
        client.send(PUBLISH, frame(FRAME_HEADER, 1, payload))
        assert client.verdict() in {501, 505}


@pytest.mark.smoke
@pytest.mark.parametrize(
    "properties",
    [
        pytest.param(b"", id="no-flags"),
        pytest.param(b"\x00", id="half-the-flags"),
        pytest.param(b"\x00\x01\x00\x00", id="continued-flags"),
        pytest.param(b"\x00\x01" * 100, id="continued-for-ever"),
        pytest.param(b"\xff\xfc", id="nothing-but-flags"),
        pytest.param(b"\x80\x00\x10text", id="cut-short"),
        pytest.param(b"\x80\x00\xfftext", id="length-beyond-the-header"),
        pytest.param(b"\x80\x00\x04texttrailing", id="octets-left-over"),
    ],
)
def test_malformed_properties_are_refused(broker: Broker, properties: bytes) -> None:
    with connect(broker) as client:
        queue = client.declare_queue()
        method = encode(commands.Basic.Publish(routing_key=queue))
        client.send(method, header_frame(1, 1, properties=properties), body_frame(1, b"a"), QOS)
        assert client.verdict() in allowed(broker, ponymq=UNDECODABLE, rabbitmq={541})


# Field tables


def nested_tables(depth: int) -> bytes:
    octets = table(b"")
    for _ in range(depth):
        octets = table(field(b"a", b"F", octets))
    return octets


def nested_arrays(depth: int) -> bytes:
    octets = table(b"")
    for _ in range(depth):
        octets = table(b"A" + octets)
    return table(field(b"a", b"A", octets))


MALFORMED_TABLES: Final = {
    "longer than the frame": table(field(b"a", b"t", b"\x01"), size=5000),
    "top bit of length": table(b"", size=0x80000000),
    "length of all ones": table(b"", size=0xFFFFFFFF),
    "length cuts an item": table(field(b"a", b"t", b"\x01"), size=2),
    "length cut": b"\x00\x00",
    "integer cut": table(field(b"a", b"I", b"\x00\x00")),
    "decimal cut": table(field(b"a", b"D", b"\x01\x00")),
    "name beyond the table": table(b"\xffa"),
    "name without type": table(b"\x01a"),
    "type Z": table(field(b"a", b"Z", b"")),
    "type 0": table(field(b"a", b"\x00", b"")),
    "string beyond the table": table(field(b"a", b"S", b"\x00\x00\x03\xe8x")),
    "string of negative length": table(field(b"a", b"S", b"\xff\xff\xff\xffx")),
    "octets beyond the table": table(field(b"a", b"x", b"\x00\x00\x03\xe8x")),
    "array beyond the table": table(field(b"a", b"A", b"\x00\x00\x03\xe8t\x01")),
    "array of negative length": table(field(b"a", b"A", b"\x80\x00\x00\x00")),
    "array length cuts an item": table(field(b"a", b"A", b"\x00\x00\x00\x01I\x00\x00\x00\x00")),
    "inner table beyond the outer": table(field(b"a", b"F", b"\x00\x00\x03\xe8\x01at\x01")),
    "inner table of negative length": table(field(b"a", b"F", b"\xff\xff\xff\xfe\x01at\x01")),
}
MALFORMED: Final = pytest.mark.parametrize("octets", MALFORMED_TABLES.values(), ids=list(MALFORMED_TABLES))
DEEP: Final = pytest.mark.parametrize(
    "octets", [nested_tables(1000), nested_arrays(1000)], ids=["tables-in-tables", "arrays-in-arrays"]
)
HUGE: Final = pytest.mark.parametrize(
    "octets",
    [table(field(b"a", b"A", table(b"V" * 100_000))), table(field(b"", b"V", b"") * 43_000)],
    ids=["100000-voids-in-an-array", "43000-voids-without-a-name"],
)


def headers_verdict(client: RawClient, headers: bytes) -> Verdict:
    """Publish with this headers table; qos-ok says that it was taken."""
    client.send(PUBLISH, header_frame(1, 1, properties=b"\x20\x00" + headers), body_frame(1, b"a"), QOS)
    return client.verdict()


@MALFORMED
def test_malformed_argument_table_is_refused(broker: Broker, octets: bytes) -> None:
    with connect(broker) as client:
        client.send(queue_declare(b"", octets))
        # RabbitMQ reports the lengths that it checks itself, and drops the connection for the rest.
        assert client.verdict() in allowed(broker, ponymq=UNDECODABLE, rabbitmq={501, "end"})


@MALFORMED
def test_malformed_headers_table_is_refused(broker: Broker, octets: bytes) -> None:
    with connect(broker) as client:
        assert headers_verdict(client, octets) in allowed(broker, ponymq=UNDECODABLE, rabbitmq={541})


@pytest.mark.smoke
@DEEP
def test_argument_table_nested_too_deep_is_refused(broker: Broker, octets: bytes) -> None:
    with connect(broker) as client:
        client.send(queue_declare(b"", octets))
        assert client.verdict() in allowed(broker, ponymq=UNDECODABLE, rabbitmq={(50, 11)})


@DEEP
def test_headers_table_nested_too_deep_is_refused(broker: Broker, octets: bytes) -> None:
    with connect(broker) as client:
        assert headers_verdict(client, octets) in allowed(broker, ponymq=UNDECODABLE, rabbitmq={(60, 11)})


@pytest.mark.parametrize("octets", [nested_tables(16), nested_arrays(16)], ids=["tables", "arrays"])
def test_table_nested_sixteen_deep_is_accepted(broker: Broker, octets: bytes) -> None:
    with connect(broker) as client:
        client.send(queue_declare(b"", octets))
        client.expect_method(50, 11)
        assert headers_verdict(client, octets) == (60, 11)


@HUGE
def test_table_of_very_many_items_is_answered_in_a_moment(broker: Broker, octets: bytes) -> None:
    began = time.monotonic()
    with connect(broker) as client:
        client.send(queue_declare(b"", octets))
        assert client.verdict() in allowed(broker, ponymq={(50, 11), *UNDECODABLE}, rabbitmq={(50, 11)})
    with connect(broker) as client:
        verdict = headers_verdict(client, octets)
        assert verdict in allowed(broker, ponymq={(60, 11), *UNDECODABLE}, rabbitmq={(60, 11)})
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize(
    "octets",
    [table(field(b"\xff\xfe", b"V", b"")), table(field(b"a", b"S", long_string(b"\xff\xfe")))],
    ids=["name", "string"],
)
def test_headers_that_are_not_utf_8_come_back_unchanged(broker: Broker, octets: bytes) -> None:
    with connect(broker) as client:
        queue = client.declare_queue()
        method = encode(commands.Basic.Publish(routing_key=queue))
        client.send(method, header_frame(1, 1, properties=b"\x20\x00" + octets), body_frame(1, b"a"))
        client.send(encode(commands.Basic.Get(queue=queue, no_ack=True)))
        client.expect_method(60, 71)
        assert client.read_frame().payload == struct.pack(">HHQ", 60, 0, 1) + b"\x20\x00" + octets


# Disconnects and cuts


def session(queue: str) -> bytes:
    """A valid session as a client may pipeline it: log in, declare, publish, get, requeue, consume.

    It has no basic.cancel and no close: RabbitMQ 3.10.8's channel crashes on a cancel that comes before its queue has
    answered basic.consume, and a close overtakes what is under way.
    """
    return LOGIN_OCTETS + b"".join(
        (
            encode(commands.Queue.Declare(queue=queue, exclusive=True, arguments={"x-max-length": 5})),
            encode(commands.Confirm.Select()),
            publish(queue, b"hello"),
            encode(commands.Basic.Get(queue=queue)),
            encode(commands.Basic.Reject(delivery_tag=1, requeue=True)),
            frame(FRAME_HEARTBEAT, 0, b""),
            encode(commands.Basic.Consume(queue=queue, consumer_tag="c")),
        )
    )


LOGIN_OCTETS: Final = (
    PROTOCOL_HEADER
    + start_ok(properties=capabilities([b"basic.nack"]))
    + tune_ok()
    + connection_open()
    + encode(commands.Channel.Open())
)


# What the session is answered with, but for the confirm, which comes when it comes, and contents.
REPLIES: Final = [
    *((10, 10), (10, 30), (10, 41), (20, 11)),
    *((50, 11), (85, 11), (60, 71), (60, 21), (60, 60)),
]


def assert_session_is_answered(client: RawClient) -> None:
    answers: list[tuple[int, int]] = []
    while (60, 60) not in answers:
        answers.append(client.read_frame().method)
    assert [method for method in answers if method not in {(0, 0), (60, 80)}] == REPLIES


def test_session_cut_anywhere_gives_the_same_answers(broker: Broker, bystander: Bystander) -> None:
    for cut in range(len(session("t-cut-00000"))):
        octets = session(f"t-cut-{cut:05}")  # RabbitMQ needs a moment to forget an exclusive queue
        with connect(broker, "header") as client:
            client.send(octets[:cut])
            bystander.check()  # a round trip, so that the broker sees the two parts apart
            client.send(octets[cut:])
            assert_session_is_answered(client)


def test_session_one_octet_at_a_time_is_answered(broker: Broker, name: str) -> None:
    with connect(broker, "header") as client:
        for octet in session(name):
            client.send(bytes([octet]))
        assert_session_is_answered(client)


def hang_up(client: RawClient) -> None:
    client.sock.close()


@pytest.mark.parametrize("leave", [RawClient.reset, hang_up], ids=["rst", "fin"])
def test_disconnect_after_any_octet_leaves_nothing_behind(
    broker: Broker, name: str, leave: Callable[[RawClient], None]
) -> None:
    octets = session(name)
    for cut in range(len(octets)):
        client = connect(broker, "header")
        client.send(octets[:cut])
        leave(client)
    with connect(broker) as client:
        wait_until(lambda: is_free(client, name))


def is_free(client: RawClient, queue: str) -> bool:
    """Whether no queue has the name: an exclusive one goes with its connection."""
    client.send(encode(commands.Queue.Declare(queue=queue, passive=True)))
    verdict = client.verdict()
    client.open_channel()
    return verdict == 404


def wait_until(condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
    """Ask until it is so; each question is a round trip to the broker, so this does not spin."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came about"


@pytest.mark.smoke
@pytest.mark.parametrize("stage", ["header", "start", "tune", "open", "channel"])
def test_half_closed_peer_is_closed_too(broker: Broker, stage: Stage) -> None:
    with connect(broker, stage) as client:
        client.send(b"A")
        client.half_close()
        client.expect_end()


@pytest.mark.smoke
def test_reset_while_deliveries_are_in_flight_gives_them_back(broker: Broker, name: str) -> None:
    count = 200
    with connect(broker) as owner:
        owner.declare_queue(name, exclusive=False)
        try:
            owner.send(*[publish(name, bytes([index]) * 10_000) for index in range(count)])
            owner.expect_alive()
            victim = connect(broker)
            victim.send(encode(commands.Basic.Consume(queue=name)))
            victim.expect_method(60, 21)
            victim.expect_method(60, 60)
            victim.reset()
            wait_until(lambda: ready_count(owner, name) == count)
            assert [owner.get(name) for _ in range(count)] == [bytes([index]) * 10_000 for index in range(count)]
        finally:
            owner.send(encode(commands.Queue.Delete(queue=name)))
            owner.expect_method(50, 41)


def ready_count(client: RawClient, queue: str) -> int:
    """How many messages queue.declare-ok says are ready."""
    client.send(encode(commands.Queue.Declare(queue=queue, passive=True)))
    payload = client.expect_method(50, 11).payload
    (count,) = struct.unpack_from(">I", payload, 5 + payload[4])
    return int(count)


# Mutation

Mutation = tuple[int, int, bytes]  # where, how many octets go, what comes instead


@st.composite
def mutations(draw: st.DrawFn, first: int) -> list[Mutation]:
    """A few changes to a session, at positions counted from octet `first`."""
    place = st.integers(0, len(session("t-000000000000")) - first - 1)
    single = st.tuples(place, st.integers(0, 4), st.binary(max_size=6))
    return draw(st.lists(single, min_size=1, max_size=4))


def mutate(octets: bytes, first: int, changes: list[Mutation]) -> bytes:
    for at, gone, instead in changes:
        octets = octets[: first + at] + instead + octets[first + at + gone :]
    return octets


def assert_survives(broker: Broker, bystander: Bystander, octets: bytes) -> None:
    """Send it, say that this was all, and see valid frames and the end; the bystander goes on as before."""
    logged = len(broker.log)
    with connect(broker, "header") as client:
        client.send_refused(octets)
        with suppress(OSError):  # the broker has hung up already
            client.half_close()
        codes = [close_arguments(answer).code for answer in client.read_to_end() if answer.method in CLOSES]
    assert 541 not in codes or broker.name == "rabbitmq"  # where it crashes on malformed properties
    bystander.check()
    assert TRACEBACK not in broker.log[logged:]


FUZZ: Final = settings(
    deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


# RabbitMQ takes 3 s to drop a connection after a framing error, half-closed or not: it gets fewer examples.
def fuzz(broker: Broker, bystander: Bystander, first: int, *, ponymq: int, rabbitmq: int) -> None:
    @settings(FUZZ, max_examples=by_broker(broker, ponymq=ponymq, rabbitmq=rabbitmq))
    @given(changes=mutations(first))
    def run(changes: list[Mutation]) -> None:
        assert_survives(broker, bystander, mutate(session(f"t-{uuid4().hex[:12]}"), first, changes))

    run()


@pytest.mark.timeout(300)
def test_mutated_session_never_disturbs_another(broker: Broker, bystander: Bystander) -> None:
    fuzz(broker, bystander, len(LOGIN_OCTETS), ponymq=200, rabbitmq=30)


@pytest.mark.timeout(300)
def test_mutated_login_never_disturbs_another(broker: Broker, bystander: Bystander) -> None:
    fuzz(broker, bystander, 0, ponymq=30, rabbitmq=10)
