"""Streams: messages stay where they are, and each reader has its own place. RabbitMQ's stream queues."""

import logging
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.arguments import Table, octets
from broker.core.counters import Counters
from broker.core.errors import NOT_IMPLEMENTED, HardError
from broker.core.message import Message, Queued
from broker.policy.effective import EffectivePolicy, effective_arguments
from broker.queues.agenda import Agenda
from broker.queues.consumer import Consumer
from broker.queues.queue import Queue
from broker.queues.stream_arguments import AT_OFFSET, AT_TIME, FIRST, LAST, ReaderArguments, stream_limits
from broker.store.spool_chunk import Chunk
from broker.store.store import Store
from broker.store.stream_log import StreamLog
from broker.store.stream_pages import StreamPage, StreamPages
from broker.store.survivors import Survivors
from broker.wire.properties import headers_of, with_long

LOG: Final = logging.getLogger("broker.queues")

OFFSET_HEADER: Final = b"x-stream-offset"
FILTER_HEADER: Final = b"x-stream-filter-value"

# What one stream does in one turn for all its readers: as many messages looked at, as many pages read from the disk.
MESSAGE_BUDGET: Final = 4096
PAGE_BUDGET: Final = 8


@final
@mypyc_attr(native_class=True)
class Reader:
    """One consumer's place in a stream.

    Attributes:
        consumer: Who reads.
        next_offset: The message it gets next.
        filters: Filter values that it wants; empty for all messages.
        match_unfiltered: It wants messages without a filter value as well.
        page: The page it has read from last.
    """

    def __init__(self, consumer: Consumer, next_offset: i64, filters: list[bytes], match_unfiltered: bool) -> None:
        self.consumer: Final = consumer
        self.next_offset: i64 = next_offset
        self.filters: Final = filters
        self.match_unfiltered: Final = match_unfiltered
        self.page: StreamPage | None = None

    def wants(self, message: Message) -> bool:
        """Does the message pass the filter? Exactly, other than RabbitMQ's, which lets whole chunks pass."""
        if FILTER_HEADER not in message.header:  # nearly always right, and cheap
            return self.match_unfiltered
        headers = headers_of(message.header)
        field = None if headers is None else headers.get(FILTER_HEADER)
        if field is None or field.kind != "S":
            return self.match_unfiltered
        return octets(field) in self.filters


