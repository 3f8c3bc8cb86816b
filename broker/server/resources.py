"""Memory and free disk against their limits: raises and clears the alarms. RabbitMQ's memory and disk monitors."""

import logging
import sys
from typing import NamedTuple

from broker.metrics.machine import Machine
from broker.settings.limits import LimitSettings
from broker.vhost.alarms import Alarms

LOG = logging.getLogger("broker.server")

# Seconds between two looks. How soon a limit can be reached decides: a publisher on the same machine fills memory or
# disk by some hundred megabytes a second (RabbitMQ reckons with 250 MB).
LEAST_WAIT_S = 0.1
MOST_WAIT_S = 1.0
ALARMED_WAIT_S = 0.5
FILL_BYTES_PER_S = 250_000_000
# Within this share of the limit, memory that is free but held is given back, and not more often than this.
NEAR = 0.1
RELEASE_S = 0.5
# A small message takes several times the octets that it came in, so a limit may be reached when a part of the room has
# been received; below this it is not worth a look.
ROOM_SHARE = 8
LEAST_RECEIVED_BYTES = 1_048_576
# An alarm clears this far on the good side of its limit, so that it does not go on and off at it.
SLACK = 0.05

# The default of the free disk: what it takes to work on (three segments), to write logs and to act in time; large disks
# fill faster. But no more than a tenth of a small one, or a broker on it would never take a message.
FREE_BYTES = 1_073_741_824
FREE_SHARE = 0.05
FREE_SEGMENTS = 3
MOST_FREE_SHARE = 0.1


class Look(NamedTuple):
    """When to look again.

    Attributes:
        wait_s: After so many seconds.
        received_bytes: Or as soon as clients have sent so much, whichever is first.
    """

    wait_s: float
    received_bytes: int


class ResourceMonitor:
    """Looks at the process and its disk: a few system calls, and nothing that waits."""

    def __init__(self, alarms: Alarms, machine: Machine, limits: LimitSettings, segment_bytes: int) -> None:
        """Watch over ``machine``.

        Args:
            alarms: To be raised and cleared; gets the limits, too.
            machine: What it runs on.
            limits: As the operator set them.
            segment_bytes: Size of a segment of the commit log.
        """
        self._alarms = alarms
        self._machine = machine
        self._configured_free_bytes = limits.disk_free_limit_bytes
        self._segment_bytes = segment_bytes
        self._release_s = 0.0
        alarms.memory_limit_bytes = memory_limit_bytes(limits.memory_high_watermark, machine.memory_limit_bytes)

    def look(self, now_s: float) -> Look:
        """Measure, and raise or clear the alarms. Returns when to look again."""
        room = min(self._look_at_memory(now_s), self._look_at_disk(now_s))
        if self._alarms.is_on:
            return Look(ALARMED_WAIT_S, sys.maxsize)
        wait_s = min(max(room / FILL_BYTES_PER_S, LEAST_WAIT_S), MOST_WAIT_S)
        return Look(wait_s, max(int(room) // ROOM_SHARE, LEAST_RECEIVED_BYTES))

    def _look_at_memory(self, now_s: float) -> int:
        """Returns how many octets there are to the limit."""
        alarms = self._alarms
        used, limit = self._machine.resident_bytes(), int(alarms.memory_limit_bytes)
        if used > limit * (1 - NEAR) and now_s >= self._release_s:
            # What counts is what we need, not what the C library has not given back yet; else no alarm would ever end.
            self._release_s = now_s + RELEASE_S
            self._machine.release_memory()
            used = self._machine.resident_bytes()
        is_short = used > limit * (1 - SLACK) if alarms.memory else used > limit
        if is_short != alarms.memory:
            alarms.set_memory(is_short, now_s)
            figures = {"used_bytes": used, "limit_bytes": limit}
            if is_short:
                LOG.warning("memory alarm: publishers are refused until there is less in use", extra=figures)
            else:
                LOG.info("memory alarm cleared", extra=figures)
        return limit - used

    def _look_at_disk(self, now_s: float) -> int:
        """Returns how many octets there are to the limit. A disk that cannot be asked raises no alarm."""
        alarms = self._alarms
        free, size = self._machine.disk()
        if size < 0:
            return sys.maxsize
        limit = self._configured_free_bytes or default_free_bytes(size, self._segment_bytes)  # disks may be resized
        alarms.disk_free_limit_bytes = limit
        is_short = free < limit * (1 + SLACK) if alarms.is_disk_low else free < limit
        if is_short != alarms.is_disk_low:
            alarms.set_disk_low(is_short, now_s)
            figures = {"free_bytes": free, "limit_bytes": limit}
            if is_short:
                LOG.warning("disk alarm: publishers are refused until there is more room", extra=figures)
            else:
                LOG.info("disk alarm cleared", extra=figures)
        return free - limit


def memory_limit_bytes(watermark: float, memory_bytes: int) -> int:
    """The limit in octets: a watermark up to 1 is a share of ``memory_bytes``, a larger one is octets already."""
    return int(watermark * memory_bytes) if watermark <= 1 else int(watermark)


def default_free_bytes(disk_bytes: int, segment_bytes: int) -> int:
    """What should be free of a disk of this size when the operator does not say."""
    wanted = max(FREE_BYTES, int(disk_bytes * FREE_SHARE), FREE_SEGMENTS * segment_bytes)
    return min(wanted, int(disk_bytes * MOST_FREE_SHARE))
