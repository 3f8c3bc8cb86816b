"""Messages from publishers through queues to consumers, as fast as they go."""

import time
from dataclasses import dataclass
from functools import partial
from typing import Final

from benchmarks.client import Client
from benchmarks.consumer import Consuming, drain
from benchmarks.publisher import Publishing, publish
from benchmarks.role import Role
from benchmarks.scenario import Outcome, Scenario, Stage
from benchmarks.wire import Message, Table

PREFETCH: Final = 1000
CONSUMER_TAG: Final = b"c"


@dataclass(frozen=True, slots=True)
class Flow:
    """How messages flow from publishers to consumers.

    Attributes:
        size: Octets of each body.
        persistent: The queue is durable and the messages persistent.
        window: Most unconfirmed messages; 0 for no confirms.
        acks: Consumers acknowledge; else auto-ack.
        one_by_one: An ack for each delivery instead of one for a hundred.
        queues: Queues, and as many publishers, each with a queue of its own.
        consumers: Consumers of each queue.
        arguments: Of queue.declare.
        priorities: Publish with priorities from 0 up to below this, in turn; 0 for none.
    """

    size: int = 100
    persistent: bool = False
    window: int = 0
    acks: bool = False
    one_by_one: bool = False
    queues: int = 1
    consumers: int = 1
    arguments: Table | None = None
    priorities: int = 0

    def frames(self, queue: bytes) -> list[bytes]:
        """The messages to publish in turn to a queue."""
        priorities = range(self.priorities) if self.priorities else [None]
        messages = [Message(b"", queue, self.size, self.persistent, priority) for priority in priorities]
        return [message.publish_frames() for message in messages]

    def delivery_length(self, queue: bytes) -> int:
        """Octets of each delivery from a queue."""
        priority = 0 if self.priorities else None
        return Message(b"", queue, self.size, self.persistent, priority).delivery_length(CONSUMER_TAG)


def connect_consumer(stage: Stage, queue: bytes, length: int, acks: bool, one_by_one: bool = False) -> Consuming:
    """Open a connection that consumes from a queue; with acks, at a prefetch of PREFETCH."""
    client = stage.connect()
    if acks:
        client.qos(PREFETCH)
    client.consume(queue, no_ack=not acks)
    return Consuming(client, length, acks, one_by_one)


