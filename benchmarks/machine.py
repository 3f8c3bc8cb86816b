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


def busy_s() -> float:
    """CPU time that all processes of the machine have used together; what a host took away counts too."""
    fields = Path("/proc/stat").read_text(encoding="utf-8").split("\n", 1)[0].split()[1:]
    user, nice, system, _idle, _waiting, interrupts, soft_interrupts, stolen = map(int, fields[:8])
    return (user + nice + system + interrupts + soft_interrupts + stolen) / os.sysconf("SC_CLK_TCK")


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
