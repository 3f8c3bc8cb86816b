"""Deliveries that are out on one channel and not settled, by delivery tag.

They are kept in pages of 256 consecutive tags. A channel that has more out than its window allows (a consumer without
prefetch that never acks) moves its newest full pages to the spool; what is left of such a page is where its messages
are and who has them. A page that is asked for again is read back, and stays on disk as well: only what has been settled
since is remembered.
"""

from typing import Final, cast, final

from librt.strings import BytesWriter
from mypy_extensions import i64, mypyc_attr

from broker.core.message import PENDING, Enqueuer, Message, Queued
from broker.protocol.consumer import ChannelConsumer
from broker.protocol.unacked_page import PAGE_BITS, PAGE_SIZE, Page, Part, SpooledPage
from broker.queues.agenda import Agenda
from broker.queues.queue import Queue
from broker.store.spool import Overflowing, SpoolWriter
from broker.store.spool_chunk import Chunk, Tally, put_record
from broker.store.survivors import Survivors

# A spool file goes with its last page, so this is what one stuck delivery costs on disk.
FILE_BYTES: Final = 1024 * 1024
# Pages read back that stay in memory: acks come more or less in order.
READ_PAGES: Final = 8
ONE_OWNER: Final = b"\x01" * PAGE_SIZE


