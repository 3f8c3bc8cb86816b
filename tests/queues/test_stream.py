"""Streams: readers at their own places, credit, filters, and what happens when old messages or the disk go."""

import errno
from pathlib import Path
from typing import Any

import pytest
from pamqp import commands, header

from broker.core.arguments import Field, Table
from broker.policy.effective import NO_POLICY, EffectivePolicy
from broker.policy.policy import Policy
from broker.queues.stream import MESSAGE_BUDGET, Stream
from broker.store.files import Files
from tests.queues.scene import Peer, Scene, number, text, transient
from tests.store.scene import FailingFiles, QuickFiles

STREAM: Table = {b"x-queue-type": text("stream")}


def stream(scene: Scene, **arguments: Field) -> Stream:
    given = {name.replace("_", "-").encode(): field for name, field in arguments.items()}
    queue = scene.declare(b"q", {**STREAM, **given}, is_durable=True)
    assert isinstance(queue, Stream)
    return queue


def sync(scene: Scene) -> None:
    """What the heart does when something was written: a sync, the confirms, and the turns that it makes due."""
    job = scene.store.begin_sync()
    job.run()
    scene.store.finish_sync(job)
    scene.turn.synced()
    while scene.turn.wants_turn:
        scene.run()


def push(scene: Scene, queue: Stream, *bodies: bytes) -> None:
    scene.push(queue, *bodies)
    sync(scene)


def reading(peer: Peer, offset: Any = "first", *, tag: str = "t", prefetch: int = 100, **arguments: Any) -> None:
    peer.say(
        1,
        commands.Basic.Qos(0, prefetch, False),
        commands.Basic.Consume(queue="q", consumer_tag=tag, arguments={"x-stream-offset": offset, **arguments}),
    )


def found(peer: Peer) -> list[bytes]:
    return [delivery.body for delivery in peer.deliveries()]


@pytest.fixture
def scene(tmp_path: Path) -> Any:
    opened = Scene(tmp_path / "data", QuickFiles())
    yield opened
    opened.close()


@pytest.fixture
def peer(scene: Scene) -> Peer:
    opened = Peer(scene)
    opened.open()
    return opened


def numbered(first: int, end: int) -> list[bytes]:
    return [b"%d" % each for each in range(first, end)]


