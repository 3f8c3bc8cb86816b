"""Time to live, dead letters and length limits. Waits are for what the broker does, never for a time to pass."""

from datetime import datetime
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.brokers import Broker
from conformance.clients import Delivery, Inbox, drain, get, publish, wait_ready
from conformance.deviations import by_broker, deviates

pytestmark = pytest.mark.smoke


@pytest.fixture
def dead(channel: BlockingChannel, name: str) -> str:
    """A queue for dead letters, reached through the default exchange."""
    channel.queue_declare(f"{name}-dead", exclusive=True)
    return f"{name}-dead"


def to(dead: str, **arguments: Any) -> dict[str, Any]:
    """Arguments of a queue whose dead letters go there; `max_length` becomes `x-max-length`."""
    extra = {f"x-{key.replace('_', '-')}": value for key, value in arguments.items()}
    return {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, **extra}


def take(channel: BlockingChannel, queue: str) -> Delivery:
    wait_ready(channel, queue, 1)
    delivery = get(channel, queue, auto_ack=True)
    assert delivery is not None
    return delivery


def test_queue_ttl_expires_at_the_head_with_nobody_looking(channel: BlockingChannel, name: str, dead: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead, message_ttl=100))
    publish(channel, name, b"1", b"2")
    wait_ready(channel, dead, 2)
    assert drain(channel, dead) == [b"1", b"2"]
    assert drain(channel, name) == []


def test_message_ttl_shorter_than_the_queues_wins_and_is_removed_from_the_dead_letter(
    channel: BlockingChannel, name: str, dead: str
) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead, message_ttl=60000))
    publish(channel, name, b"x", expiration="50", priority=3, delivery_mode=2)
    delivery = take(channel, dead)
    assert delivery.properties.expiration is None
    assert (delivery.properties.priority, delivery.properties.delivery_mode) == (3, 2)
    assert delivery.properties.headers["x-death"][0]["original-expiration"] == "50"


def test_expired_message_behind_a_living_one_waits_and_is_never_delivered(
    channel: BlockingChannel, name: str, dead: str
) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead))
    channel.queue_declare(f"{name}-clock", exclusive=True, arguments=to(f"{dead}-clock", message_ttl=300))
    channel.queue_declare(f"{dead}-clock", exclusive=True)
    publish(channel, name, b"living")
    publish(channel, name, b"shielded", expiration="50")
    publish(channel, f"{name}-clock", b"tick")
    wait_ready(channel, f"{dead}-clock", 1)
    assert drain(channel, dead) == []
    living = get(channel, name)
    assert living is not None
    assert (living.body, living.method.message_count) == (b"living", 0) or living.method.message_count == 1
    assert get(channel, name) is None
    wait_ready(channel, dead, 1)
    assert drain(channel, dead) == [b"shielded"]


def test_zero_ttl_reaches_a_waiting_consumer_and_nobody_else(channel: BlockingChannel, name: str, dead: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead, message_ttl=0))
    publish(channel, name, b"late")
    wait_ready(channel, dead, 1)
    assert get(channel, name) is None
    inbox = Inbox(channel)
    inbox.consume(name)
    publish(channel, name, b"in time")
    inbox.wait(1)
    assert inbox.bodies == [b"in time"]


def test_unacked_message_does_not_expire_until_it_returns(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str, dead: str
) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead, message_ttl=200))
    publish(channel, name, b"held", b"left")
    holder = connection.channel()
    assert get(holder, name) is not None
    wait_ready(channel, dead, 1)
    assert drain(channel, dead) == [b"left"]
    holder.basic_nack(1, requeue=True)
    wait_ready(channel, dead, 1)
    assert drain(channel, dead) == [b"held"]


