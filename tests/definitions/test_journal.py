"""The topology across restarts: everything durable comes back, nothing else does, and damage costs only itself."""

import logging
from pathlib import Path

import pytest

from broker.core.arguments import Field, long, longstr
from broker.definitions.journal import topology_records
from broker.definitions.records import (
    BindingGone,
    BindingRecord,
    ExchangeGone,
    ExchangeRecord,
    QueueGone,
    QueueRecord,
    TopologyRecord,
    decode_record,
    encode_record,
    pack_table,
)
from broker.vhost.publisher import STORED, UNROUTABLE
from tests.definitions.node import Node
from tests.vhost.scene import bodies, take, take_all


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "data")


# --- what comes back


def test_durable_topology_survives_a_restart(node: Node) -> None:
    exchange = node.exchange(b"x", b"topic", {b"alternate-exchange": longstr(b"amq.fanout")})
    inner = node.exchange(b"inner", b"headers", internal=True, auto_delete=True)
    queue = node.queue(b"q", {b"x-max-priority": Field("B", 5), b"x-message-ttl": Field("s", 9)}, auto_delete=True)
    node.vhost.bind(exchange, inner, b"a.#", {})
    node.vhost.bind(inner, queue, b"", {b"x-match": longstr(b"any"), b"n": Field("u", 1)})
    node.vhost.bind(node.vhost.exchange(b"amq.direct"), queue, b"k", {})
    before = node.topology()
    node = node.restarted()
    assert node.topology() == before
    assert node.vhost.queues[b"q"].arguments[b"x-max-priority"] == Field("B", 5)
    assert (node.reader.queues, node.reader.bindings, node.reader.messages) == (1, 3, 0)
    assert node.publish("x", "a.b", headers={"n": 1}) == STORED
    node.stop()


def test_topology_of_a_turn_survives_being_killed_after_it(node: Node, tmp_path: Path) -> None:
    node.vhost.bind(node.exchange(b"x"), node.queue(), b"k", {})
    before = node.topology()
    node = node.crashed(tmp_path / "copy")
    assert node.topology() == before
    node.stop()


def test_transient_and_exclusive_things_do_not_come_back(node: Node) -> None:
    durable = node.queue(b"durable")
    transient = node.queue(b"transient", durable=False)
    exclusive = node.queue(b"exclusive", exclusive=True)
    kept, lost = node.exchange(b"kept"), node.exchange(b"lost", durable=False)
    for source in (kept, lost):
        for destination in (durable, transient, exclusive):
            node.vhost.bind(source, destination, b"k", {})
    node.vhost.bind(kept, lost, b"k", {})
    node = node.restarted()
    assert set(node.vhost.queues) == {b"durable"}
    assert set(node.exchanges()) == {b"kept"}
    assert b"lost" not in node.vhost.exchanges
    assert [(source, name) for source, name, _, _, _ in node.bindings()] == [(b"kept", b"durable")]
    node.stop()


def test_server_named_durable_queue_survives(node: Node) -> None:
    name = node.queue(b"").name
    node = node.restarted()
    assert set(node.vhost.queues) == {name}
    node.stop()


def test_messages_survive_in_order_and_transient_ones_do_not(node: Node) -> None:
    node.queue()
    for n in range(5):
        node.publish("", "q", b"%d" % n, delivery_mode=1 if n == 2 else 2)
    node = node.restarted()
    assert node.reader.messages == 4
    assert bodies(node.vhost.queues[b"q"]) == [b"0", b"1", b"3", b"4"]
    node = node.restarted()
    assert node.messages() == {b"q": []}
    node.stop()


def test_only_what_was_handed_out_comes_back_as_redelivered(node: Node) -> None:
    queue = node.queue()
    for n in range(3):
        node.publish("", "q", b"%d" % n)
    node.finish()
    take(queue)
    node = node.restarted()
    assert [(queued.message.body, queued.redelivered) for queued in take_all(node.vhost.queues[b"q"])] == [
        (b"0", True),
        (b"1", False),
        (b"2", False),
    ]
    node.stop()


def test_new_messages_come_behind_the_recovered_ones(node: Node) -> None:
    node.queue()
    node.publish("", "q", b"old")
    node = node.restarted()
    node.publish("", "q", b"new")
    positions = [queued.position for queued in take_all(node.vhost.queues[b"q"])]
    assert positions == sorted(set(positions))
    node = node.restarted()
    assert node.messages() == {b"q": [b"old", b"new"]}
    node.stop()


def test_expiry_counts_from_the_publish_across_a_restart(node: Node) -> None:
    node.queue(arguments={b"x-message-ttl": long(1000)})
    node.publish("", "q")
    node.advance(0.6)
    now_ms = node.clock.wall_ms
    node = node.restarted()
    node.clock.wall_ms = now_ms
    node.turn.begin()
    node.advance(0.3)
    assert node.vhost.queues[b"q"].ready.count == 1
    node.advance(0.1)
    assert node.vhost.queues[b"q"].ready.count == 0
    node.stop()


