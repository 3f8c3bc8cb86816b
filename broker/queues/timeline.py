"""Messages in order of time, however many: the near ones in memory, the far ones in the spool.

A stretch of time that lies ahead has one line in the spool, unsorted. The nearest stretch is opened when its time
comes: a short line is read into memory and sorted there, a long one is dealt out to stretches a 64th as wide, chunk by
chunk, down to a millisecond, whose messages are in order as they are. So memory does not grow with the number of
messages, nor when a million of them are due at the same moment.

Rejected: sorted runs that are merged (needs merging of merges, while messages are taken out of them), and an index in
memory (16 octets a message are too many for what may wait for weeks).
"""

import heapq
from bisect import bisect_right
from operator import attrgetter
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import PENDING, Enqueuer, Queued
from broker.queues.window import MESSAGE_OVERHEAD, TIGHT_CHUNK_BYTES, MemoryWindow
from broker.store.spool import Spool
from broker.store.spooled_line import SpooledLine

NEVER: Final[i64] = 1 << 62
# The widest stretch is 2^26 ms, about 19 hours: 64 of them are the longest delay.
WIDEST: Final = 26
# Each stretch is dealt out to so many: 2^6.
STEP: Final = 6
# A line of so many octets or fewer is read into memory when it is opened.
LOAD_BYTES: Final = 512 * 1024
# Chunks read in one turn, of 64 KiB at most each: a few milliseconds.
CHUNKS_PER_TURN: Final = 16
# Octets that may wait in the buffers of all lines before they are written, as many as are worth a write.
BUFFERED_BYTES: Final = 1024 * 1024
# A line is opened ahead of its time if it is long: so many octets are dealt out in a millisecond, or more.
DEALT_PER_MS: Final = 16 * 1024

_start = attrgetter("start")


@final
@mypyc_attr(native_class=True)
class Stretch:
    """The spooled messages of a stretch of time.

    Attributes:
        start: The time it begins, a multiple of its width.
        shift: It is 2^shift milliseconds wide.
        line: The messages, in the order in which they came.
        octets: About how many octets they are.
    """

    def __init__(self, start: i64, shift: i64, line: SpooledLine) -> None:
        self.start: Final[i64] = start
        self.shift: Final[i64] = shift
        self.line: Final = line
        self.octets: i64 = 0

    @property
    def end(self) -> i64:
        """The first millisecond after it."""
        return self.start + (1 << self.shift)

    def opens_ms(self, load_bytes: i64, dealt_per_ms: i64) -> i64:
        """When to begin to open it, so that its first message is at hand in time."""
        if self.shift == 0 or self.octets <= load_bytes:
            return self.start
        return self.start - self.octets // dealt_per_ms


