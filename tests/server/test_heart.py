"""The heart: syncs, further turns and timers, and what becomes of a store that fails."""

import asyncio
import errno
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from pamqp import commands

from broker.core.clock import Clock
from broker.queues.classic import DELIVERY_BUDGET
from broker.server.heart import HOUSE_REST_S, TICK_S, Heart
from broker.store.files import Files
from tests.queues.scene import Peer, Scene, number


class BrokenFiles(Files):
    """Fails one kind of call while told to.

    Attributes:
        broken: ``write``, ``sync`` or nothing.
        number: The errno it fails with.
        syncs: Syncs that succeeded.
    """

    def __init__(self) -> None:
        super().__init__()
        self.broken = ""
        self.number = errno.EIO
        self.syncs = 0

    def fail(self, call: str) -> None:
        if self.broken == call:
            raise OSError(self.number, "made to fail")

    def write_some(self, descriptor: int, parts: list[bytes], offset: int) -> int:
        self.fail("write")
        return super().write_some(descriptor, parts, offset)

    def allocate(self, descriptor: int, offset: int, size: int) -> None:
        self.fail("write")
        super().allocate(descriptor, offset, size)

    def sync(self, descriptor: int) -> None:
        self.fail("sync")
        super().sync(descriptor)
        self.syncs += 1


class Body:
    """A scene with a heart, and one publisher in confirm mode on a durable queue."""

    def __init__(self, path: Path) -> None:
        self.files = BrokenFiles()
        self.scene = Scene(path, self.files)
        self.failures = 0
        self.heart = Heart(self.scene.context, self.failed)
        self.queue = self.scene.declare(is_durable=True)
        self.peer = Peer(self.scene)
        self.peer.open()
        self.peer.say(1, commands.Confirm.Select())
        self.peer.hear()
        self.answers: list[tuple[str, int]] = []

    def failed(self) -> None:
        self.failures += 1

    def publish(self, *bodies: bytes) -> None:
        self.peer.publish(*bodies, delivery_mode=2)
        self.heart.attend()

    def hear(self) -> list[tuple[str, int]]:
        """Every confirm so far."""
        self.answers += [(each.name, each.delivery_tag) for _, each in self.peer.hear()]
        return self.answers


