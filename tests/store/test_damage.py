"""Files cut at every octet, with bits flipped, with blocks zeroed or repeated: never an exception, never a phantom."""

import shutil
from pathlib import Path

import pytest

from broker.store.framing import Scan, header_key
from broker.store.limits import StoreLimits
from broker.store.store import Store
from tests.store.scene import RecordingFiles, Scene, State, recover_copy, small_limits

TWENTY = 20


def twenty_batches(path: Path, syncs: bool = False) -> Scene:
    """A log of twenty small batches: appends to one or two queues, settlements, marks. Ended by a crash."""
    scene = Scene(path, None, StoreLimits(1 << 20, 1 << 22, 0, dense_percent=100))
    for number in range(TWENTY):
        scene.append(b"body %02d" % number, *((1, 2) if number % 3 == 0 else (1,)))
        if number % 4 == 3:
            scene.settle(1, min(scene.live[1]))
            scene.delivered(1, min(scene.live[1]))
        scene.write()
        if syncs and number == TWENTY - 5:
            scene.sync()
    scene.crash()
    return scene


def log_file(path: Path) -> Path:
    return max((path / "log").iterdir())


def boundary_before(whole: bytes, cut: int) -> int:
    """Where the whole batches of a cut file end."""
    runs = Scan(whole[:cut], header_key(whole)).runs
    return int(runs[-1].end) if runs else 32


def copy_with(source: Path, target: Path, file: Path, octets: bytes) -> Path:
    """A copy of a data directory in which one file holds other octets."""
    if target.exists():
        shutil.rmtree(target)
    shutil.copytree(source, target)
    (target / file.relative_to(source)).write_bytes(octets)
    return target


def prefix_of(scene: Scene, state: State) -> int:
    """Number of the batch after which the broker's state was this one; -1 if it never was."""
    for number in sorted(scene.states, reverse=True):
        if scene.states[number] == state:
            return number
    return -1


def test_a_log_cut_at_every_octet_gives_the_whole_batches_before_the_cut(tmp_path: Path) -> None:
    scene = twenty_batches(tmp_path / "data")
    file = log_file(tmp_path / "data")
    whole = file.read_bytes()
    last = 0
    for cut in range(len(whole) + 1):
        copy = copy_with(tmp_path / "data", tmp_path / "copy", file, whole[:cut])
        state, recovered = recover_copy(copy)
        number = prefix_of(scene, state)
        assert number >= last, f"cut at {cut}"
        last = number
        torn = [line for line in recovered.report if line.startswith(("cut ", "damage "))]
        is_at_boundary = recovered.report == []
        assert is_at_boundary or len(torn) == 1, f"cut at {cut}: {recovered.report}"
        if torn and cut > 32:
            assert f"at offset {boundary_before(whole, cut)}: " in torn[0]
        if cut % 7 == 0 and cut >= 32:  # a lost header stays lost: it is told again until the file is retired
            again, second = recover_copy(copy)
            assert again == state
            assert second.report == []
    assert last == TWENTY


