"""A start from the index of a clean stop, beside a start that reads the log: the same queues, message for message."""

import logging
import random
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands

from broker.core.arguments import boolean, longstr
from broker.core.message import Message
from broker.queues.queue import Queue
from broker.queues.window import MemoryWindow
from broker.server.engine import Engine
from broker.settings.model import Settings
from broker.store.errors import StoreError
from broker.vhost.delay_line import DelayLine, delay_line_of
from tests.queues.scene import Peer, number, text
from tests.vhost.scene import content_header

ROWS = tuple[int, bytes, int, int]
NAMES = ("a", "b", "by-priority", "transient")


def opened(path: Path, window_bytes: int = 0) -> Engine:
    engine = Engine(Settings(data_dir=str(path)))
    if window_bytes:
        engine.turn.agenda.window = MemoryWindow(window_bytes, 1 << 30)
    return engine


def leave(engine: Engine) -> None:
    """End as a killed process does: nothing is closed in order."""
    engine.store.close_files()
    engine.store.directory.release()


def queues(engine: Engine) -> dict[str, Queue]:
    return {name.decode(): queue for name, queue in engine.turn.vhosts["/"].queues.items()}


def declare(engine: Engine) -> None:
    engine.turn.begin()
    vhost = engine.turn.vhosts["/"]
    for name in NAMES:
        arguments = {b"x-max-priority": number(3)} if name == "by-priority" else {}
        vhost.declare_queue(name.encode(), name != "transient", False, False, arguments, 0)
    engine.turn.finish()


class Life:
    """Random use of all queues through one connection."""

    def __init__(self, engine: Engine, chance: random.Random, first_body: int = 0) -> None:
        self.engine = engine
        self.chance = chance
        self.peer = Peer(engine)  # type: ignore[arg-type]  # it asks for the context only
        self.peer.open()
        self.out: list[int] = []
        self.bodies = first_body

    def step(self) -> None:
        name = self.chance.choice(NAMES)
        steps: list[Callable[[str], None]] = [self.publish, self.publish, self.get, self.get, self.ack, self.requeue]
        self.chance.choice(steps)(name)

    def publish(self, name: str) -> None:
        chance = self.chance
        bodies = [b"%d" % (self.bodies + each) for each in range(chance.choice([1, 5, 300]))]
        self.bodies += len(bodies)
        properties: dict[str, Any] = {"delivery_mode": chance.choice([1, 2, 2]), "priority": chance.randrange(4)}
        if chance.random() < 0.2:
            properties["expiration"] = "100000000"
        self.peer.publish(*bodies, queue=name, **properties)

    def get(self, name: str) -> None:
        for _ in range(self.chance.choice([1, 40])):
            found = self.peer.get(queue=name)
            if found is not None:
                self.out.append(found.tag)

    def ack(self, _: str) -> None:
        if self.out:
            tag = self.chance.choice(self.out)
            self.out = [each for each in self.out if each > tag]
            self.peer.ack(tag, multiple=True)

    def requeue(self, _: str) -> None:
        if self.out:
            tag = self.chance.choice(self.out)
            self.out.remove(tag)
            self.peer.nack(tag)

    def end(self) -> None:
        self.peer.say(0, commands.Connection.Close(200, "", 0, 0))


def drained(queue: Queue) -> tuple[list[ROWS], set[int]]:
    """What is ready, in order of delivery, and the positions that are marked as redelivered; both stay as they are."""
    taken = [queue.ready.take() for _ in range(int(queue.ready.count))]
    rows = [(int(each.position), each.message.body, int(each.message.priority), int(each.expires_ms)) for each in taken]
    queue.ready.put_back(taken)
    return rows, {int(each.position) for each in taken if each.redelivered}


def compare(by_index: Engine, by_log: Engine) -> None:
    one, other = queues(by_index), queues(by_log)
    assert one.keys() == other.keys() == set(NAMES) - {"transient"}
    for name in one:
        rows, marked = drained(one[name])
        expected, marked_by_log = drained(other[name])
        assert rows == expected
        assert (
            marked <= marked_by_log
        )  # the log marks all before a delivery, and a priority queue delivers out of order
        for count in ("ready_bytes", "next_position", "unacked_count"):
            assert getattr(one[name], count) == getattr(other[name], count)
        assert one[name].ready.count == len(rows)
        places = [
            engine.store.places.get(int(queue.log_id))
            for engine, queue in ((by_index, one[name]), (by_log, other[name]))
        ]
        assert len({(each.live, each.last) if each else (0, 0) for each in places}) == 1
    live = [[segment.live for segment in engine.store.log.segments] for engine in (by_index, by_log)]
    assert sum(live[0]) == sum(live[1])


