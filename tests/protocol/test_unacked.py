"""The ledger of deliveries against a dictionary."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.message import NOT_STORED, Enqueuer, Message, Queued
from broker.protocol.consumer import ChannelConsumer
from broker.protocol.unacked import PAGE_SIZE, Unacked
from broker.queues.agenda import Agenda
from broker.queues.window import MemoryWindow
from broker.store.files import Files
from broker.store.spool import Spool
from broker.store.survivors import Survivors
from tests.queues.scene import Peer, Scene

QUEUE = Enqueuer(b"q", "/", False, 0)
QUEUES = (QUEUE, Enqueuer(b"another", "/", False, 0))
MESSAGE = Message(b"\0\0", b"", b"", False, 0, 0, -1)
LIKES = (Message(b"\0\0", b"", b"1234", False, 0, 0, -1), Message(b"\0\x01k", b"", b"8765", False, 0, 0, -1))

# Deliver (some tags are spent on deliveries that need no ack), deliver messages that are alike, ack one, ack all up to
# one: with ``settle``, only counting those that were alike.
Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(1, 600)),
        st.tuples(st.just("deliver alike"), st.integers(1, 600)),
        st.tuples(st.just("settle"), st.integers(0, 2000)),
        st.tuples(st.just("settle up to"), st.integers(-1, 2000)),
        st.tuples(st.just("skip"), st.integers(1, 600)),
        st.tuples(st.just("take"), st.integers(0, 2000)),
        st.tuples(st.just("take up to"), st.integers(-1, 2000)),
        st.tuples(st.just("spool"), st.just(0)),
    ),
    max_size=40,
)


@pytest.fixture(scope="module")
def consumers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[ChannelConsumer]]:
    scene = Scene(tmp_path_factory.mktemp("scene") / "data")
    peer = Peer(scene)
    peer.open()
    for name in ("one", "two"):
        scene.declare(name.encode())
        peer.consume(name, queue=name)
    yield list(peer.connection.channels[1].consumers.values())
    scene.close()


def facts(queued: Queued | None) -> tuple[int, bytes, bytes, object] | None:
    return None if queued is None else (int(queued.position), queued.message.route, queued.message.body, queued.queue)


def compare_with_a_dictionary(ledger: Unacked, steps: list[Step], consumers: Sequence[ChannelConsumer]) -> None:
    model: dict[int, Queued] = {}
    next_tag = 1
    for step, number in steps:
        if step == "deliver":
            for _ in range(number):
                message = Message(b"\0\0", b"", b"%d" % next_tag, False, 0, 0, -1)
                model[next_tag] = Queued(message, QUEUES[next_tag * number % 7 // 6], next_tag)
                ledger.add(next_tag, model[next_tag], None)
                next_tag += 1
        elif step == "deliver alike":
            consumer, like = consumers[number % 3 // 2], LIKES[number % 5 // 4]
            skipped = number % 4
            bodies = [b"skip"] * skipped + [b"%04d" % (tag % 10_000) for tag in range(next_tag, next_tag + number)]
            position = next_tag + number % 2 * 1000
            ledger.add_run(next_tag, like, bodies, skipped, number, consumer, position)
            for body in bodies[skipped:]:
                model[next_tag] = Queued(like.with_body(body, 0), consumer.queue, position)
                position += 1
                next_tag += 1
        elif step == "settle":
            size = ledger.settle_alike(number)
            assert size in (-1, 4)
            if size == 4:
                assert ledger.holder is not None
                assert ledger.holder.queue is model.pop(number).queue
        elif step == "settle up to":
            for page in ledger.numbers(number):
                settled = [tag for tag in model if page == tag // PAGE_SIZE and (number < 0 or tag <= number)]
                count = ledger.settle_run(page, number)
                for tag in settled:
                    if not ledger.has(tag):
                        assert ledger.holder is not None
                        assert ledger.holder.queue is model.pop(tag).queue
                        count -= 1
                assert count == 0
        elif step == "skip":
            next_tag += number
        elif step == "take":
            assert ledger.has(number) == (number in model)
            assert facts(ledger.take(number)) == facts(model.pop(number, None))
        elif step == "spool":
            ledger.spool()
        else:
            expected = [tag for tag in sorted(model) if number < 0 or tag <= number]
            assert ledger.tags(number) == expected
            assert [facts(each) for each in take_up_to(ledger, number)] == [facts(model.pop(tag)) for tag in expected]
        assert ledger.count == len(model)
    assert ledger.tags(-1) == sorted(model)
    assert [facts(each) for each in take_up_to(ledger, -1)] == [facts(model[tag]) for tag in sorted(model)]


def take_up_to(ledger: Unacked, up_to: int) -> list[Queued]:
    found: list[Queued] = []
    queued: list[Queued] = []
    holders: list[ChannelConsumer | None] = []
    for number in ledger.numbers(up_to):
        ledger.take_page(number, up_to, queued, holders)
        assert all(holder is None or holder.queue is each.queue for holder, each in zip(holders, queued, strict=True))
        found.extend(queued)
    return found


@settings(max_examples=200)
@given(steps=STEPS)
def test_ledger_gives_back_what_a_dictionary_would(consumers: list[ChannelConsumer], steps: list[Step]) -> None:
    compare_with_a_dictionary(Unacked(Agenda()), steps, consumers)


def little_memory(path: Path) -> Agenda:
    agenda = Agenda()
    agenda.window = MemoryWindow(1, 1 << 30)
    agenda.spool = Spool(str(path), Files())
    return agenda


@settings(max_examples=100)
@given(steps=STEPS)
def test_ledger_on_disk_gives_back_what_a_dictionary_would_and_leaves_nothing_there(
    consumers: list[ChannelConsumer], steps: list[Step]
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        agenda = little_memory(Path(directory) / "spool")
        compare_with_a_dictionary(Unacked(agenda), steps, consumers)
        assert agenda.window is not None
        assert agenda.window.used == 0
        assert agenda.spool is not None
        assert agenda.spool.octets == 0


def test_a_channel_that_never_acks_keeps_two_pages_in_memory(tmp_path: Path) -> None:
    agenda = little_memory(tmp_path / "spool")
    assert agenda.window is not None
    ledger = Unacked(agenda)
    for tag in range(1, 50_001):
        ledger.add(tag, Queued(MESSAGE, QUEUE, tag), None)
        while agenda.long:
            agenda.long.pop().spool()
    assert agenda.window.used == 0
    survivors = Survivors()
    ledger.survive(QUEUE, survivors)
    assert survivors.positions.overlap(1, 1 << 40) == [(1, 50_000)]
    assert survivors.by_segment == {NOT_STORED: 50_000}


def test_acks_one_by_one_read_each_page_once(tmp_path: Path) -> None:
    agenda = little_memory(tmp_path / "spool")
    ledger = Unacked(agenda)
    for tag in range(1, 10 * PAGE_SIZE):
        ledger.add(tag, Queued(MESSAGE, QUEUE, tag), None)
    ledger.spool()
    assert agenda.spool is not None
    spooled = int(agenda.spool.octets)
    for tag in range(1, PAGE_SIZE):
        assert ledger.take(tag) is not None
    assert 0 < agenda.spool.octets < spooled  # the first page has gone, whole
    assert ledger.take(1) is None
    ledger.take_page(5, -1, [], [])
    assert not ledger.has(5 * PAGE_SIZE)
    assert ledger.has(6 * PAGE_SIZE)


def test_delivery_put_back_by_a_rollback_is_found_under_its_old_tag() -> None:
    ledger = Unacked(Agenda())
    for tag in range(1, 3 * PAGE_SIZE):
        ledger.add(tag, Queued(MESSAGE, QUEUE, tag), None)
    early = ledger.take(5)
    assert early is not None
    take_up_to(ledger, 2 * PAGE_SIZE)
    ledger.add(5, early, None)
    assert ledger.tags(10) == [5]
    assert ledger.take(5) is early
    ledger.add(7, early, None)
    ledger.add(4 * PAGE_SIZE, early, None)
    assert ledger.take(7) is early


def test_messages_that_are_alike_are_no_objects_whoever_sent_them(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    queue = scene.declare()
    consumer, one, other = peers = [Peer(scene) for _ in range(3)]
    for peer in peers:
        peer.open()
    consumer.consume("c", prefetch=20)
    for publisher in (one, other, one):
        publisher.publish(*[b"%02d" % number for number in range(10)])
    ledger = consumer.connection.channels[1].unacked
    [page] = ledger._pages.values()
    assert (page.live, page.kept, queue.ready_count) == (20, 0, 10)
    consumer.ack(15, multiple=True)
    assert (page.live, page.kept, queue.ready_count) == (15, 0, 0)
    consumer.reject(20)
    assert (page.live, page.kept, queue.ready_count) == (15, 15, 0)  # the rejected one is out again
    assert [each.body for each in consumer.deliveries()] == [b"%02d" % number for number in range(10)] * 3 + [b"09"]
    scene.close()
