"""Memory and free disk against their limits, with figures that a test chooses."""

import logging
from pathlib import Path

import pytest

from broker.metrics.machine import Machine
from broker.server.resources import (
    ALARMED_WAIT_S,
    LEAST_WAIT_S,
    MOST_WAIT_S,
    ROOM_SHARE,
    ResourceMonitor,
    default_free_bytes,
    memory_limit_bytes,
)
from broker.settings.limits import LimitSettings
from broker.vhost.alarms import Alarms

GIB = 1 << 30
MIB = 1 << 20
SEGMENT = 64 * MIB


class Told(Machine):
    """A machine that says what it is told to."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.memory_limit_bytes = 1000 * MIB
        self.resident = 100 * MIB
        self.free = 50 * GIB
        self.size = 100 * GIB
        self.released = 0
        self.unused = 0

    def release_memory(self) -> None:
        self.released += 1
        self.resident -= self.unused
        self.unused = 0

    def resident_bytes(self) -> int:
        return self.resident

    def disk(self) -> tuple[int, int]:
        return self.free, self.size


@pytest.fixture
def machine(tmp_path: Path) -> Told:
    return Told(tmp_path)


@pytest.fixture
def alarms() -> Alarms:
    return Alarms()


@pytest.fixture
def monitor(alarms: Alarms, machine: Told) -> ResourceMonitor:
    return ResourceMonitor(alarms, machine, LimitSettings(), SEGMENT)


def test_limits_are_told_with_the_first_look(alarms: Alarms, monitor: ResourceMonitor) -> None:
    monitor.look(0.0)
    assert (alarms.memory_limit_bytes, alarms.disk_free_limit_bytes) == (600 * MIB, 5 * GIB)
    assert not alarms.is_on


def test_memory_alarm_clears_a_little_below_its_limit_and_both_edges_are_logged(
    alarms: Alarms, machine: Told, monitor: ResourceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "broker.server")
    heard = []
    for second, mebibytes in enumerate((600, 601, 700, 580, 570, 569, 600)):
        machine.resident = mebibytes * MIB
        monitor.look(float(second))
        heard.append(alarms.memory)
    assert heard == [False, True, True, True, False, False, False]
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "memory alarm: publishers are refused until there is less in use"),
        ("INFO", "memory alarm cleared"),
    ]
    assert alarms.since_s == 1.0


def test_memory_that_is_only_held_is_given_back_before_it_counts(
    alarms: Alarms, machine: Told, monitor: ResourceMonitor
) -> None:
    monitor.look(0.0)
    assert machine.released == 0
    machine.resident, machine.unused = 700 * MIB, 200 * MIB
    monitor.look(1.0)
    assert (machine.released, machine.resident, alarms.memory) == (1, 500 * MIB, False)


def test_disk_alarm_clears_a_little_above_its_limit(
    alarms: Alarms, machine: Told, monitor: ResourceMonitor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "broker.server")
    heard = []
    for second, mebibytes in enumerate((5120, 5119, 100, 5121, 5376, 5120)):
        machine.free = mebibytes * MIB
        monitor.look(float(second))
        heard.append(alarms.is_disk_low)
    assert heard == [False, True, True, True, False, False]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_disk_that_cannot_be_asked_raises_no_alarm(alarms: Alarms, machine: Told, monitor: ResourceMonitor) -> None:
    machine.free = machine.size = -1
    monitor.look(0.0)
    assert (alarms.is_on, alarms.disk_free_limit_bytes) == (False, 0)


def test_looks_the_sooner_the_nearer_a_limit_is(machine: Told, monitor: ResourceMonitor) -> None:
    waits = []
    for mebibytes in (100, 500, 590, 599, 601):
        machine.resident = mebibytes * MIB
        waits.append(round(monitor.look(0.0).wait_s, 1))
    assert waits == [MOST_WAIT_S, 0.4, LEAST_WAIT_S, LEAST_WAIT_S, ALARMED_WAIT_S]
    machine.resident = 100 * MIB
    assert monitor.look(0.0) == (MOST_WAIT_S, 500 * MIB // ROOM_SHARE)
    machine.free = 5 * GIB + 50 * MIB
    look = monitor.look(0.0)
    assert (round(look.wait_s, 1), look.received_bytes) == (0.2, 50 * MIB // ROOM_SHARE)


def test_memory_is_given_back_only_now_and_then(machine: Told, monitor: ResourceMonitor) -> None:
    machine.resident = 599 * MIB
    for tenth in range(20):
        monitor.look(tenth / 10)
    assert machine.released == 4


def test_a_configured_free_disk_is_taken_as_it_is(alarms: Alarms, machine: Told) -> None:
    ResourceMonitor(alarms, machine, LimitSettings(disk_free_limit_bytes=60 * GIB), SEGMENT).look(0.0)
    assert alarms.disk
    assert alarms.disk_free_limit_bytes == 60 * GIB


@pytest.mark.parametrize(("watermark", "expected"), [(0.6, 600), (1.0, 1000), (0.0, 0), (2.0, 2), (5e8, 500_000_000)])
def test_watermark_is_a_share_up_to_1_and_octets_above(watermark: float, expected: int) -> None:
    assert memory_limit_bytes(watermark, 1000) == expected


@pytest.mark.parametrize(
    ("disk", "segment", "expected"),
    [
        (1000 * GIB, SEGMENT, 50 * GIB),  # a twentieth
        (15 * GIB, SEGMENT, GIB),
        (50 * GIB, GIB, 3 * GIB),  # three segments
        (64 * MIB, SEGMENT, 64 * MIB // 10),  # never more than a tenth
    ],
)
def test_default_free_disk_fits_the_disk(disk: int, segment: int, expected: int) -> None:
    assert default_free_bytes(disk, segment) == expected


def test_the_real_machine_can_be_asked(tmp_path: Path) -> None:
    machine = Machine(str(tmp_path))
    free, size = machine.disk()
    assert 0 < free <= size
    assert machine.resident_bytes() > 1_000_000
    assert Machine("/nonexistent/by/design").disk() == (-1, -1)
