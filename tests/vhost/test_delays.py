"""Delayed messages in a vhost: when they are routed, with what in their headers, and what the store holds meanwhile."""

from typing import Any

import pytest

from broker.core.arguments import Field, Table, boolean, long, longstr
from broker.core.message import PENDING
from broker.queues.window import MemoryWindow
from broker.store.spool import Spool
from broker.vhost.delay_line import DelayLine, delay_line_of
from broker.vhost.publisher import ROUTED, STORED
from broker.vhost.release import DISK_FULL_REST_MS, RELEASE_BUDGET
from broker.wire.properties import headers_of
from tests.vhost.scene import Scene, bodies, take
from tests.vhost.test_full_disk import Place, place

__all__ = ["place"]


def delayed(scene: Scene, inner: bytes = b"direct", *, durable: bool = True, name: bytes = b"x") -> DelayLine:
    exchange = scene.exchange(name, b"x-delayed-message", {b"x-delayed-type": longstr(inner)}, durable=durable)
    line = delay_line_of(exchange)
    assert line is not None
    return line


def bound(scene: Scene, name: bytes = b"q", key: bytes = b"k", arguments: Table | None = None) -> None:
    scene.vhost.bind(scene.vhost.exchange(b"x"), scene.queue(name, arguments), key, {})


def publish(scene: Scene, body: bytes, delay: int, key: str = "k", **properties: Any) -> int:
    headers = {"x-delay": delay, **properties.pop("headers", {})}
    return scene.publish("x", key, body, headers=headers, **properties)


def ready(scene: Scene, name: bytes = b"q") -> list[bytes]:
    return bodies(scene.vhost.queues[name])


def wait(scene: Scene, seconds: float) -> None:
    """End the turn, and begin another so much later."""
    scene.finish()
    scene.advance(seconds)


def headers(queued_header: bytes) -> Table:
    return headers_of(queued_header) or {}


def test_message_is_routed_when_its_delay_is_over_and_not_before(scene: Scene) -> None:
    line = delayed(scene)
    bound(scene)
    assert publish(scene, b"m", 1500) == STORED
    assert line.count == 1
    wait(scene, 1.499)
    assert ready(scene) == []
    wait(scene, 0.001)
    assert ready(scene) == [b"m"]
    assert line.count == 0
    assert scene.agenda.next_wake_ms == -1


def test_messages_come_in_order_of_their_time_and_equal_ones_in_order_of_publish(scene: Scene) -> None:
    delayed(scene)
    bound(scene)
    for body, delay in ((b"c", 3000), (b"a1", 1000), (b"now", 0), (b"b", 2000), (b"a2", 1000)):
        publish(scene, body, delay)
    scene.finish()
    assert ready(scene) == [b"now"]
    wait(scene, 10)
    assert ready(scene) == [b"a1", b"a2", b"b", b"c"]


def test_a_shorter_delay_published_later_is_not_held_up(scene: Scene) -> None:
    delayed(scene)
    bound(scene)
    publish(scene, b"long", 60_000)
    wait(scene, 1)
    publish(scene, b"short", 1000)
    wait(scene, 1)
    assert ready(scene) == [b"short"]


@pytest.mark.parametrize(
    ("given", "seen"), [(1000, Field("I", -1000)), ("1000", Field("I", -1000)), (2**32 - 1, long(1 - 2**32))]
)
def test_sign_of_the_delay_is_turned_when_it_is_over(scene: Scene, given: Any, seen: Field) -> None:
    delayed(scene)
    bound(scene)
    publish(scene, b"m", given, headers={"mine": "kept"}, message_id="id", expiration="5000")
    scene.finish()
    wait(scene, (2**32 - 1) / 1000)
    queued = take(scene.vhost.queues[b"q"])
    assert headers(queued.message.header) == {b"x-delay": seen, b"mine": longstr(b"kept")}
    assert b"id" in queued.message.header
    # The time it waited does not count against the time it may stay in its queue.
    assert queued.expires_ms == scene.agenda.now_ms + 5000
    assert queued.message.route == b"\x01x\x01k"


def test_message_that_nobody_wants_when_it_is_due_is_dropped_and_the_binding_of_that_time_counts(scene: Scene) -> None:
    line = delayed(scene)
    publish(scene, b"m", 1000)
    scene.finish()
    bound(scene)
    publish(scene, b"n", 1000, "unbound")
    wait(scene, 1)
    assert ready(scene) == [b"m"]
    assert line.count == 0
    assert scene.counters.messages_unroutable_dropped == 1
    assert scene.store.places[line.log_id].live == 0


