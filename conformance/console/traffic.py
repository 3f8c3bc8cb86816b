"""Something to look at: exchanges, queues of every type, and messages that flow, wait and are stuck."""

import contextlib
import random
import threading
from types import TracebackType
from typing import Final, Self

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from conformance.brokers import Broker

PAUSE_S: Final = 0.05
KEYS: Final = ("order.eu.paid", "order.eu.new", "order.us.new", "order.us.paid")
QUEUES: Final[dict[str, dict[str, object]]] = {
    "orders.eu": {"x-dead-letter-exchange": "retry", "x-max-length": 100_000},
    "orders.us": {},
    "audit.log": {"x-message-ttl": 600_000},
    "emails": {},
    "retry.later": {"x-queue-type": "quorum"},
    "events": {"x-queue-type": "stream"},
}
BINDINGS: Final = (
    ("orders.eu", "orders", "order.eu.#"),
    ("orders.us", "orders", "order.us.#"),
    ("emails", "orders", "*.*.paid"),
    ("audit.log", "audit", ""),
    ("events", "audit", ""),
    ("retry.later", "retry", "orders.eu"),
)


class Traffic:
    """A shop: it publishes orders, a worker takes some, a mailer takes twenty and never acknowledges them."""

    def __init__(self, broker: Broker) -> None:
        self._url = broker.url
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._publish),
            threading.Thread(target=self._consume, args=("orders.us", "worker", True)),
            threading.Thread(target=self._consume, args=("emails", "mailer", False)),
        ]

    def __enter__(self) -> Self:
        with self._connection("set-up") as connection:
            channel = connection.channel()
            for exchange, kind in (("orders", "topic"), ("audit", "fanout"), ("retry", "direct")):
                channel.exchange_declare(exchange, kind, durable=True)
            channel.exchange_bind("audit", "orders", "#")
            for queue, arguments in QUEUES.items():
                channel.queue_declare(queue, durable=True, arguments=arguments)
            for queue, exchange, key in BINDINGS:
                channel.queue_bind(queue, exchange, key)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _connection(self, name: str) -> pika.BlockingConnection:
        parameters = pika.URLParameters(self._url)
        parameters.client_properties = {"connection_name": name}
        return pika.BlockingConnection(parameters)

    def _publish(self) -> None:
        with contextlib.suppress(AMQPError), self._connection("shop") as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            number = 0
            while not self._is_over.is_set():
                for _ in range(random.randint(1, 8)):
                    number += 1
                    properties = pika.BasicProperties(delivery_mode=2, content_type="application/json")
                    channel.basic_publish("orders", random.choice(KEYS), b'{"order": %d}' % number, properties)
                connection.sleep(PAUSE_S)

    def _consume(self, queue: str, name: str, acks: bool) -> None:
        def take(channel: BlockingChannel, method: pika.spec.Basic.Deliver, _: object, __: bytes) -> None:
            if acks:
                channel.basic_ack(method.delivery_tag)

        with contextlib.suppress(AMQPError), self._connection(name) as connection:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=20)
            channel.basic_consume(queue, take)
            while not self._is_over.is_set():
                connection.process_data_events(PAUSE_S)
