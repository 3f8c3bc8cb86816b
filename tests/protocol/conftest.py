"""Fixtures of the protocol's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.queues.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    built = Scene(tmp_path / "data")
    yield built
    built.close()
