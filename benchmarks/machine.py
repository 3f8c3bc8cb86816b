"""What the figures were measured on: without it they mean nothing a month later."""

import os
import platform
import resource
import time
from pathlib import Path


def processor() -> str:
    """The processor's name as the kernel knows it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def memory_gb() -> float:
    """The machine's memory."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9


def file_system(directory: Path) -> str:
    """The type of the file system that a directory is on; its syncs are what confirms wait for."""
    best, kind = "", "unknown"
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, name, *_ = line.split()
        if directory.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, name
    return kind


def load_average() -> str:
    """Processes that wanted a processor: mean of the last minute, and of the last five."""
    one, five, _ = os.getloadavg()
    return f"{one:.1f} ({five:.1f} over 5 min)"


def _cpu_times_s() -> list[float]:
    """Of all processors since the start: user, nice, system, idle, waiting, two kinds of interrupts, stolen."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]
    return [int(field) / os.sysconf("SC_CLK_TCK") for field in fields[:8]]


def busy_s() -> float:
    """CPU time that all processes of the machine have used together."""
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, _stolen = _cpu_times_s()
    return user + nice + system + interrupts + soft_interrupts


def stolen_s() -> float:
    """CPU time that this machine wanted and its host gave to others."""
    return _cpu_times_s()[7]


class StolenTime:
    """What the host of a virtual machine takes of its CPU time, from one look to the next."""

    def __init__(self) -> None:
        self._stolen_s, self._at_s = stolen_s(), time.monotonic()

    def look(self) -> float:
        """The share since the last look: 0 to 1."""
        stolen, at = stolen_s(), time.monotonic()
        share = (stolen - self._stolen_s) / max(at - self._at_s, 1e-3) / (os.cpu_count() or 1)
        self._stolen_s, self._at_s = stolen, at
        return share


def own_s() -> float:
    """CPU time of this process and of all its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def facts(directory: Path) -> list[str]:
    """Date, machine and versions, a line each."""
    return [
        f"Date: {time.strftime('%Y-%m-%d %H:%M', time.gmtime())} UTC",
        f"Machine: {processor()}, {os.cpu_count()} cores, {memory_gb():.0f} GB, "
        f"Linux {platform.release()}, data on {file_system(directory)}",
        f"Python {platform.python_version()}",
    ]
