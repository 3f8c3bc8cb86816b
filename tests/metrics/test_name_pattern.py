"""Which expressions over names are taken."""

import pytest

from broker.metrics.name_pattern import name_pattern


@pytest.mark.parametrize(
    ("text", "name", "matches"),
    [
        ("celery", "my-CELERY-queue", True),
        ("^celery$", "celery2", False),
        ("^(celery|mail)$", "mail", True),
        (r"^a\.b\(c\)$", "a.b(c)", True),
        (r"^[(+*]{2}", "(+", True),
        ("(?:x|y)z", "yz", True),
        ("^task-.*-v[0-9]+$", "task-import-v12", True),
    ],
)
def test_ordinary_expressions_work_caseless_and_unanchored(text: str, name: str, matches: bool) -> None:
    assert (name_pattern(text).search(name) is not None) == matches


@pytest.mark.parametrize(
    "text",
    ["(a+)+$", "(a|a)*", "a*a*a*a*b", "(a|b)(a|b)", r"(a)\1", "(?=a)", "(?i)a", "(", "[", "*", "a" * 1001, "|" * 50],
)
def test_expressions_that_could_take_long_or_are_none_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"support|longer|not a regular"):
        name_pattern(text)
