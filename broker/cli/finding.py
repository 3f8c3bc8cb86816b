"""What a look at one thing found."""

from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


class Finding(Struct, frozen=True):
    """One line of a diagnosis.

    Attributes:
        subject: What was looked at.
        verdict: How bad it is.
        text: What was found.
        advice: What to do about it; empty for nothing.
    """

    subject: str
    verdict: Verdict
    text: str
    advice: str = ""


def ok(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding(subject, Verdict.OK, text)


def note(subject: str, text: str, advice: str = "") -> Finding:
    """Worth knowing."""
    return Finding(subject, Verdict.NOTE, text, advice)


def problem(subject: str, text: str, advice: str) -> Finding:
    """Something is wrong, or about to be."""
    return Finding(subject, Verdict.PROBLEM, text, advice)
