"""What a quorum queue keeps through a stop and through a kill: messages, counts, and dead letters on their way."""

import shutil
from pathlib import Path

import pytest

from broker.core.arguments import Table, long, longstr
from broker.queues.queue import Queue
from tests.definitions.node import Node
from tests.vhost.scene import bodies, take, take_all
from tests.vhost.test_dead_letters import deaths

QUORUM: Table = {b"x-queue-type": longstr(b"quorum")}
AT_LEAST_ONCE: Table = QUORUM | {
    b"x-overflow": longstr(b"reject-publish"),
    b"x-dead-letter-strategy": longstr(b"at-least-once"),
    b"x-dead-letter-exchange": longstr(b""),
    b"x-dead-letter-routing-key": longstr(b"dead"),
}


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "data")


def again(node: Node, end: str, path: Path) -> Node:
    return node.restarted() if end == "stop" else node.crashed(path / f"copy-{node.store.written}")


def q(node: Node, name: bytes = b"q") -> Queue:
    return node.vhost.queues[name]


def fail(node: Node, times: int, *, is_failure: bool = True) -> None:
    """Take the first message and give it back, so often; one turn each."""
    for _ in range(times):
        q(node).put_back([take(q(node))], is_failure)
        node.finish()


def counts(node: Node) -> tuple[int, int]:
    queued = take(q(node))
    return int(queued.acquired_count), int(queued.delivery_count)


END = pytest.mark.parametrize("end", ["stop", "kill"])


@END
def test_transient_messages_of_a_quorum_queue_survive(node: Node, tmp_path: Path, end: str) -> None:
    node.queue(arguments=QUORUM)
    node.queue(b"classic")
    for body in (b"1", b"2"):
        node.publish("", "q", body, delivery_mode=1)
        node.publish("", "classic", body, delivery_mode=1)
    node.finish()
    node = again(node, end, tmp_path)
    found = take_all(q(node))
    assert [each.message.body for each in found] == [b"1", b"2"]
    assert not any(each.message.is_persistent or each.redelivered for each in found)
    assert q(node, b"classic").ready.count == 0
    node.stop()


@END
def test_counts_survive(node: Node, tmp_path: Path, end: str) -> None:
    node.queue(arguments=QUORUM)
    node.publish("", "q", b"m")
    node.finish()
    fail(node, 3)
    fail(node, 2, is_failure=False)
    node = again(node, end, tmp_path)
    assert counts(node) == (5, 3)
    node.stop()


def test_counts_of_a_return_in_the_turn_of_the_publish_survive(node: Node, tmp_path: Path) -> None:
    node.queue(arguments=QUORUM)
    node.publish("", "q", b"m")
    q(node).put_back([take(q(node))], True)
    node = again(node, "kill", tmp_path)
    assert counts(node) == (1, 1)
    node.stop()


def test_limit_is_reached_across_lives(node: Node, tmp_path: Path) -> None:
    node.queue(arguments=QUORUM | {b"x-delivery-limit": long(3)})
    node.publish("", "q", b"m")
    for life in range(3):
        node = again(node, "kill" if life % 2 else "stop", tmp_path)
        fail(node, 1)
    assert q(node).ready.count == 1
    fail(node, 1)
    assert q(node).ready.count == 0
    node = again(node, "kill", tmp_path)
    assert q(node).ready.count == 0
    node.stop()


def test_message_that_was_out_at_a_kill_is_redelivered_and_has_not_failed(node: Node, tmp_path: Path) -> None:
    node.queue(arguments=QUORUM)
    node.publish("", "q", b"m")
    node.finish()
    take(q(node))
    node = again(node, "kill", tmp_path)
    queued = take(q(node))
    assert (queued.redelivered, int(queued.acquired_count), int(queued.delivery_count)) == (True, 1, 0)
    node.stop()


def test_counts_move_with_their_messages_out_of_the_log(node: Node, tmp_path: Path) -> None:
    node.queue(arguments=QUORUM)
    node.publish("", "q", b"m")
    node.finish()
    fail(node, 4)
    for is_failing in (True, False, True, False):
        # A restart writes the tail anew, so that each life has a segment of its own to give up.
        node = again(node, "stop", tmp_path)
        segments = [each for each in node.store.log.segments if each.is_synced]
        job = node.store.begin_retire()
        job.is_moving = True
        for segment in segments:
            if segment not in job.removed:
                job.removed.append(segment)
        job.run()
        assert len(job.kept) == 1
        assert node.store.finish_retire(job) == []
        if is_failing:
            fail(node, 1)
    node = again(node, "stop", tmp_path)
    assert counts(node) == (6, 6)
    node.stop()


def test_classic_queue_with_a_limit_keeps_its_counts_too(node: Node, tmp_path: Path) -> None:
    node.queue(arguments={b"x-delivery-limit": long(5)})
    node.publish("", "q", b"m")
    node.finish()
    fail(node, 2)
    node = again(node, "kill", tmp_path)
    assert counts(node) == (2, 2)
    node.stop()


# --- dead letters at least once


def test_kill_at_any_octet_of_a_death_leaves_the_message_in_exactly_one_queue(node: Node, tmp_path: Path) -> None:
    node.queue(arguments=AT_LEAST_ONCE)
    node.queue(b"dead")
    node.publish("", "q", b"m")
    node.finish()
    log = Path(node.store.log.active.path)
    before = int(node.store.log.active.size)
    q(node).reject(take(q(node)))
    node.finish()
    after = int(node.store.log.active.size)
    assert after > before
    node.store.close_files()
    node.store.directory.release()
    where = set()
    for cut in range(before, after + 1):
        copy = tmp_path / f"cut-{cut}"
        shutil.copytree(node.path, copy)
        (copy / "lock").unlink(missing_ok=True)
        torn = copy / log.relative_to(node.path)
        torn.write_bytes(torn.read_bytes()[:cut])
        survivor = Node(copy)
        found = {name: bodies(queue) for name, queue in survivor.vhost.queues.items()}
        survivor.stop()
        shutil.rmtree(copy)
        assert sorted(found.values()) == [[], [b"m"]]
        where.add((cut == after, b"dead" if found[b"dead"] else b"q"))
    assert where == {(False, b"q"), (True, b"dead")}


def test_dead_letter_that_waits_survives_a_kill(node: Node, tmp_path: Path) -> None:
    node.queue(arguments=AT_LEAST_ONCE | {b"x-delivery-limit": long(0)})
    node.publish("", "q", b"m")
    node.finish()
    fail(node, 1)
    assert (q(node).ready.count, len(q(node).dead or ())) == (0, 1)
    node = again(node, "kill", tmp_path)
    assert (q(node).ready.count, len(q(node).dead or ())) == (0, 1)
    node.queue(b"dead")
    node.advance(1)
    assert bodies(q(node, b"dead")) == [b"m"]
    node = again(node, "kill", tmp_path)
    assert q(node).ready.count == 0
    assert q(node).dead == {}
    node.stop()


@END
def test_history_of_a_dead_letter_survives(node: Node, tmp_path: Path, end: str) -> None:
    node.queue(arguments={b"x-dead-letter-exchange": longstr(b""), b"x-dead-letter-routing-key": longstr(b"q")})
    node.publish("", "q", b"m")
    node.finish()
    for _ in range(2):
        q(node).reject(take(q(node)))
        node.finish()
        node = again(node, end, tmp_path)
    ((_, _, count),) = deaths(take(q(node)).message)
    assert count == 2
    node.stop()
