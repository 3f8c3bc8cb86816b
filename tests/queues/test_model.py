"""Random histories of one queue, done twice: by the broker, and by a list.

Every channel is on one connection, so its outbox has the deliveries in the order in which they were made. Each of them
must be the head of the model's list, and go to a consumer with room; when a turn has ended nobody with room may be left
waiting, and all counts must be equal.
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands

from broker.core.arguments import Field, Table
from broker.protocol.unacked import PAGE_SIZE
from broker.queues.queue import Queue
from broker.queues.window import MemoryWindow
from broker.store.spool import Spool
from broker.store.survivors import Survivors
from tests.queues.scene import Delivery, Peer, Scene, number, text

CHANNELS = (1, 2)
NEVER = 1 << 62
FLOOD = PAGE_SIZE + 40


@dataclass
class Config:
    """Arguments of the queue; -1 and 0 are off."""

    max_priority: int = 0
    max_length: int = -1
    max_bytes: int = -1
    overflow: str = "drop-head"
    ttl_ms: int = -1
    is_single_active: bool = False
    is_durable: bool = False
    window_bytes: int = 0  # what a queue or a channel may keep in memory; 0 for everything

    def arguments(self) -> Table:
        numbers = {
            b"x-max-priority": self.max_priority or -1,
            b"x-max-length": self.max_length,
            b"x-max-length-bytes": self.max_bytes,
            b"x-message-ttl": self.ttl_ms,
        }
        made: Table = {name: number(value) for name, value in numbers.items() if value >= 0}
        made[b"x-overflow"] = text(self.overflow)
        made[b"x-dead-letter-exchange"] = text("")
        made[b"x-dead-letter-routing-key"] = text("dead")
        if self.is_single_active:
            made[b"x-single-active-consumer"] = Field("t", True)
        return made


@dataclass
class Item:
    """One message in the model."""

    position: int
    priority: int
    body: bytes
    expires_ms: int
    was_delivered: bool = False

    @property
    def rank(self) -> tuple[int, int]:
        return -self.priority, self.position


@dataclass
class Taker:
    """One consumer in the model."""

    tag: str
    channel: int
    prefetch: int
    no_ack: bool
    priority: int
    held: int = 0

    @property
    def has_room(self) -> bool:
        return self.no_ack or self.prefetch == 0 or self.held < self.prefetch


@dataclass
class Model:
    """The queue as a list."""

    config: Config
    ready: list[Item] = field(default_factory=list)
    unacked: dict[tuple[int, int], tuple[Item, Taker | None]] = field(default_factory=dict)
    takers: list[Taker] = field(default_factory=list)  # for a single-active queue, the active one first
    dead: list[bytes] = field(default_factory=list)
    settled: list[bytes] = field(default_factory=list)
    published: int = 0

    def active(self) -> list[Taker]:
        if self.config.is_single_active:
            return self.takers[:1]
        with_room = [each for each in self.takers if each.has_room]
        top = max((each.priority for each in with_room), default=0)
        return [each for each in with_room if each.priority == top]

    def sort(self) -> None:
        self.ready.sort(key=lambda each: each.rank)

    def expire(self, now_ms: int) -> None:
        self.sort()
        for priority in sorted({each.priority for each in self.ready}, reverse=True):
            line = [each for each in self.ready if each.priority == priority]
            while line and line[0].expires_ms <= now_ms:
                self.kill(line.pop(0))

    def kill(self, item: Item) -> None:
        self.ready.remove(item)
        self.dead.append(item.body)

    def is_full(self) -> bool:
        return 0 <= self.config.max_length <= len(self.ready) or 0 <= self.config.max_bytes <= self.octets

    def is_over(self) -> bool:
        return 0 <= self.config.max_length < len(self.ready) or 0 <= self.config.max_bytes < self.octets

    @property
    def octets(self) -> int:
        return sum(len(each.body) for each in self.ready)

    def publish(self, body: bytes, priority: int, ttl_ms: int, now_ms: int) -> bool:
        if self.config.overflow != "drop-head" and self.is_full():
            if self.config.overflow == "reject-publish-dlx":
                self.dead.append(body)
            return False
        times = [each for each in (ttl_ms, self.config.ttl_ms) if each >= 0]
        self.published += 1
        capped = min(priority, self.config.max_priority)
        self.ready.append(Item(self.published, capped, body, now_ms + min(times) if times else NEVER))
        return True

    def deliver(self, deliveries: list[Delivery], now_ms: int) -> None:
        """Check what the broker delivered in one turn, and end the turn."""
        self.expire(now_ms - 1)
        for each in deliveries:
            assert self.ready, f"{each} out of nothing"
            item = self.ready.pop(0)
            assert (each.body, each.is_redelivered) == (item.body, item.was_delivered)
            [taker] = [one for one in self.takers if (one.tag, one.channel) == (each.consumer, each.channel)]
            assert taker in self.active(), f"{each} to a consumer whose turn it is not"
            assert taker.has_room, f"{each} to a full consumer"
            if taker.no_ack:
                self.settled.append(item.body)
            else:
                taker.held += 1
                self.unacked[each.channel, each.tag] = (item, taker)
        assert not self.ready or not any(each.has_room for each in self.active()), "a consumer with room waits"
        if self.config.overflow == "drop-head":
            while self.is_over():
                self.kill(self.ready[0])
        self.expire(now_ms)

    def release(self, keys: list[tuple[int, int]], verdict: str) -> None:
        for key in keys:
            item, taker = self.unacked.pop(key)
            if taker is not None:
                taker.held -= 1
            if verdict == "requeue":
                item.was_delivered = True
                self.ready.append(item)
            elif verdict == "reject":
                self.dead.append(item.body)
            else:
                self.settled.append(item.body)
        self.sort()


class History:
    """The broker and the model side by side."""

    def __init__(self, path: Path, config: Config) -> None:
        self.scene = Scene(path)
        if config.window_bytes:
            self.scene.agenda.window = MemoryWindow(config.window_bytes, 1 << 30)
            self.scene.agenda.spool = Spool(str(path / "spool"), self.scene.store.files)
        self.dead = self.scene.declare(b"dead")
        self.queue: Queue = self.scene.declare(arguments=config.arguments(), is_durable=config.is_durable)
        self.model = Model(config)
        self.config = config
        self.peer = Peer(self.scene)
        self.publisher = Peer(self.scene)
        self.publisher.open()
        self.publisher.say(1, commands.Confirm.Select())
        self.publisher.hear()
        self.bodies = 0
        self.tags = 0
        for channel in CHANNELS:
            self.peer.open(channel)

    def end_turn(self) -> None:
        self.model.deliver(self.peer.deliveries(), self.scene.clock.wall_ms)

    def publish(self, priority: int, ttl_ms: int, size: int, channel: int) -> None:
        del channel
        self.bodies += 1
        body = b"%d" % self.bodies + b"." * size
        expiration: dict[str, Any] = {} if ttl_ms < 0 else {"expiration": str(ttl_ms)}
        mode = 2 if self.bodies % 2 else 1
        self.publisher.publish(body, priority=priority, delivery_mode=mode, **expiration)
        if not self.model.publish(body, priority, ttl_ms, self.scene.clock.wall_ms):
            assert any(isinstance(each, commands.Basic.Nack) for _, each in self.publisher.hear())
        self.end_turn()

    def flood(self, priority: int, mode: int, size: int, channel: int) -> None:
        """More than a page of deliveries, so that the spool has work; all alike but for what their bodies say."""
        del channel
        bodies = [b"%06d" % (self.bodies + each) + b"." * size for each in range(1, FLOOD + 1)]
        self.bodies += FLOOD
        self.publisher.publish(*bodies, priority=priority, delivery_mode=mode)
        taken = [self.model.publish(body, priority, -1, self.scene.clock.wall_ms) for body in bodies]
        if self.config.overflow != "drop-head" and not all(taken):
            assert any(isinstance(each, commands.Basic.Nack) for _, each in self.publisher.hear())
        self.end_turn()

    def consume(self, priority: int, prefetch: int, no_ack: int, channel: int) -> None:
        if len(self.model.takers) >= 4:
            return
        self.tags += 1
        taker = Taker(f"c{self.tags}", channel, prefetch, no_ack == 1, priority)
        takers = self.model.takers
        first = 1 if self.config.is_single_active else 0
        place = len(takers)
        while place > first and takers[place - 1].priority < priority:
            place -= 1
        takers.insert(place, taker)
        self.peer.consume(taker.tag, channel=channel, prefetch=prefetch, no_ack=taker.no_ack, priority=priority)
        self.end_turn()

    def cancel(self, which: int, *_: int) -> None:
        if self.model.takers:
            taker = self.model.takers.pop(which % len(self.model.takers))
            self.peer.cancel(taker.tag, channel=taker.channel)
            self.end_turn()

    def settle(self, which: int, verdict: int, multiple: int, channel: int) -> None:
        tags = sorted(tag for number_, tag in self.model.unacked if number_ == channel)
        if not tags:
            return
        index = which % len(tags)
        chosen = tags[: index + 1] if multiple == 1 else [tags[index]]
        name = ("ack", "requeue", "reject")[verdict % 3]
        if name == "ack":
            self.peer.ack(tags[index], multiple=multiple == 1, channel=channel)
        else:
            self.peer.nack(tags[index], multiple=multiple == 1, requeue=name == "requeue", channel=channel)
        self.model.release([(channel, tag) for tag in chosen], name)
        self.end_turn()

    def get(self, no_ack: int, *rest: int) -> None:
        channel = rest[-1]
        self.end_turn()  # nothing may be waiting for the turn that get begins
        self.model.expire(self.scene.clock.wall_ms)
        self.model.sort()
        got = self.peer.get(channel=channel, no_ack=no_ack == 1)
        if not self.model.ready:
            assert got is None
            return
        item = self.model.ready.pop(0)
        assert got is not None
        assert (got.body, got.is_redelivered) == (item.body, item.was_delivered)
        if no_ack == 1:
            self.model.settled.append(item.body)
        else:
            self.model.unacked[channel, got.tag] = (item, None)
        self.model.expire(self.scene.clock.wall_ms)  # the next one may have expired behind it

    def purge(self, *_: int) -> None:
        self.model.expire(self.scene.clock.wall_ms)
        self.peer.say(1, commands.Queue.Purge(queue="q"))
        [answer] = [each for _, each in self.peer.hear() if isinstance(each, commands.Queue.PurgeOk)]
        assert answer.message_count == len(self.model.ready)
        self.model.settled.extend(each.body for each in self.model.ready)
        self.model.ready.clear()

    def wait(self, ticks: int, *_: int) -> None:
        self.scene.run(ticks * 0.005)
        self.end_turn()

    def close_channel(self, *rest: int) -> None:
        channel = rest[-1]
        self.model.takers = [each for each in self.model.takers if each.channel != channel]
        self.peer.say(channel, commands.Channel.Close(200, "", 0, 0))
        self.model.release([key for key in self.model.unacked if key[0] == channel], "requeue")
        self.end_turn()
        self.peer.open(channel)

    def check(self) -> None:
        queue, model = self.queue, self.model
        assert int(queue.ready.count) == len(model.ready)
        assert int(queue.ready_bytes) == model.octets
        assert int(queue.unacked_count) == len(model.unacked)
        assert int(queue.unacked_bytes) == sum(len(item.body) for item, _ in model.unacked.values())
        assert int(queue.published) == model.published
        assert int(self.dead.ready.count) == len(model.dead)

    def finish(self) -> None:
        """Every message is in one place, and the dead ones died in the order of the model."""
        assert self.scene.bodies(self.dead) == self.model.dead
        rest = [each.body for each in self.model.ready] + [item.body for item, _ in self.model.unacked.values()]
        places = rest + self.model.dead + self.model.settled
        refused = self.bodies - self.model.published if self.config.overflow == "reject-publish" else 0
        assert len(places) == len(set(places)) == self.bodies - refused
        spool = self.scene.agenda.spool
        if spool is not None:
            self.peer.say(0, commands.Connection.Close(200, "", 0, 0))
            self.queue.purge(Survivors())
            self.dead.purge(Survivors())  # what came back over the limit
            assert spool.octets == 0
            spool.unlink(spool.take_garbage())
        self.scene.close()


# name, three numbers whose meaning the step gives them, channel
STEPS = st.one_of(
    st.tuples(
        st.just("publish"),
        st.integers(0, 4),
        st.sampled_from([-1, -1, -1, 0, 5, 20]),
        st.integers(0, 3),
        st.sampled_from(CHANNELS),
    ),
    st.tuples(
        st.just("consume"),
        st.sampled_from([0, 0, 0, 1, -1]),
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from(CHANNELS),
    ),
    st.tuples(
        st.sampled_from(["settle", "settle", "settle", "get", "wait", "cancel", "close_channel", "purge"]),
        st.integers(0, 5),
        st.integers(0, 5),
        st.integers(0, 3),
        st.sampled_from(CHANNELS),
    ),
)
FLOODS = st.tuples(st.just("flood"), st.integers(0, 4), st.integers(1, 2), st.integers(0, 3), st.sampled_from(CHANNELS))
CONFIGS = st.builds(
    Config,
    max_priority=st.sampled_from([0, 0, 2]),
    max_length=st.sampled_from([-1, -1, 0, 3]),
    max_bytes=st.sampled_from([-1, -1, -1, 8]),
    overflow=st.sampled_from(["drop-head", "reject-publish", "reject-publish-dlx"]),
    ttl_ms=st.sampled_from([-1, -1, 0, 10]),
    is_single_active=st.booleans(),
    is_durable=st.booleans(),
)
Step = tuple[str, int, int, int, int]

REMEMBERED: list[tuple[Config, list[Step]]] = [
    # Not the queue but the model was wrong: an expired message behind the one that was fetched goes at once.
    (
        Config(),
        [("publish", 0, -1, 0, 1), ("publish", 0, 0, 0, 1), ("publish", 0, -1, 0, 1), ("get", 0, 0, 0, 1)],
    ),
    # A message without expiration was dropped because an earlier one of the queue had had it.
    (Config(), [("publish", 0, 5, 0, 1), ("publish", 0, -1, 0, 1), ("wait", 2, 0, 0, 1)]),
    # An expired message of a low priority waited for the higher ones before it.
    (Config(max_priority=2), [("publish", 2, -1, 0, 1), ("publish", 0, 5, 0, 1), ("wait", 2, 0, 0, 1)]),
]


def run(config: Config, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        history = History(Path(directory) / "data", config)
        for name, *values in steps:
            getattr(history, name)(*values)
            history.check()
        history.finish()


@settings(max_examples=120)
@given(config=CONFIGS, steps=st.lists(STEPS, max_size=40))
def test_a_queue_behaves_like_a_list(config: Config, steps: list[Step]) -> None:
    run(config, steps)


@settings(max_examples=60)
@given(
    config=st.builds(
        Config,
        max_priority=st.sampled_from([0, 0, 2]),
        max_length=st.sampled_from([-1, -1, -1, 300]),
        is_single_active=st.booleans(),
        is_durable=st.booleans(),
        window_bytes=st.sampled_from([0, 1, 50_000, 200_000]),
    ),
    steps=st.lists(st.one_of(STEPS, FLOODS), max_size=40),
)
def test_a_queue_with_floods_and_little_memory_behaves_like_a_list(config: Config, steps: list[Step]) -> None:
    run(config, steps)


@pytest.mark.parametrize(("config", "steps"), REMEMBERED)
def test_a_history_that_once_went_wrong(config: Config, steps: list[Step]) -> None:
    run(config, steps)
