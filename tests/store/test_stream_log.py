"""A stream's segments: offsets, restarts, pages from anywhere, retention, a full disk."""

import errno
import random
from pathlib import Path

import pytest

from broker.store.errors import StoreError
from broker.store.framing import FILE_HEADER_SIZE
from tests.store.scene import FailingFiles
from tests.store.streams import LOG_ID, SEGMENT_BYTES, StreamScene, expected, numbered

HOUR_MS = 3_600_000


def test_messages_come_back_with_their_offsets(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(*numbered(0, 5))
    scene.confirmed(*numbered(5, 5))
    assert scene.read() == expected(numbered(0, 10))
    assert scene.read(7) == expected(numbered(0, 10), 7)
    scene.crash()


def test_readers_see_nothing_that_no_sync_covers(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(b"synced")
    scene.publish(b"written")
    scene.append(b"noted")
    assert scene.read() == [(0, b"synced")]
    scene.sync()
    assert scene.read() == [(0, b"synced"), (1, b"written")]
    scene.crash()


def test_turn_that_only_touched_a_stream_has_a_batch_of_its_own(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    first = scene.publish(b"1")
    second = scene.publish(b"2")
    assert second == first + 1
    assert scene.store.synced < first
    assert scene.sync() == second
    assert scene.store.write() == second
    scene.crash()


@pytest.mark.parametrize("stop", ["restarted", "crashed"])
def test_offsets_go_on_after_every_stop(tmp_path: Path, stop: str) -> None:
    scene = StreamScene(tmp_path / "data")
    for number in range(6):
        scene.confirmed(*numbered(number * 3, 3))
        getattr(scene, stop)()
        assert scene.report == []
        assert scene.read() == expected(numbered(0, number * 3 + 3))
    scene.crash()


def test_stops_without_news_add_no_file(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(*numbered(0, 5))
    scene.crashed()
    before = len(scene.segments)
    for stop in (scene.crashed, scene.restarted, scene.crashed, scene.restarted):
        stop()
    assert len(scene.segments) == before
    assert scene.read() == expected(numbered(0, 5))
    scene.crash()


def test_segments_roll_and_are_read_from_any_offset(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    bodies = numbered(0, 400, size=300)
    for first in range(0, 400, 10):
        scene.publish(*bodies[first : first + 10])
        if first % 50 == 0:
            scene.sync()
    scene.sync()
    assert len(scene.segments) > 5
    for offset in [0, 1, 9, 10, 11, 399, *random.Random(1).sample(range(400), 30)]:
        assert scene.read(offset) == expected(bodies, offset)
    assert scene.read(400) == []
    scene.crashed()
    assert scene.report == []
    assert scene.read() == expected(bodies)
    scene.crash()


def test_long_segment_is_its_own_index(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.log.limits.segment_bytes = 1 << 30
    bodies = numbered(0, 4000, size=500)
    for first in range(0, 4000, 40):
        scene.publish(*bodies[first : first + 40], timestamp_ms=first * 1000)
    scene.sync()
    assert len(scene.segments) == 1
    for offset in random.Random(2).sample(range(4000), 20):
        page = scene.pages.read(offset, None)
        assert page is not None
        assert page.first <= offset < page.end
        assert page.messages[offset - page.first].body == bodies[offset]
        scene.pages.clear()
    for offset in random.Random(3).sample(range(100), 20):
        assert scene.pages.offset_at(offset * 40_000) == offset * 40
        assert scene.pages.offset_at(offset * 40_000 + 1) == offset * 40 + 40
    scene.crash()


def test_large_turn_becomes_several_chunks_of_one_batch(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    bodies = numbered(0, 50, size=20_000)
    scene.confirmed(*bodies)
    assert scene.log.last_chunk > 0
    assert scene.read() == expected(bodies)
    scene.crashed()
    assert scene.read() == expected(bodies)
    scene.crash()


def test_last_chunk_is_known_after_every_stop(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(*numbered(0, 5))
    scene.confirmed(*numbered(5, 5))
    for stop in (scene.restarted, scene.crashed, scene.crashed, scene.restarted):
        stop()
        assert scene.log.last_chunk == 5
    torn = scene.segments[-1].with_name("00000000000000ff.stream")
    scene.crash()
    torn.write_bytes(b"torn")
    scene.open()
    assert scene.log.last_chunk == 5
    scene.crashed()
    assert scene.log.last_chunk == 5
    scene.crash()


def test_readers_share_what_was_read(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(*numbered(0, 10))
    page = scene.pages.read(0, None)
    assert scene.pages.read(5, None) is page
    scene.crash()


def test_time_finds_the_first_message_published_then(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    for second in range(100):
        scene.publish(*numbered(second * 3, 3, size=200), timestamp_ms=1000 * second)
    scene.sync()
    assert len(scene.segments) > 3
    found = [int(scene.pages.offset_at(1000 * second)) for second in range(100)]
    assert found == [second * 3 for second in range(100)]
    assert scene.pages.offset_at(50_500) == 153
    assert scene.pages.offset_at(1_000_000) == 300
    scene.crashed()
    assert scene.pages.offset_at(50_500) == 153
    scene.crash()


# --- retention


def test_oldest_segments_go_when_the_stream_is_too_large(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data", max_bytes=4 * SEGMENT_BYTES)
    bodies = numbered(0, 1000, size=300)
    for first in range(0, 1000, 10):
        scene.confirmed(*bodies[first : first + 10])
    assert scene.log.bytes <= 5 * SEGMENT_BYTES
    first_offset = int(scene.log.first_offset)
    assert 0 < first_offset < 1000
    assert scene.read() == expected(bodies, first_offset)
    scene.unlink_garbage()
    assert len(scene.segments) == len(scene.log.segments)
    scene.crashed()
    assert scene.report == []
    assert scene.read(3) == expected(bodies, first_offset)
    scene.crash()


def test_segments_go_when_their_last_message_is_too_old(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data", max_age_ms=HOUR_MS)
    for hour in range(5):
        scene.publish(*numbered(hour * 100, 100, size=200), timestamp_ms=hour * HOUR_MS)
    scene.sync()
    assert scene.log.first_offset == 200
    scene.store.retain_streams(4 * HOUR_MS + 1)
    assert scene.log.first_offset == 300
    scene.store.retain_streams(5 * HOUR_MS + 1)
    assert scene.log.first_offset == 400, "the last segment stays, however old it is"
    assert [offset for offset, _ in scene.read()] == list(range(400, 500))
    scene.crash()


def test_forgotten_stream_leaves_no_file(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(*numbered(0, 5))
    scene.append(b"never written")
    scene.store.forget_stream(scene.log)
    scene.store.write()
    scene.sync()
    job = scene.store.begin_retire()
    job.run()
    scene.store.finish_retire(job)
    assert not scene.directory.exists()
    scene.crash()


def test_stream_forgotten_just_before_a_kill_is_gone_after_it(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(*numbered(0, 5))
    scene.store.forget_stream(scene.log)
    scene.store.write()
    scene.crashed()
    assert scene.report == []
    job = scene.store.begin_retire()
    job.run()
    scene.store.finish_retire(job)
    assert not scene.directory.exists()
    scene.crash()


def test_stream_that_nobody_declares_is_left_alone_and_its_number_not_used_again(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(*numbered(0, 5))
    scene.crash()
    recovered = scene.store.__class__(str(tmp_path / "data"), scene.files, scene.store.limits)
    found = recovered.recover()
    assert found.highest_log_id == LOG_ID
    assert "belongs to no stream" in found.report[0]
    recovered.close_files()
    recovered.directory.release()
    scene.open()
    assert scene.read() == expected(numbered(0, 5))
    scene.crash()


# --- files that fail


@pytest.mark.parametrize("fails_at", range(1, 6))
def test_full_disk_undoes_the_whole_turn_and_keeps_it_noted(tmp_path: Path, fails_at: int) -> None:
    files = FailingFiles(errno.ENOSPC, only="write")
    scene = StreamScene(tmp_path / "data", files)
    other = scene.store.make_stream(8, scene.log.limits)
    scene.confirmed(*numbered(0, 3))
    files.calls.clear()
    files.fails_at = fails_at
    files.is_sticky = True
    scene.append(*numbered(3, 40, size=9000))
    for body in numbered(0, 3):
        scene.store.append_to_stream(other, scene.log.pending[0].__class__(b"", b"", body, False, 0, 0, -1))
    with pytest.raises(StoreError) as error:
        scene.store.write()
    assert error.value.is_no_space
    assert scene.log.next_offset == 3
    sizes = [int(segment.size) for log in (scene.log, other) for segment in log.segments]
    assert [
        file.stat().st_size
        for log in (scene.log, other)
        if log.segments
        for file in sorted(Path(log.directory).iterdir())
    ] == sizes or min(sizes) == FILE_HEADER_SIZE
    files.fails_at = 0
    scene.store.write()
    scene.sync()
    assert scene.read() == expected([*numbered(0, 3), *numbered(3, 40, size=9000)])
    scene.crashed()
    assert scene.read() == expected([*numbered(0, 3), *numbered(3, 40, size=9000)])
    scene.crash()


def test_full_disk_takes_back_what_was_published_and_keeps_dead_letters(tmp_path: Path) -> None:
    files = FailingFiles(errno.ENOSPC, only="write")
    scene = StreamScene(tmp_path / "data", files)
    files.fails_at, files.is_sticky = len(files.calls) + 1, True
    scene.append(b"refused")
    scene.store.mark_published()
    scene.append(b"dead letter")
    with pytest.raises(StoreError):
        scene.store.write()
    scene.store.take_back_streams()
    scene.store.carry_streams()
    scene.append(b"refused too")
    scene.store.mark_published()
    scene.store.take_back_streams()
    scene.store.carry_streams()
    files.fails_at = 0
    scene.store.write()
    scene.sync()
    assert scene.read() == [(0, b"dead letter")]
    scene.crash()


def test_failed_sync_shows_readers_nothing_more(tmp_path: Path) -> None:
    files = FailingFiles(errno.EIO, only="sync")
    scene = StreamScene(tmp_path / "data", files)
    scene.confirmed(b"1")
    scene.publish(b"2")
    files.fails_at, files.is_sticky = len(files.calls) + 1, True
    with pytest.raises(StoreError):
        scene.sync()
    assert scene.read() == [(0, b"1")]
    scene.append(b"3")
    with pytest.raises(StoreError, match="has failed"):
        scene.store.write()
    scene.crash()
