"""How often an address may connect, and how often somebody is told that it may not."""

from hypothesis import given
from hypothesis import strategies as st

from broker.net.complaints import MOST_ADDRESSES as MOST_COMPLAINTS
from broker.net.complaints import Complaints
from broker.net.connection_rate import MOST_ADDRESSES, ConnectionRate


def test_a_burst_of_ten_seconds_is_allowed_and_then_the_rate_holds() -> None:
    rate = ConnectionRate(3)
    assert [rate.allows("a", 100.0) for _ in range(31)] == [True] * 30 + [False]
    assert [rate.allows("a", 101.0) for _ in range(4)] == [True] * 3 + [False]
    assert rate.allows("b", 101.0)


def test_without_a_limit_everybody_is_let_in() -> None:
    rate = ConnectionRate(0)
    assert all(rate.allows("a", 0.0) for _ in range(10_000))


@given(gaps=st.lists(st.floats(0, 3), max_size=200), per_s=st.integers(1, 5))
def test_no_window_has_more_than_its_seconds_and_the_burst_allow(gaps: list[float], per_s: int) -> None:
    rate = ConnectionRate(per_s)
    now_s = 50.0
    allowed: list[float] = []
    for gap in gaps:
        now_s += gap
        if rate.allows("a", now_s):
            allowed.append(now_s)
    for first, begin in enumerate(allowed):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= per_s * (10 + allowed[last] - begin) + 1e-6


def test_addresses_beyond_the_most_push_out_the_one_silent_longest() -> None:
    rate = ConnectionRate(1)
    for _ in range(10):
        rate.allows("old", 0.0)
    assert not rate.allows("old", 0.0)
    for number in range(MOST_ADDRESSES):
        rate.allows(str(number), 0.0)
    assert rate.allows("old", 0.0)


def test_an_address_is_complained_about_once_a_minute() -> None:
    complaints = Complaints()
    assert complaints.is_due("a", 0.0)
    assert not complaints.is_due("a", 59.9)
    assert complaints.is_due("b", 59.9)
    assert complaints.is_due("a", 60.0)
    assert not complaints.is_due("a", 61.0)


def test_a_flood_from_many_addresses_does_not_fill_the_log() -> None:
    complaints = Complaints()
    told = sum(complaints.is_due(str(number), 0.0) for number in range(10 * MOST_COMPLAINTS))
    assert told == MOST_COMPLAINTS
    assert complaints.is_due("another", 60.0)
