"""Connections: what they weigh, how fast they come and go, and what thousands of idle ones cost."""

import resource
import selectors
import time
from typing import Final

from benchmarks.client import BenchmarkError, Client
from benchmarks.scenario import Outcome, Scenario, Stage
from benchmarks.usage import wait_until_quiet
from benchmarks.wire import HEARTBEAT_FRAME

HEARTBEAT_S: Final = 4
BEAT_EVERY_SECONDS: Final = HEARTBEAT_S / 2
HOLD_SECONDS: Final = 10.0  # more than two heartbeats: who is not heard by then is cut off
SPARE_FILES: Final = 200
SMALL_READ: Final = 4096


def allow_files(count: int) -> None:
    """Raise this process's limit of open files, which the processes it starts inherit.

    Raises:
        BenchmarkError: The machine's hard limit is lower.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise BenchmarkError(f"{wanted} open files are needed, the hard limit is {hard}")
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def play_idle(stage: Stage) -> Outcome:
    """Weigh a broker that nobody uses."""
    began = time.monotonic()
    wait_until_quiet(stage.pid)
    return Outcome(time.monotonic() - began, {"resident_mb": stage.usage().resident_octets / 1e6})


def play_connections(stage: Stage) -> Outcome:
    """Open connections with a channel each, one after the other, and weigh them."""
    allow_files(stage.count)
    wait_until_quiet(stage.pid)
    before = stage.usage()
    began = time.monotonic()
    clients = [stage.connect() for _ in range(stage.count)]
    seconds = time.monotonic() - began
    wait_until_quiet(stage.pid)
    weight = (stage.usage().resident_octets - before.resident_octets) / stage.count
    for client in clients:
        client.close()
    return Outcome(seconds, {"connects_s": stage.count / seconds, "connection_kb": weight / 1e3})


def play_churn(stage: Stage) -> Outcome:
    """Connect, open a channel and close in good order, again and again."""
    before = stage.usage()
    began = time.monotonic()
    for _ in range(stage.count):
        stage.connect().close_in_good_order()
    seconds = time.monotonic() - began
    return Outcome(seconds, {"connects_s": stage.count / seconds, "cpu_us": stage.cpu_us_since(before, stage.count)})


class Crowd:
    """Idle connections that keep the heartbeat promise on their side and notice a broken one.

    Attributes:
        lost: Connections that the broker closed.
        heard: Octets that the broker sent to them.
    """

    def __init__(self) -> None:
        self.lost = 0
        self.heard = 0
        self._clients: list[Client] = []
        self._selector = selectors.DefaultSelector()
        self._next_beat = time.monotonic() + BEAT_EVERY_SECONDS

    def join(self, client: Client) -> None:
        """Add a connection, which becomes non-blocking."""
        client.socket.setblocking(False)
        self._clients.append(client)
        self._selector.register(client.socket, selectors.EVENT_READ, client)

    def live(self, patience_s: float) -> None:
        """Read what has arrived, waiting so long for the first, and send heartbeats when they are due."""
        for key, _ in self._selector.select(patience_s):
            try:
                octets = key.data.socket.recv(SMALL_READ)
            except OSError:
                octets = b""
            self.heard += len(octets)
            if not octets:
                self.lost += 1
                self._selector.unregister(key.data.socket)
        if time.monotonic() >= self._next_beat:
            self._next_beat = time.monotonic() + BEAT_EVERY_SECONDS
            for client in self._clients:
                try:
                    client.socket.send(HEARTBEAT_FRAME)
                except OSError:
                    continue  # reading it finds out, and counts it once

    def close(self) -> None:
        """Hang up everywhere."""
        self._selector.close()
        for client in self._clients:
            client.close()


def play_crowd(stage: Stage) -> Outcome:
    """Hold idle connections with a heartbeat of four seconds for ten."""
    allow_files(stage.count)
    wait_until_quiet(stage.pid)
    empty = stage.usage()
    crowd = Crowd()
    for _ in range(stage.count):
        crowd.join(stage.connect(HEARTBEAT_S))
        crowd.live(0)
    before = stage.usage()
    began = time.monotonic()
    heard = crowd.heard
    while time.monotonic() < began + HOLD_SECONDS:
        crowd.live(0.05)
    seconds = time.monotonic() - began
    after = stage.usage()
    crowd.close()
    if crowd.heard == heard:
        raise BenchmarkError("the broker sent no heartbeat")
    return Outcome(
        seconds,
        {
            "cpu_percent": (after.cpu_s - before.cpu_s) / seconds * 100,
            "connection_kb": (after.resident_octets - empty.resident_octets) / stage.count / 1e3,
            "lost": crowd.lost,
        },
    )


SCENARIOS: Final = [
    Scenario("idle", "memory of an unused broker", play_idle, 1, is_fresh=True),
    Scenario("connections", "2,000 connections with a channel, no heartbeat", play_connections, 2_000, is_fresh=True),
    Scenario("churn", "connect, open a channel, close", play_churn, 5_000, 50),
    Scenario("crowd", "5,000 idle connections, heartbeat of 4 s", play_crowd, 5_000, most_rounds=1, is_fresh=True),
]
