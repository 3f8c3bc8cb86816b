"""Who gets what: turns, priorities, prefetch, a single active consumer, and the budget of a turn."""

from collections import Counter

from pamqp import commands

from broker.core.arguments import Field
from broker.queues.classic import DELIVERY_BUDGET
from tests.queues.scene import Peer, Scene, number, text


def numbered(count: int, first: int = 0) -> list[bytes]:
    return [b"%d" % value for value in range(first, first + count)]


def takers(peer: Peer) -> list[str]:
    return [each.consumer for each in peer.deliveries()]


def test_consumers_take_turns(scene: Scene, peer: Peer) -> None:
    scene.declare()
    for tag in "abc":
        peer.consume(tag)
    peer.publish(*numbered(9))
    got = peer.deliveries()
    assert [each.body for each in got] == numbered(9)
    assert "".join(each.consumer for each in got) == "abc" * 3


def test_the_turn_goes_on_where_it_stopped(scene: Scene, peer: Peer) -> None:
    scene.declare()
    for tag in "abc":
        peer.consume(tag)
    for body in numbered(7):
        peer.publish(body)
    assert "".join(takers(peer)) == "abcabca"


def test_a_full_consumer_is_passed_over(scene: Scene, peer: Peer) -> None:
    queue = scene.declare()
    peer.consume("a", prefetch=1)
    peer.consume("b", prefetch=3)
    peer.consume("c", prefetch=2)
    peer.publish(*numbered(10))
    got = peer.deliveries()
    assert "".join(each.consumer for each in got) == "abcbcb"
    assert (queue.ready.count, queue.unacked_count) == (4, 6)
    peer.ack(got[0].tag)  # a's
    assert [(each.consumer, each.body) for each in peer.deliveries()] == [("a", b"6")]


def test_a_consumer_without_acknowledgements_ignores_its_own_prefetch(scene: Scene, peer: Peer) -> None:
    queue = scene.declare()
    peer.consume("a", prefetch=1, no_ack=True)
    peer.publish(*numbered(5))
    assert len(peer.deliveries()) == 5
    assert (queue.unacked_count, queue.unacked_bytes, queue.delivered_auto_ack) == (0, 0, 5)


def test_a_leaving_consumer_does_not_cost_its_neighbours_a_turn(scene: Scene, peer: Peer) -> None:
    scene.declare()
    for tag in "abcd":
        peer.consume(tag)
    peer.publish(*numbered(2))
    peer.cancel("a")
    peer.publish(*numbered(4))
    assert "".join(takers(peer)) == "ab" + "cdbc"


def test_fairness_holds_over_channels_and_connections(scene: Scene) -> None:
    scene.declare()
    peers = [Peer(scene) for _ in range(3)]
    for connected in peers:
        connected.open(1)
        connected.open(2)
        connected.consume("one", channel=1)
        connected.consume("two", channel=2)
    publisher = Peer(scene)
    publisher.open()
    publisher.publish(*numbered(600))
    shares = Counter((index, each.channel) for index, one in enumerate(peers) for each in one.deliveries())
    assert set(shares.values()) == {100}
    assert len(shares) == 6


def test_a_higher_priority_gets_everything_while_it_has_room(scene: Scene, peer: Peer) -> None:
    scene.declare()
    peer.consume("low", priority=-1)
    peer.consume("plain", prefetch=2)
    peer.consume("high", prefetch=2, priority=5)
    peer.publish(*numbered(6))
    assert takers(peer) == ["high", "high", "plain", "plain", "low", "low"]


def test_equal_priorities_take_turns(scene: Scene, peer: Peer) -> None:
    scene.declare()
    peer.consume("x")
    for tag in "abc":
        peer.consume(tag, prefetch=3, priority=1)
    peer.publish(*numbered(10))
    assert "".join(takers(peer)) == "abcabcabcx"


def test_only_one_consumer_is_active_and_the_next_takes_over(scene: Scene, peer: Peer) -> None:
    queue = scene.declare(arguments={b"x-single-active-consumer": Field("t", True)})
    peer.consume("a", prefetch=2)
    peer.consume("b")
    peer.consume("c")
    peer.publish(*numbered(4))
    assert takers(peer) == ["a", "a"]
    assert queue.ready.count == 2  # the active one is full: nobody else gets anything
    peer.cancel("a")
    got = peer.deliveries()
    assert [(each.consumer, each.body) for each in got] == [("b", b"2"), ("b", b"3")]
    assert queue.unacked_count == 4  # what the old one holds is not moved


def test_the_active_consumer_is_not_displaced_but_its_heir_is_chosen_by_priority(scene: Scene, peer: Peer) -> None:
    scene.declare(arguments={b"x-single-active-consumer": Field("t", True)})
    peer.consume("first")
    peer.consume("second")
    peer.consume("heir", priority=9)
    peer.publish(b"1")
    assert takers(peer) == ["first"]
    peer.cancel("first")
    peer.publish(b"2")
    assert takers(peer) == ["heir"]


def test_a_turn_delivers_no_more_than_its_budget_and_the_next_goes_on(scene: Scene, peer: Peer) -> None:
    queue = scene.declare()
    scene.push(queue, *[b""] * (2 * DELIVERY_BUDGET + 5))
    peer.consume("c", no_ack=True)
    shares = [len(peer.deliveries())]
    while scene.turn.wants_turn:
        scene.run()
        shares.append(len(peer.deliveries()))
    assert shares == [DELIVERY_BUDGET, DELIVERY_BUDGET, 5]
    assert queue.ready.count == 0


