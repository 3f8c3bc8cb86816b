"""Exact octets of the formats, and sets of positions against plain sets."""

import zlib

from hypothesis import given
from hypothesis import strategies as st
from librt.strings import BytesWriter

from broker.core.message import PENDING, Enqueuer, Message, Queued
from broker.store.contents import put_contents
from broker.store.framing import LOG, Scan, file_header, has_file_header, put_batch
from broker.store.intervals import Intervals
from broker.store.records import (
    History,
    LiveContents,
    put_content_head,
    put_delivered,
    put_forgotten,
    put_settled,
    put_target,
)
from broker.store.series import number_of

KEY = 0xCAFEBABE


def test_file_header_octets() -> None:
    header = file_header(LOG, 3, 17, KEY)
    assert header[:28].hex() == "504d514c01000000030000000000000011000000000000" + "00bebafeca"
    assert int.from_bytes(header[28:], "little") == zlib.crc32(header[:28])
    assert has_file_header(header, LOG)
    for position in range(len(header) * 8):
        broken = bytearray(header)
        broken[position // 8] ^= 1 << position % 8
        assert not has_file_header(bytes(broken), LOG)


def test_batch_octets() -> None:
    parts = [b"", b"con", b"tents", b"settle"]
    assert put_batch(parts, 2, KEY, 5, 4) == 40 + 14
    numbers = bytes.fromhex("0500000000000000040000000000000008000000000000000600000000000000")
    checksum = zlib.crc32(numbers + b"contentssettle", KEY)
    assert parts[0] == (KEY ^ 0x1B42D9E5).to_bytes(4, "little") + checksum.to_bytes(4, "little") + numbers


def test_content_octets() -> None:
    out = BytesWriter()
    put_content_head(out, Message(b"\x01x\x01k", b"HEAD", b"body", True, 0x0102, 9, -1), 2)
    assert out.getvalue().hex() == ("010904000400000004000000020000000201000000000000ffffffffffffffff0178016b48454144")


def test_settlement_octets() -> None:
    out = BytesWriter()
    put_settled(out, 1, 2, 2)
    put_settled(out, 1, 3, 4)
    put_delivered(out, 5, 6)
    put_forgotten(out, 7)
    assert out.getvalue().hex() == (
        "0101000000000000000200000000000000"
        "02010000000000000003000000000000000400000000000000"
        "0305000000000000000600000000000000"
        "040700000000000000"
    )
    history = History()
    history.read(out.getvalue(), 0, len(out))
    assert history.queues[1].settled.overlap(0, 10) == [(2, 4)]
    assert history.queues[5].delivered == 6
    assert history.queues[7].is_forgotten


@given(
    route=st.binary(max_size=512),
    header=st.binary(max_size=300),
    body=st.binary(max_size=300),
    is_persistent=st.booleans(),
    timestamp_ms=st.integers(0, 2**62),
    priority=st.integers(0, 255),
    ttl_ms=st.integers(-1, 2**62),
    targets=st.lists(st.tuples(st.integers(1, 2**62), st.integers(1, 2**62)), min_size=1, max_size=4, unique=True),
)
def test_a_content_record_is_read_as_it_was_written(
    route: bytes,
    header: bytes,
    body: bytes,
    is_persistent: bool,
    timestamp_ms: int,
    priority: int,
    ttl_ms: int,
    targets: list[tuple[int, int]],
) -> None:
    out = BytesWriter()
    for _ in range(2):
        put_content_head(out, Message(route, header, body, is_persistent, timestamp_ms, priority, ttl_ms), len(targets))
        out.write(body)
        for log_id, position in targets:
            put_target(out, log_id, position)
    live = LiveContents(History())
    live.read(out.getvalue(), 0, len(out), 1)
    found = [(log_id, entry.position) for log_id, entries in live.queues.items() for entry in entries]
    assert sorted(found) == sorted(targets * 2)
    read = live.queues[targets[0][0]][0].message
    assert (read.route, read.header, read.body, read.is_persistent) == (route, header, body, is_persistent)
    assert (read.timestamp_ms, read.priority, read.ttl_ms) == (timestamp_ms, priority, ttl_ms)


@given(octets=st.binary(max_size=300))
def test_random_octets_are_never_a_batch(octets: bytes) -> None:
    scan = Scan(file_header(LOG, 1, 1, KEY) + octets, KEY)
    assert scan.runs == []
    assert sum(damage.size for damage in scan.damage) == len(octets.rstrip(b"\0"))


@given(intervals=st.lists(st.tuples(st.integers(1, 60), st.integers(0, 12)), max_size=30))
def test_intervals_are_a_set_of_positions(intervals: list[tuple[int, int]]) -> None:
    positions: set[int] = set()
    found = Intervals()
    for first, more in intervals:
        found.add(first, first + more)
        positions.update(range(first, first + more + 1))
    assert {position for position in range(90) if found.contains(position)} == positions
    for first, last in ((1, 89), (10, 20), (30, 30)):
        parts = found.overlap(first, last)
        assert {p for low, high in parts for p in range(low, high + 1)} == {p for p in positions if first <= p <= last}
    assert all(later > earlier + 1 for earlier, later in zip(found.lasts, found.firsts[1:], strict=False)), (
        "neighbours are one interval"
    )


def test_file_names() -> None:
    assert number_of("00000000000000ff.log", ".log") == 255
    assert number_of(f"{2**63 - 1:016x}", "") == 2**63 - 1
    for name in (
        "00000000000000FF.log",
        "ff.log",
        "00000000000000ff.seg",
        "ffffffffffffffff.log",
        "+0000000000000ff.log",
    ):
        assert number_of(name, ".log") == -1


# What a message may have in common with the one before it: the same objects, or others.
ROUTES = [b"\x01x\x01k", b"\x00\x01q"]
HEADERS = [b"HEAD", b"OTHER"]
messages = st.builds(
    Message,
    st.sampled_from(ROUTES),
    st.sampled_from(HEADERS),
    st.sampled_from([b"body", b"BODY", b"larger"]),
    st.booleans(),
    st.integers(1, 2),
    st.integers(0, 1),
    st.integers(-1, 0),
    st.booleans(),
)


@given(st.lists(st.tuples(messages, st.integers(1, 6), st.integers(1, 2)), min_size=1, max_size=12))
def test_a_turns_appends_are_read_as_they_were_whatever_they_have_in_common(
    runs: list[tuple[Message, int, int]],
) -> None:
    queues = [Enqueuer(b"%d" % log_id, "/", True, log_id) for log_id in (1, 2)]
    pending: list[Queued] = []
    for like, count, targets in runs:
        for _ in range(count):
            message = like.with_body(like.body, like.timestamp_ms)
            pending += [Queued(message, queue, len(pending) + 1) for queue in queues[:targets]]
    for queued in pending:
        queued.log_segment = PENDING
    out = BytesWriter()
    parts: list[bytes] = []
    put_contents(pending, out, parts)
    octets = b"".join(parts)
    expected = BytesWriter()
    for number, queued in enumerate(pending):
        if number == 0 or queued.message is not pending[number - 1].message:
            same = [each for each in pending if each.message is queued.message]
            put_content_head(expected, queued.message, len(same))
            expected.write(queued.message.body)
            for each in same:
                put_target(expected, each.queue.log_id, each.position)
    assert octets == expected.getvalue()
