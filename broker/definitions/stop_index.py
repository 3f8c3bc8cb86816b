"""Where every message was when the broker stopped in good order, so that the next start need not read them.

At the end of a clean stop all durable messages that are still in memory go to the spool; then the spool is synced, and
an index of it and of the commit log is written beside the log. A start that finds an index which fits what is on disk
takes everything over as it was, in time that grows with the queues and not with their messages. The index is removed,
for certain, before anything else is written: after a crash there is none, and the log is read.

Nothing depends on it. If it is missing, damaged or does not fit, the log tells the same.
"""

import logging
import os
from collections.abc import Iterable

import msgspec
from isal import isal_zlib

from broker.core.message import Enqueuer
from broker.queues.classic import ClassicQueue
from broker.queues.ready import ParkedLine
from broker.store.batch_file import sync_directory, sync_file
from broker.store.commit_log import log_path
from broker.store.framing import FILE_HEADER_SIZE
from broker.store.places import LogSegment, QueuePlaces, Share
from broker.store.placing import Recovered
from broker.store.spool import Spool, SpoolWriter
from broker.store.spool_chunk import Chunk, SpoolFile, Tally
from broker.store.store import Store

LOG = logging.getLogger("broker.store")

VERSION = 2  # since quorum queues have priorities
MAGIC = b"PMQI"
CHECKSUM_BYTES = 4
# A start that reads less than this from the log takes no longer than one that reads an index.
LEAST_BYTES = 16 * 1024 * 1024
FILE_BYTES = 16 * 1024 * 1024


class SegmentRow(msgspec.Struct, array_like=True):
    """One segment of the commit log."""

    number: int
    first_batch: int
    size: int
    ranges: list[int]
    live: int
    stored: int
    content_bytes: int


class ShareRow(msgspec.Struct, array_like=True):
    """One queue's messages of one segment."""

    log_segment: int
    first: int
    last: int
    live: int
    path: str
    marked: int
    ledger_size: int
    ledger_batch: int


class PlacesRow(msgspec.Struct, array_like=True):
    """Where one queue's messages are in the log."""

    log_id: int
    live: int
    last: int
    delivered: int
    shares: list[ShareRow]


class ChunkRow(msgspec.Struct, array_like=True):
    """One chunk of the spool."""

    file: int
    offset: int
    size: int
    count: int
    bodies: int
    first: int
    last: int
    log_segment: int
    settled: bytes
    is_returned: bool


class LineRow(msgspec.Struct, array_like=True):
    """One line of a queue."""

    aside: list[ChunkRow]
    line: list[ChunkRow]


class QueueRow(msgspec.Struct, array_like=True):
    """What waits in one queue."""

    log_id: int
    has_timers: bool
    lines: list[LineRow]


class StopIndex(msgspec.Struct, array_like=True):
    """All of it. Files are names in the spool's directory, with their sizes; chunks name them by index."""

    version: int
    key: int
    journal_batch: int
    last_batch: int
    highest_log_id: int
    segments: list[SegmentRow]
    places: list[PlacesRow]
    forgotten: list[str]
    files: list[tuple[str, int]]
    queues: list[QueueRow]

    def message_count(self) -> int:
        """Messages in all queues."""
        return sum(row.live for row in self.places)


def index_path(store: Store) -> str:
    """Where the index is."""
    return f"{store.directory.path}/stop-index"


# --- the end of a life


