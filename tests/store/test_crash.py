"""Power loss at any moment, and files that fail: what was synced is found, what failed is never confirmed."""

import errno
import random
import shutil
from pathlib import Path

import pytest

from broker.store.errors import StoreError
from broker.store.files import Files
from broker.store.limits import StoreLimits
from broker.store.store import Store
from tests.store.scene import (
    FailingFiles,
    QuickFiles,
    RecordingFiles,
    Scene,
    ShortFiles,
    recover_copy,
    state_of,
)
from tests.store.test_model import step


class History:
    """A random history on a recording file layer, with what was synced after each change of the disk."""

    def __init__(self, root: Path, seed: int, steps: int) -> None:
        self.files = RecordingFiles(root)
        self.scene = Scene(root, self.files)
        self.marks: list[tuple[int, int, int]] = []  # changes so far, synced, written
        chance = random.Random(seed)
        for log_id in (1, 2, 3):
            self.scene.enqueuer(log_id)
        for _ in range(steps):
            step(self.scene, chance)
            self.scene.write()
            self.mark()
        self.scene.crash()

    def mark(self) -> None:
        store = self.scene.store
        self.marks.append((len(self.files.changes), int(store.synced), int(store.written)))

    def bounds(self, count: int) -> tuple[int, int]:
        """What was synced before this many changes, and the last batch that can have been written by then."""
        synced, written = 0, 0
        for changes, was_synced, was_written in self.marks:
            if changes > count:
                return synced, was_written
            synced, written = was_synced, was_written
        return synced, written


@pytest.mark.parametrize("seed", range(12))
def test_power_loss_at_any_moment_keeps_every_synced_batch_and_no_half_of_another(seed: int, tmp_path: Path) -> None:
    history = History(tmp_path / "data", seed, 100)
    scene = history.scene
    first = next(count for count, _, _ in history.marks)
    chance = random.Random(seed)
    for _ in range(40):
        count = chance.randint(first, len(history.files.changes))
        disk = tmp_path / "disk"
        history.files.rebuild(disk, count, chance, chance.choice((0.0, 0.5, 1.0)))
        synced, written = history.bounds(count)
        state, recovered = recover_copy(disk)
        fitting = [number for number, known in scene.states.items() if known == state and synced <= number <= written]
        assert fitting, f"after {count} changes, {synced} synced, {written} written: {recovered.report}"
        topology = recovered.topology
        known = [scene.topologies[number] for number in scene.topologies if synced <= number <= written]
        assert any(topology == each for each in known), f"after {count} changes"
        assert recover_copy(disk)[0] == state
        shutil.rmtree(disk)


CALLS = [
    "open",
    "write",
    "truncate",
    "allocate",
    "sync",
    "sync_directory",
    "rename",
    "unlink",
    "list_directory",
    "read",
]


def eventful(scene: Scene, confirmed: list[int]) -> None:
    """Everything that touches a file, in some forty calls."""
    for number in range(12):
        scene.append(b"body %02d" % number + bytes(120), 1, 2)
        if number % 3 == 2:
            scene.settle(1, min(scene.live[1]))
        if number % 5 == 0:
            scene.declare(b"topology %d" % number)
        scene.write()
        if number % 4 == 3:
            confirmed.append(scene.sync())
    scene.store.compact_journal(scene.topology)
    scene.retire()
    for position in sorted(scene.live[2])[:6]:
        scene.settle(2, position)
    scene.write()
    confirmed.append(scene.sync())
    scene.retire()
    scene.store.close()


@pytest.mark.parametrize("is_sticky", [False, True])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EROFS, errno.EMFILE])
def test_any_failing_call_never_costs_what_was_confirmed(number: int, is_sticky: bool, tmp_path: Path) -> None:
    count = FailingFiles()
    eventful(Scene(tmp_path / "count", count), [])
    told: list[tuple[int, bool]] = []
    for fails_at in range(1, len(count.calls) + 1, 1 if number == errno.EIO else 3):
        path = tmp_path / f"data{fails_at}"
        files = FailingFiles(number, fails_at, is_sticky)
        confirmed: list[int] = [0]
        scene: Scene | None = None
        try:
            scene = Scene(path, files)
            eventful(scene, confirmed)
        except StoreError as error:
            told.append((error.error_number, str(path) in str(error)))
        if scene is None:
            continue
        assert scene.store.synced >= confirmed[-1]
        scene.crash()
        state, recovered = recover_copy(path)
        known = {repr(each): at for at, each in scene.states.items()}
        unwritten = scene.state()
        known.setdefault(repr({k: dict(sorted(v.items())) for k, v in unwritten.items()}), int(scene.store.written))
        assert known.get(repr(state), -1) >= confirmed[-1], (
            f"call {fails_at} ({files.calls[fails_at - 1]}): {recovered.report}"
        )
        shutil.rmtree(path)
    assert len(told) > 10
    assert all(told_number in (number, 0) and names_file for told_number, names_file in told)


