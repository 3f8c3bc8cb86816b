"""Messages that come back: how often is counted, and who does so too often dies."""

from pathlib import Path

import pytest
from pamqp import commands

from broker.core.arguments import Field, Table
from broker.queues.window import MemoryWindow
from broker.store.files import Files
from broker.store.spool import Spool
from tests.queues.scene import Peer, Scene, number, text


def quorum(limit: int | None = None, **more: Field) -> Table:
    """Arguments of a quorum queue whose dead letters go to the queue "dead"."""
    arguments = {
        b"x-queue-type": text("quorum"),
        b"x-dead-letter-exchange": text(""),
        b"x-dead-letter-routing-key": text("dead"),
    }
    if limit is not None:
        arguments[b"x-delivery-limit"] = Field("l", limit)
    return arguments | {b"x-" + name.replace("_", "-").encode(): field for name, field in more.items()}


def classic(limit: int) -> Table:
    return {name: field for name, field in quorum(limit).items() if name != b"x-queue-type"}


@pytest.fixture
def peer(scene: Scene) -> Peer:
    made = Peer(scene)
    made.open()
    return made


def declare(scene: Scene, arguments: Table) -> None:
    scene.declare(b"dead")
    scene.declare(arguments=arguments, is_durable=True)


def counts(peer: Peer) -> tuple[int, int] | None:
    """What the next delivery says about how often it came back."""
    delivery = peer.get()
    assert delivery is not None
    return delivery.counts


def test_first_delivery_carries_no_counts(scene: Scene, peer: Peer) -> None:
    declare(scene, quorum())
    peer.publish(b"m", headers={"mine": "stays"})
    delivery = peer.get()
    assert delivery is not None
    assert (delivery.is_redelivered, delivery.headers) == (False, {"mine": "stays"})


def test_nack_is_a_return_and_no_failure(scene: Scene, peer: Peer) -> None:
    declare(scene, quorum(0))
    peer.publish(b"m", headers={"mine": "stays"})
    peer.get()
    for times in range(1, 5):
        peer.nack(times)
        delivery = peer.get()
        assert delivery is not None
        assert delivery.is_redelivered
        assert delivery.headers == {"mine": "stays", "x-acquired-count": times, "x-delivery-count": 0}


def test_recover_is_a_return_and_no_failure(scene: Scene, peer: Peer) -> None:
    declare(scene, quorum(0))
    peer.publish(b"m")
    peer.get()
    peer.say(1, commands.Basic.Recover(True))
    assert counts(peer) == (1, 0)


def test_requeuing_reject_is_a_failure(scene: Scene, peer: Peer) -> None:
    declare(scene, quorum())
    peer.publish(b"m")
    peer.get()
    peer.reject(1)
    assert counts(peer) == (1, 1)


@pytest.mark.parametrize("loss", ["channel", "connection"])
def test_loss_of_channel_or_connection_is_a_failure(scene: Scene, peer: Peer, loss: str) -> None:
    declare(scene, quorum())
    peer.publish(b"m")
    peer.get()
    if loss == "channel":
        peer.say(1, commands.Channel.Close(200, "", 0, 0))
        peer.open()
    else:
        peer.connection.lost()
        peer = Peer(scene)
        peer.open()
    assert counts(peer) == (1, 1)


def test_consumer_gets_the_counts_as_basic_get_does(scene: Scene, peer: Peer) -> None:
    declare(scene, quorum())
    peer.publish(b"m")
    peer.consume("c", prefetch=1)
    peer.deliveries()
    peer.reject(1)
    (delivery,) = peer.deliveries()
    assert (delivery.is_redelivered, delivery.counts) == (True, (1, 1))


@pytest.mark.parametrize("limit", [0, 1, 20])
def test_one_failure_more_than_the_limit_is_death(scene: Scene, peer: Peer, limit: int) -> None:
    declare(scene, quorum(None if limit == 20 else limit))
    peer.publish(b"m")
    for tag in range(1, limit + 2):
        assert scene.vhost.queues[b"dead"].ready.count == 0
        delivery = peer.get()
        assert delivery is not None
        assert delivery.tag == tag
        peer.reject(tag)
    assert peer.get() is None
    dead = peer.get(queue="dead")
    assert dead is not None
    assert dead.headers is not None
    assert (dead.headers["x-death"][0]["reason"], dead.counts) == ("delivery_limit", None)
    assert scene.counters.dead_lettered_delivery_limit == 1
    queue = scene.vhost.queues[b"q"]
    assert (queue.ready_bytes, queue.unacked_bytes, queue.unacked_count) == (0, 0, 0)


def test_negative_limit_is_no_limit_and_counts_all_the_same(scene: Scene, peer: Peer) -> None:
    declare(scene, quorum(-1))
    peer.publish(b"m")
    for tag in range(1, 60):
        peer.get()
        peer.reject(tag)
    assert counts(peer) == (59, 59)


def test_limit_that_is_no_integer_is_the_default(scene: Scene) -> None:
    declare(scene, quorum(delivery_limit=text("7")))
    assert scene.vhost.queues[b"q"].limits.delivery_limit == 20


