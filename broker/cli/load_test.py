"""A quick load test: publishers and consumers on one queue, in one process.

Frames are encoded once and sent in batches. Every delivery of the queue has the same length, so that they are counted
and not parsed; one message of a batch carries when it was sent.
"""

import asyncio
import contextlib
import struct
import time
from typing import Final
from uuid import uuid4

from msgspec import Struct

from broker.cli.amqp_client import FRAME_MAX, READ_BYTES, AmqpClient, AmqpClientError, refuse_close, whole_frame_end
from broker.cli.amqp_frames import (
    ACK_FRAME,
    STAMP_BYTES,
    ack_until,
    consume,
    declare,
    delete,
    publish,
    qos,
    select_confirm,
)
from broker.core.arguments import Field, Table
from broker.wire.methods import BASIC_ACK, FRAME_BODY, FRAME_OVERHEAD

MOST_BYTES: Final = FRAME_MAX - FRAME_OVERHEAD
"""Largest body: it must fit in one frame."""
BATCH: Final = 100
PREFETCH: Final = 2000
MOST_ON_THE_WAY: Final = 5000
MOST_UNCONFIRMED: Final = 2000
LAST_ARRIVALS_S: Final = 10.0
FORGOTTEN_MS: Final = 600_000  # should this process be killed, the broker deletes the queue then
_PAUSE_S: Final = 0.001
_UNSTAMPED: Final = bytes(STAMP_BYTES)


class Load(Struct, frozen=True):
    """What is asked of the broker.

    Attributes:
        size: Octets of a body.
        messages: How many; 0 for as many as go in ``seconds``.
        seconds: How long to publish at most.
        publishers: Connections that publish.
        consumers: Connections that consume; 0 leaves the messages in the queue.
        is_persistent: Have messages survive a restart.
        has_confirms: Wait for publisher confirms.
        is_auto_ack: Have deliveries settled as they are sent.
        queue_type: classic, quorum or stream.
        rate: Messages a second in all; 0 for as many as go.
    """

    size: int = 100
    messages: int = 0
    seconds: float = 10.0
    publishers: int = 1
    consumers: int = 1
    is_persistent: bool = False
    has_confirms: bool = False
    is_auto_ack: bool = False
    queue_type: str = "classic"
    rate: int = 0


class Outcome(Struct):
    """What came of it.

    Attributes:
        published: Messages sent.
        confirmed: Of these, confirmed.
        refused: Of these, refused by the broker with basic.nack.
        consumed: Messages that arrived.
        publish_s: From the first message to the last one sent, and confirmed if that was asked for.
        consume_s: From the first message sent to the last one that arrived.
        latencies_ms: From sending to arrival, of one message in a batch, sorted.
    """

    published: int = 0
    confirmed: int = 0
    refused: int = 0
    consumed: int = 0
    publish_s: float = 0.0
    consume_s: float = 0.0
    latencies_ms: list[float] = []

    def latency_ms(self, share: float) -> float:
        """The latency that ``share`` of the messages do not exceed; -1 if none was measured."""
        if not self.latencies_ms:
            return -1.0
        return self.latencies_ms[min(int(share * len(self.latencies_ms)), len(self.latencies_ms) - 1)]


