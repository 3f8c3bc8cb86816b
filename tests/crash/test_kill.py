"""SIGKILL under load, again and again on one data directory.

``PONYMQ_CRASH_CYCLES`` says how often, ``PONYMQ_CRASH_SEED`` repeats a run's random choices; the moments at which the
threads of both sides get their turns do not repeat.
"""

import os
import random
import shutil
import struct
import time
from pathlib import Path

import pytest

from tests.crash.clients import Client, Publisher, Taker, drain
from tests.crash.daemon import Daemon
from tests.crash.ledger import Ledger
from tests.crash.peer import QUEUE_DECLARE_OK, Peer, queue_declare

CYCLES = int(os.environ.get("PONYMQ_CRASH_CYCLES", "10"))
SEED = int(os.environ.get("PONYMQ_CRASH_SEED", str(random.randrange(1 << 32))))
PREFETCH = 20
QUEUES = [b"alone", b"shared", b"second", b"unread"]
# One consumer has a queue to itself, two share one, one of these has a further queue; the last queue is never consumed
# before the drain, so nothing in it may be marked as redelivered.
CONSUMED = [{b"alone": PREFETCH}, {b"shared": PREFETCH}, {b"shared": PREFETCH, b"second": PREFETCH}]


def ready(peer: Peer, queue: bytes) -> int:
    """How many messages the queue says it has; it is declared if it is not there."""
    payload = peer.call(queue_declare(queue), QUEUE_DECLARE_OK)
    (count,) = struct.unpack_from(">I", payload, 5 + payload[4])
    return int(count)


def cycle(daemon: Daemon, ledger: Ledger, chance: random.Random) -> float:
    """One incarnation; returns the seconds until it answered."""
    answered_s = daemon.start()
    ledger.begin()
    peer = Peer(daemon.port)
    for queue in QUEUES:
        ledger.counted(queue, ready(peer, queue))
    clients: list[Client] = [
        Publisher(ledger, daemon.port, chance.randrange(1 << 32), number, QUEUES) for number in range(3)
    ]
    clients += [Taker(ledger, daemon.port, chance.randrange(1 << 32), queues) for queues in CONSUMED]
    for client in clients:
        client.start()
    time.sleep(chance.uniform(0.005, 0.5))  # the moment of the crash is the random part of this test
    daemon.kill()
    peer.close()
    for client in clients:
        client.join(30.0)
        assert not client.is_alive(), "a client hangs on a broker that is gone"
    assert not ledger.failures, "\n".join(ledger.failures)
    return answered_s


@pytest.mark.timeout(60 + 6 * CYCLES)
def test_nothing_confirmed_is_lost_and_nothing_settled_returns(tmp_path: Path) -> None:
    print(f"PONYMQ_CRASH_SEED={SEED} PONYMQ_CRASH_CYCLES={CYCLES}")  # noqa: T201 - shown when the test fails
    chance = random.Random(SEED)
    # Small segments: rollover, retirement and the queues' own files are part of it.
    daemon = Daemon(tmp_path / "broker", "store.segment_bytes=65536", "store.log_bytes=262144")
    prefetch = {queue: sum(each.get(queue, 0) for each in CONSUMED) for queue in QUEUES}
    ledger = Ledger(prefetch)
    answered_s = []
    try:
        for _ in range(CYCLES):
            answered_s.append(cycle(daemon, ledger, chance))
        answered_s.append(daemon.start())
        ledger.begin()
        peer = Peer(daemon.port)
        for queue in QUEUES:
            count = ready(peer, queue)
            ledger.counted(queue, count)
            drain(ledger, peer, queue, count)
        peer.close()
        assert daemon.stop() == 0
    finally:
        daemon.kill()
    ledger.finish()
    print(f"{ledger}; slowest start {max(answered_s):.2f} s")  # noqa: T201 - for who measures, with -s
    assert len(ledger.confirmed) > CYCLES, "the broker was never given anything to lose"
    assert ledger.settled
    complaints = [
        line for line in daemon.text.splitlines() if " error " in line or " fatal " in line or "Traceback" in line
    ]
    assert complaints == []
    shutil.rmtree(daemon.data_dir)  # a failed run keeps it, to be looked at
