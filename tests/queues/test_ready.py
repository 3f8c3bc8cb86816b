"""Ready messages in order, against plain lists."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.message import Enqueuer, Message, Queued
from broker.queues.consumer import Consumer
from broker.queues.fifo import BULK, TRIM_AT, FifoReady
from broker.queues.priority import PriorityReady
from broker.queues.ready import Ready
from broker.queues.run import MOST

QUEUE = Enqueuer(b"q", "/", False, 0)

LIKES = [Message(b"", b"", b"1234", False, 0, 0, -1), Message(b"\0\x01k", b"", b"5678", False, 0, 0, -1)]

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


class Taker(Consumer):
    """Takes as many messages at once as it is told to, and remembers them."""

    def __init__(self, most: int) -> None:
        super().__init__(b"c", False, False, 0)
        self.most = most
        self.taken: list[Queued] = []

    def take_run(self, like: Message, bodies: list[bytes], first: int, end: int, position: int) -> int:
        """As many as it may."""
        end = min(end, first + self.most)
        assert like in LIKES
        for at in range(first, end):
            self.taken.append(Queued(like.with_body(bodies[at], 0), QUEUE, position + at - first))
        return end - first


def priorities(highest: int) -> PriorityReady:
    return PriorityReady(highest)


def compare_with_a_sorted_list(ready: Ready, highest: int, steps: list[tuple[str, int]]) -> None:
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
            taker = Taker(value // 2)
            assert ready.give_run(taker, value) == len(taker.taken)
            assert (value < 2) == (not taker.taken)
            for each in taker.taken:
                assert (0, int(each.position)) == model.pop(0)
                assert int(each.message.body) == each.position
            out += taker.taken
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
def test_fifo_gives_the_lowest_position_first(steps: list[tuple[str, int]]) -> None:
    compare_with_a_sorted_list(FifoReady(), 0, steps)


@given(steps=st.lists(STEP, max_size=60))
def test_priority_gives_the_highest_first_and_keeps_the_order_within(steps: list[tuple[str, int]]) -> None:
    compare_with_a_sorted_list(priorities(4), 4, steps)


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


def test_a_run_that_is_too_long_is_unfolded_in_pieces() -> None:
    ready = FifoReady()
    total = 2 * MOST + 10
    ready.push_run(QUEUE, LIKES[0], [b"%06d" % position for position in range(1, total + 1)], 0, 1)
    for position in range(1, 2 * MOST + 1):
        assert ready.run_body() < 0
        assert ready.take().position == position
    assert ready.run_body() == 6
    taker = Taker(20)
    assert ready.give_run(taker, 7) == 7
    assert ready.give_run(taker, 20) == 3
    assert [int(each.message.body) for each in taker.taken] == [*range(2 * MOST + 1, total + 1)]
    assert ready.count == 0
