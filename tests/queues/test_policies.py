"""Policies on a running queue: what they do at once, and what they leave alone."""

from broker.core.message import Message, Queued
from broker.policy.policy import Policy, read_policy
from broker.queues.classic import DELIVERY_BUDGET, Queue
from tests.queues.scene import Peer, Scene, number, text


def policy(
    scene: Scene, definition: dict[str, object], *, name: str = "p", is_operator: bool = False, pattern: str = "^q"
) -> Policy:
    return read_policy("/", name, {"pattern": pattern, "definition": definition}, is_operator)


def put(scene: Scene, definition: dict[str, object], *, name: str = "p", is_operator: bool = False) -> None:
    """Set a policy in a turn of its own."""
    scene.turn.begin()
    scene.vhost.set_policy(policy(scene, definition, name=name, is_operator=is_operator))
    scene.turn.finish()


def clear(scene: Scene, name: str = "p", *, is_operator: bool = False) -> None:
    scene.turn.begin()
    assert scene.vhost.remove_policy(name, is_operator)
    scene.turn.finish()


def ready(queue: Queue) -> int:
    return int(queue.ready.count)


# --- lengths


def test_a_length_limit_trims_at_once_and_dead_letters_what_it_drops(scene: Scene) -> None:
    dead = scene.declare(b"dead")
    queue = scene.declare()
    scene.push(queue, b"1", b"2", b"3", b"4")
    put(scene, {"max-length": 2, "dead-letter-exchange": "", "dead-letter-routing-key": "dead"})
    assert scene.bodies(dead) == [b"1", b"2"]
    scene.push(queue, b"5")
    assert scene.bodies(dead) == [b"3"]
    assert scene.bodies(queue) == [b"4", b"5"]


def test_a_removed_limit_limits_no_more(scene: Scene) -> None:
    queue = scene.declare()
    put(scene, {"max-length-bytes": 2})
    clear(scene)
    scene.push(queue, b"123", b"45")
    assert scene.bodies(queue) == [b"123", b"45"]
    assert queue.policy.definition == {}


def test_a_limit_on_a_long_backlog_is_worked_off_in_slices(scene: Scene) -> None:
    queue = scene.declare()
    count = 2 * DELIVERY_BUDGET + 100
    scene.push(queue, *[b"m"] * count)
    put(scene, {"max-length": 10})
    assert ready(queue) == count - DELIVERY_BUDGET
    assert scene.turn.wants_turn
    while scene.turn.wants_turn:
        scene.run()
    assert ready(queue) == 10


def test_a_queue_that_refuses_keeps_what_it_has(scene: Scene) -> None:
    queue = scene.declare()
    scene.push(queue, b"1", b"2", b"3")
    put(scene, {"max-length": 2, "overflow": "reject-publish"})
    assert scene.push(queue, b"4") == [False]
    assert ready(queue) == 3
    put(scene, {"max-length": 2})
    assert ready(queue) == 2
    clear(scene)
    assert scene.push(queue, b"5") == [True]
    assert scene.bodies(queue) == [b"2", b"3", b"5"]


def test_the_stricter_of_argument_policy_and_operator_policy_counts(scene: Scene) -> None:
    queue = scene.declare(arguments={b"x-max-length": number(5)})
    put(scene, {"max-length": 7})
    assert queue.limits.max_length == 5
    put(scene, {"max-length": 4})
    assert queue.limits.max_length == 4
    put(scene, {"max-length": 3}, name="o", is_operator=True)
    assert queue.limits.max_length == 3
    clear(scene)
    clear(scene, "o", is_operator=True)
    assert queue.limits.max_length == 5


def test_an_argument_wins_where_no_limit_is_at_stake(scene: Scene) -> None:
    queue = scene.declare(arguments={b"x-dead-letter-exchange": text("mine"), b"x-overflow": text("drop-head")})
    put(scene, {"dead-letter-exchange": "x", "dead-letter-routing-key": "k", "overflow": "reject-publish"})
    assert (queue.limits.dead_letter_exchange, queue.limits.dead_letter_key) == (b"mine", b"k")
    assert queue.limits.overflow == 0


# --- time


def test_a_ttl_touches_later_messages_only(scene: Scene) -> None:
    queue = scene.declare()
    scene.push(queue, b"old")
    put(scene, {"message-ttl": 1000})
    scene.push(queue, b"new")
    scene.push(queue, b"newer", ttl_ms=5000)
    scene.run(1.1)
    assert ready(queue) == 3, "the head shields the rest"
    assert queue.get() is not None
    scene.run()
    assert ready(queue) == 0


def test_a_ttl_that_goes_leaves_messages_the_time_they_were_given(scene: Scene) -> None:
    queue = scene.declare()
    put(scene, {"message-ttl": 1000})
    scene.push(queue, b"timed")
    clear(scene)
    scene.push(queue, b"untimed")
    scene.run(1.1)
    assert scene.bodies(queue) == [b"untimed"]


def restored(queue: Queue, published_ms: int) -> int:
    """How long a message has that is read back from the log after a crash; 0 for ever."""
    message = Message(b"\x00\x01q", b"", b"m", True, published_ms, 0, -1)
    queued = Queued(message, queue, queue.next_position)
    queue.restore(queued)
    return int(queued.expires_ms) - published_ms if queued.expires_ms else 0


