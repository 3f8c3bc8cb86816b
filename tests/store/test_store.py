"""The one commit stage: what it writes, what it counts, what it refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from broker.core.message import NOT_STORED, SETTLED, Enqueuer, Queued
from broker.store.data_directory import DataDirectory
from broker.store.errors import StoreError
from broker.store.limits import StoreLimits
from broker.store.store import Store
from tests.store.scene import FailingFiles, QuickFiles, Scene, message, recover_copy, small_limits, state_of


def log_bytes(scene: Scene) -> bytes:
    return b"".join(file.read_bytes() for file in sorted((scene.path / "log").iterdir()))


def roomy() -> StoreLimits:
    return StoreLimits(1 << 20, 1 << 22, 0, dense_percent=100)


def test_nothing_pending_makes_no_call_and_gives_the_same_number(tmp_path: Path) -> None:
    files = FailingFiles()
    scene = Scene(tmp_path / "data", files)
    scene.append(b"one", 1)
    assert scene.write() == 1
    calls = len(files.calls)
    assert scene.write() == 1
    assert len(files.calls) == calls


def test_a_message_settled_in_its_own_turn_costs_no_octet(tmp_path: Path) -> None:
    files = FailingFiles()
    scene = Scene(tmp_path / "data", files)
    calls = len(files.calls)
    (queued,) = scene.append(b"fleeting", 1)
    scene.delivered(1, 1)
    scene.settle(1, 1)
    assert queued.log_segment == SETTLED
    assert scene.write() == 0
    assert len(files.calls) == calls
    assert not scene.store.is_dirty
    scene.check_counts()


def test_settling_twice_or_after_its_queue_is_forgotten_does_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    first, second = scene.append(b"both", 1, 2)
    scene.write()
    scene.store.settle(first)
    scene.store.settle(first)
    scene.store.forget_queue(2)
    scene.store.settle(second)
    scene.live = {}
    scene.write()
    scene.check_counts()
    scene.crash()
    assert recover_copy(tmp_path / "data")[0] == {}


def test_a_message_that_is_not_stored_is_settled_without_a_trace(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    queued = Queued(message(b"transient"), Enqueuer(b"q", "/", True, 1), 1)
    assert queued.log_segment == NOT_STORED
    scene.store.settle(queued)
    assert scene.write() == 0


def test_one_message_in_five_queues_is_written_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data", None, roomy())
    scene.append(b"a body worth writing once", 1, 2, 3, 4, 5)
    scene.write()
    assert log_bytes(scene).count(b"a body worth writing once") == 1
    scene.crash()
    state, _ = recover_copy(tmp_path / "data")
    assert sorted(state) == [1, 2, 3, 4, 5]


def test_a_recovered_message_is_the_same_to_the_octet(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    original = message(b"\x00body\xce" * 2000, 7, 86_400_000)
    scene.store.append(Queued(original, scene.enqueuer(9), 41))
    scene.write()
    scene.store.close()
    store = Store(str(tmp_path / "data"), QuickFiles(), small_limits())
    recovered = store.recover()
    (entry,) = recovered.queues[9].entries
    found = entry.message
    assert (found.route, found.header, found.body) == (original.route, original.header, original.body)
    assert (found.priority, found.ttl_ms, found.timestamp_ms) == (7, 86_400_000, original.timestamp_ms)
    assert found.is_persistent
    assert (entry.position, recovered.queues[9].next_position, recovered.highest_log_id) == (41, 42, 9)
    store.close()


def test_neighbouring_settlements_become_one_record(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data", None, roomy())
    for _ in range(1000):
        scene.append(b"x", 1)
    scene.write()
    before = len(log_bytes(scene))
    for position in range(1, 1001):
        scene.settle(1, position)
    scene.write()
    assert len(log_bytes(scene)) - before == 40 + 25


def test_a_purge_keeps_its_survivors_and_what_comes_after(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    for number in range(10):
        scene.append(b"%d" % number, 1)
    scene.write()
    scene.append(b"same turn", 1)
    scene.append(b"same turn, unacked", 1)
    scene.purge(1, [3, 7, 12])
    scene.append(b"after", 1)
    scene.write()
    scene.check_counts()
    scene.crash()
    state, _ = recover_copy(tmp_path / "data")
    assert sorted(state[1]) == [3, 7, 12, 13]
    assert b"same turn" + b"\x01" not in log_bytes(scene)


def test_a_forgotten_queue_leaves_neither_messages_nor_files(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    for number in range(30):
        scene.append(b"%d" % number + bytes(60), 1, 2)
        scene.write()
    scene.sync()
    scene.retire()
    assert len(list((tmp_path / "data" / "queues").iterdir())) == 2
    scene.forget(1)
    scene.write()
    scene.check_counts()
    scene.sync()
    assert scene.store.is_retire_due
    scene.retire()
    assert [path.name for path in (tmp_path / "data" / "queues").iterdir()] == [f"{2:016x}"]
    scene.crash()
    state, recovered = recover_copy(tmp_path / "data")
    assert sorted(state) == [2]
    assert recovered.highest_log_id == 2


def test_only_what_was_handed_out_is_redelivered_after_a_restart(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    for number in range(5):
        scene.append(b"%d" % number, 1)
    scene.write()
    scene.delivered(1, 3)
    scene.delivered(1, 2)
    scene.write()
    scene.crash()
    state, _ = recover_copy(tmp_path / "data")
    assert [state[1][position][1] for position in (1, 2, 3, 4, 5)] == [True, True, True, False, False]


def test_delivered_marks_and_settlements_survive_the_retirement_of_their_log_segments(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    for number in range(20):
        scene.append(b"%02d" % number + bytes(80), 1)
        scene.write()
    scene.delivered(1, 12)
    scene.write()
    scene.sync()
    scene.retire()
    scene.settle(1, 4)
    scene.delivered(1, 14)
    scene.write()
    for number in range(30):
        scene.append(b"%02d" % number + bytes(80), 2)
        scene.write()
    scene.sync()
    scene.retire()
    assert list((tmp_path / "data" / "queues").rglob("*.acks")) != []
    expected = scene.state()
    scene.store.close()
    assert recover_copy(tmp_path / "data")[0] == expected
    assert expected[1][14] == (b"13" + bytes(80), True)
    assert 4 not in expected[1]


def test_traffic_that_is_consumed_keeps_the_log_short_and_owns_no_queue_file(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    for number in range(300):
        scene.append(b"%03d" % number + bytes(100), 1)
        scene.write()
        scene.settle(1, number + 1)
        if number % 20 == 19:
            scene.write()
            scene.sync()
            if scene.store.is_retire_due:
                scene.retire()
    assert scene.store.log.bytes < 6000
    assert list((tmp_path / "data" / "queues").iterdir()) == []
    assert not scene.store.is_retire_due


def test_a_drained_backlog_gives_its_disk_back_without_new_traffic(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    for number in range(60):
        scene.append(b"%03d" % number + bytes(100), 1)
        scene.write()
    scene.sync()
    scene.retire()
    assert list((tmp_path / "data" / "queues").rglob("*.seg")) != []
    for position in sorted(scene.live[1]):
        scene.settle(1, position)
    scene.write()
    scene.retire()
    assert list((tmp_path / "data" / "queues").rglob("*.seg")) != []  # its settlements are not synced yet
    scene.sync()
    assert scene.store.is_retire_due
    scene.retire()
    assert list((tmp_path / "data" / "queues").iterdir()) == []


def test_topology_is_found_in_order_and_a_snapshot_replaces_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    for number in range(40):
        scene.declare(b"record %02d" % number + bytes(60))
    assert scene.write() == 1
    assert scene.store.journal_garbage > 2000
    scene.store.compact_journal([b"snapshot"])
    assert scene.store.journal_garbage == 0
    scene.topology = [b"snapshot"]
    scene.declare(b"later")
    assert scene.write() == 2
    assert scene.sync() == 2
    assert len(list((tmp_path / "data" / "journal").iterdir())) == 1
    scene.crash()
    assert recover_copy(tmp_path / "data")[1].topology == [b"snapshot", b"later"]


def test_a_sync_covers_what_was_written_before_it_began_and_no_more(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    scene.append(b"before", 1)
    scene.write()
    assert scene.store.is_dirty
    job = scene.store.begin_sync()
    was_dirty = bool(scene.store.is_dirty)
    scene.append(b"meanwhile" + bytes(600), 1)
    scene.write()
    assert (was_dirty, bool(scene.store.is_dirty)) == (False, True)
    job.run()
    assert scene.store.finish_sync(job) == 1
    assert scene.store.written == 2
    assert scene.sync() == 2
    assert all(segment.is_synced for segment in scene.store.log.segments[:-1])


def test_a_clean_stop_leaves_no_reserve_and_nothing_to_report(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data", None, StoreLimits(1 << 20, 1 << 22, 4096, dense_percent=100))
    scene.append(b"one", 1)
    scene.write()
    file = max((tmp_path / "data" / "log").iterdir())
    assert file.stat().st_size > 4096
    scene.store.close()
    assert file.stat().st_size < 1000
    recovered = scene.open()
    assert recovered.report == []
    assert state_of(recovered) == scene.state()
    scene.store.close()


def test_a_second_process_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    script = (
        "import sys\n"
        "from broker.store.data_directory import DataDirectory\n"
        "from broker.store.errors import StoreError\n"
        "from broker.store.files import Files\n"
        "try:\n"
        "    DataDirectory(sys.argv[1], Files())\n"
        "except StoreError as error:\n"
        "    sys.exit(str(error))\n"
    )
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "data").rglob("*"))
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "data")], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 1
    assert f"in use by process {os.getpid()};" in done.stderr
    assert sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "data").rglob("*")) == before
    scene.store.close()
    DataDirectory(str(tmp_path / "data"), QuickFiles()).release()


def test_a_newer_or_unknown_format_is_refused_untouched(tmp_path: Path) -> None:
    Scene(tmp_path / "data").store.close()
    original = (tmp_path / "data" / "format").read_text()
    for text, words in ((original.replace("ponymq 1", "ponymq 2"), "upgrade"), ("other 1\n", "not readable")):
        (tmp_path / "data" / "format").write_text(text)
        with pytest.raises(StoreError, match=words):
            DataDirectory(str(tmp_path / "data"), QuickFiles())
        assert (tmp_path / "data" / "format").read_text() == text
    (tmp_path / "data" / "format").write_text(original)
    DataDirectory(str(tmp_path / "data"), QuickFiles()).release()


def test_a_data_directory_is_private(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    scene.append(b"secret", 1)
    scene.write()
    for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
    scene.store.close()


def test_a_directory_that_cannot_be_made_is_told_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Not a directory"):
        DataDirectory(str(tmp_path / "file" / "data"), QuickFiles())


def test_a_long_log_is_left_alone_while_most_of_it_is_wanted(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data", None, StoreLimits(1 << 16, 1 << 18, 0))
    kept = 3000
    for position in range(1, kept + 1):
        scene.append(b"x" * 100, 1)
        if position % 50 == 0:
            scene.write()
            scene.sync()
    assert scene.store.log.bytes > 1 << 18
    assert not scene.store.is_retire_due
    for position in range(2, kept, 2):
        scene.settle(1, position)
    for position in range(3, kept // 2, 2):
        scene.settle(1, position)
    scene.write()
    scene.sync()
    assert scene.store.is_retire_due
