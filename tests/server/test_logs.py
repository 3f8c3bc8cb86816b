"""Log lines: readable, one per event, and never what a peer wants them to be."""

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.management.log_ring import LogRing
from broker.server.logs import JsonFormatter, RingHandler, TextFormatter, escape, set_up_logging


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """The loggers as they were: other tests look at them too."""
    root, ours = logging.getLogger(), logging.getLogger("broker")
    before = (list(root.handlers), root.level, ours.level)
    yield
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)


def record(event: str, level: int = logging.INFO, /, **fields: object) -> logging.LogRecord:
    attributes = {"name": "broker.net", "msg": event, "levelno": level, "levelname": logging.getLevelName(level)}
    return logging.makeLogRecord(attributes | fields)


def test_a_line_has_time_level_event_and_the_fields_in_their_order() -> None:
    line = TextFormatter().format(record("connection opened", peer="127.0.0.1:4711", user="guest", vhost="/"))
    moment, rest = line[:23], line[23:]
    assert moment[4] + moment[7] + moment[10] + moment[13] + moment[19] == "-- :."
    assert rest == " info  connection opened  peer=127.0.0.1:4711 user=guest vhost=/"


@pytest.mark.parametrize(("level", "word"), [(10, "debug"), (20, "info "), (30, "warn "), (40, "error"), (50, "fatal")])
def test_levels_take_the_same_room(level: int, word: str) -> None:
    assert TextFormatter().format(record("x", level))[23:] == f" {word} x"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "hi"', '"say \\"hi\\""'),
        (b"\xff\x00", "\\\\xff\\x00"),
        ("back\\slash", "back\\\\slash"),
        ("line\nbreak", "line\\nbreak"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202egnp", "\\u202egnp"),
        ("größe", "größe"),
        (17, "17"),
        (None, "None"),
    ],
)
def test_a_value_is_escaped_and_quoted_where_it_must_be(value: object, shown: str) -> None:
    assert TextFormatter().format(record("e", v=value)).endswith(f"  v={shown}")


@given(value=st.text())
def test_no_text_of_a_peer_makes_a_second_line_or_reaches_the_terminal(value: str) -> None:
    assert TextFormatter().format(record("closed", client=value, reason=value)).isprintable()
    line = JsonFormatter().format(record("closed", client=value))
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line)["client"] == value


@given(left=st.text(), right=st.text())
def test_two_different_texts_are_never_shown_the_same(left: str, right: str) -> None:
    assert (escape(left) == escape(right)) == (left == right)


def test_a_json_line_has_the_same_with_the_time_in_utc() -> None:
    entry = record("connection opened", peer="p", channels=3, ratio=0.5, bad=float("nan"), tag=b"\xff", level="mine")
    entry.created, entry.msecs = 0.25, 250.0
    assert json.loads(JsonFormatter().format(entry)) == {
        "time": "1970-01-01T00:00:00.250Z",
        "level": "info",
        "logger": "broker.net",
        "event": "connection opened",
        "peer": "p",
        "channels": 3,
        "ratio": 0.5,
        "bad": "nan",
        "tag": "\\xff",
        "level_": "mine",
    }


def failed() -> logging.LogRecord:
    try:
        raise ValueError("bad\x1b[2J\u2028thing")
    except ValueError:
        entry = record("internal error", logging.ERROR)
        entry.exc_info = sys.exc_info()
        return entry


def test_a_traceback_follows_indented_and_escaped() -> None:
    first, *others = TextFormatter().format(failed()).split("\n")
    assert first.endswith("error internal error")
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-1] == "    ValueError: bad\\x1b[2J\\u2028thing"


def test_a_traceback_is_a_field_of_the_json_line() -> None:
    line = JsonFormatter().format(failed())
    assert "\n" not in line
    assert json.loads(line)["traceback"].startswith("Traceback")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("line_format", "stream", "is_json"),
    [
        ("text", io.StringIO(), False),
        ("json", Terminal(), True),
        ("auto", io.StringIO(), True),
        ("auto", Terminal(), False),
    ],
)
def test_the_format_is_the_one_that_was_asked_for(line_format: str, stream: io.StringIO, is_json: bool) -> None:
    set_up_logging("info", line_format, stream)
    logging.getLogger("broker.test").info("said", extra={"queue": "q"})
    assert stream.getvalue().startswith("{") == is_json
    assert stream.getvalue().count("\n") == 1


class Costly:
    """A value that notes when somebody makes a text of it."""

    def __init__(self) -> None:
        self.was_formatted = False

    def __str__(self) -> str:
        self.was_formatted = True
        return "costly"


def test_nothing_is_formatted_below_the_level() -> None:
    stream, value = io.StringIO(), Costly()
    set_up_logging("info", "text", stream)
    logging.getLogger("broker.test").debug("frame", extra={"frame": value})
    assert (stream.getvalue(), value.was_formatted) == ("", False)
    set_up_logging("debug", "text", stream)
    logging.getLogger("broker.test").debug("frame", extra={"frame": value})
    assert value.was_formatted


def test_a_second_set_up_takes_the_place_of_the_first() -> None:
    first, second = io.StringIO(), io.StringIO()
    set_up_logging("info", "text", first)
    set_up_logging("error", "text", second)
    logging.getLogger("broker.test").info("too little")
    logging.getLogger("broker.test").error("enough")
    assert (first.getvalue(), second.getvalue().count("\n")) == ("", 1)


def test_libraries_are_heard_only_when_they_warn() -> None:
    stream = io.StringIO()
    set_up_logging("debug", "text", stream)
    logging.getLogger("asyncio").debug("selector")
    logging.getLogger("asyncio").warning("slow callback")
    assert stream.getvalue().endswith(" warn  slow callback\n")
    assert stream.getvalue().count("\n") == 1


def test_the_ring_keeps_every_line_as_json_whatever_the_stream_looks_like() -> None:
    ring = LogRing()
    handler = RingHandler(ring)
    handler.handle(record("connection opened", user="a\nb"))
    line = json.loads(ring.after(0))["lines"][0]
    assert (line["event"], line["user"]) == ("connection opened", "a\nb")
