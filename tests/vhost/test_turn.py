"""The turn: written before it is seen, synced before it is confirmed, and what time brings about."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.core.arguments import Field, Table, long, longstr
from broker.queues.queue import Queue
from broker.store.errors import StoreError
from broker.store.files import Files
from broker.vhost.confirms import ConfirmLedger
from broker.vhost.publisher import REFUSED, STORED
from tests.vhost.scene import Scene, Sink, bodies, take, take_all


class Diary(Files):
    """Files that write down what happens to the log, and fail when they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[str] = []
        self.write_error = 0
        self.sync_error = 0

    def write(self, descriptor: int, parts: list[bytes], offset: int) -> None:
        if self.write_error:
            raise OSError(self.write_error, os.strerror(self.write_error))
        super().write(descriptor, parts, offset)
        self.events.append("write")

    def sync(self, descriptor: int) -> None:
        if self.sync_error:
            raise OSError(self.sync_error, os.strerror(self.sync_error))
        super().sync(descriptor)
        self.events.append("sync")


class LoudSink(Sink):
    """A socket whose sends stand in the same diary."""

    def __init__(self, diary: Diary) -> None:
        super().__init__()
        self.diary = diary

    def send(self, parts: list[bytes]) -> None:
        super().send(parts)
        self.diary.events.append("send")


class LoudScene(Scene):
    """A scene whose files and socket keep one diary."""

    def __init__(self, path: Path) -> None:
        self.diary = Diary()
        super().__init__(path, self.diary, LoudSink(self.diary))
        self.turn.begin()


@pytest.fixture
def loud(tmp_path: Path) -> Iterator[LoudScene]:
    made = LoudScene(tmp_path / "data")
    made.diary.events.clear()
    yield made
    made.diary.write_error = made.diary.sync_error = 0
    made.store.close()


def confirm(scene: Scene, ledger: ConfirmLedger, outcome: int) -> None:
    """What a channel does behind a publish in confirm mode."""
    ledger.published(outcome == STORED, outcome == REFUSED)
    scene.turn.watch(ledger)


# --- written, synced, confirmed


def test_confirm_of_a_stored_message_leaves_after_the_sync_that_covers_it(loud: LoudScene) -> None:
    loud.queue()
    loud.finish()
    loud.sync()
    loud.diary.events.clear()
    ledger = loud.ledger()
    confirm(loud, ledger, loud.publish("", "q"))
    loud.finish()
    assert loud.diary.events == ["write"]
    assert (loud.told(), loud.turn.waiting_count) == ([], 1)
    job = loud.store.begin_sync()
    job.run()
    assert loud.diary.events == ["write", "sync"]
    assert loud.told() == []
    loud.store.finish_sync(job)
    loud.turn.synced()
    assert loud.diary.events == ["write", "sync", "send"]
    assert loud.told() == [("ack", 1, False)]
    assert loud.turn.waiting_count == 0


def test_sync_that_began_before_the_write_does_not_cover_it(loud: LoudScene) -> None:
    loud.queue()
    ledger = loud.ledger()
    confirm(loud, ledger, loud.publish("", "q"))
    loud.finish()
    early = loud.store.begin_sync()
    confirm(loud, ledger, loud.publish("", "q"))
    loud.finish()
    early.run()
    loud.store.finish_sync(early)
    loud.turn.synced()
    assert loud.told() == [("ack", 1, False)]
    loud.sync()
    assert loud.told() == [("ack", 2, False)]


def test_failed_sync_confirms_nothing_ever(loud: LoudScene) -> None:
    loud.queue()
    ledger = loud.ledger()
    confirm(loud, ledger, loud.publish("", "q"))
    loud.finish()
    loud.diary.sync_error = errno.EIO
    job = loud.store.begin_sync()
    job.run()
    with pytest.raises(StoreError):
        loud.store.finish_sync(job)
    loud.turn.synced()
    assert loud.told() == []
    loud.diary.sync_error = 0
    with pytest.raises(StoreError):
        loud.store.begin_sync()
    confirm(loud, ledger, loud.publish("", "q"))
    loud.finish()
    loud.turn.synced()
    assert loud.told() == []
    assert isinstance(loud.turn.failure, StoreError)


def test_transient_message_is_confirmed_at_the_end_of_its_turn(loud: LoudScene) -> None:
    loud.queue()
    loud.finish()
    loud.sync()
    loud.diary.events.clear()
    ledger = loud.ledger()
    confirm(loud, ledger, loud.publish("", "q", delivery_mode=1))
    confirm(loud, ledger, loud.publish("", "nowhere"))
    loud.finish()
    assert loud.told() == [("ack", 2, True)]
    assert loud.diary.events == ["send"]


