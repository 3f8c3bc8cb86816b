"""A turn's appends as content records."""

from librt.strings import BytesWriter
from mypy_extensions import i64

from broker.core.message import PENDING, Message, Queued
from broker.store.records import LARGE_BODY, have_like_heads, put_content_head, put_target


def put_contents(pending: list[Queued], out: BytesWriter, parts: list[bytes]) -> None:
    """Encode the pending appends; neighbours with the same message share one content record."""
    count: i64 = len(pending)
    out.truncate(0)
    last: Message | None = None
    last_targets: i64 = 0
    head = b""  # of the last record, once there have been two of the kind
    i: i64 = 0
    while i < count:
        queued = pending[i]
        if queued.log_segment != PENDING:
            i += 1
            continue
        message = queued.message
        end = i + 1
        targets: i64 = 1
        while end < count:
            following = pending[end]
            if following.message is not message:
                break
            if following.log_segment == PENDING:
                targets += 1
            end += 1
        if last is None or targets != last_targets or not have_like_heads(message, last):
            head = b""
            put_content_head(out, message, targets)
        else:
            if not head:
                once = BytesWriter()
                put_content_head(once, message, targets)
                head = once.getvalue()
            out.write(head)
        last = message
        last_targets = targets
        put_body(out, message, parts)
        while i < end:
            queued = pending[i]
            if queued.log_segment == PENDING:
                put_target(out, queued.queue.log_id, queued.position)
            i += 1
    if len(out) > 0:
        parts.append(out.getvalue())


def put_body(out: BytesWriter, message: Message, parts: list[bytes]) -> None:
    """A small body is copied, a large one becomes a part of its own."""
    body = message.body
    if len(body) < LARGE_BODY:
        out.write(body)
        return
    parts.append(out.getvalue())
    out.truncate(0)
    parts.append(body)
