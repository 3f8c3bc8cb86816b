"""Random histories against dictionaries: whatever was written is found again, and the counts agree all the way."""

import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.store.scene import Scene, state_of


def step(scene: Scene, chance: random.Random) -> None:
    """One random thing that a broker does to its store."""
    roll = chance.random()
    busy = sorted(log_id for log_id, queue in scene.live.items() if queue)
    if roll < 0.35:
        known = sorted({1, 2, 3, *scene.enqueuers} - ({1, 2, 3} - set(scene.enqueuers)) or {scene.highest + 1})
        targets = chance.sample(known, chance.randint(1, min(3, len(known))))
        size = 5000 if chance.random() < 0.03 else chance.randint(0, 60)
        scene.append(chance.randbytes(size), *targets)
    elif roll < 0.60 and busy:
        log_id = chance.choice(busy)
        positions = sorted(scene.live[log_id])
        for position in positions[: chance.randint(1, 4)] if chance.random() < 0.8 else [chance.choice(positions)]:
            scene.settle(log_id, position)
    elif roll < 0.66 and busy:
        log_id = chance.choice(busy)
        scene.delivered(log_id, chance.choice(sorted(scene.live[log_id])))
    elif roll < 0.68 and busy:
        log_id = chance.choice(busy)
        positions = sorted(scene.live[log_id])
        scene.purge(log_id, sorted(chance.sample(positions, min(len(positions), chance.randint(0, 2)))))
    elif roll < 0.69 and len(scene.enqueuers) > 1:
        scene.forget(chance.choice(sorted(scene.enqueuers)))
    elif roll < 0.70:
        scene.enqueuer(scene.highest + 1)
    elif roll < 0.72:
        scene.declare(chance.randbytes(chance.randint(0, 30)))
    elif roll < 0.90:
        scene.write()
        scene.check_counts()
    elif roll < 0.95:
        scene.write()
        assert scene.sync() == scene.store.written
    elif roll < 0.99:
        scene.write()
        assert scene.retire() == []
        scene.check_counts()
    else:
        scene.write()
        scene.store.compact_journal(scene.topology)


def live_through(scene: Scene, seed: int, steps: int) -> None:
    """A history with clean and unclean stops."""
    chance = random.Random(seed)
    for _ in range(3):
        for _ in range(steps):
            step(scene, chance)
        scene.write()
        expected = scene.state()
        topology = list(scene.topology)
        if chance.random() < 0.5:
            scene.store.close()
        else:
            scene.crash()
        positions = dict(scene.next_position)
        recovered = scene.open()
        assert recovered.report == []
        assert state_of(recovered) == expected
        assert recovered.topology == topology
        assert all(scene.next_position[log_id] >= max(queue, default=0) + 1 for log_id, queue in scene.live.items())
        scene.next_position.update(positions)
        scene.check_counts()
    scene.store.close()


@settings(max_examples=40)
@given(seed=st.integers(0, 1_000_000))
def test_a_random_history_is_found_again_after_every_stop(seed: int) -> None:
    with tempfile.TemporaryDirectory() as path:
        scene = Scene(Path(path) / "data")
        for log_id in (1, 2, 3):
            scene.enqueuer(log_id)
        live_through(scene, seed, 120)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_long_history_moves_messages_to_queue_segments_and_back_to_nothing(seed: int, tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    chance = random.Random(seed)
    for log_id in (1, 2, 3):
        scene.enqueuer(log_id)
    saw_queue_segments = False
    for _ in range(1500):
        step(scene, chance)
        saw_queue_segments = saw_queue_segments or any((tmp_path / "data" / "queues").iterdir())
    assert saw_queue_segments
    for log_id in list(scene.live):
        for position in sorted(scene.live[log_id]):
            scene.settle(log_id, position)
    scene.write()
    scene.sync()
    scene.retire()
    assert list((tmp_path / "data" / "queues").iterdir()) == []
    scene.store.close()
