"""How long one message takes: alone, at a steady rate, and beside somebody else's flood."""

import os
import selectors
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from benchmarks.client import BenchmarkError, Client
from benchmarks.consumer import RECEIVE_OCTETS, draining
from benchmarks.figures import percentiles_us
from benchmarks.publisher import Publishing, publish
from benchmarks.role import Role
from benchmarks.scenario import Outcome, Scenario, Stage
from benchmarks.scenarios.flow import CONSUMER_TAG, clear_away, connect_consumer
from benchmarks.wire import Message, ack_until

BODY_OCTETS: Final = 100
STEADY_RATE: Final = 20_000  # messages per second
STEADY_PREFETCH: Final = 1000
TICK_SECONDS: Final = 0.001
LEFT_OVER: Final = 19  # niceness
FOR_EVER: Final = 1 << 40  # messages; the role is ended, not awaited


def wait_for(client: Client, length: int) -> None:
    """Receive exactly that many octets.

    Raises:
        BenchmarkError: The broker hung up, or said something longer.
    """
    arrived = 0
    while arrived < length:
        octets = client.socket.recv(RECEIVE_OCTETS)
        if not octets:
            raise BenchmarkError("the broker closed the connection")
        arrived += len(octets)
    if arrived > length:
        raise BenchmarkError(f"{arrived} octets where {length} were expected")


def answer(client: Client, question_length: int, answer_frames: bytes) -> list[float]:
    """The part of an RPC server: an answer for each question, until ended."""
    while True:
        wait_for(client, question_length)
        client.socket.sendall(answer_frames)


def play_rpc(stage: Stage) -> Outcome:
    """Ask through one queue and be answered through another, one question at a time."""
    questions, answers = stage.name("questions"), stage.name("answers")
    asker, server = stage.connect(), stage.connect()
    asker.declare_queue(questions)
    asker.declare_queue(answers)
    server.consume(questions)
    asker.consume(answers)
    question, reply = Message(b"", questions), Message(b"", answers)
    ask = question.publish_frames()
    reply_length = reply.delivery_length(CONSUMER_TAG)
    role = Role(partial(answer, server, question.delivery_length(CONSUMER_TAG), reply.publish_frames()))
    trips = []
    began = time.monotonic()
    try:
        for _ in range(stage.count):
            asked = time.perf_counter()
            asker.socket.sendall(ask)
            wait_for(asker, reply_length)
            trips.append(time.perf_counter() - asked)
    finally:
        role.end()
    seconds = time.monotonic() - began
    clear_away(stage, [asker, server], [questions, answers])
    return Outcome(seconds, percentiles_us(trips))


def play_confirm(stage: Stage) -> Outcome:
    """Publish one persistent message and wait for its confirm, again and again."""
    queue = stage.name("confirm")
    client = stage.connect()
    client.declare_queue(queue, durable=True)
    client.select_confirm()
    frames = Message(b"", queue, persistent=True).publish_frames()
    waits = []
    began = time.monotonic()
    for _ in range(stage.count):
        asked = time.perf_counter()
        client.socket.sendall(frames)
        client.read()
        waits.append(time.perf_counter() - asked)
    seconds = time.monotonic() - began
    clear_away(stage, [client], [queue])
    return Outcome(seconds, percentiles_us(waits))


def publish_steadily(client: Client, frames: bytes, count: int) -> None:
    """Publish at STEADY_RATE, each body beginning with its time of sending; confirms are read and forgotten."""
    stamp_at = len(frames) - 1 - BODY_OCTETS
    began = time.monotonic()
    sent = 0
    with selectors.DefaultSelector() as selector:
        selector.register(client.socket, selectors.EVENT_READ)
        while sent < count:
            now = time.monotonic()
            due = min(count, int((now - began) * STEADY_RATE)) - sent
            octets = bytearray(frames * due)
            for at in range(stamp_at, len(octets), len(frames)):
                struct.pack_into(">d", octets, at, now)
            client.socket.sendall(octets)
            sent += due
            while selector.select(0):
                if not client.socket.recv(RECEIVE_OCTETS):
                    raise BenchmarkError("the broker closed the connection")
            time.sleep(TICK_SECONDS)


