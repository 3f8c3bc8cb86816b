"""A vhost with a store below it and a peer's outbox above it, and the words in which the tests speak of them."""

from pathlib import Path
from typing import Any

import pytest
from pamqp import commands, frame, header

from broker.auth.users import Users
from broker.core.arguments import Table
from broker.core.counters import Counters
from broker.core.errors import AmqpError, HardError, SoftError
from broker.core.message import Queued
from broker.protocol.connection import Connection
from broker.protocol.context import ConnectionLimits, Context
from broker.protocol.transport import Transport
from broker.queues.agenda import Agenda
from broker.queues.queue import Queue
from broker.queues.window import MemoryWindow
from broker.routing.exchange import Exchange
from broker.store.files import Files
from broker.store.limits import StoreLimits
from broker.store.spool import Spool
from broker.store.store import Store
from broker.vhost.confirms import ConfirmLedger
from broker.vhost.publisher import Publisher, Route
from broker.vhost.turn import Turn
from broker.vhost.vhost import VHost
from broker.vhost.vhosts import VHosts
from broker.wire.outbox import Outbox
from broker.wire.properties import PropertyScanner
from tests.auth.people import add_user
from tests.clock import ManualClock

USER = b"guest"


class Sink(Transport):
    """A socket that keeps what it is given."""

    def __init__(self) -> None:
        self.octets = b""

    def send(self, parts: list[bytes]) -> None:
        self.octets += b"".join(parts)

    def close(self) -> None:
        """Nobody listens."""

    def abort(self) -> None:
        """Nobody listens."""


class Scene:
    """One broker without connections, but for one that nobody talks to: it lends its place among the outlets."""

    def __init__(
        self,
        path: Path,
        files: Files | None = None,
        sink: Sink | None = None,
        *,
        limits: StoreLimits | None = None,
        window: MemoryWindow | None = None,
        now_ms: int = 1_700_000_000_000,
    ) -> None:
        self.clock = ManualClock(now_ms)
        limits = limits or StoreLimits(allocate_bytes=0)
        self.store = Store(str(path), files if files is not None else Files(), limits)
        self.recovered = self.store.recover()
        self.agenda = Agenda()
        self.agenda.now_ms = self.clock.now_ms()
        if window is not None:
            self.agenda.window = window
            self.agenda.spool = Spool(f"{path}/spool", self.store.files)
        self.counters = Counters()
        self.turn = Turn(self.clock, self.agenda, self.store, self.counters)
        self.vhosts = VHosts(self.turn)
        self.vhosts.log_ids.last = self.recovered.highest_log_id
        self.vhost: VHost = self.vhosts.make("/")
        self.users = Users([])
        self.publisher = Publisher(self.vhost, add_user(self.users, USER, vhosts=["/"]).access("/"))
        peer_limits = ConnectionLimits(
            frame_max=131_072,
            channel_max=2047,
            heartbeat_s=60,
            handshake_s=10.0,
            max_message_bytes=1 << 24,
            max_connections=0,
            consumers_per_channel=0,
            has_py_amqp_qos=True,
        )
        context = Context(self.turn, self.users, peer_limits, self.clock, {})
        self.sink = sink if sink is not None else Sink()
        self.connection = Connection(context, self.sink, "tests", True)
        self.outbox: Outbox = self.connection.outbox

    # --- topology

    def queue(
        self,
        name: bytes = b"q",
        arguments: Table | None = None,
        *,
        durable: bool = True,
        exclusive: bool = False,
        auto_delete: bool = False,
        connection_id: int = 1,
    ) -> Queue:
        return self.vhost.declare_queue(name, durable, exclusive, auto_delete, arguments or {}, connection_id)

    def exchange(
        self,
        name: bytes,
        kind: bytes = b"direct",
        arguments: Table | None = None,
        *,
        durable: bool = True,
        auto_delete: bool = False,
        internal: bool = False,
    ) -> Exchange:
        return self.vhost.declare_exchange(name, kind, durable, auto_delete, internal, arguments or {})

    # --- messages

    def route(self, exchange: str, key: str, *, mandatory: bool = False) -> Route:
        return self.publisher.route(publish_method(exchange, key, mandatory=mandatory))

    def publish(
        self, exchange: str, key: str, body: bytes = b"m", *, header_octets: bytes | None = None, **properties: Any
    ) -> int:
        """Publish with pamqp's names for the properties; persistent unless told otherwise."""
        octets = header_octets if header_octets is not None else content_header(len(body), **properties)
        scanner = PropertyScanner()
        assert scanner.scan(octets)
        return int(self.publisher.publish(self.route(exchange, key), octets, body, scanner))

    def ledger(self, channel: int = 1) -> ConfirmLedger:
        """A channel's ledger, in confirm mode."""
        made = ConfirmLedger(channel, self.outbox, self.connection, self.counters)
        made.is_selected = True
        return made

    # --- time

    def finish(self) -> None:
        """End the turn and begin the next."""
        self.turn.finish()
        self.turn.begin()

    def advance(self, seconds: float) -> None:
        """Let time pass, and a turn with it."""
        self.clock.advance(seconds)
        self.turn.begin()
        self.turn.finish()
        self.turn.begin()

    def sync(self) -> None:
        """One whole group commit."""
        job = self.store.begin_sync()
        job.run()
        self.store.finish_sync(job)
        self.turn.synced()

    def told(self) -> list[tuple[str, int, bool]]:
        """The settlements that have left since the last call."""
        octets, self.sink.octets = self.sink.octets, b""
        return settlements(octets)


