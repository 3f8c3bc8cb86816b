"""Length limits: what is dropped, what is refused, and what does not count."""

import pytest
from pamqp import commands

from broker.core.arguments import Field, Table
from tests.queues.scene import Peer, Scene, number, text


def limited(overflow: str = "", **limits: int) -> Table:
    """Arguments with a dead-letter queue ``dead``; ``max_length=3`` is x-max-length."""
    arguments: dict[bytes, Field] = {
        f"x-{name.replace('_', '-')}".encode(): number(value) for name, value in limits.items()
    }
    arguments[b"x-dead-letter-exchange"] = text("")
    arguments[b"x-dead-letter-routing-key"] = text("dead")
    if overflow:
        arguments[b"x-overflow"] = text(overflow)
    return arguments


def confirmed(peer: Peer, count: int) -> dict[int, str]:
    """What became of each of ``count`` publishes; a number that is answered twice is a failure."""
    answers: dict[int, str] = {}
    for _, each in peer.hear():
        assert each.delivery_tag not in answers, f"{each.name} for {each.delivery_tag}, which had {answers}"
        answers[each.delivery_tag] = each.name
        if each.multiple:
            answers = dict.fromkeys(range(1, each.delivery_tag), each.name) | answers
    assert set(answers) == set(range(1, count + 1))
    return answers


def test_the_oldest_leave_when_a_message_more_comes(scene: Scene) -> None:
    dead = scene.declare(b"dead")
    queue = scene.declare(arguments=limited(max_length=2))
    assert scene.push(queue, b"1", b"2", b"3", b"4") == [True] * 4
    assert scene.bodies(dead) == [b"1", b"2"]
    assert scene.bodies(queue) == [b"3", b"4"]


def test_octets_of_bodies_are_limited_too_and_the_first_limit_hit_counts(scene: Scene) -> None:
    dead = scene.declare(b"dead")
    queue = scene.declare(arguments=limited(max_length_bytes=10, max_length=3))
    scene.push(queue, b"12345", b"6789")
    assert (queue.ready_bytes, dead.ready.count) == (9, 0)
    scene.push(queue, b"ab")
    assert (scene.bodies(dead), queue.ready_bytes) == ([b"12345"], 6)
    scene.push(queue, b"", b"")
    assert scene.bodies(dead) == [b"6789"]
    scene.push(queue, b"larger than the limit")
    assert scene.bodies(dead) == [b"ab", b"", b"", b"larger than the limit"]
    assert (queue.ready.count, queue.ready_bytes) == (0, 0)


def test_unacked_messages_do_not_count_and_a_requeue_may_push_out_the_head(scene: Scene, peer: Peer) -> None:
    dead = scene.declare(b"dead")
    queue = scene.declare(arguments=limited(max_length=2))
    peer.publish(b"1", b"2")
    held = [peer.get(), peer.get()]
    peer.publish(b"3", b"4")
    assert (queue.ready.count, queue.unacked_count, dead.ready.count) == (2, 2, 0)
    assert held[1] is not None
    peer.nack(held[1].tag)
    assert scene.bodies(dead) == [b"2"]
    assert scene.bodies(queue) == [b"3", b"4"]


def test_a_limit_of_nothing_leaves_a_message_to_a_waiting_consumer_only(scene: Scene, peer: Peer) -> None:
    dead = scene.declare(b"dead")
    queue = scene.declare(arguments=limited(max_length=0))
    peer.publish(b"lost")
    assert (scene.bodies(dead), queue.ready.count) == ([b"lost"], 0)
    peer.consume("c")
    peer.publish(b"taken")
    assert [each.body for each in peer.deliveries()] == [b"taken"]


def test_the_highest_priority_is_the_head_that_is_dropped(scene: Scene) -> None:
    dead = scene.declare(b"dead")
    queue = scene.declare(arguments=limited(max_length=1, max_priority=9))
    scene.push(queue, b"high", priority=9)
    scene.push(queue, b"low", priority=1)
    assert scene.bodies(dead) == [b"high"]
    assert scene.bodies(queue) == [b"low"]


@pytest.mark.parametrize(("overflow", "dead_letters"), [("reject-publish", []), ("reject-publish-dlx", [b"3", b"4"])])
def test_a_full_queue_refuses_and_nacks(scene: Scene, peer: Peer, overflow: str, dead_letters: list[bytes]) -> None:
    dead = scene.declare(b"dead")
    queue = scene.declare(arguments=limited(overflow, max_length=2))
    peer.say(1, commands.Confirm.Select())
    peer.hear()
    peer.publish(b"1", b"2", b"3", b"4")
    assert confirmed(peer, 4) == {1: "Basic.Ack", 2: "Basic.Ack", 3: "Basic.Nack", 4: "Basic.Nack"}
    assert scene.bodies(dead) == dead_letters
    assert scene.bodies(queue) == [b"1", b"2"]


def test_deliveries_of_the_same_chunk_make_room_first(scene: Scene, peer: Peer) -> None:
    queue = scene.declare(arguments=limited("reject-publish", max_length=1))
    peer.consume("c", prefetch=3)
    peer.publish(b"1", b"2", b"3", b"4", b"5")
    assert [each.body for each in peer.deliveries()] == [b"1", b"2", b"3"]
    assert scene.bodies(queue) == [b"4"]


def test_a_purge_takes_what_is_ready_and_leaves_what_is_out(scene: Scene, peer: Peer) -> None:
    queue = scene.declare()
    peer.publish(b"out", b"one", b"two")
    held = peer.get()
    assert held is not None
    peer.say(1, commands.Queue.Purge(queue="q"))
    [(_, answer)] = peer.hear()
    assert answer.message_count == 2
    assert (queue.ready.count, queue.ready_bytes, queue.unacked_count, queue.unacked_bytes) == (0, 0, 1, 3)
    peer.nack(held.tag)
    assert scene.bodies(queue) == [b"out"]


def test_settling_deliveries_of_a_deleted_queue_is_no_error(scene: Scene, peer: Peer) -> None:
    scene.declare()
    peer.publish(b"1", b"2", b"3")
    held = [peer.get(), peer.get(), peer.get()]
    peer.say(1, commands.Queue.Delete(queue="q"))
    peer.hear()
    tags = [each.tag for each in held if each is not None]
    peer.ack(tags[0])
    peer.nack(tags[1])
    peer.nack(tags[2], requeue=False)
    assert peer.hear() == []
    assert not scene.agenda.due