def play_flow(flow: Flow, stage: Stage) -> Outcome:
    """Publish `count` messages and consume them meanwhile; ends when all are delivered, settled and confirmed."""
    names = [stage.name("flow", number) for number in range(flow.queues)]
    publishers = [stage.connect() for _ in names]
    for client, queue in zip(publishers, names, strict=True):
        client.declare_queue(queue, flow.persistent, flow.arguments)
        if flow.window:
            client.select_confirm()
    consumers = [
        connect_consumer(stage, queue, flow.delivery_length(queue), flow.acks, flow.one_by_one)
        for queue in names
        for _ in range(flow.consumers)
    ]
    each = max(1, stage.count // flow.queues)
    total = each * flow.queues
    flows = [
        Publishing(client.socket, flow.frames(queue), each, flow.window)
        for client, queue in zip(publishers, names, strict=True)
    ]
    before = stage.usage()

    def consume() -> list[float]:
        delivered = drain(consumers, total)
        # The same channel answers only after the acks before it, so the CPU that they cost is spent when this ends.
        for consumer in consumers:
            consumer.client.ready(names[0])
        return [delivered]

    role = Role(consume)
    began = time.monotonic()
    publish(flows)
    confirmed = time.monotonic() if flow.window else 0.0
    [delivered] = role.report()
    seconds = max(delivered, confirmed) - began
    cpu_us = stage.cpu_us_since(before, total)
    clear_away(stage, [*publishers, *(consumer.client for consumer in consumers)], names)
    return Outcome(seconds, {"messages_s": total / seconds, "cpu_us": cpu_us})


def clear_away(stage: Stage, clients: list[Client], queues: list[bytes]) -> None:
    """Hang up, then delete queues on a connection of its own."""
    for client in clients:
        client.close()
    janitor = stage.connect()
    janitor.delete_queues(queues)
    janitor.close_in_good_order()


def play_backlog(persistent: bool, stage: Stage) -> Outcome:
    """Fill a queue that nobody consumes, weigh the broker, then drain it."""
    queue = stage.name("backlog")
    message = Message(b"", queue, 100, persistent)
    client = stage.connect()
    client.declare_queue(queue, persistent)
    empty = stage.usage()
    began = time.monotonic()
    publish([Publishing(client.socket, [message.publish_frames()], stage.count)])
    while client.ready(queue) < stage.count:
        time.sleep(0.01)
    filled = time.monotonic()
    full = stage.usage()
    consumer = connect_consumer(stage, queue, message.delivery_length(CONSUMER_TAG), acks=True)
    consuming = time.monotonic()
    drained = drain([consumer], stage.count)
    clear_away(stage, [client, consumer.client], [queue])
    return Outcome(
        drained - began,
        {
            "drained_s": stage.count / (drained - consuming),
            "publishes_s": stage.count / (filled - began),
            "message_octets": (full.resident_octets - empty.resident_octets) / stage.count,
            "resident_mb": full.resident_octets / 1e6,
        },
    )


def flow_scenario(
    name: str, says: str, count: int, flow: Flow, pilot: int = 0, relay_ports: int = 0, is_tls: bool = False
) -> Scenario:
    """A scenario that is a flow."""
    return Scenario(
        name,
        says,
        partial(play_flow, flow),
        count,
        pilot or max(count // 100, 100),
        is_tls=is_tls,
        relay_ports=relay_ports,
        relay_size=flow.size,
    )


CONFIRMED: Final = Flow(persistent=True, window=2000, acks=True)

SCENARIOS: Final = [
    flow_scenario("transient_autoack", "1 publisher, 1 consumer, auto-ack", 2_000_000, Flow(), relay_ports=1),
    flow_scenario("transient_ack", "the same, an ack for 100 deliveries", 2_000_000, Flow(acks=True)),
    flow_scenario("persist_confirm", "persistent, 2,000 unconfirmed at most, acks", 1_500_000, CONFIRMED),
    flow_scenario(
        "persist_confirm_1ack",
        "the same, an ack for each delivery",
        1_500_000,
        Flow(persistent=True, window=2000, acks=True, one_by_one=True),
    ),
    flow_scenario(
        "persist_confirm_1k",
        "the same with 1 KiB, an ack for 100",
        500_000,
        Flow(1024, persistent=True, window=2000, acks=True),
        relay_ports=1,
    ),
    flow_scenario(
        "persist_confirm_16k",
        "the same with 16 KiB, 200 unconfirmed at most",
        60_000,
        Flow(16384, persistent=True, window=200, acks=True),
        relay_ports=1,
    ),
    flow_scenario("tls_transient_ack", "as transient_ack over TLS 1.3", 2_000_000, Flow(acks=True), is_tls=True),
    flow_scenario("tls_persist_confirm", "as persist_confirm over TLS 1.3", 1_500_000, CONFIRMED, is_tls=True),
    flow_scenario(
        "tls_persist_confirm_16k",
        "as persist_confirm_16k over TLS 1.3",
        60_000,
        Flow(16384, persistent=True, window=200, acks=True),
        is_tls=True,
    ),
    flow_scenario("pairs_16", "16 publishers, 16 queues, 16 consumers, acks", 2_000_000, Flow(acks=True, queues=16)),
    flow_scenario(
        "consumers_100", "1 publisher, 1 queue, 100 consumers, acks", 2_000_000, Flow(acks=True, consumers=100)
    ),
    flow_scenario(
        "priority",
        "x-max-priority 10, all ten in turn, acks",
        1_000_000,
        Flow(acks=True, arguments={"x-max-priority": 10}, priorities=10),
    ),
    Scenario("backlog_transient", "fill a queue, then drain it", partial(play_backlog, False), 200_000, is_fresh=True),
    Scenario("backlog_persistent", "the same, persistent", partial(play_backlog, True), 200_000, is_fresh=True),
]