@settings(max_examples=15)
@given(seed=st.integers(0, 1 << 30), steps=st.integers(1, 60), window_bytes=st.sampled_from([1, 30_000, 1 << 23]))
def test_a_start_from_the_index_is_a_start_from_the_log(seed: int, steps: int, window_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path, copy = Path(directory) / "data", Path(directory) / "copy"
        chance = random.Random(seed)
        engine = opened(path, window_bytes)
        declare(engine)
        bodies = 0
        for _ in range(3):
            life = Life(engine, chance, bodies)
            for _ in range(steps):
                life.step()
            life.end()
            bodies = life.bodies
            engine.close(0)
            assert (path / "stop-index").exists()
            shutil.copytree(path, copy, ignore=shutil.ignore_patterns("lock", "stop-index"))
            engine = opened(path)
            by_log = opened(copy)
            compare(engine, by_log)
            leave(by_log)
            shutil.rmtree(copy)
        leave(engine)
        assert not (path / "stop-index").exists()


def stopped_with_messages(path: Path) -> None:
    """A directory with 2,000 messages in a queue, 50 of which had been handed out, and an index."""
    engine = opened(path, 20_000)
    declare(engine)
    life = Life(engine, random.Random(1))
    for each in range(20):
        life.peer.publish(*[b"%d" % (each * 100 + one) for one in range(100)], queue="a", delivery_mode=2)
    for _ in range(50):
        life.peer.get(queue="a")
    life.end()
    engine.close(0)


def spool_file(path: Path) -> Path:
    return next((path / "spool").iterdir())


def flip(path: Path) -> None:
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda path: flip(path / "stop-index"), "it is damaged"),
        (lambda path: (path / "stop-index").write_bytes(b""), "it is damaged"),
        (lambda path: spool_file(path).unlink(), "missing or has another size"),
        (lambda path: spool_file(path).write_bytes(b""), "missing or has another size"),
        (lambda path: (path / "log" / "00000000000000ff.log").write_bytes(b""), "the segments of the log are others"),
    ],
    ids=["flipped", "empty", "no-spool-file", "empty-spool-file", "another-segment"],
)
def test_an_index_that_does_not_fit_is_passed_over_and_nothing_is_lost(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: Callable[[Path], object], said: str
) -> None:
    path = tmp_path / "data"
    stopped_with_messages(path)
    harm(path)
    with caplog.at_level(logging.WARNING):
        engine = opened(path)
    assert any(said in getattr(record, "reason", "") for record in caplog.records)
    rows, marked = drained(queues(engine)["a"])
    assert [body for _, body, _, _ in rows] == [b"%d" % each for each in range(2000)]
    assert marked == set(range(1, 51))
    assert engine.recovered["messages"] == 2000
    leave(engine)


def test_a_crash_after_a_start_from_the_index_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data"
    stopped_with_messages(path)
    engine = opened(path)
    assert engine.recovered["messages"] == 2000
    life = Life(engine, random.Random(2))
    life.peer.publish(b"after", queue="a", delivery_mode=2)
    for _ in range(700):
        found = life.peer.get(queue="a")
        assert found is not None
        life.peer.ack(found.tag)
    leave(engine)
    again = opened(path)
    rows, marked = drained(queues(again)["a"])
    assert [body for _, body, _, _ in rows] == [*(b"%d" % each for each in range(700, 2000)), b"after"]
    assert marked == set()
    leave(again)


def get_all(peer: Peer) -> None:
    for _ in range(2000):
        peer.get(queue="a")


def test_a_chunk_that_rotted_while_the_broker_was_down_is_noticed_and_the_next_start_reads_the_log(
    tmp_path: Path,
) -> None:
    path = tmp_path / "data"
    stopped_with_messages(path)
    for each in (path / "spool").iterdir():
        flip(each)
    engine = opened(path)
    life = Life(engine, random.Random(3))
    with pytest.raises(StoreError, match="not what was written"):
        get_all(life.peer)
    assert engine.turn.agenda.spool is not None
    assert engine.turn.agenda.spool.failure is not None
    leave(engine)
    again = opened(path)
    assert len(drained(queues(again)["a"])[0]) == 2000
    leave(again)


