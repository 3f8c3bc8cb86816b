"""Publishers and consumers that run until the broker is gone, each on a thread of its own."""

import random
import struct
import threading

from tests.crash.ledger import Id, Ledger, Order
from tests.crash.peer import (
    ACK,
    CONSUME_OK,
    DELIVER,
    NACK,
    QOS_OK,
    SELECT_OK,
    GoneError,
    Peer,
    ack,
    consume,
    method,
    publish,
    qos,
)

WINDOW = 150  # publishes without an answer
BURST = 20


class Client(threading.Thread):
    """One connection's life. What goes wrong, but for the end of the broker, is put into the ledger."""

    def __init__(self, ledger: Ledger, port: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.ledger = ledger
        self.port = port
        self.chance = random.Random(seed)

    def run(self) -> None:
        try:
            peer = Peer(self.port)
            try:
                self.work(peer)
            finally:
                peer.close()
        except GoneError:
            return
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            self.ledger.fail(f"{type(self).__name__}: {type(error).__name__}: {error}")

    def work(self, peer: Peer) -> None:
        raise NotImplementedError


class Publisher(Client):
    """Publishes bursts to random queues, in confirm mode."""

    def __init__(self, ledger: Ledger, port: int, seed: int, number: int, queues: list[bytes]) -> None:
        super().__init__(ledger, port, seed)
        self.number = number
        self.queues = queues
        self.waiting: dict[int, Id] = {}

    def work(self, peer: Peer) -> None:
        peer.call(method(85, 10, b"\0"), SELECT_OK)
        sequence = 0
        while True:
            burst = b""
            for _ in range(self.chance.randint(1, BURST)):
                sequence += 1
                message = Id(self.number, self.ledger.incarnation, sequence, self.chance.choice(self.queues))
                self.waiting[sequence] = message
                self.ledger.sends(message)
                burst += publish(message.queue, message.body)
            peer.send(burst)
            while len(self.waiting) > WINDOW or peer.is_readable(0):
                self.answered(peer)

    def answered(self, peer: Peer) -> None:
        found = peer.read()
        tag, is_multiple = struct.unpack_from(">Q?", found.payload, 4)
        tags = [each for each in self.waiting if each <= tag] if is_multiple else [tag]
        messages = [self.waiting.pop(each) for each in tags]  # a KeyError is a number that was answered twice
        if found.method == ACK:
            self.ledger.confirms(messages)
        else:
            assert found.method == NACK, f"wanted an ack, got {found}"
            self.ledger.nacks(messages)


class Taker(Client):
    """Consumes from some queues on one channel; acks one by one or many at once, and keeps some for a while."""

    def __init__(self, ledger: Ledger, port: int, seed: int, prefetch: dict[bytes, int]) -> None:
        super().__init__(ledger, port, seed)
        self.prefetch = prefetch
        self.held: dict[int, Id] = {}
        self.barriers: list[list[Id]] = []

    def work(self, peer: Peer) -> None:
        order = Order()
        for queue, prefetch in self.prefetch.items():
            peer.send(qos(prefetch) + consume(queue, queue))
            self.barriers.append([])
        answers = len(self.prefetch)
        while True:
            found = peer.read()
            if found.method == QOS_OK:
                self.ledger.settles(self.barriers.pop(0))
            elif found.method == CONSUME_OK and answers:
                answers -= 1
            else:
                assert found.method == DELIVER, f"wanted a delivery, got {found}"
                size = found.payload[4]
                queue = found.payload[5 : 5 + size]
                tag, is_redelivered = struct.unpack_from(">Q?", found.payload, 5 + size)
                message = self.ledger.receives(peer.content(), queue, is_redelivered)
                order.next(message)
                self.held[tag] = message
                self.settle(peer)

    def settle(self, peer: Peer) -> None:
        """Ack some of what is held; an answer to something behind the acks tells that they have arrived."""
        if self.chance.random() > 0.3 and len(self.held) < min(self.prefetch.values()) - 1:
            return
        tags = sorted(self.held)
        if self.chance.random() < 0.5:
            tags = tags[: self.chance.randint(1, len(tags))]
            octets = ack(tags[-1], multiple=True)
        else:
            tags = self.chance.sample(tags, self.chance.randint(1, len(tags)))
            octets = b"".join(ack(tag) for tag in tags)
        messages = [self.held.pop(tag) for tag in tags]
        self.ledger.acks(messages)
        self.barriers.append(messages)
        peer.send(octets + qos(min(self.prefetch.values())))


def drain(ledger: Ledger, peer: Peer, queue: bytes, count: int) -> None:
    """Take the ``count`` messages that the queue says it has; it must then be empty."""
    order = Order()
    tag = b"drain-" + queue
    peer.call(consume_all(queue, tag), CONSUME_OK)
    for _ in range(count):
        payload = peer.expect(DELIVER)
        is_redelivered = payload[5 + payload[4] + 8] & 1 != 0
        order.next(ledger.receives(peer.content(), queue, is_redelivered))
    peer.call(method(60, 30, bytes([len(tag)]) + tag + b"\0"), (60, 31))
    assert peer.get(queue) is None


def consume_all(queue: bytes, tag: bytes) -> bytes:
    """basic.consume without acknowledgement."""
    names = bytes([len(queue)]) + queue + bytes([len(tag)]) + tag
    return method(60, 20, b"\0\0" + names + b"\x02" + b"\0\0\0\0")
