"""Fixtures of the conformance tests: the broker under test, and clients connected to it."""

import contextlib
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from uuid import uuid4

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

# Last, so that an installed build of `broker` is found before the checkout.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from conformance.brokers import Broker, make_broker
from conformance.deviations import listed_deviations


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--broker", choices=["ponymq", "rabbitmq"], default="ponymq", help="the broker under test")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "smoke: the fast part of the conformance tests, under a minute in all")
    config.addinivalue_line("markers", "deviates(identifier): the brokers differ here; see deviations.md")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for mark in item.iter_markers("deviates"):
            if mark.args[0] not in listed_deviations():
                raise pytest.UsageError(f"{item.nodeid}: deviations.md has no row {mark.args[0]!r}")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for name in ("own_broker", "broker"):
            broker = getattr(item, "funcargs", {}).get(name)
            if isinstance(broker, Broker):
                report.sections.append((f"log of {broker.name}", broker.log_tail))
                break
    return report


@pytest.fixture(scope="session")
def broker_name(request: pytest.FixtureRequest) -> str:
    """Which broker is under test: `ponymq` or `rabbitmq`."""
    return str(request.config.getoption("--broker"))


@pytest.fixture(scope="session")
def broker(broker_name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """The broker that all tests share; a test must not stop it and must choose its own names in it."""
    shared = make_broker(broker_name, tmp_path_factory.mktemp("broker"))
    try:
        shared.start()
        yield shared
    finally:
        shared.close()


@pytest.fixture
def own_broker(broker_name: str, tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own, to be stopped, killed and started again."""
    own = make_broker(broker_name, tmp_path / "broker")
    try:
        own.start()
        yield own
    finally:
        own.close()


@pytest.fixture
def connect_own(own_broker: Broker) -> Iterator[Callable[[], pika.BlockingConnection]]:
    """Opens connections to the test's own broker and cleans up each, also one whose broker is gone."""
    opened: list[pika.BlockingConnection] = []

    def connect() -> pika.BlockingConnection:
        opened.append(pika.BlockingConnection(pika.URLParameters(own_broker.url)))
        return opened[-1]

    yield connect
    for connection in opened:
        with contextlib.suppress(AMQPError):
            connection.close()


@pytest.fixture
def name() -> str:
    """A name that no other test uses, for queues and exchanges."""
    return f"t-{uuid4().hex[:12]}"


@pytest.fixture
def connection(broker: Broker) -> Iterator[pika.BlockingConnection]:
    """A blocking pika connection to the shared broker."""
    opened = pika.BlockingConnection(pika.URLParameters(broker.url))
    yield opened
    if opened.is_open:
        opened.close()


@pytest.fixture
def channel(connection: pika.BlockingConnection) -> BlockingChannel:
    """A channel on the shared broker."""
    return connection.channel()
