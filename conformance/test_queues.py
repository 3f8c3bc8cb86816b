"""Queues: names, flags, counts, lifetimes."""

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from conformance.brokers import Broker
from conformance.clients import (
    Inbox,
    channel_refused,
    connect,
    consumers,
    drain,
    exists,
    get,
    publish,
    ready,
    wait_ready,
    wait_until,
)

pytestmark = pytest.mark.smoke


def test_server_chooses_a_name_for_the_empty_one(channel: BlockingChannel) -> None:
    one = channel.queue_declare("", exclusive=True).method.queue
    two = channel.queue_declare("", exclusive=True).method.queue
    assert one.startswith("amq.gen-")
    assert len(one) == len("amq.gen-") + 22
    assert one != two


def test_empty_name_means_the_queue_declared_last_on_this_channel(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(f"{name}-other", exclusive=True)
    chosen = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind("", "amq.direct", name)
    channel.basic_publish("amq.direct", name, b"x")
    assert drain(channel, "") == [b"x"]
    assert channel.queue_delete("").method.message_count == 0
    assert not exists(channel, chosen)
    with channel_refused(404, "NOT_FOUND - no previously declared queue"):
        connection.channel().queue_bind("", "amq.direct", name)


def test_binding_the_last_queue_with_an_empty_key_uses_its_name_as_the_key(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    channel.queue_bind("", "amq.direct", "")
    channel.basic_publish("amq.direct", name, b"x")
    assert drain(channel, name) == [b"x"]


def test_declare_reports_ready_messages_and_consumers(channel: BlockingChannel, name: str) -> None:
    declared = channel.queue_declare(name, exclusive=True).method
    assert (declared.message_count, declared.consumer_count) == (0, 0)
    publish(channel, name, b"1", b"2", b"3")
    wait_ready(channel, name, 3)
    assert get(channel, name) is not None
    assert ready(channel, name) == 2
    channel.basic_qos(prefetch_count=1)
    Inbox(channel).consume(name)
    assert consumers(channel, name) == 1


def test_passive_declare_ignores_flags_and_arguments(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    declared = channel.queue_declare(name, passive=True, durable=True, arguments={"x-message-ttl": "nonsense"})
    assert declared.method.queue == name


def test_own_server_named_queue_may_be_declared_passively_only(channel: BlockingChannel) -> None:
    chosen = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_declare(chosen, passive=True)
    with channel_refused(403, f"ACCESS_REFUSED - queue name '{chosen}' contains reserved prefix 'amq.*'"):
        channel.queue_declare(chosen, exclusive=True)


def test_redeclare_compares_values_and_not_integer_widths(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True, arguments={"x-max-length": 10, "x-unknown": "a"})
    channel.queue_declare(name, exclusive=True, arguments={"x-max-length": 2**40 - 2**40 + 10, "x-unknown": "b"})
    channel.queue_declare(name, exclusive=True, arguments={"x-max-length": 10})


def test_absent_queue_type_equals_classic(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    channel.queue_declare(name, exclusive=True, arguments={"x-queue-type": "classic"})


@pytest.mark.parametrize("value", [0, 1, 255])
def test_max_priority_up_to_255_is_accepted(channel: BlockingChannel, name: str, value: int) -> None:
    channel.queue_declare(name, exclusive=True, arguments={"x-max-priority": value})


def test_arguments_of_every_type_are_stored_when_unknown(channel: BlockingChannel, name: str) -> None:
    arguments = {"x-mine": {"nested": [1, "two", {"three": "3"}], "nothing": None}, "x-flag": True}
    channel.queue_declare(name, exclusive=True, arguments=arguments)
    channel.queue_declare(name, exclusive=True, arguments=arguments)


def test_exclusive_queue_is_shared_by_the_channels_of_its_connection(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    publish(connection.channel(), name, b"x")
    assert drain(connection.channel(), name) == [b"x"]


def test_exclusive_queue_outlives_its_channel_and_not_its_connection(
    broker: Broker, channel: BlockingChannel, name: str
) -> None:
    owner = connect(broker)
    first = owner.channel()
    first.queue_declare(name, exclusive=True, durable=True)
    first.close()
    owner.channel().queue_declare(name, passive=True)
    owner.close()
    assert not exists(channel, name)


def test_auto_delete_queue_is_gone_when_cancel_ok_is_read(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, auto_delete=True)
    inbox = Inbox(channel)
    one, two = inbox.consume(name), inbox.consume(name)
    channel.basic_cancel(one)
    assert exists(channel, name)
    channel.basic_cancel(two)
    assert not exists(channel, name)


def test_auto_delete_queue_goes_with_the_channel_of_its_consumer(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    consuming = connection.channel()
    consuming.queue_declare(name, auto_delete=True)
    Inbox(consuming).consume(name)
    consuming.close()
    wait_until(connection, lambda: not exists(channel, name))


def test_auto_delete_queue_goes_with_the_connection_of_its_consumer(
    broker: Broker, channel: BlockingChannel, name: str
) -> None:
    other = connect(broker)
    consuming = other.channel()
    consuming.queue_declare(name, auto_delete=True)
    Inbox(consuming).consume(name)
    other.close()
    wait_until(channel.connection, lambda: not exists(channel, name))


def test_auto_delete_queue_survives_get_and_never_goes_unused(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, auto_delete=True)
    publish(channel, name, b"x")
    assert drain(channel, name) == [b"x"]
    assert exists(channel, name)
    channel.queue_delete(name)


def test_delete_reports_ready_messages_and_succeeds_twice(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name)
    publish(channel, name, b"1", b"2", b"3")
    assert get(channel, name) is not None
    assert channel.queue_delete(name).method.message_count == 2
    assert channel.queue_delete(name).method.message_count == 0


def test_delete_if_empty_looks_at_ready_messages_only(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"1", b"2")
    assert get(channel, name) is not None
    with channel_refused(406, f"PRECONDITION_FAILED - queue '{name}' in vhost '/' not empty"):
        connection.channel().queue_delete(name, if_empty=True)
    assert get(channel, name) is not None
    channel.queue_delete(name, if_empty=True)
    assert not exists(channel, name)


def test_purge_reports_and_drops_ready_messages_only(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"1", b"2", b"3")
    holder = connection.channel()
    assert get(holder, name) is not None
    assert channel.queue_purge(name).method.message_count == 2
    holder.close()
    wait_ready(channel, name, 1)
    assert drain(channel, name) == [b"1"]


def test_acknowledging_what_a_deleted_queue_delivered_is_fine(channel: BlockingChannel, name: str) -> None:
    channel.queue_declare(name, exclusive=True)
    publish(channel, name, b"1", b"2")
    one, two = get(channel, name), get(channel, name)
    assert one is not None
    assert two is not None
    channel.queue_delete(name)
    channel.basic_ack(one.method.delivery_tag)
    channel.basic_nack(two.method.delivery_tag)
    channel.basic_qos(prefetch_count=1)


def test_queue_expires_without_use_and_not_while_it_has_a_consumer(channel: BlockingChannel, name: str) -> None:
    unused, used = f"{name}-unused", f"{name}-used"
    channel.queue_declare(used, arguments={"x-expires": 300})
    tag = Inbox(channel).consume(used)
    channel.queue_declare(unused, arguments={"x-expires": 600})
    publish(channel, unused, b"vanishes")
    observer = f"{name}-observer"
    channel.queue_declare(observer, arguments={"x-message-ttl": 1500, "x-dead-letter-exchange": ""}, exclusive=True)
    publish(channel, observer, b"clock")
    # The passive declare below renews the lease, so the wait is for a message of 1.5 s in another queue.
    wait_ready(channel, observer, 1)
    wait_ready(channel, observer, 0)
    assert not exists(channel, unused)
    assert exists(channel, used)
    channel.basic_cancel(tag)
    channel.queue_delete(used)
