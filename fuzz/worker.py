"""One process, one target, many inputs."""

import contextlib
import ctypes
import faulthandler
import mmap
import resource
import time
from pathlib import Path
from typing import Final

from fuzz.dice import Dice
from fuzz.finding import Finding, input_seed, smaller, told, world_dice, written
from fuzz.steps import octets_of
from fuzz.target import Target
from fuzz.world import Broken

# An input that takes more of a core is one that a peer could stop the broker with; one of many requests may take more.
SLOW_S: Final = 1.0
SLOW_S_PER_OCTET: Final = 5e-6
# Memory is looked at after so many inputs.
LOOK_AFTER: Final = 500
# The share of the inputs in which caches fill and the allocator finds its size.
WARM_UP: Final = 0.2
MOST_GROWTH_BYTES: Final = 32 << 20
MOST_FINDINGS: Final = 20
PAGE_BYTES: Final = resource.getpagesize()


class Notes(ctypes.Structure):
    """What a worker tells while it runs, in memory that outlives it. Get one by ``shared_notes``.

    Attributes:
        number: The input under way.
        done: Inputs tried.
        found: Findings written.
        slowest_us: CPU time of the slowest input.
        slowest: Its number.
        warm_bytes: Resident memory after the warm-up.
        most_bytes: The most since then.
        last_bytes: At the last look.
    """

    _names = ("number", "done", "found", "slowest_us", "slowest", "warm_bytes", "most_bytes", "last_bytes")
    _fields_ = tuple((name, ctypes.c_int64) for name in _names)
    number: int
    done: int
    found: int
    slowest_us: int
    slowest: int
    warm_bytes: int
    most_bytes: int
    last_bytes: int


def shared_notes() -> Notes:
    """Notes that a forked process and the one that forked it both see."""
    return Notes.from_buffer(mmap.mmap(-1, mmap.PAGESIZE))


def resident_bytes() -> int:
    """Memory of this process that is in RAM."""
    with Path("/proc/self/statm").open(encoding="ascii") as file:
        return int(file.read().split()[1]) * PAGE_BYTES


def work(target: Target, seed: int, first: int, count: int, notes: Notes, directory: Path) -> None:
    """Try ``count`` inputs from number ``first`` on; each finding is a file in ``directory``."""
    faulthandler.enable()
    with contextlib.suppress(OSError):  # a broker that takes all memory must not take the machine with it
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, resource.RLIM_INFINITY))
    dice = Dice()
    is_open = False
    for number in range(first, first + count):
        notes.number = number
        if is_open and number % target.inputs_per_world == 0:
            target.end()
            is_open = False
        if not is_open:
            target.begin(world_dice(target, seed, number))
            is_open = True
        dice.seed(input_seed(target, seed, number))
        steps = target.make(dice)
        trouble = ""
        began_s = time.process_time()
        try:
            target.run(steps)
        except Exception as error:  # noqa: BLE001 - whatever leaves the broker is a finding
            trouble = told(error)
        took_us = int((time.process_time() - began_s) * 1e6)
        if took_us > notes.slowest_us:
            notes.slowest_us, notes.slowest = took_us, number
        if took_us > (SLOW_S + SLOW_S_PER_OCTET * octets_of(steps)) * 1e6 and not trouble:
            trouble = f"Slow: {took_us} microseconds"
        notes.done += 1
        if trouble:
            finding = Finding(target.name, seed, number, trouble, written(steps))
            finding.save(directory)  # before it is made smaller, which may end the process
            notes.found += 1
            with contextlib.suppress(Exception):
                target.end()
            is_open = False
            if not trouble.startswith("Slow"):
                smaller(target, finding).save(directory)
            if notes.found >= MOST_FINDINGS:
                break
        if notes.done % LOOK_AFTER == 0 or notes.done == count:
            _look(notes, count)
    if is_open:
        target.end()
    if notes.most_bytes > notes.warm_bytes + MOST_GROWTH_BYTES:
        raise Broken(f"memory grew from {notes.warm_bytes} to {notes.most_bytes} octets")


def _look(notes: Notes, count: int) -> None:
    resident = resident_bytes()
    notes.last_bytes = resident
    if not notes.warm_bytes or notes.done <= count * WARM_UP:
        notes.warm_bytes = notes.most_bytes = resident
    elif resident > notes.most_bytes:
        notes.most_bytes = resident
