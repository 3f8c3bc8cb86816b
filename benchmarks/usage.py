"""What a broker spends, read from /proc: the broker is not asked and does not notice."""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

TICKS_PER_SECOND: Final = os.sysconf("SC_CLK_TCK")
PAGE_OCTETS: Final = os.sysconf("SC_PAGE_SIZE")
QUIET_WINDOW_SECONDS: Final = 0.1
QUIET_SHARE: Final = 0.2
QUIET_PATIENCE_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Usage:
    """CPU and memory of a process and all its children at one moment.

    Attributes:
        cpu_s: User and system time since its start; the kernel counts in steps of 10 ms.
        resident_octets: Resident set, shared pages counted once per process.
    """

    cpu_s: float
    resident_octets: int


def read_usage(pid: int) -> Usage:
    """Read the usage of a process tree; what has ended counts as nothing."""
    cpu_s = 0.0
    resident = 0
    processes = [pid]
    while processes:
        one = Path(f"/proc/{processes.pop()}")
        try:
            fields = (one / "stat").read_text().rsplit(")", 1)[1].split()
            cpu_s += (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND
            resident += int((one / "statm").read_text().split()[1]) * PAGE_OCTETS
            for task in (one / "task").iterdir():
                processes += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return Usage(cpu_s, resident)


def wait_until_quiet(pid: int) -> None:
    """Wait until the process hardly uses the CPU, so that one round's tail does not weigh on the next; not for ever."""
    deadline = time.monotonic() + QUIET_PATIENCE_SECONDS
    before = read_usage(pid).cpu_s
    while time.monotonic() < deadline:
        time.sleep(QUIET_WINDOW_SECONDS)
        now = read_usage(pid).cpu_s
        if now - before <= QUIET_SHARE * QUIET_WINDOW_SECONDS:
            return
        before = now
