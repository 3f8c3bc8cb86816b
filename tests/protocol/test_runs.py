"""Messages in a row that differ in their bodies alone go through in one go: nobody may notice."""

import tempfile
from pathlib import Path
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import body, commands, frame, header

from broker.wire.outbox import OUTBOX_LIMIT
from tests.queues.scene import Delivery, Peer, Scene

QUEUES = ["one", "two", "three"]


class Taker(NamedTuple):
    """A consumer: the number of its queue, its prefetch, whether it needs no acks."""

    queue: int
    prefetch: int
    no_ack: bool


class Plan(NamedTuple):
    """Who consumes what, how many queues are bound, the prefetch that the channel's consumers share, messages."""

    takers: list[Taker]
    bound: int
    shared_prefetch: int
    is_confirmed: bool
    count: int


plans = st.builds(
    Plan,
    st.lists(st.builds(Taker, st.integers(0, 2), st.integers(0, 5), st.booleans()), max_size=5),
    st.integers(0, 3),
    st.sampled_from([0, 0, 7]),
    st.booleans(),
    st.integers(1, 40),
)


class Seen(NamedTuple):
    """What became of the messages, for the clients and in the books."""

    deliveries: list[tuple[str, bytes, bool]]
    waiting: list[list[bytes]]
    counts: list[int]
    confirmed: int


def publish_frames(exchange: str, content: bytes) -> bytes:
    """One transient message as its three frames on channel 1."""
    of_header = header.ContentHeader(0, len(content), commands.Basic.Properties())
    method = commands.Basic.Publish(exchange=exchange)
    return b"".join(frame.marshal(each, 1) for each in (method, of_header, body.ContentBody(content)))


def play(plan: Plan, path: Path, at_once: bool) -> Seen:
    """Publish to a fanout exchange, all in one chunk or a chunk for each message, then settle half and look."""
    scene = Scene(path)
    queues = [scene.declare(name.encode()) for name in QUEUES]
    consumer, publisher, getter = (Peer(scene) for _ in range(3))
    for peer in (consumer, publisher, getter):
        peer.open()
    publisher.say(1, commands.Exchange.Declare(exchange="x", exchange_type="fanout"))
    for name in QUEUES[: plan.bound]:
        publisher.say(1, commands.Queue.Bind(queue=name, exchange="x"))
    if plan.is_confirmed:
        publisher.say(1, commands.Confirm.Select())
    for number, taker in enumerate(plan.takers):
        consumer.consume(str(number), queue=QUEUES[taker.queue], prefetch=taker.prefetch, no_ack=taker.no_ack)
    if plan.bound < 2:  # which of several queues gets a share of one limit is nobody's promise
        consumer.say(1, commands.Basic.Qos(0, plan.shared_prefetch, True))
    publisher.hear()
    consumer.hear()
    bodies = [b"%04d" % number for number in range(plan.count)]
    one_by_one = [publish_frames("x", each) for each in bodies]
    for chunk in [b"".join(one_by_one)] if at_once else one_by_one:
        publisher.connection.feed(chunk)
    heard = sorted(consumer.deliveries(), key=lambda each: (each.consumer, each.tag))
    confirmed = sum(1 for _, each in publisher.hear() if isinstance(each, commands.Basic.Ack))
    counters = scene.counters
    exchange = scene.vhost.exchanges[b"x"]
    counts = [
        *(int(each) for queue in queues for each in (queue.ready_count, queue.unacked_count, queue.published)),
        *(int(each) for queue in queues for each in (queue.ready_bytes, queue.unacked_bytes)),
        *(int(each) for queue in queues for each in (queue.delivered, queue.delivered_auto_ack)),
        *map(int, (counters.messages_received, counters.messages_routed, counters.messages_unroutable_dropped)),
        *map(int, (counters.delivered_auto_ack, counters.delivered_manual_ack, counters.messages_confirmed)),
        *map(int, (counters.size_100, counters.size_sum, exchange.published_in, exchange.published_out)),
    ]
    consumer.connection.lost()  # what was out comes back
    waiting = [
        [each.body for each in iter(lambda name=name: getter.get(queue=name, no_ack=True), None)] for name in QUEUES
    ]
    scene.close()
    return Seen([(each.consumer, each.body, each.is_redelivered) for each in heard], waiting, counts, min(confirmed, 1))


@settings(max_examples=60)
@given(plan=plans)
def test_a_chunk_of_messages_is_like_each_of_them_in_a_chunk_of_its_own(plan: Plan) -> None:
    with tempfile.TemporaryDirectory() as directory:
        at_once = play(plan, Path(directory) / "at once", True)
        alone = play(plan, Path(directory) / "alone", False)
    assert at_once == alone
    assert sum(at_once.counts[2:9:3]) == plan.count * plan.bound


def bodies_of(deliveries: list[Delivery]) -> list[bytes]:
    return [each.body for each in deliveries]


def test_consumers_take_turns_within_a_chunk(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    scene.declare()
    one, other, publisher = (Peer(scene) for _ in range(3))
    for peer in (one, other, publisher):
        peer.open()
    one.consume("a", no_ack=True)
    other.consume("b", prefetch=3)
    publisher.publish(*[b"%02d" % number for number in range(12)])
    assert bodies_of(other.deliveries()) == [b"01", b"03", b"05"]
    assert bodies_of(one.deliveries()) == [b"00", b"02", b"04", b"06", b"07", b"08", b"09", b"10", b"11"]
    scene.close()


def test_what_the_socket_has_no_room_for_waits_in_order(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    queue = scene.declare()
    consumer, publisher = Peer(scene), Peer(scene)
    consumer.open()
    publisher.open()
    consumer.consume("c", no_ack=True)
    consumer.hear()
    before = int(consumer.connection.octets_sent)
    publisher.publish(*[b"%04d" % number + bytes(996) for number in range(500)])
    first = bodies_of(consumer.deliveries())
    assert OUTBOX_LIMIT < consumer.connection.octets_sent - before < OUTBOX_LIMIT + 1100
    assert queue.ready_count > 0
    while queue.ready_count > 0:
        scene.turn.begin()
        scene.turn.finish()
        first += bodies_of(consumer.deliveries())
    assert [int(each[:4]) for each in first] == [*range(500)]
    scene.close()