def test_reader_waits_for_the_sync(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    reading(peer)
    scene.push(queue, b"1")
    assert found(peer) == []
    sync(scene)
    assert found(peer) == [b"1"]


def test_confirm_of_a_transient_message_waits_for_the_sync_as_well(scene: Scene, peer: Peer) -> None:
    stream(scene)
    sync(scene)
    peer.say(1, commands.Confirm.Select())
    peer.hear()
    peer.publish(b"1")
    assert peer.hear() == []
    sync(scene)
    ((_, ack),) = peer.hear()
    assert (type(ack), ack.delivery_tag) == (commands.Basic.Ack, 1)


def test_each_delivery_carries_its_offset(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    push(scene, queue, *numbered(0, 3))
    reading(peer, 1)
    headers = [each.properties.headers for _, each in peer.hear() if isinstance(each, header.ContentHeader)]
    assert headers == [{"x-stream-offset": 1}, {"x-stream-offset": 2}]


def test_readers_go_at_their_own_pace(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    push(scene, queue, *numbered(0, 10))
    other = Peer(scene)
    other.open()
    reading(peer, prefetch=2)
    reading(other, 5)
    assert found(other) == numbered(5, 10)
    deliveries = peer.deliveries()
    assert [each.body for each in deliveries] == [b"0", b"1"]
    peer.ack(deliveries[0].tag)
    assert found(peer) == [b"2"]
    peer.nack(deliveries[1].tag)
    assert found(peer) == [b"3"]
    assert queue.unacked_count == 7
    assert queue.message_count == 10


def test_many_messages_are_delivered_in_several_turns_and_by_turns(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    bodies = numbered(0, 3 * MESSAGE_BUDGET)
    push(scene, queue, *bodies)
    other = Peer(scene)
    other.open()
    reading(peer, tag="a", prefetch=65535)
    reading(other, tag="b", prefetch=65535)
    first = found(peer)
    assert 0 < len(first) <= MESSAGE_BUDGET
    assert scene.turn.wants_turn
    while scene.turn.wants_turn:
        scene.run()
    assert first + found(peer) == bodies
    assert found(other) == bodies


def test_requeue_of_everything_brings_nothing_back(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    push(scene, queue, *numbered(0, 4))
    reading(peer, prefetch=2)
    assert found(peer) == [b"0", b"1"]
    peer.say(1, commands.Basic.Recover(requeue=True))
    assert found(peer) == [b"2", b"3"]
    peer.say(1, commands.Channel.Close(0, "", 0, 0))
    assert (queue.unacked_count, queue.unacked_bytes, queue.consumers) == (0, 0, [])


def test_reader_that_says_next_gets_nothing_of_the_same_turn_before_it(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    scene.turn.begin()
    queue.push(transient(b"before"))
    scene.turn.finish()
    reading(peer, "next")
    push(scene, queue, b"after")
    assert found(peer) == [b"after"]


def test_offset_beyond_the_end_means_what_comes_next(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    push(scene, queue, b"0")
    reading(peer, 1000)
    push(scene, queue, b"1")
    assert found(peer) == [b"1"]


def test_interval_begins_with_the_first_message_that_is_young_enough(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    for each in numbered(0, 5):
        scene.turn.begin()
        body = transient(each)
        queue.push(type(body)(body.route, body.header, each, False, scene.clock.now_ms(), 0, -1))
        scene.turn.finish()
        sync(scene)
        scene.clock.advance(60.0)
    reading(peer, "3m")
    assert found(peer) == numbered(2, 5)


def test_filter_is_exact(scene: Scene, peer: Peer) -> None:
    stream(scene)
    for value in ("a", "b", "c", "a"):
        peer.publish(value.encode(), headers={"x-stream-filter-value": value})
    peer.publish(b"none", headers={"other": "x-stream-filter-value"})
    peer.publish(b"number", headers={"x-stream-filter-value": 1})
    sync(scene)
    reading(peer, tag="1", **{"x-stream-filter": "a"})
    assert found(peer) == [b"a", b"a"]
    reading(peer, tag="2", **{"x-stream-filter": ["b", "c"], "x-stream-match-unfiltered": True})
    assert found(peer) == [b"b", b"c", b"none", b"number"]


def test_filter_that_nothing_passes_does_not_hold_up_a_turn(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    push(scene, queue, *numbered(0, 2 * MESSAGE_BUDGET))
    reading(peer, **{"x-stream-filter": "a"})
    assert scene.turn.wants_turn
    while scene.turn.wants_turn:
        scene.run()
    peer.publish(b"a", headers={"x-stream-filter-value": "a"})
    sync(scene)
    assert found(peer) == [b"a"]


def test_slow_reader_is_moved_to_the_oldest_message_that_is_kept(scene: Scene, peer: Peer) -> None:
    queue = stream(scene, x_max_length_bytes=number(40_000), x_stream_max_segment_size_bytes=number(16_384))
    push(scene, queue, b"first")
    reading(peer, prefetch=1)
    (delivery,) = peer.deliveries()
    for each in range(30):
        push(scene, queue, *[b"%d" % each + bytes(1000)] * 5)
    oldest = queue.log.first_offset
    assert oldest > 1
    peer.ack(delivery.tag)
    ((_, _, properties),) = [
        (channel, each, each.properties) for channel, each in peer.hear() if isinstance(each, header.ContentHeader)
    ]
    assert properties.headers == {"x-stream-offset": oldest}


def test_policy_changes_what_is_kept_at_once(scene: Scene, peer: Peer) -> None:
    queue = stream(scene, x_stream_max_segment_size_bytes=number(16_384))
    for each in range(30):
        push(scene, queue, *[b"%d" % each + bytes(1000)] * 5)
    assert queue.log.first_offset == 0
    policy = Policy("/", "short", "", "streams", 0, {b"max-length-bytes": number(40_000)}, False)
    assert not queue.apply_policy(EffectivePolicy(policy, None))
    oldest = queue.log.first_offset
    assert oldest > 0
    assert queue.message_count == 150 - oldest
    queue.apply_policy(NO_POLICY)
    for each in range(30):
        push(scene, queue, *[b"%d" % each + bytes(1000)] * 5)
    assert queue.log.first_offset == oldest


class BlindFiles(Files):
    """Cannot read, from a certain moment on."""

    def __init__(self) -> None:
        self.is_blind = False

    def read_part(self, path: str, offset: int, size: int) -> bytes:
        if self.is_blind:
            raise OSError(errno.EIO, "Input/output error")
        return super().read_part(path, offset, size)


def test_reader_of_a_broken_disk_is_cancelled_and_others_are_not(tmp_path: Path) -> None:
    files = BlindFiles()
    scene = Scene(tmp_path / "data", files)
    queue = stream(scene)
    push(scene, queue, *numbered(0, 3))
    peer = Peer(scene)
    peer.connection.wants_cancel_notify = True
    peer.open()
    files.is_blind = True
    reading(peer, tag="blind")
    assert [each.consumer_tag for _, each in peer.hear() if isinstance(each, commands.Basic.Cancel)] == ["blind"]
    files.is_blind = False
    reading(peer, tag="sees")
    assert found(peer) == numbered(0, 3)
    scene.close()


def test_publish_that_finds_the_disk_full_is_nacked_and_never_in_the_stream(tmp_path: Path) -> None:
    files = FailingFiles(errno.ENOSPC, only="write")
    scene = Scene(tmp_path / "data", files)
    queue = stream(scene)
    push(scene, queue, b"0")
    peer = Peer(scene)
    peer.open()
    peer.say(1, commands.Confirm.Select())
    reading(peer)
    peer.hear()
    files.fails_at, files.is_sticky = len(files.calls) + 1, True
    peer.publish(b"refused")
    assert [type(each) for _, each in peer.hear()] == [commands.Basic.Nack]
    files.fails_at = 0
    scene.turn.try_again()
    assert not scene.turn.alarms.is_on
    peer.publish(b"1")
    sync(scene)
    assert found(peer) == [b"1"]
    assert queue.message_count == 2
    scene.close()


def test_dead_letter_may_go_to_a_stream(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    scene.declare(
        b"work",
        {b"x-dead-letter-exchange": text(""), b"x-dead-letter-routing-key": text("q")},
        is_durable=True,
    )
    peer.publish(b"poison", queue="work", delivery_mode=2)
    delivery = peer.get(queue="work")
    assert delivery is not None
    peer.nack(delivery.tag, requeue=False)
    sync(scene)
    assert queue.message_count == 1
    reading(peer)
    assert found(peer) == [b"poison"]


def test_deleted_stream_ends_its_readers(scene: Scene, peer: Peer) -> None:
    queue = stream(scene)
    push(scene, queue, *numbered(0, 3))
    reading(peer, prefetch=1)
    (delivery,) = peer.deliveries()
    scene.turn.begin()
    assert scene.vhost.delete_queue(queue) == 0
    scene.turn.finish()
    peer.ack(delivery.tag)
    sync(scene)
    assert peer.deliveries() == []
    assert scene.declare(b"q", STREAM, is_durable=True) is not queue
