"""The scene that most tests of the vhost play in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.vhost.scene import Scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    made = Scene(tmp_path / "data")
    made.turn.begin()
    yield made
    made.store.close()
