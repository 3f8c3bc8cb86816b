"""SIGKILL while durable exchanges, queues and bindings are declared, bound and deleted."""

import os
import random
import threading
import time
from pathlib import Path

import pytest

from tests.crash.daemon import Daemon
from tests.crash.peer import (
    ACK,
    EXCHANGE_DECLARE_OK,
    EXCHANGE_DELETE_OK,
    QUEUE_BIND_OK,
    QUEUE_DECLARE_OK,
    QUEUE_DELETE_OK,
    QUEUE_UNBIND_OK,
    SELECT_OK,
    GoneError,
    Peer,
    RefusedError,
    exchange_declare,
    exchange_delete,
    method,
    publish,
    queue_bind,
    queue_declare,
    queue_delete,
    queue_unbind,
)

CYCLES = int(os.environ.get("PONYMQ_CRASH_CYCLES", "30"))
SEED = int(os.environ.get("PONYMQ_CRASH_SEED", str(random.randrange(1 << 32))))
QUEUES = [b"q%d" % number for number in range(5)]
EXCHANGES = [b"x%d" % number for number in range(3)]
RETURNED = (60, 50)
TRANSIENT = b"\0\0"

Topology = frozenset[tuple[bytes, ...]]  # (queue,), (exchange,), (exchange, queue) for a binding


def without(topology: Topology, gone: bytes) -> Topology:
    """The topology after a queue or exchange was deleted, and its bindings with it."""
    return frozenset(each for each in topology if gone not in each)


class Builder(threading.Thread):
    """Changes the topology at random until the broker is gone.

    Attributes:
        sure: What the broker's answers say there is.
        maybe: What there is if the request under way took effect as well; the same as ``sure`` if there is none.
        answered: Requests that were answered.
    """

    def __init__(self, port: int, topology: Topology, seed: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.sure = topology
        self.maybe = topology
        self.chance = random.Random(seed)
        self.answered = 0
        self.failure = ""

    def run(self) -> None:
        try:
            peer = Peer(self.port)
            try:
                while True:
                    self.step(peer)
            finally:
                peer.close()
        except GoneError:
            return
        except BaseException as error:  # noqa: BLE001 - a thread's failure is the test's
            self.failure = f"{type(error).__name__}: {error}"

    def step(self, peer: Peer) -> None:
        queue = self.chance.choice(QUEUES)
        exchange = self.chance.choice(EXCHANGES)
        kind = self.chance.randrange(8)
        sure = self.sure
        if kind < 2:
            self.request(peer, queue_declare(queue), QUEUE_DECLARE_OK, sure | {(queue,)})
        elif kind == 2:
            self.request(peer, exchange_declare(exchange), EXCHANGE_DECLARE_OK, sure | {(exchange,)})
        elif kind == 3:
            self.request(peer, queue_delete(queue), QUEUE_DELETE_OK, without(sure, queue))
        elif kind == 4 and self.chance.random() < 0.5:
            self.request(peer, exchange_delete(exchange), EXCHANGE_DELETE_OK, without(sure, exchange))
        elif {(queue,), (exchange,)} <= sure:
            if kind == 5:
                unbind = queue_unbind(queue, exchange, queue)
                self.request(peer, unbind, QUEUE_UNBIND_OK, sure - {(exchange, queue)})
            else:
                self.request(peer, queue_bind(queue, exchange, queue), QUEUE_BIND_OK, sure | {(exchange, queue)})

    def request(self, peer: Peer, octets: bytes, answer: tuple[int, int], result: Topology) -> None:
        self.maybe = result
        peer.call(octets, answer)
        self.sure = result
        self.answered += 1


def exists(port: int, octets: bytes, answer: tuple[int, int]) -> bool:
    """Whether a passive declare is answered ok."""
    peer = Peer(port)
    try:
        peer.call(octets, answer)
    except RefusedError as refusal:
        if not str(refusal).startswith("NOT_FOUND"):
            raise
        return False
    finally:
        peer.close()
    return True


def look(port: int) -> Topology:
    """The topology as a client finds it."""
    found: set[tuple[bytes, ...]] = set()
    for queue in QUEUES:
        if exists(port, queue_declare(queue, is_passive=True), QUEUE_DECLARE_OK):
            found.add((queue,))
    peer = Peer(port)
    peer.call(method(85, 10, b"\0"), SELECT_OK)
    for exchange in EXCHANGES:
        if exists(port, exchange_declare(exchange, is_passive=True), EXCHANGE_DECLARE_OK):
            found.add((exchange,))
            found |= {(exchange, queue) for queue in QUEUES if leads_to(peer, exchange, queue)}
    peer.close()
    return frozenset(found)


def leads_to(peer: Peer, exchange: bytes, queue: bytes) -> bool:
    """Whether a mandatory transient message with the queue's key is not returned."""
    octets = publish(queue, b"", exchange=exchange, properties=TRANSIENT)
    at = len(method(60, 40, b"\0\0" + bytes([len(exchange)]) + exchange + bytes([len(queue)]) + queue)) - 1
    peer.send(octets[:at] + b"\x01" + octets[at + 1 :])
    found = peer.read()
    is_bound = found.method != RETURNED
    if not is_bound:
        assert peer.content() == b""
        found = peer.read()
    assert found.method == ACK
    return is_bound


@pytest.mark.timeout(60 + 6 * CYCLES)
def test_what_was_answered_survives_and_what_was_deleted_stays_deleted(tmp_path: Path) -> None:
    print(f"PONYMQ_CRASH_SEED={SEED} PONYMQ_CRASH_CYCLES={CYCLES}")  # noqa: T201 - shown when the test fails
    chance = random.Random(SEED)
    daemon = Daemon(tmp_path / "broker")
    topology: Topology = frozenset()
    answered = 0
    try:
        daemon.start()
        for _ in range(CYCLES):
            builder = Builder(daemon.port, topology, chance.randrange(1 << 32))
            builder.start()
            time.sleep(chance.uniform(0.005, 0.15))  # the moment of the crash is the random part of this test
            daemon.kill()
            builder.join(30.0)
            assert not builder.is_alive(), "the client hangs on a broker that is gone"
            assert not builder.failure, builder.failure
            answered += builder.answered
            daemon.start()
            topology = look(daemon.port)
            assert topology in (builder.sure, builder.maybe), (
                f"missing {sorted(builder.sure - topology)}, beyond it {sorted(topology - builder.sure)}; "
                f"under way was {sorted(builder.maybe ^ builder.sure)}"
            )
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    print(f"{answered} changes answered over {CYCLES} kills")  # noqa: T201 - for who measures, with -s
    assert answered > CYCLES, "the broker was never given anything to lose"
    complaints = [line for line in daemon.text.splitlines() if " error " in line or " fatal " in line]
    assert complaints == []
