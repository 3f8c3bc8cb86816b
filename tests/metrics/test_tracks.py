"""Rates of many objects, and who has a past."""

from broker.metrics.history import Span
from broker.metrics.tracks import COUNTER, DEPTH, Tracks

SHORT = ((60, 5), (600, 60))


class Rounds:
    """Tracks of a counter and a depth, with rounds five seconds apart."""

    def __init__(self, most: int = 10) -> None:
        self.tracks = Tracks[str]((COUNTER, DEPTH), SHORT, most)
        self.now_s = 1000

    def round(self, **figures: tuple[int, int]) -> None:
        self.now_s += 5
        self.tracks.begin(float(self.now_s), self.now_s * 1000)
        for key, each in figures.items():
            self.tracks.note(key, each)
        self.tracks.end()

    def samples(self, key: str) -> list[tuple[int, ...]]:
        return [each.figures for each in self.tracks.samples(key, Span(60, 5), self.now_s * 1000)]


def test_rate_is_that_of_the_last_interval() -> None:
    rounds = Rounds()
    rounds.round(q=(10, 5))
    assert rounds.tracks.rates("q") == (0.0, 0.0)
    rounds.round(q=(30, 2))
    assert rounds.tracks.rates("q") == (4.0, -0.6)
    rounds.round(q=(30, 2))
    assert rounds.tracks.rates("q") == (0.0, 0.0)


def test_an_object_that_came_after_the_first_round_began_with_nothing() -> None:
    rounds = Rounds()
    rounds.round()
    rounds.round(q=(50, 10))
    assert rounds.tracks.rates("q") == (10.0, 2.0)
    assert rounds.samples("q") == [(50, 10), (0, 0)]


def test_a_counter_that_fell_has_begun_anew() -> None:
    rounds = Rounds()
    rounds.round(q=(100, 100))
    rounds.round(q=(10, 0))
    assert rounds.tracks.rates("q") == (0.0, -20.0)


def test_changes_of_counters_add_up_to_what_they_counted() -> None:
    tracks = Tracks[str]((COUNTER, DEPTH), SHORT, 10)
    total = 0
    for now_s, figures in ((5, (7, 1)), (10, (9, 1)), (15, (9, 0)), (20, (0, 0)), (25, (4, 0))):
        tracks.begin(float(now_s), now_s * 1000)
        total += (tracks.note("q", figures) or (0,))[0]
        tracks.end()
    assert total == 7 + 2 + 4


def test_an_object_that_never_moved_has_no_track() -> None:
    rounds = Rounds()
    for _ in range(3):
        rounds.round(idle=(0, 0))
    assert rounds.tracks.history_count == 0
    assert rounds.samples("idle") == [(0, 0)] * 3
    assert rounds.tracks.rates("idle") == (0.0, 0.0)


def test_messages_that_the_start_found_are_no_movement() -> None:
    rounds = Rounds()
    for _ in range(3):
        rounds.round(q=(0, 1_000_000))
    assert rounds.tracks.rates("q") == (0.0, 0.0)
    assert rounds.tracks.history_count == 0


def test_no_more_pasts_than_the_limit_and_rates_nevertheless() -> None:
    rounds = Rounds(most=2)
    for count in range(3):
        rounds.round(a=(count, 0), b=(count, 0), c=(count, 0))
    assert rounds.tracks.history_count == 2
    assert rounds.tracks.rates("c") == (0.2, 0.0)
    assert rounds.samples("c") == []


def test_what_is_gone_gives_its_place_in_the_limit_back() -> None:
    rounds = Rounds(most=1)
    rounds.round(a=(1, 0))
    rounds.round(a=(2, 0))
    rounds.round(b=(1, 0))
    assert rounds.tracks.history_count == 0
    rounds.round(b=(2, 0))
    assert rounds.samples("b") == [(2, 0), (1, 0)]
    assert rounds.samples("a") == [(0, 0)] * 4


def test_a_past_in_which_nothing_has_moved_is_dropped() -> None:
    rounds = Rounds()
    rounds.round(q=(0, 0))
    rounds.round(q=(9, 0))
    for _ in range(120):
        rounds.round(q=(9, 0))
    assert rounds.tracks.history_count == 1
    rounds.round(q=(9, 0))
    assert rounds.tracks.history_count == 0
    rounds.round(q=(10, 0))
    assert rounds.samples("q") == [(10, 0), (9, 0)]
