"""What queues do besides passing on: requeue, expire, answer basic.get, commit, and be many."""

import struct
import time
from functools import partial
from typing import Final

from benchmarks.client import BenchmarkError, Client, consume
from benchmarks.consumer import RECEIVE_OCTETS, Consuming, LengthCounter, draining
from benchmarks.figures import percentiles_us
from benchmarks.publisher import MOST_MESSAGES_AT_ONCE, Publishing, publish, publish_many
from benchmarks.role import Role
from benchmarks.scenario import Outcome, Scenario, Stage
from benchmarks.scenarios.flow import CONSUMER_TAG, PREFETCH, Flow, clear_away, flow_scenario
from benchmarks.wire import FRAME_OVERHEAD, METHOD, Message, frame, method, short_string

TTL_MS: Final = 300
MANY_QUEUES: Final = 1000
COMMIT_EVERY: Final = 100
COMMIT_OK_LENGTH: Final = FRAME_OVERHEAD + 4
REDELIVERED_AT: Final = 7 + 4 + 1 + len(CONSUMER_TAG) + 8
GET_EMPTY: Final = b"\x00\x3c\x00\x48"


def requeue_once(client: Client, length: int, count: int) -> list[float]:
    """Reject each message at its first delivery and ack it at its second.

    Returns:
        The time when `count` messages had come a second time, and how many deliveries there were.

    Raises:
        BenchmarkError: The broker hung up.
    """
    rest = b""
    tag = 0
    settled = 0
    while settled < count:
        octets = client.socket.recv(RECEIVE_OCTETS)
        if not octets:
            raise BenchmarkError(f"the broker closed the connection after {settled} of {count} messages")
        octets = rest + octets
        whole = len(octets) // length
        rest = octets[whole * length :]
        replies = []
        for again in octets[REDELIVERED_AT : whole * length : length]:
            tag += 1
            # basic.ack with multiple=0 and basic.reject with requeue=1 have the same fields.
            replies.append(struct.pack(">BHIHHQBB", METHOD, 1, 13, 60, 80 if again else 90, tag, not again, 0xCE))
            settled += bool(again)
        client.socket.sendall(b"".join(replies))
    return [time.monotonic(), tag]


def play_requeue(stage: Stage) -> Outcome:
    """Reject every message once with requeue; `messages_s` counts messages, each of which is delivered twice."""
    queue = stage.name("requeue")
    message = Message(b"", queue)
    publisher, consumer = stage.connect(), stage.connect()
    publisher.declare_queue(queue)
    consumer.qos(PREFETCH)
    consumer.consume(queue, no_ack=False)
    before = stage.usage()
    role = Role(partial(requeue_once, consumer, message.delivery_length(CONSUMER_TAG), stage.count))
    began = time.monotonic()
    publish_many(publisher, message.publish_frames(), stage.count)
    ended, deliveries = role.report()
    if deliveries != 2 * stage.count or consumer.ready(queue):
        raise BenchmarkError(f"{deliveries:.0f} deliveries of {stage.count} messages that were rejected once")
    cpu_us = stage.cpu_us_since(before, stage.count)
    clear_away(stage, [publisher, consumer], [queue])
    seconds = ended - began
    return Outcome(seconds, {"messages_s": stage.count / seconds, "cpu_us": cpu_us})


def play_expiry(stage: Stage) -> Outcome:
    """Let messages die of x-message-ttl in a queue without consumers; the rate is from the first death to the last."""
    queue = stage.name("expiry")
    client = stage.connect()
    client.declare_queue(queue, arguments={"x-message-ttl": TTL_MS})
    before = stage.usage()
    began = time.monotonic()
    publish_many(client, Message(b"", queue).publish_frames(), stage.count)
    while client.ready(queue):
        time.sleep(0.002)
    ended = time.monotonic()
    cpu_us = stage.cpu_us_since(before, stage.count)
    clear_away(stage, [client], [queue])
    expiring = ended - began - TTL_MS / 1000
    return Outcome(ended - began, {"expiries_s": stage.count / expiring, "cpu_us": cpu_us})


