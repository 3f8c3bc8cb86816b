"""Deliveries that are out on one channel and not settled, by delivery tag."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import Queued
from broker.protocol.consumer import ChannelConsumer

# A delivery that nobody acks pins its page and nothing else, so the memory of a channel with one stuck task does not
# grow with every delivery after it.
PAGE_BITS: Final = 8
PAGE_SIZE: Final = 1 << PAGE_BITS


@final
@mypyc_attr(native_class=True)
class Page:
    """The deliveries of 256 consecutive tags."""

    def __init__(self, number: i64) -> None:
        self.number: Final[i64] = number
        self.queued: Final[list[Queued | None]] = [None] * PAGE_SIZE
        self.holders: Final[list[ChannelConsumer | None]] = [None] * PAGE_SIZE
        self.live: i64 = 0


@final
@mypyc_attr(native_class=True)
class Unacked:
    """What one channel owes an answer for.

    Attributes:
        count: Deliveries out.
        holder: Consumer of the delivery that ``take`` gave last; None for ``basic.get``.
    """

    def __init__(self) -> None:
        self.count: i64 = 0
        self.holder: ChannelConsumer | None = None
        self._pages: Final[dict[int, Page]] = {}
        self._recent: Page | None = None

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
        self.count += 1

    def _open(self, number: i64) -> Page:
        left = self._recent
        if left is not None and left.live == 0:
            del self._pages[left.number]
        page = self._pages.get(number)
        if page is None:
            page = Page(number)
            self._pages[number] = page
        self._recent = page
        return page

    def take(self, tag: i64) -> Queued | None:
        """Remove and return the delivery of that tag, and leave its consumer in ``holder``; None if it is not out."""
        number = tag >> PAGE_BITS
        page = self._recent
        if page is None or page.number != number:
            page = self._pages.get(number)
            if page is None:
                return None
        slot = tag & (PAGE_SIZE - 1)
        queued = page.queued[slot]
        if queued is None:
            return None
        self.holder = page.holders[slot]
        page.queued[slot] = None
        page.holders[slot] = None
        page.live -= 1
        self.count -= 1
        if page.live == 0:
            self._close(page)
        return queued

    def _close(self, page: Page) -> None:
        # The page in use stays: the next tags belong to it.
        if page is not self._recent:
            del self._pages[page.number]

    def has(self, tag: i64) -> bool:
        """Is the delivery of that tag out?"""
        page = self._pages.get(tag >> PAGE_BITS)
        return page is not None and page.queued[tag & (PAGE_SIZE - 1)] is not None

    def take_up_to(self, up_to: i64, queued: list[Queued], holders: list[ChannelConsumer | None]) -> None:
        """Remove the deliveries with tags up to and including ``up_to``, or all of them for -1, in order of tags.

        Args:
            up_to: The highest tag to take.
            queued: The messages are appended here.
            holders: Their consumers are appended here, None for ``basic.get``.
        """
        for number in self._numbers(up_to):
            page = self._pages[number]
            first = i64(number) << PAGE_BITS
            end: i64 = PAGE_SIZE
            if up_to >= 0 and up_to - first + 1 < end:
                end = up_to - first + 1
            slot: i64 = 0
            while slot < end and page.live > 0:
                taken = page.queued[slot]
                if taken is not None:
                    queued.append(taken)
                    holders.append(page.holders[slot])
                    page.queued[slot] = None
                    page.holders[slot] = None
                    page.live -= 1
                    self.count -= 1
                slot += 1
            if page.live == 0:
                self._close(page)

    def tags(self, up_to: i64) -> list[int]:
        """Tags that are out, ascending, up to and including ``up_to``; all of them for -1."""
        listed: list[int] = []
        for number in self._numbers(up_to):
            queued = self._pages[number].queued
            for slot in range(PAGE_SIZE):
                tag = (number << PAGE_BITS) + slot
                if queued[slot] is not None and (up_to < 0 or tag <= up_to):
                    listed.append(tag)
        return listed

    def deliveries(self) -> list[Queued]:
        """What is out, in order of tags."""
        listed: list[Queued] = []
        for number in self._numbers(-1):
            for queued in self._pages[number].queued:
                if queued is not None:
                    listed.append(queued)
        return listed

    def _numbers(self, up_to: i64) -> list[int]:
        """Numbers of the pages that may hold such tags, ascending."""
        if len(self._pages) == 1:
            return list(self._pages)
        last = up_to >> PAGE_BITS
        return sorted([number for number in self._pages if up_to < 0 or number <= last])
