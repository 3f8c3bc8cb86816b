"""Random histories of one data directory through several lives of a broker, against what was live at each end."""

import random
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.arguments import Field, Table, long, longstr
from broker.core.errors import SoftError
from tests.definitions.node import Node
from tests.vhost.scene import content_header

NAMES = [b"a", b"b", b"c"]
KINDS = [b"direct", b"fanout", b"topic", b"headers"]
ARGUMENTS: list[Table] = [{}, {b"n": Field("I", 1)}, {b"n": Field("I", 2), b"s": longstr(b"t")}]


class History:
    """Random changes, and what every durable queue should hold."""

    def __init__(self, node: Node, chance: random.Random) -> None:
        self.node = node
        self.chance = chance
        self.held: dict[int, list[bytes]] = {}
        self.sent = 0

    def step(self) -> None:
        """One change; what the rules refuse changes nothing."""
        topology = [self.declare_exchange, self.declare_queue, self.delete_exchange, self.delete_queue, self.unbind]
        often = [self.bind, self.publish] * 3
        change = self.chance.choice([*topology, *often, self.acknowledge, self.end_turn])
        try:
            change()
        except SoftError:
            return

    def declare_exchange(self) -> None:
        chance = self.chance
        self.node.exchange(
            chance.choice(NAMES),
            chance.choice(KINDS),
            durable=chance.random() < 0.7,
            auto_delete=chance.random() < 0.5,
            internal=chance.random() < 0.2,
        )

    def declare_queue(self) -> None:
        chance = self.chance
        self.node.queue(
            chance.choice(NAMES),
            {b"x-max-priority": long(3)} if chance.random() < 0.2 else {},
            durable=chance.random() < 0.7,
            exclusive=chance.random() < 0.1,
            auto_delete=chance.random() < 0.2,
        )

    def delete_exchange(self) -> None:
        self.node.vhost.delete_exchange(self.chance.choice(NAMES), self.chance.random() < 0.5)

    def delete_queue(self) -> None:
        queue = self.node.vhost.queues.get(self.chance.choice(NAMES))
        if queue is not None:
            self.node.vhost.delete_queue(queue)

    def bind(self) -> None:
        self.change_binding(True)

    def unbind(self) -> None:
        self.change_binding(False)

    def change_binding(self, is_new: bool) -> None:
        chance, vhost = self.chance, self.node.vhost
        source = vhost.find_exchange(chance.choice([*NAMES, b"amq.direct"]))
        destination = (vhost.queues if chance.random() < 0.6 else vhost.exchanges).get(chance.choice(NAMES))
        if source is not None and destination is not None:
            change = vhost.bind if is_new else vhost.unbind
            change(source, destination, chance.choice([b"k", b"l"]), chance.choice(ARGUMENTS))

    def publish(self) -> None:
        queue = self.node.vhost.queues.get(self.chance.choice(NAMES))
        if queue is not None:
            self.sent += 1
            body = b"%d" % self.sent
            self.node.publish("", queue.name.decode(), body, header_octets=content_header(len(body)))
            self.held.setdefault(int(queue.log_id), []).append(body)

    def acknowledge(self) -> None:
        queue = self.node.vhost.queues.get(self.chance.choice(NAMES))
        queued = queue.get() if queue is not None else None
        if queue is not None and queued is not None:
            assert self.held[int(queue.log_id)].pop(0) == queued.message.body
            queue.settle(queued)

    def end_turn(self) -> None:
        self.node.finish()

    def forget_transient_queues(self) -> None:
        """Their numbers are free again: no file knows them."""
        durable = {int(queue.log_id) for queue in self.node.vhost.queues.values() if queue.is_durable}
        self.held = {log_id: held for log_id, held in self.held.items() if log_id in durable}

    def expected_messages(self) -> dict[bytes, list[bytes]]:
        return {
            name: self.held.get(int(queue.log_id), [])
            for name, queue in self.node.vhost.queues.items()
            if queue.is_durable
        }


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60), end=st.sampled_from(["stop", "kill", "compact"]))
def test_whatever_happened_the_next_life_begins_where_the_last_one_ended(seed: int, steps: int, end: str) -> None:
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="lives-") as directory:
        history = History(Node(Path(directory) / "data"), chance)
        for life in range(3):
            for _ in range(steps):
                history.step()
            topology, messages = history.node.topology(), history.expected_messages()
            history.forget_transient_queues()
            if end == "compact":
                history.node.compact()
            if end == "kill":
                history.node = history.node.crashed(Path(directory) / f"copy{life}")
            else:
                history.node = history.node.restarted()
            assert history.node.topology() == topology
            assert history.node.messages() == messages
        history.node.stop()
