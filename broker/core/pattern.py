"""Patterns: regular expressions of policies and permissions, to be run over names that clients choose.

Python's ``re`` backtracks, and while it does nothing else in this process runs. So before an expression is taken, the
ways in which it could try to match a name are estimated, and one that has too many of them is refused.
"""

import re
import warnings
from typing import Final

from mypy_extensions import i64

LONGEST_PATTERN: Final = 1000
LONGEST_NAME: Final = 256  # octets of a name, and so about the ways in which one repetition can divide it
# A quarter of a second of matching at the worst. Three repetitions in an anchored expression, two elsewhere.
MOST_WAYS: Final = 2**26

_QUANTIFIER: Final = re.compile(r"([*+?]|\{(\d*)(,?)(\d*)\})[?+]?")
# References make a name match itself; the verbose form hides parentheses in comments.
_NOT_SUPPORTED: Final = re.compile(rb"\\[1-9]|\(\?P=|\(\?\(|\(\?[a-zA-Z]*x")


def compiled_pattern(text: str) -> re.Pattern[bytes]:
    """The expression, to be searched in the octets of a name. Not anchored, as RabbitMQ's are not.

    Raises:
        ValueError: It is no expression, or could take too long. The text says which.
    """
    if len(text) > LONGEST_PATTERN:
        raise ValueError(f"longer than {LONGEST_PATTERN} characters")
    octets = text.encode()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # [[:alpha:]] would be understood as something else
            compiled = re.compile(octets)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise ValueError(str(error)) from error
    if _NOT_SUPPORTED.search(octets):
        raise ValueError("references to groups and the verbose form are not supported")
    if _Estimate(text).ways() > MOST_WAYS:
        raise ValueError("it could take too long: too many repetitions or alternatives")
    return compiled


class _Estimate:
    """Reads an expression that compiles, and counts the ways to match a name.

    Things in a row multiply, alternatives add up, a repetition has as many ways as the name has places to end it. The
    repetition of something that has several ways itself has exponentially many.
    """

    def __init__(self, text: str) -> None:
        self._text: Final = text
        self._at: i64 = 0
        self._open_groups: i64 = 0
        self._is_anchored: bool = text.startswith(("^", "\\A"))  # until there is an alternative to that

    def ways(self) -> int:
        """All of them; an expression without an anchor is tried at each place of the name."""
        ways = self._alternatives()
        return ways if self._is_anchored else ways * LONGEST_NAME

    def _alternatives(self) -> int:
        """Up to the end, or the closing parenthesis of the group."""
        text = self._text
        total = 0
        row = 1
        while self._at < len(text) and text[self._at] != ")":
            if text[self._at] == "|":
                self._at += 1
                total += row
                row = 1
                if self._open_groups == 0:
                    self._is_anchored = False
            else:
                row = min(row * self._repeated(self._item()), MOST_WAYS + 1)
        return min(total + row, MOST_WAYS + 1)

    def _item(self) -> int:
        """One character, class or group, without what follows it."""
        text = self._text
        first = text[self._at]
        self._at += 1
        if first == "\\":
            self._at += 1
        elif first == "[":
            self._skip_class()
        elif first == "(":
            if text.startswith("?#", self._at):
                self._at = text.index(")", self._at) + 1
                return 1
            self._open_groups += 1
            ways = self._alternatives()
            self._open_groups -= 1
            self._at += 1
            return ways
        return 1

    def _skip_class(self) -> None:
        text = self._text
        if text.startswith("^", self._at):
            self._at += 1
        if text.startswith("]", self._at):
            self._at += 1
        while text[self._at] != "]":
            self._at += 2 if text[self._at] == "\\" else 1
        self._at += 1

    def _repeated(self, ways: int) -> int:
        """What follows an item may repeat it."""
        quantifier = _QUANTIFIER.match(self._text, self._at)
        if quantifier is None or quantifier[1] == "{}":
            return ways
        self._at = quantifier.end()
        if quantifier[1] == "?":
            return ways + 1
        least, most = quantifier[2] or "0", quantifier[4] if quantifier[3] else quantifier[2]
        if not most or len(most) > 3:
            return LONGEST_NAME if ways == 1 else MOST_WAYS + 1
        lengths = max(int(most) - int(least), 0) + 1
        return lengths if ways == 1 else min(ways ** int(most) * lengths, MOST_WAYS + 1)