def test_a_small_log_is_read_and_has_no_index(tmp_path: Path) -> None:
    engine = opened(tmp_path / "data")
    declare(engine)
    engine.close()
    assert not (tmp_path / "data" / "stop-index").exists()


def test_quorum_queue_keeps_its_counts_and_its_priorities(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    engine.turn.begin()
    arguments = {b"x-queue-type": text("quorum")}
    engine.turn.vhosts["/"].declare_queue(b"q", True, False, False, arguments, 0)
    engine.turn.finish()
    peer = Peer(engine)  # type: ignore[arg-type]  # it asks for the context only
    peer.open()
    peer.publish(b"low", priority=1, delivery_mode=1)
    peer.publish(b"none")
    peer.publish(b"high", priority=9)
    for tag in (1, 2):
        assert peer.get() is not None
        peer.reject(tag)
    peer.connection.lost()
    engine.close(0)
    index = tmp_path / "stop-index"
    assert index.exists()
    engine = opened(tmp_path)
    assert not index.exists()
    peer = Peer(engine)  # type: ignore[arg-type]  # as above
    peer.open()
    found = [peer.get(no_ack=True) for _ in range(3)]
    assert [(each.body, each.counts) for each in found if each] == [(b"high", (2, 2)), (b"none", None), (b"low", None)]
    leave(engine)


def delayed(engine: Engine, delay_ms: int) -> DelayLine:
    """Ten messages that wait in a delayed exchange."""
    vhost = engine.turn.vhosts["/"]
    exchange = vhost.declare_exchange(
        b"later", b"x-delayed-message", True, False, False, {b"x-delayed-type": longstr(b"fanout")}
    )
    line = delay_line_of(exchange)
    assert line is not None
    engine.turn.begin()
    for _ in range(10):
        octets = content_header(0, headers={"x-delay": delay_ms})
        line.push(Message(b"\x05later\x00", octets, b"", True, engine.turn.agenda.now_ms, 0, -1))
    engine.turn.finish()
    return line


def line_of(engine: Engine) -> DelayLine:
    line = delay_line_of(engine.turn.vhosts["/"].exchanges[b"later"])
    assert line is not None
    return line


def test_while_delayed_messages_wait_there_is_no_index_and_the_log_has_them(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    delayed(engine, 1_000_000_000)
    engine.close(0)
    assert not (tmp_path / "stop-index").exists()
    engine = opened(tmp_path)
    assert line_of(engine).count == 10
    engine.close(0)


def test_delayed_messages_never_get_a_position_twice(tmp_path: Path) -> None:
    """The log still has the settlements of those that were released: they must not settle the new ones."""
    engine = opened(tmp_path)
    delayed(engine, 1)
    deadline = time.monotonic() + 10.0
    while line_of(engine).count > 0:  # due in a millisecond of the engine's own clock
        assert time.monotonic() < deadline
        engine.turn.begin()
        engine.turn.finish()
    engine.close(0)
    assert (tmp_path / "stop-index").exists()
    engine = opened(tmp_path)
    assert line_of(engine).next_position == 11
    delayed(engine, 1_000_000_000)
    leave(engine)
    engine = opened(tmp_path)
    assert line_of(engine).count == 10
    engine.close(0)


def test_queue_without_duplicates_is_read_so_that_it_knows_what_it_holds(tmp_path: Path) -> None:
    engine = opened(tmp_path)
    arguments = {b"x-message-deduplication": boolean(True)}
    queue = engine.turn.vhosts["/"].declare_queue(b"q", True, False, False, arguments, 0)
    message = Message(b"\0\x01q", content_header(0, headers={"x-deduplication-header": "a"}), b"", True, 0, 0, -1)
    queue.push(message)
    engine.turn.finish()
    engine.close(0)
    assert not (tmp_path / "stop-index").exists()
    engine = opened(tmp_path)
    queue = engine.turn.vhosts["/"].queues[b"q"]
    queue.push(message)
    assert queue.ready.count == 1
    engine.close(0)
