"""A service that knows users, asked over HTTP; the referee has RabbitMQ's HTTP backend."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pika
import pytest
from pika.exceptions import AMQPError, ProbableAuthenticationError

from conformance.backends import Service, http_broker
from conformance.brokers import Broker
from conformance.clients import channel_refused
from conformance.http_api import ask

Log = Callable[..., pika.BlockingConnection]


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.close()


@pytest.fixture(params=["get", "post"])
def asking(request: pytest.FixtureRequest, broker_name: str, service: Service, tmp_path: Path) -> Iterator[Broker]:
    """A broker that asks the service, by either method."""
    yield from running(broker_name, tmp_path, service, request.param)


@pytest.fixture
def posting(broker_name: str, service: Service, tmp_path: Path) -> Iterator[Broker]:
    yield from running(broker_name, tmp_path, service, "post")


def running(name: str, directory: Path, service: Service, method: str) -> Iterator[Broker]:
    broker = http_broker(name, directory / "asking", service, method)
    try:
        broker.start()
        yield broker
    finally:
        broker.close()


@pytest.fixture
def log_in() -> Iterator[Log]:
    """Opens connections, and closes them in the end."""
    opened: list[pika.BlockingConnection] = []

    def connect(broker: Broker, user: str = "bob", password: str = "pe&r=+ä") -> pika.BlockingConnection:  # noqa: S107
        credentials = pika.PlainCredentials(user, password)
        made = pika.BlockingConnection(pika.ConnectionParameters(broker.host, broker.port, "/", credentials))
        opened.append(made)
        return made

    yield connect
    for connection in opened:
        with contextlib.suppress(AMQPError):
            connection.close()


def test_the_service_is_asked_as_rabbitmq_asks(asking: Broker, service: Service, log_in: Log) -> None:
    channel = log_in(asking).channel()
    channel.confirm_delivery()
    channel.queue_declare("a queue", arguments={"x-dead-letter-exchange": "dlx"})
    channel.queue_bind("a queue", "amq.topic", "k.*")
    channel.basic_publish("amq.topic", "k.1", b"m")
    channel.basic_publish("", "a queue", b"m")
    channel.queue_delete("a queue")
    who = {"username": "bob", "vhost": "/", "tags": "administrator"}
    queue = {**who, "resource": "queue", "name": "a queue"}
    exchange = {**who, "resource": "exchange"}
    topic = {
        **who,
        "resource": "topic",
        "name": "amq.topic",
        "variable_map.username": "bob",
        "variable_map.vhost": "/",
    }
    assert service.about("user") == [{"username": "bob", "password": "pe&r=+ä"}]
    assert service.about("vhost") == [{**who, "ip": "127.0.0.1"}]
    assert service.about("resource") == [
        {**queue, "permission": "configure"},
        {**queue, "permission": "read"},
        {**exchange, "name": "dlx", "permission": "write"},
        {**queue, "permission": "write"},
        {**exchange, "name": "amq.topic", "permission": "read"},
        {**exchange, "name": "amq.topic", "permission": "write"},
        {**exchange, "name": "amq.default", "permission": "write"},
    ]
    assert service.about("topic") == [
        {**topic, "permission": "read", "routing_key": "k.*"},
        {**topic, "permission": "write", "routing_key": "k.1"},
    ]


@pytest.mark.deviates("permission-verb")
def test_a_no_refuses(posting: Broker, service: Service, log_in: Log) -> None:
    service.denied = {"mallory", "q-no"}
    with pytest.raises(ProbableAuthenticationError):
        log_in(posting, "mallory")
    channel = log_in(posting).channel()
    refusal = f"ACCESS_REFUSED - {verb(posting, 'configure')}access to queue 'q-no' in vhost '/' refused for user 'bob'"
    with channel_refused(403, refusal):
        channel.queue_declare("q-no")
    service.denied = {"/"}
    with pytest.raises(AMQPError, match="access to vhost '/' refused for user 'carol'"):
        log_in(posting, "carol")


def verb(broker: Broker, word: str) -> str:
    """RabbitMQ names the verb since 3.11."""
    return "" if broker.name == "rabbitmq" else f"{word} "


def test_a_service_in_trouble_refuses_and_users_of_the_broker_are_fine(
    posting: Broker, service: Service, log_in: Log
) -> None:
    service.status = 500
    with pytest.raises(ProbableAuthenticationError):
        log_in(posting)
    log_in(posting, "guest", "guest").channel().queue_declare("q", exclusive=True)
    service.status = 200
    service.tags = ""
    log_in(posting)


def test_tags_of_the_service_open_the_http_api(posting: Broker, service: Service) -> None:
    status, body = ask(posting, "GET", "/whoami", login="bob:pear")
    assert (status, body["name"], body["tags"]) == (200, "bob", ["administrator"])
    service.tags = ""
    status, _ = ask(posting, "GET", "/whoami", login="carol:pear")
    assert status == 401


def test_vhosts_in_the_http_api_are_those_that_the_service_allows(posting: Broker, service: Service) -> None:
    if posting.name == "rabbitmq":
        pytest.skip("the referee's management listing is not what is tested here")
    ask(posting, "PUT", "/vhosts/other", {})
    service.tags = "management"
    service.denied = {"other"}
    status, body = ask(posting, "GET", "/vhosts?columns=name", login="bob:pear")
    assert (status, body) == (200, [{"name": "/"}])


def test_a_slow_service_holds_up_nobody_else(posting: Broker, service: Service, log_in: Log) -> None:
    guest = log_in(posting, "guest", "guest").channel()
    channel = log_in(posting).channel()
    service.delay_s = 3.0
    waiting = threading.Thread(target=lambda: channel.queue_declare("slow", exclusive=True))
    began = time.monotonic()
    waiting.start()
    asked = len(service.asked)
    while len(service.asked) == asked and time.monotonic() - began < 2.0:
        guest.queue_declare("quick", exclusive=True)
    for _ in range(50):
        guest.queue_declare("quick", exclusive=True)
    assert time.monotonic() - began < service.delay_s
    waiting.join()
    assert time.monotonic() - began >= service.delay_s


def test_a_yes_is_not_asked_for_again(posting: Broker, service: Service, log_in: Log) -> None:
    if posting.name == "rabbitmq":
        pytest.skip("RabbitMQ has another plugin for that")
    for _ in range(3):
        channel = log_in(posting).channel()
        channel.confirm_delivery()
        for _ in range(10):
            channel.basic_publish("amq.direct", "k", b"m")
    assert [topic for topic, _ in service.asked] == ["user", "vhost", "resource"]


def test_no_password_is_in_the_log(asking: Broker, service: Service, log_in: Log) -> None:
    if asking.name == "rabbitmq":
        pytest.skip("the referee's log is its own business")
    for status in (200, 500):
        service.status = status
        with contextlib.suppress(AMQPError):
            log_in(asking, "bob", f"hunter{status}")
    service.close()
    with contextlib.suppress(AMQPError):
        log_in(asking, "bob", "hunter0")
    assert "no answer of the HTTP backend" in asking.log
    assert "hunter" not in asking.log
