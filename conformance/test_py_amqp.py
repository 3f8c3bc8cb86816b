"""py-amqp: what Celery's transport does with a broker, call by call."""

from collections.abc import Callable, Iterator
from typing import Any

import amqp
import pytest
from amqp import exceptions

from conformance.brokers import Broker

pytestmark = pytest.mark.smoke
WAIT_SECONDS = 10.0


@pytest.fixture
def connection(broker: Broker) -> Iterator[Any]:
    """A py-amqp connection to the shared broker."""
    opened = amqp.Connection(f"{broker.host}:{broker.port}", confirm_publish=True, heartbeat=0)
    opened.connect()
    yield opened
    opened.close()


def wait_until(connection: Any, condition: Callable[[], object]) -> None:
    while not condition():
        connection.drain_events(timeout=WAIT_SECONDS)


def test_announced_capabilities_include_what_celery_uses(connection: Any) -> None:
    capabilities = connection.server_properties["capabilities"]
    for capability in ("connection.blocked", "consumer_cancel_notify", "authentication_failure_close", "basic.nack"):
        assert capabilities[capability] is True
    assert (connection.channel_max, connection.frame_max) == (2047, 131072)


def test_publish_get_and_ack(connection: Any, name: str) -> None:
    channel = connection.channel()
    assert channel.queue_declare(name, exclusive=True) == (name, 0, 0)
    channel.basic_publish_confirm(amqp.Message("grüße", application_headers={"n": 1, "f": 1.5}), routing_key=name)
    message = channel.basic_get(name)
    assert message.body == "grüße"
    assert message.headers == {"n": 1, "f": 1.5}
    channel.basic_ack(message.delivery_tag)
    assert channel.basic_get(name) is None


def test_consume_with_prefetch_and_cancel(connection: Any, name: str) -> None:
    channel = connection.channel()
    channel.queue_declare(name, exclusive=True, auto_delete=False)
    received: list[str] = []

    def receive(message: Any) -> None:
        received.append(message.body)
        message.channel.basic_ack(message.delivery_tag)

    channel.basic_qos(0, 2, False)
    tag = channel.basic_consume(name, callback=receive)
    for number in range(50):
        channel.basic_publish(amqp.Message(str(number)), routing_key=name)
    wait_until(connection, lambda: len(received) == 50)
    assert received == [str(number) for number in range(50)]
    channel.basic_cancel(tag)


def test_shared_limit_is_accepted(connection: Any, name: str) -> None:
    channel = connection.channel()
    channel.basic_qos(0, 4, True)
    channel.queue_declare(name, exclusive=True)


@pytest.mark.parametrize(
    ("action", "error", "code", "method"),
    [
        (lambda c, n: c.queue_declare(n, passive=True), exceptions.NotFound, 404, "Queue.declare"),
        (lambda c, n: c.queue_declare(f"amq.{n}"), exceptions.AccessRefused, 403, "Queue.declare"),
        (
            lambda c, n: c.exchange_declare("amq.direct", "fanout"),
            exceptions.PreconditionFailed,
            406,
            "Exchange.declare",
        ),
        (lambda c, n: c.basic_get(n), exceptions.NotFound, 404, "Basic.get"),
        (lambda c, n: c.basic_consume(n), exceptions.NotFound, 404, "Basic.consume"),
    ],
)
def test_channel_error_names_its_method_and_the_channel_reopens(
    connection: Any, name: str, action: Callable[[Any, str], object], error: type[Exception], code: int, method: str
) -> None:
    channel = connection.channel()
    with pytest.raises(error) as refusal:
        action(channel, name)
    assert (refusal.value.code, refusal.value.method_name) == (code, method)  # type: ignore[attr-defined]
    assert connection.connected
    connection.channel().queue_declare(name, exclusive=True)


def test_locked_queue_is_reported_as_such(broker: Broker, connection: Any, name: str) -> None:
    connection.channel().queue_declare(name, exclusive=True)
    with amqp.Connection(f"{broker.host}:{broker.port}") as other, pytest.raises(exceptions.ResourceLocked):
        other.channel().queue_declare(name, exclusive=True)


def test_immediate_ends_the_connection_and_names_publish(broker: Broker, name: str) -> None:
    connection = amqp.Connection(f"{broker.host}:{broker.port}")
    connection.connect()
    connection.channel().basic_publish(amqp.Message("x"), routing_key=name, immediate=True)
    with pytest.raises(exceptions.AMQPNotImplementedError) as refusal:
        connection.drain_events(timeout=WAIT_SECONDS)
    assert refusal.value.method_name == "Basic.publish"


def test_transaction(broker: Broker, name: str) -> None:
    with amqp.Connection(f"{broker.host}:{broker.port}") as connection:
        channel = connection.channel()
        channel.queue_declare(name, exclusive=True)
        channel.tx_select()
        channel.basic_publish(amqp.Message("lost"), routing_key=name)
        channel.tx_rollback()
        channel.basic_publish(amqp.Message("kept"), routing_key=name)
        channel.tx_commit()
        assert channel.basic_get(name, no_ack=True).body == "kept"
        assert channel.basic_get(name) is None


def test_exchange_bindings(connection: Any, name: str) -> None:
    channel = connection.channel()
    for exchange in (f"{name}-1", f"{name}-2"):
        channel.exchange_declare(exchange, "fanout", durable=False, auto_delete=True)
    channel.exchange_bind(f"{name}-2", f"{name}-1")
    channel.queue_declare(name, exclusive=True, auto_delete=False)
    channel.queue_bind(name, f"{name}-2")
    channel.basic_publish_confirm(amqp.Message("x"), exchange=f"{name}-1")
    assert channel.basic_get(name, no_ack=True).body == "x"


def test_heartbeats_are_negotiated(broker: Broker) -> None:
    with amqp.Connection(f"{broker.host}:{broker.port}", heartbeat=5) as connection:
        assert connection.heartbeat == 5
        connection.send_heartbeat()
        connection.channel().close()


def test_exchange_of_each_type_is_declared_and_deleted(connection: Any, name: str) -> None:
    channel = connection.channel()
    for kind in ("direct", "fanout", "topic", "headers"):
        channel.exchange_declare(f"{name}-{kind}", kind, durable=True, auto_delete=False)
        channel.exchange_delete(f"{name}-{kind}", if_unused=True)
