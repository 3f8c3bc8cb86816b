"""The spool: what is put in comes out, in order, and what is damaged or will not fit is said."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.core.message import NOT_STORED, Enqueuer, Message, Queued
from broker.store.errors import StoreError
from broker.store.files import Files
from broker.store.spool import CHUNK_BYTES, Spool
from broker.store.spooled_line import FILE_BYTES, SpooledLine

QUEUE = Enqueuer(b"q", "/", True, 1)


def queued(position: int, body: bytes = b"", log_segment: int = NOT_STORED) -> Queued:
    message = Message(b"\x01x\x01k", b"header", body, log_segment != NOT_STORED, 1_700_000_000_000, 7, 5000)
    made = Queued(message, QUEUE, position)
    made.log_segment = log_segment
    made.expires_ms = 1_700_000_005_000
    made.redelivered = position % 2 == 0
    return made


def facts(each: Queued) -> tuple[object, ...]:
    """Everything that must come back."""
    message = each.message
    return (
        *(each.position, each.log_segment, each.expires_ms, each.redelivered),
        *(message.route, message.header, message.body, message.is_persistent),
        *(message.timestamp_ms, message.priority, message.ttl_ms),
    )


def taken(line: SpooledLine) -> list[Queued]:
    """Everything in the line."""
    found: list[Queued] = []
    while chunk := line.take():
        found.extend(each for each in chunk if each is not None)
    return found


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(str(tmp_path / "spool"), Files())


def files(spool: Spool) -> list[str]:
    return sorted(path.name for path in Path(spool.directory).iterdir())


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(st.integers(0, CHUNK_BYTES * 2), max_size=30), stops=st.lists(st.booleans(), max_size=30))
def test_what_goes_in_comes_out_in_order_whatever_the_sizes(spool: Spool, sizes: list[int], stops: list[bool]) -> None:
    line = SpooledLine(spool, QUEUE)
    pushed: list[Queued] = []
    found: list[Queued] = []
    for number, size in enumerate(sizes):
        pushed.append(queued(number + 1, b"b" * size, number))
        line.push(pushed[-1])
        if number < len(stops) and stops[number]:
            found.extend(each for each in line.take() if each is not None)
        assert line.count == len(pushed) - len(found)
    found.extend(taken(line))
    assert [facts(each) for each in found] == [facts(each) for each in pushed]
    assert line.count == 0
    assert spool.octets == 0


def test_files_are_garbage_when_they_have_been_read_and_not_before(spool: Spool) -> None:
    line = SpooledLine(spool, QUEUE)
    body = b"b" * CHUNK_BYTES
    count = 2 * (FILE_BYTES // CHUNK_BYTES) + 10
    for position in range(1, count + 1):
        line.push(queued(position, body))
    assert len(files(spool)) == 3
    assert spool.garbage == []
    half = [each.position for _ in range(count // 2) for each in line.take() if each is not None]
    assert half == list(range(1, count // 2 + 1))
    assert len(spool.garbage) == 1
    spool.unlink(spool.take_garbage())
    assert len(files(spool)) == 2
    assert [each.position for each in taken(line)] == list(range(count // 2 + 1, count + 1))
    spool.unlink(spool.take_garbage())
    assert files(spool) == []


def test_cleared_line_leaves_only_garbage_and_can_be_used_again(spool: Spool) -> None:
    line = SpooledLine(spool, QUEUE)
    for position in range(1, 11):
        line.push(queued(position, b"b" * CHUNK_BYTES))
    line.push(queued(11))
    line.clear()
    assert (line.count, spool.octets) == (0, 0)
    spool.unlink(spool.take_garbage())
    assert files(spool) == []
    line.push(queued(12, b"b" * CHUNK_BYTES))
    assert [each.position for each in taken(line)] == [12]


def test_start_deletes_what_an_earlier_process_spooled(tmp_path: Path) -> None:
    path = tmp_path / "spool"
    first = Spool(str(path), Files())
    SpooledLine(first, QUEUE).push(queued(1, b"b" * CHUNK_BYTES))
    assert files(first) != []
    assert files(Spool(str(path), Files())) == []


@pytest.mark.parametrize("offset", [0, 4, 8, 30, CHUNK_BYTES // 2])
def test_flipped_bit_is_never_delivered_and_the_failure_is_kept_for_the_server(spool: Spool, offset: int) -> None:
    line = SpooledLine(spool, QUEUE)
    line.push(queued(1, b"b" * CHUNK_BYTES))
    path = Path(spool.directory) / files(spool)[0]
    octets = bytearray(path.read_bytes())
    octets[offset] ^= 1
    path.write_bytes(octets)
    with pytest.raises(StoreError, match="not what was written"):
        line.take()
    assert spool.failure is not None


def test_missing_file_is_a_failure_that_names_it(spool: Spool) -> None:
    line = SpooledLine(spool, QUEUE)
    line.push(queued(1, b"b" * CHUNK_BYTES))
    path = Path(spool.directory) / files(spool)[0]
    path.unlink()
    with pytest.raises(StoreError, match=path.name):
        line.take()


class FullDisk(Files):
    """Refuses to write until it is told that there is room."""

    def __init__(self) -> None:
        super().__init__()
        self.has_room = False
        self.attempts = 0

    def write_some(self, descriptor: int, parts: list[bytes], offset: int) -> int:
        self.attempts += 1
        if not self.has_room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write_some(descriptor, parts, offset)


def test_full_disk_keeps_the_backlog_in_memory_and_is_tried_again_once_a_chunk(tmp_path: Path) -> None:
    disk = FullDisk()
    spool = Spool(str(tmp_path / "spool"), disk)
    line = SpooledLine(spool, QUEUE)
    each = CHUNK_BYTES // 8
    for position in range(1, 41):
        line.push(queued(position, b"b" * each))
    assert spool.is_full
    assert disk.attempts <= 40 * each // CHUNK_BYTES + 1
    disk.has_room = True
    for position in range(41, 61):
        line.push(queued(position, b"b" * each))
    assert not spool.is_full
    assert [found.position for found in taken(line)] == list(range(1, 61))
