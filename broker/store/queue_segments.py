"""Queue segments: a queue's backlog, after the commit log segment that held it was retired.

    queues/<log_id, 16 hex digits>/<first position, 16 hex digits>.seg     contents, one queue's, in order of position
    queues/<log_id>/<first position>.acks                                  its ledger: settlements that the log loses

A queue segment holds what was live of one queue in one commit log segment, never more, and is never changed; it takes
its final name when it is synced. The ledger grows at its end, and is deleted after its segment. A ledger alone
says nothing.
"""

import os
from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i32, i64, mypyc_attr

from broker.store.batch_file import BatchFile, sync_file
from broker.store.files import Files
from broker.store.framing import FILE_HEADER_SIZE, LEDGER, QUEUE_SEGMENT, file_header, put_batch
from broker.store.places import Share
from broker.store.records import (
    History,
    RecoveredEntry,
    put_content_head,
    put_delivered,
    put_returned,
    put_settled,
    put_target,
)


def queue_directory(queues: str, log_id: i64) -> str:
    """Directory of one queue's segments."""
    return f"{queues}/{int(log_id):016x}"


def segment_path(directory: str, first: i64) -> str:
    """The queue segment that begins with this position."""
    return f"{directory}/{int(first):016x}.seg"


def ledger_path(segment: str) -> str:
    """The ledger of a queue segment."""
    return f"{segment[:-4]}.acks"


@final
@mypyc_attr(native_class=True)
class QueueSegmentWriter:
    """Writes one queue segment whole."""

    def __init__(self, files: Files, key: i64, batch_bytes: i64) -> None:
        self.files: Final = files
        self.key: Final[i64] = key
        self.batch_bytes: Final[i64] = batch_bytes

    def write(self, directory: str, log_id: i64, log_segment: i64, entries: list[RecoveredEntry]) -> str:
        """Write the entries, sync the file, give it its name; returns the path. The directory is not synced.

        The list of entries is used up.

        Raises:
            StoreError: A write or the sync failed; the unfinished file is removed.
            OSError: The rename failed.
        """
        path = segment_path(directory, entries[0].position)
        file = BatchFile(self.files, f"{path}.tmp", QUEUE_SEGMENT, log_segment, entries[0].position, self.key)
        is_whole = False
        try:
            out = BytesWriter()
            number: i64 = 0
            last = entries[len(entries) - 1]
            count: i64 = len(entries)
            for i in range(count):
                entry = entries[i]
                # Let go of each message as it is written: all at once would hold the interpreter's lock for long.
                entries[i] = last
                put_content_head(out, entry.message, 1)
                out.write(entry.message.body)
                put_target(out, log_id, entry.position)
                if len(out) >= self.batch_bytes:
                    number += 1
                    self.flush(file, out, number)
            if len(out) > 0:
                self.flush(file, out, number + 1)
            sync_file(self.files, file.descriptor, file.path)
            is_whole = True
        finally:
            if not is_whole:
                file.abandon()
        self.files.close(file.descriptor)
        self.files.rename(file.path, path)
        return path

    def flush(self, file: BatchFile, out: BytesWriter, number: i64) -> None:
        """One batch."""
        parts = [b"", out.getvalue()]
        file.append(parts, put_batch(parts, 1, self.key, number, 0), 0)
        out.truncate(0)


def extend_ledger(files: Files, key: i64, log_id: i64, share: Share, history: History) -> bool:
    """Write what the history says about a queue segment to its ledger, and sync it.

    Returns:
        Whether the ledger is new, so that its directory must be synced.

    Raises:
        OSError: The ledger cannot be trusted to hold it.
    """
    queue = history.queues.get(log_id)
    if queue is None:
        return False
    out = BytesWriter()
    for first, last in queue.settled.overlap(share.first, share.last):
        put_settled(out, log_id, first, last)
    mark = min(queue.delivered, share.last)
    if mark >= share.first and mark > share.marked:
        put_delivered(out, log_id, mark)
    else:
        mark = share.marked
    for position, counts in queue.returns.items():
        if share.first <= position <= share.last:
            put_returned(out, log_id, position, i32(counts[0]), i32(counts[1]))
    if len(out) == 0:
        return False
    number = share.ledger_batch + 1
    parts = [b"", out.getvalue()]
    size = put_batch(parts, 0, key, number, 0)
    at = share.ledger_size
    is_new = at == 0
    descriptor = files.open(ledger_path(share.path), os.O_WRONLY | os.O_CREAT)
    try:
        # What lies behind the last whole batch was torn by a crash before its sync: nothing that anybody relied on.
        files.truncate(descriptor, at)
        if is_new:
            files.write(descriptor, [file_header(LEDGER, share.log_segment, share.first, key)], 0)
            at = FILE_HEADER_SIZE
        files.write(descriptor, parts, at)
        sync_file(files, descriptor, ledger_path(share.path))
    finally:
        files.close(descriptor)
    share.ledger_size = at + size
    share.ledger_batch = number
    share.marked = mark
    return is_new