class LoadTest:
    """One test, on a queue of its own that is gone afterwards."""

    def __init__(self, uri: str, load: Load) -> None:
        self.outcome = Outcome()
        self.queue = f"ponymqctl-bench-{uuid4().hex[:12]}".encode()
        self._uri = uri
        self._load = load
        self._clients: list[AmqpClient] = []
        self._began_s = 0.0
        self._tickets = load.messages or 1 << 62

    async def run(self) -> Outcome:
        """Carry it out. The queue is deleted however it ends.

        Raises:
            AmqpClientError: The broker could not be reached, or refused.
        """
        control = await self._client()
        try:
            await control.call(declare(self.queue, is_durable=self._is_durable, arguments=self._arguments()))
            await self._measure()
        finally:
            # Also when the user has had enough, and this task is cancelled.
            await asyncio.shield(self._clean_up(control))
        self.outcome.latencies_ms.sort()
        return self.outcome

    async def _measure(self) -> None:
        consumers = [await self._client() for _ in range(self._load.consumers)]
        for client in consumers:
            if not self._load.is_auto_ack:
                await client.call(qos(PREFETCH))
            await client.call(consume(self.queue, is_auto_ack=self._load.is_auto_ack))
        publishers = [await self._client() for _ in range(self._load.publishers)]
        if self._load.has_confirms:
            for client in publishers:
                await client.call(select_confirm())
        self._began_s = time.monotonic()
        consuming = asyncio.gather(*(self._consume(client) for client in consumers))
        publishing = asyncio.gather(*(self._publish(client) for client in publishers))
        try:
            await asyncio.wait([publishing, *([consuming] if consumers else [])], return_when=asyncio.FIRST_COMPLETED)
            if consumers and consuming.done():
                consuming.result()  # it ends by failing
            await publishing
            self.outcome.publish_s = time.monotonic() - self._began_s
            if consumers:
                await self._wait_for_the_last(consuming)
        finally:
            publishing.cancel()
            consuming.cancel()
            await asyncio.gather(publishing, consuming, return_exceptions=True)

    async def _wait_for_the_last(self, consuming: "asyncio.Future[list[None]]") -> None:
        """Wait until everything has arrived, or nothing does any more."""
        outcome = self.outcome
        before = -1
        while before != outcome.consumed < outcome.published - outcome.refused:
            before = outcome.consumed
            deadline = time.monotonic() + LAST_ARRIVALS_S
            while outcome.consumed == before and time.monotonic() < deadline:
                await asyncio.wait([consuming], timeout=_PAUSE_S)
                if consuming.done():
                    consuming.result()

    async def _client(self) -> AmqpClient:
        client = await AmqpClient.connected(self._uri)
        self._clients.append(client)
        return client

    async def _clean_up(self, control: AmqpClient) -> None:
        with contextlib.suppress(OSError, EOFError, AmqpClientError):
            await control.call(delete(self.queue))
        for client in self._clients:
            with contextlib.suppress(OSError, EOFError):
                await client.close()

    @property
    def _is_durable(self) -> bool:
        return self._load.is_persistent or self._load.queue_type != "classic"

    def _arguments(self) -> Table:
        kind = self._load.queue_type
        arguments: Table = {b"x-queue-type": Field("S", kind.encode())}
        if kind != "stream":
            arguments[b"x-expires"] = Field("I", FORGOTTEN_MS)
        return arguments

    async def _publish(self, client: AmqpClient) -> None:
        load, outcome = self._load, self.outcome
        octets, body_at = publish(self.queue, load.size, is_persistent=load.is_persistent)
        head, tail = octets[:body_at], octets[body_at + STAMP_BYTES :]
        confirms = Confirms(client, outcome) if load.has_confirms else None
        listening = asyncio.ensure_future(confirms.listen() if confirms is not None else _watch(client))
        sent = 0
        try:
            while time.monotonic() - self._began_s < load.seconds and self._tickets > 0:
                count = min(BATCH, self._tickets, self._due(outcome.published))
                is_full = load.consumers > 0 and outcome.published - outcome.consumed > MOST_ON_THE_WAY
                if listening.done():
                    listening.result()
                if count <= 0 or is_full or (confirms is not None and sent - confirms.settled > MOST_UNCONFIRMED):
                    await asyncio.sleep(_PAUSE_S)
                    continue
                self._tickets -= count
                sent += count
                outcome.published += count
                first = head + struct.pack(">q", time.monotonic_ns()) + tail if load.size >= STAMP_BYTES else octets
                client.writer.write(first + octets * (count - 1))
                await client.writer.drain()
                await asyncio.sleep(0)  # drain does not let others have their turn
            while confirms is not None and confirms.settled < sent and not listening.done():
                await asyncio.wait([listening], timeout=_PAUSE_S)
            if listening.done():
                listening.result()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    def _due(self, published: int) -> int:
        """How many messages the rate allows now."""
        if not self._load.rate:
            return BATCH
        return int((time.monotonic() - self._began_s) * self._load.rate) + 1 - published

    async def _consume(self, client: AmqpClient) -> None:
        """Count deliveries until it is cancelled."""
        outcome = self.outcome
        is_stamped, is_acked = self._load.size >= STAMP_BYTES, not self._load.is_auto_ack
        octets = bytearray()
        length = stamp_at = 0
        while True:
            piece = await client.reader.read(READ_BYTES)
            if not piece:
                raise AmqpClientError("the broker hung up on a consumer")
            octets += piece
            if not length:
                length, stamp_at = _measured(octets)
                if not length:
                    continue
            count = len(octets) // length
            if not count:
                continue
            if octets[0] != 1:
                raise AmqpClientError("the broker sent something else than deliveries")
            refuse_close(bytes(octets[:length]))
            if is_stamped:
                now_ns = time.monotonic_ns()
                for at in range(stamp_at, count * length, length):
                    stamp = octets[at : at + STAMP_BYTES]
                    if stamp != _UNSTAMPED:
                        outcome.latencies_ms.append((now_ns - int.from_bytes(stamp, "big")) / 1e6)
            outcome.consumed += count
            outcome.consume_s = time.monotonic() - self._began_s
            if is_acked:
                last = (count - 1) * length + _tag_place(octets)
                client.writer.write(ack_until(int.from_bytes(octets[last : last + 8], "big")))
            del octets[: count * length]


