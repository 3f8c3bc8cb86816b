"""Recent history exchanges: what a queue that is bound later gets."""

import pytest

from broker.core.arguments import Field, Table, boolean, long, longstr
from broker.routing.exchange import Exchange
from broker.routing.recent_history import MAX_HISTORY_BYTES
from broker.vhost.publisher import ROUTED, STORED, UNROUTABLE
from tests.vhost.scene import Scene, bodies, refused, take


def history(scene: Scene, length: int | None = None, **traits: bool) -> Exchange:
    arguments: Table = {} if length is None else {b"x-recent-history-length": long(length)}
    return scene.exchange(b"x", b"x-recent-history", arguments, **traits)


def seen_by_newcomer(scene: Scene, name: bytes = b"new") -> list[bytes]:
    queue = scene.queue(name)
    scene.vhost.bind(scene.vhost.exchange(b"x"), queue, b"", {})
    return bodies(queue)


def publish(scene: Scene, *names: bytes) -> None:
    for name in names:
        scene.publish("x", "any", name)


@pytest.mark.parametrize(("length", "expected"), [(None, range(10, 30)), (3, range(27, 30)), (100, range(30))])
def test_newly_bound_queue_gets_the_last_messages_in_order(scene: Scene, length: int | None, expected: range) -> None:
    history(scene, length)
    publish(scene, *(b"%d" % n for n in range(30)))
    assert seen_by_newcomer(scene) == [b"%d" % n for n in expected]


def test_messages_are_routed_to_everyone_bound_as_well(scene: Scene) -> None:
    history(scene)
    assert seen_by_newcomer(scene, b"first") == []
    publish(scene, b"a", b"b")
    assert bodies(scene.vhost.queues[b"first"]) == [b"a", b"b"]
    assert seen_by_newcomer(scene, b"second") == [b"a", b"b"]


def test_identical_bind_brings_nothing_and_another_binding_brings_it_again(scene: Scene) -> None:
    history(scene)
    publish(scene, b"a")
    assert seen_by_newcomer(scene) == [b"a"]
    assert seen_by_newcomer(scene) == []
    scene.vhost.bind(scene.vhost.exchange(b"x"), scene.vhost.queues[b"new"], b"other", {})
    assert bodies(scene.vhost.queues[b"new"]) == [b"a"]


@pytest.mark.parametrize(
    ("value", "is_kept"), [(boolean(True), False), (boolean(False), True), (longstr(b"true"), True)]
)
def test_message_that_says_so_is_not_kept(scene: Scene, value: Field, is_kept: bool) -> None:
    history(scene)
    scene.publish("x", "", b"a", headers={"x-recent-history-no-store": value.value if value.kind == "t" else "true"})
    assert seen_by_newcomer(scene) == ([b"a"] if is_kept else [])


def test_history_alone_is_no_route(scene: Scene) -> None:
    """Kept or not, nobody has got it: it would come back if it were mandatory."""
    history(scene)
    assert scene.publish("x", "", b"a") == UNROUTABLE
    assert scene.counters.messages_routed == 0
    seen_by_newcomer(scene)
    assert scene.publish("x", "", b"b") == STORED
    assert scene.publish("x", "", b"c", delivery_mode=1) == ROUTED
    assert scene.counters.messages_routed == 2


def test_alternate_exchange_takes_what_only_the_history_kept(scene: Scene) -> None:
    rest = scene.exchange(b"rest", b"fanout")
    scene.vhost.bind(rest, scene.queue(b"lost"), b"", {})
    scene.exchange(b"x", b"x-recent-history", {b"alternate-exchange": longstr(b"rest")})
    publish(scene, b"a")
    assert bodies(scene.vhost.queues[b"lost"]) == [b"a"]
    assert seen_by_newcomer(scene) == [b"a"]


def test_what_a_queue_refused_is_not_kept(scene: Scene) -> None:
    exchange = history(scene)
    full = scene.queue(b"full", {b"x-max-length": long(1), b"x-overflow": longstr(b"reject-publish")})
    scene.vhost.bind(exchange, full, b"", {})
    publish(scene, b"a", b"b")
    assert seen_by_newcomer(scene) == [b"a"]


def test_bound_exchange_routes_the_history_on(scene: Scene) -> None:
    history(scene)
    scene.publish("x", "red", b"1")
    scene.publish("x", "blue", b"2")
    scene.publish("x", "none", b"3", headers={"CC": ["red"]})
    direct = scene.exchange(b"direct")
    scene.vhost.bind(direct, scene.queue(), b"red", {})
    scene.vhost.bind(scene.vhost.exchange(b"x"), direct, b"", {})
    assert bodies(scene.vhost.queues[b"q"]) == [b"1", b"3"]


def test_durable_queue_keeps_what_it_got_from_the_history(scene: Scene) -> None:
    history(scene)
    publish(scene, b"a")
    scene.advance(60)
    queue = scene.queue(b"new", {b"x-message-ttl": long(1000)})
    scene.vhost.bind(scene.vhost.exchange(b"x"), queue, b"", {})
    assert [queued.queue for queued in scene.store.pending] == [queue]
    queued = take(queue)
    # Its time counts from now on, also when it is read back after a restart.
    assert queued.message.timestamp_ms == scene.agenda.now_ms
    assert queued.message.body == b"a"


def test_memory_of_a_history_is_bounded_whatever_its_length(scene: Scene) -> None:
    history(scene, 1_000_000_000)
    quarter = MAX_HISTORY_BYTES // 4
    publish(scene, b"1" * quarter, b"2" * quarter, b"3" * quarter, b"4" * quarter)
    publish(scene, b"5" * (MAX_HISTORY_BYTES + 1))
    assert [body[:1] for body in seen_by_newcomer(scene)] == [b"2", b"3", b"4"]


def test_empty_messages_fill_a_history_too(scene: Scene) -> None:
    exchange = history(scene, 10**18)
    for _ in range(30_000):
        scene.publish("x", "", b"", delivery_mode=1)
    assert 10_000 < len(exchange.replayed()) < 30_000


@pytest.mark.parametrize(
    ("length", "shown"),
    [(long(0), "0"), (long(-1), "-1"), (longstr(b"20"), '<<"20">>'), (Field("d", 2.0), "2.0")],
)
def test_length_must_be_a_positive_integer(scene: Scene, length: Field, shown: str) -> None:
    text = f"Invalid argument {shown}, 'x-recent-history-length' must be a positive integer"
    with refused(f"PRECONDITION_FAILED - {text}"):
        scene.exchange(b"x", b"x-recent-history", {b"x-recent-history-length": length})
    assert b"x" not in scene.vhost.exchanges


def test_messages_of_a_refused_turn_are_forgotten(scene: Scene) -> None:
    exchange = history(scene)
    publish(scene, b"kept")
    scene.advance(1)
    publish(scene, b"refused", b"too")
    exchange.undo(scene.agenda.now_ms)
    assert [message.body for message in exchange.replayed()] == [b"kept"]
