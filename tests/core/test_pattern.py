"""Patterns: what matches, and what the broker will not run."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.pattern import LONGEST_PATTERN, compiled_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "is_found"),
    [
        ("", b"anything", True),
        ("jobs", b"all-jobs-here", True),
        ("^jobs", b"all-jobs", False),
        (r"^(?!amq\.).*", b"celery", True),
        (r"^(?!amq\.).*", b"amq.gen-1", False),
        (r"^(eu|us)\.(prod|test)\.", b"us.test.q", True),
        (r"^[\]a*+?(|)]+$", b"]a*+?(|)", True),
        (r"\.dlq$", b"orders.dlq", True),
        (r"^a{2,3}$", b"aaa", True),
        (r"^[^]]{2}$", b"ab", True),
        ("^é", "été".encode(), True),
        ("^.$", "é".encode(), False),
        (r"^(?#a comment)x*?y?$", b"xxy", True),
        (r"^\d{4}-\d{2}-\d{2}-\d{2}-.*-.*", b"2026-11-21-15-a-b", True),
        (r"^a{2,9}b{1}c{}d{x$", b"aabc{}d{x", True),
        (r"^(eu|us){2}$", b"euus", True),
        (r"^(eu|us)\..*\..*\..*", b"us.a.b.c", True),
        (r"(?i)^JOBS", b"jobs", True),
    ],
)
def test_pattern_is_searched_in_the_octets_of_a_name(pattern: str, name: bytes, is_found: bool) -> None:
    assert (compiled_pattern(pattern).search(name) is not None) is is_found


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "^(a|a)*$",
        "^(a?){30}$",
        "^(?:x*y)*$",
        ".*.*.*",
        "^.*.*.*.*$",
        "^a|.*.*.*",
        "^" + "(a|a)" * 30,
        "^(|a|a*)+",
        "^(a|a){30}$",
        "^x{(a+)+$",
        "^x{1(a+)+$",
    ],
)
def test_pattern_that_could_take_too_long_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="it could take too long"):
        compiled_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing \\)"),
        ("[", "unterminated"),
        ("*", "nothing to repeat"),
        (r"(a)\1", "references to groups"),
        ("(?x) a # [", "the verbose form"),
        ("(?ix:a)", "the verbose form"),
        ("[[:alpha:]]", "Possible nested set"),
        ("\ud800", "surrogates not allowed"),
        ("a" * (LONGEST_PATTERN + 1), "longer than 1000 characters"),
    ],
)
def test_pattern_that_cannot_be_used_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        compiled_pattern(pattern)


@settings(max_examples=300)
@given(text=st.text("()[]{}|*+?^$\\ab1,:=!<P>#-.", max_size=12))
def test_any_text_is_a_pattern_or_refused(text: str) -> None:
    try:
        compiled_pattern(text)
    except ValueError:
        return
    assert re.compile(text.encode())