def test_everything_of_a_turn_is_one_write_and_comes_before_the_one_send(loud: LoudScene) -> None:
    loud.queue(b"a")
    loud.queue(b"b")
    loud.finish()
    loud.sync()
    loud.diary.events.clear()
    ledgers = [loud.ledger(channel) for channel in (1, 2)]
    for ledger in ledgers:
        for queue in ("a", "b", "a"):
            confirm(loud, ledger, loud.publish("", queue))
    loud.outbox.heartbeat()
    loud.connection.touch()
    loud.finish()
    assert loud.diary.events == ["write", "send"]
    assert loud.sink.octets == b"\x08" + bytes(6) + b"\xce"


def test_all_channels_that_a_sync_covers_are_answered_with_one_send(loud: LoudScene) -> None:
    loud.queue()
    ledgers = [loud.ledger(channel) for channel in (1, 2, 3)]
    for ledger in ledgers:
        confirm(loud, ledger, loud.publish("", "q"))
    loud.finish()
    loud.diary.events.clear()
    loud.sync()
    assert loud.told() == [("ack", 1, False)] * 3
    assert loud.diary.events[-2:] == ["sync", "send"]
    assert loud.diary.events.count("send") == 1


def test_closed_channel_is_not_told_and_does_not_keep_the_turn_waiting(loud: LoudScene) -> None:
    loud.queue()
    closed, open_one = loud.ledger(1), loud.ledger(2)
    for ledger in (closed, open_one):
        confirm(loud, ledger, loud.publish("", "q"))
    loud.finish()
    closed.is_closed = True
    loud.sync()
    assert loud.told() == [("ack", 1, False)]
    assert loud.turn.waiting_count == 0


def test_message_settled_in_its_own_turn_needs_no_sync(scene: Scene) -> None:
    queue = scene.queue()
    scene.finish()
    scene.sync()
    written = scene.store.written
    ledger = scene.ledger()
    confirm(scene, ledger, scene.publish("", "q"))
    queue.settle(take(queue))
    scene.finish()
    assert scene.store.written == written
    assert scene.told() == [("ack", 1, False)]


# --- whole or not at all


def recovered(path: Path, copy: Path) -> dict[int, list[bytes]]:
    """What another broker finds in a copy of the directory as it is now: what a crash would leave."""
    shutil.copytree(path, copy)
    (copy / "lock").unlink(missing_ok=True)
    scene = Scene(copy)
    found = {
        log_id: [entry.message.body for entry in queue.entries]
        for log_id, queue in scene.recovered.queues.items()
        if queue.entries
    }
    scene.store.close()
    return found


def test_dead_letter_and_settlement_are_one_batch(scene: Scene, tmp_path: Path) -> None:
    dead = scene.queue(b"dead")
    arguments: Table = {b"x-dead-letter-exchange": longstr(b""), b"x-dead-letter-routing-key": longstr(b"dead")}
    queue = scene.queue(arguments=arguments)
    scene.publish("", "q", b"body")
    scene.finish()
    assert recovered(tmp_path / "data", tmp_path / "before") == {queue.log_id: [b"body"]}
    written = scene.store.written
    queue.reject(take(queue))
    scene.finish()
    assert scene.store.written == written + 1
    assert recovered(tmp_path / "data", tmp_path / "after") == {dead.log_id: [b"body"]}


def test_publish_to_several_queues_is_one_batch(scene: Scene, tmp_path: Path) -> None:
    queues = [scene.queue(name) for name in (b"a", b"b", b"c")]
    for queue in queues:
        scene.vhost.bind(scene.vhost.exchange(b"amq.fanout"), queue, b"", {})
    scene.finish()
    written = scene.store.written
    scene.publish("amq.fanout", "", b"body")
    scene.finish()
    assert scene.store.written == written + 1
    assert recovered(tmp_path / "data", tmp_path / "copy") == {queue.log_id: [b"body"] for queue in queues}


def test_turn_without_news_writes_nothing(loud: LoudScene) -> None:
    loud.finish()
    loud.advance(1)
    assert loud.diary.events == []
    assert not loud.turn.wants_sync
    assert not loud.turn.wants_turn


# --- time


def expiring(scene: Scene, ttl_ms: int | None = None, **more: int) -> Queue:
    arguments: Table = {} if ttl_ms is None else {b"x-message-ttl": long(ttl_ms)}
    return scene.queue(arguments=arguments | {b"x-" + name.encode(): long(value) for name, value in more.items()})


def test_queue_ttl_ends_messages_on_time_without_any_activity(scene: Scene) -> None:
    queue = expiring(scene, 1000)
    scene.publish("", "q")
    scene.finish()
    assert scene.agenda.next_wake_ms == scene.clock.now_ms() + 1000
    scene.advance(0.999)
    assert queue.ready.count == 1
    scene.advance(0.001)
    assert queue.ready.count == 0
    assert scene.agenda.next_wake_ms == -1


