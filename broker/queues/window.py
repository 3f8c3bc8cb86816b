"""How much of its messages a queue keeps in memory."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

# What a message costs beside its body: two objects, the octets of route and header, a place in a list. Measured as
# resident memory of a backlog of 100-octet messages.
MESSAGE_OVERHEAD: Final = 450

# The same for one in a run: the object of its body, a place in a list.
RUN_OVERHEAD: Final = 64

QUEUE_BYTES: Final = 8 * 1024 * 1024
TOTAL_BYTES: Final = 96 * 1024 * 1024
# The window of each queue while all together are over the total: enough for consumers not to wait for the disk.
TIGHT_BYTES: Final = 65_536
# What waits in memory to be written to the spool counts as well when there are thousands of queues.
TIGHT_CHUNK_BYTES: Final = 8192


@final
@mypyc_attr(native_class=True)
class MemoryWindow:
    """The budget of all queues.

    Attributes:
        used: Octets of ready messages in memory, overhead included, in queues that can spool.
    """

    def __init__(self, queue_bytes: i64 = QUEUE_BYTES, total_bytes: i64 = TOTAL_BYTES) -> None:
        self._queue_bytes: Final[i64] = queue_bytes
        self._tight_bytes: Final[i64] = min(queue_bytes, TIGHT_BYTES)
        self._total_bytes: Final[i64] = total_bytes
        self.used: i64 = 0

    @property
    def is_tight(self) -> bool:
        """Are all queues together over their budget?"""
        return self.used > self._total_bytes

    @property
    def queue_bytes(self) -> i64:
        """What one queue may keep in memory at the moment."""
        return self._tight_bytes if self.is_tight else self._queue_bytes
