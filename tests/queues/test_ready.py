"""Ready messages in order, against plain lists."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.message import Enqueuer, Message, Queued
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
            for _ in range(value):
                position += 1
                like = LIKES[value == 5]
                if not ready.push_alike(QUEUE, like, b"%04d" % position, position):
                    ready.push(queued(position))
                model.append((0, position))
        elif kind == "take alike":
            for _ in range(value):
                if (like_next := ready.next_alike()) is None:
                    break
                model.sort()
                body = ready.take_alike()
                assert (0, int(ready.taken)) == model.pop(0)
                assert (int(body), like_next in LIKES) == (ready.taken, True)
                out.append(Queued(like_next.with_body(body, 0), QUEUE, ready.taken))
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
    ready.push_alike(QUEUE, LIKES[0], b"0001", 1)
    assert ready.next_header() is LIKES[0].header
    assert ready.next_alike() is LIKES[0]


def test_a_run_that_is_too_long_is_unfolded_in_pieces() -> None:
    ready = FifoReady()
    total = 2 * MOST + 10
    for position in range(1, total + 1):
        assert ready.push_alike(QUEUE, LIKES[0], b"%06d" % position, position)
    for position in range(1, total + 1):
        is_in_run = position > 2 * MOST
        assert (ready.next_alike() is not None) == is_in_run
        taken = int(ready.take_alike()) if is_in_run else ready.take().position
        assert taken == position
    assert ready.count == 0
