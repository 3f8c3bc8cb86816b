"""A stream after crashes and on bad disks: cut, flipped, missing and reordered octets."""

import random
import shutil
from pathlib import Path

import pytest

from broker.store.stream_recovery import StreamScan
from tests.store.scene import QuickFiles, RecordingFiles
from tests.store.streams import StreamScene, expected, numbered


def small_stream(path: Path) -> tuple[list[bytes], bytes]:
    """Five turns, four of them synced, each sync known to the chunk after it; then a kill.

    Returns:
        What was published, and the octets of the one segment.
    """
    scene = StreamScene(path)
    for turn in range(4):
        scene.confirmed(*numbered(turn * 2, 2))
    scene.publish(*numbered(8, 2))
    size = int(scene.log.segments[0].size)
    scene.crash()
    return numbered(0, 10), scene.segments[0].read_bytes()[:size]


def copy_of(source: Path, target: Path) -> Path:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target)
    return target


def test_stream_cut_anywhere_serves_what_lies_before_the_cut_and_goes_on(tmp_path: Path) -> None:
    bodies, whole = small_stream(tmp_path / "data")
    (segment,) = (tmp_path / "data" / "streams").rglob("*.stream")
    seen = set()
    for size in range(len(whole) + 1):
        path = copy_of(tmp_path / "data", tmp_path / "cut")
        (path / segment.relative_to(tmp_path / "data")).write_bytes(whole[:size])
        scene = StreamScene(path)
        found = scene.read()
        assert found == expected(bodies[: len(found)]), f"cut at {size}"
        assert len(scene.report) <= 1
        first = int(scene.log.next_offset)
        assert first >= len(found)
        scene.confirmed(b"after")
        scene.crashed()
        assert scene.report == [] or first > len(found)
        assert scene.read() == [*found, (first, b"after")], f"cut at {size}"
        scene.crash()
        seen.add(len(found))
    assert seen == {0, 2, 4, 6, 8, 10}


def test_stream_with_any_octet_flipped_never_serves_a_wrong_message(tmp_path: Path) -> None:
    bodies, whole = small_stream(tmp_path / "data")
    (segment,) = (tmp_path / "data" / "streams").rglob("*.stream")
    everything = expected(bodies)
    for place in range(len(whole)):
        path = copy_of(tmp_path / "data", tmp_path / "flipped")
        octets = bytearray(whole)
        octets[place] ^= 1 << place % 8
        (path / segment.relative_to(tmp_path / "data")).write_bytes(bytes(octets))
        scene = StreamScene(path)
        found = scene.read()
        assert set(found) <= set(everything), f"octet {place}"
        assert len(found) >= 8, f"octet {place}: one chunk is lost, or the unsynced end"
        assert scene.report, f"octet {place}"
        scene.crash()


def many_segments(path: Path) -> tuple[StreamScene, list[bytes]]:
    scene = StreamScene(path)
    bodies = numbered(0, 300, size=300)
    for first in range(0, 300, 10):
        scene.confirmed(*bodies[first : first + 10])
    assert len(scene.segments) > 4
    return scene, bodies


def test_missing_segment_in_the_middle_is_told_and_the_rest_is_kept(tmp_path: Path) -> None:
    scene, bodies = many_segments(tmp_path / "data")
    first, end = int(scene.log.segments[2].first), int(scene.log.segments[3].first)
    scene.crash()
    scene.segments[2].unlink()
    scene.open()
    assert len(scene.report) == 1
    assert f"messages {first} to {end - 1} of the stream are lost" in scene.report[0]
    everything = expected(bodies)
    assert scene.read() == everything[:first] + everything[end:]
    scene.crash()


def test_damage_in_an_old_segment_is_passed_over_and_found_by_a_whole_scan(tmp_path: Path) -> None:
    scene, bodies = many_segments(tmp_path / "data")
    scene.crash()
    damaged = scene.segments[1]
    octets = bytearray(damaged.read_bytes())
    octets[len(octets) // 2] ^= 0xFF
    damaged.write_bytes(bytes(octets))
    scene.open()
    found = scene.read()
    everything = expected(bodies)
    assert len(found) == 290
    lost = sorted(set(everything) - set(found))
    assert [offset for offset, _ in lost] == list(range(lost[0][0], lost[0][0] + 10))
    scan = StreamScan(QuickFiles(), scene.log.directory, scene.log.key)
    scan.run(is_whole=True)
    assert f"messages {lost[0][0]} to {lost[-1][0]} of the stream are lost" in scan.findings[0].text
    scene.crash()


def test_segment_without_its_header_is_known_by_its_chunks(tmp_path: Path) -> None:
    scene, bodies = many_segments(tmp_path / "data")
    scene.crash()
    for segment in scene.segments[1:3]:
        segment.write_bytes(bytes(32) + segment.read_bytes()[32:])
    scene.open()
    assert len(scene.report) == 2
    assert scene.read() == expected(bodies)
    scene.crash()


def test_foreign_and_unfinished_files_do_no_harm(tmp_path: Path) -> None:
    scene, bodies = many_segments(tmp_path / "data")
    scene.crash()
    (scene.directory / "notes.txt").write_text("mine")
    unfinished = scene.directory / "00000000000000ff.stream.tmp"
    unfinished.write_bytes(b"half")
    scene.open()
    assert [line for line in scene.report if "notes.txt" in line]
    assert not unfinished.exists()
    assert scene.read() == expected(bodies)
    scene.crash()


def test_recovered_tail_is_in_a_new_segment_and_the_old_end_is_not_told_again(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(*numbered(0, 4))
    scene.publish(*numbered(4, 4))
    scene.crash()
    (segment,) = scene.segments
    octets = segment.read_bytes().rstrip(b"\0")
    segment.write_bytes(octets[:-9])
    scene.open()
    assert len(scene.report) == 1
    assert "cut" in scene.report[0]
    for _ in range(2):
        scene.crashed()
        assert scene.report == []
        assert scene.read() == expected(numbered(0, 4))
    scene.crash()


@pytest.mark.parametrize("seed", range(6))
def test_power_loss_at_any_moment_keeps_every_synced_message_and_reuses_no_offset(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    files = RecordingFiles(tmp_path / "data")
    scene = StreamScene(tmp_path / "data", files)
    marks = [(len(files.changes), 0, 0)]
    bodies: list[bytes] = []
    for _ in range(60):
        action = chance.random()
        if action < 0.6:
            fresh = numbered(len(bodies), chance.randint(1, 30), size=chance.randint(0, 300))
            bodies += fresh
            scene.publish(*fresh)
        elif action < 0.9:
            scene.sync()
        elif action < 0.95:
            scene.restarted()
        else:
            scene.crashed()
        marks.append((len(files.changes), int(scene.log.synced), len(bodies)))
    scene.crash()
    for _ in range(30):
        count = chance.randint(marks[0][0], len(files.changes))
        synced = max(synced for changes, synced, _ in marks if changes <= count)
        disk = tmp_path / "disk"
        files.rebuild(disk, count, chance, chance.choice((0.0, 0.5, 1.0)))
        after = StreamScene(disk)
        found = after.read()
        assert found == expected(bodies[: len(found)]), f"after {count} changes: {after.report}"
        assert len(found) >= synced, f"after {count} changes: {after.report}"
        assert not [line for line in after.report if "are lost" in line], after.report
        after.crashed()
        assert after.report == []
        assert after.read() == found
        after.crash()
        shutil.rmtree(disk)