def test_log_ids_are_never_used_twice(node: Node) -> None:
    used = set()
    for n in range(3):
        queue = node.queue(b"q%d" % n)
        node.publish("", f"q{n}", b"of the old queue")
        node.finish()
        assert queue.log_id not in used
        used.add(queue.log_id)
        node.vhost.delete_queue(queue)
        node = node.restarted()
        assert node.messages() == {}
    node.stop()


def test_queue_declared_anew_under_an_old_name_does_not_get_the_old_messages(node: Node, tmp_path: Path) -> None:
    node.vhost.bind(node.vhost.exchange(b"amq.fanout"), node.queue(), b"", {})
    node.publish("", "q", b"old")
    node.finish()
    node.vhost.delete_queue(node.vhost.queues[b"q"])
    node.queue()
    node.publish("", "q", b"new")
    node = node.crashed(tmp_path / "copy")
    assert node.messages() == {b"q": [b"new"]}
    assert node.bindings() == []
    node.stop()


# --- auto-delete exchanges, whose end the journal names


def test_binding_made_while_a_transient_one_kept_the_exchange_alive_is_not_lost(node: Node) -> None:
    exchange = node.exchange(b"x", auto_delete=True)
    durable, transient = node.queue(b"durable"), node.queue(b"transient", durable=False)
    node.vhost.bind(exchange, transient, b"k", {})
    node.vhost.bind(exchange, durable, b"k", {})
    node.vhost.unbind(exchange, durable, b"k", {})
    node.vhost.bind(exchange, durable, b"k", {})
    before = node.topology()
    node = node.restarted()
    assert node.topology() == before
    assert len(before[2]) == 1
    node.vhost.unbind(node.vhost.exchange(b"x"), node.vhost.queues[b"durable"], b"k", {})
    assert b"x" not in node.vhost.exchanges
    node.stop()


def test_exchange_kept_alive_by_a_transient_binding_survives_the_end_of_its_durable_queue(node: Node) -> None:
    exchange = node.exchange(b"x", auto_delete=True)
    node.vhost.bind(exchange, node.queue(b"transient", durable=False), b"k", {})
    node.vhost.bind(exchange, node.queue(b"first"), b"k", {})
    node.vhost.delete_queue(node.vhost.queues[b"first"])
    node.vhost.bind(exchange, node.queue(b"second"), b"k", {})
    before = node.topology()
    node = node.restarted()
    assert node.topology() == before
    node.stop()


def test_chain_that_went_with_its_queue_stays_gone(node: Node) -> None:
    one, two = node.exchange(b"one", auto_delete=True), node.exchange(b"two", auto_delete=True)
    node.vhost.bind(one, two, b"k", {})
    node.vhost.bind(two, node.queue(), b"k", {})
    node.finish()
    node.vhost.delete_queue(node.vhost.queues[b"q"])
    node = node.restarted()
    assert node.topology() == ({}, {}, [])
    node.stop()


# --- compaction


def test_snapshot_names_both_ends_before_a_binding_and_nothing_predeclared(node: Node) -> None:
    outer, inner, queue = node.exchange(b"outer"), node.exchange(b"inner"), node.queue()
    node.vhost.bind(outer, inner, b"k", {})
    node.vhost.bind(inner, queue, b"k", {})
    node.vhost.bind(node.vhost.exchange(b"amq.topic"), queue, b"#", {})
    node.vhost.bind(outer, node.queue(b"transient", durable=False), b"k", {})
    records = [decode_record(octets) for octets in topology_records(node.turn, node.users)]
    kinds = [type(record) for record in records if isinstance(record, TopologyRecord)]
    assert kinds == [ExchangeRecord, ExchangeRecord, QueueRecord, BindingRecord, BindingRecord, BindingRecord]
    assert sorted(record.name for record in records if isinstance(record, ExchangeRecord)) == [b"inner", b"outer"]
    node.stop()


def test_compacted_journal_gives_the_same_topology_and_messages(node: Node) -> None:
    for n in range(20):
        node.vhost.bind(node.exchange(b"x%d" % n), node.queue(b"q%d" % n), b"k", {})
        node.publish("", f"q{n}", b"%d" % n)
    for n in range(0, 20, 2):
        node.vhost.delete_queue(node.vhost.queues[b"q%d" % n])
        node.vhost.delete_exchange(b"x%d" % n, False)
    node.compact()
    assert node.store.journal_garbage == 0
    node.queue(b"after")
    before = node.topology()
    node = node.restarted()
    assert node.topology() == before
    assert node.messages() == {b"after": []} | {b"q%d" % n: [b"%d" % n] for n in range(1, 20, 2)}
    node.stop()


# --- damage


