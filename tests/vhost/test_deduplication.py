"""Duplicates: exchanges that drop what they have seen, and queues that take no second copy of what they hold."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.core.arguments import Field, Table, boolean, long, longstr
from broker.core.message import Enqueuer, Message, Queued
from broker.queues.held_keys import HeldKeys
from broker.queues.queue import Queue
from broker.store.survivors import Survivors
from broker.vhost.publisher import REFUSED, ROUTED, STORED, UNROUTABLE
from broker.wire.properties import PropertyScanner
from tests.definitions.node import Node
from tests.vhost.scene import Scene, bodies, content_header, refused, take, take_all
from tests.vhost.test_full_disk import Place, place

__all__ = ["place"]


def exchange(scene: Scene, size: int = 100, **arguments: Field) -> None:
    table: Table = {b"x-cache-size": long(size)}
    table |= {f"x-cache-{name}".encode(): field for name, field in arguments.items()}
    source = scene.exchange(b"x", b"x-message-deduplication", table)
    scene.vhost.bind(source, scene.queue(), b"", {})


def publish(scene: Scene, body: bytes, key: Any, to: str = "x", **headers: Any) -> int:
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if key is not None:
        headers["x-deduplication-header"] = key
    return scene.publish(to, "q", body, headers=headers)


def ready(scene: Scene) -> list[bytes]:
    return bodies(scene.vhost.queues[b"q"])


# --- exchanges


def test_exchange_routes_the_first_message_of_each_key(scene: Scene) -> None:
    exchange(scene)
    outcomes = [publish(scene, *each) for each in ((b"1", "a"), (b"2", "b"), (b"3", "a"), (b"4", None), (b"5", None))]
    assert outcomes == [STORED, STORED, UNROUTABLE, STORED, STORED]
    assert ready(scene) == [b"1", b"2", b"4", b"5"]
    assert scene.counters.messages_routed == 4


def test_equal_values_are_equal_whatever_their_width_and_other_types_are_not(scene: Scene) -> None:
    exchange(scene)
    for body, key in ((b"1", 5), (b"2", 2**40), (b"3", "5"), (b"4", True), (b"5", 5), (b"6", 2**40)):
        publish(scene, body, key)
    assert ready(scene) == [b"1", b"2", b"3", b"4"]


def test_full_cache_forgets_the_oldest_key(scene: Scene) -> None:
    exchange(scene, size=2)
    for body, key in ((b"1", "a"), (b"2", "b"), (b"3", "c"), (b"4", "b"), (b"5", "a")):
        publish(scene, body, key)
    assert ready(scene) == [b"1", b"2", b"3", b"5"]


def test_key_is_forgotten_when_its_time_is_over(scene: Scene) -> None:
    exchange(scene, ttl=long(1000))
    publish(scene, b"1", "a")
    publish(scene, b"long", "b", x_cache_ttl=5000)
    scene.advance(0.999)
    publish(scene, b"2", "a")
    scene.advance(0.001)
    publish(scene, b"3", "a")
    publish(scene, b"4", "b")
    scene.advance(4)
    publish(scene, b"5", "b")
    assert ready(scene) == [b"1", b"long", b"3", b"5"]


def test_key_that_a_queue_refused_has_not_been_seen(scene: Scene) -> None:
    exchange(scene)
    full = scene.queue(b"full", {b"x-max-length": long(1), b"x-overflow": longstr(b"reject-publish")})
    scene.vhost.bind(scene.vhost.exchange(b"x"), full, b"", {})
    assert publish(scene, b"1", "a") == STORED
    assert publish(scene, b"2", "b") == REFUSED
    take(full)
    assert publish(scene, b"3", "b") == STORED


def test_message_that_was_prepared_and_never_published_has_not_been_seen(scene: Scene) -> None:
    """As in a transaction that is rolled back: its messages must not shut others out."""
    exchange(scene)
    octets = content_header(1, headers={"x-deduplication-header": "a"})
    scanner = PropertyScanner()
    assert scanner.scan(octets)
    scene.publisher.prepare(scene.route("x", ""), octets, b"1", scanner)
    assert publish(scene, b"2", "a") == STORED
    assert publish(scene, b"3", "a") == UNROUTABLE
    assert ready(scene) == [b"2"]


def test_nacked_message_may_come_again_after_a_full_disk(place: Place) -> None:
    exchange(place)
    place.finish()
    place.files.is_full = True
    ledger = place.ledger()
    ledger.published(publish(place, b"1", "a") == STORED, False)
    place.turn.watch(ledger)
    place.finish()
    assert place.told() == [("nack", 1, False)]
    place.files.is_full = False
    place.turn.try_again()
    assert publish(place, b"2", "a") == STORED
    assert ready(place) == [b"2"]


def test_dead_letters_are_looked_at_as_well(scene: Scene) -> None:
    exchange(scene)
    dying = scene.queue(b"dying", {b"x-dead-letter-exchange": longstr(b"x")})
    for body in (b"1", b"2"):
        scene.publish("", "dying", body, headers={"x-deduplication-header": "a"})
    for queued in take_all(dying):
        dying.reject(queued)
    scene.finish()
    assert ready(scene) == [b"1"]


def test_message_with_further_keys_is_no_duplicate_of_itself(scene: Scene) -> None:
    exchange(scene)
    assert publish(scene, b"1", "a", CC=["other", "q"]) == STORED
    assert ready(scene) == [b"1"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0"),
        ({b"x-cache-size": long(0)}, "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0"),
        (
            {b"x-cache-size": longstr(b"many")},
            "Missing or invalid argument, 'x-cache-size' must be an integer greater than 0",
        ),
        ({b"x-cache-size": long(10_000_001)}, "Invalid argument, 'x-cache-size' must be at most 10000000"),
        (
            {b"x-cache-size": long(5), b"x-cache-ttl": long(0)},
            "Invalid argument, 'x-cache-ttl' must be an integer greater than 0",
        ),
        (
            {b"x-cache-size": long(5), b"x-cache-persistence": longstr(b"paper")},
            "Invalid argument, 'x-cache-persistence' must be either 'disk' or 'memory'",
        ),
    ],
)
def test_arguments_that_cannot_be_are_refused(scene: Scene, arguments: Table, text: str) -> None:
    with refused(f"PRECONDITION_FAILED - {text}"):
        scene.exchange(b"x", b"x-message-deduplication", arguments)


def test_numbers_may_be_text(scene: Scene) -> None:
    arguments: Table = {b"x-cache-size": longstr(b"1"), b"x-cache-ttl": longstr(b"10"), b"x-cache-persistence": DISK}
    source = scene.exchange(b"x", b"x-message-deduplication", arguments)
    scene.vhost.bind(source, scene.queue(), b"", {})
    for body, key in ((b"1", "a"), (b"2", "b"), (b"3", "a")):
        publish(scene, body, key)
    assert ready(scene) == [b"1", b"2", b"3"]


DISK = longstr(b"disk")


# --- queues


def single(scene: Scene, arguments: Table | None = None) -> Queue:
    return scene.queue(b"q", {b"x-message-deduplication": boolean(True), **(arguments or {})})


def test_queue_takes_no_second_copy_of_what_it_holds(scene: Scene) -> None:
    queue = single(scene)
    for body, key in ((b"1", "a"), (b"2", "a"), (b"3", "b"), (b"4", None), (b"5", None)):
        assert publish(scene, body, key, "") == STORED
    assert (queue.ready.count, queue.published, len(scene.store.pending)) == (4, 4, 4)
    assert ready(scene) == [b"1", b"3", b"4", b"5"]


def test_unacked_message_is_still_in_its_queue(scene: Scene) -> None:
    queue = single(scene)
    publish(scene, b"1", "a", "")
    held = take(queue)
    publish(scene, b"2", "a", "")
    queue.put_back([held])
    publish(scene, b"3", "a", "")
    assert ready(scene) == [b"1"]
    publish(scene, b"4", "a", "")
    assert ready(scene) == [b"4"]


def surviving(*unacked: Queued) -> Survivors:
    survivors = Survivors()
    for queued in unacked:
        survivors.add(queued)
    return survivors


def leave_by_reject(scene: Scene, queue: Queue) -> None:
    queue.reject(take(queue))


def leave_by_get(scene: Scene, queue: Queue) -> None:
    queue.settle_unseen(take(queue))


def leave_by_expiry(scene: Scene, queue: Queue) -> None:
    scene.finish()
    scene.advance(1)


def leave_by_length(scene: Scene, queue: Queue) -> None:
    publish(scene, b"newer", "other", "")
    publish(scene, b"newest", "another", "")
    queue.deliver()
    scene.vhost.queues[b"q"].purge(Survivors())


def leave_by_purge(scene: Scene, queue: Queue) -> None:
    queue.purge(Survivors())


@pytest.mark.parametrize(
    "leave", [leave_by_reject, leave_by_get, leave_by_expiry, leave_by_length, leave_by_purge], ids=lambda f: f.__name__
)
def test_message_that_has_left_makes_room_for_another(scene: Scene, leave: Any) -> None:
    queue = single(scene, {b"x-message-ttl": long(500), b"x-max-length": long(2)})
    publish(scene, b"1", "a", "")
    leave(scene, queue)
    publish(scene, b"2", "a", "")
    publish(scene, b"3", "a", "")
    assert ready(scene) == [b"2"]


def test_purge_keeps_the_keys_of_what_is_unacked(scene: Scene) -> None:
    queue = single(scene)
    publish(scene, b"1", "a", "")
    publish(scene, b"2", "b", "")
    held = take(queue)
    queue.purge(surviving(held))
    publish(scene, b"3", "a", "")
    publish(scene, b"4", "b", "")
    assert ready(scene) == [b"4"]


def test_queue_knows_what_it_holds_after_a_restart(tmp_path: Path) -> None:
    node = Node(tmp_path / "data")
    single(node)
    publish(node, b"1", "a", "")
    node = node.crashed(tmp_path / "copy")
    publish(node, b"2", "a", "")
    publish(node, b"3", "b", "")
    assert ready(node) == [b"1", b"3"]
    node.stop()


def test_nacked_message_may_come_again_into_its_queue(place: Place) -> None:
    single(place)
    place.finish()
    place.files.is_full = True
    ledger = place.ledger()
    ledger.published(publish(place, b"1", "a", "") == STORED, False)
    place.turn.watch(ledger)
    place.finish()
    assert place.told() == [("nack", 1, False)]
    place.files.is_full = False
    place.turn.try_again()
    publish(place, b"2", "a", "")
    assert ready(place) == [b"2"]


def test_other_queues_take_everything(scene: Scene) -> None:
    for argument in ({}, {b"x-message-deduplication": boolean(False)}, {b"x-message-deduplication": longstr(b"true")}):
        scene.queue(b"q", argument)
        publish(scene, b"1", "a", "")
        publish(scene, b"2", "a", "")
        assert ready(scene) == [b"1", b"2"]
        scene.vhost.delete_queue(scene.vhost.queues[b"q"])


def test_keys_of_a_very_long_queue_are_forgotten_oldest_first_and_a_late_end_does_no_harm() -> None:
    keys = HeldKeys(limit=2)
    queue = Enqueuer(b"q", "/", False, 0)

    def message(key: str) -> Message:
        return Message(b"", content_header(0, headers={"x-deduplication-header": key}), b"", False, 0, 0, -1)

    assert [keys.enter(message(key), n) for n, key in enumerate("abb", 1)] == [True, True, False]
    assert keys.enter(message("c"), 3)
    assert keys.enter(message("a"), 4)  # forgotten: a duplicate gets in
    keys.leave(Queued(message("a"), queue, 1))
    assert not keys.enter(message("a"), 5)  # the end of the first is not the end of the second
    keys.leave(Queued(message("a"), queue, 4))
    assert keys.enter(message("a"), 6)


Steps = st.lists(st.tuples(st.sampled_from(["publish", "take", "ack", "put back", "purge"]), st.integers(0, 3)))


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=Steps)
def test_queue_never_holds_two_of_a_key_and_never_loses_a_first(scene: Scene, steps: list[tuple[str, int]]) -> None:
    queue = single(scene)
    ready_keys: list[int] = []
    unacked: list[Any] = []
    for step, key in steps:
        if step == "publish":
            assert publish(scene, b"%d" % key, key, "") in {STORED, ROUTED}
            if key not in ready_keys and b"%d" % key not in [each.message.body for each in unacked]:
                ready_keys.append(key)
        elif step == "take" and ready_keys:
            unacked.append(take(queue))
            ready_keys.pop(0)
        elif step == "ack" and unacked:
            queue.settle(unacked.pop())
        elif step == "put back" and unacked:
            back = unacked.pop(0)
            queue.put_back([back])
            ready_keys.insert(0, int(back.message.body))
            unacked = [each for each in unacked if each is not back]
        elif step == "purge":
            queue.purge(surviving(*unacked))
            ready_keys = []
    assert sorted(bodies(queue)) == sorted(b"%d" % key for key in ready_keys)
    scene.vhost.delete_queue(queue)