def consume_steadily(client: Client, length: int, count: int) -> list[float]:
    """Consume and acknowledge what arrives.

    Returns:
        Median, p99 and p99.9 of the microseconds from sending to arrival.

    Raises:
        BenchmarkError: The broker hung up.
    """
    rest = bytes(client.received)
    taken: list[float] = []
    while len(taken) < count:
        octets = client.socket.recv(RECEIVE_OCTETS)
        now = time.monotonic()
        if not octets:
            raise BenchmarkError("the broker closed the connection")
        octets = rest + octets
        whole = len(octets) // length
        for number in range(whole):
            taken.append(now - struct.unpack_from(">d", octets, (number + 1) * length - 1 - BODY_OCTETS)[0])
        rest = octets[whole * length :]
        if whole:
            client.socket.sendall(ack_until(len(taken)))
    return list(percentiles_us(taken).values())


def play_steady(beside_a_flood: bool, stage: Stage, niceness: int = 0) -> Outcome:
    """Persistent messages with confirms and acks at a steady rate; a flood goes to another queue as fast as it can.

    Args:
        beside_a_flood: Whether there is a flood.
        stage: Where it plays.
        niceness: How far the flood's clients give way to all other processes.
    """
    queue, flooded = stage.name("steady"), stage.name("flooded")
    publisher, consumer = stage.connect(), stage.connect()
    publisher.declare_queue(queue, durable=True)
    publisher.select_confirm()
    consumer.qos(STEADY_PREFETCH)
    consumer.consume(queue, no_ack=False)
    message = Message(b"", queue, BODY_OCTETS, persistent=True)
    before = stage.usage()
    flood = start_flood(stage, flooded, niceness) if beside_a_flood else []
    began = time.monotonic()
    try:
        role = Role(partial(consume_steadily, consumer, message.delivery_length(CONSUMER_TAG), stage.count))
        publish_steadily(publisher, message.publish_frames(), stage.count)
        p50_us, p99_us, p999_us = role.report()
    finally:
        for one in flood:
            one.end()
    seconds = time.monotonic() - began
    figures = {"p99_us": p99_us, "p50_us": p50_us, "p999_us": p999_us}
    if not beside_a_flood:
        figures["cpu_us"] = stage.cpu_us_since(before, stage.count)
    clear_away(stage, [publisher, consumer], [queue, flooded] if beside_a_flood else [queue])
    return Outcome(seconds, figures)


def start_flood(stage: Stage, queue: bytes, niceness: int) -> list[Role]:
    """Publish to a transient queue without pause and consume it with auto-ack, a role each; end them when done."""
    message = Message(b"", queue, BODY_OCTETS)
    client = stage.connect()
    client.declare_queue(queue)
    consumer = connect_consumer(stage, queue, message.delivery_length(CONSUMER_TAG), acks=False)
    flow = Publishing(client.socket, [message.publish_frames()], FOR_EVER)
    parts = [draining([consumer], FOR_EVER), partial(flood_queue, flow)]
    roles = [Role(partial(give_way, niceness, part)) for part in parts]
    # Only the roles keep these connections, so that they end with them.
    client.close()
    consumer.client.close()
    return roles


def give_way(niceness: int, part: Callable[[], list[float]]) -> list[float]:
    """Play a part, letting other processes go first."""
    os.nice(niceness)
    return part()


def flood_queue(flow: Publishing) -> list[float]:
    """The part of the flood's publisher."""
    publish([flow])
    return []


SCENARIOS: Final = [
    Scenario("rpc", "round trip through two queues", play_rpc, 20_000, 200),
    Scenario("confirm", "persistent message to confirm, one at a time", play_confirm, 4_000, 100),
    Scenario("steady", "20,000 persistent msg/s, sending to arrival", partial(play_steady, False), 3 * STEADY_RATE),
    Scenario("fairness", "the same while another queue is flooded", partial(play_steady, True), 3 * STEADY_RATE),
    Scenario(
        "fairness_apart",
        "the same, the flood's clients taking only CPU that is left over",
        partial(play_steady, True, niceness=LEFT_OVER),
        3 * STEADY_RATE,
    ),
]
