"""Store: what survives. Files below, messages and their places above; no queue behaviour, no socket, no loop.

Promises
- A turn's durable changes (messages appended to queues, settlements, delivered marks, deleted queues, topology) become
  one batch with a number and a checksum, in one write. After a crash a batch is there whole or not at all: a publish to
  five queues, a transaction, a dead-lettering moves entirely or stays entirely.
- ``Store.synced`` names the last batch that a completed sync covers, in the log and in the journal. It never rises
  again after a failed sync or write; a full disk on write is survived, and undone.
- A turn's messages for streams are chunks in files of their own, written just before its batch and covered by the same
  sync; they are there whole or not at all, but not in one piece with the batch.
- Recovery serves everything up to ``synced``, never half a batch, never what it could not check. What it cut or could
  not read it says, with file, offset and octets. It serves nothing that is not on disk for certain.
- A message that is settled in the turn in which it was published costs no octet; a queue without backlog owns no file.

Rooms inside: ``store`` (the one commit stage), ``commit_log`` and ``journal`` (the two logs) on ``batch_file``;
``framing``, ``records`` and ``contents`` (the formats, described there); ``places`` (what is live where); ``sync_job``
and ``retire_job`` (what runs on a worker thread); ``queue_segments`` (backlogs); ``stream_log`` (streams) with
``stream_chunks`` (their format), ``stream_pages`` (reading) and ``stream_recovery``; ``recovery`` with ``series``,
``queue_recovery`` and ``findings``; ``spool`` with ``spool_chunk`` and ``spooled_line`` (what memory has no room for;
nothing that is promised depends on it); ``survivors`` (what a purge leaves); ``data_directory``,
``files``, ``intervals``, ``limits``, ``errors``.

    lock  format  log/<16 hex>.log  journal/<16 hex>.journal  queues/<log_id>/<first position>.seg and .acks
    streams/<log_id>/<16 hex>.stream

Decided here
- One commit log for the whole broker, not a directory of segments written per queue and turn: 1,000 dirty queues would
  cost 1,000 writes and 1,000 syncs per group commit, and a turn that touches two queues could be torn between them.
  Here it is one write per turn and one fdatasync per group commit, however many queues are dirty.
- When the log grows beyond its limit, what is still live in its oldest segments moves to per-queue segments, in bulk
  and off the loop: a backlog is written twice, traffic that is consumed only once.
- A log segment is deleted from the old end only: a settlement never vanishes before the message that it settles.
  Settlements of messages in queue segments reach a ledger, synced, before the log loses them.
- Every batch names the last synced one. That tells the torn end of a crash (cut) from damage (report, keep the rest)
  by evidence instead of by its place in the last file.
- A stream is not part of the commit log: it would be written twice, once to be carried over, and it is read by many.
  A segment has no index: chunks prove themselves, so the file is searched by halving it.
- Liveness is counted, not listed: per queue and log segment one integer (``places``). Which positions are live is only
  worked out where files are read anyway, in recovery and retirement.
- Position and log_id are never used twice, so settlements may be found in any order, or twice.
"""
