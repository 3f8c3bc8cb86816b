"""SIGKILL while streams are written and read, again and again on one data directory.

``PONYMQ_CRASH_CYCLES`` and ``PONYMQ_CRASH_SEED`` as in ``test_kill``.
"""

import os
import random
import shutil
import struct
import time
from pathlib import Path

import pytest

from tests.crash.clients import Client, Publisher
from tests.crash.daemon import Daemon
from tests.crash.ledger import Ledger, Order, id_of
from tests.crash.peer import (
    CONSUME_OK,
    CONTENT_HEADER,
    DELIVER,
    QOS_OK,
    QUEUE_DECLARE_OK,
    Peer,
    ack,
    long,
    method,
    qos,
    short,
)

CYCLES = int(os.environ.get("PONYMQ_CRASH_CYCLES", "4"))
SEED = int(os.environ.get("PONYMQ_CRASH_SEED", str(random.randrange(1 << 32))))
STREAMS = [b"one", b"two"]
PREFETCH = 500
OFFSET_PLACE = 14 + 4 + 1 + len(b"x-stream-offset") + 1  # in the content header of a persistent message without headers


def declare(name: bytes) -> bytes:
    return method(50, 10, b"\0\0" + short(name) + b"\x02" + long(short(b"x-queue-type") + b"S" + long(b"stream")))


def read_from(name: bytes, first: int) -> bytes:
    arguments = short(b"x-stream-offset") + b"l" + struct.pack(">q", first)
    return method(60, 20, b"\0\0" + short(name) + short(b"reader") + b"\0" + long(arguments))


class Reader(Client):
    """Reads one stream from its beginning, or where it was told."""

    def __init__(self, ledger: Ledger, port: int, name: bytes, seen: dict[int, bytes], end: int = -1) -> None:
        """``seen`` has the body of every offset that anybody saw; reading ends before ``end`` unless that is -1."""
        super().__init__(ledger, port, 0)
        self.stream = name
        self.seen = seen
        self.end = end

    def work(self, peer: Peer) -> None:
        peer.call(qos(PREFETCH), QOS_OK)
        peer.call(read_from(self.stream, 0), CONSUME_OK)
        order = Order()
        expected = 0
        while expected != self.end:
            payload = peer.expect(DELIVER)
            (tag,) = struct.unpack_from(">Q", payload, 5 + payload[4])
            head = peer.read()
            assert head.kind == CONTENT_HEADER
            (offset,) = struct.unpack_from(">q", head.payload, OFFSET_PLACE)
            (size,) = struct.unpack_from(">Q", head.payload, 4)
            body = b""
            while len(body) < size:
                body += peer.read().payload
            assert offset == expected, f"offset {offset} came where {expected} was due"
            assert self.seen.setdefault(offset, body) == body, f"offset {offset} belongs to another message now"
            message = id_of(body)
            assert message in self.ledger.sent
            assert (body, self.stream) == (message.body, message.queue)
            order.next(message)
            expected += 1
            peer.send(ack(tag))


@pytest.mark.timeout(60 + 6 * CYCLES)
def test_nothing_confirmed_is_lost_and_no_offset_changes_its_message(tmp_path: Path) -> None:
    print(f"PONYMQ_CRASH_SEED={SEED} PONYMQ_CRASH_CYCLES={CYCLES}")  # noqa: T201 - shown when the test fails
    chance = random.Random(SEED)
    daemon = Daemon(tmp_path / "broker", "store.segment_bytes=65536", "store.log_bytes=262144")
    ledger = Ledger({})
    seen: dict[bytes, dict[int, bytes]] = {name: {} for name in STREAMS}
    try:
        for _ in range(CYCLES):
            daemon.start()
            ledger.begin()
            peer = Peer(daemon.port)
            for name in STREAMS:
                peer.call(declare(name), QUEUE_DECLARE_OK)
            clients: list[Client] = [
                Publisher(ledger, daemon.port, chance.randrange(1 << 32), number, STREAMS) for number in range(2)
            ]
            clients += [Reader(ledger, daemon.port, name, seen[name]) for name in STREAMS]
            for client in clients:
                client.start()
            time.sleep(chance.uniform(0.005, 0.5))  # the moment of the crash is the random part of this test
            daemon.kill()
            peer.close()
            for client in clients:
                client.join(30.0)
                assert not client.is_alive(), "a client hangs on a broker that is gone"
            assert not ledger.failures, "\n".join(ledger.failures)
        daemon.start()
        peer = Peer(daemon.port)
        for name in STREAMS:
            payload = peer.call(declare(name), QUEUE_DECLARE_OK)
            (count,) = struct.unpack_from(">I", payload, 5 + payload[4])
            last = Reader(ledger, daemon.port, name, seen[name], int(count))
            last.run()
        peer.close()
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    assert not ledger.failures, "\n".join(ledger.failures)
    kept = {id_of(body) for bodies in seen.values() for body in bodies.values()}
    lost = ledger.confirmed - kept
    assert not lost, f"{len(lost)} confirmed messages are lost, such as {sorted(lost)[:3]}"
    assert not ledger.nacked
    assert len(ledger.confirmed) > CYCLES, "the broker was never given anything to lose"
    assert sum(len(bodies) for bodies in seen.values()) == len(kept), "a message is in a stream twice"
    complaints = [
        line for line in daemon.text.splitlines() if " error " in line or " fatal " in line or "Traceback" in line
    ]
    assert complaints == []
    shutil.rmtree(daemon.data_dir)  # a failed run keeps it, to be looked at
