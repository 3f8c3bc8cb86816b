"""Policies, limits and the default queue type across restarts."""

import logging
from pathlib import Path

import pytest

from broker.core.arguments import long, longstr
from broker.definitions.access_journal import access_records
from broker.definitions.journal import topology_records
from broker.definitions.records import PolicyRecord, VHostLimitsRecord, encode_record, pack_table
from broker.policy.limits import Limits
from broker.policy.policy import read_policy
from broker.vhost.publisher import STORED
from tests.definitions.node import Node
from tests.vhost.scene import bodies


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "data")


def put(
    node: Node,
    name: str,
    definition: dict[str, object],
    *,
    pattern: str = "",
    is_operator: bool = False,
    priority: int = 0,
) -> None:
    body = {"pattern": pattern, "definition": definition, "priority": priority, "apply-to": "queues"}
    node.vhost.set_policy(read_policy("/", name, body, is_operator))


def decided(node: Node) -> list[object]:
    policies = [policy for kind in (False, True) for policy in node.vhost.policies.listed(kind)]
    return [
        [
            (
                each.name,
                each.pattern,
                each.apply_to,
                each.priority,
                each.definition,
                each.is_operator,
            )
            for each in policies
        ],
        node.vhost.limits.values,
        node.vhost.default_queue_type,
        [(name, limits.values) for name, limits in node.turn.user_limits.all()],
    ]


def decide(node: Node) -> None:
    put(node, "p", {"max-length": 1}, pattern="^a")
    put(node, "p", {"max-length": 2, "dead-letter-exchange": "é"}, pattern="^q", priority=-3)
    put(node, "p", {"message-ttl": 60_000}, is_operator=True)
    put(node, "gone", {"max-length": 2}, priority=9)
    node.vhost.remove_policy("gone", False)
    node.vhost.set_limits(Limits({"max-queues": 9}))
    node.vhost.set_limits(Limits({"max-queues": 7, "max-connections": -1}))
    node.vhost.set_default_queue_type(b"quorum")
    node.turn.set_user_limits(b"ann\xff", Limits({"max-channels": 3}))
    node.turn.set_user_limits(b"bob", Limits({"max-channels": 3}))
    node.turn.set_user_limits(b"bob", Limits({}))


def test_what_an_operator_decided_survives_a_restart_and_a_compaction(node: Node) -> None:
    decide(node)
    before = decided(node)
    assert before[1:] == [{"max-queues": 7, "max-connections": -1}, b"quorum", [(b"ann\xff", {"max-channels": 3})]]
    node = node.restarted()
    assert decided(node) == before
    node.compact()
    node = node.restarted()
    assert decided(node) == before
    assert node.reader.left_out == 0
    node.stop()


def test_a_policy_that_was_set_before_a_crash_acts_on_recovered_queues(node: Node, tmp_path: Path) -> None:
    node.queue(b"q")
    node.exchange(b"x")
    for number in range(4):
        assert node.publish("", "q", b"%d" % number) == STORED
    node.finish()
    put(node, "p", {"max-length": 2})
    node = node.crashed(tmp_path / "copy")
    queue = node.vhost.queues[b"q"]
    assert (queue.policy.name, queue.limits.max_length) == ("p", 2)
    assert bodies(queue) == [b"2", b"3"]
    node.vhost.remove_policy("p", False)
    node = node.restarted()
    assert node.vhost.queues[b"q"].policy.name is None
    node.stop()


def test_a_limit_that_came_while_the_broker_was_away_trims_what_is_recovered(node: Node) -> None:
    """As if the crash had come between the policy's record and the trimming."""
    node.queue(b"q")
    for number in range(4):
        node.publish("", "q", b"%d" % number)
    node.finish()
    record = PolicyRecord("/", "p", False, "", "all", 0, pack_table({b"max-length": long(1)}))
    node.store.record_topology(encode_record(record))
    node = node.restarted()
    assert bodies(node.vhost.queues[b"q"]) == [b"3"]
    node.stop()


@pytest.mark.parametrize("is_compacted", [False, True])
def test_a_crash_takes_no_message_that_was_there_before_the_ttl(node: Node, tmp_path: Path, is_compacted: bool) -> None:
    node.queue(b"q")
    node.publish("", "q", b"before")
    node.advance(10)
    put(node, "p", {"message-ttl": 5000})
    node.publish("", "q", b"after")
    if is_compacted:
        node.compact()
    now_ms = node.clock.now_ms()
    node = node.crashed(tmp_path / "copy")
    node.clock.advance((now_ms - node.clock.now_ms()) / 1000 + 6)
    node.advance(0)
    assert node.vhost.queues[b"q"].ttl_since_ms == now_ms
    assert bodies(node.vhost.queues[b"q"]) == [b"before"]
    node.stop()


def test_a_ttl_changes_nothing_in_the_journal_for_queues_without_messages(node: Node) -> None:
    node.queue(b"empty")
    node.queue(b"transient", durable=False)
    node.publish("", "transient", b"m")
    put(node, "p", {"message-ttl": 5000})
    beside = len(list(access_records(node.turn.vhosts, node.users)))
    assert len(topology_records(node.turn, node.users)) == beside + 2  # the queue and the policy
    assert len(node.store.topology) == 2
    node.stop()


def test_a_declared_type_that_came_from_the_vhost_is_the_queues_own(node: Node) -> None:
    node.vhost.set_default_queue_type(b"quorum")
    node.queue(b"q")
    node.vhost.set_default_queue_type(b"classic")
    node = node.restarted()
    assert node.vhost.queues[b"q"].arguments == {b"x-queue-type": longstr(b"quorum")}
    assert node.vhost.queues[b"q"].limits.is_quorum
    node.stop()


def test_a_policy_that_cannot_be_used_any_more_is_said_and_the_rest_is_kept(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    definition = pack_table({b"max-length": long(1)})
    for record in (
        PolicyRecord("/", "bad", False, "(", "all", 0, definition),
        PolicyRecord("/", "torn", False, "", "all", 0, definition[:-1]),
        PolicyRecord("/", "good", False, "", "all", 0, definition),
        VHostLimitsRecord("/", {"max-queues": 3}),
    ):
        node.store.record_topology(encode_record(record))
    with caplog.at_level(logging.ERROR):
        node = node.restarted()
    assert [policy.name for policy in node.vhost.policies.listed(False)] == ["good"]
    assert node.vhost.limits.values == {"max-queues": 3}
    assert node.reader.left_out == 2
    assert len(caplog.records) == 2
    node.stop()


def test_a_broker_without_decisions_writes_none(node: Node) -> None:
    node.queue(b"q")
    beside = len(list(access_records(node.turn.vhosts, node.users)))
    assert len(topology_records(node.turn, node.users)) == beside + 1
    node.stop()
