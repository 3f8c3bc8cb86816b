"""Resource alarms on the wire: who is told, who is refused, and who goes on undisturbed."""

import pamqp.frame
import pytest
from pamqp import body, commands, header

from broker.vhost.alarms import Alarms
from tests.protocol.stranger import CLIENT_PROPERTIES, Close, Stranger
from tests.queues.scene import Scene

GRACE_S = 10.0
FORCED = Close(0, 320, "CONNECTION_FORCED - broker is low on memory", (0, 0))


@pytest.fixture
def alarms(scene: Scene) -> Alarms:
    return scene.context.alarms


def publisher(scene: Scene, *, is_confirming: bool = False, is_told: bool = True) -> Stranger:
    """A client with a channel, that may or may not know connection.blocked."""
    known = {"capabilities": {**CLIENT_PROPERTIES["capabilities"], "connection.blocked": is_told}}
    peer = Stranger(scene).start().log_in(**known).tune().enter()
    peer.say(1, commands.Channel.Open())
    if is_confirming:
        peer.say(1, commands.Confirm.Select())
    peer.heard.clear()
    return peer


def publish(peer: Stranger, *bodies: bytes, queue: str = "q", mode: int = 1) -> None:
    """Publish to the default exchange, all in one chunk."""
    octets = b""
    for each in bodies:
        for frame in (
            commands.Basic.Publish(exchange="", routing_key=queue),
            header.ContentHeader(0, len(each), commands.Basic.Properties(delivery_mode=mode)),
            body.ContentBody(each),
        ):
            octets += pamqp.frame.marshal(frame, 1)
    peer.connection.feed(octets)


def test_publisher_is_told_once_why_and_once_that_it_is_over(scene: Scene, alarms: Alarms) -> None:
    scene.declare()
    peer = publisher(scene)
    alarms.set_memory(True, scene.clock.monotonic_s())
    publish(peer, b"1", b"2")
    publish(peer, b"3")
    ((channel, blocked),) = peer.heard
    assert (channel, blocked.name, blocked.reason) == (0, "Connection.Blocked", "low on memory")
    peer.heard.clear()
    peer.tick(0.5)
    assert peer.names() == []
    alarms.set_memory(False, scene.clock.monotonic_s())
    peer.tick(0.5)
    peer.tick(0.5)
    assert peer.names() == ["Connection.Unblocked"]


def test_who_has_published_before_is_told_without_publishing_again(scene: Scene, alarms: Alarms) -> None:
    scene.declare()
    peer = publisher(scene)
    publish(peer, b"1")
    alarms.set_disk_low(True, scene.clock.monotonic_s())
    peer.tick(0.5)
    assert [frame.reason for _, frame in peer.heard] == ["low on disk"]


def test_who_never_publishes_hears_nothing_and_consumes_on(scene: Scene, alarms: Alarms) -> None:
    queue = scene.declare()
    peer = publisher(scene)
    scene.push(queue, b"1", b"2")
    alarms.set_memory(True, scene.clock.monotonic_s())
    peer.tick(0.5)
    peer.say(1, commands.Basic.Consume(queue="q", consumer_tag="c"))
    peer.say(1, commands.Basic.Ack(2, True), commands.Queue.Declare(queue="other"))
    names = [name for name in peer.names() if name.startswith(("Connection", "Basic.", "Queue"))]
    assert names == ["Basic.ConsumeOk", "Basic.Deliver", "Basic.Deliver", "Queue.DeclareOk"]
    assert (queue.ready.count, queue.unacked_count) == (0, 0)
    assert not peer.connection.is_alarmed


def test_confirming_publisher_is_nacked_from_the_first_message_on_and_acked_afterwards(
    scene: Scene, alarms: Alarms
) -> None:
    queue = scene.declare()
    peer = publisher(scene, is_confirming=True)
    alarms.set_memory(True, scene.clock.monotonic_s())
    publish(peer, b"1", b"2")
    assert peer.names() == ["Connection.Blocked", "Basic.Nack", "Basic.Nack"]
    peer.tick(GRACE_S + 1)
    publish(peer, b"3")
    assert [(frame.name, frame.delivery_tag) for _, frame in peer.heard] == [("Basic.Nack", 3)]
    peer.heard.clear()
    assert (queue.ready.count, scene.counters.messages_refused) == (0, 3)
    alarms.set_memory(False, scene.clock.monotonic_s())
    publish(peer, b"4")
    assert [(frame.name, frame.delivery_tag) for _, frame in peer.heard] == [("Basic.Ack", 4)]
    assert scene.bodies(queue) == [b"4"]


