"""The connection machine: handshake, frames wherever they are cut, heartbeats, and every way it ends."""

import itertools
import struct

import pamqp.frame
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import body, commands, header

from broker.protocol.connection import CHOKE_BYTES
from broker.protocol.states import CLOSING, RUNNING
from broker.wire.outbox import OUTBOX_LIMIT
from tests.protocol.stranger import HEADER, Close, Stranger
from tests.queues.scene import Scene


def content(octets: bytes) -> list[object]:
    return [header.ContentHeader(0, len(octets), commands.Basic.Properties()), body.ContentBody(octets)]


# --- handshake


def test_handshake_goes_from_header_to_open_ok(scene: Scene) -> None:
    peer = Stranger(scene)
    peer.start()
    assert peer.names() == ["Connection.Start"]
    peer.log_in()
    assert peer.names() == ["Connection.Tune"]
    peer.tune().enter()
    assert peer.names() == ["Connection.OpenOk"]
    assert peer.connection.state == RUNNING


def test_old_header_of_0_9_is_accepted(scene: Scene) -> None:
    peer = Stranger(scene)
    peer.connection.feed(b"AMQP\x01\x01\x00\x09")
    assert peer.names() == ["Connection.Start"]


@pytest.mark.parametrize(
    "octets", [b"GET / HT", b"AMQP\x00\x01\x00\x00", b"AMQP\x00\x00\x09\x02", b"\x16\x03\x01aaaaa"]
)
def test_any_other_header_is_answered_with_ours_and_the_socket_is_closed(scene: Scene, octets: bytes) -> None:
    peer = Stranger(scene)
    peer.connection.feed(octets)
    assert peer.octets == HEADER
    assert peer.is_closed


def test_header_octet_by_octet_is_a_header(scene: Scene) -> None:
    peer = Stranger(scene)
    for octet in HEADER:
        assert peer.names() == []
        peer.connection.feed(bytes([octet]))
    assert peer.names() == ["Connection.Start"]


def test_wrong_password_is_told_only_to_a_client_that_asked(scene: Scene) -> None:
    peer = Stranger(scene).start()
    peer.log_in("wrong")
    text = (
        "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. For details see the broker logfile."
    )
    assert peer.closes() == [Close(0, 403, text, (0, 0))]
    silent = Stranger(scene).start()
    silent.heard.clear()
    silent.log_in("wrong", capabilities={})
    assert silent.closes() == []
    silent.tick(2.9)
    assert not silent.is_aborted
    silent.tick(0.1)
    assert silent.is_aborted


@pytest.mark.parametrize("damage", ["longer", "shorter", "no frame"])
def test_a_login_that_cannot_be_read_does_not_show_its_password_in_the_log(scene: Scene, damage: str) -> None:
    octets = pamqp.frame.marshal(commands.Connection.StartOk({}, "PLAIN", "\0guest\0s3cret", "en_US"), 0)
    payload = octets[7:-1] + b"\0" if damage == "longer" else octets[7:-4]
    if damage == "no frame":
        payload = octets[25:-1]
    kind = 77 if damage == "no frame" else 1
    peer = Stranger(scene).start()
    peer.heard.clear()
    peer.connection.feed(struct.pack(">BHI", kind, 0, len(payload)) + payload + b"\xce")
    assert peer.closes() == []
    reason = peer.connection.close_reason
    assert reason.startswith("FRAME_ERROR - ")
    assert reason.endswith("<<...>>")
    assert "115,51,99" not in reason
    assert "s3cret" not in reason


