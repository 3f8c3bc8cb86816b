"""The last lines of the log, kept for the HTTP API."""

import json

import pytest

from broker.management.log_ring import LogRing, line_number
from broker.management.refusals import Refusal


def told(ring: LogRing, after: int = 0) -> tuple[int, list[int]]:
    answer = json.loads(ring.after(after))
    return answer["last"], [line["n"] for line in answer["lines"]]


def filled(count: int, most_lines: int = 100, most_bytes: int = 10_000) -> LogRing:
    ring = LogRing(most_lines, most_bytes)
    for number in range(1, count + 1):
        ring.add(json.dumps({"n": number}))
    return ring


def test_an_empty_ring_tells_nothing() -> None:
    assert told(LogRing()) == (0, [])


def test_a_reader_gets_only_what_it_has_not_seen() -> None:
    assert told(filled(5), after=3) == (5, [4, 5])
    assert told(filled(5), after=5) == (5, [])


def test_the_oldest_lines_go_when_there_are_too_many() -> None:
    assert told(filled(5, most_lines=2)) == (5, [4, 5])
    assert told(filled(5, most_lines=2), after=1) == (5, [4, 5])


def test_the_oldest_lines_go_when_they_are_too_long() -> None:
    assert told(filled(5, most_bytes=len('{"n": 1}') * 3)) == (5, [3, 4, 5])


def test_a_line_longer_than_the_ring_is_not_kept() -> None:
    ring = filled(1, most_bytes=20)
    ring.add(json.dumps({"n": 2, "text": "x" * 100}))
    assert told(ring) == (2, [])


def test_a_number_from_before_a_restart_gets_everything() -> None:
    assert told(filled(3), after=1000) == (3, [1, 2, 3])


@pytest.mark.parametrize("text", ["", "-1", "x", "1.5", "9" * 19, "\u0661"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        line_number(text)
