"""Fixtures of the HTTP side's tests: a broker without AMQP sockets behind real HTTP ports."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from broker.management.api_app import api_app
from broker.management.facts import Facts
from broker.management.listener import Listener
from broker.management.metrics_app import metrics_app
from broker.metrics.machine import Machine
from broker.metrics.scrape import Scraper
from tests.management.asking import Http, basic
from tests.metrics.scene import Broker

LISTENERS = [
    Listener("amqp", "127.0.0.1", 5672),
    Listener("http", "127.0.0.1", 15672),
    Listener("http/prometheus", "127.0.0.1", 15692),
]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    built = Broker(tmp_path / "data")
    yield built
    built.close()


@pytest.fixture
def facts(broker: Broker, tmp_path: Path) -> Facts:
    machine = Machine(str(tmp_path))
    return Facts(broker.context, broker.node, LISTENERS, broker.administration, lambda: None, machine)


@pytest.fixture
async def api(facts: Facts) -> AsyncIterator[Http]:
    """A client that nobody has logged in with."""
    async with TestClient(TestServer(api_app(facts))) as client:
        yield client


@pytest.fixture
async def guest(facts: Facts) -> AsyncIterator[Http]:
    """A client logged in as the administrator."""
    async with TestClient(TestServer(api_app(facts)), headers={"Authorization": basic("guest", "guest")}) as client:
        yield client


@pytest.fixture
async def door(broker: Broker, facts: Facts, tmp_path: Path) -> AsyncIterator[Http]:
    """A client of the metrics port."""
    scraper = Scraper(broker.turn, facts.peers, broker.node, Machine(str(tmp_path)), broker.clock)
    async with TestClient(TestServer(metrics_app(scraper))) as client:
        yield client