@final
@mypyc_attr(native_class=True)
class Unacked(Overflowing):
    """What one channel owes an answer for.

    Attributes:
        count: Deliveries out.
        holder: Consumer of the delivery that was taken last; None for ``basic.get``.
        size: Octets of each body that ``settle_run`` removed last.
    """

    def __init__(self, agenda: Agenda) -> None:
        self.count: i64 = 0
        self.holder: ChannelConsumer | None = None
        self.size: i64 = 0
        self._agenda: Final = agenda
        self._pages: Final[dict[int, Page]] = {}
        self._recent: Page | None = None
        self._taken: Page | None = None  # page of the last ack, if it is still in ``_pages``: the next ack is there too
        self._spooled: Final[dict[int, SpooledPage]] = {}
        self._read: Final[list[int]] = []  # numbers of spooled pages that are in memory as well, longest there first
        self._memory: i64 = 0  # octets of full pages that are in memory alone
        self._writer: SpoolWriter | None = None

    def add(self, tag: i64, queued: Queued, holder: ChannelConsumer | None) -> None:
        """Remember a delivery. Tags are added once each, nearly always in ascending order."""
        number = tag >> PAGE_BITS
        page = self._recent
        if page is None or page.number != number:
            page = self._open(number)
        slot = tag & (PAGE_SIZE - 1)
        page.queued[slot] = queued
        page.holders[slot] = holder
        page.live += 1
        page.kept += 1
        self.count += 1

    def add_run(
        self,
        tag: i64,
        like: Message,
        bodies: list[bytes],
        first: i64,
        count: i64,
        holder: ChannelConsumer,
        position: i64,
    ) -> None:
        """The same for messages of which only the bodies are there: ``like`` has all else. They are not stored.

        Args:
            tag: Of the first one; the others count on.
            like: Has the same route, header and properties.
            bodies: Their bodies, from ``first`` on.
            first: The first that is meant.
            count: How many are meant.
            holder: Who got them.
            position: Place of the first one in the queue; the others follow.
        """
        end = first + count
        while first < end:
            number = tag >> PAGE_BITS
            page = self._recent
            if page is None or page.number != number:
                page = self._open(number)
            slot = tag & (PAGE_SIZE - 1)
            stop = first + PAGE_SIZE - slot
            if stop > end:
                stop = end
            if page.extend_run(slot, like, bodies, first, stop, holder, position):
                self.count += stop - first
            else:
                for i in range(first, stop):
                    ahead = i - first
                    queued = Queued(like.with_body(bodies[i], like.timestamp_ms), holder.queue, position + ahead)
                    self.add(tag + ahead, queued, holder)
            tag += stop - first
            position += stop - first
            first = stop

    def _open(self, number: i64) -> Page:
        left = self._recent
        if left is not None:
            if left.live == 0:
                self._close(left)
            elif left.memory == 0 and self._agenda.window is not None:
                self._charge(left)
        page = self._resident(number)
        if page is None:
            page = Page(number)
            self._pages[number] = page
        elif self._spooled:
            self._unspool(page)  # a rollback puts a delivery back: what is on disk is not the whole page any more
        self._recent = page
        return page

    def _charge(self, page: Page) -> None:
        """A page is full: what it holds counts against the window."""
        window = self._agenda.window
        assert window is not None
        page.measure()
        self._memory += page.memory
        window.used += page.memory
        if self._memory > window.queue_bytes:
            self._agenda.long.append(self)

    def _discharge(self, page: Page) -> None:
        window = self._agenda.window
        if window is not None and page.memory > 0:
            self._memory -= page.memory
            window.used -= page.memory
            page.memory = 0

    def _in_memory(self, number: i64) -> Page | None:
        """The page with this number, if it is in memory; the last one asked for is at hand."""
        page = self._recent
        if page is None or page.number != number:
            page = self._taken
        if page is None or page.number != number:
            page = self._pages.get(number)
            self._taken = page
        return page

    def _resident(self, number: i64) -> Page | None:
        """The page with this number, read back if need be; None if there is none."""
        page = self._in_memory(number)
        if page is None and self._spooled:
            spooled = self._spooled.get(number)
            if spooled is not None:
                page = self._read_back(spooled)
        return page

    def take(self, tag: i64) -> Queued | None:
        """Remove and return the delivery of that tag, and leave its consumer in ``holder``; None if it is not out."""
        page = self._resident(tag >> PAGE_BITS)
        if page is None:
            return None
        slot = tag & (PAGE_SIZE - 1)
        queued = page.queued[slot]
        if queued is None:
            if not page.has(slot):
                return None
            page.unfold()
            queued = page.queued[slot]
            assert queued is not None
        self.holder = page.holders[slot]
        self._empty(page, slot, queued)
        if page.live == 0 and page is not self._recent:  # the page in use stays: the next tags belong to it
            self._close(page)
        return queued

    def settle_alike(self, tag: i64) -> i64:
        """Remove a delivery that was added by ``add_run``, and leave its consumer in ``holder``.

        Returns:
            Octets of its body; -1 if there is none of this tag, and it may be for ``take``.
        """
        page = self._in_memory(tag >> PAGE_BITS)
        if page is None or not page.settle_in_run(tag & (PAGE_SIZE - 1)):
            return -1
        self.holder = page.run_holder
        self._left(page, 1)
        return page.run_body

    def settle_run(self, number: i64, up_to: i64) -> i64:
        """Remove the deliveries of one page, added by ``add_run``, with tags up to and including ``up_to``.

        Args:
            number: The page, from ``numbers``.
            up_to: The highest tag to take, or -1 for all.

        Returns:
            How many there were. They had the same consumer, which is left in ``holder``, and bodies of the same size,
            which is left in ``size``.
        """
        page = self._in_memory(number)
        if page is None or page.live == page.kept:
            return 0
        end: i64 = PAGE_SIZE
        if up_to >= 0 and up_to - (number << PAGE_BITS) + 1 < end:
            end = up_to - (number << PAGE_BITS) + 1
        count = page.settle_run(end)
        self.holder = page.run_holder
        self.size = page.run_body
        self._left(page, count)
        return count

    def _left(self, page: Page, count: i64) -> None:
        """So many deliveries of a page's run are out no more."""
        self.count -= count
        if page.live == 0 and page is not self._recent:  # the page in use stays: the next tags belong to it
            self._close(page)

    def _empty(self, page: Page, slot: i64, queued: Queued) -> None:
        page.queued[slot] = None
        page.holders[slot] = None
        page.live -= 1
        page.kept -= 1
        self.count -= 1
        if self._spooled:
            spooled = self._spooled.get(page.number)
            if spooled is not None:
                spooled.settle(slot, queued)

    def _close(self, page: Page) -> None:
        """Nothing of a page is out any more."""
        self._discharge(page)
        del self._pages[page.number]
        self._taken = None
        if self._spooled:
            self._unspool(page)

    def has(self, tag: i64) -> bool:
        """Is the delivery of that tag out?"""
        number = tag >> PAGE_BITS
        slot = tag & (PAGE_SIZE - 1)
        page = self._pages.get(number)
        if page is not None:
            return page.has(slot)
        spooled = self._spooled.get(number)
        return spooled is not None and spooled.has(slot)

    def holder_of(self, tag: i64) -> ChannelConsumer | None:
        """The consumer of a delivery that is out; None for ``basic.get``."""
        page = self._pages.get(tag >> PAGE_BITS)
        if page is not None:
            page.unfold()
            return page.holders[tag & (PAGE_SIZE - 1)]
        return self._part_of(tag).holder

    def queue_of(self, tag: i64) -> Queue:
        """The queue of a delivery that is out."""
        page = self._pages.get(tag >> PAGE_BITS)
        if page is None:
            return cast("Queue", self._part_of(tag).chunk.queue)
        page.unfold()
        queued = page.queued[tag & (PAGE_SIZE - 1)]
        assert queued is not None
        return cast("Queue", queued.queue)

    def _part_of(self, tag: i64) -> Part:
        spooled = self._spooled[tag >> PAGE_BITS]
        return spooled.parts[spooled.owners[tag & (PAGE_SIZE - 1)] - 1]

    def give_to(self, holder: ChannelConsumer) -> i64:
        """Put every delivery of ``basic.get`` that is out to a consumer's account. Returns how many there are."""
        count: i64 = 0
        for page in self._pages.values():
            for slot in range(PAGE_SIZE):
                if page.queued[slot] is not None and page.holders[slot] is None:
                    page.holders[slot] = holder
                    count += 1
        for number, spooled in self._spooled.items():
            for index in range(len(spooled.parts)):
                part = spooled.parts[index]
                if part.holder is None:
                    spooled.parts[index] = Part(part.chunk, holder)
                    if number not in self._pages:
                        count += part.chunk.count
        return count

    def numbers(self, up_to: i64) -> list[int]:
        """Numbers of the pages that may hold tags up to and including ``up_to``, or any for -1; ascending."""
        if not self._spooled and len(self._pages) == 1:
            return list(self._pages)
        last = up_to >> PAGE_BITS
        return sorted([number for number in {**self._pages, **self._spooled} if up_to < 0 or number <= last])

    def take_page(self, number: i64, up_to: i64, queued: list[Queued], holders: list[ChannelConsumer | None]) -> None:
        """Remove the deliveries of one page with tags up to and including ``up_to``, or all for -1, in order of tags.

        Page by page, because all together may be more than there is room for.

        Args:
            number: The page, from ``numbers``.
            up_to: The highest tag to take.
            queued: The messages are put here, in place of what is there.
            holders: Their consumers likewise, None for ``basic.get``.
        """
        queued.clear()
        holders.clear()
        page = self._resident(number)
        if page is None:
            return
        first = number << PAGE_BITS
        end: i64 = PAGE_SIZE
        if up_to >= 0 and up_to - first + 1 < end:
            end = up_to - first + 1
        slot: i64 = 0
        if page.has_run_before(end):
            page.unfold()
        while slot < end and page.kept > 0:
            taken = page.queued[slot]
            if taken is not None:
                queued.append(taken)
                holders.append(page.holders[slot])
                self._empty(page, slot, taken)
            slot += 1
        if page.live == 0 and page is not self._recent:  # the page in use stays: the next tags belong to it
            self._close(page)

    def tags(self, up_to: i64) -> list[int]:
        """Tags that are out, ascending, up to and including ``up_to``; all of them for -1."""
        listed: list[int] = []
        for number in self.numbers(up_to):
            first = i64(number) << PAGE_BITS
            for tag in range(first, first + PAGE_SIZE):
                if (up_to < 0 or tag <= up_to) and self.has(tag):
                    listed.append(int(tag))
        return listed

    def survive(self, queue: Enqueuer, survivors: Survivors) -> None:
        """Add every delivery that came from ``queue``."""
        for number, page in self._pages.items():
            if number not in self._spooled:
                page.unfold()
                for queued in page.queued:
                    if queued is not None and queued.queue is queue:
                        survivors.add(queued)
        for spooled in self._spooled.values():
            for part in spooled.parts:
                if part.chunk.queue is not queue:
                    continue
                if part.chunk.is_run:
                    survivors.add_run(part.chunk.first, part.chunk.last, part.chunk.log_segment)
                    continue
                for each in self._messages(part.chunk):
                    assert each is not None
                    survivors.add(each)

    def take_spooled(self) -> list[Part]:
        """Remove every delivery that is in the spool, without reading it. The parts belong to the caller."""
        parts: list[Part] = []
        for number in sorted(self._spooled):
            spooled = self._spooled[number]
            parts.extend(spooled.parts)
            self.count -= spooled.live
            page = self._pages.get(number)
            if page is not None:
                del self._pages[number]
                if page is self._recent:
                    self._recent = None
        self._spooled.clear()
        self._read.clear()
        self._taken = None
        if self._writer is not None:
            self._writer.finish()
        return parts

    # --- the spool

    def spool(self) -> None:
        """Move the newest full pages out of memory, until the rest is within the window: the oldest are acked first."""
        window = self._agenda.window
        spool = self._agenda.spool
        if window is None or spool is None:
            return
        if self._writer is None:
            self._writer = SpoolWriter(spool, FILE_BYTES)
        for number in sorted(self._pages, reverse=True):
            if self._memory <= window.queue_bytes:
                return
            page = self._pages[number]
            if page.memory > 0 and page is not self._recent and not self._move(page):
                return

    def _move(self, page: Page) -> bool:
        """Write one page to the spool. False if that cannot be done now."""
        page.unfold()
        parts: list[Part] = []
        owners = bytearray(PAGE_SIZE)
        for slot in range(PAGE_SIZE):
            queued = page.queued[slot]
            if queued is None or owners[slot] > 0:
                continue
            part = self._write_part(page, slot, len(parts) + 1, owners)
            if part is None:
                self._drop(parts)
                return False
            parts.append(part)
        owner_of = bytes(owners)
        if owner_of == ONE_OWNER:
            owner_of = ONE_OWNER  # the same object for every such page
        self._spooled[page.number] = SpooledPage(page.number, parts, owner_of, page.live)
        self._discharge(page)
        del self._pages[page.number]
        self._taken = None
        return True

    def _write_part(self, page: Page, first: i64, owner: i64, owners: bytearray) -> Part | None:
        """Write what has the queue and the consumer of this slot, marking ``owners``."""
        writer = self._writer
        like = page.queued[first]
        assert writer is not None
        assert like is not None
        holder = page.holders[first]
        out = BytesWriter()
        tally = Tally()
        for slot in range(first, PAGE_SIZE):
            queued = page.queued[slot]
            if queued is None or queued.queue is not like.queue or page.holders[slot] is not holder:
                continue
            if queued.log_segment == PENDING:
                return None  # the last write failed; the store still holds this very object
            put_record(out, queued, slot)
            tally.add(queued)
            owners[slot] = owner
        chunk = writer.write(like.queue, out.getvalue(), tally)
        return None if chunk is None else Part(chunk, holder)

    def _read_back(self, spooled: SpooledPage) -> Page:
        """Read a page; it stays on disk as well."""
        page = Page(spooled.number)
        for index in range(len(spooled.parts)):
            part = spooled.parts[index]
            found = self._messages(part.chunk)
            at: i64 = 0
            for slot in range(PAGE_SIZE):
                if spooled.owners[slot] == index + 1 and (part.chunk.settled >> slot) & 1 == 0:
                    page.queued[slot] = found[at]
                    page.holders[slot] = part.holder
                    at += 1
        page.live = spooled.live
        page.kept = spooled.live
        self._pages[page.number] = page
        if len(self._read) == READ_PAGES:
            number = self._read.pop(0)
            if self._recent is None or self._recent.number != number:
                self._pages.pop(number, None)
                self._taken = None
        self._read.append(int(page.number))
        return page

    def _messages(self, chunk: Chunk) -> list[Queued | None]:
        spool = self._agenda.spool
        assert spool is not None
        return spool.messages(chunk)

    def _unspool(self, page: Page) -> None:
        """What is on disk of a page, if anything, does not count any more."""
        spooled = self._spooled.pop(page.number, None)
        if spooled is not None:
            self._drop(spooled.parts)
            if page.number in self._read:
                self._read.remove(page.number)

    def _drop(self, parts: list[Part]) -> None:
        spool = self._agenda.spool
        assert spool is not None
        for part in parts:
            spool.release(part.chunk)
