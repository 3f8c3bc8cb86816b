"""Prefetch as Celery changes it while it consumes: ETA tasks and a larger pool raise it, and nobody starves."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from celery import Celery
from kombu import Connection
from kombu.common import QoS

from conformance.brokers import Broker
from conformance.celery.app import make_app
from conformance.celery.conftest import TracedWorker, close_app
from conformance.celery.processes import Worker, wait_until
from conformance.celery.wiretap import Wiretap
from conformance.deviations import by_broker

RUN_SECONDS = 30
ETA_TASK_COUNT = 8
PREFETCH = 4
ETA_SECONDS = 3.0


@pytest.fixture
def quorum_app(broker: Broker, name: str) -> Iterator[Celery]:
    client = make_app(
        broker_url=broker.url, result_backend="rpc://", queues={name: {"arguments": {"x-queue-type": "quorum"}}}
    )
    yield client
    close_app(client)


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


@pytest.mark.smoke
def test_each_eta_task_raises_the_prefetch_by_one_until_it_starts(traced: TracedWorker, celery_app: Celery) -> None:
    before = traced.tap.methods("Basic.Qos")
    results = [celery_app.tasks["conformance.add"].apply_async((1, n), countdown=1.0) for n in range(3)]

    assert [result.get(timeout=RUN_SECONDS) for result in results] == [1, 2, 3]
    base = before[-1].value.prefetch_count
    traced.tap.wait_for(lambda tap: tap.methods("Basic.Qos")[-1].value.prefetch_count == base)
    changes = traced.tap.methods("Basic.Qos")[len(before) :]

    # Celery sends the newest value only, so a step of two may be seen where two tasks came or started at once.
    assert max(one.value.prefetch_count for one in changes) == base + 3
    assert {one.value.global_ for one in changes} == {before[0].value.global_}
    assert {(one.connection, one.channel, one.value.prefetch_size) for one in changes} == {(1, 1, 0)}
    assert len(traced.tap.methods("Basic.QosOk")) == len(before) + len(changes)


def test_a_larger_pool_raises_the_prefetch_and_a_smaller_one_lowers_it(
    traced: TracedWorker, celery_app: Celery
) -> None:
    base = traced.tap.methods("Basic.Qos")[-1].value.prefetch_count
    command = {"destination": [traced.worker.node], "reply": True, "timeout": RUN_SECONDS, "limit": 1}

    celery_app.control.pool_grow(1, **command)
    traced.tap.wait_for(lambda tap: tap.methods("Basic.Qos")[-1].value.prefetch_count == base + 4)
    celery_app.control.pool_shrink(1, **command)
    traced.tap.wait_for(lambda tap: tap.methods("Basic.Qos")[-1].value.prefetch_count == base)


@pytest.mark.smoke
def test_a_prefetch_above_65535_becomes_no_limit(tap: Wiretap, name: str) -> None:
    with Connection(tap.url) as connection:
        channel = connection.default_channel

        def apply(prefetch_count: int) -> None:
            channel.basic_qos(0, prefetch_count, False)

        qos = QoS(apply, 65_535)
        qos.update()
        qos.increment_eventually()
        qos.update()
        channel.queue_declare(name, exclusive=True)
        received: list[str] = []
        channel.basic_consume(name, callback=lambda message: received.append(message.body))
        for number in range(20):
            connection.Producer().publish(str(number), routing_key=name)
        while len(received) < 20:
            connection.drain_events(timeout=RUN_SECONDS)

    assert [one.value.prefetch_count for one in tap.methods("Basic.Qos")] == [65_535, 0]
    assert len(tap.methods("Basic.QosOk")) == 2


def test_a_quorum_queue_makes_the_limit_one_of_each_consumer(broker: Broker, tmp_path: Path, name: str) -> None:
    queues = {name: {"arguments": {"x-queue-type": "quorum"}}}
    with (
        Wiretap(broker.host, broker.port) as tap,
        Worker("quorum", "--without-mingle", broker_url=tap.url, directory=tmp_path, pool="threads", queues=queues),
    ):
        tap.wait_for_method("Basic.Qos", 2)

        assert [one.value.global_ for one in tap.methods("Basic.Qos")[:2]] == [False, False]
        assert not tap.methods("Channel.Close", "Connection.Close", from_client=False)


@pytest.mark.parametrize("queue_type", ["classic", "quorum"])
def test_a_plain_task_is_not_starved_by_eight_eta_tasks(
    broker: Broker, tmp_path: Path, name: str, queue_type: str
) -> None:
    """Prefetch 4, eight tasks for later, one for now.

    For a classic queue RabbitMQ 3.10.8 is asked for a shared limit, which it changes at once. For a quorum queue, and
    for every queue of a broker with a version from 4.0, Celery asks for the limit of each consumer. RabbitMQ applies
    that only to consumers that start later: the plain task waits for the first ETA. PonyMQ applies it to the running
    consumers of py-amqp as well: the plain task runs.
    """
    is_starved = by_broker(broker, ponymq=False, rabbitmq=queue_type == "quorum")
    queues = {name: {"arguments": {"x-queue-type": queue_type}}}
    record = tmp_path / "record"
    client = make_app(broker_url=broker.url, task_ignore_result=True, queues=queues)
    note = client.tasks["conformance.note"]
    with Worker(
        *("starving", "--without-mingle", "--prefetch-multiplier", str(PREFETCH)),
        broker_url=broker.url,
        directory=tmp_path,
        pool="threads",
        concurrency=1,
        queues=queues,
        task_ignore_result=True,
    ):
        due = datetime.now(UTC) + timedelta(seconds=ETA_SECONDS)
        due_at = time.monotonic() + ETA_SECONDS
        for _ in range(ETA_TASK_COUNT):
            note.apply_async((str(record), "late"), eta=due)
        note.apply_async((str(record), "plain"))
        wait_until(lambda: "plain" in lines(record), RUN_SECONDS, "the plain task has run")
        ran_before_the_others = time.monotonic() < due_at
        wait_until(lambda: len(lines(record)) == ETA_TASK_COUNT + 1, RUN_SECONDS, "all tasks have run")
    close_app(client)

    assert ran_before_the_others != is_starved
    assert (lines(record)[0] == "plain") != is_starved
