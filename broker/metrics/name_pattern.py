"""Regular expressions over names, from people who ask the broker to run them.

Python's ``re`` backtracks, and while it does nothing else in this process runs. So only expressions are taken whose
worst case is small: a few repetitions, at most one group and that one not repeated, a bounded number of alternatives.
"""

import re
from typing import Final

MOST_CHARACTERS: Final = 1000
MOST_REPEATS: Final = 3  # on a name of 50 characters some 10^5 steps
MOST_ALTERNATIVES: Final = 50

_ESCAPED: Final = re.compile(r"\\.", re.DOTALL)
_CLASS: Final = re.compile(r"\[\^?\]?[^\]]*\]")


def name_pattern(text: str) -> re.Pattern[str]:
    """The expression, caseless and not anchored, as RabbitMQ's ``use_regex`` has it.

    Raises:
        ValueError: It is no expression, or one that could take too long. The text says which.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"the expression is longer than {MOST_CHARACTERS} characters")
    if re.search(r"\\[1-9]", text):
        raise ValueError("references to groups are not supported")
    plain = _CLASS.sub("c", _ESCAPED.sub("e", text)).replace("(?:", "(")
    if "(?" in plain:
        raise ValueError("look-around and flags are not supported")
    if plain.count("(") > 1 or re.search(r"\)[*+?{]", plain):
        raise ValueError("at most one group, and not a repeated one, is supported")
    if len(re.findall(r"[*+?{]", plain)) > MOST_REPEATS:
        raise ValueError(f"more than {MOST_REPEATS} repetitions are not supported")
    if plain.count("|") >= MOST_ALTERNATIVES:
        raise ValueError(f"more than {MOST_ALTERNATIVES} alternatives are not supported")
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
