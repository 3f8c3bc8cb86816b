"""Dead letters: the history a message carries, and where it goes. RabbitMQ's dead-lettering."""

import logging
from typing import Final, cast

from mypy_extensions import i64

from broker.core.arguments import Field, Table, array, integer, long, longstr, octets, table, timestamp
from broker.core.errors import HardError
from broker.core.message import Enqueuer, Message
from broker.queues.agenda import DeadLetter
from broker.queues.queue import Queue
from broker.routing.walk import find_queues_for_keys
from broker.vhost.routing_keys import copy_keys, exchange_and_key
from broker.vhost.vhost import VHost
from broker.wire.octets import shortstr
from broker.wire.properties import expiration_of, headers_of, rewritten

LOG: Final = logging.getLogger("broker.queues")

REJECTED: Final = b"rejected"
HISTORY: Final[list[bytes]] = [
    b"x-death",
    b"x-first-death-queue",
    b"x-first-death-reason",
    b"x-first-death-exchange",
]


def route_dead_letter(vhost: VHost, letter: DeadLetter, now_ms: i64) -> None:
    """Publish a dead letter to its queue's dead-letter exchange; dropped if that does not exist or has no route.

    In the same turn as the settlement in the queue where it died, so one batch of the commit log holds both. With
    dead-lettering at least once it is not dropped: it stays in its queue for another attempt, and so it does when one
    of its targets is full.
    """
    queued = letter.queued
    if queued is None:
        _count(vhost, letter.reason)
        _hand_over(vhost, letter, now_ms)
    elif _hand_over(vhost, letter, now_ms):
        _count(vhost, letter.reason)
        letter.queue.dead_letter_taken(queued)
    else:
        letter.queue.dead_letter_refused(letter)


def _hand_over(vhost: VHost, letter: DeadLetter, now_ms: i64) -> bool:
    """Route one dead letter and push it. Returns False if another attempt may find a target that takes it."""
    limits = letter.queue.limits
    exchange_name = limits.dead_letter_exchange
    if exchange_name is None:
        return False
    exchange = vhost.find_exchange(exchange_name)
    if exchange is None:
        return False
    old = letter.message
    old_exchange, old_key = exchange_and_key(old.route)
    headers: Table = dict(headers_of(old.header) or {})
    if not old.is_dead_letter:
        # RabbitMQ 4: what a client says about deaths is not believed. A history that it copied begins anew.
        for claim in HISTORY:
            headers.pop(claim, None)
    copies = copy_keys(headers, b"CC")
    new_key = limits.dead_letter_key
    keys = [old_key, *copies] if new_key is None else [new_key]
    _record_death(headers, letter, old_exchange, [old_key, *copies], now_ms)
    targets: list[Enqueuer] = []
    is_routed = False
    for destination in find_queues_for_keys(exchange, keys, headers, vhost, old.header, now_ms):
        target = cast("Enqueuer", destination)
        is_routed = is_routed or not target.is_aside
        # A requester of direct reply-to that is gone is found all the same, and takes nothing.
        if not target.is_deleted and not (isinstance(target, Queue) and _closes_cycle(headers, target.name)):
            targets.append(target)
    if not is_routed:
        return False
    if letter.queued is not None:
        for target in targets:
            if isinstance(target, Queue) and target.is_refusing:
                return False  # all or none: a second attempt must not give the others a second copy
    if not targets:
        return True
    try:
        header = rewritten(old.header, headers, keep_expiration=False)
    except HardError as error:
        # The headers were at the limit of what a table may hold, and the history of this death does not fit any more.
        name = letter.queue.name.decode("utf-8", "replace")
        LOG.error("dead letter dropped", extra={"queue": name, "reason": str(error)})
        return True
    message = Message(
        shortstr(exchange_name) + shortstr(keys[0]),
        header,
        old.body,
        old.is_persistent,
        now_ms,
        old.priority,
        -1,
        True,
    )
    for target in targets:
        target.push(message)
    return True


def _count(vhost: VHost, reason: bytes) -> None:
    counters = vhost.counters
    if reason == REJECTED:
        counters.dead_lettered_rejected += 1
    elif reason == b"expired":
        counters.dead_lettered_expired += 1
    elif reason == b"maxlen":
        counters.dead_lettered_maxlen += 1
    else:
        counters.dead_lettered_delivery_limit += 1


def _deaths(headers: Table) -> list[Field]:
    """The entries of x-death, most recent first."""
    field = headers.get(b"x-death")
    if field is None or field.kind != "A":
        return []
    return [item for item in cast("list[Field]", field.value) if item.kind == "F"]


def _entry_text(entry: Field, name: bytes) -> bytes:
    field = cast("Table", entry.value).get(name)
    return octets(field) if field is not None and field.kind == "S" else b""


def _record_death(headers: Table, letter: DeadLetter, exchange: bytes, keys: list[bytes], now_ms: i64) -> None:
    """Put this death into the headers: one entry for each queue and reason, the most recent first."""
    queue_name = letter.queue.name
    reason = letter.reason
    deaths = _deaths(headers)
    entry: Field | None = None
    for i in range(len(deaths)):
        if _entry_text(deaths[i], b"queue") == queue_name and _entry_text(deaths[i], b"reason") == reason:
            entry = deaths[i]
            del deaths[i]
            break
    if entry is not None:
        repeated: Table = dict(cast("Table", entry.value))
        count = repeated.get(b"count")
        repeated[b"count"] = long(integer(count) + 1 if count is not None else 1)
        entry = table(repeated)
    else:
        fresh: Table = {
            b"count": long(1),
            b"reason": longstr(reason),
            b"queue": longstr(queue_name),
            b"time": timestamp(now_ms // 1000),
            b"exchange": longstr(exchange),
            b"routing-keys": array([longstr(key) for key in keys]),
        }
        expiration = expiration_of(letter.message.header)
        if expiration is not None:
            fresh[b"original-expiration"] = longstr(expiration)
        entry = table(fresh)
    headers[b"x-death"] = array([entry, *deaths])
    if b"x-first-death-queue" not in headers:
        headers[b"x-first-death-queue"] = longstr(queue_name)
        headers[b"x-first-death-reason"] = longstr(reason)
        headers[b"x-first-death-exchange"] = longstr(exchange)
    headers[b"x-last-death-queue"] = longstr(queue_name)
    headers[b"x-last-death-reason"] = longstr(reason)
    headers[b"x-last-death-exchange"] = longstr(exchange)


def _closes_cycle(headers: Table, target: bytes) -> bool:
    """Has the message died in ``target`` before, and never by a client's rejection since?

    RabbitMQ's rule: such a message would go round for ever without anybody having seen it.
    """
    for entry in _deaths(headers):
        if _entry_text(entry, b"reason") == REJECTED:
            return False
        if _entry_text(entry, b"queue") == target:
            return True
    return False
