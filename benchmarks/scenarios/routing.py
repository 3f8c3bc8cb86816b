"""Exchanges: one message to many queues, or to the right one among many bindings."""

import random
import time
from functools import partial
from typing import Final

from benchmarks.client import BenchmarkError, Client, bind
from benchmarks.consumer import draining
from benchmarks.publisher import Publishing, publish, publish_many
from benchmarks.role import Role
from benchmarks.scenario import Outcome, Scenario, Stage
from benchmarks.scenarios.flow import CONSUMER_TAG, clear_away, connect_consumer
from benchmarks.wire import Message, Table

FANOUT: Final = 10
QUEUES: Final = 50
TOPIC_BINDINGS: Final = 5000
HEADERS_BINDINGS: Final = 1000
DIFFERENT_MESSAGES: Final = 2000
ROUTED_SECONDS: Final = 30.0


def play_fanout(stage: Stage) -> Outcome:
    """Publish each message to ten queues, one auto-ack consumer on each."""
    exchange = stage.name("fanout")
    names = [stage.name("fanout", number) for number in range(FANOUT)]
    publisher = stage.connect()
    publisher.declare_exchange(exchange, b"fanout")
    message = Message(exchange, b"")
    consumers = []
    for queue in names:
        publisher.declare_queue(queue)
        publisher.call(bind(queue, exchange, b""))
        consumers.append(connect_consumer(stage, queue, message.delivery_length(CONSUMER_TAG), acks=False))
    deliveries = stage.count * FANOUT
    before = stage.usage()
    role = Role(draining(consumers, deliveries))
    began = time.monotonic()
    publish_many(publisher, message.publish_frames(), stage.count)
    [delivered] = role.report()
    cpu_us = stage.cpu_us_since(before, deliveries)
    publisher.delete_exchange(exchange)
    clear_away(stage, [publisher, *(consumer.client for consumer in consumers)], names)
    seconds = delivered - began
    return Outcome(seconds, {"deliveries_s": deliveries / seconds, "cpu_us": cpu_us})


def play_routing(kind: bytes, stage: Stage) -> Outcome:
    """Publish messages each of which one binding of many matches, to queues that nobody consumes."""
    exchange = stage.name("routing")
    names = [stage.name("routing", number) for number in range(QUEUES)]
    client = stage.connect()
    client.declare_exchange(exchange, kind)
    for queue in names:
        client.declare_queue(queue)
    bindings = topic_bindings(exchange, names) if kind == b"topic" else headers_bindings(exchange, names)
    binding = time.monotonic()
    client.call_all(bindings)
    bound = time.monotonic()
    messages = topic_messages(exchange) if kind == b"topic" else headers_messages(exchange)
    before = stage.usage()
    began = time.monotonic()
    publish([Publishing(client.socket, [message.publish_frames() for message in messages], stage.count)])
    # RabbitMQ answers this when the channel has routed all; PonyMQ when the queues have them too.
    client.ready(names[0])
    seconds = time.monotonic() - began
    expect_ready(client, names, stage.count)
    cpu_us = stage.cpu_us_since(before, stage.count)
    client.delete_exchange(exchange)
    clear_away(stage, [client], names)
    return Outcome(
        seconds,
        {"publishes_s": stage.count / seconds, "cpu_us": cpu_us, "binds_s": len(bindings) / (bound - binding)},
    )


def expect_ready(client: Client, queues: list[bytes], count: int) -> None:
    """Wait until the queues together hold exactly `count` messages: a broker that loses some is not fast.

    Raises:
        BenchmarkError: They hold more, or still fewer after ROUTED_SECONDS.
    """
    deadline = time.monotonic() + ROUTED_SECONDS
    while (ready := sum(client.ready(queue) for queue in queues)) != count:
        if ready > count or time.monotonic() > deadline:
            raise BenchmarkError(f"{ready} messages in the queues, not {count}")
        time.sleep(0.05)


def topic_bindings(exchange: bytes, queues: list[bytes]) -> list[bytes]:
    """Binding keys with both wildcards, none of which matches another's messages."""
    return [
        bind(queues[number % QUEUES], exchange, b"city.%d.*.sensor%d.#" % (number % 2500, number % 7))
        for number in range(TOPIC_BINDINGS)
    ]


def topic_messages(exchange: bytes) -> list[Message]:
    """A choice of routing keys with six words, each matched by one binding; the same in every run."""
    chance = random.Random(7)  # noqa: S311  a choice of messages, not a secret
    keys = []
    for _ in range(DIFFERENT_MESSAGES):
        number = chance.randrange(TOPIC_BINDINGS)
        key = b"city.%d.a.sensor%d.temp.%d" % (number % 2500, number % 7, chance.randrange(1000))
        # One length for all, as `Publishing` wants it; the last word is matched by `#` whatever it is.
        keys.append(key.ljust(32, b"0"))
    return [Message(exchange, key) for key in keys]


def headers_bindings(exchange: bytes, queues: list[bytes]) -> list[bytes]:
    """Bindings that want two headers, of which one is shared by all."""
    return [bind(queues[number % QUEUES], exchange, b"", wanted(number)) for number in range(HEADERS_BINDINGS)]


def wanted(number: int) -> Table:
    """The arguments of one headers binding."""
    return {"x-match": "all", "kind": "reading", "sensor": f"{number:04d}"}


def headers_messages(exchange: bytes) -> list[Message]:
    """Messages with three headers, each matched by one binding; the same in every run."""
    chance = random.Random(7)  # noqa: S311  a choice of messages, not a secret
    numbers = [chance.randrange(HEADERS_BINDINGS) for _ in range(DIFFERENT_MESSAGES)]
    return [
        Message(exchange, b"", headers={"kind": "reading", "sensor": f"{number:04d}", "unit": "K"})
        for number in numbers
    ]


SCENARIOS: Final = [
    Scenario("fanout_10", "1 publisher to 10 queues and consumers", play_fanout, 200_000, 2_000, relay_ports=FANOUT),
    Scenario("topic_5000", "5,000 topic bindings, one matches", partial(play_routing, b"topic"), 500_000, 5_000),
    Scenario("headers_1000", "1,000 headers bindings, one matches", partial(play_routing, b"headers"), 500_000, 1_000),
]