@final
@mypyc_attr(native_class=True)
class Stream(Queue):
    """A durable log that any number of consumers read, each at its own pace; nothing leaves it but by age or size.

    Readers see what is synced and nothing else: an offset that somebody has seen never belongs to another message,
    whatever a crash takes back.

    Attributes:
        log: Where the messages are.
    """

    def __init__(
        self,
        name: bytes,
        vhost_name: str,
        arguments: Table,
        log_id: i64,
        agenda: Agenda,
        store: Store,
        counters: Counters,
    ) -> None:
        super().__init__(name, vhost_name, True, False, 0, arguments, log_id, agenda, store, counters)
        self.stores_all = True
        self.log: Final[StreamLog] = store.make_stream(
            log_id, stream_limits(arguments, store.limits.stream_segment_bytes)
        )
        self._pages: Final = StreamPages(self.log)
        self._readers: list[Reader] = []
        self._next_reader: i64 = 0
        self._awaits_sync: bool = False
        self._messages_left: i64 = 0  # of this turn's budget
        self._pages_left: i64 = 0

    @property
    def ready_count(self) -> i64:
        return self.log.next_offset - self.log.first_offset

    @property
    def message_count(self) -> i64:
        return self.ready_count  # what is out is still in it

    @property
    def consumer_count(self) -> int:
        return 0  # as RabbitMQ tells it

    def apply_policy(self, policy: EffectivePolicy) -> bool:
        """What is kept follows the policy from now on; segments that exist keep their size."""
        if not policy.is_of(self.policy):
            self.policy = policy
            kept = stream_limits(
                effective_arguments(self.arguments, policy.definition, self.kind),
                self._store.limits.stream_segment_bytes,
            )
            limits = self.log.limits
            limits.segment_bytes = kept.segment_bytes
            limits.max_bytes = kept.max_bytes
            limits.max_age_ms = kept.max_age_ms
            self.log.retain(self._agenda.now_ms)
        return False

    # --- messages in

    def push(self, message: Message) -> bool:
        self._store.append_to_stream(self.log, message)
        self.published += 1
        self.ready_bytes = self.log.bytes
        if self._readers and not self._awaits_sync:
            self._await_sync()
        return True

    def _await_sync(self) -> None:
        self._awaits_sync = True
        self._agenda.unsynced.append(self)

    def synced(self) -> None:
        """A sync has been finished: there may be more to show."""
        self._awaits_sync = False
        if self.is_deleted or not self._readers:
            return
        self.wake()
        self._look_ahead()

    def _look_ahead(self) -> None:
        """Readers wait for the next sync as well if something is not covered yet."""
        log = self.log
        if not self._awaits_sync and (log.pending or log.synced < log.next_offset):
            self._await_sync()

    # --- messages out

    def add_reader(self, consumer: Consumer, arguments: ReaderArguments) -> None:
        """Admit ``consumer`` at the place that it asked for."""
        self._readers.append(Reader(consumer, self._place_of(arguments), arguments.filters, arguments.match_unfiltered))
        self.consumers.append(consumer)
        self._look_ahead()
        self.wake()

    def _place_of(self, arguments: ReaderArguments) -> i64:
        log = self.log
        start = arguments.start
        if start == FIRST:
            return log.first_offset
        if start == LAST:
            return max(log.last_chunk, log.first_offset)
        if start == AT_OFFSET:
            return max(log.first_offset, min(arguments.value, log.next_offset))
        if start == AT_TIME:
            try:
                return self._pages.offset_at(arguments.value)
            except OSError as error:
                self._tell_unreadable(error)
                return log.first_offset
        return log.next_offset + len(log.pending)

    def remove_consumer(self, consumer: Consumer) -> None:
        if consumer not in self.consumers:
            return
        index = self.consumers.index(consumer)
        del self.consumers[index]
        del self._readers[index]
        self._next_reader = 0
        if not self._readers:
            self._pages.clear()

    def deliver(self) -> None:
        """Serve the readers in turn, a page at a time, until none can go on or the budget is used up."""
        self.is_due = False
        if self.is_deleted:
            return
        self.active_ms = self._agenda.now_ms
        self.ready_bytes = self.log.bytes
        self._messages_left = MESSAGE_BUDGET
        self._pages_left = PAGE_BUDGET
        passed: i64 = 0  # readers one after the other that could not go on
        while passed < len(self._readers):
            if self._messages_left <= 0 or self._pages_left <= 0:
                self._go_on_later()
                return
            if self._next_reader >= len(self._readers):
                self._next_reader = 0
            reader = self._readers[self._next_reader]
            self._next_reader += 1
            if self._serve(reader):
                passed = 0
            else:
                passed += 1

    def _serve(self, reader: Reader) -> bool:
        """Deliver the rest of one page. Returns whether anything was looked at."""
        consumer = reader.consumer
        if reader.next_offset >= self.log.synced or not consumer.can_take():
            return False
        page = self._page_for(reader)
        if page is None:
            return False
        messages = page.messages
        index = reader.next_offset - page.first
        end: i64 = len(messages)
        has_filter = len(reader.filters) > 0
        while index < end and self._messages_left > 0 and consumer.can_take():
            message = messages[index]
            self._messages_left -= 1
            if not has_filter or reader.wants(message):
                self.unacked_count += 1
                self.unacked_bytes += len(message.body)
                self.delivered += 1
                consumer.take(Queued(message, self, page.first + index))
            index += 1
        reader.next_offset = page.first + index
        return True

    def _page_for(self, reader: Reader) -> StreamPage | None:
        """The page that holds a reader's next message; None if there is nothing for it, or it had to be given up."""
        page = reader.page
        if page is not None and page.first <= reader.next_offset < page.end:
            return page
        try:
            page = self._pages.read(reader.next_offset, page)
        except OSError as error:
            self._tell_unreadable(error)
            self.remove_consumer(reader.consumer)
            reader.consumer.queue_deleted()
            return None
        if page is None:
            reader.next_offset = self.log.synced  # nothing up to there can be read, which has been told
            return None
        if not page.is_ready:
            self._pages_left -= 1
            _number(page)
        reader.page = page
        if reader.next_offset < page.first:
            reader.next_offset = page.first
        return page

    def _tell_unreadable(self, error: OSError) -> None:
        LOG.error(
            "a stream cannot be read", extra={"queue": self.name.decode("utf-8", "replace"), "reason": str(error)}
        )

    # --- settlement: nothing but credit

    def settle(self, queued: Queued) -> None:
        self.acknowledged += 1
        self._counters.messages_acknowledged += 1
        self._returned(queued)

    def reject(self, queued: Queued) -> None:
        self._returned(queued)

    def put_back(self, returned: list[Queued], is_failure: bool = False) -> None:
        for queued in returned:
            self._returned(queued)
        self.wake()

    def put_back_chunk(self, chunk: Chunk, is_failure: bool = False) -> None:
        self.unacked_count -= chunk.count
        self.unacked_bytes -= chunk.bodies
        if self._agenda.spool is not None:
            self._agenda.spool.release(chunk)
        self.wake()

    def _returned(self, queued: Queued) -> None:
        self.unacked_count -= 1
        self.unacked_bytes -= len(queued.message.body)

    # --- what a stream does not do

    def get(self) -> Queued | None:
        raise HardError(NOT_IMPLEMENTED, f"basic.get not supported by stream queues {self}")

    def purge(self, unacked: Survivors) -> int:
        raise HardError(NOT_IMPLEMENTED, f"queue.purge not supported by stream queues {self}")

    # --- the end

    def delete(self) -> int:
        """Forget everything and tell the consumers. Returns 0, as RabbitMQ does: nobody loses what others read."""
        self.is_deleted = True
        consumers = self.consumers
        self.consumers = []
        self._readers = []
        self._pages.clear()
        for consumer in consumers:
            consumer.queue_deleted()
        self._store.forget_stream(self.log)
        self._counters.queues_deleted += 1
        return 0


def _number(page: StreamPage) -> None:
    """Put the offset of each message of a page into its headers: once for all readers."""
    numbered: list[Message] = []
    offset = page.first
    for message in page.messages:
        numbered.append(
            Message(
                message.route,
                with_long(message.header, OFFSET_HEADER, offset),
                message.body,
                message.is_persistent,
                message.timestamp_ms,
                message.priority,
                message.ttl_ms,
            )
        )
        offset += 1
    page.messages = numbered
    page.is_ready = True
