"""Fixtures of the queues' tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.queues.scene import Peer, Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    built = Scene(tmp_path / "data")
    yield built
    built.close()


@pytest.fixture
def peer(scene: Scene) -> Peer:
    """A client with channel 1 open."""
    connected = Peer(scene)
    connected.open()
    return connected
