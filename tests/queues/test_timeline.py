"""Messages in order of time: as if all of them were sorted in memory, and few of them in memory."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.core.message import PENDING, Enqueuer, Message, Queued
from broker.queues.timeline import CHUNKS_PER_TURN, LOAD_BYTES, NEVER, Timeline
from broker.queues.window import MESSAGE_OVERHEAD, MemoryWindow
from broker.store.files import Files
from broker.store.spool import Spool

OWNER = Enqueuer(b"x", "/", False, 0)
NOW = 1_700_000_000_123
DAY = 86_400_000


def queued(position: int, due: int, size: int = 100) -> Queued:
    message = Message(b"\x00\x01q", b"h" * 14, b"%d" % position + b"b" * size, False, 0, 0, -1)
    made = Queued(message, OWNER, position)
    made.expires_ms = due
    return made


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "spool"), Files())


def taken(timeline: Timeline, now: int) -> list[tuple[int, int]]:
    """Everything due, in as many turns as it needs; due and position of each."""
    found: list[tuple[int, int]] = []
    while True:
        timeline.chunks_left = CHUNKS_PER_TURN
        while (each := timeline.take(now)) is not None:
            assert each.message.body.startswith(b"%d" % each.position)
            found.append((int(each.expires_ms), int(each.position)))
        if timeline.next_ms() > now:
            return found


delays = st.one_of(st.integers(1, 50), st.integers(1, 5_000), st.integers(1, DAY), st.integers(1, 2**32 - 1))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), delays, st.integers(1, 40)),
        st.tuples(st.just("same"), delays, st.integers(1, 40)),
        st.tuples(st.just("pass"), delays, st.just(0)),
        st.tuples(st.just("begin"), delays, st.just(0)),
        st.tuples(st.just("room"), st.just(0), st.just(0)),
        st.tuples(st.just("clear"), st.just(0), st.integers(0, 9)),
    ),
    max_size=40,
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=steps, window_messages=st.integers(1, 30), seed=st.integers(0, 1000))
def test_a_timeline_is_a_sorted_list(
    spool: Spool, history: list[tuple[str, int, int]], window_messages: int, seed: int
) -> None:
    chance = random.Random(seed)
    window = MemoryWindow(window_messages * (MESSAGE_OVERHEAD + 100), 1 << 30)
    timeline = Timeline(OWNER, window, spool, load_bytes=chance.choice([500, 3000]), dealt_per_ms=3)
    model: list[tuple[int, int]] = []
    now, following = NOW, 1
    for step, delay, count in history:
        if step in {"add", "same"}:
            for _ in range(count):
                due = now + (delay if step == "same" else chance.randint(1, delay))
                timeline.add(queued(following, due))
                model.append((due, following))
                following += 1
        elif step == "pass":
            now += delay
            model.sort()
            expected = [each for each in model if each[0] <= now]
            assert taken(timeline, now) == expected
            model = model[len(expected) :]
        elif step == "begin":  # one chunk of what is opened ahead of its time
            timeline.chunks_left = 1
            now = max(now, min(now + delay, int(timeline.next_ms())))
            first = timeline.take(now)
            assert first is None or (first.expires_ms, first.position) == min(model)
            if first is not None:
                model.remove((int(first.expires_ms), int(first.position)))
        elif step == "clear" and count == 0:
            timeline.clear()
            model = []
        timeline.make_room()
        assert timeline.count == len(model)
        assert timeline.next_ms() <= min(model, default=(NEVER, 0))[0]
        assert window.used <= window.queue_bytes + 80 * (MESSAGE_OVERHEAD + 200)
    assert taken(timeline, NEVER - 1) == sorted(model)
    assert (timeline.count, window.used, spool.octets, timeline.next_ms()) == (0, 0, 0, NEVER)
    spool.unlink(spool.take_garbage())
    assert list(Path(spool.directory).iterdir()) == []


def test_a_crowd_that_is_due_at_one_moment_never_comes_into_memory_at_once(spool: Spool) -> None:
    window = MemoryWindow(100_000, 1 << 30)
    timeline = Timeline(OWNER, window, spool)
    count, due, most = 20_000, NOW + DAY, 0
    for position in range(1, count + 1):
        timeline.add(queued(position, due))
        if position % 100 == 0:
            timeline.make_room()
    assert spool.octets > LOAD_BYTES
    found: list[int] = []
    while timeline.next_ms() <= due:
        timeline.chunks_left = CHUNKS_PER_TURN
        while (each := timeline.take(due)) is not None:
            found.append(int(each.position))
            most = max(most, int(window.used))
    assert found == list(range(1, count + 1))
    assert most < 1_000_000  # all of them are eleven


def test_one_turn_reads_only_so_many_chunks(spool: Spool) -> None:
    timeline = Timeline(OWNER, MemoryWindow(10_000, 1 << 30), spool)
    for position in range(1, 41):  # keep the memory busy, so that all others go to the spool
        timeline.add(queued(-position, NOW + position // 20))
    timeline.make_room()
    for position in range(1, 10_001):
        timeline.add(queued(position, NOW + DAY + position, 400))
    assert len(taken(timeline, NOW + 10)) == 40
    opens = timeline.next_ms()
    # It is long, and so it is dealt out ahead of its time: nothing is due yet.
    assert NOW < opens < NOW + DAY
    timeline.chunks_left = 3
    assert timeline.take(opens) is None
    assert (timeline.chunks_left, timeline.next_ms()) == (0, opens)
    assert taken(timeline, NOW + DAY) == []
    assert len(taken(timeline, NOW + DAY + 5000)) == 5000


def test_what_comes_while_a_long_stretch_is_dealt_out_is_not_held_up_by_it(spool: Spool) -> None:
    timeline = Timeline(OWNER, MemoryWindow(10_000, 1 << 30), spool)
    for position in range(1, 41):
        timeline.add(queued(-position, NOW + position // 20))
    timeline.make_room()
    for position in range(1, 10_001):
        timeline.add(queued(position, NOW + DAY + position, 400))
    assert len(taken(timeline, NOW + 10)) == 40
    opens = timeline.next_ms()
    timeline.chunks_left = 2
    assert timeline.take(opens) is None  # begun, and not finished
    for position in range(20_001, 22_001):
        timeline.add(queued(position, opens + 1 + position % 7, 400))
    timeline.chunks_left = 1000
    found = [timeline.take(opens + 10) for _ in range(2000)]
    assert [(each.position % 7, each.position) for each in found if each is not None] == sorted(
        (position % 7, position) for position in range(20_001, 22_001)
    )
    assert len(taken(timeline, NOW + 2 * DAY)) == 10_000


def test_a_message_whose_record_has_no_place_yet_stays_in_memory(spool: Spool) -> None:
    window = MemoryWindow(2_000, 1 << 30)
    timeline = Timeline(OWNER, window, spool)
    held = [queued(position, NOW + position) for position in range(1, 51)]
    for each in held:
        each.log_segment = PENDING
        timeline.add(each)
    for position in range(51, 101):
        timeline.add(queued(position, NOW + position - 50))
    timeline.make_room()
    assert spool.octets == 0 or timeline.count == 100
    got = [timeline.take(NOW + 50) for _ in range(100)]
    assert [each for each in got if each in held] == held
    assert sorted(int(each.position) for each in got if each is not None) == list(range(1, 101))


def test_without_a_spool_everything_stays_in_memory() -> None:
    timeline = Timeline(OWNER)
    for position in range(1, 1001):
        timeline.add(queued(position, NOW + 1001 - position))
    timeline.make_room()
    assert timeline.next_ms() == NOW + 1
    assert [position for _, position in taken(timeline, NOW + 1000)] == list(range(1000, 0, -1))
