"""A turn whose write finds no room: what is refused, what is kept, and what is found after a restart."""

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.arguments import Field
from broker.core.message import NOT_STORED, SETTLED
from broker.queues.window import MemoryWindow
from broker.store.files import Files
from broker.store.spool import Spool
from broker.vhost.confirms import ConfirmLedger
from broker.vhost.publisher import REFUSED, STORED
from tests.vhost.scene import Scene, bodies, take


class FullFiles(Files):
    """A disk that is full while it is told to be.

    Attributes:
        is_full: Neither a write nor a reserve finds room.
        refused: Calls that failed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.is_full = False
        self.refused = 0

    def check(self) -> None:
        if self.is_full:
            self.refused += 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write_some(self, descriptor: int, parts: list[bytes], offset: int) -> int:
        self.check()
        return super().write_some(descriptor, parts, offset)

    def allocate(self, descriptor: int, offset: int, size: int) -> None:
        self.check()
        super().allocate(descriptor, offset, size)


class Place(Scene):
    """A scene on such a disk, between turns: every step is a turn of its own."""

    def __init__(self, path: Path) -> None:
        self.files = FullFiles()
        super().__init__(path, self.files)
        self.turn.begin()

    def confirmed(self, ledger: ConfirmLedger, *texts: bytes, queue: str = "q", **properties: object) -> None:
        """Publish on a confirming channel, all in one turn."""
        for text in texts:
            outcome = self.publish("", queue, text, **properties)
            ledger.published(outcome == STORED, outcome == REFUSED)
        self.turn.watch(ledger)
        self.finish()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "data")
    yield made
    made.files.is_full = False
    made.store.close()


def pending(place: Place) -> list[bytes]:
    return [queued.message.body for queued in place.store.pending if queued.log_segment not in (NOT_STORED, SETTLED)]


def recovered(scene: Scene) -> list[bytes]:
    """The bodies that a start found on the disk."""
    return [entry.message.body for queue in scene.recovered.queues.values() for entry in queue.entries]


def test_confirmed_publishes_are_nacked_at_once_and_leave_their_queue(place: Place) -> None:
    queue = place.queue()
    ledger = place.ledger()
    place.confirmed(ledger, b"1", b"2")
    place.sync()
    assert place.told() == [("ack", 2, True)]
    place.files.is_full = True
    place.confirmed(ledger, b"3", b"44")
    assert place.told() == [("nack", 3, False), ("nack", 4, False)]
    assert (queue.ready.count, queue.ready_bytes) == (2, 2)
    assert place.turn.alarms.reason() == b"low on disk"
    assert place.counters.messages_refused == 2
    assert ledger.unconfirmed_count == 0
    place.files.is_full = False
    place.turn.try_again()
    assert not place.turn.alarms.is_on
    place.confirmed(ledger, b"5")
    place.sync()
    assert place.told() == [("ack", 5, False)]
    assert bodies(queue) == [b"1", b"2", b"5"]


def test_nothing_that_was_nacked_is_there_after_a_restart_and_all_that_was_confirmed_is(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    place.queue()
    ledger = place.ledger()
    place.confirmed(ledger, b"1", b"2")
    place.sync()
    place.files.is_full = True
    place.confirmed(ledger, b"3", b"4")
    place.files.is_full = False
    place.turn.try_again()
    place.confirmed(ledger, b"5")
    place.sync()
    place.store.close()
    after = Scene(tmp_path / "data")
    assert recovered(after) == [b"1", b"2", b"5"]
    after.store.close()


def test_what_was_published_without_confirms_stays_and_is_stored_when_there_is_room(place: Place) -> None:
    queue = place.queue()
    place.files.is_full = True
    place.publish("", "q", b"1")
    place.finish()
    place.publish("", "q", b"2")
    place.finish()
    assert pending(place) == [b"1", b"2"]
    assert queue.ready.count == 2
    written = place.store.written
    place.files.is_full = False
    place.turn.try_again()
    assert (pending(place), int(place.store.written)) == ([], written + 1)


def test_a_later_refusal_leaves_what_an_earlier_turn_kept(place: Place) -> None:
    queue = place.queue()
    place.files.is_full = True
    place.publish("", "q", b"kept")
    place.finish()
    place.confirmed(place.ledger(), b"refused")
    assert place.told() == [("nack", 1, False)]
    assert pending(place) == [b"kept"]
    assert bodies(queue) == [b"kept"]


def test_a_full_disk_is_not_written_to_turn_after_turn(place: Place) -> None:
    place.queue()
    place.files.is_full = True
    place.publish("", "q", b"1")
    place.finish()
    refused = place.files.refused
    for _ in range(100):
        place.publish("", "q", b"more")
        place.finish()
    assert place.files.refused == refused
    place.turn.try_again()
    assert place.files.refused > refused
    assert place.turn.alarms.is_on


def test_a_transient_message_of_the_same_turn_stays_in_its_place(place: Place) -> None:
    queue = place.queue()
    ledger = place.ledger()
    place.files.is_full = True
    for body, mode in ((b"a", 2), (b"b", 1), (b"c", 2), (b"d", 1)):
        outcome = place.publish("", "q", body, delivery_mode=mode)
        ledger.published(outcome == STORED, False)
    place.turn.watch(ledger)
    place.finish()
    assert [what for what, _, _ in place.told()] == ["nack"] * 4
    assert (int(queue.ready.count), int(queue.ready_bytes)) == (2, 2)
    assert bodies(queue) == [b"b", b"d"]


def test_a_channel_with_nothing_to_store_is_acked_beside_one_that_is_nacked(place: Place) -> None:
    place.queue()
    place.files.is_full = True
    stored, transient = place.ledger(1), place.ledger(2)
    for ledger, mode in ((stored, 2), (transient, 1)):
        outcome = place.publish("", "q", b"m", delivery_mode=mode)
        ledger.published(outcome == STORED, False)
        place.turn.watch(ledger)
    place.finish()
    assert place.told() == [("nack", 1, False), ("ack", 1, False)]


def test_older_publishes_keep_waiting_for_their_sync(place: Place) -> None:
    place.queue()
    ledger = place.ledger()
    place.confirmed(ledger, b"1", b"2")
    place.files.is_full = True
    place.confirmed(ledger, b"3")
    assert place.told() == [("nack", 3, False)]
    place.sync()
    assert place.told() == [("ack", 2, True)]


def test_a_dead_letter_is_kept_because_its_first_queue_has_let_it_go(place: Place) -> None:
    ledger = place.ledger()
    source = place.queue(
        b"q", {b"x-dead-letter-exchange": Field("S", b""), b"x-dead-letter-routing-key": Field("S", b"dlq")}
    )
    target = place.queue(b"dlq")
    place.confirmed(ledger, b"old")
    place.sync()
    place.told()
    place.files.is_full = True
    source.reject(take(source))
    place.confirmed(ledger, b"new")
    assert place.told() == [("nack", 2, False)]
    assert (source.ready.count, target.ready.count) == (0, 1)
    assert pending(place) == [b"old"]
    place.files.is_full = False
    place.turn.try_again()
    assert pending(place) == []


def test_what_a_consumer_already_has_stays_with_it(place: Place) -> None:
    queue = place.queue()
    ledger = place.ledger()
    place.files.is_full = True
    for body in (b"1", b"2"):
        ledger.published(place.publish("", "q", body) == STORED, False)
    held = take(queue)
    place.turn.watch(ledger)
    place.finish()
    assert [what for what, _, _ in place.told()] == ["nack", "nack"]
    assert (queue.ready.count, queue.unacked_count) == (0, 1)
    queue.put_back([held])
    assert bodies(queue) == [b"1"]
    place.finish()


def test_what_came_back_within_the_turn_is_taken_back(place: Place) -> None:
    queue = place.queue()
    ledger = place.ledger()
    place.files.is_full = True
    ledger.published(place.publish("", "q", b"1") == STORED, False)
    queue.put_back([take(queue)])
    place.turn.watch(ledger)
    place.finish()
    assert place.told() == [("nack", 1, False)]
    assert (queue.ready.count, queue.ready_bytes) == (0, 0)


def test_every_priority_is_taken_back(place: Place) -> None:
    queue = place.queue(b"q", {b"x-max-priority": Field("I", 3)})
    ledger = place.ledger()
    place.confirmed(ledger, b"old", priority=2)
    place.sync()
    place.told()
    place.files.is_full = True
    for priority in (0, 3, 2):
        ledger.published(place.publish("", "q", b"new", priority=priority) == STORED, False)
    place.turn.watch(ledger)
    place.finish()
    assert (queue.ready.count, queue.ready_bytes) == (1, 3)
    assert bodies(queue) == [b"old"]


def test_a_spooled_backlog_keeps_its_order_and_its_account(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    window = MemoryWindow(queue_bytes=4096)
    place.agenda.window = window
    place.agenda.spool = Spool(str(tmp_path / "spool"), place.files)
    queue = place.queue()
    ledger = place.ledger()
    expected = [b"%04d" % number for number in range(60)]
    for number in range(0, 60, 10):
        place.confirmed(ledger, *expected[number : number + 10])
    used = int(window.used)
    assert used <= 4096, "the backlog was to be spooled"
    place.files.is_full = True
    place.confirmed(ledger, b"refused", b"refused too")
    assert (int(window.used), int(queue.ready.count)) == (used, 60)
    place.files.is_full = False
    place.turn.try_again()
    place.confirmed(ledger, b"last")
    assert bodies(queue) == [*expected, b"last"]
    assert (window.used, queue.ready_bytes) == (0, 0)
    place.finish()
    place.sync()
    place.store.close()


def test_a_commit_waits_for_the_room_and_is_then_answered(place: Place) -> None:
    queue = place.queue()
    ledger = place.ledger()
    ledger.is_selected = False
    place.files.is_full = True
    assert place.publish("", "q", b"1") == STORED
    ledger.commit(True)
    place.turn.watch(ledger)
    place.finish()
    assert (place.told(), queue.ready.count) == ([], 1)
    place.files.is_full = False
    place.turn.try_again()
    place.sync()
    assert place.told() == [("commit-ok", 0, False)]


STEP = st.one_of(
    st.tuples(st.just("confirmed"), st.integers(1, 4)),
    st.tuples(st.just("unconfirmed"), st.integers(1, 3)),
    st.tuples(st.just("consume"), st.integers(1, 3)),
    st.tuples(st.just("full"), st.booleans().map(int)),
    st.tuples(st.just("sync"), st.just(0)),
)


@settings(max_examples=60)
@given(st.lists(STEP, max_size=25))
def test_nothing_confirmed_is_lost_and_nothing_nacked_appears(steps: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        place = Place(Path(directory) / "data")
        queue = place.queue()
        ledger = place.ledger()
        published: list[bytes] = []  # by confirm number
        others: list[bytes] = []
        seen: list[bytes] = []
        answers: list[tuple[str, int, bool]] = []
        for kind, value in [*steps, ("full", 0), ("sync", 0)]:
            if kind == "confirmed":
                fresh = [b"c%d" % (len(published) + at) for at in range(value)]
                published += fresh
                place.confirmed(ledger, *fresh)
            elif kind == "unconfirmed":
                for _ in range(value):
                    others.append(b"u%d" % len(others))
                    place.publish("", "q", others[-1])
                place.finish()
            elif kind == "consume":
                for _ in range(min(value, int(queue.ready.count))):
                    queued = take(queue)
                    seen.append(queued.message.body)
                    queue.settle(queued)
                place.finish()
            elif kind == "full":
                place.files.is_full = bool(value)
                if place.turn.alarms.is_disk_full:
                    place.turn.try_again()
            elif place.store.is_dirty:
                place.sync()
            answers += place.told()
        place.store.close()
        after = Scene(Path(directory) / "data")
        left = recovered(after)
        after.store.close()
    acked = {number for what, number, many in answers if what == "ack" and not many}
    nacked = {number for what, number, _ in answers if what == "nack"}
    highest = 0
    for what, number, many in answers:
        if what == "ack":
            if many:
                acked |= set(range(highest + 1, number + 1)) - nacked
            highest = max(highest, number)
    assert acked | nacked == set(range(1, len(published) + 1))
    assert acked.isdisjoint(nacked)
    found = seen + left
    assert len(found) == len(set(found))
    assert set(found) == {published[number - 1] for number in acked} | set(others)


def test_settlements_are_kept_and_count_after_a_restart(tmp_path: Path) -> None:
    place = Place(tmp_path / "data")
    queue = place.queue()
    place.confirmed(place.ledger(), b"1", b"2")
    place.files.is_full = True
    queue.settle(take(queue))
    place.finish()
    place.files.is_full = False
    place.turn.try_again()
    place.sync()
    place.store.close()
    after = Scene(tmp_path / "data")
    assert recovered(after) == [b"2"]
    after.store.close()
