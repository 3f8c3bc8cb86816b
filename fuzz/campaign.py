"""A run: which inputs, in which processes, and what came of it."""

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from fuzz.dice import Dice
from fuzz.finding import Finding, input_seed, world_dice, written
from fuzz.target import Target
from fuzz.worker import shared_notes, work

# One input that takes so much CPU will not come to an end.
HANG_S: Final = 30.0
REPORT_S: Final = 15.0
MiB: Final = 1 << 20


class Job:
    """One process and its inputs."""

    def __init__(self, target: Target, seed: int, first: int, count: int, directory: Path) -> None:
        self.target = target
        self.count = count
        self.trouble = ""
        self.took_s = 0.0
        self.notes = shared_notes()
        self._seed = seed
        self._directory = directory
        arguments = (target, seed, first, count, self.notes, directory)
        self._process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
        self._began_s = 0.0
        self._seen = (-1, 0.0)  # an input, and the CPU time when it was first seen under way

    def start(self) -> None:
        """Begin."""
        self._began_s = time.monotonic()
        self._process.start()

    def is_running(self) -> bool:
        """Is it under way? A process that hangs is ended, and an end that was none is a finding."""
        process = self._process
        if process.is_alive():
            self._look_for_hang()
            return True
        if not self.took_s:
            self.took_s = time.monotonic() - self._began_s
            if process.exitcode and not self.trouble:
                self.trouble = f"ended with {process.exitcode}"
                if process.exitcode < 0:
                    self._save(f"Crash: signal {-process.exitcode}")
        return False

    def stop(self) -> None:
        """End it before it is through."""
        self._process.terminate()
        self._process.join()
        self.took_s = time.monotonic() - self._began_s
        self.trouble = self.trouble or "interrupted"

    def _look_for_hang(self) -> None:
        try:
            times = psutil.Process(self._process.pid).cpu_times()
        except psutil.Error:
            return
        used_s = times.user + times.system
        number, since_s = self._seen
        if number != self.notes.number:
            self._seen = (self.notes.number, used_s)
        elif used_s - since_s > HANG_S:
            self.trouble = "hangs"
            self._save(f"Hang: more than {HANG_S:.0f} s")
            self._process.kill()

    def _save(self, trouble: str) -> None:
        """Keep the input that was under way: it can be made again from its number."""
        number = self.notes.number
        target = self.target
        target.begin(world_dice(target, self._seed, number))
        steps = target.make(Dice(input_seed(target, self._seed, number)))
        target.end()
        Finding(target.name, self._seed, number, trouble, written(steps), has_history=True).save(self._directory)
        self.notes.found += 1

    def line(self) -> str:
        """How it stands."""
        notes = self.notes
        took_s = self.took_s or time.monotonic() - self._began_s
        memory = (
            f"{notes.warm_bytes / MiB:.1f} MiB, at most {notes.most_bytes / MiB:.1f}, last {notes.last_bytes / MiB:.1f}"
        )
        return (
            f"{self.target.name:10} {notes.done:9,} of {self.count:,} inputs, {notes.done / took_s:7,.0f}/s, "
            f"{notes.found} found, slowest {notes.slowest_us / 1000:.1f} ms (#{notes.slowest}), warm {memory}"
            + (f", {self.trouble.upper()}" if self.trouble else "")
        )


def run(
    targets: list[Target], inputs: int, seed: int, processes: int, directory: Path, say: Callable[[str], None]
) -> bool:
    """Try so many inputs in all, each target its share of them. Returns whether nothing was found."""
    shares = sum(target.share for target in targets)
    waiting: list[Job] = []
    for target in targets:
        count = inputs * target.share // shares
        first = 0
        for part in range(processes):
            size = count // processes + (part < count % processes)
            if size:
                waiting.append(Job(target, seed, first, size, directory))
            first += size
    jobs = list(waiting)
    running: list[Job] = []
    told_s = time.monotonic()
    began_s = told_s
    try:
        while waiting or running:
            while waiting and len(running) < processes:
                job = waiting.pop(0)
                job.start()
                running.append(job)
            time.sleep(0.1)
            for job in list(running):
                if not job.is_running():
                    running.remove(job)
                    say(job.line())
            if time.monotonic() - told_s > REPORT_S:
                told_s = time.monotonic()
                for job in running:
                    say("… " + job.line())
    except KeyboardInterrupt:
        for job in running:
            job.stop()
            say(job.line())
    done = sum(job.notes.done for job in jobs)
    found = sum(job.notes.found for job in jobs)
    took_s = time.monotonic() - began_s
    say(f"{done:,} inputs with seed {seed} in {took_s:.0f} s on {os.cpu_count()} cores, {found} findings")
    return not found and not any(job.trouble for job in jobs) and done == sum(job.count for job in jobs)
