"""Celery's native delayed delivery: 28 levels of queues whose expired messages are dead-lettered a level down.

kombu declares the levels when one of the task queues is a quorum queue; a task with a countdown is published with the
countdown's 28 binary digits in front of its routing key, and waits 2**n seconds at each level n whose digit is 1.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from kombu import Connection, Exchange, Message, Queue
from kombu.transport.native_delayed_delivery import (
    bind_queue_to_native_delayed_delivery_exchange,
    calculate_routing_key,
    declare_native_delayed_delivery_exchanges_and_queues,
)

from conformance.brokers import Broker
from conformance.celery.app import make_app
from conformance.celery.conftest import close_app
from conformance.celery.processes import Worker
from conformance.celery.wiretap import Wiretap

LEVELS = range(27, -1, -1)
RUN_SECONDS = 30
# RabbitMQ checks the TTL of the head of a queue at its own pace; the level below it adds its own delay.
LATE_SECONDS = 1.5


def level_names(prefix: str) -> list[str]:
    return [f"{prefix}_celery_delayed_{level}" for level in LEVELS]


@pytest.fixture(params=["classic", "quorum"])
def levels(request: pytest.FixtureRequest, tap: Wiretap, name: str) -> Iterator[tuple[Connection, str]]:
    """The levels, under names of the test's own, declared by kombu; and the type of their queues."""
    with Connection(tap.url) as connection:
        declare_native_delayed_delivery_exchanges_and_queues(connection, request.param, name)
        yield connection, request.param
        channel = connection.channel()
        for level in level_names(name):
            channel.queue_delete(level)
            channel.exchange_delete(level)
        channel.exchange_delete(f"{name}_celery_delayed_delivery")


def test_28_levels_are_accepted_with_their_arguments(tap: Wiretap, levels: tuple[Connection, str], name: str) -> None:
    _, queue_type = levels
    queues = [one.value for one in tap.methods("Queue.Declare")]

    assert [one.queue for one in queues] == level_names(name)
    for level, queue in zip(LEVELS, queues, strict=True):
        below = f"{name}_celery_delayed_{level - 1}" if level else f"{name}_celery_delayed_delivery"
        expected: dict[str, Any] = {
            "x-queue-type": queue_type,
            "x-overflow": "reject-publish",
            "x-message-ttl": 2**level * 1000,
            "x-dead-letter-exchange": below,
        }
        if queue_type == "quorum":
            expected["x-dead-letter-strategy"] = "at-least-once"
        assert (queue.durable, queue.arguments) == (True, expected)
    exchanges = [one.value for one in tap.methods("Exchange.Declare")]
    assert {(one.exchange_type, one.durable) for one in exchanges} == {("topic", True)}
    assert len(tap.methods("Queue.DeclareOk")) == 28
    assert not tap.methods("Channel.Close", "Connection.Close", from_client=False)


def test_a_level_is_bound_by_its_digit_and_to_the_level_below(
    tap: Wiretap, levels: tuple[Connection, str], name: str
) -> None:
    own = [(one.value.queue, one.value.exchange, one.value.routing_key) for one in tap.methods("Queue.Bind")]
    down = [(one.value.destination, one.value.source, one.value.routing_key) for one in tap.methods("Exchange.Bind")]
    names = level_names(name)

    assert own == [(level, level, "*." * (27 - number) + "1.#") for number, level in zip(LEVELS, names, strict=True)]
    assert down == [
        (below, level, "*." * number + "0.#")
        for number, (below, level) in enumerate(
            zip([*names[1:], f"{name}_celery_delayed_delivery"], names, strict=True)
        )
    ]
    assert len(tap.methods("Exchange.BindOk")) == 28


