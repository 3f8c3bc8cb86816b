"""The whole data directory, batch by batch: what is in it, what is damaged, what the next start would lose."""

import time
from pathlib import Path
from typing import Final

from broker.cli.check_result import CheckResult, QueueCount, Trouble
from broker.cli.data_reader import DataReader
from broker.cli.peer_text import escaped
from broker.store.findings import CUT, DAMAGE, FOREIGN, HEADER, PASSED, Finding, in_file_order
from broker.store.framing import batch_end
from broker.store.intervals import Intervals
from broker.store.queue_recovery import QueueSegmentRecovery
from broker.store.queue_segments import ledger_path
from broker.store.records import History, LiveContents
from broker.store.series import Series

# Live messages are counted stretch by stretch: as many octets of batches are objects in memory at a time.
STRETCH_BYTES: Final = 1024 * 1024

# What the next start does, by the directory or kind of file and the kind of finding.
_CONSEQUENCES: Final = {
    ("journal", DAMAGE): "the next start goes on without the declarations and deletions in them",
    ("log", DAMAGE): (
        "the next start loses the messages published in them, and delivers again those that only they settled"
    ),
    (".seg", DAMAGE): "the next start loses the messages in them",
    (".acks", DAMAGE): "the next start goes on without them",
    (".stream", DAMAGE): "readers pass over them",
    (".stream", CUT): "the next start cuts them off; no sync is known to have covered them",
    ("journal", CUT): "the next start cuts them off; no sync is known to have covered them",
    ("log", CUT): "the next start cuts them off; no sync is known to have covered them",
    ("empty journal", CUT): "the next start goes on without any exchange, queue or binding",
}
_MISSING: Final = {
    "journal": "the next start makes it anew, without any exchange, queue or binding",
    "log": "the next start makes it anew, without the messages in it",
    "queues": "the next start makes it anew, without the backlogs in it",
}