def test_without_a_dead_letter_exchange_the_message_is_dropped(scene: Scene, peer: Peer) -> None:
    scene.declare(arguments={b"x-queue-type": text("quorum"), b"x-delivery-limit": number(0)}, is_durable=True)
    peer.publish(b"m")
    peer.get()
    peer.reject(1)
    assert peer.get() is None


def test_classic_queue_counts_only_when_it_is_given_a_limit(scene: Scene, peer: Peer) -> None:
    declare(scene, classic(1))
    scene.declare(b"plain", is_durable=True)
    for queue in ("q", "plain"):
        peer.publish(b"m", queue=queue)
        peer.get(queue=queue)
    peer.reject(1)
    peer.reject(2)
    assert counts(peer) == (1, 1)
    delivery = peer.get(queue="plain")
    assert delivery is not None
    assert (delivery.is_redelivered, delivery.counts) == (True, None)
    peer.reject(3)
    assert peer.get() is None
    assert peer.get(queue="dead") is not None


def test_headers_that_are_full_are_delivered_as_they_are(scene: Scene, peer: Peer) -> None:
    declare(scene, quorum())
    full = {f"k{index}": True for index in range(4096)}
    peer.publish(b"m", headers=full)
    peer.get()
    peer.reject(1)
    delivery = peer.get()
    assert delivery is not None
    assert delivery.is_redelivered
    assert delivery.headers is not None
    assert set(full) <= set(delivery.headers)


def test_deliveries_that_a_channel_has_on_disk_are_counted_as_well(scene: Scene, tmp_path: Path) -> None:
    scene.agenda.window = MemoryWindow(2000)
    scene.agenda.spool = Spool(str(tmp_path / "spool"), Files())
    declare(scene, quorum())
    total = 1500
    first = Peer(scene)
    first.open()
    first.publish(*[b"%d" % index for index in range(total)])
    first.consume("c")
    while scene.turn.wants_turn:
        scene.run()
    assert scene.agenda.spool.octets > 0
    assert len(first.deliveries()) == total
    first.connection.lost()
    queue = scene.vhost.queues[b"q"]
    assert (queue.ready.count, queue.unacked_count, queue.unacked_bytes) == (total, 0, 0)
    second = Peer(scene)
    second.open()
    second.consume("c", no_ack=True)
    while scene.turn.wants_turn:
        scene.run()
    found = second.deliveries()
    assert [int(each.body) for each in found] == list(range(total))
    assert {(each.is_redelivered, each.counts) for each in found} == {(True, (1, 1))}


# --- priorities


def test_quorum_queue_has_32_priorities_and_4_is_that_of_a_message_without(scene: Scene, peer: Peer) -> None:
    declare(scene, quorum())
    peer.publish(b"none")
    for priority in (0, 3, 4, 5, 31, 30, 255, 9):
        peer.publish(b"%d" % priority, priority=priority)
    order = []
    while (delivery := peer.get(no_ack=True)) is not None:
        order.append(delivery.body)
    assert order == [b"31", b"255", b"30", b"9", b"5", b"none", b"4", b"3", b"0"]


def test_what_came_back_keeps_its_place_within_its_priority(scene: Scene, peer: Peer) -> None:
    declare(scene, quorum())
    peer.publish(b"1", b"2", b"3")
    peer.publish(b"low", priority=0)
    taken = [peer.get() for _ in range(4)]
    assert None not in taken
    peer.nack(4, multiple=True)
    again = [peer.get(no_ack=True) for _ in range(4)]
    assert [each and each.body for each in again] == [b"1", b"2", b"3", b"low"]


# --- one consumer at a time


def single(scene: Scene) -> None:
    declare(scene, quorum(single_active_consumer=Field("t", True)))


def test_higher_priority_takes_over_when_the_active_consumer_has_settled(scene: Scene, peer: Peer) -> None:
    single(scene)
    peer.consume("low", prefetch=2)
    peer.publish(b"1", b"2")
    assert [each.consumer for each in peer.deliveries()] == ["low", "low"]
    peer.consume("high", priority=5)
    peer.ack(1)
    peer.publish(b"3")
    assert peer.deliveries() == []
    peer.ack(2)
    assert [(each.consumer, each.body) for each in peer.deliveries()] == [("high", b"3")]


def test_equal_priority_does_not_take_over(scene: Scene, peer: Peer) -> None:
    single(scene)
    peer.consume("first")
    peer.consume("second")
    peer.publish(b"1")
    assert [each.consumer for each in peer.deliveries()] == ["first"]


def test_displaced_consumer_is_next_after_those_of_its_priority(scene: Scene, peer: Peer) -> None:
    single(scene)
    peer.consume("low")
    peer.consume("other")
    peer.consume("high", priority=1)
    peer.publish(b"1")
    assert [each.consumer for each in peer.deliveries()] == ["high"]
    peer.cancel("high")
    peer.publish(b"2")
    assert [each.consumer for each in peer.deliveries()] == ["other"]


def test_unacked_stay_with_a_cancelled_active_consumer(scene: Scene, peer: Peer) -> None:
    single(scene)
    peer.consume("first", prefetch=1)
    peer.consume("second")
    peer.publish(b"1", b"2")
    peer.deliveries()
    peer.cancel("first")
    assert [(each.consumer, each.body) for each in peer.deliveries()] == [("second", b"2")]
