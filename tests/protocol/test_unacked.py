"""The ledger of deliveries against a dictionary."""

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.message import Enqueuer, Message, Queued
from broker.protocol.consumer import ChannelConsumer
from broker.protocol.unacked import PAGE_SIZE, Unacked

QUEUE = Enqueuer(b"q", "/", False, 0)
MESSAGE = Message(b"\0\0", b"", b"", False, 0, 0, -1)

# Deliver (some tags are spent on deliveries that need no ack), ack one, ack all up to one.
Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("deliver"), st.integers(1, 600)),
        st.tuples(st.just("skip"), st.integers(1, 600)),
        st.tuples(st.just("take"), st.integers(0, 2000)),
        st.tuples(st.just("take up to"), st.integers(-1, 2000)),
    ),
    max_size=40,
)


@settings(max_examples=200)
@given(STEPS)
def test_ledger_gives_back_what_a_dictionary_would(steps: list[Step]) -> None:
    ledger = Unacked()
    model: dict[int, Queued] = {}
    next_tag = 1
    for step, number in steps:
        if step == "deliver":
            for _ in range(number):
                model[next_tag] = Queued(MESSAGE, QUEUE, next_tag)
                ledger.add(next_tag, model[next_tag], None)
                next_tag += 1
        elif step == "skip":
            next_tag += number
        elif step == "take":
            assert ledger.has(number) == (number in model)
            assert ledger.take(number) is model.pop(number, None)
        else:
            expected = [tag for tag in sorted(model) if number < 0 or tag <= number]
            assert ledger.tags(number) == expected
            taken: list[Queued] = []
            holders: list[ChannelConsumer | None] = []
            ledger.take_up_to(number, taken, holders)
            assert taken == [model.pop(tag) for tag in expected]
            assert holders == [None] * len(expected)
        assert ledger.count == len(model)
    assert ledger.tags(-1) == sorted(model)


def test_delivery_put_back_by_a_rollback_is_found_under_its_old_tag() -> None:
    ledger = Unacked()
    for tag in range(1, 3 * PAGE_SIZE):
        ledger.add(tag, Queued(MESSAGE, QUEUE, tag), None)
    early = ledger.take(5)
    assert early is not None
    ledger.take_up_to(2 * PAGE_SIZE, [], [])
    ledger.add(5, early, None)
    assert ledger.tags(10) == [5]
    assert ledger.take(5) is early