def test_a_secret_that_cannot_be_read_is_not_shown_in_the_log(scene: Scene) -> None:
    peer = Stranger(scene).running()
    payload = struct.pack(">HHI", 10, 70, 100) + b"s3cret"
    peer.connection.feed(struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")
    assert peer.connection.close_reason == "FRAME_ERROR - cannot decode <<...>>"


def test_silence_before_open_ends_after_the_handshake_time(scene: Scene) -> None:
    for stage in range(4):
        peer = Stranger(scene)
        if stage > 0:
            peer.start()
        if stage > 1:
            peer.log_in()
        if stage > 2:
            peer.tune()
        peer.tick(9.9)
        assert not peer.is_aborted
        peer.tick(0.1)
        assert peer.is_aborted
        assert "handshake timeout" in peer.connection.close_reason


def test_frame_before_tune_ok_may_not_be_larger_than_the_minimum(scene: Scene) -> None:
    peer = Stranger(scene).start()
    peer.heard.clear()
    peer.connection.feed(struct.pack(">BHI", 1, 0, 8192 + 1))
    assert peer.closes() == []  # nothing is said before the login is known
    peer.tick(3.0)
    assert peer.is_aborted


# --- frames


SESSION = (
    HEADER
    + pamqp.frame.marshal(commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US"), 0)
    + pamqp.frame.marshal(commands.Connection.TuneOk(2047, 131_072, 0), 0)
    + pamqp.frame.marshal(commands.Connection.Open("/"), 0)
    + pamqp.frame.marshal(commands.Channel.Open(), 1)
    + pamqp.frame.marshal(commands.Queue.Declare(queue="q", exclusive=True), 1)
    + pamqp.frame.marshal(commands.Basic.Consume(queue="q", consumer_tag="c", no_ack=True), 1)
    + b"".join(
        pamqp.frame.marshal(frame, 1)
        for number in range(3)
        for frame in [commands.Basic.Publish(routing_key="q"), *content(b"%d" % number * 300)]
    )
    + pamqp.frame.marshal(commands.Basic.Publish(routing_key="q"), 1)
    + pamqp.frame.marshal(header.ContentHeader(0, 0, commands.Basic.Properties()), 1)
)
GOODBYE = pamqp.frame.marshal(commands.Connection.Close(200, "bye", 0, 0), 0)
ANSWERS = [
    "Connection.Start",
    "Connection.Tune",
    "Connection.OpenOk",
    "Channel.OpenOk",
    "Queue.DeclareOk",
    "Basic.ConsumeOk",
    *["Basic.Deliver", "ContentHeader", "ContentBody"] * 3,
    "Basic.Deliver",
    "ContentHeader",
    "Connection.CloseOk",
]


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(SESSION)), max_size=12), read_behind=st.lists(st.booleans(), max_size=12))
def test_session_is_the_same_wherever_its_octets_are_cut(
    scene: Scene, cuts: list[int], read_behind: list[bool]
) -> None:
    peer = Stranger(scene)
    places = sorted({0, *cuts, len(SESSION)})
    for start, end in itertools.pairwise(places):
        tail = peer.connection.tail if read_behind and read_behind.pop() else b""
        peer.connection.feed(tail + SESSION[start:end], len(tail))
    assert peer.connection.octets_received == len(SESSION)
    peer.connection.feed(GOODBYE)
    peer.connection.lost()
    assert peer.names() == ANSWERS
    assert peer.is_closed
    assert b"q" not in scene.vhost.queues  # the exclusive queue went before close-ok


def test_session_octet_by_octet_is_the_same(scene: Scene) -> None:
    peer = Stranger(scene)
    for octet in SESSION + GOODBYE:
        peer.connection.feed(bytes([octet]))
    assert peer.names() == ANSWERS


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(octets=st.binary(max_size=600))
def test_random_octets_after_the_handshake_never_crash(scene: Scene, octets: bytes) -> None:
    peer = Stranger(scene).with_channel()
    peer.connection.feed(octets)
    peer.connection.lost()
    assert scene.context.connections == {}


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    frames=st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 8]), st.integers(0, 2), st.integers(0, 90), st.binary(max_size=40)),
        max_size=8,
    )
)
def test_random_frames_never_crash(scene: Scene, frames: list[tuple[int, int, int, bytes]]) -> None:
    peer = Stranger(scene).with_channel()
    for kind, channel, class_id, octets in frames:
        payload = struct.pack(">HH", class_id, 10 * (len(octets) % 13)) + octets
        peer.connection.feed(struct.pack(">BHI", kind, channel, len(payload)) + payload + b"\xce")
    peer.connection.lost()
    assert scene.context.connections == {}


# --- heartbeats


def test_heartbeat_is_sent_after_half_an_interval_of_silence(scene: Scene) -> None:
    peer = Stranger(scene).running(heartbeat=10)
    peer.tick(5.0)  # the handshake's octets went out since the last look
    assert peer.names() == []
    peer.tick(5.0)
    assert peer.names() == ["Heartbeat"]
    peer.say(1, commands.Channel.Open())
    peer.heard.clear()
    peer.connection.feed(pamqp.frame.marshal(pamqp.heartbeat.Heartbeat(), 0))
    peer.tick(5.0)
    assert peer.names() == []  # channel.open-ok was traffic enough


def test_peer_is_dropped_without_a_word_between_two_and_three_intervals(scene: Scene) -> None:
    peer = Stranger(scene).running(heartbeat=10)
    peer.tick(10.0)
    peer.tick(10.0)
    assert not peer.is_aborted
    peer.tick(10.0)
    assert peer.is_aborted
    assert peer.closes() == []
    assert peer.connection.close_reason == "missed heartbeats from client, timeout: 10s"


def test_any_octet_counts_as_a_heartbeat(scene: Scene) -> None:
    peer = Stranger(scene).running(heartbeat=10)
    frame = pamqp.frame.marshal(commands.Channel.Open(), 1)
    for octet in frame[:8]:
        peer.tick(10.0)
        peer.connection.feed(bytes([octet]))
    assert not peer.is_aborted