def test_record_waits_in_the_store_and_moves_in_one_batch(scene: Scene) -> None:
    line = delayed(scene)
    bound(scene)
    publish(scene, b"m", 1000)
    scene.finish()
    assert scene.store.places[line.log_id].live == 1
    written = int(scene.store.written)
    scene.clock.advance(1)
    scene.turn.begin()
    scene.turn.finish()
    assert scene.store.written == written + 1
    queue = scene.vhost.queues[b"q"]
    assert (scene.store.places[line.log_id].live, scene.store.places[queue.log_id].live) == (0, 1)


@pytest.mark.parametrize(("durable", "mode", "outcome"), [(True, 1, ROUTED), (False, 2, ROUTED), (True, 2, STORED)])
def test_only_persistent_messages_of_durable_exchanges_are_stored(
    scene: Scene, durable: bool, mode: int, outcome: int
) -> None:
    line = delayed(scene, durable=durable)
    bound(scene)
    assert publish(scene, b"m", 1000, delivery_mode=mode) == outcome
    assert [queued.queue for queued in scene.store.pending] == ([line] if outcome == STORED else [])
    wait(scene, 1)
    assert ready(scene) == [b"m"]


def test_confirm_leaves_when_the_delayed_message_is_on_disk(scene: Scene) -> None:
    delayed(scene)
    ledger = scene.ledger()
    ledger.published(publish(scene, b"m", 60_000) == STORED, False)
    scene.turn.watch(ledger)
    scene.finish()
    assert scene.told() == []
    scene.sync()
    assert scene.told() == [("ack", 1, False)]


def test_deleted_exchange_takes_its_waiting_messages_with_it(scene: Scene) -> None:
    line = delayed(scene)
    bound(scene)
    publish(scene, b"m", 1000)
    scene.finish()
    publish(scene, b"n", 1000)
    scene.vhost.delete_exchange(b"x", False)
    assert line.count == 0
    again = delayed(scene)
    assert again.log_id > line.log_id
    bound(scene)
    wait(scene, 2)
    assert ready(scene) == []
    assert line.log_id not in scene.store.places


def test_many_that_are_due_at_once_are_released_over_several_turns(scene: Scene) -> None:
    line = delayed(scene)
    bound(scene)
    count = RELEASE_BUDGET + 10
    for n in range(count):
        publish(scene, b"%d" % n, 1000, delivery_mode=1)
    scene.finish()
    scene.clock.advance(1)
    scene.turn.begin()
    scene.turn.finish()
    assert line.count == 10
    assert scene.agenda.next_wake_ms == scene.agenda.now_ms
    scene.finish()
    scene.finish()
    assert ready(scene) == [b"%d" % n for n in range(count)]


def test_delayed_message_goes_on_from_the_delayed_exchange_and_not_from_the_one_before_it(scene: Scene) -> None:
    delayed(scene, b"topic")
    first = scene.exchange(b"first", b"fanout")
    scene.vhost.bind(first, scene.vhost.exchange(b"x"), b"", {})
    scene.vhost.bind(first, scene.queue(b"at once"), b"", {})
    bound(scene, key=b"a.*")
    scene.publish("first", "a.b", b"m", headers={"x-delay": 1000})
    scene.finish()
    assert ready(scene, b"at once") == [b"m"]
    wait(scene, 1)
    assert ready(scene) == [b"m"]
    assert ready(scene, b"at once") == []


def test_a_second_delayed_exchange_does_not_delay_again(scene: Scene) -> None:
    first = delayed(scene, b"fanout", name=b"first")
    delayed(scene)
    bound(scene)
    scene.vhost.bind(first.exchange, scene.vhost.exchange(b"x"), b"", {})
    scene.publish("first", "k", b"m", headers={"x-delay": 1000})
    wait(scene, 1)
    assert ready(scene) == [b"m"]


