"""Consuming at full speed: deliveries are counted by their length, never parsed, and acknowledged by number."""

import selectors
import time
from collections.abc import Callable, Sequence
from typing import Final

from benchmarks.client import SILENCE_SECONDS, BenchmarkError, Client
from benchmarks.wire import BASIC_DELIVER, ack_until, acks

RECEIVE_OCTETS: Final = 1 << 20
ACK_EVERY: Final = 100
BUFFER: Final = bytearray(RECEIVE_OCTETS)  # one for all: what arrives is counted and forgotten


class LengthCounter:
    """Counts messages of one known length in a stream of octets.

    Attributes:
        count: Whole messages so far.
        octets: Octets so far.
    """

    def __init__(self, length: int) -> None:
        self.count = 0
        self.octets = 0
        self._length = length

    def add(self, octets: int) -> int:
        """Count octets that arrived; returns the whole messages so far."""
        self.octets += octets
        self.count = self.octets // self._length
        return self.count

    @property
    def is_whole(self) -> bool:
        """Whether the last message is complete; if it is not at the end, something else was said in between."""
        return self.octets == self.count * self._length


class Consuming:
    """One connection with one consumer, whose deliveries all have the same length.

    Attributes:
        counter: What arrived.
        acks: False for a consumer without acknowledgements.
    """

    def __init__(self, client: Client, length: int, acks: bool = False, one_by_one: bool = False) -> None:
        """Count what the client has received behind its consume-ok.

        Args:
            client: The connection, already consuming.
            length: Octets of one delivery.
            acks: Acknowledge every ACK_EVERY deliveries, several at a time.
            one_by_one: An ack frame for each delivery, sent together.
        """
        self.client = client
        self.counter = LengthCounter(length)
        self.acks = acks
        self._one_by_one = one_by_one
        self._acked = 0
        self._is_checked = False
        if client.received:
            self._check(client.received, len(client.received))
            self.counter.add(len(client.received))
            client.received.clear()

    def receive(self) -> None:
        """Take what is there, waiting if there is nothing; acknowledge if it is time.

        Raises:
            BenchmarkError: The broker hung up or said something else than basic.deliver.
            BlockingIOError: Nothing arrived for SILENCE_SECONDS.
        """
        octets = self.client.socket.recv_into(BUFFER)
        if not octets:
            raise BenchmarkError(f"the broker closed a consumer's connection after {self.counter.count} deliveries")
        if not self._is_checked:
            self._check(BUFFER, octets)
        if self.counter.add(octets) - self._acked >= ACK_EVERY:
            self.settle()

    def settle(self) -> None:
        """Acknowledge everything delivered so far."""
        if self.acks and self._acked < self.counter.count:
            self.client.socket.sendall(
                acks(self._acked + 1, self.counter.count) if self._one_by_one else ack_until(self.counter.count)
            )
        self._acked = self.counter.count

    def _check(self, octets: bytearray, length: int) -> None:
        # Once is enough to catch a refusal instead of deliveries; later ones show as a length that does not come out.
        if length >= 11 and octets[7:11] != BASIC_DELIVER:
            raise BenchmarkError(f"not a delivery: {bytes(octets[:80])!r}")
        self._is_checked = True


def drain(flows: Sequence[Consuming], count: int) -> float:
    """Consume until all connections together have `count` deliveries, each settled.

    Returns:
        The monotonic time of the last delivery.

    Raises:
        BenchmarkError: The broker hung up, went silent, or said something that is no delivery.
    """
    try:
        if len(flows) == 1:
            while flows[0].counter.count < count:
                flows[0].receive()
        else:
            _drain_many(flows, count)
    except BlockingIOError:
        arrived = sum(flow.counter.count for flow in flows)
        raise BenchmarkError(f"nothing arrived for {SILENCE_SECONDS} s after {arrived} of {count} deliveries") from None
    ended = time.monotonic()
    for flow in flows:
        flow.settle()
        if not flow.counter.is_whole:
            raise BenchmarkError("octets arrived that are no delivery")
    return ended


def _drain_many(flows: Sequence[Consuming], count: int) -> None:
    arrived = sum(flow.counter.count for flow in flows)
    with selectors.DefaultSelector() as selector:
        for flow in flows:
            selector.register(flow.client.socket, selectors.EVENT_READ, flow)
        while arrived < count:
            ready = selector.select(SILENCE_SECONDS)
            if not ready:
                raise BlockingIOError
            for key, _ in ready:
                flow = key.data
                before = flow.counter.count
                flow.receive()
                arrived += flow.counter.count - before


def draining(flows: Sequence[Consuming], count: int) -> Callable[[], list[float]]:
    """The part of a consumer's role: drain, then report the time of the last delivery."""
    return lambda: [drain(flows, count)]