def test_nothing_is_confirmed_after_a_failed_sync_even_if_later_ones_succeed(tmp_path: Path) -> None:
    files = FailingFiles(errno.EIO, 0, False, "sync")
    scene = Scene(tmp_path / "data", files)
    files.fails_at = len(files.calls) + 1
    scene.append(b"one", 1)
    scene.write()
    with pytest.raises(StoreError, match="Input/output error") as failure:
        scene.sync()
    assert failure.value.error_number == errno.EIO
    assert scene.store.is_failed
    assert scene.store.synced == 0
    scene.append(b"two", 1)
    with pytest.raises(StoreError, match="restarted"):
        scene.write()
    with pytest.raises(StoreError, match="restarted"):
        scene.sync()
    assert scene.store.synced == 0
    scene.crash()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_cuts_back_to_the_last_whole_batch_and_the_next_write_brings_everything(
    number: int, tmp_path: Path
) -> None:
    files = FailingFiles()
    scene = Scene(tmp_path / "data", files, StoreLimits(1 << 20, 1 << 22, 0, dense_percent=100))
    scene.append(b"before", 1)
    scene.write()
    file = next((tmp_path / "data" / "log").iterdir())
    size = file.stat().st_size
    files.number = number
    files.only = "write"
    files.is_sticky = True
    files.calls = []
    files.fails_at = 1
    scene.settle(1, 1)
    scene.append(b"kept", 1)
    (dropped,) = scene.append(b"given up", 1)
    with pytest.raises(StoreError) as failure:
        scene.write()
    assert failure.value.is_no_space
    assert not scene.store.is_failed
    assert file.stat().st_size == size
    assert [queued.message.body for queued in scene.store.pending] == [b"kept", b"given up"]
    assert scene.store.written == 1
    scene.settle(1, dropped.position)
    files.fails_at = 0
    assert scene.write() == 2
    assert scene.sync() == 2
    assert b"given up" not in file.read_bytes()
    scene.check_counts()
    scene.crash()
    assert [body for body, _ in recover_copy(tmp_path / "data")[0][1].values()] == [b"kept"]


def test_a_full_disk_that_cannot_be_cut_back_ends_the_store(tmp_path: Path) -> None:
    class Stuck(FailingFiles):
        def truncate(self, descriptor: int, size: int) -> None:
            raise OSError(errno.EIO, "stuck")

    files = Stuck(errno.ENOSPC, 0, True, "write")
    scene = Scene(tmp_path / "data", files, StoreLimits(1 << 20, 1 << 22, 0, dense_percent=100))
    scene.append(b"one", 1)
    files.fails_at = len(files.calls) + 1
    with pytest.raises(StoreError) as failure:
        scene.write()
    assert not failure.value.is_no_space
    assert scene.store.is_failed
    scene.crash()


def test_short_writes_are_continued(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data", ShortFiles())
    scene.append(b"x" * 9000, 1)
    scene.append(b"y" * 10, 1)
    scene.write()
    scene.store.close()
    state, recovered = recover_copy(tmp_path / "data")
    assert [body for body, _ in state[1].values()] == [b"x" * 9000, b"y" * 10]
    assert recovered.report == []


def test_a_retirement_that_finds_the_disk_full_leaves_nothing_behind(tmp_path: Path) -> None:
    files = FailingFiles()
    scene = Scene(tmp_path / "data", files)
    for number in range(30):
        scene.append(b"body %02d" % number + bytes(80), 1, 2)
        scene.write()
    scene.sync()
    assert scene.store.is_retire_due
    files.only = "write"
    for fails_at in (1, 2, 5, 8):
        files.number, files.fails_at, files.calls = errno.ENOSPC, fails_at, []
        with pytest.raises(StoreError) as failure:
            scene.retire()
        assert failure.value.is_no_space
        assert list((tmp_path / "data" / "queues").rglob("*.seg")) == []
        assert list((tmp_path / "data" / "queues").rglob("*.tmp")) == []
    files.fails_at = 0
    scene.retire()
    assert list((tmp_path / "data" / "queues").rglob("*.seg")) != []
    scene.check_counts()
    scene.crash()
    assert recover_copy(tmp_path / "data")[0] == scene.state()


def test_a_crash_between_the_steps_of_a_retirement_is_found_twice_and_counted_once(tmp_path: Path) -> None:
    count = FailingFiles()
    for stop in range(1, 200):
        path = tmp_path / f"data{stop}"
        count = FailingFiles()
        scene = Scene(path, count)
        for number in range(16):
            scene.append(b"body %02d" % number + bytes(80), 1, 2)
            scene.write()
        scene.sync()
        for position in range(1, 9):
            scene.settle(1, position)
        scene.write()
        scene.sync()
        expected = scene.state()
        job = scene.store.begin_retire()
        count.calls = []
        count.number, count.fails_at, count.is_sticky = errno.EIO, stop, True
        job.run()
        is_done = job.error is None
        scene.crash()
        state, recovered = recover_copy(path)
        assert state == expected, f"stopped at call {stop}"
        assert recovered.report == []
        shutil.rmtree(path)
        if is_done:
            assert stop > 20
            return
    raise AssertionError("the retirement never ended")


def test_a_real_disk_and_a_real_sync_work_together(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "data"), Files(), StoreLimits())
    assert store.recover().report == []
    store.record_topology(b"queue")
    assert store.write() == 1
    job = store.begin_sync()
    job.run()
    assert store.finish_sync(job) == 1
    store.close()
    again = Store(str(tmp_path / "data"), QuickFiles(), StoreLimits())
    recovered = again.recover()
    assert recovered.topology == [b"queue"]
    assert state_of(recovered) == {}
    again.close()
