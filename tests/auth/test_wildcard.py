"""Patterns of scopes, against a regular expression that says the same in another way."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.auth.wildcard import Wildcard

LETTERS = st.text(alphabet="ab", max_size=6)


def naive(pattern: str, subject: str) -> bool:
    """Each part behind a star takes its first place for good: an atomic group. The last star takes everything."""
    first, *rest = pattern.split("*")
    expression = re.escape(first)
    for index, part in enumerate(rest):
        is_last = index == len(rest) - 1
        expression += ".*" if is_last and not part else f"(?>.*?{re.escape(part)})"
    return re.fullmatch(expression, subject) is not None


@given(parts=st.lists(LETTERS.filter(bool), min_size=1, max_size=4), edges=st.integers(0, 3), subject=LETTERS)
def test_a_pattern_matches_what_the_naive_one_does(parts: list[str], edges: int, subject: str) -> None:
    pattern = ("*" if edges & 1 else "") + "*".join(parts) + ("*" if edges & 2 else "")
    assert Wildcard(pattern).matches(subject.encode()) == naive(pattern, subject)


@given(pattern=st.text(alphabet="ab*", max_size=8), subject=LETTERS)
def test_a_pattern_never_lets_more_through_than_a_star_means(pattern: str, subject: str) -> None:
    if Wildcard(pattern).matches(subject.encode()):
        assert re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), subject)


@given(text=st.text(max_size=12), subject=st.binary(max_size=12))
def test_no_pattern_breaks_the_matching(text: str, subject: bytes) -> None:
    Wildcard(text).matches(subject)


@pytest.mark.parametrize(
    ("pattern", "subject", "expected"),
    [
        ("", b"", True),
        ("", b"a", False),
        ("*", b"", True),
        ("*", b"anything", True),
        ("a*", b"a", True),
        ("*b", b"ab", True),
        ("a*c", b"abbc", True),
        ("a*c", b"abcd", False),
        ("*b", b"bb", False),  # the first place, and no other: RabbitMQ's way
        ("a**", b"a", False),  # as above
        ("a**", b"ab", True),
        ("%2F", b"/", True),
        ("%2f*", b"/x", True),
        ("a%2Ab", b"a*b", True),
        ("a%2Ab", b"axb", False),
        ("a+b", b"a b", True),
        ("a%20b", b"a b", True),
        ("%C3%A4", "ä".encode(), True),
        ("ä", "ä".encode(), True),
        ("%", b"%", False),
        ("%2", b"%2", False),
        ("%zz*", b"%zz", False),
        ("*%zz", b"", False),
    ],
)
def test_patterns_by_example(pattern: str, subject: bytes, expected: bool) -> None:
    assert Wildcard(pattern).matches(subject) == expected