@pytest.mark.parametrize("method", ["reject", "nack"])
def test_rejected_message_is_dead_lettered_with_its_history(
    channel: BlockingChannel, name: str, dead: str, method: str
) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead))
    channel.queue_bind(name, "amq.direct", name)
    channel.basic_publish("amq.direct", name, b"x", pika.BasicProperties(headers={"mine": 1}, message_id="m"))
    wait_ready(channel, name, 1)
    assert get(channel, name) is not None
    getattr(channel, f"basic_{method}")(1, requeue=False)
    delivery = take(channel, dead)
    assert (delivery.method.exchange, delivery.method.routing_key) == ("", dead)
    assert (delivery.body, delivery.properties.message_id, delivery.method.redelivered) == (b"x", "m", False)
    headers = delivery.properties.headers
    assert headers["mine"] == 1
    (death,) = headers["x-death"]
    assert isinstance(death.pop("time"), datetime)
    assert death == {
        "count": 1,
        "reason": "rejected",
        "queue": name,
        "exchange": "amq.direct",
        "routing-keys": [name],
    }
    assert headers["x-first-death-queue"] == name
    assert headers["x-first-death-reason"] == "rejected"
    assert headers["x-first-death-exchange"] == "amq.direct"


@deviates("last-death-headers")
def test_last_death_is_named_in_headers_of_its_own(
    broker: Broker, channel: BlockingChannel, name: str, dead: str
) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead, message_ttl=0))
    publish(channel, name, b"x")
    headers = take(channel, dead).properties.headers
    last = {key: headers.get(f"x-last-death-{key}") for key in ("queue", "reason", "exchange")}
    expected = by_broker(
        broker,
        ponymq={"queue": name, "reason": "expired", "exchange": ""},
        rabbitmq={"queue": None, "reason": None, "exchange": None},
    )
    assert last == expected


@deviates("client-history")
def test_history_that_a_client_claims_is_ignored(
    broker: Broker, channel: BlockingChannel, name: str, dead: str
) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead, message_ttl=0))
    claim = {"count": 7, "reason": "expired", "queue": name, "exchange": "", "routing-keys": [name]}
    publish(channel, name, b"x", headers={"x-death": [claim]})
    (death,) = take(channel, dead).properties.headers["x-death"]
    assert death["count"] == by_broker(broker, ponymq=1, rabbitmq=8)


@deviates("blind-dead-letters")
def test_dead_letters_reach_carbon_copies_too(broker: Broker, channel: BlockingChannel, name: str) -> None:
    exchange, copy = f"{name}-dlx", f"{name}-copy"
    channel.exchange_declare(exchange, "direct", auto_delete=True)
    for target in (f"{name}-1", f"{name}-2", f"{name}-3"):
        channel.queue_declare(target, exclusive=True)
        channel.queue_bind(target, exchange, {"1": name, "2": copy, "3": f"{name}-blind"}[target[-1]])
    arguments = {"x-dead-letter-exchange": exchange, "x-message-ttl": 0}
    channel.queue_declare(name, exclusive=True, arguments=arguments)
    publish(channel, name, b"x", headers={"CC": [copy], "BCC": [f"{name}-blind"]})
    delivery = take(channel, f"{name}-2")
    (death,) = delivery.properties.headers["x-death"]
    assert death["routing-keys"] == [name, copy]
    assert take(channel, f"{name}-1").body == b"x"
    assert drain(channel, f"{name}-3") == by_broker(broker, ponymq=[], rabbitmq=[b"x"])


def test_deaths_in_two_queues_are_two_entries_newest_first(channel: BlockingChannel, name: str, dead: str) -> None:
    second = f"{name}-2"
    channel.queue_declare(second, exclusive=True, arguments=to(dead, message_ttl=0))
    channel.queue_declare(name, exclusive=True, arguments=to(second))
    publish(channel, name, b"x")
    wait_ready(channel, name, 1)
    assert get(channel, name) is not None
    channel.basic_reject(1, requeue=False)
    deaths = take(channel, dead).properties.headers["x-death"]
    assert [(death["queue"], death["reason"], death["count"]) for death in deaths] == [
        (second, "expired", 1),
        (name, "rejected", 1),
    ]


def test_loop_with_a_rejection_goes_on_and_counts(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(name))
    inbox = Inbox(channel)
    inbox.consume(name)
    publish(channel, name, b"x")
    for turn in range(1, 5):
        delivery = inbox.wait(turn)[-1]
        if turn > 1:
            (death,) = delivery.properties.headers["x-death"]
            assert death["count"] == turn - 1
        channel.basic_reject(delivery.method.delivery_tag, requeue=False)


