"""Ready messages in order, against plain lists."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.message import Enqueuer, Message, Queued
from broker.queues.fifo import BULK, TRIM_AT, FifoReady
from broker.queues.priority import PriorityReady
from broker.queues.ready import Ready
from broker.queues.run import MOST
from tests.queues.scene import Peer, Scene

QUEUE = Enqueuer(b"q", "/", False, 0)

HEADER = struct.pack(">HHQH", 60, 0, 4, 0)
LIKES = [Message(route, HEADER, b"1234", False, 0, 0, -1) for route in (b"\0\x01q", b"\0\x01k")]

# push with a priority, push like one of two others, take, take what is alike as a consumer's turn does, or put back
# some of what was taken: which of it a number's bits choose
STEP = st.one_of(
    st.tuples(st.just("push"), st.integers(0, 6)),
    st.tuples(st.just("push alike"), st.integers(0, 5)),
    st.tuples(st.just("take alike"), st.integers(1, 5)),
    st.tuples(st.just("take"), st.integers(1, 5)),
    st.tuples(st.just("put back"), st.integers(1, 255)),
)


def queued(position: int, priority: int = 0, expires_ms: int = 0) -> Queued:
    made = Queued(Message(b"", b"%d" % position, b"", False, 0, priority, -1), QUEUE, position)
    made.expires_ms = expires_ms
    return made


class Taker:
    """A client's consumer that takes as many messages as it is told to. Nothing is ever settled."""

    def __init__(self, path: Path) -> None:
        self.scene = Scene(path)
        self.scene.declare()
        self.peer = Peer(self.scene)
        self.peer.open()
        self.peer.consume("c")
        self.peer.hear()
        [self.consumer] = self.peer.connection.channels[1].consumers.values()

    def take(self, ready: Ready, asked: int, room: int) -> list[int]:
        """What the numbers in the bodies were, having asked for so many with room for others."""
        self.consumer.prefetch_count = self.consumer.unacked_count + room
        taken = ready.give_run(self.consumer, asked)
        self.peer.connection.flush()
        numbers = [int(each.body) for each in self.peer.deliveries()]
        assert taken == len(numbers)
        return numbers


@pytest.fixture(scope="module")
def taker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taker]:
    made = Taker(tmp_path_factory.mktemp("taker") / "data")
    yield made
    made.scene.close()


def priorities(highest: int) -> PriorityReady:
    return PriorityReady(highest)


def compare_with_a_sorted_list(ready: Ready, highest: int, steps: list[tuple[str, int]], taker: Taker) -> None:
    model: list[tuple[int, int]] = []  # minus priority, position: sorted, it is the order of delivery
    out: list[Queued] = []
    position = 0

    def rank(each: Queued) -> tuple[int, int]:
        return -min(int(each.message.priority), highest), int(each.position)

    for kind, value in steps:
        if kind == "push":
            position += 1
            fresh = queued(position, value)
            ready.push(fresh)
            model.append(rank(fresh))
        elif kind == "push alike":
            if value == 0:
                continue
            skipped = value // 3
            following = range(position + 1, position + 1 + value)
            bodies = [b"skip"] * skipped + [b"%04d" % number for number in following]
            ready.push_run(QUEUE, LIKES[value == 5], bodies, skipped, position + 1)
            model.extend((0, number) for number in following)
            position += value
        elif kind == "take alike":
            if ready.run_body() < 0:
                continue
            assert ready.run_body() == 4
            model.sort()
            numbers = taker.take(ready, value, 3)
            assert 0 < len(numbers) <= min(value, 3)
            for number in numbers:
                assert (0, number) == model.pop(0)
                out.append(Queued(LIKES[0].with_body(b"%04d" % number, 0), QUEUE, number))
        elif kind == "take":
            for _ in range(min(value, len(model))):
                model.sort()
                header = ready.next_header()
                first = ready.first()
                assert first is not None
                assert header == first.message.header
                taken = ready.take()
                assert first is taken
                assert rank(taken) == model.pop(0)
                out.append(taken)
        else:
            chosen = [each for index, each in enumerate(out) if value >> (index % 8) & 1]
            out = [each for each in out if each not in chosen]
            ready.put_back(chosen)
            model.extend(rank(each) for each in chosen)
        assert ready.count == len(model)
    while model:
        model.sort()
        assert rank(ready.take()) == model.pop(0)
    assert ready.count == 0
    assert ready.first() is None
    assert ready.next_header() is None