def play_get(stage: Stage) -> Outcome:
    """Take messages out one by one with basic.get, no-ack: a round trip each."""
    queue = stage.name("get")
    message = Message(b"", queue)
    client = stage.connect()
    client.declare_queue(queue)
    publish_many(client, message.publish_frames(), stage.count)
    while client.ready(queue) < stage.count:
        time.sleep(0.002)
    get = frame(METHOD, 1, method(60, 70, b"\x00\x00" + short_string(queue) + b"\x01"))
    length = message.get_length()
    taken = []
    before = stage.usage()
    began = time.monotonic()
    for _ in range(stage.count):
        asked = time.perf_counter()
        client.socket.sendall(get)
        arrived = 0
        while arrived < length:
            octets = client.socket.recv(RECEIVE_OCTETS)
            if not octets or octets[7:11] == GET_EMPTY:
                raise BenchmarkError("the broker had no message, or hung up")
            arrived += len(octets)
        taken.append(time.perf_counter() - asked)
    seconds = time.monotonic() - began
    cpu_us = stage.cpu_us_since(before, stage.count)
    clear_away(stage, [client], [queue])
    p99_us = percentiles_us(taken)["p99_us"]
    return Outcome(seconds, {"gets_s": stage.count / seconds, "cpu_us": cpu_us, "p99_us": p99_us})


def play_tx(stage: Stage) -> Outcome:
    """Publish persistent messages in transactions of 100, waiting for each tx.commit-ok."""
    queue = stage.name("tx")
    client = stage.connect()
    client.declare_queue(queue, durable=True)
    client.call(method(90, 10))
    count = max(stage.count // COMMIT_EVERY, 1) * COMMIT_EVERY
    commit = Message(b"", queue, persistent=True).publish_frames() * COMMIT_EVERY + frame(METHOD, 1, method(90, 20))
    commits = []
    before = stage.usage()
    began = time.monotonic()
    for _ in range(count // COMMIT_EVERY):
        asked = time.perf_counter()
        client.socket.sendall(commit)
        answers = LengthCounter(COMMIT_OK_LENGTH)
        while not answers.count:
            octets = client.socket.recv(RECEIVE_OCTETS)
            if not octets or octets[7:11] != b"\x00\x5a\x00\x15":
                raise BenchmarkError(f"no tx.commit-ok: {octets[:80]!r}")
            answers.add(len(octets))
        commits.append(time.perf_counter() - asked)
    seconds = time.monotonic() - began
    cpu_us = stage.cpu_us_since(before, count)
    if client.ready(queue) != count:
        raise BenchmarkError("not every committed message is in the queue")
    clear_away(stage, [client], [queue])
    p50_us = percentiles_us(commits)["p50_us"]
    return Outcome(seconds, {"messages_s": count / seconds, "cpu_us": cpu_us, "p50_us": p50_us})


def play_many_queues(stage: Stage) -> Outcome:
    """Declare a thousand durable queues one by one, then publish persistent messages to each in turn."""
    names = [stage.name("many", number) for number in range(MANY_QUEUES)]
    publisher, consumer = stage.connect(), stage.connect()
    declaring = time.monotonic()
    for queue in names:
        publisher.declare_queue(queue, durable=True)
    declared = time.monotonic()
    tags = [b"c%04d" % number for number in range(MANY_QUEUES)]
    consumer.call_all(consume(queue, tag) for queue, tag in zip(names, tags, strict=True))
    messages = [Message(b"", queue, persistent=True) for queue in names]
    flow = Publishing(publisher.socket, [message.publish_frames() for message in messages], stage.count)
    before = stage.usage()
    role = Role(draining([Consuming(consumer, messages[0].delivery_length(tags[0]))], stage.count))
    began = time.monotonic()
    publish([flow])
    [ended] = role.report()
    cpu_us = stage.cpu_us_since(before, stage.count)
    clear_away(stage, [publisher, consumer], names)
    seconds = ended - began
    declares_s = MANY_QUEUES / (declared - declaring)
    return Outcome(seconds, {"messages_s": stage.count / seconds, "cpu_us": cpu_us, "declares_s": declares_s})


SCENARIOS: Final = [
    flow_scenario(
        "ttl",
        "x-message-ttl of a minute, none expires, acks",
        2_000_000,
        Flow(acks=True, arguments={"x-message-ttl": 60_000}),
    ),
    Scenario("expiry", f"all messages expire after {TTL_MS} ms", play_expiry, 500_000, 5_000),
    Scenario("requeue", "each message rejected once, acked then", play_requeue, 500_000, 2 * MOST_MESSAGES_AT_ONCE),
    Scenario("get", "basic.get in a loop, no-ack", play_get, 20_000, 200),
    Scenario("tx", f"persistent, tx.commit after {COMMIT_EVERY}", play_tx, 500_000, COMMIT_EVERY),
    Scenario("queues_1000", "1,000 durable queues, persistent, auto-ack", play_many_queues, 100_000),
]