class LogCheck:
    """One check of one data directory."""

    def __init__(self, reader: DataReader, is_running: bool) -> None:
        """Check what ``reader`` reads; ``is_running``: the broker may be writing to it."""
        self._reader = reader
        self._is_running = is_running
        self._history = History()
        self._counted: dict[int, Intervals] = {}
        self._queues: dict[int, QueueCount] = {}
        self.result = CheckResult(reader.path)

    def run(self) -> CheckResult:
        """Read everything.

        Raises:
            OSError: A file could not be read.
        """
        began_s = time.monotonic()
        reader = self._reader
        for finding in reader.findings:
            self._add(Trouble.of(finding, _MISSING[Path(finding.path).name]))
        journal = reader.read_journal()
        self._take("journal" if journal.pieces else "empty journal", journal.findings)
        self._count_journal(journal)
        log = reader.read_log()
        self._take("log", log.findings)
        self._read_log_settlements(log)
        backlog = reader.read_ledgers(log, self._history)
        self._count_backlog(backlog)
        self._take("queues", backlog.findings)
        self._count_log(log)
        self._count_streams()
        self._name_queues()
        self.result.notes.extend(reader.notes)
        for path in reader.files.would_remove:
            self.result.notes.append(f"{path} is unfinished or superseded; the next start removes it")
        self.result.seconds = time.monotonic() - began_s
        return self.result

    def _take(self, part: str, findings: list[Finding]) -> None:
        for finding in in_file_order(findings):
            is_growing = self._is_running and finding.kind == CUT
            if finding.kind == FOREIGN or is_growing:
                note = f"{finding.text}; the broker may be writing there" if is_growing else finding.text
                self.result.notes.append(note)
                continue
            self._add(Trouble.of(finding, consequence_of(part, finding)))

    def _add(self, trouble: Trouble) -> None:
        self.result.troubles.append(trouble)

    def _count_journal(self, journal: Series) -> None:
        count = self.result.parts["journal"]
        records: list[bytes] = []
        journal.collect_topology(records)
        count.records = len(records)
        count.take_files(journal.files_found)
        count.take_pieces(journal.pieces)
        for size in self._reader.undecodable:
            where = journal.files_found[0].path
            text = f"a record of the topology in {where}, {size} octets, cannot be decoded"
            self._add(Trouble(text, where, -1, size, "the next start leaves it out"))

    def _read_log_settlements(self, log: Series) -> None:
        count = self.result.parts["log"]
        count.take_files(log.files_found)
        count.take_pieces(log.pieces)
        for piece in log.pieces:
            log.read_settlements(piece, self._history)
        count.records = int(self._history.record_count)
        self.result.is_closed = self._history.is_closed

    def _count_backlog(self, backlog: QueueSegmentRecovery) -> None:
        ledgers = self.result.parts["ledgers"]
        ledgers.records = int(self._history.record_count) - self.result.parts["log"].records
        segments = self.result.parts["queue segments"]
        for shares in backlog.shares.values():
            for share in shares:
                ledger = Path(ledger_path(share.path))
                if ledger.exists():
                    ledgers.files += 1
                    ledgers.octets += ledger.stat().st_size
                    ledgers.batches += int(share.ledger_batch)
                data = self._reader.files.read(share.path)
                segments.files += 1
                segments.octets += len(data)
                for run in backlog.scan_segment(share, data):
                    segments.batches += int(run.last - run.first + 1)
                    segments.records += self._count_live(data, int(run.start), int(run.end))

    def _count_log(self, log: Series) -> None:
        count = self.result.parts["log"]
        for piece in log.pieces:
            count.records += self._count_live(log.octets(piece.file_index), int(piece.start), int(piece.end))

    def _count_streams(self) -> None:
        count = self.result.parts["streams"]
        for log_id, scan in self._reader.read_streams().items():
            count.files += len(scan.segments)
            count.octets += sum(int(segment.size) for segment in scan.segments)
            count.batches += int(scan.chunk_count)
            count.records += int(scan.message_count)
            self._reader.files.would_remove.extend([*scan.unfinished, *scan.useless])
            self._take("streams", list(scan.findings))
            settled = self._history.queues.get(log_id)
            if settled is not None and settled.is_forgotten:
                self.result.notes.append(f"{scan.directory} belongs to a deleted stream; the next start removes it")
            else:
                self._queues[log_id] = QueueCount(messages=int(scan.message_count), octets=int(scan.body_bytes))

    def _count_live(self, data: bytes, start: int, end: int) -> int:
        """Count the live messages of a run of batches; returns its content records."""
        records = 0
        while start < end:
            stop = start
            while stop < end and stop - start < STRETCH_BYTES:
                stop = int(batch_end(data, stop))
            live = LiveContents(self._history)
            live.read_batches(data, start, stop, 0)
            records += int(live.record_count)
            for log_id, entries in live.queues.items():
                counted = self._counted.setdefault(log_id, Intervals())
                queue = self._queues.setdefault(log_id, QueueCount())
                for entry in entries:
                    # A retirement that a crash ended has written some messages twice.
                    if not counted.contains(entry.position):
                        counted.add(entry.position, entry.position)
                        queue.messages += 1
                        queue.octets += len(entry.message.body)
                        queue.redelivered += entry.redelivered
            start = stop
        return records

    def _name_queues(self) -> None:
        """Put the counts in order; messages of a queue that is not declared are dropped by a start."""
        names = self._reader.names
        existing = names.existing()
        for log_id in existing:
            name = names.find(log_id)
            count = self._queues.get(log_id, QueueCount())
            if name is not None:
                count.vhost = escaped(name.vhost.encode())
                count.name = f"{escaped(name.name)} (delayed)" if name.is_exchange else escaped(name.name)
            self.result.queues.append(count)
        for log_id in sorted(self._queues.keys() - set(existing)):
            count = self._queues[log_id]
            count.name = names.label(log_id)
            self.result.queues.append(count)
            text = f"{count.messages} messages, {count.octets} octets, belong to {count.name}"
            if names.find(log_id) is not None:
                # Its deletion reached the journal, and a crash came before the log had it.
                self.result.notes.append(f"{text}; the next start removes them")
            elif self._is_running:
                self.result.notes.append(f"{text}, which the journal did not know when it was read")
            else:
                loss = "the next start loses them, unless the journal is restored"
                if self._reader.undecodable:
                    loss = "the next start keeps them on disk, out of reach"
                self._add(Trouble(f"{text}, which the journal does not know", "", -1, count.octets, loss))


def consequence_of(part: str, finding: Finding) -> str:
    """What the next start does about a finding."""
    if finding.kind == HEADER:
        return "the next start knows the batches behind it by their checksums"
    if finding.kind == PASSED:
        return "the next start takes nothing from it"
    is_numbered = part not in {"queues", "streams"}
    if finding.kind == DAMAGE and finding.size > 0 and is_numbered:
        # The numbers of batches tell what is lost: octets that somebody put between two batches cost nothing.
        return "if a batch was there, it is told as missing"
    where = part if is_numbered else Path(finding.path).suffix
    return _CONSEQUENCES.get((where, int(finding.kind)), "the next start goes on without it")


def planned_octets(path: str) -> int:
    """About how many octets a check reads: settlements are needed before messages, so files are read again."""
    times = {"journal": 2, "log": 3, "queues": 2, "streams": 2}
    return sum(
        file.stat().st_size * each
        for part, each in times.items()
        for file in Path(path, part).rglob("*")
        if file.is_file()
    )
