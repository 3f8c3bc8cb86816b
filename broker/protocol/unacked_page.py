"""A page of deliveries that are out on one channel: in memory, or in the spool.

A consumer of messages that nobody stores mostly gets one like the other, and acks them in order. Those are a *run* in
their page: a list of bodies, and once what they have in common. Whoever wants one of them for itself unfolds the run.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Message, Queued
from broker.protocol.consumer import ChannelConsumer
from broker.queues.window import MESSAGE_OVERHEAD
from broker.store.spool_chunk import Chunk

# A delivery that nobody acks pins its page and nothing else, so the memory of a channel with one stuck task does not
# grow with every delivery after it.
PAGE_BITS: Final = 8
PAGE_SIZE: Final = 1 << PAGE_BITS


@final
@mypyc_attr(native_class=True)
class Page:
    """The deliveries of 256 consecutive tags, in memory.

    Attributes:
        number: Their tags, without the last eight bits.
        queued: By the last eight bits; None also for those in the run.
        holders: The consumers of those in ``queued``; None for ``basic.get``.
        live: Deliveries in it.
        kept: Those among them that are in ``queued``.
        run_holder: The consumer of those in the run.
        run_body: Octets of each body in the run.
        memory: Octets that the window was charged for it; 0 before it was full.
    """

    def __init__(self, number: i64) -> None:
        self.number: Final[i64] = number
        self.queued: Final[list[Queued | None]] = [None] * PAGE_SIZE
        self.holders: Final[list[ChannelConsumer | None]] = [None] * PAGE_SIZE
        self.live: i64 = 0
        self.kept: i64 = 0
        self.memory: i64 = 0
        # The run: slots up to before _run_end, as many as there are bodies; None for one that was settled by itself.
        self.run_holder: ChannelConsumer | None = None
        self.run_body: i64 = 0
        self._like: Message | None = None
        self._bodies: Final[list[bytes | None]] = []
        self._run_end: i64 = 0
        self._shift: i64 = 0  # from slots to positions in the queue

    def extend_run(
        self,
        slot: i64,
        like: Message,
        bodies: list[bytes],
        first: i64,
        end: i64,
        holder: ChannelConsumer,
        position: i64,
    ) -> bool:
        """Add deliveries to the run, or begin a run with them; false if they do not go with the run that is there.

        Args:
            slot: Of the first one.
            like: Has the same route, header and properties.
            bodies: Their bodies, from ``first`` to before ``end``, all of one size.
            first: The first of them.
            end: Behind the last one, for which there must be a slot.
            holder: Who got them.
            position: Place of the first one in the queue.
        """
        known = self._like
        if known is None or not self._bodies:
            self.run_holder = holder
            self.run_body = len(bodies[first])
            self._shift = position - slot
        elif (
            holder is not self.run_holder
            or slot != self._run_end
            or position - slot != self._shift
            or not like.is_like(known)
        ):
            return False
        self._like = like  # most likely the same object as with the next one
        count = end - first
        self._bodies.extend(bodies if count == len(bodies) else bodies[first:end])
        self._run_end = slot + count
        self.live += count
        return True

    def _index(self, slot: i64) -> i64:
        """Where in the run this slot's body is; -1 if it is not there."""
        if slot >= self._run_end:
            return -1
        at = slot - self._run_end + len(self._bodies)
        if at < 0 or self._bodies[at] is None:
            return -1
        return at

    def has(self, slot: i64) -> bool:
        """Is the delivery in this slot out?"""
        return self.queued[slot] is not None or self._index(slot) >= 0

    def settle_in_run(self, slot: i64) -> bool:
        """Settle one delivery; false if it is not in the run."""
        at = self._index(slot)
        if at < 0:
            return False
        self._bodies[at] = None
        self.live -= 1
        if self.live == self.kept:
            self._bodies.clear()
        return True

    def settle_run(self, end: i64) -> i64:
        """Settle what the run has before the slot ``end``. Returns how many that is."""
        bodies = self._bodies
        size: i64 = len(bodies)
        over = self._run_end - end
        count = size - over if over > 0 else size
        if count <= 0:
            return 0
        settled = count
        if self.live - self.kept < size:
            settled = 0
            for i in range(count):
                if bodies[i] is not None:
                    settled += 1
        del bodies[:count]
        self.live -= settled
        return settled

    def has_run_before(self, end: i64) -> bool:
        """Does the run begin before this slot?"""
        return len(self._bodies) > 0 and self._run_end - len(self._bodies) < end

    def unfold(self) -> None:
        """Make the run deliveries like others."""
        like = self._like
        holder = self.run_holder
        slot = self._run_end - len(self._bodies)
        for body in self._bodies:
            if body is not None:
                assert like is not None
                assert holder is not None
                self.queued[slot] = Queued(like.with_body(body, like.timestamp_ms), holder.queue, slot + self._shift)
                self.holders[slot] = holder
            slot += 1
        self._bodies.clear()
        self.kept = self.live

    def measure(self) -> None:
        """Count the octets of its messages, overhead included."""
        octets = (self.live - self.kept) * (self.run_body + MESSAGE_OVERHEAD)
        if self.kept > 0:
            for queued in self.queued:
                if queued is not None:
                    octets += len(queued.message.body) + MESSAGE_OVERHEAD
        self.memory = octets


@final
@mypyc_attr(native_class=True)
class Part:
    """The deliveries of a spooled page that came from one queue and went to one consumer."""

    def __init__(self, chunk: Chunk, holder: ChannelConsumer | None) -> None:
        self.chunk: Final = chunk
        self.holder: Final = holder


@final
@mypyc_attr(native_class=True)
class SpooledPage:
    """The same on disk.

    Attributes:
        number: As ``Page``.
        parts: What it consists of; usually one.
        owners: For each slot which part has it, counted from 1; 0 for none.
        live: Deliveries in it that are not settled.
    """

    def __init__(self, number: i64, parts: list[Part], owners: bytes, live: i64) -> None:
        self.number: Final[i64] = number
        self.parts: Final = parts
        self.owners: Final = owners
        self.live: i64 = live

    def settle(self, slot: i64, queued: Queued) -> None:
        """The delivery in this slot, read back before, has been taken."""
        self.parts[self.owners[slot] - 1].chunk.settle(slot, queued)
        self.live -= 1

    def has(self, slot: i64) -> bool:
        """Is the delivery in this slot out?"""
        owner = self.owners[slot]
        return owner > 0 and (self.parts[owner - 1].chunk.settled >> int(slot)) & 1 == 0
