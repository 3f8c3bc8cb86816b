"""Vhosts, users and permissions over restarts, kills and compactions."""

import logging
from pathlib import Path

import pytest

from broker.auth.access import Permission, TopicPermission
from broker.auth.passwords import SHA256, hashed
from broker.core.arguments import longstr
from broker.definitions.access_records import AccessRecord
from broker.definitions.journal import StoredTopology, topology_records
from broker.definitions.records import decode_record, encode_record
from broker.policy.limits import Limits
from broker.policy.policy import read_policy
from broker.protocol.administration import Administration
from broker.vhost.delay_line import delay_line_of
from broker.vhost.publisher import Publisher
from broker.wire.properties import PropertyScanner
from tests.auth.people import add_user
from tests.definitions.node import Node
from tests.vhost.scene import content_header, publish_method

BY = b"boss"
Accounts = tuple[dict[str, object], dict[bytes, object]]


@pytest.fixture
def node(tmp_path: Path) -> Node:
    made = Node(tmp_path / "data")
    for user in list(made.users.by_name.values()):
        made.users.remove(user)  # the scene's own, whom no journal knows
    return made


def administration(node: Node) -> Administration:
    return Administration(node.connection.context, node.vhosts, StoredTopology(node.store), SHA256)


def accounts(node: Node) -> Accounts:
    """Everything that must survive."""
    vhosts: dict[str, object] = {
        name: (vhost.description, vhost.tags, vhost.is_protected, set(vhost.queues))
        for name, vhost in node.turn.vhosts.items()
    }
    users: dict[bytes, object] = {}
    for name, user in node.users.by_name.items():
        rights = {
            vhost: (
                access.permission.texts if access.permission is not None else None,
                {exchange: (topic.write, topic.read) for exchange, topic in access.topics.items()},
            )
            for vhost, access in user.accesses.items()
            if access.permission is not None or access.topics
        }
        users[name] = (user.password.algorithm, user.password.value, user.tags, rights)
    return vhosts, users


def fill(node: Node) -> None:
    """A little of everything, and some of it gone again."""
    boss = administration(node)
    vhost = boss.create_vhost("v", "a test", ["t"], BY)
    boss.protect_vhost(vhost, True, BY)
    vhost.declare_queue(b"vq", True, False, False, {}, 0)
    boss.create_vhost("gone", "", [], BY).declare_queue(b"gq", True, False, False, {}, 0)
    boss.put_user(b"ann", hashed(b"apple", SHA256), ["administrator"], BY)
    boss.put_user(b"bob\xc3\xa4", hashed(b"pear", SHA256), [], BY)
    boss.put_user(b"eve", hashed(b"fig", SHA256), [], BY)
    boss.put_user(b"ann", hashed(b"new", SHA256), ["monitoring"], BY)
    for name in (b"ann", b"bob\xc3\xa4", b"eve"):
        for where in ("/", "v", "gone"):
            boss.permit(name, where, Permission("^c", "", ".*"), BY)
    access = node.users.by_name[b"ann"].access("v")
    for exchange in (b"x", b"y"):
        boss.permit_topics(access, exchange, TopicPermission(b"ann", "v", "^{username}", ".*"), BY)
    boss.free_topics(access, b"y", BY)
    boss.forbid(node.users.by_name[b"ann"].access("/"), BY)
    boss.delete_user(node.users.by_name[b"eve"], BY)
    boss.delete_vhost(node.turn.vhosts["gone"], BY)
    boss.end_first_start()


def expected(node: Node) -> Accounts:
    found = accounts(node)
    assert set(found[0]) == {"/", "v"}
    assert set(found[1]) == {b"ann", b"bob\xc3\xa4"}
    return found


def survivors(node: Node) -> Accounts:
    """As ``accounts``, without the user that the scene makes for itself in every life."""
    vhosts, users = accounts(node)
    return vhosts, {name: user for name, user in users.items() if name != b"guest"}


def test_everything_survives_a_restart(node: Node) -> None:
    fill(node)
    before = expected(node)
    node = node.restarted()
    assert survivors(node) == before
    assert not node.reader.access.is_first_start
    node.stop()


def test_everything_survives_a_kill(node: Node, tmp_path: Path) -> None:
    fill(node)
    before = expected(node)
    node = node.crashed(tmp_path / "copy")
    assert survivors(node) == before
    node.stop()


def test_everything_survives_compaction(node: Node) -> None:
    fill(node)
    before = expected(node)
    node.compact()
    assert node.store.journal_garbage == 0
    node = node.restarted()
    assert survivors(node) == before
    assert not node.reader.access.is_first_start
    node.stop()


def test_a_journal_without_users_is_a_first_start_and_one_whose_last_user_was_deleted_is_none(node: Node) -> None:
    node.queue(b"old")
    node = node.restarted()
    assert node.reader.access.is_first_start
    boss = administration(node)
    boss.put_user(b"ann", hashed(b"apple", SHA256), [], BY)
    boss.delete_user(node.users.by_name[b"ann"], BY)
    boss.end_first_start()
    node.compact()
    node = node.restarted()
    assert not node.reader.access.is_first_start
    assert survivors(node)[1] == {}
    node.stop()