def test_every_flipped_bit_costs_its_own_batch_and_no_other(tmp_path: Path) -> None:
    twenty_batches(tmp_path / "data")
    whole = log_file(tmp_path / "data").read_bytes()
    key = header_key(whole)
    (run,) = Scan(whole, key).runs
    for position in range(32 * 8, len(whole) * 8):
        broken = bytearray(whole)
        broken[position // 8] ^= 1 << position % 8
        scan = Scan(bytes(broken), key)
        assert len(scan.damage) == 1
        assert sum(part.last - part.first + 1 for part in scan.runs) == run.last - run.first, f"bit {position}"
        assert scan.damage[0].offset <= position // 8 < scan.damage[0].offset + scan.damage[0].size


def test_a_flipped_bit_in_an_unsynced_log_cuts_it_there(tmp_path: Path) -> None:
    scene = twenty_batches(tmp_path / "data")
    file = log_file(tmp_path / "data")
    whole = file.read_bytes()
    for position in range(32, len(whole), 5):
        broken = bytearray(whole)
        broken[position] ^= 1 << (position % 8)
        copy = copy_with(tmp_path / "data", tmp_path / "copy", file, bytes(broken))
        state, recovered = recover_copy(copy)
        assert 0 <= prefix_of(scene, state) < TWENTY, f"octet {position}"
        assert any(line.startswith("cut ") for line in recovered.report)


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_in_a_synced_log_costs_one_batch_and_is_reported(tmp_path: Path, bit: int) -> None:
    scene = twenty_batches(tmp_path / "data", syncs=True)
    file = log_file(tmp_path / "data")
    whole = file.read_bytes()
    bodies = {body for queue in scene.states[TWENTY].values() for body, _ in queue.values()}
    for position in range(bit, len(whole), 16):
        broken = bytearray(whole)
        broken[position] ^= 1 << bit
        copy = copy_with(tmp_path / "data", tmp_path / "copy", file, bytes(broken))
        state, recovered = recover_copy(copy)
        assert recovered.report, f"octet {position}"
        assert str(copy) in recovered.report[0]
        found = {body for queue in state.values() for body, _ in queue.values()}
        published = {b"body %02d" % number for number in range(TWENTY)}
        assert found <= published
        if recovered.report[0].startswith("damage "):
            # One batch is missing at most: its message, and no other.
            assert len(bodies - found) <= 1, f"octet {position}: {recovered.report}"
        else:
            assert len(bodies - found) <= 5  # behind the sync: cut from there


def test_zeros_behind_the_last_batch_are_no_damage(tmp_path: Path) -> None:
    scene = twenty_batches(tmp_path / "data")
    file = log_file(tmp_path / "data")
    whole = file.read_bytes()
    for size in (1, 39, 40, 41, 512, 70_000):
        state, recovered = recover_copy(copy_with(tmp_path / "data", tmp_path / "copy", file, whole + bytes(size)))
        assert state == scene.states[TWENTY]
        assert recovered.report == []


def test_junk_behind_the_last_batch_is_cut_and_told_once(tmp_path: Path) -> None:
    scene = twenty_batches(tmp_path / "data")
    file = log_file(tmp_path / "data")
    whole = file.read_bytes()
    copy = copy_with(tmp_path / "data", tmp_path / "copy", file, whole + b"junk" * 100)
    state, recovered = recover_copy(copy)
    assert state == scene.states[TWENTY]
    assert len(recovered.report) == 1
    assert f"at offset {len(whole)}: 400 octets" in recovered.report[0]
    assert recover_copy(copy)[1].report == []


@pytest.mark.parametrize("block", [64, 512])
def test_a_zeroed_or_repeated_block_never_makes_a_phantom(tmp_path: Path, block: int) -> None:
    twenty_batches(tmp_path / "data", syncs=True)
    file = log_file(tmp_path / "data")
    whole = file.read_bytes()
    published = {b"body %02d" % number for number in range(TWENTY)}
    for start in range(0, len(whole) - block, block):
        for other in (bytes(block), whole[:block], whole[start + block : start + 2 * block]):
            broken = whole[:start] + other + whole[start + block :]
            state, recovered = recover_copy(copy_with(tmp_path / "data", tmp_path / "copy", file, broken))
            assert {body for queue in state.values() for body, _ in queue.values()} <= published
            assert recovered.report or broken == whole


def test_a_batch_in_a_message_body_is_never_found_behind_damage(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    scene.append(b"victim", 1)
    scene.write()
    forged = log_file(tmp_path / "data").read_bytes()[32:]
    # Whoever publishes does not know the key; this one was even shown a batch of another directory.
    other = Scene(tmp_path / "other")
    other.append(b"carrier " + forged, 1)
    other.write()
    other.append(b"behind", 1)
    other.write()
    other.sync()
    other.append(b"proof of the sync", 1)
    other.write()
    other.crash()
    scene.crash()
    file = min((tmp_path / "other" / "log").iterdir())
    assert len(forged) < len(file.read_bytes())
    broken = bytearray(file.read_bytes())
    broken[40] ^= 1
    state, recovered = recover_copy(copy_with(tmp_path / "other", tmp_path / "copy", file, bytes(broken)))
    assert [body for body, _ in state[1].values()] == [b"behind", b"proof of the sync"]
    assert any(line.startswith("damage ") for line in recovered.report)


def test_foreign_and_unfinished_files_are_left_alone_or_removed(tmp_path: Path) -> None:
    scene = twenty_batches(tmp_path / "data")
    copy = copy_with(
        tmp_path / "data", tmp_path / "copy", log_file(tmp_path / "data"), log_file(tmp_path / "data").read_bytes()
    )
    first = log_file(copy)
    (copy / "log" / "notes.txt").write_text("mine")
    (copy / "log" / "0000000000000099.log.tmp").write_text("half")
    (copy / "log" / "0000000000000050.log").write_bytes(first.read_bytes())
    (copy / "queues" / "backup").mkdir()
    state, recovered = recover_copy(copy)
    assert state == scene.states[TWENTY]
    assert len(recovered.report) == 3
    assert (copy / "log" / "notes.txt").exists()
    assert not (copy / "log" / "0000000000000099.log.tmp").exists()


def test_an_empty_or_missing_last_segment_costs_nothing_else(tmp_path: Path) -> None:
    scene = twenty_batches(tmp_path / "data")
    recover_copy(tmp_path / "data")
    last = log_file(tmp_path / "data")
    (tmp_path / "data" / "log" / "0000000000000033.log").write_bytes(b"")
    state, recovered = recover_copy(tmp_path / "data")
    assert state == scene.states[TWENTY]
    assert recovered.report == []
    assert last.exists()


def test_a_missing_segment_in_the_middle_is_told_and_the_rest_kept(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    for number in range(40):
        scene.append(b"body %d" % number + bytes(60), 1)
        scene.write()
        scene.sync()
    scene.crash()
    segments = sorted((tmp_path / "data" / "log").iterdir())
    assert len(segments) > 4
    segments[2].unlink()
    state, recovered = recover_copy(tmp_path / "data")
    assert len(recovered.report) == 1
    assert "are missing" in recovered.report[0]
    assert 25 < len(state[1]) < 40


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_damaged_journal_keeps_what_it_can(tmp_path: Path, is_cut: bool) -> None:
    scene = Scene(tmp_path / "data")
    for number in range(10):
        scene.declare(b"record %d" % number)
        scene.write()
    scene.crash()
    file = next((tmp_path / "data" / "journal").iterdir())
    whole = file.read_bytes()
    for position in range(len(whole)):
        octets = (
            whole[:position] if is_cut else whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :]
        )
        _, recovered = recover_copy(copy_with(tmp_path / "data", tmp_path / "copy", file, octets))
        assert all(record in scene.topology for record in recovered.topology)
        if not is_cut:
            assert recovered.report
        if position > 32:
            # Cut at the damage; but what stands in the first batch may be a snapshot, and that had been synced.
            assert recovered.topology in (scene.topology[: len(recovered.topology)], scene.topology[1:])


def test_damage_in_a_journal_snapshot_costs_one_batch_only(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    records = [b"record %d" % number + bytes(1000) for number in range(300)]
    scene.store.compact_journal(records)
    scene.crash()
    file = next((tmp_path / "data" / "journal").iterdir())
    broken = bytearray(file.read_bytes())
    broken[len(broken) // 2] ^= 1
    _, recovered = recover_copy(copy_with(tmp_path / "data", tmp_path / "copy", file, bytes(broken)))
    assert 200 < len(recovered.topology) < 300
    assert set(recovered.topology) < set(records)
    assert len(recovered.report) >= 1


def backlog(path: Path) -> Scene:
    """Messages in queue segments with ledgers, and others in the log."""
    scene = Scene(path)
    for number in range(30):
        scene.append(b"old %d" % number + bytes(40), 1, 2)
        scene.write()
    scene.sync()
    scene.retire()
    for position in range(1, 8, 2):
        scene.settle(1, position)
    scene.delivered(1, 9)
    scene.write()
    for number in range(30):
        scene.append(b"new %d" % number + bytes(40), 3)
        scene.write()
    scene.sync()
    scene.retire()
    scene.crash()
    return scene


@pytest.mark.parametrize("suffix", [".seg", ".acks"])
def test_a_damaged_queue_segment_or_ledger_costs_its_own_batch_only(tmp_path: Path, suffix: str) -> None:
    scene = backlog(tmp_path / "data")
    assert (
        recover_copy(
            copy_with(
                tmp_path / "data",
                tmp_path / "copy",
                tmp_path / "data" / "format",
                (tmp_path / "data" / "format").read_bytes(),
            )
        )[0]
        == scene.state()
    )
    file = min((tmp_path / "data" / "queues" / f"{1:016x}").glob(f"*{suffix}"))
    whole = file.read_bytes()
    bodies = {body for queue in scene.state().values() for body, _ in queue.values()}
    for position in range(0, len(whole), 2):
        octets = whole[:position] + bytes([whole[position] ^ 4]) + whole[position + 1 :]
        state, recovered = recover_copy(copy_with(tmp_path / "data", tmp_path / "copy", file, octets))
        found = {body for queue in state.values() for body, _ in queue.values()}
        assert bodies - found == set() or suffix == ".seg"
        assert state[2] == scene.state()[2]
        assert state[3] == scene.state()[3]
        assert recovered.report, f"octet {position}"


def test_a_format_file_that_was_lost_is_made_again_with_the_same_key(tmp_path: Path) -> None:
    scene = backlog(tmp_path / "data")
    (tmp_path / "data" / "format").unlink()
    assert recover_copy(tmp_path / "data")[0] == scene.state()


def test_the_recovered_tail_is_synced_before_it_is_served(tmp_path: Path) -> None:
    scene = twenty_batches(tmp_path / "data", syncs=True)
    files = RecordingFiles(tmp_path / "data")
    store = Store(str(tmp_path / "data"), files, small_limits())
    store.recover()
    kinds = [kind for kind, _, path, _, _ in files.changes if kind != "sync_directory" or path.endswith("/log")]
    names = [octets for kind, _, _, _, octets in files.changes if kind == "rename" and octets.endswith(b".log")]
    store.close_files()
    store.directory.release()
    assert len(names) == 1
    rename = len(kinds) - 1 - kinds[::-1].index("rename")
    assert kinds[rename - 1] == "sync"
    assert kinds[rename + 1] == "sync_directory"
    tail = Path(names[0].decode()).read_bytes()
    assert next(number for number in range(TWENTY) if b"body %02d" % number in tail) >= TWENTY - 5
    assert scene.states[TWENTY] == recover_copy(tmp_path / "data")[0]