class Confirms:
    """What the broker says to one publisher.

    Attributes:
        settled: Messages confirmed or refused.
    """

    def __init__(self, client: AmqpClient, outcome: Outcome) -> None:
        self.settled = 0
        self._client = client
        self._outcome = outcome
        self._through = 0  # every tag up to here is settled
        self._beyond: set[int] = set()  # and these, one by one

    async def listen(self) -> None:
        """Take in confirms until it is cancelled."""
        octets = bytearray()
        size = ACK_FRAME.size
        while True:
            piece = await self._client.reader.read(READ_BYTES)
            if not piece:
                raise AmqpClientError("the broker hung up on a publisher")
            octets += piece
            at = 0
            while (end := whole_frame_end(octets, at)) >= 0:
                if end - at == size:
                    _, _, _, number, tag, is_multiple, _ = ACK_FRAME.unpack_from(octets, at)
                    count = self._take(tag, is_multiple)
                    if number == BASIC_ACK:
                        self._outcome.confirmed += count
                    else:
                        self._outcome.refused += count
                else:
                    refuse_close(bytes(octets[at:end]))  # or it says that publishers are blocked
                at = end
            del octets[:at]

    def _take(self, tag: int, is_multiple: bool) -> int:
        """Settle a tag, or all up to it; returns how many."""
        before = self.settled
        if is_multiple:
            self._beyond = {each for each in self._beyond if each > tag}
            self._through = max(self._through, tag)
        else:
            self._beyond.add(tag)
        while self._through + 1 in self._beyond:
            self._through += 1
            self._beyond.remove(self._through)
        self.settled = self._through + len(self._beyond)
        return self.settled - before


async def _watch(client: AmqpClient) -> None:
    """Tell when the broker ends a connection that only publishes."""
    while True:
        try:
            await client.read_frame()  # that publishers are blocked, or it raises
        except EOFError as error:
            raise AmqpClientError("the broker hung up on a publisher") from error


def _measured(octets: bytearray) -> tuple[int, int]:
    """Length of the first delivery, and where in it the body begins; zeros if it is not all there."""
    header = whole_frame_end(octets, 0)
    body = whole_frame_end(octets, header) if header >= 0 else -1
    if body < 0:
        return 0, 0
    if not any(octets[header + 11 : header + 19]):
        return body, body  # a content header with the size zero: no body follows
    end = whole_frame_end(octets, body)
    if end < 0 or octets[body] != FRAME_BODY:
        return 0, 0
    return end, body + 7


def _tag_place(octets: bytearray) -> int:
    """Where in a basic.deliver the delivery tag is."""
    return 12 + octets[11]
