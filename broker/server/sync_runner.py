"""Runs sync jobs beside the event loop: through io_uring where the kernel allows it, on a worker thread elsewhere."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from broker.store.sync_job import SyncJob

try:
    from caio import linux_uring
except ImportError:  # no Linux, or io_uring is forbidden, as container runtimes do by default
    HAS_RING = False
else:
    HAS_RING = True

LOG = logging.getLogger("broker.server")

RING_SIZE = 8  # syncs at a time; there is never more than one


class SyncRunner:
    """One sync at a time.

    A thread has to wait for the interpreter's lock before a sync and behind it, and a busy loop lets go of it for some
    microseconds at a time: syncs of 0.5 ms took 1 ms. Through io_uring the kernel does it with threads of its own, and
    an eventfd, which the loop watches like a socket, says that it is done: a fifth less CPU per confirmed message.
    """

    def __init__(self, on_end: Callable[[], None], may_use_ring: bool = True) -> None:
        """Serve the running loop.

        Args:
            on_end: Called on the loop's thread when the job that was begun last has been run.
            may_use_ring: False for the thread alone.
        """
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, "sync")
        self._ring: linux_uring.Context | None = None
        self._under_way: SyncJob | None = None  # in the ring, and what stands for it there
        self._operation: linux_uring.Operation | None = None
        self._is_empty: asyncio.Future[None] | None = None
        if HAS_RING and may_use_ring:
            try:
                self._ring = linux_uring.Context(RING_SIZE)
            except (OSError, SystemError, MemoryError) as error:
                LOG.info("no io_uring: syncs are made on a thread", extra={"reason": str(error)})
            else:
                self._loop.add_reader(self._ring.fileno, self._look)

    @property
    def uses_ring(self) -> bool:
        """Are syncs made through io_uring?"""
        return self._ring is not None

    def begin(self, job: SyncJob) -> None:
        """Run the job; only when the one before it has ended."""
        descriptor = job.only_descriptor
        if self._ring is None or descriptor < 0 or not self._submit(self._ring, descriptor, job):
            self._thread.submit(job.run).add_done_callback(lambda _: self._loop.call_soon_threadsafe(self._on_end))

    def _submit(self, ring: "linux_uring.Context", descriptor: int, job: SyncJob) -> bool:
        operation = linux_uring.Operation.fdsync(descriptor)
        operation.set_callback(self._synced)
        self._under_way = job
        self._operation = operation
        try:
            ring.submit(operation)
            ring.flush()
        except (OSError, SystemError) as error:
            LOG.warning("io_uring failed: syncs are made on a thread from now on", extra={"reason": str(error)})
            self._under_way = self._operation = None
            self._close_ring()
            return False
        return True

    def _look(self) -> None:
        """The eventfd says that something in the ring is done."""
        assert self._ring is not None
        with suppress(BlockingIOError):  # looked at already
            self._ring.poll()
        self._ring.process_events()

    def _synced(self, _: int) -> None:
        job = self._under_way
        operation = self._operation
        if job is None or operation is None:
            return  # given up, and run on the thread
        self._under_way = self._operation = None
        job.was_run(operation.error)
        if self._is_empty is not None and not self._is_empty.done():
            self._is_empty.set_result(None)
        self._on_end()

    async def stop(self) -> None:
        """Wait for the job under way. None may be begun afterwards."""
        if self._under_way is not None:
            self._is_empty = self._loop.create_future()
            await self._is_empty
        self._close_ring()
        await asyncio.to_thread(self._thread.shutdown)

    def _close_ring(self) -> None:
        if self._ring is not None:
            self._loop.remove_reader(self._ring.fileno)
            self._ring = None