def test_loop_by_expiry_alone_is_cut(channel: BlockingChannel, name: str, dead: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(name, message_ttl=50))
    channel.queue_declare(f"{name}-clock", exclusive=True, arguments=to(dead, message_ttl=300))
    publish(channel, name, b"x")
    publish(channel, f"{name}-clock", b"tick")
    take(channel, dead)
    assert drain(channel, name) == []


def test_dead_letter_to_a_missing_exchange_is_dropped(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments={"x-dead-letter-exchange": f"{name}-missing"})
    publish(channel, name, b"1", b"2")
    wait_ready(channel, name, 2)
    assert get(channel, name) is not None
    channel.basic_reject(1, requeue=False)
    assert drain(channel, name) == [b"2"]


def test_dead_letter_keeps_its_key_when_the_queue_names_none(channel: BlockingChannel, name: str) -> None:
    exchange = f"{name}-dlx"
    channel.exchange_declare(exchange, "topic", auto_delete=True)
    channel.queue_declare(f"{name}-dead", exclusive=True)
    channel.queue_bind(f"{name}-dead", exchange, "original.#")
    arguments = {"x-dead-letter-exchange": exchange, "x-message-ttl": 0}
    channel.queue_declare(name, exclusive=True, arguments=arguments)
    channel.queue_bind(name, "amq.topic", f"original.{name}")
    channel.basic_publish("amq.topic", f"original.{name}", b"x")
    delivery = take(channel, f"{name}-dead")
    assert (delivery.method.exchange, delivery.method.routing_key) == (exchange, f"original.{name}")


def test_deleted_and_purged_messages_are_not_dead_lettered(channel: BlockingChannel, name: str, dead: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead))
    publish(channel, name, b"purged")
    wait_ready(channel, name, 1)
    channel.queue_purge(name)
    publish(channel, name, b"deleted")
    wait_ready(channel, name, 1)
    channel.queue_delete(name)
    assert drain(channel, dead) == []


def test_full_queue_drops_its_head(channel: BlockingChannel, name: str, dead: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead, max_length=2))
    publish(channel, name, b"1", b"2", b"3", b"4")
    assert take_all(channel, dead, 2) == [b"1", b"2"]
    assert drain(channel, name) == [b"3", b"4"]


def take_all(channel: BlockingChannel, queue: str, count: int) -> list[bytes]:
    wait_ready(channel, queue, count)
    return drain(channel, queue)


def test_dropped_message_says_why(channel: BlockingChannel, name: str, dead: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead, max_length=0))
    publish(channel, name, b"x")
    assert take(channel, dead).properties.headers["x-death"][0]["reason"] == "maxlen"


def test_length_in_bytes_counts_bodies(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments={"x-max-length-bytes": 10})
    publish(channel, name, b"aaaaa", b"bbbbb", b"c")
    assert drain(channel, name) == [b"bbbbb", b"c"]


def test_limit_counts_ready_messages_only_and_a_requeue_pushes_out_the_head(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True, arguments={"x-max-length": 2})
    holder = connection.channel()
    publish(channel, name, b"1", b"2")
    wait_ready(channel, name, 2)
    assert get(holder, name) is not None
    assert get(holder, name) is not None
    publish(channel, name, b"3", b"4")
    wait_ready(channel, name, 2)
    holder.basic_nack(2, requeue=True)
    holder.basic_qos(prefetch_count=0)
    wait_ready(channel, name, 2)
    assert drain(channel, name) == [b"3", b"4"]


def test_reject_publish_drops_silently_without_confirms(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    publish(channel, name, b"1", b"2")
    channel.basic_qos(prefetch_count=1)
    assert drain(channel, name) == [b"1"]


def test_reject_publish_dlx_dead_letters_the_refused(channel: BlockingChannel, name: str, dead: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments=to(dead, max_length=1, overflow="reject-publish-dlx"))
    publish(channel, name, b"1", b"2")
    assert take_all(channel, dead, 1) == [b"2"]
    assert drain(channel, name) == [b"1"]
