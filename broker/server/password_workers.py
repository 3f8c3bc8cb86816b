"""Checks passwords beside the event loop."""

import asyncio
import logging
import os
from concurrent.futures import Future, ThreadPoolExecutor

from broker.auth.logins import Checker, PasswordCheck

LOG = logging.getLogger("broker.server")

# argon2 lets other threads run, but not other processes: half of the cores stay with the traffic.
MOST_WORKERS = 4


class PasswordWorkers(Checker):
    """A few threads that do nothing else. What they have no time for waits; ``Logins`` says how much may."""

    def __init__(self) -> None:
        """Serve the running loop."""
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(max(1, min(MOST_WORKERS, (os.cpu_count() or 2) // 2)), "password")

    def start(self, check: PasswordCheck) -> None:
        """Run the check on a thread, and finish it on the loop's."""
        self._threads.submit(check.run).add_done_callback(lambda job: self._ran(check, job))

    def _ran(self, check: PasswordCheck, job: Future[None]) -> None:
        """On the thread. A check that could not be made lets nobody in."""
        if job.cancelled():
            return
        error = job.exception()
        if error is not None:
            LOG.error("a password could not be checked", extra={"reason": type(error).__name__})
        self._loop.call_soon_threadsafe(check.finish)

    async def stop(self) -> None:
        """Forget the checks that wait, because the connections behind them are gone, and let those that run end."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
