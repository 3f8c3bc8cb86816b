"""``python -m benchmarks``, which is what ``make bench`` calls."""

import argparse
import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.broker_process import BROKERS, RELAY, Seat, broker_version, find_brokers
from benchmarks.machine import StolenTime, busy_s, facts, load_average, own_s
from benchmarks.plot import write_plots
from benchmarks.report import document, rewrite
from benchmarks.runner import CHECKOUT, ROUNDS, Runner
from benchmarks.scenarios import ALL, BY_NAME
from benchmarks.scenarios.connections import allow_files

HERE = Path(__file__).resolve().parent
MOST_CONNECTIONS = max(scenario.count for scenario in ALL if scenario.name in {"crowd", "connections"})


def say(line: str) -> None:
    """Write a line at once, so that a run can be watched."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Compare brokers side by side.")
    parser.add_argument("--only", default="", help="scenarios, separated by commas; the README is left alone then")
    parser.add_argument("--brokers", default=",".join((*BROKERS, RELAY)), help="which to run, separated by commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of each scenario")
    parser.add_argument("--count", type=int, default=0, help="messages of a round, instead of what a second takes")
    parser.add_argument("--compiled", type=Path, default=CHECKOUT / "build" / "compiled", help="the compiled package")
    parser.add_argument("--write", type=Path, default=HERE, help="directory of the README.md and plots to rewrite")
    words = parser.parse_args()
    unknown = {*words.only.split(",")} - {"", *BY_NAME} or {*words.brokers.split(",")} - {*BROKERS, RELAY}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; scenarios: {', '.join(BY_NAME)}")
    return words


def main() -> None:
    """Run the scenarios that were asked for and say the table; a whole run also rewrites the README and the plots."""
    words = arguments()
    wanted = words.brokers.split(",")
    makers = {name: make for name, make in find_brokers(words.compiled).items() if name in wanted}
    for name in BROKERS:
        if name in wanted and name not in makers:
            say(f"{name}: not on this machine, left out")
    scenarios = [BY_NAME[name] for name in words.only.split(",")] if words.only else ALL
    if any(scenario.name == "crowd" for scenario in scenarios):
        allow_files(MOST_CONNECTIONS)  # the brokers inherit it
    began = time.monotonic()
    load_before, others_before, stolen = load_average(), busy_s() - own_s(), StolenTime()
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        seats: dict[str, Seat] = {}
        for name, make in makers.items():
            seats[name] = Seat(name, make, directory)
            stack.callback(seats[name].close)
        versions = [f"{name}: {broker_version(name, seat.broker, words.compiled)}" for name, seat in seats.items()]
        head = [*facts(directory), *versions]
        runner = Runner(seats, words.rounds, words.count, RELAY in wanted, say)
        results = runner.run(scenarios)
    took_s = time.monotonic() - began
    others = max(busy_s() - own_s() - others_before, 0.0) / took_s
    head.append(f"Load average: {load_before} before, {load_average()} after; a round itself makes about 2")
    head.append(f"Meanwhile other processes used {others:.1f} of the {os.cpu_count()} cores")
    head.append(
        f"The host took {stolen.look():.1%} of the CPU time; {runner.disturbed} rounds do not count because of it"
    )
    head.append(f"{words.rounds} rounds each, {took_s:.0f} s in all")
    text = document(results, head)
    say("\n" + text)
    if not words.only:
        rewrite(words.write / "README.md", text)
        for file in write_plots(results, words.write / "plots"):
            say(f"wrote {file}")


if __name__ == "__main__":
    main()
