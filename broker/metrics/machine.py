"""What the operating system says of this process, its memory and its disk."""

import ctypes
import os
import resource
import shutil
from pathlib import Path
from typing import Final

import psutil
from msgspec import Struct

# Where Linux tells the limit of a container, version 2 and version 1 of control groups.
_LIMIT_FILES: Final = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_MOST_THREADS: Final = 4_194_304  # Linux's own limit, where the user has none


class MachineFigures(Struct, frozen=True):
    """One look at the machine.

    Attributes:
        resident_bytes: Memory of this process that is in RAM.
        virtual_bytes: Address space of this process.
        cpu_user_s: CPU seconds in our code, all threads.
        cpu_system_s: CPU seconds in the kernel for us.
        open_files: Descriptors in use, sockets included; -1 where the system does not say.
        thread_count: Threads, workers included.
        disk_free_bytes: Room for this user on the disk of the data directory; -1 if it cannot be read.
        disk_bytes: Size of that disk; -1 if it cannot be read.
        context_switches: How often the kernel gave the processor to somebody else, of this process's own will or not.
    """

    resident_bytes: int
    virtual_bytes: int
    cpu_user_s: float
    cpu_system_s: float
    open_files: int
    thread_count: int
    disk_free_bytes: int
    disk_bytes: int
    context_switches: int


class Machine:
    """Asks about this process.

    Attributes:
        memory_limit_bytes: What the process may have before the system kills it: the container's limit or all RAM.
        max_files: Most descriptors this process may have open; -1 for no limit.
        max_threads: Most threads that its user may have, other processes' included.
        started_s: When the process began, seconds since 1970.
    """

    def __init__(self, data_dir: str) -> None:
        self._process = psutil.Process()
        self._data_dir = data_dir
        self._malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, musl and macOS have not
        self.memory_limit_bytes = _memory_limit()
        self.max_files = _max_files()
        self.max_threads = _max_threads()
        self.started_s = float(self._process.create_time())

    def look(self) -> MachineFigures:
        """The figures now; some ten system calls, and one per open file on Linux."""
        process = self._process
        with process.oneshot():
            memory = process.memory_info()
            cpu = process.cpu_times()
            thread_count = int(process.num_threads())
            switches = process.num_ctx_switches()
        open_files = int(process.num_fds()) if hasattr(process, "num_fds") else -1
        free, total = self.disk()
        return MachineFigures(
            int(memory.rss),
            int(memory.vms),
            float(cpu.user),
            float(cpu.system),
            open_files,
            thread_count,
            free,
            total,
            int(switches.voluntary + switches.involuntary),
        )

    def resident_bytes(self) -> int:
        """Memory of this process that is in RAM: one small read."""
        return int(self._process.memory_info().rss)

    def release_memory(self) -> None:
        """Give memory that is free but held by the C library back to the system, where that can be done.

        glibc keeps what was freed below a block still in use: measured, 175 of 210 MiB after a backlog was drained, for
        good. Giving back 1 GiB takes 50 ms, finding nothing to give back 0.1 ms.
        """
        if self._malloc_trim is not None:
            self._malloc_trim(0)

    def disk(self) -> tuple[int, int]:
        """Room for this user on the disk of the data directory, and the disk's size; -1 if they cannot be read."""
        try:
            disk = shutil.disk_usage(self._data_dir)
        except OSError:
            return -1, -1
        return disk.free, disk.total


def _memory_limit() -> int:
    limit = int(psutil.virtual_memory().total)
    for name in _LIMIT_FILES:
        try:
            text = Path(name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        # "max", or in version 1 a number beyond any machine: no limit of its own.
        if text.isdigit():
            limit = min(limit, int(text))
    return limit


def _max_files() -> int:
    try:
        most = int(os.sysconf("SC_OPEN_MAX"))
    except (AttributeError, ValueError, OSError):
        return -1
    return most


def _max_threads() -> int:
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    return _MOST_THREADS if most == resource.RLIM_INFINITY else most
