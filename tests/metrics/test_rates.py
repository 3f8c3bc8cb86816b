"""Rates between two looks."""

from broker.metrics.rates import FORGET_S, Rates
from tests.clock import ManualClock


def test_first_look_has_no_rate() -> None:
    assert Rates(ManualClock()).rates("q", (10, 20)) == (0.0, 0.0)


def test_second_look_gives_events_per_second_since_the_first() -> None:
    clock = ManualClock()
    rates = Rates(clock)
    rates.rates("q", (10, 0))
    clock.advance(10.0)
    assert rates.rates("q", (30, 5)) == (2.0, 0.5)


def test_two_tools_that_ask_in_turn_do_not_shorten_each_others_interval() -> None:
    clock = ManualClock()
    rates = Rates(clock)
    rates.rates("q", (0,))
    clock.advance(10.0)
    rates.rates("q", (100,))
    clock.advance(1.0)
    assert rates.rates("q", (110,)) == (10.0,)
    clock.advance(4.0)
    # The base moves on to the look five seconds ago.
    assert rates.rates("q", (100,)) == (0.0,)


def test_a_counter_that_began_anew_is_not_negative_but_a_depth_is() -> None:
    clock = ManualClock()
    rates = Rates(clock)
    rates.rates("counter", (50,))
    rates.rates("depth", (50,), may_fall=True)
    clock.advance(10.0)
    assert rates.rates("counter", (0,)) == (0.0,)
    assert rates.rates("depth", (0,), may_fall=True) == (-5.0,)


def test_what_nobody_asks_for_is_forgotten() -> None:
    clock = ManualClock()
    rates = Rates(clock)
    rates.rates("gone", (1,))
    clock.advance(FORGET_S + 1)
    rates.rates("here", (1,))
    clock.advance(10.0)
    assert rates.rates("gone", (1_000_000,)) == (0.0,)
