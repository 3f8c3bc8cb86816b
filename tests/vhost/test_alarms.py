"""What is short, in words and in time."""

import pytest

from broker.vhost.alarms import Alarms


def test_reasons_are_rabbitmqs() -> None:
    alarms = Alarms()
    assert (alarms.is_on, alarms.reason()) == (False, b"")
    alarms.set_memory(True, 1.0)
    assert alarms.reason() == b"low on memory"
    alarms.set_disk_low(True, 2.0)
    assert alarms.reason() == b"low on memory & low on disk"
    alarms.set_memory(False, 3.0)
    assert alarms.reason() == b"low on disk"


def test_a_disk_is_short_until_it_is_neither_full_nor_low() -> None:
    alarms = Alarms()
    alarms.set_disk_full(True, 1.0)
    alarms.set_disk_low(True, 1.0)
    alarms.set_disk_full(False, 2.0)
    assert (alarms.disk, alarms.is_on) == (True, True)
    alarms.set_disk_low(False, 3.0)
    assert (alarms.disk, alarms.is_on) == (False, False)


@pytest.mark.parametrize("first", ["set_memory", "set_disk_low", "set_disk_full"])
def test_the_time_counts_from_the_first_alarm_and_anew_after_the_last(first: str) -> None:
    alarms = Alarms()
    getattr(alarms, first)(True, 5.0)
    alarms.set_memory(True, 6.0)
    assert alarms.since_s == 5.0
    getattr(alarms, first)(False, 7.0)
    alarms.set_memory(False, 7.0)
    assert not alarms.is_on
    alarms.set_memory(True, 8.0)
    assert alarms.since_s == 8.0
