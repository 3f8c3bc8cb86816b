"""Plays scenarios on brokers: a pilot to find the size of a round, then the rounds, the brokers taking turns."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from benchmarks.broker_process import RELAY, Seat
from benchmarks.machine import StolenTime
from benchmarks.scenario import LIMIT_SECONDS, Outcome, Scenario
from benchmarks.usage import wait_until_quiet
from conformance.brokers import BrokerError

ROUNDS: Final = 3
ROUND_SECONDS: Final = 1.0
TELLING_SECONDS: Final = 0.15
PILOT_GROWTH: Final = 8
# A round in which the host took more of the CPU time than this is played again, up to so many in all.
STOLEN_SHARE: Final = 0.03
TRIES: Final = 2
CHECKOUT: Final = Path(__file__).resolve().parent.parent


@dataclass(slots=True)
class Cell:
    """What one broker gave in one scenario.

    Attributes:
        rounds: Outcomes of the rounds, the pilot not among them.
        failure: Why a round failed; empty if none did. No further round is played then.
    """

    rounds: list[Outcome] = field(default_factory=list)
    failure: str = ""


Results = dict[str, dict[str, Cell]]  # scenario, then broker


class RoundFailedError(Exception):
    """A round failed or did not end in time; the text says how."""


def play_round(
    scenario: Scenario, count: int, port: int, pid: int, limit_s: float = LIMIT_SECONDS, authority: str = ""
) -> Outcome:
    """Play one round in a process group of its own; the group is killed when the time is over.

    Args:
        scenario: What to play.
        count: How much of it.
        port: AMQP; 0 for the byte relay.
        pid: The broker.
        limit_s: Most seconds that a round may take.
        authority: Who has signed the broker's certificate, if the port speaks TLS.

    Raises:
        RoundFailedError: No outcome.
    """
    words = [
        sys.executable,
        "-m",
        "benchmarks.round",
        scenario.name,
        str(count),
        "--port",
        str(port),
        "--pid",
        str(pid),
        *(["--authority", authority] if authority else []),
    ]
    with subprocess.Popen(  # noqa: S603  our own interpreter and module
        words, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            said, complained = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            raise RoundFailedError(f"did not end in {limit_s:.0f} s") from None
        finally:
            end_group(process.pid)
    if process.returncode or not said:
        raise RoundFailedError(complained.strip().splitlines()[-1] if complained else f"exit code {process.returncode}")
    outcome = json.loads(said)
    if "failed" in outcome:
        raise RoundFailedError(outcome["failed"])
    return Outcome(outcome["seconds"], outcome["figures"])


def least_disturbed(play: Callable[[], Outcome], look: Callable[[], float]) -> tuple[Outcome, int]:
    """Play a round, again if the machine's host took CPU time meanwhile. Results have no say in which of them counts.

    Args:
        play: Plays it; an outcome of no seconds is a failure, and not repeated.
        look: The share of the CPU time that the host took since the last call.

    Returns:
        The round in which the host took least, and how many others were played.
    """
    chosen, least = Outcome(0.0), 1.0
    for others in range(TRIES):
        look()
        outcome = play()
        share = look()
        if share <= STOLEN_SHARE or not outcome.seconds:
            return outcome, others
        if share <= least:
            chosen, least = outcome, share
    return chosen, TRIES - 1


def end_group(group: int) -> None:
    """End what is left of a round: roles that outlived it, or all of it."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


class Runner:
    """Plays scenarios on the brokers it was given.

    Attributes:
        results: What was measured so far.
        disturbed: Rounds that were played and do not count, because the host took CPU time.
    """

    def __init__(
        self, seats: Mapping[str, Seat], rounds: int, count: int, with_relay: bool, say: Callable[[str], None]
    ) -> None:
        """Prepare.

        Args:
            seats: The brokers, running.
            rounds: Rounds of each scenario on each broker.
            count: How much each round does, whatever the scenario says; 0 to let it say.
            with_relay: Measure the byte relay where a scenario has it.
            say: Takes a line of progress.
        """
        self.results: Results = {}
        self.disturbed = 0
        self._stolen = StolenTime()
        self._seats = seats
        self._rounds = rounds
        self._count = count
        self._with_relay = with_relay
        self._say = say

    def run(self, scenarios: Sequence[Scenario]) -> Results:
        """Play all scenarios; a failure is a result, not an exception."""
        for scenario in scenarios:
            self.run_one(scenario)
        return self.results

    def run_one(self, scenario: Scenario) -> None:
        """Play one scenario on every broker, round by round."""
        names = [*self._seats, *([RELAY] if scenario.relay_ports and self._with_relay else [])]
        cells = {name: Cell() for name in names}
        self.results[scenario.name] = cells
        counts = {name: self._find_count(scenario, name, cells[name]) for name in names}
        for _ in range(min(self._rounds, scenario.most_rounds or self._rounds)):
            for name, cell in cells.items():
                if not cell.failure:
                    play = partial(self._play, scenario, name, counts[name], cell)
                    outcome, others = least_disturbed(play, self._stolen.look)
                    self.disturbed += others
                    if not cell.failure:
                        cell.rounds.append(outcome)
        for name, cell in cells.items():
            last = cell.failure or ", ".join(f"{key} {value:,.1f}" for key, value in cell.rounds[-1].figures.items())
            self._say(f"{scenario.name:22} {name:12} {last}")

    def _find_count(self, scenario: Scenario, name: str, cell: Cell) -> int:
        """How much takes this broker about ROUND_SECONDS; pilots grow until one took long enough to tell."""
        if self._count or not scenario.pilot:
            return self._count or scenario.count
        count = scenario.pilot
        while True:
            seconds = self._play(scenario, name, count, cell).seconds
            if cell.failure or count >= scenario.count:
                return count
            if seconds >= TELLING_SECONDS:
                return min(max(int(count * ROUND_SECONDS / seconds), scenario.pilot), scenario.count)
            count = min(count * PILOT_GROWTH, scenario.count)

    def _play(self, scenario: Scenario, name: str, count: int, cell: Cell) -> Outcome:
        """Play one round; after a failure, which is noted in the cell, the broker is replaced."""
        try:
            if name == RELAY:
                return play_round(scenario, count, port=0, pid=0)
            seat = self._seats[name]
            if scenario.is_fresh:
                seat.renew()
            wait_until_quiet(seat.broker.pid)
            broker = seat.broker
            if scenario.is_tls:
                return play_round(scenario, count, broker.tls_port, broker.pid, authority=broker.certificates.authority)
            return play_round(scenario, count, broker.port, broker.pid)
        except (RoundFailedError, BrokerError) as error:
            cell.failure = str(error)
            if name != RELAY:
                self._seats[name].renew()
            return Outcome(0.0)