@final
@mypyc_attr(native_class=True)
class Timeline:
    """Waiting messages of one owner. ``Queued.expires_ms`` is the time at which each one is due.

    What is due at the same millisecond keeps the order of positions.

    Attributes:
        count: Messages in it.
        chunks_left: Chunks that may still be read in this turn. Whoever begins a turn sets it.
    """

    def __init__(
        self,
        owner: Enqueuer,
        window: MemoryWindow | None = None,
        spool: Spool | None = None,
        load_bytes: i64 = LOAD_BYTES,
        dealt_per_ms: i64 = DEALT_PER_MS,
    ) -> None:
        """Without ``window`` and ``spool`` everything stays in memory. The two numbers are for tests to make small."""
        self._owner: Final = owner
        self._window: Final = window
        self._spool: Final = spool
        self._load_bytes: Final[i64] = load_bytes
        self._dealt_per_ms: Final[i64] = dealt_per_ms
        self.count: i64 = 0
        self.chunks_left: i64 = CHUNKS_PER_TURN
        self._near: list[tuple[int, int, Queued]] = []  # a heap: due, position
        self._memory: i64 = 0  # octets of the near ones, overhead included
        # From here on, a message goes to the spool; nothing before it is there.
        self._horizon: i64 = NEVER
        self._ahead: list[Stretch] = []  # by start; no two overlap
        self._dealt: list[Stretch] = []  # being dealt out, and no longer ahead; the earliest is the last
        self._buffered: i64 = 0

    def add(self, queued: Queued) -> None:
        """Put in a message, which has its place in the log or needs none."""
        self.count += 1
        if queued.expires_ms >= self._horizon and queued.log_segment != PENDING:
            self._put_ahead(queued)
        else:
            self._put_near(queued)

    def take(self, now_ms: i64) -> Queued | None:
        """Take out the message that is due first, if it is due by ``now_ms``.

        Returns:
            None as well if ``chunks_left`` is used up: ``next_ms`` tells the two apart.
        """
        while True:
            near = self._near
            first: i64 = near[0][0] if near else NEVER
            stretch = self._next_stretch()
            if first <= now_ms and (
                stretch is None or first < stretch.start or (first == stretch.start and stretch.shift == 0)
            ):
                queued = heapq.heappop(near)[2]
                self._account(queued, -1)
                self.count -= 1
                return queued
            if stretch is None or self.chunks_left <= 0:
                return None
            if self._opens_ms(stretch) > now_ms:
                if not self._dealt:
                    return None
                stretch = self._dealt[-1]  # what was begun ahead of its time goes on
            self.chunks_left -= 1
            self._open(stretch)

    def next_ms(self) -> i64:
        """When ``take`` is to be called next; NEVER if it is empty."""
        first: i64 = self._near[0][0] if self._near else NEVER
        stretch = self._next_stretch()
        if stretch is not None:
            first = min(first, self._opens_ms(stretch))
        if self._dealt:
            first = min(first, self._opens_ms(self._dealt[-1]))
        return first

    def make_room(self) -> None:
        """If more is in memory than the window allows, send the later half to the spool."""
        window = self._window
        if window is None or self._spool is None:
            return
        if self._memory > window.queue_bytes:
            self._send_ahead(window.queue_bytes // 2)
        if self._buffered > BUFFERED_BYTES or window.is_tight:
            self._buffered = 0
            for stretch in self._ahead:
                stretch.line.write(TIGHT_CHUNK_BYTES)

    def clear(self) -> None:
        """Forget everything; files become garbage."""
        self.count = 0
        self._near = []
        if self._window is not None:
            self._window.used -= self._memory
        self._memory = 0
        for stretch in self._dealt:
            stretch.line.clear()
        for stretch in self._ahead:
            stretch.line.clear()
        self._dealt = []
        self._ahead = []
        self._horizon = NEVER

    def _opens_ms(self, stretch: Stretch) -> i64:
        return stretch.opens_ms(self._load_bytes, self._dealt_per_ms)

    def _next_stretch(self) -> Stretch | None:
        """The one to be opened next: nothing behind its start may be taken before it is."""
        stretch = self._ahead[0] if self._ahead else None
        if self._dealt and (stretch is None or self._dealt[-1].start <= stretch.start):
            return self._dealt[-1]
        return stretch

    def _put_near(self, queued: Queued) -> None:
        heapq.heappush(self._near, (int(queued.expires_ms), int(queued.position), queued))
        self._account(queued, 1)

    def _account(self, queued: Queued, sign: i64) -> None:
        size: i64 = (len(queued.message.body) + MESSAGE_OVERHEAD) * sign
        self._memory += size
        if self._window is not None:
            self._window.used += size

    def _put_ahead(self, queued: Queued) -> None:
        stretch = self._stretch_at(queued.expires_ms)
        message = queued.message
        size: i64 = len(message.body) + len(message.header) + len(message.route)
        stretch.line.push(queued)
        stretch.octets += size
        self._buffered += size

    def _stretch_at(self, due_ms: i64) -> Stretch:
        """The stretch that a time belongs to; a new one is as wide as its neighbours leave room for."""
        ahead = self._ahead
        place: i64 = bisect_right(ahead, int(due_ms), key=_start)
        floor = self._horizon
        if place > 0:
            before = ahead[place - 1]
            if due_ms < before.end:
                return before
            floor = max(floor, before.end)
        ceiling: i64 = ahead[place].start if place < len(ahead) else NEVER
        shift: i64 = WIDEST
        start = (due_ms >> shift) << shift
        # Aligned stretches are nested or apart, so in the end there is room: for a millisecond at least.
        while start < floor or start + (1 << shift) > ceiling or self._is_around_dealt(start, shift):
            shift = narrower(shift)
            start = (due_ms >> shift) << shift
        spool = self._spool
        assert spool is not None
        made = Stretch(start, shift, SpooledLine(spool, self._owner))
        ahead.insert(place, made)
        return made

    def _is_around_dealt(self, start: i64, shift: i64) -> bool:
        """Would such a stretch be as wide as one that is being dealt out of it, or wider?"""
        end = start + (1 << shift)
        for dealt in self._dealt:
            if start <= dealt.start and dealt.end <= end:
                return True
        return False

    def _open(self, stretch: Stretch) -> None:
        """Read one chunk of the next stretch, or of one that is being dealt out."""
        is_dealt = bool(self._dealt) and stretch is self._dealt[-1]
        if not is_dealt and stretch.shift > 0 and stretch.octets > self._load_bytes:
            self._dealt.append(stretch)
            del self._ahead[0]
            is_dealt = True
        for queued in stretch.line.take():
            assert queued is not None
            if is_dealt:
                self._put_ahead(queued)
            else:
                self._put_near(queued)
        if stretch.line.count > 0:
            return
        if is_dealt:
            self._dealt.pop()
        else:
            del self._ahead[0]
            if stretch.end > self._horizon:
                self._horizon = stretch.end
        if not self._ahead and not self._dealt:
            self._horizon = NEVER

    def _send_ahead(self, kept_bytes: i64) -> None:
        """Keep the first messages in memory, up to about so many octets; what is due together goes together."""
        near = self._near
        near.sort()
        kept: i64 = 0
        at: i64 = 0
        while at < len(near) and kept < kept_bytes:
            kept += len(near[at][2].message.body) + MESSAGE_OVERHEAD
            at += 1
        if at >= len(near):
            return
        horizon: i64 = near[at][0]
        while at > 0 and i64(near[at - 1][0]) == horizon:
            at -= 1
        self._horizon = min(self._horizon, horizon)
        sent = near[at:]
        del near[at:]
        for due_ms, position, queued in sent:
            if queued.log_segment == PENDING:
                # The last write failed; the store still holds this very object.
                heapq.heappush(near, (due_ms, position, queued))
            else:
                self._account(queued, -1)
                self._put_ahead(queued)


def narrower(shift: i64) -> i64:
    """The next width below."""
    return shift - STEP if shift > STEP else 0
