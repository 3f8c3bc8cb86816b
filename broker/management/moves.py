"""Messages from one queue to another, without leaving the broker. A path of ours: RabbitMQ moves with a shovel."""

import asyncio
import logging
from typing import Final

from msgspec import Struct

from broker.auth.access import READ, WRITE
from broker.core.errors import SoftError
from broker.core.message import Message
from broker.management.answers import Answer, as_json
from broker.management.call import Call
from broker.management.refusals import bad_request, not_authorised, not_found
from broker.management.request_body import require
from broker.management.routes import Route
from broker.queues.queue import Queue
from broker.vhost.vhost import VHost
from broker.wire.octets import shortstr

AUDIT: Final = logging.getLogger("broker.audit")

SLICE: Final = 100  # messages of a turn


class MoveBody(Struct):
    """What ``POST /ponymq/queues/.../move`` is given.

    Attributes:
        destination: The other queue, of the same vhost.
        count: How many messages at most; None for all that are ready now.
    """

    destination: str
    count: int | None = None


async def move(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Move ready messages to another queue of the vhost, the oldest first: how many have been moved?

    Each leaves one queue in the batch of the log in which it enters the other: a crash neither loses nor doubles it. As
    with a publish to the default exchange, the other queue's limits and TTL apply; a queue that refuses ends the move.
    """
    vhost = call.vhost(vhost_name)
    require(call.document(), "destination")
    body = call.body_as(MoveBody)
    target_name = body.destination.encode()
    source, target = _queue(vhost, name), _queue(vhost, target_name)
    if source is target:
        raise bad_request("a queue cannot be moved to itself")
    if body.count is not None and body.count < 0:
        raise bad_request("count is not negative")
    if source.owner_id or source.kind == b"stream":
        why = "exclusive" if source.owner_id else "a stream"
        raise bad_request(f"{source} is {why}: nothing can be taken out of it")
    access = call.viewer.user.access(vhost.name)
    try:
        access.check_queue(READ, name)
        access.check_exchange(WRITE, b"")
    except SoftError as refused:
        raise not_authorised(refused.explanation) from refused
    left = int(source.ready_count) if body.count is None else body.count
    moved = 0
    is_going = True
    while is_going and left > 0:
        with call.facts.turn():
            count = _move_some(source, target, min(left, SLICE), int(call.facts.context.turn.agenda.now_ms))
        moved += count
        left -= count
        is_going = count == SLICE
        await asyncio.sleep(0)
    await call.facts.until_synced()
    extra = {"by": call.viewer.name, "vhost": vhost.name, "from": name, "to": target_name, "count": moved}
    AUDIT.info("messages moved", extra=extra)
    return as_json({"moved": moved})


def _queue(vhost: VHost, name: bytes) -> Queue:
    queue = vhost.queues.get(name)
    if queue is None:
        raise not_found()
    return queue


def _move_some(source: Queue, target: Queue, most: int, now_ms: int) -> int:
    """Move up to ``most`` messages in the turn under way; fewer when there are no more, or the target takes no more."""
    route = shortstr(b"") + shortstr(target.name)
    moved = 0
    while moved < most and not source.is_deleted and not target.is_deleted:
        queued = source.get()
        if queued is None:
            break
        old = queued.message
        marks = (old.is_persistent, now_ms, old.priority, old.ttl_ms, old.is_dead_letter)
        new = Message(route, old.header, old.body, *marks)
        if not target.push(new):
            source.put_back([queued])
            break
        source.settle(queued)
        moved += 1
    return moved


ROUTES: Final = (Route("POST", "/ponymq/queues/{vhost}/{queue}/move", move, body=MoveBody),)
