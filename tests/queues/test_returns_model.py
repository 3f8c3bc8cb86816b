"""Random histories of a queue that counts, done twice: by the broker, and by a list that counts."""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pamqp import commands

from broker.core.arguments import Field
from tests.queues.scene import Peer, Scene, text

CHANNELS = (1, 2)
CLOSE = commands.Channel.Close(200, "", 0, 0)


@dataclass
class Item:
    """One message in the model."""

    serial: int
    priority: int
    acquired: int = 0
    failures: int = 0

    @property
    def rank(self) -> tuple[int, int]:
        return -self.priority, self.serial

    @property
    def counts(self) -> tuple[int, int] | None:
        return (self.acquired, self.failures) if self.acquired else None


@dataclass
class Model:
    """The queue as a list."""

    limit: int
    ready: list[Item] = field(default_factory=list)
    out: dict[tuple[int, int], Item] = field(default_factory=dict)
    dead: list[int] = field(default_factory=list)
    serial: int = 0

    def give_back(self, keys: list[tuple[int, int]], *, is_failure: bool) -> None:
        for key in sorted(keys):
            item = self.out.pop(key)
            item.acquired += 1
            item.failures += is_failure
            if 0 <= self.limit < item.failures:
                self.dead.append(item.serial)
            else:
                self.ready.append(item)
        self.ready.sort(key=lambda each: each.rank)


class History:
    """The broker and the model side by side."""

    def __init__(self, path: Path, limit: int) -> None:
        self.scene = Scene(path)
        self.scene.declare(b"dead")
        arguments = {
            b"x-queue-type": text("quorum"),
            b"x-delivery-limit": Field("l", limit),
            b"x-dead-letter-exchange": text(""),
            b"x-dead-letter-routing-key": text("dead"),
        }
        self.queue = self.scene.declare(arguments=arguments, is_durable=True)
        self.model = Model(limit)
        self.peer = Peer(self.scene)
        for channel in CHANNELS:
            self.peer.open(channel)

    def publish(self, priority: int) -> None:
        model = self.model
        model.serial += 1
        model.ready.append(Item(model.serial, priority))
        model.ready.sort(key=lambda each: each.rank)
        self.peer.publish(b"%d" % model.serial, priority=priority)

    def get(self, channel: int) -> None:
        delivery = self.peer.get(channel=channel)
        if not self.model.ready:
            assert delivery is None
            return
        item = self.model.ready.pop(0)
        assert delivery is not None
        assert (delivery.body, delivery.counts) == (b"%d" % item.serial, item.counts)
        assert delivery.is_redelivered == (item.acquired > 0)
        self.model.out[channel, delivery.tag] = item

    def settle(self, verdict: str, channel: int, choice: int) -> None:
        tags = sorted(tag for on, tag in self.model.out if on == channel)
        if not tags:
            return
        tag = tags[choice % len(tags)]
        if verdict == "ack":
            self.peer.ack(tag, channel=channel)
            del self.model.out[channel, tag]
        elif verdict == "discard":
            self.peer.reject(tag, requeue=False, channel=channel)
            self.model.dead.append(self.model.out.pop((channel, tag)).serial)
        elif verdict == "reject":
            self.peer.reject(tag, channel=channel)
            self.model.give_back([(channel, tag)], is_failure=True)
        elif verdict == "nack many":
            self.peer.nack(tag, multiple=True, channel=channel)
            self.model.give_back([(channel, each) for each in tags if each <= tag], is_failure=False)
        else:
            self.peer.nack(tag, channel=channel)
            self.model.give_back([(channel, tag)], is_failure=False)

    def close(self, channel: int) -> None:
        self.peer.say(channel, CLOSE)
        self.peer.open(channel)
        self.model.give_back([key for key in self.model.out if key[0] == channel], is_failure=True)

    def purge(self) -> None:
        self.peer.say(1, commands.Queue.Purge(queue="q"))
        self.peer.hear()
        self.model.ready.clear()

    def check(self) -> None:
        model, queue = self.model, self.queue
        assert (queue.ready.count, queue.unacked_count) == (len(model.ready), len(model.out))
        assert queue.ready_bytes == sum(len(str(each.serial)) for each in model.ready)
        assert queue.unacked_bytes == sum(len(str(each.serial)) for each in model.out.values())
        assert self.scene.vhost.queues[b"dead"].ready.count == len(model.dead)

    def end(self) -> None:
        """All that is left, in order; then the dead, in the order of their deaths."""
        while self.model.ready:
            self.get(1)
        self.get(1)
        assert self.scene.bodies(self.scene.vhost.queues[b"dead"]) == [b"%d" % each for each in self.model.dead]
        self.scene.close()


CHANNEL = st.sampled_from(CHANNELS)
STEP = st.one_of(
    st.tuples(st.just("publish"), st.integers(0, 2)),
    st.tuples(st.just("get"), CHANNEL),
    st.tuples(
        st.just("settle"),
        st.sampled_from(["ack", "discard", "reject", "nack", "nack many"]),
        CHANNEL,
        st.integers(0, 9),
    ),
    st.tuples(st.just("close"), CHANNEL),
    st.tuples(st.just("purge")),
)


@settings(max_examples=150)
@given(limit=st.integers(-1, 3), steps=st.lists(STEP, max_size=50))
def test_any_history_of_returns_ends_as_the_list_does(limit: int, steps: list[tuple[object, ...]]) -> None:
    with tempfile.TemporaryDirectory(prefix="returns-") as directory:
        history = History(Path(directory) / "data", limit)
        for name, *values in steps:
            getattr(history, str(name))(*values)
            history.check()
        history.end()