def test_after_a_crash_no_message_has_less_time_than_it_was_given(scene: Scene) -> None:
    queue = scene.declare()
    scene.push(queue, b"there before")
    times = [scene.clock.now_ms()]
    for definition in ({"message-ttl": 5000}, {"message-ttl": 2000}, {"max-length": 9}):
        scene.run(1)
        times.append(scene.clock.now_ms())
        put(scene, definition)
    assert [restored(queue, time_ms) for time_ms in times] == [0, 0, 0, 0]
    assert (queue.ttl_since_ms, queue.earlier_ttl_ms) == (times[-1], -1)


def test_after_a_crash_older_messages_have_the_longest_ttl_that_any_of_them_was_given(scene: Scene) -> None:
    queue = scene.declare(arguments={b"x-message-ttl": number(9000)})
    scene.push(queue, b"there before")
    times = [scene.clock.now_ms()]
    for ttl_ms in (2000, 4000):
        scene.run(1)
        times.append(scene.clock.now_ms())
        put(scene, {"message-ttl": ttl_ms})
    assert [restored(queue, time_ms) for time_ms in times] == [9000, 9000, 4000]


def test_a_ttl_that_comes_to_an_empty_queue_is_everybodys(scene: Scene) -> None:
    queue = scene.declare()
    put(scene, {"message-ttl": 2000})
    assert (queue.ttl_since_ms, restored(queue, scene.clock.now_ms() - 1)) == (0, 2000)


def test_an_expiry_begins_to_run_when_the_policy_comes(scene: Scene) -> None:
    queue = scene.declare()
    scene.run(100)
    put(scene, {"expires": 1000})
    scene.run(0.9)
    assert not queue.is_deleted
    scene.run(0.2)
    assert queue.is_deleted


def test_a_shorter_expiry_is_not_kept_waiting_by_the_longer_one(scene: Scene) -> None:
    queue = scene.declare()
    put(scene, {"expires": 60_000})
    put(scene, {"expires": 1000})
    scene.run(1.1)
    assert queue.is_deleted


def test_a_longer_expiry_is_not_cut_by_the_shorter_one(scene: Scene) -> None:
    queue = scene.declare()
    put(scene, {"expires": 1000})
    put(scene, {"expires": 3000})
    scene.run(2.9)
    assert not queue.is_deleted
    scene.run(0.2)
    assert queue.is_deleted


def test_an_expiry_that_goes_in_time_deletes_nothing(scene: Scene) -> None:
    queue = scene.declare()
    put(scene, {"expires": 1000})
    clear(scene)
    scene.run(5)
    assert not queue.is_deleted


def test_an_expiry_that_goes_in_the_turn_in_which_it_ran_out_deletes_nothing(scene: Scene) -> None:
    queue = scene.declare()
    put(scene, {"expires": 1000})
    scene.clock.advance(2)
    clear(scene)
    assert not queue.is_deleted


def test_consumers_hold_off_an_expiry_that_came_later(scene: Scene, peer: Peer) -> None:
    queue = scene.declare()
    peer.consume("c")
    put(scene, {"expires": 1000})
    scene.run(5)
    assert not queue.is_deleted
    peer.cancel("c")
    scene.run(1.1)
    assert queue.is_deleted


# --- nothing else changes


def test_a_policy_that_is_set_again_unchanged_for_this_queue_leaves_it_alone(scene: Scene) -> None:
    queue = scene.declare()
    put(scene, {"expires": 1000})
    scene.run(0.9)
    scene.turn.begin()
    scene.vhost.set_policy(policy(scene, {"max-length": 1}, name="other", pattern="^other$"))
    scene.turn.finish()
    scene.run(0.2)
    assert queue.is_deleted, "its time began anew for a policy that is not its own"


# --- quorum queues


def test_dead_letters_stay_until_they_are_taken_while_a_policy_says_so(scene: Scene) -> None:
    queue = scene.declare(arguments={b"x-queue-type": text("quorum"), b"x-message-ttl": number(1000)}, is_durable=True)
    safe = {
        "dead-letter-exchange": "",
        "dead-letter-routing-key": "dead",
        "dead-letter-strategy": "at-least-once",
        "overflow": "reject-publish",
    }
    put(scene, safe)
    scene.push(queue, b"1")
    scene.run(1.1)
    assert queue.dead is not None
    assert len(queue.dead) == 1
    dead = scene.declare(b"dead")
    scene.run(1.1)
    assert (len(queue.dead), scene.bodies(dead)) == (0, [b"1"])
    scene.vhost.delete_queue(dead)
    scene.push(queue, b"2")
    scene.run(1.1)
    assert len(queue.dead) == 1
    clear(scene)
    scene.run(1.1)
    assert len(queue.dead) == 0, "nobody wants it any more"


def test_a_policy_replaces_the_default_delivery_limit_of_quorum_queues_only(scene: Scene) -> None:
    quorum = scene.declare(b"q1", {b"x-queue-type": text("quorum")}, is_durable=True)
    classic = scene.declare(b"q2")
    put(scene, {"delivery-limit": 3})
    assert (quorum.limits.delivery_limit, classic.limits.delivery_limit) == (3, -1)
    clear(scene)
    assert quorum.limits.delivery_limit == 20
