"""Syncs beside the loop: through io_uring, on a thread, and when either fails."""

import asyncio
import errno
import os
from pathlib import Path

import pytest

from broker.server import sync_runner
from broker.server.sync_runner import SyncRunner
from broker.store.files import Files
from broker.store.sync_job import SyncJob

needs_ring = pytest.mark.skipif(not sync_runner.HAS_RING, reason="io_uring is not there, or forbidden to this process")


class CountingFiles(Files):
    """Files whose syncs are its own affair, as in tests and nowhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs = 0

    def sync(self, descriptor: int) -> None:
        super().sync(descriptor)
        self.syncs += 1


def job_for(*paths: Path, files: Files | None = None) -> SyncJob:
    """A job that covers these files, made for it."""
    job = SyncJob(files or Files(), 1, 0)
    for path in paths:
        path.write_bytes(b"octets")
        job.add(os.open(path, os.O_RDWR), str(path))
    return job


async def run(runner: SyncRunner, ended: asyncio.Event, job: SyncJob) -> None:
    ended.clear()
    runner.begin(job)
    await asyncio.wait_for(ended.wait(), 10)
    for descriptor in job.descriptors:
        os.close(descriptor)


@pytest.mark.parametrize(
    "may_use_ring", [pytest.param(True, marks=needs_ring, id="ring"), pytest.param(False, id="thread")]
)
async def test_a_job_has_been_run_when_its_end_is_told(tmp_path: Path, may_use_ring: bool) -> None:
    ended = asyncio.Event()
    runner = SyncRunner(ended.set, may_use_ring)
    assert runner.uses_ring == may_use_ring
    for number in range(5):
        job = job_for(tmp_path / str(number))
        await run(runner, ended, job)
        assert job.is_run
        assert job.error is None
    await runner.stop()


@pytest.mark.parametrize(
    "may_use_ring", [pytest.param(True, marks=needs_ring, id="ring"), pytest.param(False, id="thread")]
)
async def test_a_sync_that_fails_says_of_which_file_and_why(tmp_path: Path, may_use_ring: bool) -> None:
    ended = asyncio.Event()
    runner = SyncRunner(ended.set, may_use_ring)
    reading, writing = os.pipe()  # what cannot be synced
    job = SyncJob(Files(), 1, 0)
    job.add(writing, "a pipe")
    ended.clear()
    runner.begin(job)
    await asyncio.wait_for(ended.wait(), 10)
    assert job.is_run
    assert job.error is not None
    assert "a pipe" in str(job.error)
    assert os.strerror(errno.EINVAL) in str(job.error)
    os.close(reading)
    os.close(writing)
    await runner.stop()


@needs_ring
async def test_more_than_one_file_and_files_of_ones_own_are_synced_on_the_thread(tmp_path: Path) -> None:
    ended = asyncio.Event()
    runner = SyncRunner(ended.set)
    several = job_for(tmp_path / "a", tmp_path / "b")
    assert several.only_descriptor < 0
    await run(runner, ended, several)
    assert several.error is None
    files = CountingFiles()
    own = job_for(tmp_path / "c", files=files)
    assert own.only_descriptor < 0
    await run(runner, ended, own)
    assert files.syncs == 1
    new_name = job_for(tmp_path / "d")
    new_name.directories.append(str(tmp_path))
    assert new_name.only_descriptor < 0
    await run(runner, ended, new_name)
    assert new_name.error is None
    await runner.stop()


@needs_ring
async def test_to_stop_waits_for_the_sync_under_way(tmp_path: Path) -> None:
    ended = asyncio.Event()
    runner = SyncRunner(ended.set)
    job = job_for(tmp_path / "a")
    runner.begin(job)
    await runner.stop()
    assert job.is_run
    assert ended.is_set()
    assert not runner.uses_ring
    os.close(job.descriptors[0])


@needs_ring
async def test_a_ring_that_takes_nothing_is_given_up_for_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def __init__(self, size: int) -> None:
            self.fileno = os.eventfd(0)

        def submit(self, *operations: object) -> int:
            raise SystemError("made to fail")

    monkeypatch.setattr(sync_runner.linux_uring, "Context", Refusing)
    ended = asyncio.Event()
    runner = SyncRunner(ended.set)
    assert runner.uses_ring
    job = job_for(tmp_path / "a")
    await run(runner, ended, job)
    assert job.is_run
    assert job.error is None
    assert not runner.uses_ring
    await runner.stop()
