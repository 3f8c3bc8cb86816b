"""Drives the sampler, which knows no time of its own."""

import asyncio
import logging

from broker.metrics.machine import Machine
from broker.metrics.sampler import INTERVAL_S, Sampler

LOG = logging.getLogger("broker.server")


class Sampling:
    """A round of samples every five seconds, in slices of a millisecond between the broker's turns."""

    def __init__(self, sampler: Sampler, machine: Machine) -> None:
        """Begin, on the running loop.

        Args:
            sampler: To be driven, if it is on.
            machine: Looked at on another thread, because that lists every open file; nobody else may use it.
        """
        self._sampler = sampler
        self._machine = machine
        self._task: asyncio.Task[None] | None = None
        if sampler.is_on:
            self._task = asyncio.create_task(self._run())
            self._task.add_done_callback(_ended)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while True:
            for _ in self._sampler.round(await asyncio.to_thread(self._machine.look)):
                await asyncio.sleep(0)
            # A loop that was held up for longer than an interval leaves rounds out; it does not make up for them.
            due_s = max(due_s + INTERVAL_S, loop.time())
            await asyncio.sleep(due_s - loop.time())

    async def stop(self) -> None:
        """Make no more rounds."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _ended(task: asyncio.Task[None]) -> None:
    """A mistake of ours costs the rates, and nothing else."""
    if not task.cancelled():
        LOG.error("no more rates are told: reading the counters failed", exc_info=task.exception())
