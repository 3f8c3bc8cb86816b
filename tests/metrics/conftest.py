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

    def connections(self) -> Iterator[ConnectionFigures]:
        return iter(self.open)

    def channels(self) -> Iterator[ChannelFigures]:
        return iter(self.running)

    def connection_count(self) -> int:
        return len(self.open)

    def octets(self) -> Iterator[tuple[int, str, int, int]]:
        return ((at, "/", each.received_bytes, each.sent_bytes) for at, each in enumerate(self.open))

    def channel_counts(self) -> Iterator[tuple[int, int, tuple[int, int, int]]]:
        return ((at, 1, (0, 0, at)) for at, _ in enumerate(self.running))

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
