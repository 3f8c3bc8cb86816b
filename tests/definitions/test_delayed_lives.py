"""Delayed messages through several lives of a broker, against a list of what was published and when it is due."""

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.arguments import longstr
from broker.queues.window import MESSAGE_OVERHEAD, MemoryWindow
from broker.store.limits import StoreLimits
from broker.vhost.delay_line import DelayLine, delay_line_of
from broker.vhost.topology import TopologyJournal
from tests.definitions.node import Node
from tests.store.scene import SMALL, QuickFiles
from tests.vhost.scene import bodies

Waiting = list[tuple[int, int, bool]]  # due, number of the publish, survives a restart


def line_of(node: Node, name: bytes = b"x") -> DelayLine:
    line = delay_line_of(node.vhost.exchange(name))
    assert line is not None
    return line


def declare(node: Node) -> None:
    node.exchange(b"x", b"x-delayed-message", {b"x-delayed-type": longstr(b"fanout")})
    node.vhost.bind(node.vhost.exchange(b"x"), node.queue(), b"", {})
    node.finish()


def publish(node: Node, number: int, delay: int, mode: int = 2) -> None:
    node.publish("x", "", b"%d" % number, headers={"x-delay": delay}, delivery_mode=mode)


class Life(Node):
    """A node with a small window and a small log, so that delayed messages are spooled and their segments retired."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            path,
            QuickFiles(),
            limits=StoreLimits(*SMALL),
            window=MemoryWindow(5 * (MESSAGE_OVERHEAD + 100), 1 << 30),
        )

    def retire(self) -> None:
        """What the housekeeping does when the log is long."""
        self.finish()
        self.sync()
        if self.store.is_retire_due:
            job = self.store.begin_retire()
            job.run()
            self.store.finish_retire(job)


class History:
    """Random publishes and the passing of time, and what should have become of them."""

    def __init__(self, node: Life, chance: random.Random) -> None:
        self.node = node
        self.chance = chance
        self.waiting: Waiting = []
        self.routed: list[bytes] = []
        self.sent = 0

    def step(self) -> None:
        chance = self.chance
        change = chance.choice([self.publish, self.publish, self.publish, self.pass_time, self.node.retire])
        change()

    def publish(self) -> None:
        chance = self.chance
        reach = chance.choice([10, 1000, 100_000, 2**32 - 1])
        for _ in range(chance.randint(1, 12)):
            self.sent += 1
            delay, mode = chance.randint(1, reach), chance.choice([1, 2, 2])
            publish(self.node, self.sent, delay, mode)
            self.waiting.append((self.node.clock.wall_ms + delay, self.sent, mode == 2))
        self.node.finish()

    def pass_time(self) -> None:
        self.release(self.chance.choice([1, 50, 5000, 1_000_000, 10**9]))

    def release(self, milliseconds: int) -> None:
        self.node.finish()
        self.node.clock.wall_ms += milliseconds
        now = self.node.clock.wall_ms
        for _ in range(200):
            self.node.turn.begin()
            self.node.turn.finish()
            if not 0 <= self.node.agenda.next_wake_ms <= now:
                break
        self.waiting.sort()
        due = [each for each in self.waiting if each[0] <= now]
        self.waiting = self.waiting[len(due) :]
        self.node.turn.begin()
        assert bodies(self.node.vhost.queues[b"q"]) == [b"%d" % number for _, number, _ in due]
        assert line_of(self.node).count == len(self.waiting)

    def next_life(self, node: Life) -> None:
        node.clock.wall_ms = self.node.clock.wall_ms
        node.turn.begin()
        self.node = node
        self.waiting = [each for each in self.waiting if each[2]]
        assert line_of(node).count == len(self.waiting)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 25), end=st.sampled_from(["stop", "kill", "compact"]))
def test_every_delayed_message_is_routed_once_in_its_time_whatever_happens(seed: int, steps: int, end: str) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="delays-") as directory:
        life = Life(Path(directory) / "data")
        declare(life)
        history = History(life, chance)
        for number in range(3):
            for _ in range(steps):
                history.step()
            if end == "compact":
                history.node.compact()
            if end == "kill":
                history.next_life(history.node.crashed(Path(directory) / f"copy{number}"))
            else:
                history.next_life(history.node.restarted())
        history.release(2**33)
        assert history.waiting == []
        history.node.stop()


def test_message_that_was_due_while_the_broker_was_down_is_routed_at_the_start(tmp_path: Path) -> None:
    node = Node(tmp_path / "data")
    declare(node)
    publish(node, 1, 1000)
    publish(node, 2, 500)
    publish(node, 3, 60_000)
    node.stop()
    late = Node(tmp_path / "data", now_ms=node.clock.wall_ms + 5000)
    assert bodies(late.vhost.queues[b"q"]) == [b"2", b"1"]
    assert line_of(late).count == 1
    late.stop()


def test_moving_to_the_queue_is_whole_or_not_at_all(tmp_path: Path) -> None:
    """The settlement in the line and the append in the queue are one batch: a kill between them cannot be."""
    node = Node(tmp_path / "data")
    declare(node)
    publish(node, 1, 1000)
    node.finish()
    node.advance(1)
    after = node.crashed(tmp_path / "copy")
    assert line_of(after).count == 0
    assert bodies(after.vhost.queues[b"q"]) == [b"1"]
    after.stop()


def test_exchange_deleted_and_declared_again_has_none_of_the_old_messages(tmp_path: Path) -> None:
    node = Node(tmp_path / "data")
    declare(node)
    publish(node, 1, 1000)
    node.finish()
    node.vhost.delete_exchange(b"x", False)
    declare(node)
    publish(node, 2, 1000)
    node = node.crashed(tmp_path / "copy")
    assert line_of(node).count == 1
    node.advance(2)
    assert bodies(node.vhost.queues[b"q"]) == [b"2"]
    node.stop()


def test_messages_are_forgotten_if_a_crash_came_between_the_end_of_their_exchange_and_theirs(tmp_path: Path) -> None:
    node = Node(tmp_path / "data")
    declare(node)
    log_id = int(line_of(node).log_id)
    publish(node, 1, 1000)
    node.finish()
    node.vhost.journal.exchange_deleted(node.vhost.exchange(b"x"))
    node = node.crashed(tmp_path / "copy")
    assert b"x" not in node.vhost.exchanges
    assert log_id not in node.store.places
    node.stop()


def test_waiting_messages_survive_the_end_of_their_log_segments(tmp_path: Path) -> None:
    """Retirement moves what is wanted to a queue segment of the line, which a start reads like any queue's."""
    life = Life(tmp_path / "data")
    declare(life)
    for number in range(1, 61):
        publish(life, number, 1000 * number)
        life.retire()
    log_id = int(line_of(life).log_id)
    assert any(share.path for share in life.store.places[log_id].shares)
    life = life.crashed(tmp_path / "copy")
    assert line_of(life).count == 60
    life.advance(20)
    life.retire()
    life = life.crashed(tmp_path / "copy again")
    assert line_of(life).count == 40
    queue = life.vhost.queues[b"q"]
    assert bodies(queue) == [b"%d" % number for number in range(1, 21)]
    life.stop()


def test_exchange_declared_again_after_the_record_of_its_end_was_lost_has_its_own_messages(tmp_path: Path) -> None:
    node = Node(tmp_path / "data")
    declare(node)
    publish(node, 1, 1000)
    node.finish()
    journal, node.vhost.journal = node.vhost.journal, TopologyJournal()
    node.vhost.delete_exchange(b"x", False)
    node.vhost.journal = journal
    declare(node)
    publish(node, 2, 1000)
    publish(node, 3, 1000)
    node = node.crashed(tmp_path / "copy")
    assert line_of(node).count == 2
    node.advance(2)
    assert bodies(node.vhost.queues[b"q"]) == [b"2", b"3"]
    node.stop()