@pytest.mark.parametrize(("ttl_ms", "expiration"), [(1000, "5000"), (5000, "1000"), (None, "1000"), (1000, None)])
def test_shorter_of_queue_ttl_and_expiration_holds(scene: Scene, ttl_ms: int | None, expiration: str | None) -> None:
    queue = expiring(scene, ttl_ms)
    scene.publish("", "q", expiration=expiration)
    scene.advance(0.9)
    assert queue.ready.count == 1
    scene.advance(0.2)
    assert queue.ready.count == 0


def test_message_behind_a_longer_one_is_not_ended_early_and_goes_with_it(scene: Scene) -> None:
    queue = expiring(scene)
    scene.publish("", "q", b"long", expiration="5000")
    scene.publish("", "q", b"short", expiration="1000")
    scene.advance(2)
    assert queue.ready.count == 2
    queue.settle(take(queue))
    scene.finish()
    assert queue.ready.count == 0


def test_unacked_message_does_not_expire_but_does_so_on_its_return(scene: Scene) -> None:
    queue = expiring(scene, 1000)
    scene.publish("", "q")
    queued = take(queue)
    scene.advance(5)
    assert queue.unacked_count == 1
    queue.put_back([queued])
    scene.finish()
    assert (queue.ready.count, queue.unacked_count) == (0, 0)


def test_ttl_of_zero_ends_the_message_in_its_own_turn_and_costs_no_octet(scene: Scene) -> None:
    queue = expiring(scene, 0)
    scene.finish()
    written = scene.store.written
    scene.publish("", "q")
    scene.finish()
    assert queue.ready.count == 0
    assert scene.store.written == written
    scene.publish("", "q")
    assert queue.get() is None


def test_unused_queue_expires(scene: Scene) -> None:
    queue = expiring(scene, expires=1000)
    scene.vhost.bind(scene.exchange(b"x"), queue, b"k", {})
    scene.publish("x", "k")  # publishing and binding are no use
    scene.advance(0.9)
    assert b"q" in scene.vhost.queues
    scene.publish("x", "k")
    scene.advance(0.1)
    assert b"q" not in scene.vhost.queues
    assert queue.is_deleted
    assert scene.vhost.exchange(b"x").binding_count == 0


@pytest.mark.parametrize("use", ["declare", "get", "get on an empty queue"])
def test_use_renews_the_lease_of_a_queue(scene: Scene, use: str) -> None:
    queue = expiring(scene, expires=1000)
    if use == "get":
        scene.publish("", "q")
    for _ in range(3):
        scene.advance(0.9)
        if use == "declare":
            expiring(scene, expires=1000)
        else:
            queue.get()
    assert b"q" in scene.vhost.queues
    scene.advance(1)
    assert b"q" not in scene.vhost.queues


def test_auto_delete_exchange_goes_with_a_queue_that_expired(scene: Scene) -> None:
    queue = expiring(scene, expires=1000)
    scene.vhost.bind(scene.exchange(b"x", auto_delete=True), queue, b"k", {})
    scene.advance(1)
    assert b"x" not in scene.vhost.exchanges


def test_clock_that_goes_back_ends_nothing_early(scene: Scene) -> None:
    queue = expiring(scene, 1000)
    scene.publish("", "q")
    scene.clock.wall_ms -= 3_600_000
    scene.turn.begin()
    scene.finish()
    assert queue.ready.count == 1
    scene.clock.wall_ms += 3_600_000
    scene.advance(1)
    assert queue.ready.count == 0


# --- limits at the end of a turn


def test_limit_is_kept_at_the_end_of_the_turn_and_for_requeued_messages(scene: Scene) -> None:
    queue = scene.queue(arguments={b"x-max-length": Field("I", 2)})
    for n in range(4):
        scene.publish("", "q", b"%d" % n)
    scene.finish()
    out = take_all(queue)
    assert [queued.message.body for queued in out] == [b"2", b"3"]
    for n in (4, 5):
        scene.publish("", "q", b"%d" % n)
    queue.put_back(out)
    scene.finish()
    assert bodies(queue) == [b"4", b"5"]


def test_dropped_messages_are_gone_from_the_log_as_well(scene: Scene, tmp_path: Path) -> None:
    queue = scene.queue(arguments={b"x-max-length": Field("I", 1)})
    for n in range(3):
        scene.publish("", "q", b"%d" % n)
        scene.finish()
    assert recovered(tmp_path / "data", tmp_path / "copy") == {queue.log_id: [b"2"]}


def test_message_that_a_get_brings_to_the_head_expires_on_time_without_any_activity(scene: Scene) -> None:
    queue = expiring(scene)
    scene.publish("", "q", b"for ever")
    scene.publish("", "q", b"short", expiration="1000")
    scene.finish()
    take(queue)
    scene.finish()
    assert scene.agenda.next_wake_ms == scene.clock.now_ms() + 1000
    scene.advance(1)
    assert queue.ready.count == 0