def test_a_countdown_of_5_waits_at_levels_2_and_0(levels: tuple[Connection, str], name: str) -> None:
    connection, _ = levels
    task_exchange = Exchange(f"{name}-tasks", type="topic")
    queue = Queue(f"{name}-tasks", task_exchange, routing_key="work")
    received: list[Message] = []
    queue(connection.default_channel).declare()
    bind_queue_to_native_delayed_delivery_exchange(connection, queue, name)
    routing_key = calculate_routing_key(5, "work")
    sent_at = time.monotonic()

    with connection.Consumer([queue], callbacks=[lambda body, message: received.append(message)]):
        connection.Producer().publish(
            "text", exchange=f"{name}_celery_delayed_27", routing_key=routing_key, headers={"eta": "kept"}
        )
        while not received:
            connection.drain_events(timeout=RUN_SECONDS)
    waited = time.monotonic() - sent_at
    message = received[0]
    message.ack()
    queue(connection.default_channel).delete()
    task_exchange(connection.default_channel).delete()

    assert 5.0 <= waited < 5.0 + LATE_SECONDS
    assert routing_key == "0." * 25 + "1.0.1.work"
    assert message.delivery_info["exchange"] == f"{name}_celery_delayed_delivery"
    assert message.delivery_info["routing_key"] == routing_key
    assert message.headers["eta"] == "kept"
    deaths = message.headers["x-death"]
    assert [death["queue"] for death in deaths] == [f"{name}_celery_delayed_0", f"{name}_celery_delayed_2"]
    assert [death["exchange"] for death in deaths] == [f"{name}_celery_delayed_1", f"{name}_celery_delayed_27"]
    assert {(death["count"], death["reason"]) for death in deaths} == {(1, "expired")}
    assert {tuple(death["routing-keys"]) for death in deaths} == {(routing_key,)}
    assert message.headers["x-first-death-queue"] == f"{name}_celery_delayed_2"
    assert message.headers["x-first-death-reason"] == "expired"
    assert message.headers["x-first-death-exchange"] == f"{name}_celery_delayed_27"


@pytest.fixture
def delaying_app(broker: Broker, name: str) -> Iterator[Celery]:
    client = make_app(broker_url=broker.url, result_backend="rpc://", queues=quorum_queues(name))
    yield client
    close_app(client)


def quorum_queues(name: str) -> dict[str, Any]:
    return {
        f"{name}-topic": {"type": "topic", "arguments": {"x-queue-type": "quorum"}},
        f"{name}-direct": {"arguments": {"x-queue-type": "quorum"}},
    }


def test_a_worker_sets_the_levels_up_and_runs_a_delayed_task_on_time(
    broker: Broker, delaying_app: Celery, tmp_path: Path, name: str
) -> None:
    with (
        Wiretap(broker.host, broker.port) as tap,
        Worker(
            *("delaying", "--without-mingle"),
            broker_url=tap.url,
            directory=tmp_path,
            pool="threads",
            queues=quorum_queues(name),
        ) as worker,
    ):
        sent_at = time.time()
        describe = delaying_app.tasks["conformance.describe_delivery"]
        delayed = describe.apply_async(queue=f"{name}-topic", countdown=2)
        delivery = delayed.get(timeout=RUN_SECONDS)
        binds = [one.value for one in tap.methods("Exchange.Bind", "Queue.Bind")]

    assert 2.0 <= delivery["now"] - sent_at < 2.0 + LATE_SECONDS
    assert delivery["eta"] is not None
    # The last digit is 0: from level 1 on, the message goes by exchange bindings, which do not change its exchange.
    assert delivery["delivery_info"]["exchange"] == "celery_delayed_0"
    assert delivery["delivery_info"]["routing_key"] == "0." * 26 + f"1.0.{name}-topic"
    # The task queue is bound twice: its exchange hangs below the last level, and the digits in front are passed over.
    assert [
        (one.destination, one.source, one.routing_key)
        for one in binds
        if one.name == "Exchange.Bind" and one.destination == f"{name}-topic"
    ] == [(f"{name}-topic", "celery_delayed_delivery", f"#.{name}-topic")]
    assert (f"{name}-topic", f"#.{name}-topic") in {
        (one.queue, one.routing_key) for one in binds if one.name == "Queue.Bind"
    }
    assert not any(one.destination == f"{name}-direct" for one in binds if one.name == "Exchange.Bind")
    assert f"Exchange {name}-direct is a direct exchange" in worker.log