def test_heartbeat_0_switches_both_directions_off(scene: Scene) -> None:
    peer = Stranger(scene).running(heartbeat=0)
    for _ in range(10):
        peer.tick(1000.0)
    assert peer.names() == []
    assert not peer.is_aborted


def test_silence_of_a_peer_we_do_not_read_proves_nothing(scene: Scene) -> None:
    peer = Stranger(scene).running(heartbeat=10)
    peer.connection.is_held = True
    for _ in range(5):
        peer.tick(10.0)
    assert not peer.is_aborted


# --- the end


def test_refused_method_names_itself_and_the_connection_waits_for_close_ok(scene: Scene) -> None:
    peer = Stranger(scene).with_channel()
    peer.say(1, commands.Channel.Open())
    assert peer.closes() == [Close(0, 504, "CHANNEL_ERROR - second 'channel.open' seen", (20, 10))]
    assert peer.connection.state == CLOSING
    peer.say(1, commands.Queue.Declare(queue="late"))
    assert b"late" not in scene.vhost.queues
    peer.say(0, commands.Connection.Close(200, "", 0, 0))  # crossing
    assert peer.names() == ["Connection.CloseOk"]
    assert peer.is_closed


def test_close_ok_ends_the_connection_and_silence_ends_it_later(scene: Scene) -> None:
    for heartbeat, patience in ((0, 30.0), (10, 10.0)):
        peer = Stranger(scene).running(heartbeat=heartbeat)
        peer.connection.force_close("test")
        scene.turn.finish()
        assert peer.closes() == [Close(0, 320, "CONNECTION_FORCED - test", (0, 0))]
        peer.tick(patience - 0.1)
        assert not peer.is_aborted
        peer.tick(0.1)
        assert peer.is_aborted
    peer = Stranger(scene).running()
    peer.connection.force_close("test")
    peer.say(0, commands.Connection.CloseOk())
    assert peer.is_closed


def test_internal_failure_is_told_as_the_bare_word(scene: Scene) -> None:
    peer = Stranger(scene).with_channel()
    peer.connection.fail()
    assert peer.closes() == [Close(0, 541, "INTERNAL_ERROR", (0, 0))]


def test_lost_connection_gives_back_what_it_held(scene: Scene) -> None:
    queue = scene.declare()
    scene.push(queue, b"1", b"2", b"3")
    peer = Stranger(scene).with_channel()
    peer.say(1, commands.Basic.Consume(queue="q", consumer_tag="c"))
    assert queue.unacked_count == 3
    peer.connection.lost()
    assert (queue.ready.count, queue.unacked_count, queue.consumers) == (3, 0, [])
    assert scene.bodies(queue) == [b"1", b"2", b"3"]
    assert scene.context.connections == {}


def test_channel_error_leaves_the_connection_and_its_other_channels_alone(scene: Scene) -> None:
    peer = Stranger(scene).with_channel()
    peer.say(2, commands.Channel.Open())
    peer.say(1, commands.Queue.Declare(queue="missing", passive=True))
    peer.say(2, commands.Queue.Declare(queue="q"))
    assert peer.names() == ["Channel.OpenOk", "Channel.Close", "Queue.DeclareOk"]
    peer.say(1, commands.Channel.CloseOk())
    peer.say(1, commands.Channel.Open())
    assert peer.names() == ["Channel.OpenOk"]


# --- backpressure


def test_answers_stop_at_their_limit_and_go_on_when_the_socket_has_room(scene: Scene) -> None:
    queue = scene.declare()
    scene.push(queue, *[bytes(100_000)] * 100)
    peer = Stranger(scene).with_channel()
    peer.say(1, *[commands.Basic.Get(queue="q")] * 100)
    got = peer.names().count("Basic.GetOk")
    assert CHOKE_BYTES // 100_000 <= got <= CHOKE_BYTES // 100_000 + 2
    peer.say(1, commands.Basic.Get(queue="q"))  # waits behind the others
    assert peer.names() == []
    while peer.connection.is_choked:
        peer.connection.resume()
        names = peer.names()
        got += names.count("Basic.GetOk")
    assert got == 100
    assert names[-1] == "Basic.GetEmpty"


def test_deliveries_stop_at_the_outbox_limit_and_go_on_when_the_socket_has_room(scene: Scene) -> None:
    queue = scene.declare()
    scene.push(queue, *[bytes(10_000)] * 100)
    peer = Stranger(scene).with_channel()
    peer.connection.pause()
    peer.say(1, commands.Basic.Consume(queue="q", consumer_tag="c", no_ack=True))
    assert peer.names() == ["Basic.ConsumeOk"]
    assert queue.ready.count == 100
    peer.connection.resume()
    first_turn = peer.names().count("Basic.Deliver")
    assert 0 < first_turn <= OUTBOX_LIMIT // 10_000 + 1
    while scene.turn.wants_turn:
        scene.run()
    assert first_turn + peer.names().count("Basic.Deliver") == 100