GOOD = QueueRecord("/", b"good", 50, False, pack_table({}))
DAMAGED: dict[str, bytes] = {
    "no MessagePack": b"\xc1\xff",
    "nothing at all": b"",
    "a kind that is no text": b"\x91\xa2\x00\x80",
    "a kind of a later version": b"\x93\xa6stream\xa1/\xc4\x01s",
    "cut in the middle": encode_record(GOOD)[:-3],
    "arguments without a length": encode_record(QueueRecord("/", b"bad", 7, False, b"")),
    "arguments cut short": encode_record(QueueRecord("/", b"bad", 7, False, pack_table({b"k": longstr(b"v")})[:-1])),
    "arguments of an unknown letter": encode_record(QueueRecord("/", b"bad", 7, False, b"\x00\x00\x00\x03\x01k?")),
    "an exchange of an unknown type": encode_record(ExchangeRecord("/", b"x", b"x-none", False, False, pack_table({}))),
    "a predeclared exchange with another type": encode_record(
        ExchangeRecord("/", b"amq.direct", b"topic", False, False, pack_table({}))
    ),
    "a binding that its exchange refuses": encode_record(
        BindingRecord("/", b"amq.headers", b"good", False, b"", pack_table({b"x-match": longstr(b"none")}))
    ),
    "the end of an exchange that cannot end": encode_record(ExchangeGone("/", b"amq.direct")),
}


@pytest.mark.parametrize("damaged", DAMAGED.values(), ids=DAMAGED)
def test_record_that_makes_no_sense_is_reported_and_the_rest_is_kept(
    node: Node, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    kept = [
        encode_record(GOOD),
        damaged,
        encode_record(BindingRecord("/", b"amq.fanout", b"good", False, b"", pack_table({}))),
    ]
    for octets in kept:
        node.store.record_topology(octets)
    with caplog.at_level(logging.ERROR, "broker.definitions"):
        node = node.restarted()
    assert [record.message for record in caplog.records] == ["a record of the topology was left out"]
    assert node.queues() == {b"good": (False, b"", 50)}
    assert node.bindings() == [(b"amq.fanout", b"good", False, b"", b"")]
    assert set(node.exchanges()) == set()
    node.stop()


def test_queue_whose_end_was_lost_is_replaced_by_the_one_declared_after_it(node: Node) -> None:
    node.vhost.bind(node.vhost.exchange(b"amq.fanout"), node.queue(), b"", {})
    node.publish("", "q", b"of the old queue")
    node.finish()
    node.store.record_topology(encode_record(QueueRecord("/", b"q", 9, False, pack_table({}))))
    node = node.restarted()
    assert node.queues() == {b"q": (False, b"", 9)}
    assert node.bindings() == []
    assert node.messages() == {b"q": []}
    assert node.publish("amq.fanout", "") == UNROUTABLE
    node.stop()


@pytest.mark.parametrize(
    "record",
    [
        ExchangeGone("/", b"x"),
        QueueGone("/", b"q"),
        BindingRecord("/", b"x", b"q", False, b"k", pack_table({})),
        BindingGone("/", b"x", b"q", False, b"k", pack_table({})),
        BindingGone("/", b"x", b"y", True, b"k", pack_table({})),
    ],
)
def test_record_about_something_that_has_gone_is_passed_over_in_silence(
    node: Node, record: QueueGone | ExchangeGone | BindingRecord | BindingGone, caplog: pytest.LogCaptureFixture
) -> None:
    node.store.record_topology(encode_record(record))
    node = node.restarted()
    assert caplog.records == []
    assert node.topology() == ({}, {}, [])
    node.stop()


def test_messages_of_a_queue_whose_record_could_not_be_read_are_kept_on_disk(node: Node) -> None:
    node.queue(b"good")
    lost = node.queue(b"lost")
    node.publish("", "lost", b"precious")
    node.finish()
    kept = topology_records(node.turn, node.users)
    assert decode_record(kept[-1]).name == b"lost"
    node.store.compact_journal([*kept[:-1], b"\xc1"])
    node = node.restarted()
    assert set(node.vhost.queues) == {b"good"}
    assert node.reader.left_out == 1
    node = node.restarted()
    entries = node.recovered.queues[int(lost.log_id)].entries
    assert [entry.message.body for entry in entries] == [b"precious"]
    node.stop()


def test_journal_that_lost_its_only_batch_is_damage_and_costs_no_message(node: Node) -> None:
    lost = node.queue(b"lost")
    node.publish("", "lost", b"precious")
    node = node.restarted()
    node.stop()
    (journal,) = (node.path / "journal").iterdir()
    octets = bytearray(journal.read_bytes())
    octets[-1] ^= 1
    journal.write_bytes(octets)
    for life in range(2):
        node = Node(node.path)
        assert [("damage" in sentence) for sentence in node.recovered.report] == [True] * (1 - life)
        assert node.vhost.queues == {}
        entries = node.recovered.queues[int(lost.log_id)].entries
        assert [entry.message.body for entry in entries] == [b"precious"]
        node.stop()


def test_messages_of_a_queue_that_was_deleted_are_forgotten(node: Node) -> None:
    queue = node.queue()
    node.publish("", "q", b"left over")
    node.finish()
    node.store.record_topology(encode_record(QueueGone("/", b"q")))
    node = node.restarted()
    assert node.vhost.queues == {}
    node = node.restarted()
    assert int(queue.log_id) not in node.recovered.queues
    node.stop()
