"""A role of a scenario as a process of its own, so that no role waits for another's interpreter."""

import gc
import json
import os
import signal
from collections.abc import Callable
from typing import Final

from benchmarks.client import BenchmarkError, explain

PIPE_OCTETS: Final = 65536


class Role:
    """One forked process that plays a part and reports numbers.

    It shares the sockets that were open when it was made: set the scene up first, and leave those sockets alone until
    the report is there. Call `report` or `end`, or the process stays behind as a zombie.
    """

    def __init__(self, part: Callable[[], list[float]]) -> None:
        self._report, write_end = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            gc.disable()
            try:
                said = json.dumps(part())
            except Exception as error:  # noqa: BLE001  the outermost edge of this process: the parent raises it again
                said = json.dumps(explain(error))
            os.write(write_end, said.encode())
            os._exit(0)
        os.close(write_end)

    @property
    def pid(self) -> int:
        """The process; gone after `report` or `end`."""
        return self._pid

    def report(self) -> list[float]:
        """Wait for the part to end and return what it reports.

        Raises:
            BenchmarkError: It failed, or ended without a report.
        """
        said = b""
        while octets := os.read(self._report, PIPE_OCTETS):
            said += octets
        os.close(self._report)
        os.waitpid(self._pid, 0)
        if not said:
            raise BenchmarkError("a role ended without a report")
        report = json.loads(said)
        if isinstance(report, str):
            raise BenchmarkError(report)
        return [float(number) for number in report]

    def end(self) -> None:
        """End the process at once; for parts that never end by themselves."""
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._report)
