"""Resource alarms: memory or disk is short, so publishers are refused until it is not. RabbitMQ's resource alarms."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

LOW_ON_MEMORY: Final = b"low on memory"
LOW_ON_DISK: Final = b"low on disk"


@final
@mypyc_attr(native_class=True)
class Alarms:
    """What is short at the moment. Per publish, only ``is_on`` is looked at.

    The server measures and sets memory and free disk; the turn sets and clears ``is_disk_full``, because only a write
    knows (a quota leaves the file system free and fails all the same).

    Attributes:
        is_on: At least one alarm is on.
        since_s: Monotonic time at which ``is_on`` last became true: publishers' time of grace counts from here.
        memory: The process has more memory than it should.
        is_disk_low: Less of the disk is free than should be.
        is_disk_full: A write found no room, and none has been found since.
        memory_limit_bytes: Above this, memory is short; 0 while nobody measures.
        disk_free_limit_bytes: Below this, disk is short; 0 while nobody measures.
    """

    def __init__(self) -> None:
        self.is_on: bool = False
        self.since_s: float = 0.0
        self.memory: bool = False
        self.is_disk_low: bool = False
        self.is_disk_full: bool = False
        self.memory_limit_bytes: i64 = 0
        self.disk_free_limit_bytes: i64 = 0

    @property
    def disk(self) -> bool:
        """Disk is short: too little is free, or none."""
        return self.is_disk_low or self.is_disk_full

    def reason(self) -> bytes:
        """RabbitMQ's words for ``connection.blocked``; empty when nothing is short."""
        if not self.disk:
            return LOW_ON_MEMORY if self.memory else b""
        return LOW_ON_MEMORY + b" & " + LOW_ON_DISK if self.memory else LOW_ON_DISK

    def set_memory(self, is_short: bool, now_s: float) -> None:
        """Memory has been measured."""
        self.memory = is_short
        self._changed(now_s)

    def set_disk_low(self, is_short: bool, now_s: float) -> None:
        """Free disk has been measured."""
        self.is_disk_low = is_short
        self._changed(now_s)

    def set_disk_full(self, is_full: bool, now_s: float) -> None:
        """A write found no room, or found it again."""
        self.is_disk_full = is_full
        self._changed(now_s)

    def _changed(self, now_s: float) -> None:
        was_on = self.is_on
        self.is_on = self.memory or self.disk
        if self.is_on and not was_on:
            self.since_s = now_s
