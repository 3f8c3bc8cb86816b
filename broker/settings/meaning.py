"""What stands beside a setting: the limits of its value, and what it means to the operator."""

from msgspec import Meta


def means(
    text: str, *, min_length: int | None = None, max_length: int | None = None, pattern: str | None = None
) -> Meta:
    """Any value but a number: a switch, a choice, or a text or list with these limits."""
    return Meta(description=text, min_length=min_length, max_length=max_length, pattern=pattern)


def between(low: float, high: float, text: str) -> Meta:
    """A number from ``low`` to ``high``, both included."""
    return Meta(ge=low, le=high, description=text)


def above(low: float, high: float, text: str) -> Meta:
    """A number larger than ``low``, up to ``high``."""
    return Meta(gt=low, le=high, description=text)
