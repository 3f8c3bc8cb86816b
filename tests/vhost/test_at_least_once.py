"""Dead letters of a quorum queue that must arrive: they stay where they died until a target has them."""

import pytest

from broker.core.arguments import Table, long, longstr
from broker.queues.queue import Queue
from broker.store.survivors import Survivors
from tests.vhost.scene import Scene, bodies, take, take_all


def source_arguments(**more: str) -> Table:
    """Of a queue whose dead letters go to the queue "dead", at least once."""
    texts = {
        "queue-type": "quorum",
        "overflow": "reject-publish",
        "dead-letter-strategy": "at-least-once",
        "dead-letter-exchange": "",
        "dead-letter-routing-key": "dead",
    }
    return {b"x-" + name.encode(): longstr(value.encode()) for name, value in (texts | more).items()}


def full_queue(scene: Scene, room: int = 0) -> Queue:
    """A queue "dead" that refuses after so many messages."""
    return scene.queue(b"dead", {b"x-max-length": long(room), b"x-overflow": longstr(b"reject-publish")})


def make_room(scene: Scene) -> None:
    for queued in take_all(scene.vhost.queues[b"dead"]):
        scene.vhost.queues[b"dead"].settle(queued)


def die(scene: Scene, queue: Queue, count: int = 1) -> None:
    """Publish so many messages and reject each."""
    for i in range(count):
        scene.publish("", "q", b"%d" % i)
    for queued in take_all(queue):
        queue.reject(queued)
    scene.finish()


def test_dead_letter_that_is_refused_stays_and_arrives_when_there_is_room(scene: Scene) -> None:
    queue, dead = scene.queue(arguments=source_arguments()), full_queue(scene, 1)
    die(scene, queue, 3)
    assert (dead.ready.count, len(queue.dead or ())) == (1, 2)
    scene.advance(60)
    assert (dead.ready.count, len(queue.dead or ())) == (1, 2)
    assert bodies(dead) == [b"0"]
    scene.advance(1)
    assert bodies(dead) == [b"1"]
    scene.advance(1)
    assert bodies(dead) == [b"2"]
    assert queue.dead == {}
    assert scene.counters.dead_lettered_rejected == 3


@pytest.mark.parametrize("missing", ["queue", "exchange"])
def test_dead_letter_without_a_target_waits_for_one(scene: Scene, missing: str) -> None:
    exchange = "" if missing == "queue" else "dlx"
    queue = scene.queue(arguments=source_arguments(**{"dead-letter-exchange": exchange}))
    die(scene, queue)
    scene.advance(5)
    dead = scene.queue(b"dead")
    if missing == "exchange":
        scene.vhost.bind(scene.exchange(b"dlx"), dead, b"dead", {})
    assert dead.ready.count == 0
    scene.advance(1)
    assert bodies(dead) == [b"0"]


def test_no_target_gets_two_copies_because_another_is_full(scene: Scene) -> None:
    queue = scene.queue(arguments=source_arguments(**{"dead-letter-exchange": "dlx"}))
    roomy, full = scene.queue(b"roomy"), full_queue(scene)
    exchange = scene.exchange(b"dlx", b"fanout")
    for target in (roomy, full):
        scene.vhost.bind(exchange, target, b"", {})
    die(scene, queue)
    scene.advance(3)
    assert roomy.ready.count == 0
    scene.vhost.delete_queue(full)
    scene.advance(1)
    assert bodies(roomy) == [b"0"]


def test_waiting_dead_letters_count_against_the_length_of_their_queue(scene: Scene) -> None:
    queue = scene.queue(arguments=source_arguments() | {b"x-max-length": long(2)})
    full_queue(scene)
    die(scene, queue, 2)
    assert queue.ready.count == 0
    assert queue.is_refusing


def test_purge_leaves_dead_letters_and_delete_ends_them(scene: Scene) -> None:
    queue, dead = scene.queue(arguments=source_arguments()), full_queue(scene, 1)
    die(scene, queue, 3)
    scene.publish("", "q", b"ready")
    scene.finish()
    assert queue.purge(Survivors()) == 1
    make_room(scene)
    scene.advance(1)
    assert bodies(dead) == [b"1"]
    scene.vhost.delete_queue(queue)
    scene.advance(5)
    assert dead.ready.count == 0
    assert scene.store.written > 0


@pytest.mark.parametrize(
    "arguments",
    [
        source_arguments(overflow="drop-head"),
        source_arguments(**{"dead-letter-strategy": "at-most-once"}),
        {name: value for name, value in source_arguments().items() if name != b"x-overflow"},
    ],
    ids=["drop-head", "at-most-once", "default overflow"],
)
def test_strategy_needs_reject_publish_and_is_at_most_once_without(scene: Scene, arguments: Table) -> None:
    queue, dead = scene.queue(arguments=arguments), full_queue(scene)
    die(scene, queue)
    scene.advance(5)
    make_room(scene)
    scene.advance(5)
    assert (dead.ready.count, queue.dead) == (0, None)


def test_cycle_is_cut_and_not_tried_for_ever(scene: Scene) -> None:
    arguments = source_arguments(**{"dead-letter-routing-key": "q"}) | {b"x-message-ttl": long(1)}
    queue = scene.queue(arguments=arguments)
    scene.publish("", "q", b"m")
    scene.advance(1)
    assert (queue.ready.count, queue.dead) == (0, {})


def test_expired_message_stays_as_well(scene: Scene) -> None:
    queue, dead = scene.queue(arguments=source_arguments() | {b"x-message-ttl": long(10)}), full_queue(scene, 1)
    for body in (b"1", b"2"):
        scene.publish("", "q", body)
    scene.advance(1)
    assert (queue.ready.count, queue.ready_bytes, len(queue.dead or ())) == (0, 0, 1)
    assert take(dead).message.body == b"1"
    scene.advance(1)
    assert take(dead).message.body == b"2"
