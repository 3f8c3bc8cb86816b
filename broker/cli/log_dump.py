"""Every record of a data directory, one by one, as the next start would read them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from broker.cli.access_rows import KINDS as ACCESS_KINDS
from broker.cli.data_reader import DataReader
from broker.cli.dump_rows import RowMaker
from broker.cli.rows import Row
from broker.store.findings import CUT, FOREIGN, Finding, in_file_order
from broker.store.framing import (
    BATCH_HEADER_SIZE,
    LEDGER,
    Run,
    Scan,
    batch_end,
    batch_number,
    has_file_header,
    header_key,
    settlements_start,
)
from broker.store.journal import TopologyCursor
from broker.store.queue_segments import ledger_path
from broker.store.records import ContentReader, History, SettlementReader
from broker.store.series import NO_END, Series
from broker.store.stream_chunks import ChunkCursor
from broker.store.stream_recovery import StreamScan

TOPOLOGY_KINDS: Final = (
    *("exchange", "exchange-gone", "queue", "queue-gone", "queue-ttl", "binding", "binding-gone"),
    *("policy", "policy-gone", "vhost-limits", "user-limits", "default-queue-type", "undecodable"),
)
KINDS: Final = (
    "message",
    "stream-message",
    "settled",
    "delivered",
    "forgotten",
    "closed",
    *TOPOLOGY_KINDS,
    *ACCESS_KINDS,
    "damage",
    "cut",
)


class Place(NamedTuple):
    """A batch in a file.

    Attributes:
        path: The file.
        data: Its octets.
        start: Offset of the batch.
        is_kept: The next start takes it.
    """

    path: str
    data: bytes
    start: int
    is_kept: bool


class LogDump:
    """One dump of one data directory."""

    def __init__(self, reader: DataReader, maker: RowMaker) -> None:
        """Read through ``reader``; rows are made, or left out, by ``maker``."""
        self._reader = reader
        self._maker = maker

    def rows(self) -> Iterator[list[Row]]:
        """The rows of one batch, or the damage between two, at a time: journal, log, queue segments, ledgers, streams.

        Raises:
            OSError: A file could not be read.
        """
        journal = self._reader.read_journal()
        self._maker.names = self._reader.names
        yield self._found(self._reader.findings)
        yield from self._series(journal, is_journal=True)
        log = self._reader.read_log()
        yield from self._series(log, is_journal=False)
        yield from self._backlog(log)
        for log_id, scan in self._reader.read_streams().items():
            yield from self._stream(log_id, scan)

    def _series(self, series: Series, is_journal: bool) -> Iterator[list[Row]]:
        """The files of the journal or the log, those batches included that the next start drops behind a cut."""
        kept: dict[tuple[int, int], int] = {}  # file and offset of the accepted runs, to where they end
        for piece in series.pieces:
            kept[int(piece.file_index), int(piece.start)] = int(piece.end)
        for index, found in enumerate(series.files_found):
            findings = of_file(series.findings, found.path)
            runs = found.runs
            data = series.octets(index) if runs else b""
            for run in runs:
                yield self._found(before(findings, int(run.start)))
                is_kept = (index, int(run.start)) in kept
                yield from self._batches(found.path, data, run, is_kept, is_journal)
            yield self._found(findings)
        yield self._found([finding for finding in series.findings if not finding.path])

    def _backlog(self, log: Series) -> Iterator[list[Row]]:
        backlog = self._reader.read_ledgers(log, History())
        for shares in backlog.shares.values():
            for share in shares:
                data = self._reader.files.read(share.path)
                runs = backlog.scan_segment(share, data)
                findings = of_file(backlog.findings, share.path)
                for run in runs:
                    yield self._found(before(findings, int(run.start)))
                    yield from self._batches(share.path, data, run, True, False)
                yield self._found(findings)
                path = ledger_path(share.path)
                if not Path(path).exists():
                    continue
                data = self._reader.files.read(path)
                findings = of_file(backlog.findings, path)
                for run in Scan(data, header_key(data) if has_file_header(data, LEDGER) else self._reader.key).runs:
                    yield self._found(before(findings, int(run.start)))
                    yield from self._batches(path, data, run, True, False)
                yield self._found(findings)

    def _stream(self, log_id: int, scan: StreamScan) -> Iterator[list[Row]]:
        """The segments of one stream; chunks that a later segment has again are passed over, as a start does."""
        told = list(scan.findings)
        is_wanted = self._maker.wants_stream(log_id)
        ends = [*(int(segment.first) for segment in scan.segments[1:]), NO_END]
        for segment, end in zip(scan.segments, ends, strict=True):
            findings = of_file(told, segment.path)
            told = [finding for finding in told if finding.path != segment.path]
            cuts = [int(finding.offset) for finding in findings if finding.kind == CUT]
            cursor = ChunkCursor(scan.files, segment.path, segment.size, scan.key)
            while is_wanted and cursor.next() and cursor.first < end:
                yield self._found(before(findings, int(cursor.place)))
                is_kept = not any(cut <= cursor.place for cut in cuts)
                yield self._chunk(log_id, segment.path, cursor, is_kept)
            yield self._found(findings)
        yield self._found(told)

    def _chunk(self, log_id: int, path: str, cursor: ChunkCursor, is_kept: bool) -> list[Row]:
        rows: list[Row] = []
        moved = int(cursor.place - cursor.start)
        offset = int(cursor.first)
        record = cursor.records()
        while record.next():
            place = int(record.start) + moved
            rows.append(self._maker.stream_message(path, place, log_id, offset, record.message(), is_kept))
            offset += 1
        return rows

    def _found(self, findings: list[Finding]) -> list[Row]:
        rows = []
        for finding in findings:
            if finding.kind != FOREIGN:
                kind = "cut" if finding.kind == CUT else "damage"
                rows.extend(self._maker.finding(kind, finding.path, int(finding.offset), finding.text))
        return rows

    def _batches(self, path: str, data: bytes, run: Run, is_kept: bool, is_journal: bool) -> Iterator[list[Row]]:
        at = int(run.start)
        while at < run.end:
            place = Place(path, data, at, is_kept)
            yield self._topology(place) if is_journal else self._records(place)
            at = int(batch_end(data, at))

    def _topology(self, place: Place) -> list[Row]:
        rows: list[Row] = []
        data, start = place.data, place.start
        number = int(batch_number(data, start))
        cursor = TopologyCursor(start + BATCH_HEADER_SIZE, settlements_start(data, start))
        while cursor.next(data):
            octets = data[cursor.start : cursor.after]
            rows.extend(self._maker.topology(place.path, int(cursor.start), number, octets, place.is_kept))
        return rows

    def _records(self, place: Place) -> list[Row]:
        rows: list[Row] = []
        data, start, path = place.data, place.start, place.path
        number = int(batch_number(data, start))
        middle = settlements_start(data, start)
        content = ContentReader(data, start + BATCH_HEADER_SIZE, middle)
        if self._maker.wants("message"):
            while content.next():
                rows.extend(self._maker.message(path, number, content, place.is_kept))
        settlement = SettlementReader(data, middle, batch_end(data, start))
        while settlement.next():
            rows.extend(self._maker.settlement(path, number, settlement, place.is_kept))
        return rows


def of_file(findings: list[Finding], path: str) -> list[Finding]:
    """The findings about one file, in its order."""
    return [finding for finding in in_file_order(findings) if finding.path == path]


def before(findings: list[Finding], offset: int) -> list[Finding]:
    """Take the findings about what lies before an offset out of the list."""
    taken = [finding for finding in findings if finding.offset <= offset]
    findings[:] = [finding for finding in findings if finding.offset > offset]
    return taken
