"""Releasing delayed messages: what has waited is routed as if it had been published now."""

import contextlib
from typing import Final, cast

from mypy_extensions import i64

from broker.core.arguments import Field, Table, long
from broker.core.errors import HardError
from broker.core.message import Enqueuer, Message
from broker.routing.delayed import X_DELAY, delay_of
from broker.routing.walk import find_queues_for_keys
from broker.vhost.delay_line import DelayLine
from broker.vhost.routing_keys import copy_keys, routing_keys
from broker.vhost.vhost import VHost
from broker.wire.properties import headers_of, rewritten

# Messages released from one line in one turn: a chunk's worth, so that a million that are due hold up nobody else.
RELEASE_BUDGET: Final = 2048
# How long a line waits while the disk is full: what it released would only pile up in memory.
DISK_FULL_REST_MS: Final = 1000


def release_due(vhost: VHost, line: DelayLine, now_ms: i64) -> None:
    """Route the messages of one line that are due; with more than a turn should do, the rest in the next turn."""
    budget: i64 = RELEASE_BUDGET
    while budget > 0:
        queued = line.take_due()
        if queued is None:
            break
        budget -= 1
        _route(vhost, line, queued.message, now_ms)
    line.arm()


def _route(vhost: VHost, line: DelayLine, old: Message, now_ms: i64) -> None:
    headers: Table = dict(headers_of(old.header) or {})
    keys = routing_keys(old, headers) + copy_keys(headers, b"BCC")
    headers.pop(b"BCC", None)
    # As the plugin: the sign tells consumers that it has waited, and another delayed exchange not to let it wait again.
    delay = int(delay_of(headers.get(X_DELAY)))
    headers[X_DELAY] = Field("I", -delay) if delay < 0x8000_0000 else long(-delay)
    header = old.header
    # The headers may be at the limit of what a table may hold: better as they were than not at all.
    with contextlib.suppress(HardError):
        header = rewritten(old.header, headers, keep_expiration=True)
    message = Message(
        old.route, header, old.body, old.is_persistent, now_ms, old.priority, old.ttl_ms, old.is_dead_letter
    )
    targets = find_queues_for_keys(line.exchange, keys, headers, vhost, header, now_ms)
    if not targets:
        vhost.counters.messages_unroutable_dropped += 1
    for destination in targets:
        target = cast("Enqueuer", destination)
        target.push(message)
        if not target.is_aside:
            vhost.counters.messages_routed += 1
