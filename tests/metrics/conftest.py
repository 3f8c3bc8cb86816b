"""Fixtures of the metrics' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.metrics.machine import Machine
from broker.metrics.peers import ChannelFigures, ConnectionFigures, Peers
from broker.metrics.scrape import Scraper
from tests.metrics.scene import Broker


class NoPeers(Peers):
    """A broker that nobody has connected to."""

    def __init__(self) -> None:
        self.open: list[ConnectionFigures] = []
        self.running: list[ChannelFigures] = []

    def connections(self) -> list[ConnectionFigures]:
        return self.open

    def channels(self) -> list[ChannelFigures]:
        return self.running

    def handshake_count(self) -> int:
        return 0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    built = Broker(tmp_path / "data")
    yield built
    built.close()


@pytest.fixture
def peers() -> NoPeers:
    return NoPeers()


@pytest.fixture
def scraper(broker: Broker, peers: NoPeers, tmp_path: Path) -> Scraper:
    return Scraper(broker.turn, peers, broker.node, Machine(str(tmp_path)), broker.clock)