@pytest.mark.parametrize("is_told", [True, False])
def test_publisher_without_confirms_has_its_grace_and_is_closed_when_it_goes_on(
    scene: Scene, alarms: Alarms, is_told: bool
) -> None:
    queue = scene.declare()
    peer = publisher(scene, is_told=is_told)
    alarms.set_memory(True, scene.clock.monotonic_s())
    publish(peer, b"1")
    assert peer.names() == (["Connection.Blocked"] if is_told else [])
    peer.tick(GRACE_S - 0.1)
    publish(peer, b"2")
    assert (peer.names(), queue.ready.count) == ([], 2)
    peer.tick(0.2)
    assert peer.names() == [], "who stops publishing is left alone"
    publish(peer, b"3", b"4")
    assert peer.closes() == [FORCED]
    assert queue.ready.count == 2


def test_newcomer_after_the_grace_keeps_the_chunk_that_told_it_and_no_more(scene: Scene, alarms: Alarms) -> None:
    queue = scene.declare()
    alarms.set_memory(True, scene.clock.monotonic_s())
    scene.run(GRACE_S + 1)
    peer = publisher(scene)
    publish(peer, b"1", b"2")
    assert (peer.names(), queue.ready.count) == (["Connection.Blocked"], 2)
    publish(peer, b"3")
    assert peer.closes() == [FORCED]
    assert queue.ready.count == 2


def test_a_second_alarm_has_a_grace_of_its_own(scene: Scene, alarms: Alarms) -> None:
    scene.declare()
    peer = publisher(scene)
    alarms.set_memory(True, scene.clock.monotonic_s())
    publish(peer, b"1")
    alarms.set_memory(False, scene.clock.monotonic_s())
    peer.tick(GRACE_S + 1)
    alarms.set_memory(True, scene.clock.monotonic_s())
    publish(peer, b"2")
    publish(peer, b"3")
    assert peer.names() == ["Connection.Blocked", "Connection.Unblocked", "Connection.Blocked"]


def test_transaction_with_publishes_is_refused_whole_and_one_with_acks_is_not(scene: Scene, alarms: Alarms) -> None:
    queue = scene.declare()
    scene.push(queue, b"old")
    peer = publisher(scene)
    peer.say(1, commands.Tx.Select(), commands.Basic.Get(queue="q"))
    publish(peer, b"new")
    peer.say(1, commands.Basic.Ack(1))
    alarms.set_memory(True, scene.clock.monotonic_s())
    peer.heard.clear()
    peer.say(1, commands.Tx.Commit())
    assert peer.closes() == [Close(1, 406, "PRECONDITION_FAILED - broker is low on memory", (90, 20))]
    assert scene.bodies(queue) == [b"old"]
    scene.push(queue, b"another")
    peer.say(1, commands.Channel.CloseOk(), commands.Channel.Open())
    peer.say(1, commands.Tx.Select(), commands.Basic.Get(queue="q"))
    tag = next(frame.delivery_tag for _, frame in peer.heard if frame.name == "Basic.GetOk")
    peer.heard.clear()
    peer.say(1, commands.Basic.Ack(tag), commands.Tx.Commit())
    assert peer.names() == ["Tx.CommitOk"]
    assert queue.unacked_count == 0


def test_heartbeats_go_on_under_an_alarm(scene: Scene, alarms: Alarms) -> None:
    scene.declare()
    peer = Stranger(scene).running(heartbeat=10)
    alarms.set_memory(True, scene.clock.monotonic_s())
    for _ in range(3):
        peer.tick(10.0)
    assert peer.is_aborted, "silence is noticed as ever"
    assert "Heartbeat" in peer.names()


def test_full_disk_blocks_a_publisher_with_the_next_tick(scene: Scene, alarms: Alarms) -> None:
    scene.declare(is_durable=True)
    peer = publisher(scene, is_confirming=True)
    alarms.set_disk_full(True, scene.clock.monotonic_s())
    peer.connection.has_published = True
    peer.tick(0.5)
    assert [frame.reason for _, frame in peer.heard] == ["low on disk"]
