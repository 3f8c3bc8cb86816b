"""The start banner says the build, the ports, the data directory and what was recovered."""

import logging

import pytest

from broker.server.banner import StartReport, announce, banner_lines, recovered_text
from broker.server.build import version_text

REPORT = StartReport(
    amqp="127.0.0.1:5672",
    http="127.0.0.1:15672",
    metrics="",
    data_dir="/var/lib/ponymq",
    event_loop="uvloop",
    recovered={"queues": 3, "messages": 1_200_000, "exchanges": 0},
    start_ms=250,
)


def test_the_banner_has_every_line_an_operator_looks_for() -> None:
    assert banner_lines(REPORT) == [
        ("build", f"{version_text()} on uvloop"),
        ("amqp", "127.0.0.1:5672"),
        ("http", "127.0.0.1:15672"),
        ("metrics", "off"),
        ("data", "/var/lib/ponymq"),
        ("recovered", "3 queues, 1,200,000 messages"),
    ]


def test_a_start_that_recovered_nothing_says_so() -> None:
    assert recovered_text({"queues": 0}) == "nothing"


def test_the_banner_is_logged_line_by_line_and_ends_with_ready(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="broker.server"):
        announce(REPORT)
    assert [record.getMessage() for record in caplog.records] == ["start"] * 6 + ["ready"]
    assert caplog.records[1].__dict__["amqp"] == "127.0.0.1:5672"
    assert caplog.records[-1].__dict__["start_ms"] == 250
