"""What a start says: the build, the ports, the data directory and what was found in it."""

import logging
from collections.abc import Mapping

from msgspec import Struct

from broker.server.build import version_text

log = logging.getLogger("broker.server")


class StartReport(Struct, frozen=True):
    """What the daemon knows once every port is open.

    Attributes:
        amqp: Address of the AMQP port as bound: ``127.0.0.1:5672``.
        http: Address of the HTTP API; empty if it is off.
        metrics: Address of the metrics; empty if they are off.
        data_dir: Absolute path of the data directory.
        event_loop: ``uvloop`` or ``asyncio``.
        recovered: Kinds of things found on disk and how many of each: ``{"queues": 3, "messages": 1200}``.
        start_ms: From the process's first line of ours to the open ports.
    """

    amqp: str
    http: str
    metrics: str
    data_dir: str
    event_loop: str
    recovered: Mapping[str, int]
    start_ms: int


def recovered_text(recovered: Mapping[str, int]) -> str:
    """``3 queues, 1,200 messages``; what there is none of is left out."""
    found = [f"{count:,} {kind}" for kind, count in recovered.items() if count]
    return ", ".join(found) or "nothing"


def banner_lines(report: StartReport) -> list[tuple[str, str]]:
    """The banner as pairs of label and value, in reading order."""
    return [
        ("build", f"{version_text()} on {report.event_loop}"),
        ("amqp", report.amqp),
        ("http", report.http or "off"),
        ("metrics", report.metrics or "off"),
        ("data", report.data_dir),
        ("recovered", recovered_text(report.recovered)),
    ]


def announce(report: StartReport) -> None:
    """Log the banner: one event per line, so that a collector and a person both get it whole."""
    for label, value in banner_lines(report):
        log.info("start", extra={label: value})
    log.info("ready", extra={"start_ms": report.start_ms})
