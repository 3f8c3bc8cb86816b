"""Fixtures for Celery: an application of the test's own, and the workers that tests share."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from celery import Celery
from kombu import pools

from conformance.brokers import Broker
from conformance.celery.app import make_app
from conformance.celery.processes import Worker
from conformance.celery.wiretap import Wiretap


@pytest.fixture
def tap(broker: Broker) -> Iterator[Wiretap]:
    """A recording proxy in front of the shared broker."""
    with Wiretap(broker.host, broker.port) as wiretap:
        yield wiretap


@pytest.fixture(scope="session")
def prefork_worker(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Two processes that consume the two default queues and answer by rpc://."""
    directory = tmp_path_factory.mktemp("prefork")
    with Worker("prefork", "--task-events", broker_url=broker.url, directory=directory) as worker:
        yield worker


@dataclass(frozen=True)
class TracedWorker:
    """A worker with Celery's default queue whose every frame is recorded."""

    worker: Worker
    tap: Wiretap
    queue: str


@pytest.fixture(scope="session")
def traced(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TracedWorker]:
    """Started once: what it says at its start is looked at by many tests, each for one line of the contract."""
    queue = "celery"
    directory = tmp_path_factory.mktemp("traced")
    with (
        Wiretap(broker.host, broker.port) as wiretap,
        Worker("traced", "--task-events", broker_url=wiretap.url, directory=directory, queues={queue: {}}) as worker,
    ):
        yield TracedWorker(worker, wiretap, queue)


@pytest.fixture
def celery_app(broker: Broker) -> Iterator[Celery]:
    """A client of the traced worker, itself not recorded."""
    client = make_app(broker_url=broker.url, result_backend="rpc://", queues={"celery": {}})
    yield client
    close_app(client)


@pytest.fixture
def app(broker: Broker) -> Iterator[Celery]:
    """A client on the shared broker whose results come by rpc://."""
    client = make_app(broker_url=broker.url, result_backend="rpc://")
    yield client
    close_app(client)


def close_app(client: Celery) -> None:
    """Close the connections of an application, so that no socket is left for the garbage collector to warn about."""
    consumer = getattr(client.backend, "result_consumer", None)
    if consumer is not None and consumer._connection is not None:
        consumer.stop()
    client.close()
    # kombu keeps one pool per broker address for the whole process, also for other applications.
    pools.reset()
