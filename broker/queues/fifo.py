"""First in, first out: one line of messages, in memory and in the spool."""

from operator import attrgetter
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.message import PENDING, SETTLED, Enqueuer, Message, Queued
from broker.queues.consumer import Consumer
from broker.queues.ready import ParkedLine, Ready
from broker.queues.run import Run
from broker.queues.window import MESSAGE_OVERHEAD, RUN_OVERHEAD, TIGHT_CHUNK_BYTES, MemoryWindow
from broker.store.spool import CHUNK_BYTES, SpoolWriter
from broker.store.spool_chunk import Chunk
from broker.store.spooled_line import SpooledLine

PIECE: Final = 256  # messages of a chunk of what came back
TRIM_AT: Final = 512  # slots given out before the list is cut: bulk trimming costs 3 ns per message, a deque 36
BULK: Final = 64  # from here on, returning messages one by one costs more than sorting once

_by_position: Final = attrgetter("position")


@final
@mypyc_attr(native_class=True)
class FifoReady(Ready):
    """One line, and in front of it the messages that came back.

    A long line has its head and its tail in memory and what is between them in the spool: ``returned``, ``fresh``,
    spooled, ``tail``. Nothing is in the tail unless something is spooled. What came back may be long as well: chunks of
    it lie ``aside``, and each is read when its lowest position is the next. While nothing is spooled, the end of the
    line may be a run.

    Invariant: every returned position is lower than every fresh one, because ``take`` gives the lowest first.
    """

    def __init__(self, window: MemoryWindow | None = None, spooled: SpooledLine | None = None) -> None:
        super().__init__()
        self._fresh: list[Queued | None] = []
        self._head: i64 = 0
        self._run: Final = Run()
        self._returned: list[Queued] = []  # highest position first, so that the next one is at the end
        self._window: Final = window
        self._spooled: Final = spooled
        self._is_spooling: bool = False
        self._tail: list[Queued] = []
        self._aside: Final[list[Chunk]] = []  # of what came back; highest first position first, as in ``returned``
        self._has_returned: bool = False  # either of these two is not empty
        self._memory: i64 = 0  # octets of all lists, overhead included; counted only with a window

    def push(self, queued: Queued) -> None:
        if self._run.count > 0:
            self._unfold()
        if self._is_spooling:
            self._tail.append(queued)
        else:
            self._fresh.append(queued)
        self.count += 1
        window = self._window
        if window is not None:
            size: i64 = len(queued.message.body) + MESSAGE_OVERHEAD
            self._memory += size
            window.used += size

    def push_run(self, queue: Enqueuer, like: Message, bodies: list[bytes], first: i64, position: i64) -> None:
        if self._is_spooling:
            super().push_run(queue, like, bodies, first, position)
            return
        end: i64 = len(bodies)
        at = first
        while at < end:
            added = self._run.extend(queue, like, bodies, at, position + at - first)
            if added == 0:
                self._unfold()
            at += added
        self.count += end - first
        self._charge_run(end - first, len(bodies[first]))

    def _charge_run(self, count: i64, body: i64) -> None:
        """So many messages more, less if negative, are in the run, with bodies of this size."""
        window = self._window
        if window is not None:
            octets = count * (body + RUN_OVERHEAD)
            self._memory += octets
            window.used += octets

    def run_body(self) -> i64:
        if self._run.count == 0 or self._has_returned or self._head < len(self._fresh):
            return -1
        return self._run.body

    def give_run(self, consumer: Consumer, most: i64) -> i64:
        body = self._run.body
        taken = self._run.give(consumer, most)
        self.count -= taken
        self._charge_run(-taken, body)
        return taken

    def _unfold(self) -> None:
        """Make the run messages like others."""
        fresh = self._fresh
        window = self._window
        for queued in self._run.unfold():
            fresh.append(queued)
            if window is not None:
                self._memory += MESSAGE_OVERHEAD - RUN_OVERHEAD
                window.used += MESSAGE_OVERHEAD - RUN_OVERHEAD

    def first(self) -> Queued | None:
        if self._has_returned:
            self._fetch_aside()
            return self._returned[-1]
        if self._head >= len(self._fresh):
            self._fetch()
            if not self._fresh:
                return None
        return self._fresh[self._head]

    def next_header(self) -> bytes | None:
        if self._aside:
            return None
        if self._returned:
            return self._returned[-1].message.header
        if self._head < len(self._fresh):
            first = self._fresh[self._head]
            assert first is not None
            return first.message.header
        like = self._run.like
        return None if like is None or self._run.count == 0 else like.header

    def take(self) -> Queued:
        self.count -= 1
        if self._has_returned:
            return self._take_returned()
        if self._head >= len(self._fresh):
            self._fetch()
        fresh = self._fresh
        head = self._head
        queued = fresh[head]
        assert queued is not None
        fresh[head] = None
        head += 1
        if head >= TRIM_AT and head * 2 >= len(fresh):
            del fresh[:head]
            head = 0
        elif head == len(fresh):
            fresh.clear()
            head = 0
        self._head = head
        window = self._window
        if window is not None:
            size: i64 = len(queued.message.body) + MESSAGE_OVERHEAD
            self._memory -= size
            window.used -= size
        return queued

    def _take_returned(self) -> Queued:
        self._fetch_aside()
        queued = self._returned.pop()
        self._has_returned = len(self._returned) > 0 or len(self._aside) > 0
        if self._window is not None:
            self._account(queued, -1)
        return queued

    # --- the spool

    def is_long(self) -> bool:
        """Is more in memory than the window allows?"""
        window = self._window
        return window is not None and self._memory > window.queue_bytes

    def spool(self) -> None:
        """Move what the window has no room for to the spool. At the end of a turn: records must have their place."""
        window = self._window
        spooled = self._spooled
        if window is None or spooled is None or not self.is_long():
            return
        self._unfold()
        if not self._is_spooling:
            self._split(window.queue_bytes // 2)
        tail = self._tail
        moved: i64 = 0
        for queued in tail:
            if queued.log_segment == PENDING:
                break  # the last write failed; the store still holds this very object
            spooled.push(queued)
            self._account(queued, -1)
            moved += 1
        del tail[:moved]
        if window.is_tight:
            spooled.write(TIGHT_CHUNK_BYTES)
        if self._returned and self.is_long():
            self._put_aside(spooled, window.queue_bytes // 2)

    def _put_aside(self, spooled: SpooledLine, kept_bytes: i64) -> None:
        """Move what came back to the spool, but for the lowest positions."""
        line = self._returned
        kept: i64 = 0
        end: i64 = len(line)
        while end > 0 and kept < kept_bytes:
            end -= 1
            kept += len(line[end].message.body) + MESSAGE_OVERHEAD
        done: i64 = 0
        piece: list[Queued] = []
        octets: i64 = 0
        for i in range(end):
            queued = line[i]
            if queued.log_segment == PENDING:
                break  # as above
            piece.append(queued)
            octets += len(queued.message.body)
            if octets < CHUNK_BYTES and len(piece) < PIECE and i + 1 < end:
                continue
            chunk = spooled.put_aside(piece)
            if chunk is None:
                break
            for each in piece:
                self._account(each, -1)
            self._insert_aside(chunk)
            done += len(piece)
            piece = []
            octets = 0
        del line[:done]

    def _insert_aside(self, chunk: Chunk) -> None:
        aside = self._aside
        low: i64 = 0
        high: i64 = len(aside)
        while low < high:
            middle = (low + high) // 2
            if aside[middle].first > chunk.first:
                low = middle + 1
            else:
                high = middle
        aside.insert(low, chunk)

    def _fetch_aside(self) -> None:
        """Read the chunks aside whose lowest position is before every one that is in memory."""
        aside = self._aside
        spooled = self._spooled
        while aside and spooled is not None:
            chunk = aside[-1]
            if self._returned and self._returned[-1].position < chunk.first:
                return
            fetched: list[Queued] = []
            for queued in spooled.fetch(chunk):
                assert queued is not None
                self._account(queued, 1)
                fetched.append(queued)
            aside.pop()
            self._insert(fetched)

    def park(self, writer: SpoolWriter) -> list[ParkedLine] | None:
        spooled = self._spooled
        if spooled is None:
            return None
        self._unfold()
        head = list(reversed(self._returned))
        for i in range(self._head, len(self._fresh)):
            queued = self._fresh[i]
            assert queued is not None
            head.append(queued)
        parked = spooled.park(head, writer)
        aside = spooled.park_chunks(self._aside, writer)
        line = spooled.park_line(self._tail, writer)
        if parked is None or aside is None or line is None:
            return None
        return [ParkedLine(aside + parked, line)]

    def unpark(self, lines: list[ParkedLine]) -> None:
        spooled = self._spooled
        if spooled is None or len(lines) != 1:
            raise ValueError(f"{len(lines)} lines for one")
        for chunk in lines[0].aside:
            self.put_back_chunk(chunk)
        spooled.unpark(lines[0].line)
        self.count += spooled.count
        self._is_spooling = spooled.count > 0

    def _split(self, kept_bytes: i64) -> None:
        """Cut the line: its head stays, the rest becomes the tail."""
        fresh = self._fresh
        at = self._head
        kept: i64 = 0
        while at < len(fresh) and kept < kept_bytes:
            queued = fresh[at]
            assert queued is not None
            kept += len(queued.message.body) + MESSAGE_OVERHEAD
            at += 1
        tail: list[Queued] = []
        for i in range(at, len(fresh)):
            cut = fresh[i]
            assert cut is not None
            tail.append(cut)
        del fresh[at:]
        self._tail = tail
        self._is_spooling = len(tail) > 0

    def _fetch(self) -> None:
        """The first message is not an object in memory: make it one, if there is one."""
        if self._is_spooling:
            self._refill()
        else:
            self._unfold()

    def _refill(self) -> None:
        """Read the next messages back; behind the last spooled one comes the tail."""
        spooled = self._spooled
        assert spooled is not None
        fresh = spooled.take()
        if fresh:
            for queued in fresh:
                assert queued is not None
                self._account(queued, 1)
        else:
            for each in self._tail:
                fresh.append(each)
            self._tail = []
        if spooled.count == 0 and not self._tail:
            self._is_spooling = False
        self._fresh = fresh
        self._head = 0

    def _account(self, queued: Queued, sign: i64) -> None:
        window = self._window
        assert window is not None
        size: i64 = (len(queued.message.body) + MESSAGE_OVERHEAD) * sign
        self._memory += size
        window.used += size

    def take_back(self, first_position: i64) -> i64:
        self._unfold()
        octets: i64 = 0
        kept: list[Queued] = []
        last = self._pop_last(first_position)
        while last is not None:
            if self._window is not None:
                self._account(last, -1)
            self.count -= 1
            if last.log_segment == SETTLED:
                octets += len(last.message.body)
            else:
                kept.append(last)
            last = self._pop_last(first_position)
        if self._head == len(self._fresh):
            self._fresh.clear()
            self._head = 0
        kept.reverse()
        for queued in kept:
            self.push(queued)
        back: list[Queued] = []
        for queued in self._returned:  # handed out and put back within the turn
            if queued.position >= first_position and queued.log_segment == SETTLED:
                octets += len(queued.message.body)
                self.count -= 1
                if self._window is not None:
                    self._account(queued, -1)
            else:
                back.append(queued)
        self._returned = back
        self._has_returned = len(back) > 0 or len(self._aside) > 0
        return octets

    def _pop_last(self, first_position: i64) -> Queued | None:
        """The message at the end of the line, unless it is older than this position.

        The end is in memory: nothing is spooled before the store has a place for it, and the store has none yet.
        """
        if self._tail:
            if self._tail[-1].position < first_position:
                return None
            return self._tail.pop()
        fresh = self._fresh
        if self._head >= len(fresh):
            return None
        last = fresh[-1]
        assert last is not None
        if last.position < first_position:
            return None
        fresh.pop()
        return last

    def clear(self) -> None:
        self.count = 0
        self._fresh = []
        self._head = 0
        self._run.clear()
        self._returned = []
        self._has_returned = False
        self._tail = []
        self._is_spooling = False
        if self._window is not None:
            self._window.used -= self._memory
        self._memory = 0
        if self._spooled is not None:
            self._spooled.clear()
            for chunk in self._aside:
                self._spooled.drop(chunk)
            self._aside.clear()

    def put_back(self, returned: list[Queued]) -> None:
        if not returned:
            return
        self.count += len(returned)
        if self._window is not None:
            for queued in returned:
                self._account(queued, 1)
        self._has_returned = True
        self._insert(returned)

    def put_back_chunk(self, chunk: Chunk) -> None:
        self.count += chunk.count
        self._has_returned = True
        self._insert_aside(chunk)

    def _insert(self, returned: list[Queued]) -> None:
        """Put messages into the line of those that came back."""
        if len(returned) >= BULK:
            self._merge(sorted(returned, key=_by_position, reverse=True))
            return
        line = self._returned
        for queued in returned:
            low: i64 = 0
            high: i64 = len(line)
            while low < high:
                middle = (low + high) // 2
                if line[middle].position > queued.position:
                    low = middle + 1
                else:
                    high = middle
            line.insert(low, queued)

    def _merge(self, returned: list[Queued]) -> None:
        """The same for many, highest position first.

        A consumer that vanishes returns page after page, each above the one before, so the rest of the line is only
        moved: sorting the whole line each time took seconds.
        """
        line = self._returned
        end: i64 = len(line)
        at: i64 = 0
        merged: list[Queued] = []
        for queued in returned:
            while at < end and line[at].position > queued.position:
                merged.append(line[at])
                at += 1
            merged.append(queued)
        line[:at] = merged

    def take_expired(self, now_ms: i64) -> Queued | None:
        first = self.first()
        if first is None or first.expires_ms == 0 or first.expires_ms > now_ms:
            return None
        return self.take()

    def next_expiry(self) -> i64:
        first = self.first()
        if first is None:
            return 0
        return first.expires_ms
