"""Messages and queues that run out of time."""

import pytest

from broker.core.arguments import Table
from broker.queues.queue import Queue
from tests.queues.scene import Peer, Scene, number, text, transient


def dead_letters_to(name: str, **arguments: int) -> Table:
    table: Table = {
        b"x-dead-letter-exchange": text(""),
        b"x-dead-letter-routing-key": text(name),
    }
    for key, value in arguments.items():
        table[key.replace("_", "-").encode()] = number(value)
    return table


def test_a_message_without_expiration_outlives_one_that_had_it(scene: Scene) -> None:
    queue = scene.declare()
    scene.push(queue, b"short", ttl_ms=50)
    scene.push(queue, b"for ever")
    scene.run(0.1)
    assert scene.bodies(queue) == [b"for ever"]
    scene.push(queue, b"after all that")
    scene.run(1000.0)
    assert scene.bodies(queue) == [b"after all that"]


def test_the_smaller_of_queue_and_message_ttl_counts(scene: Scene) -> None:
    queue = scene.declare(arguments={b"x-message-ttl": number(100)})
    scene.push(queue, b"by message", ttl_ms=40)
    scene.push(queue, b"by queue", ttl_ms=400)
    scene.push(queue, b"by queue too")
    scene.run(0.041)
    assert queue.ready.count == 2
    scene.run(0.060)
    assert queue.ready.count == 0


def test_a_long_lived_head_shields_what_is_behind_it_until_it_leaves(scene: Scene) -> None:
    queue = scene.declare()
    scene.push(queue, b"head", ttl_ms=1000)
    scene.push(queue, b"behind", ttl_ms=10)
    scene.run(0.5)
    assert queue.ready.count == 2
    assert scene.bodies(queue) == [b"head"]  # what was behind had expired when it became the head


def test_an_expired_message_behind_a_higher_priority_leaves_on_time(scene: Scene) -> None:
    queue = scene.declare(arguments={b"x-max-priority": number(5)})
    scene.push(queue, b"high", priority=5)
    scene.push(queue, b"low", priority=1, ttl_ms=10)
    assert scene.agenda.next_wake_ms == scene.clock.wall_ms + 10
    scene.run(0.011)
    assert scene.bodies(queue) == [b"high"]


def test_expiry_needs_no_activity_but_the_clock(scene: Scene) -> None:
    dead = scene.declare(b"dead")
    queue = scene.declare(arguments=dead_letters_to("dead"))
    scene.push(queue, b"first", ttl_ms=30)
    scene.push(queue, b"second", ttl_ms=60)
    wakes = []
    while (wake_ms := scene.agenda.next_wake_ms) >= 0:
        wakes.append(wake_ms - scene.clock.wall_ms)
        scene.run((wake_ms - scene.clock.wall_ms) / 1000)
    assert wakes == [30, 30]
    assert scene.bodies(dead) == [b"first", b"second"]


def test_ttl_0_is_delivered_to_a_waiting_consumer_and_expires_without_one(scene: Scene, peer: Peer) -> None:
    dead = scene.declare(b"dead")
    queue = scene.declare(arguments=dead_letters_to("dead", x_message_ttl=0))
    peer.publish(b"nobody waits")
    assert (queue.ready.count, scene.bodies(dead)) == (0, [b"nobody waits"])
    peer.consume("c", prefetch=1)
    peer.publish(b"taken", b"no room")
    assert [each.body for each in peer.deliveries()] == [b"taken"]
    assert scene.bodies(dead) == [b"no room"]


def test_get_never_sees_a_ttl_0_message_of_its_own_chunk(scene: Scene) -> None:
    queue = scene.declare(arguments={b"x-message-ttl": number(0)})
    scene.turn.begin()
    queue.push(transient(b"now"))
    assert queue.get() is None
    scene.turn.finish()
    assert (queue.ready.count, queue.unacked_count) == (0, 0)


def test_requeue_keeps_the_first_expiry_time(scene: Scene, peer: Peer) -> None:
    queue = scene.declare(arguments={b"x-message-ttl": number(100)})
    peer.publish(b"m")
    first = peer.get()
    assert first is not None
    scene.run(0.06)
    peer.nack(first.tag)
    again = peer.get()
    assert again is not None
    assert again.is_redelivered
    scene.run(0.06)
    assert queue.unacked_count == 1  # an unacked message does not expire
    peer.nack(again.tag)
    assert (queue.ready.count, queue.unacked_count, peer.get()) == (0, 0, None)


@pytest.fixture
def leased(scene: Scene) -> Queue:
    """A queue that goes after a second without use."""
    return scene.declare(arguments={b"x-expires": number(1000)})


def test_an_unused_queue_goes_after_its_lease(scene: Scene, leased: Queue) -> None:
    scene.run(0.999)
    assert b"q" in scene.vhost.queues
    scene.run(0.001)
    assert b"q" not in scene.vhost.queues
    assert leased.is_deleted


def test_publishing_does_not_renew_the_lease(scene: Scene, leased: Queue, peer: Peer) -> None:
    scene.run(0.6)
    peer.publish(b"m")
    scene.run(0.4)
    assert leased.is_deleted


@pytest.mark.parametrize("use", ["declare", "passive", "get"])
def test_use_renews_the_lease(scene: Scene, leased: Queue, peer: Peer, use: str) -> None:
    scene.run(0.6)
    if use == "declare":
        scene.declare(arguments={b"x-expires": number(1000)})
    elif use == "passive":
        peer.declare_passive("q")
    else:
        assert peer.get() is None
    scene.run(0.999)
    assert not leased.is_deleted
    scene.run(0.001)
    assert leased.is_deleted


def test_the_lease_stands_still_while_there_is_a_consumer(scene: Scene, leased: Queue, peer: Peer) -> None:
    peer.consume("a")
    peer.consume("b")
    scene.run(5.0)
    peer.cancel("a")
    scene.run(5.0)
    assert not leased.is_deleted
    peer.cancel("b")
    scene.run(0.999)
    assert not leased.is_deleted
    scene.run(0.001)
    assert leased.is_deleted


def test_a_queue_used_in_the_turn_in_which_its_lease_ends_stays(scene: Scene, leased: Queue, peer: Peer) -> None:
    scene.clock.advance(1.0)
    peer.declare_passive("q")
    assert not leased.is_deleted
    scene.run(0.999)
    assert not leased.is_deleted
    scene.run(0.001)
    assert leased.is_deleted


def test_messages_of_an_expired_queue_are_not_dead_lettered(scene: Scene) -> None:
    dead = scene.declare(b"dead")
    queue = scene.declare(arguments=dead_letters_to("dead", x_expires=1000))
    scene.push(queue, b"m")
    scene.run(1.0)
    assert queue.is_deleted
    assert dead.ready.count == 0