def test_a_turn_by_rank_has_the_same_budget(scene: Scene, peer: Peer) -> None:
    queue = scene.declare()
    scene.push(queue, *[b""] * (DELIVERY_BUDGET + 5))
    peer.consume("c", no_ack=True, priority=3)
    assert len(peer.deliveries()) == DELIVERY_BUDGET
    assert scene.turn.wants_turn
    scene.run()
    assert len(peer.deliveries()) == 5
    assert not scene.turn.wants_turn


def test_requests_in_mid_turn_do_not_multiply_the_deliveries_of_the_next(scene: Scene) -> None:
    queue = scene.declare()
    scene.push(queue, *[b""] * (24 * DELIVERY_BUDGET))
    peers = [Peer(scene) for _ in range(5)]
    for each in peers:
        each.open()
        each.consume("c", no_ack=True)
    for _ in range(3):
        peers[0].declare_passive("q")  # answered with counts that are up to date: by a delivery of its own
    assert queue.ready.count > 0
    assert len(scene.agenda.due) <= 2


def test_a_hundred_thousand_deliveries_return_in_order_when_their_consumer_vanishes(scene: Scene, peer: Peer) -> None:
    queue = scene.declare()
    total = 100_000
    scene.push(queue, *[b""] * total)
    peer.consume("c")
    while scene.turn.wants_turn:
        scene.run()
        peer.parts.clear()
    assert (queue.ready.count, queue.unacked_count) == (0, total)
    peer.connection.lost()
    assert (queue.ready.count, queue.unacked_count) == (total, 0)
    assert [queue.ready.take().position for _ in range(total)] == list(range(1, total + 1))


def test_what_the_budget_leaves_is_not_cut_by_a_length_limit(scene: Scene, peer: Peer) -> None:
    queue = scene.declare(arguments={b"x-max-length": number(1)})
    peer.consume("c", no_ack=True)
    scene.push(queue, *[b""] * (DELIVERY_BUDGET + 5))
    assert len(peer.deliveries()) == DELIVERY_BUDGET
    scene.run()
    assert len(peer.deliveries()) == 5


def test_a_peer_that_is_not_written_to_gets_nothing_more_and_goes_on_when_it_reads(scene: Scene, peer: Peer) -> None:
    queue = scene.declare()
    peer.consume("c", no_ack=True)
    peer.hear()
    peer.connection.pause()
    peer.publish(*numbered(3))
    assert (peer.deliveries(), queue.ready.count) == ([], 3)
    peer.connection.resume()
    scene.run()
    assert [each.body for each in peer.deliveries()] == numbered(3)


def test_resuming_wakes_the_consumers_of_every_channel_and_queue(scene: Scene, peer: Peer) -> None:
    peer.open(2)
    peer.open(3)
    for channel in (1, 2, 3):
        scene.declare(b"q%d" % channel)
        peer.consume("c", channel=channel, queue=f"q{channel}")
    peer.connection.pause()
    for channel in (1, 2, 3):
        peer.publish(b"m", queue=f"q{channel}")
    assert peer.deliveries() == []
    peer.connection.resume()
    scene.run()
    assert sorted(each.channel for each in peer.deliveries()) == [1, 2, 3]


def test_delivered_messages_return_in_order_when_their_channel_closes(scene: Scene, peer: Peer) -> None:
    queue = scene.declare()
    for tag in "abc":
        peer.consume(tag)
    peer.publish(*numbered(500))
    assert len(peer.deliveries()) == 500
    peer.say(1, commands.Channel.Close(200, "", 0, 0))
    assert (queue.ready.count, queue.unacked_count, queue.unacked_bytes) == (500, 0, 0)
    assert queue.ready_bytes == sum(len(each) for each in numbered(500))
    peer.open(2)
    peer.consume("d", channel=2)
    again = peer.deliveries()
    assert [each.body for each in again] == numbered(500)
    assert all(each.is_redelivered for each in again)


def test_requeue_out_of_order_gives_back_the_original_order(scene: Scene, peer: Peer) -> None:
    scene.declare()
    peer.publish(*numbered(5))
    held = [peer.get() for _ in range(4)]
    for index in (2, 0, 1):
        delivery = held[index]
        assert delivery is not None
        peer.nack(delivery.tag)
    order = []
    while (delivery := peer.get(no_ack=True)) is not None:
        order.append((delivery.body, delivery.is_redelivered))
    assert order == [(b"0", True), (b"1", True), (b"2", True), (b"4", False)]


def test_a_rejected_message_is_dead_lettered_once(scene: Scene, peer: Peer) -> None:
    dead = scene.declare(b"dead")
    scene.declare(arguments={b"x-dead-letter-exchange": text(""), b"x-dead-letter-routing-key": text("dead")})
    peer.publish(b"m")
    delivery = peer.get()
    assert delivery is not None
    peer.nack(delivery.tag, requeue=False)
    assert scene.bodies(dead) == [b"m"]


def test_fetched_delivery_that_counts_against_a_shared_limit_gives_its_credit_back(scene: Scene, peer: Peer) -> None:
    scene.declare()
    scene.push(scene.vhost.queues[b"q"], b"1", b"2", b"3")
    assert peer.get() is not None
    peer.say(1, commands.Basic.Qos(0, 1, True))
    peer.say(1, commands.Basic.Consume(queue="q", consumer_tag="c"))
    assert peer.deliveries() == []
    peer.ack(1)
    assert [each.body for each in peer.deliveries()] == [b"2"]
    assert peer.get() is not None
    peer.ack(2)
    assert peer.deliveries() == []  # nothing is left; the one fetched since does not count
    (channel,) = peer.connection.channels.values()
    assert channel.shared_unacked == 0
