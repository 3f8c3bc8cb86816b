"""What was sent, confirmed, delivered and acked, written down outside the broker; and what must hold of it.

One incarnation is one process of the broker, from its start to its SIGKILL. A confirm or a delivery that did not arrive
is unknown, which is neither success nor failure.
"""

import re
import threading
from collections import defaultdict
from typing import NamedTuple

BODY = re.compile(rb"(\d+)\.(\d+)\.(\d+)\.([^.]+)\.")
FILLER = bytes(range(256)) * 16


class Id(NamedTuple):
    """One message: who sent it, in which incarnation of the broker, as which of its publishes, to which queue."""

    publisher: int
    incarnation: int
    sequence: int
    queue: bytes

    @property
    def body(self) -> bytes:
        """The one body that this message may have."""
        head = b"%d.%d.%d.%b." % (self.publisher, self.incarnation, self.sequence, self.queue)
        return head + FILLER[: (self.sequence * 37 + self.publisher) % 1500]


def id_of(body: bytes) -> Id:
    found = BODY.match(body)
    assert found is not None, f"a body that nobody sent: {body[:60]!r}"
    return Id(int(found[1]), int(found[2]), int(found[3]), found[4])


class Ledger:
    """Shared by all clients of a run. Each method is one observation, checked as far as it can be at once."""

    def __init__(self, prefetch: dict[bytes, int]) -> None:
        """Observe queues whose consumers may hold ``prefetch`` deliveries in all."""
        self.prefetch = prefetch
        self.lock = threading.Lock()
        self.incarnation = 0
        self.sent: set[Id] = set()
        self.confirmed: set[Id] = set()
        self.nacked: set[Id] = set()
        self.seen: dict[Id, int] = {}  # the incarnation of the last delivery
        self.acked: set[Id] = set()  # an ack was sent; whether it arrived is unknown
        self.settled: set[Id] = set()  # the ack has arrived: something sent behind it was answered
        self.redelivered_unseen: dict[bytes, int] = defaultdict(int)
        self.deliveries = 0
        self.duplicates = 0
        self.failures: list[str] = []

    def begin(self) -> None:
        """The broker has been started."""
        self.incarnation += 1

    def fail(self, text: str) -> None:
        with self.lock:
            self.failures.append(text)

    def sends(self, message: Id) -> None:
        with self.lock:
            self.sent.add(message)

    def confirms(self, messages: list[Id]) -> None:
        with self.lock:
            self.confirmed.update(messages)

    def nacks(self, messages: list[Id]) -> None:
        with self.lock:
            self.nacked.update(messages)

    def acks(self, messages: list[Id]) -> None:
        with self.lock:
            self.acked.update(messages)

    def settles(self, messages: list[Id]) -> None:
        with self.lock:
            self.settled.update(messages)

    def receives(self, body: bytes, queue: bytes, is_redelivered: bool) -> Id:
        """A delivery came out of ``queue``."""
        message = id_of(body)
        with self.lock:
            self.deliveries += 1
            # I2: what was sent, as it was sent, where it was sent
            assert message in self.sent, f"{message} was never sent"
            assert body == message.body, f"{message} has another body"
            assert message.queue == queue, f"{message} came out of {queue!r}"
            # I3: never again after an ack that took effect, nor twice without a crash
            assert message not in self.settled, f"{message} was delivered after its ack"
            before = self.seen.get(message, 0)
            assert before < self.incarnation, f"{message} was delivered twice without a crash"
            if before:
                self.duplicates += 1
                assert is_redelivered, f"{message} was delivered in incarnation {before} and is not marked"
            elif is_redelivered:
                # The broker had sent it and the client was not to read it any more.
                assert message.incarnation < self.incarnation, f"{message} is marked and was never delivered"
                self.redelivered_unseen[queue] += 1
                most = self.prefetch[queue] * (self.incarnation - 1)
                assert self.redelivered_unseen[queue] <= most, f"{queue!r} marks more than was out: {message}"
            self.seen[message] = self.incarnation
        return message

    def counted(self, queue: bytes, ready: int) -> None:
        """I5: after a start and before any traffic, ``queue`` said that it has so many messages."""
        least = sum(1 for each in self.confirmed - self.acked if each.queue == queue)
        most = sum(1 for each in self.sent - self.settled if each.queue == queue)
        assert least <= ready <= most, f"{queue!r} has {ready} messages, not {least} to {most}"

    def finish(self) -> None:
        """I1, when everything has been drained: what was confirmed has been seen."""
        lost = self.confirmed - set(self.seen)
        assert not lost, f"{len(lost)} confirmed messages are lost, such as {sorted(lost)[:3]}"
        assert not self.nacked, f"{len(self.nacked)} publishes were nacked"

    def __str__(self) -> str:
        unknown = len(self.sent) - len(self.confirmed) - len(self.nacked)
        return (
            f"{self.incarnation} incarnations, {len(self.sent)} sent, {len(self.confirmed)} confirmed, "
            f"{unknown} unknown, {self.deliveries} deliveries, {self.duplicates} duplicates, "
            f"{len(self.settled)} settled, {sum(self.redelivered_unseen.values())} marked unseen"
        )


class Order:
    """I4 for one consumer in one incarnation: each channel's messages come out of each queue in publish order."""

    def __init__(self) -> None:
        self.last: dict[tuple[int, int, bytes], int] = {}

    def next(self, message: Id) -> None:
        line = (message.publisher, message.incarnation, message.queue)
        last = self.last.get(line, -1)
        assert message.sequence > last, f"{message} came after {last}"
        self.last[line] = message.sequence