def publish_method(exchange: str, key: str, *, mandatory: bool = False, immediate: bool = False) -> bytes:
    method = commands.Basic.Publish(0, exchange, key, mandatory, immediate)
    return method.index.to_bytes(4, "big") + bytes(method.marshal())


def content_header(size: int, **properties: Any) -> bytes:
    given: dict[str, Any] = {"delivery_mode": 2} | properties
    made = commands.Basic.Properties(**{name: value for name, value in given.items() if value is not None})
    return bytes(header.ContentHeader(0, size, made).marshal())


def settlements(octets: bytes) -> list[tuple[str, int, bool]]:
    """Acks, nacks and commit-oks in order, as (what, tag, multiple)."""
    found: list[tuple[str, int, bool]] = []
    while octets:
        used, _, method = frame.unmarshal(octets)
        octets = octets[used:]
        if isinstance(method, commands.Basic.Ack):
            found.append(("ack", method.delivery_tag, method.multiple))
        elif isinstance(method, commands.Basic.Nack):
            found.append(("nack", method.delivery_tag, method.multiple))
        else:
            assert isinstance(method, commands.Tx.CommitOk)
            found.append(("commit-ok", 0, False))
    return found


def take_all(queue: Queue) -> list[Queued]:
    """Everything ready, from now on unacked."""
    taken: list[Queued] = []
    while (queued := queue.get()) is not None:
        taken.append(queued)
    return taken


def take(queue: Queue) -> Queued:
    """The first message ready, from now on unacked."""
    queued = queue.get()
    assert queued is not None
    return queued


def bodies(queue: Queue) -> list[bytes]:
    """The bodies ready; they are settled by being looked at."""
    taken = take_all(queue)
    for queued in taken:
        queue.settle(queued)
    return [queued.message.body for queued in taken]


class Refusal:
    """``with refused("...")``: the one error text there must be, and which of the two kinds it is."""

    def __init__(self, reply_text: str, kind: type[AmqpError]) -> None:
        self.reply_text = reply_text
        self.raises = pytest.raises(kind)

    def __enter__(self) -> None:
        self.caught = self.raises.__enter__()

    def __exit__(self, *details: Any) -> bool:
        swallowed = self.raises.__exit__(*details)
        if swallowed:
            assert self.caught.value.reply_text == self.reply_text
        return bool(swallowed)


def refused(reply_text: str) -> Refusal:
    return Refusal(reply_text, SoftError)


def refused_hard(reply_text: str) -> Refusal:
    return Refusal(reply_text, HardError)