def write_index(
    store: Store, spool: Spool, queues: Iterable[ClassicQueue], highest_log_id: int, least_bytes: int = LEAST_BYTES
) -> bool:
    """Park all queues and write the index. After ``Store.seal``; nothing may be written afterwards.

    Args:
        store: Sealed.
        spool: Where the queues park.
        queues: Every durable queue but streams, which know their places; nothing of them is out any more.
        highest_log_id: The highest number that a queue has had.
        least_bytes: With less than that in the log there is no index.

    Returns:
        False if there is none, which the next start makes up for by reading.
    """
    if store.is_failed or store.log.bytes < least_bytes:
        return False
    try:
        index = _parked(store, spool, queues, highest_log_id)
        if index is None:
            return False
        _sync_spool(spool, index)
        payload = msgspec.msgpack.encode(index)
        path = index_path(store)
        files = store.files
        descriptor = files.open(f"{path}.tmp", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            files.write(descriptor, [MAGIC, isal_zlib.crc32(payload).to_bytes(CHECKSUM_BYTES, "little"), payload], 0)
            sync_file(files, descriptor, path)
        finally:
            files.close(descriptor)
        files.rename(f"{path}.tmp", path)
        sync_directory(files, store.directory.path)
    except OSError as error:
        LOG.warning("the next start reads the log: no index could be written", extra={"reason": str(error)})
        return False
    return True


class _FileTable:
    """Numbers for the files that chunks are in."""

    def __init__(self) -> None:
        self.files: dict[str, SpoolFile] = {}
        self._numbers: dict[str, int] = {}

    def number(self, file: SpoolFile) -> int:
        known = self._numbers.get(file.path)
        if known is None:
            known = len(self._numbers)
            self._numbers[file.path] = known
            self.files[file.path] = file
        return known


def _parked(store: Store, spool: Spool, queues: Iterable[ClassicQueue], highest_log_id: int) -> StopIndex | None:
    """Everything in its place, or None if something is not where an index could say it."""
    table = _FileTable()
    writer = SpoolWriter(spool, FILE_BYTES)
    rows: list[QueueRow] = []
    parked: dict[int, int] = {}
    for queue in queues:
        lines = queue.ready.park(writer)
        if lines is None:
            return None
        row = QueueRow(int(queue.log_id), queue.has_timers, [])
        for line in lines:
            row.lines.append(LineRow(_rows(line.aside, table), _rows(line.line, table)))
        parked[row.log_id] = sum(chunk.count for each in row.lines for chunk in each.aside + each.line)
        rows.append(row)
    for log_id, places in store.places.items():
        if parked.get(log_id, 0) != places.live:
            LOG.warning("the next start reads the log: messages are not in their queue", extra={"log_id": log_id})
            return None
    sizes = [(path.rpartition("/")[2], int(file.size)) for path, file in table.files.items()]
    return StopIndex(
        version=VERSION,
        key=int(store.key),
        journal_batch=int(store.journal.written),
        last_batch=int(store.written),
        highest_log_id=highest_log_id,
        segments=[_segment_row(segment) for segment in store.log.segments],
        places=[_places_row(places) for places in store.places.values()],
        forgotten=[path for _, path in store.forgotten],
        files=sizes,
        queues=rows,
    )


def _rows(chunks: list[Chunk], table: _FileTable) -> list[ChunkRow]:
    return [
        ChunkRow(
            table.number(chunk.file),
            int(chunk.offset),
            int(chunk.size),
            int(chunk.count),
            int(chunk.bodies),
            int(chunk.first),
            int(chunk.last),
            int(chunk.log_segment),
            chunk.settled.to_bytes((chunk.settled.bit_length() + 7) // 8, "little"),
            chunk.is_returned,
        )
        for chunk in chunks
    ]


def _segment_row(segment: LogSegment) -> SegmentRow:
    ranges = segment.ranges or [FILE_HEADER_SIZE, int(segment.size)]  # the one that was being written has none yet
    return SegmentRow(
        int(segment.number),
        int(segment.first_batch),
        int(segment.size),
        ranges,
        int(segment.live),
        int(segment.stored),
        int(segment.content_bytes),
    )


def _places_row(places: QueuePlaces) -> PlacesRow:
    shares = [
        ShareRow(
            int(share.log_segment),
            int(share.first),
            int(share.last),
            int(share.live),
            share.path,
            int(share.marked),
            int(share.ledger_size),
            int(share.ledger_batch),
        )
        for share in places.shares
    ]
    return PlacesRow(int(places.log_id), int(places.live), int(places.last), int(places.delivered), shares)


def _sync_spool(spool: Spool, index: StopIndex) -> None:
    files = spool.files
    for name, _ in index.files:
        path = f"{spool.directory}/{name}"
        descriptor = files.open(path, os.O_RDONLY)
        try:
            sync_file(files, descriptor, path)
        finally:
            files.close(descriptor)
    sync_directory(files, spool.directory)


# --- the beginning of the next


def take_index(store: Store, spool_directory: str, journal_batch: int) -> StopIndex | None:
    """Read the index and remove it. After ``Store.recover_topology``, before anything else is written.

    Args:
        store: Not open yet.
        spool_directory: Where the last process had its spool, untouched.
        journal_batch: Number of the last batch of the journal, as it was found.

    Returns:
        None if there is none, or none that fits what is on disk.
    """
    path = index_path(store)
    files = store.files
    try:
        octets = files.read(path)
    except FileNotFoundError:
        return None
    index = _decoded(octets)
    reason = "it is damaged" if index is None else _misfit(index, store, spool_directory, journal_batch)
    files.unlink(path)
    sync_directory(files, store.directory.path)
    if reason:
        LOG.warning("the index of the last stop is passed over, the log is read", extra={"reason": reason})
        return None
    return index


def _decoded(octets: bytes) -> StopIndex | None:
    payload = octets[len(MAGIC) + CHECKSUM_BYTES :]
    checksum = int.from_bytes(octets[len(MAGIC) : len(MAGIC) + CHECKSUM_BYTES], "little")
    if not octets.startswith(MAGIC) or isal_zlib.crc32(payload) != checksum:
        return None
    try:
        return msgspec.msgpack.decode(payload, type=StopIndex)
    except msgspec.MsgspecError:
        return None


def _misfit(index: StopIndex, store: Store, spool_directory: str, journal_batch: int) -> str:
    """What on the disk is not as the index says; empty if all of it is."""
    if index.version != VERSION or index.key != store.key:
        return "it is another version's, or another directory's"
    if index.journal_batch != journal_batch:
        return "the journal has changed"
    log = {row.number: row.size for row in index.segments}
    names = {log_path(store.directory.log, number).rpartition("/")[2] for number in log}
    if names != set(store.files.list_directory(store.directory.log)):
        return "the segments of the log are others"
    for number, size in log.items():
        if _size(log_path(store.directory.log, number)) != size:
            return f"segment {number} of the log has another size"
    for row in index.places:
        for share in row.shares:
            if share.path and _size(share.path) < 0:
                return f"{share.path} is missing"
    for name, size in index.files:
        if _size(f"{spool_directory}/{name}") != size:
            return f"{name} in the spool is missing or has another size"
    return ""


def _size(path: str) -> int:
    """Octets of a file; -1 if there is none."""
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except FileNotFoundError:
        return -1


def apply_index(
    index: StopIndex, recovered: Recovered, store: Store, spool: Spool, queues: dict[int, Enqueuer]
) -> None:
    """Take everything over: the log is open afterwards, and the queues have their messages.

    Args:
        index: From ``take_index``.
        recovered: From ``Store.recover_topology``.
        store: Its topology is recovered.
        spool: With the index's files kept.
        queues: Durable queues by log_id, as the topology made them, and what else keeps messages.

    Raises:
        StoreError: The log could not be opened.
    """
    files = [SpoolFile(f"{spool.directory}/{name}") for name, _ in index.files]
    for file, (_, size) in zip(files, index.files, strict=True):
        file.size = size
        file.is_open = False
    next_positions = {row.log_id: row.last + 1 for row in index.places}
    for log_id, each in queues.items():
        each.next_position = next_positions.get(log_id, 1)
    for row in index.queues:
        queue = queues.get(row.log_id)
        if not isinstance(queue, ClassicQueue):
            LOG.error("messages of an unknown queue stay on disk", extra={"log_id": row.log_id})
            continue
        lines = [
            ParkedLine(_chunks(line.aside, queue, files, spool), _chunks(line.line, queue, files, spool))
            for line in row.lines
        ]
        queue.unpark(lines, next_positions.get(row.log_id, 1), row.has_timers)
    segments = {row.number: _segment(row, store) for row in index.segments}
    places = {row.log_id: _places(row, segments) for row in index.places}
    store.resume(recovered, list(segments.values()), places, index.forgotten, index.last_batch)


def _chunks(rows: list[ChunkRow], queue: ClassicQueue, files: list[SpoolFile], spool: Spool) -> list[Chunk]:
    chunks: list[Chunk] = []
    for row in rows:
        tally = Tally()
        tally.count = row.count
        tally.bodies = row.bodies
        tally.first = row.first
        tally.last = row.last
        tally.log_segment = row.log_segment
        file = files[row.file]
        chunk = Chunk(queue, file, row.offset, row.size, tally)
        chunk.settled = int.from_bytes(row.settled, "little")
        chunk.is_returned = row.is_returned
        file.live += 1
        spool.octets += row.size
        chunks.append(chunk)
    return chunks


def _segment(row: SegmentRow, store: Store) -> LogSegment:
    segment = LogSegment(row.number, log_path(store.directory.log, row.number), row.first_batch, row.size)
    segment.ranges = row.ranges
    segment.live = row.live
    segment.stored = row.stored
    segment.content_bytes = row.content_bytes
    segment.is_synced = True
    return segment


def _places(row: PlacesRow, segments: dict[int, LogSegment]) -> QueuePlaces:
    places = QueuePlaces(row.log_id)
    places.live = row.live
    places.last = row.last
    places.delivered = row.delivered
    for each in row.shares:
        share = Share(each.log_segment, each.first, None if each.path else segments.get(each.log_segment))
        share.last = each.last
        share.live = each.live
        share.path = each.path
        share.marked = each.marked
        share.ledger_size = each.ledger_size
        share.ledger_batch = each.ledger_batch
        places.shares.append(share)
    return places
