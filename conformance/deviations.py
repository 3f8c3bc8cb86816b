"""Where PonyMQ and RabbitMQ 3.10.8 answer differently, a test says so by the identifier of a row in deviations.md."""

import re
from functools import cache
from pathlib import Path
from typing import Final, TypeVar

import pytest

from conformance.brokers import Broker

TABLE: Final = Path(__file__).with_name("deviations.md")
IDENTIFIER: Final = re.compile(r"^\| `([a-z0-9-]+)` \|", re.MULTILINE)

T = TypeVar("T")


@cache
def listed_deviations() -> frozenset[str]:
    """The identifiers that deviations.md explains."""
    return frozenset(IDENTIFIER.findall(TABLE.read_text()))


def deviates(identifier: str) -> pytest.MarkDecorator:
    """Mark a test whose expectation depends on the broker; the row in deviations.md says why."""
    return pytest.mark.deviates(identifier)


def by_broker(broker: Broker, *, ponymq: T, rabbitmq: T) -> T:
    """The expectation for the broker under test."""
    return ponymq if broker.name == "ponymq" else rabbitmq