@given(steps=st.lists(STEP, max_size=60))
def test_fifo_gives_the_lowest_position_first(taker: Taker, steps: list[tuple[str, int]]) -> None:
    compare_with_a_sorted_list(FifoReady(), 0, steps, taker)


@given(steps=st.lists(STEP, max_size=60))
def test_priority_gives_the_highest_first_and_keeps_the_order_within(
    taker: Taker, steps: list[tuple[str, int]]
) -> None:
    compare_with_a_sorted_list(priorities(4), 4, steps, taker)


@pytest.mark.parametrize("count", [TRIM_AT - 1, TRIM_AT, TRIM_AT + 1, 2 * TRIM_AT, 3 * TRIM_AT + 7])
def test_fifo_keeps_its_order_over_every_trim(count: int) -> None:
    ready = FifoReady()
    expected = 1
    for position in range(1, 2 * count + 1):
        ready.push(queued(position))
        if position > count:
            assert ready.take().position == expected
            expected += 1
    assert [ready.take().position for _ in range(ready.count)] == list(range(expected, 2 * count + 1))


@pytest.mark.parametrize("count", [1, BULK - 1, BULK, BULK + 1])
def test_returned_messages_go_before_fresh_ones_however_many_return(count: int) -> None:
    ready = FifoReady()
    for position in range(1, count + 3):
        ready.push(queued(position))
    taken = [ready.take() for _ in range(count)]
    ready.put_back(list(reversed(taken)))
    assert [ready.take().position for _ in range(count + 2)] == list(range(1, count + 3))


@pytest.mark.parametrize("make", [FifoReady, lambda: priorities(3)], ids=["fifo", "priority"])
def test_only_a_head_expires(make: Callable[[], Ready]) -> None:
    ready = make()
    ready.push(queued(1, expires_ms=100))
    ready.push(queued(2))
    ready.push(queued(3, expires_ms=50))
    assert ready.next_expiry() == 100
    assert ready.take_expired(99) is None
    expired = ready.take_expired(100)
    assert expired is not None
    assert (expired.position, ready.count, ready.next_expiry()) == (1, 2, 0)
    assert ready.take_expired(1000) is None
    ready.take()
    assert ready.next_expiry() == 50


def test_the_head_of_every_priority_expires() -> None:
    ready = priorities(5)
    ready.push(queued(1, priority=5))
    ready.push(queued(2, priority=3, expires_ms=70))
    ready.push(queued(3, priority=0, expires_ms=60))
    assert ready.next_expiry() == 60
    expired = [ready.take_expired(70), ready.take_expired(70), ready.take_expired(70)]
    assert [each and each.position for each in expired] == [2, 3, None]
    assert (ready.count, ready.next_expiry()) == (1, 0)


def test_to_look_at_a_run_leaves_it_a_run() -> None:
    ready = FifoReady()
    ready.push_run(QUEUE, LIKES[0], [b"0001"], 0, 1)
    assert ready.next_header() is LIKES[0].header
    assert ready.run_body() == 4


def test_a_run_that_is_too_long_is_unfolded_in_pieces(taker: Taker) -> None:
    ready = FifoReady()
    total = 2 * MOST + 10
    ready.push_run(QUEUE, LIKES[0], [b"%06d" % position for position in range(1, total + 1)], 0, 1)
    for position in range(1, 2 * MOST + 1):
        assert ready.run_body() < 0
        assert ready.take().position == position
    assert ready.run_body() == 6
    assert taker.take(ready, 7, 20) == [*range(2 * MOST + 1, 2 * MOST + 8)]
    assert taker.take(ready, 20, 2) == [2 * MOST + 8, 2 * MOST + 9]
    assert taker.take(ready, 20, 0) == []
    assert taker.take(ready, 20, 20) == [total]
    assert ready.count == 0