def test_keys_in_cc_and_bcc_count_when_the_delay_is_over_and_bcc_is_seen_by_nobody(scene: Scene) -> None:
    delayed(scene)
    for name in (b"own", b"copied", b"blind"):
        bound(scene, name, name)
    publish(scene, b"m", 1000, "own", headers={"CC": ["copied"], "BCC": ["blind"]})
    wait(scene, 1)
    for name in (b"own", b"copied", b"blind"):
        queued = take(scene.vhost.queues[name])
        assert set(headers(queued.message.header)) == {b"CC", b"x-delay"}


def test_dead_letters_may_wait_in_an_exchange_of_their_queues_name(scene: Scene) -> None:
    """The usual way to try again later. The queue's name in x-death must not be taken for the exchange's."""
    scene.exchange(b"q", b"x-delayed-message", {b"x-delayed-type": longstr(b"fanout")})
    work = scene.queue(b"q", {b"x-dead-letter-exchange": longstr(b"q")})
    scene.vhost.bind(scene.vhost.exchange(b"q"), work, b"", {})
    scene.publish("", "q", b"m", headers={"x-delay": 1000})
    work.reject(take(work))
    scene.finish()
    assert ready(scene) == []
    wait(scene, 1)
    queued = take(work)
    assert queued.message.body == b"m"
    assert headers(queued.message.header)[b"x-delay"] == Field("I", -1000)


def test_delayed_exchange_that_is_an_alternate_delays_what_falls_to_it(scene: Scene) -> None:
    scene.exchange(b"first", b"direct", {b"alternate-exchange": longstr(b"x")})
    delayed(scene)
    bound(scene)
    scene.publish("first", "k", b"m", headers={"x-delay": 1000})
    wait(scene, 1)
    assert ready(scene) == [b"m"]


def test_any_type_delays_if_its_argument_says_so(scene: Scene) -> None:
    exchange = scene.exchange(b"x", b"topic", {b"x-delayed-exchange": boolean(True)})
    assert exchange.kind == b"topic"
    bound(scene, key=b"#")
    publish(scene, b"m", 1000)
    scene.finish()
    assert ready(scene) == []
    wait(scene, 1)
    assert ready(scene) == [b"m"]


def test_memory_of_many_delayed_messages_is_the_window(scene: Scene) -> None:
    window = scene.agenda.window = MemoryWindow(100_000, 1 << 30)
    scene.agenda.spool = Spool(f"{scene.store.directory.path}/spool", scene.store.files)
    line = delayed(scene)
    bound(scene)
    for n in range(5000):
        publish(scene, b"%d" % n, 1000 + n % 7, delivery_mode=1 + n % 2)
        if n % 100 == 0:
            scene.finish()
    scene.finish()
    assert line.count == 5000
    assert window.used <= 100_000
    for _ in range(20):
        wait(scene, 0.5)
    expected = sorted(range(5000), key=lambda n: (n % 7, n))
    assert ready(scene) == [b"%d" % n for n in expected]
    assert scene.agenda.spool.octets == 0


# --- a full disk


def test_delayed_publish_that_was_nacked_for_want_of_room_is_never_routed(place: Place) -> None:
    line = delayed(place)
    bound(place)
    place.turn.finish()
    place.files.is_full = True
    ledger = place.ledger()
    ledger.published(publish(place, b"m", 1000) == STORED, False)
    place.turn.watch(ledger)
    place.finish()
    assert place.told() == [("nack", 1, False)]
    assert line.count == 0
    place.files.is_full = False
    place.turn.try_again()
    wait(place, 2)
    assert ready(place) == []


def test_delayed_messages_wait_on_while_the_disk_is_full(place: Place) -> None:
    line = delayed(place)
    bound(place)
    publish(place, b"m", 1000)
    place.finish()
    place.files.is_full = True
    place.publish("", "q", b"fills the disk")
    place.finish()
    wait(place, 1.5)
    assert line.count == 1
    place.files.is_full = False
    place.turn.try_again()
    wait(place, DISK_FULL_REST_MS / 1000)
    assert ready(place) == [b"fills the disk", b"m"]


def test_delayed_publish_without_confirms_is_kept_while_the_disk_is_full(place: Place) -> None:
    line = delayed(place)
    bound(place)
    place.finish()
    place.files.is_full = True
    publish(place, b"m", 1000)
    place.finish()
    assert [queued.log_segment for queued in place.store.pending] == [PENDING]
    assert line.count == 1
    place.files.is_full = False
    place.turn.try_again()
    wait(place, 3)
    assert ready(place) == [b"m"]