@pytest_asyncio.fixture
async def body(tmp_path: Path) -> AsyncIterator[Body]:
    made = Body(tmp_path / "data")
    yield made
    await made.heart.stop()
    made.scene.close()


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until the condition holds."""
    deadline = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        await asyncio.sleep(0.002)


async def test_a_confirm_leaves_after_the_sync_and_not_before(body: Body) -> None:
    before = body.files.syncs
    body.publish(b"1", b"2", b"3")
    assert body.hear() == []
    await until(lambda: bool(body.hear()))
    assert body.hear() == [("Basic.Ack", 3)]
    assert body.files.syncs > before


async def test_what_comes_during_a_sync_rides_the_next_one(body: Body) -> None:
    body.publish(b"1")
    for number_ in range(2, 50):
        body.publish(b"%d" % number_)
    await until(lambda: body.hear()[-1:] == [("Basic.Ack", 49)])
    assert body.scene.counters.syncs <= 3


async def test_no_sync_is_asked_for_when_nothing_was_written(body: Body) -> None:
    body.publish(b"1")
    await until(lambda: bool(body.hear()))
    before = body.files.syncs
    body.scene.declare(b"transient")
    body.peer.publish(b"2", queue="transient")
    assert not body.scene.turn.wants_sync
    body.heart.attend()
    assert body.hear()[-1] == ("Basic.Ack", 2)
    await body.heart.stop()  # would wait for a sync
    assert body.files.syncs == before


async def test_a_failed_sync_confirms_nothing_and_ends_the_process_once(
    body: Body, caplog: pytest.LogCaptureFixture
) -> None:
    body.files.broken = "sync"
    body.publish(b"1")
    with caplog.at_level(logging.CRITICAL, "broker.server"):
        await until(lambda: body.failures > 0)
    body.files.broken = ""  # the next one would succeed, and prove nothing
    body.publish(b"2")
    await asyncio.sleep(2 * TICK_S)  # housekeeping goes round, and must not try again
    assert body.hear() == []
    assert body.failures == 1
    assert body.heart.failure is not None
    assert [record.getMessage() for record in caplog.records] == ["the store has failed"]


async def test_a_failed_write_confirms_nothing_and_ends_the_process(body: Body) -> None:
    body.files.broken = "write"
    body.publish(b"1")
    assert body.failures == 1
    assert body.heart.failure is not None
    assert "errno 5" in str(body.heart.failure)
    assert body.hear() == []


async def test_a_full_disk_is_survived_and_publishers_go_on_when_there_is_room(
    body: Body, caplog: pytest.LogCaptureFixture
) -> None:
    body.files.broken = "write"
    body.files.number = errno.ENOSPC
    with caplog.at_level(logging.INFO, "broker.server"):
        body.publish(b"1")
        body.publish(b"2")
        assert (body.hear(), body.failures) == ([("Basic.Nack", 1), ("Basic.Nack", 2)], 0)
        body.heart.look_for_room()
        assert body.scene.turn.alarms.disk
        body.files.broken = ""
        await until(lambda: not body.scene.turn.alarms.is_on)
        body.publish(b"3")
        await until(lambda: len(body.hear()) == 3)
        assert body.hear()[-1] == ("Basic.Ack", 3)
        await until(lambda: len(caplog.records) == 2)
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]
    assert body.heart.failure is None
    assert body.scene.bodies(body.queue) == [b"3"]


async def test_housekeeping_without_room_rests_and_is_no_alarm(body: Body, caplog: pytest.LogCaptureFixture) -> None:
    store = body.scene.store
    body.publish(b"1")
    await until(lambda: bool(body.hear()))
    store.journal.garbage = store.limits.journal_garbage_bytes + 1  # worth compacting, as after many declarations
    body.files.broken = "write"
    body.files.number = errno.ENOSPC
    with caplog.at_level(logging.INFO, "broker.server"):
        for _ in range(3):
            body.heart.keep_house(0.0)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert not body.scene.turn.alarms.is_on
    body.files.broken = ""
    body.heart.keep_house(HOUSE_REST_S)
    assert store.journal_garbage == 0


async def test_a_turn_that_is_left_over_is_run(body: Body) -> None:
    queue = body.scene.declare(b"backlog")
    body.scene.push(queue, *[b""] * (2 * DELIVERY_BUDGET + 1))
    body.peer.consume("c", queue="backlog", no_ack=True)
    body.heart.attend()
    await until(lambda: queue.ready.count == 0)
    assert len(body.peer.deliveries()) == 2 * DELIVERY_BUDGET + 1


async def test_a_queue_is_woken_on_time_without_any_activity(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    heart = Heart(scene.context, lambda: None)
    scene.clock.wall_ms = Clock().now_ms()
    queue = scene.declare(arguments={b"x-message-ttl": number(30)})
    scene.push(queue, b"m")
    heart.attend()
    scene.clock.advance(0.031)
    # Long before a tick could have done it: nothing but the alarm looks at the queue.
    began = time.monotonic()
    await until(lambda: queue.ready.count == 0)
    assert time.monotonic() - began < TICK_S
    await heart.stop()
    scene.close()


async def test_an_alarm_in_ten_years_is_no_error_and_a_nearer_one_replaces_it(body: Body) -> None:
    body.scene.declare(b"far", {b"x-expires": number(315_360_000_000)})
    body.heart.attend()
    near = body.scene.declare(b"near", {b"x-expires": number(1)})
    body.heart.attend()
    body.scene.clock.advance(0.002)
    await until(lambda: near.is_deleted)
    assert b"far" in body.scene.vhost.queues


async def test_a_stop_waits_for_the_sync_under_way_and_nothing_begins_after_it(body: Body) -> None:
    body.publish(b"1")
    await body.heart.stop()
    assert body.scene.store.synced == body.scene.store.written
    body.peer.publish(b"late", delivery_mode=2)
    body.heart.attend()  # a connection that is lost last of all still calls it
    await asyncio.sleep(0)
    assert body.failures == 0


async def test_what_nobody_waits_for_is_synced_soon_and_many_turns_share_that_sync(body: Body) -> None:
    body.publish(b"1", b"2", b"3", b"4", b"5")
    await until(lambda: bool(body.hear()))
    await until(lambda: body.scene.store.synced == body.scene.store.written)
    syncs = body.scene.counters.syncs
    for _ in range(5):
        delivery = body.peer.get()
        assert delivery is not None
        body.peer.ack(delivery.tag)
        body.heart.attend()
    assert body.scene.turn.wants_sync
    await until(lambda: body.scene.store.synced == body.scene.store.written)
    assert body.scene.counters.syncs == syncs + 1
