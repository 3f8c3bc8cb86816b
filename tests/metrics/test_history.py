"""Rings of samples: what is kept, and what is given."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.metrics.history import BASIC, GLOBAL, History, Span

BEGAN_MS = 1_700_000_000_000 - 1_700_000_000_000 % 86_400_000


def ten_a_second(history: History, seconds: int) -> int:
    """Samples every five seconds of a counter that grows by ten a second; the moment of the last one."""
    for at_s in range(0, seconds + 1, 5):
        history.add(BEGAN_MS + at_s * 1000, (10 * at_s,))
    return BEGAN_MS + seconds * 1000


def test_samples_come_newest_first_with_the_figures_of_their_moment() -> None:
    history = History(BASIC, 1)
    now_ms = ten_a_second(history, 100)
    samples = history.samples(Span(20, 5), now_ms)
    assert [(each.at_ms - BEGAN_MS, each.figures) for each in samples] == [
        (100_000, (1000,)),
        (95_000, (950,)),
        (90_000, (900,)),
        (85_000, (850,)),
        (80_000, (800,)),
    ]


@pytest.mark.parametrize(("age_s", "step_s"), [(60, 5), (600, 5), (3600, 60), (28_800, 600), (86_400, 1800)])
def test_every_stretch_that_the_console_asks_for_is_covered_after_a_day(age_s: int, step_s: int) -> None:
    history = History(GLOBAL, 1)
    now_ms = ten_a_second(history, 100_000)
    samples = history.samples(Span(age_s, step_s), now_ms)
    assert len(samples) >= age_s // step_s
    rates = {
        (newer.figures[0] - older.figures[0]) / (newer.at_ms - older.at_ms) * 1000 for newer, older in pairwise(samples)
    }
    assert all(rate == pytest.approx(10.0, rel=0.01) for rate in rates)


def test_moments_before_the_first_sample_are_left_out() -> None:
    history = History(BASIC, 1)
    now_ms = ten_a_second(history, 20)
    assert len(history.samples(Span(600, 5), now_ms)) == 5
    assert History(BASIC, 1).samples(Span(600, 5), now_ms) == []


def test_steps_finer_than_the_ring_are_as_fine_as_the_ring() -> None:
    history = History(BASIC, 1)
    now_ms = ten_a_second(history, 3600)
    samples = history.samples(Span(1200, 5), now_ms)  # too far back for the ring of five seconds
    assert samples[0].at_ms - samples[1].at_ms == 60_000


def test_a_ring_that_has_rested_longer_than_it_keeps_says_nothing() -> None:
    history = History(((60, 5),), 1)
    now_ms = ten_a_second(history, 60)
    assert history.samples(Span(60, 5), now_ms + 3_600_000) == []


@given(st.lists(st.integers(1, 200), max_size=80), st.integers(1, 700), st.integers(1, 100))
def test_a_sample_is_never_newer_than_its_moment_nor_older_than_the_one_kept(
    gaps: list[int], age_s: int, step_s: int
) -> None:
    history = History(BASIC, 1)
    at_s = 0
    taken = []
    for gap in gaps:
        at_s += gap
        history.add(BEGAN_MS + at_s * 1000, (at_s,))
        taken.append(at_s)
    now_ms = BEGAN_MS + (at_s + 3) * 1000
    samples = history.samples(Span(age_s, step_s), now_ms)
    for sample in samples:
        moment_s = (sample.at_ms - BEGAN_MS) / 1000
        assert sample.figures[0] <= moment_s
        newest = max(each for each in taken if each <= moment_s)
        assert newest - sample.figures[0] < 60
    assert [each.at_ms for each in samples] == sorted({each.at_ms for each in samples}, reverse=True)