def test_a_deleted_vhost_leaves_nothing_to_one_of_the_same_name(node: Node) -> None:
    boss = administration(node)
    boss.put_user(b"ann", hashed(b"apple", SHA256), [], BY)
    vhost = boss.create_vhost("v", "", [], BY)
    vhost.declare_queue(b"q", True, False, False, {}, 0)
    boss.permit(b"ann", "v", Permission(".*", ".*", ".*"), BY)
    boss.delete_vhost(vhost, BY)
    boss.create_vhost("v", "", [], BY)
    for _ in range(2):
        assert not node.turn.vhosts["v"].queues
        assert not node.users.by_name[b"ann"].may_enter("v")
        node = node.restarted()
    node.stop()


def test_a_deleted_vhost_takes_along_what_waits_in_it_and_what_was_decided_about_it(node: Node) -> None:
    boss = administration(node)
    vhost = boss.create_vhost("v", "", [], BY)
    vhost.set_policy(read_policy("v", "p", {"pattern": "", "definition": {"max-length": 5}}, False))
    vhost.set_limits(Limits({"max-queues": 5}))
    boss.default_queue_type(vhost, b"quorum", BY)
    stream = vhost.declare_queue(b"s", True, False, False, {b"x-queue-type": longstr(b"stream")}, 0)
    keeper = vhost.declare_queue(b"q", True, False, False, {}, 0)
    delayed = {b"x-delayed-type": longstr(b"fanout")}
    exchange = vhost.declare_exchange(b"x", b"x-delayed-message", True, False, False, delayed)
    auto_delete = vhost.declare_exchange(b"a", b"fanout", True, True, False, {})
    vhost.bind(auto_delete, keeper, b"", {})
    vhost.bind(exchange, stream, b"", {})
    publisher = Publisher(vhost, add_user(node.users, b"ann", vhosts=["v"]).access("v"))
    octets = content_header(1, headers={"x-delay": 1000})
    scanner = PropertyScanner()
    assert scanner.scan(octets)
    for where, key in (("x", "late"), ("", "s")):
        publisher.publish(publisher.route(publish_method(where, key)), octets, b"m", scanner)
    line = delay_line_of(exchange)
    assert line is not None
    assert line.count == 1
    node.finish()
    assert len(node.store.streams) == 1
    boss.delete_vhost(vhost, BY)
    assert (stream.is_deleted, line.is_deleted, auto_delete.is_deleted) == (True, True, True)
    boss.create_vhost("v", "", [], BY)
    node.advance(2)
    for _ in range(3):
        again = node.turn.vhosts["v"]
        assert not again.queues
        assert set(again.exchanges) == set(node.vhost.exchanges)
        assert not again.policies.listed(False)
        assert again.limits.values == {}
        assert again.default_queue_type == b"classic"
        node = node.restarted()
        assert node.recovered.report == []
        assert node.recovered.queues == {}, "nothing of its queues and exchanges is in the log"
        assert node.store.streams == {}
    node.stop()


def test_a_deleted_user_leaves_no_limits_to_one_of_the_same_name(node: Node) -> None:
    boss = administration(node)
    for _ in range(2):
        boss.put_user(b"ann", hashed(b"apple", SHA256), [], BY)
        assert node.turn.user_limits.all() == []
        node.turn.set_user_limits(b"ann", Limits({"max-channels": 1}))
        node = node.restarted()
        assert node.turn.user_limits.of(b"ann").values == {"max-channels": 1}
        boss = administration(node)
        boss.delete_user(node.users.by_name[b"ann"], BY)
        node = node.restarted()
        boss = administration(node)
    node.stop()


def test_a_permission_whose_user_could_not_be_read_is_left_out_and_said(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    fill(node)
    node.finish()
    records = topology_records(node.turn, node.users)
    kept = [
        octets for octets in records if not (b"user" in octets and b"rabbit_password" in octets and b"ann" in octets)
    ]
    assert len(kept) == len(records) - 1
    node.store.compact_journal(kept)
    with caplog.at_level(logging.ERROR):
        node = node.restarted()
    assert b"ann" not in node.users.by_name
    assert "there is no user 'ann'" in str([vars(record)["reason"] for record in caplog.records])
    node.stop()


def test_every_record_reads_back_as_it_was(node: Node) -> None:
    fill(node)
    node.finish()
    for octets in topology_records(node.turn, node.users):
        record = decode_record(octets)
        assert encode_record(record) == octets
    kinds = {type(decode_record(octets)).__name__ for octets in topology_records(node.turn, node.users)}
    assert {"VHostRecord", "UserRecord", "PermissionRecord", "TopicPermissionRecord", "DefaultsMade"} <= kinds
    assert isinstance(record, AccessRecord) is False  # exchanges and queues come last
    node.stop()
