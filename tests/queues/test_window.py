"""Long queues: the same messages in the same order as if all of them were in memory, and few of them in memory."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import commands

from broker.core.message import Enqueuer, Message, Queued
from broker.queues.fifo import FifoReady
from broker.queues.window import MESSAGE_OVERHEAD, TIGHT_BYTES, MemoryWindow
from broker.store.files import Files
from broker.store.spool import Spool
from broker.store.spooled_line import SpooledLine
from tests.queues.scene import Peer, Scene

QUEUE = Enqueuer(b"q", "/", False, 0)


def queued(position: int, size: int = 100) -> Queued:
    message = Message(b"\x00\x01q", b"%014d" % position, b"%d" % position + b"b" * size, False, 0, 0, -1)
    return Queued(message, QUEUE, position)


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "spool"), Files())


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["push", "push alike", "take", "give back", "spool", "look", "clear"]), st.integers(1, 60)
    ),
    max_size=60,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, window_messages=st.integers(1, 40))
def test_spooling_line_is_a_list(spool: Spool, steps: list[tuple[str, int]], window_messages: int) -> None:
    window = MemoryWindow(window_messages * (MESSAGE_OVERHEAD + 100), 1 << 30)
    line = FifoReady(window, SpooledLine(spool, QUEUE))
    model: list[int] = []
    out: list[Queued] = []
    following = 1
    for step, number in steps:
        if step == "push":
            for _ in range(number):
                line.push(queued(following))
                model.append(following)
                following += 1
        elif step == "push alike":
            like = queued(0).message
            positions = range(following, following + number)
            line.push_run(QUEUE, like, [b"%0101d" % position for position in positions], 0, following)
            model.extend(positions)
            following += number
        elif step == "take":
            for _ in range(min(number, len(model))):
                out.append(line.take())
                assert out[-1].position == model.pop(0)
        elif step == "give back":
            back = out[-number:]
            del out[-number:]
            line.put_back(back)
            model = sorted([*model, *(each.position for each in back)])
        elif step == "spool":
            line.spool()
        elif step == "clear":
            line.clear()
            model.clear()
            assert window.used == 0
        header = line.next_header()
        first = line.first()
        assert header is None or (first is not None and header == first.message.header)
        assert (None if first is None else first.position) == (model[0] if model else None)
        assert line.count == len(model)
    assert [line.take().position for _ in range(len(model))] == model
    assert window.used == 0


def test_head_of_a_long_line_is_told_without_reading_a_file(spool: Spool) -> None:
    line = FifoReady(MemoryWindow(10 * (MESSAGE_OVERHEAD + 105), 1 << 30), SpooledLine(spool, QUEUE))
    for position in range(1, 101):
        line.push(queued(position))
    line.spool()
    seen = 0
    while line.count > 0:
        spooled = spool.octets
        header = line.next_header()
        assert spool.octets == spooled
        taken = line.take()
        if header is not None:
            assert header == taken.message.header
            seen += 1
    assert 0 < seen < 100


def test_long_line_keeps_no_more_than_its_window_in_memory(spool: Spool) -> None:
    window = MemoryWindow(100 * (MESSAGE_OVERHEAD + 105), 1 << 30)
    line = FifoReady(window, SpooledLine(spool, QUEUE))
    for position in range(1, 20_001):
        line.push(queued(position))
        if position % 50 == 0 and line.is_long():
            line.spool()
    assert line.count == 20_000
    assert window.used <= window.queue_bytes + 50 * (MESSAGE_OVERHEAD + 105)
    assert [line.take().position for _ in range(20_000)] == list(range(1, 20_001))


def test_one_message_larger_than_the_window_stays_and_the_next_ones_are_spooled(spool: Spool) -> None:
    window = MemoryWindow(1000, 1 << 30)
    line = FifoReady(window, SpooledLine(spool, QUEUE))
    line.push(queued(1, 5000))
    line.spool()
    assert line.take().position == 1
    assert line.first() is None
    for position in (2, 3):
        line.push(queued(position, 5000))
    line.spool()
    assert [line.take().position for _ in range(2)] == [2, 3]


def test_queues_over_the_common_budget_have_a_tight_window(spool: Spool) -> None:
    window = MemoryWindow(1 << 20, 1 << 20)
    assert (window.is_tight, window.queue_bytes) == (False, 1 << 20)
    lines = [FifoReady(window, SpooledLine(spool, QUEUE)) for _ in range(4)]
    for line in lines:
        for position in range(1, 1001):
            line.push(queued(position))
    assert (window.is_tight, window.queue_bytes) == (True, TIGHT_BYTES)
    for line in lines:
        line.spool()
    assert window.used <= 1 << 20
    for line in lines:
        assert [line.take().position for _ in range(1000)] == list(range(1, 1001))


@pytest.mark.parametrize("is_durable", [True, False])
def test_backlog_is_delivered_in_order_and_settled_from_the_spool(tmp_path: Path, is_durable: bool) -> None:
    scene = Scene(tmp_path / "data")
    scene.agenda.window = MemoryWindow(20_000, 1 << 30)
    scene.agenda.spool = Spool(str(tmp_path / "spool"), Files())
    queue = scene.declare(is_durable=is_durable)
    publisher, consumer = Peer(scene), Peer(scene)
    publisher.open()
    consumer.open()
    count = 3000
    for number in range(0, count, 100):
        publisher.publish(*[b"%d" % (number + each) for each in range(100)], delivery_mode=2)
    assert queue.ready.count == count
    assert scene.agenda.window.used < 100_000
    consumer.consume("c", prefetch=50)
    bodies: list[bytes] = []
    while len(bodies) < count:
        deliveries = consumer.deliveries()
        assert deliveries, f"nothing after {len(bodies)}"
        bodies.extend(each.body for each in deliveries)
        consumer.ack(deliveries[-1].tag, multiple=True)
    assert bodies == [b"%d" % number for number in range(count)]
    assert (queue.ready.count, queue.unacked_count) == (0, 0)
    if is_durable:
        # Every one of them was settled in the log: the next life finds none.
        scene.store.write()
        assert sum(int(segment.live) for segment in scene.store.log.segments) == 0
    scene.close()


def test_purge_of_a_spooled_queue_spares_what_is_out_and_settles_the_rest(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    scene.agenda.window = MemoryWindow(20_000, 1 << 30)
    scene.agenda.spool = Spool(str(tmp_path / "spool"), Files())
    queue = scene.declare(is_durable=True)
    peer = Peer(scene)
    peer.open()
    for _ in range(20):
        peer.publish(*[b"x"] * 100, delivery_mode=2)
    held = [peer.get() for _ in range(3)]
    peer.say(1, commands.Queue.Purge(queue="q"))
    answers = [frame for _, frame in peer.hear() if isinstance(frame, commands.Queue.PurgeOk)]
    assert [answer.message_count for answer in answers] == [1997]
    assert (queue.ready.count, queue.unacked_count) == (0, 3)
    assert sum(int(segment.live) for segment in scene.store.log.segments) == 3
    last = held[-1]
    assert last is not None
    peer.ack(last.tag, multiple=True)
    assert sum(int(segment.live) for segment in scene.store.log.segments) == 0
    scene.agenda.spool.unlink(scene.agenda.spool.take_garbage())
    assert list((tmp_path / "spool").iterdir()) == []
    scene.close()
