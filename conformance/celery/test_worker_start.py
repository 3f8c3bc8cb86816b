"""What a worker says from its first octet until it consumes, and at its end: one test for each step of the contract."""

import json
from typing import Any

import amqp
import pytest
from amqp import exceptions

from conformance.brokers import Broker
from conformance.celery.conftest import TracedWorker
from conformance.celery.processes import Worker
from conformance.celery.wiretap import WireFrame, Wiretap
from conformance.deviations import by_broker

MAIN_CONNECTION = 1
EVENTS_CONNECTION = 2
CONCURRENCY = 2
CONTROL_QUEUE_ARGUMENTS = {"x-expires": 10_000, "x-message-ttl": 300_000}
NOT_SET = {"passive": False, "nowait": False}


def declared(traced: TracedWorker, method: str, **arguments: Any) -> list[WireFrame]:
    """The declarations of this method with these arguments, among others."""
    return [one for one in traced.tap.methods(method) if arguments.items() <= one.arguments.items()]


def reply_queue(traced: TracedWorker) -> str:
    """The mingle step's queue for the answers of the other workers."""
    queues = [str(one.value.queue) for one in traced.tap.methods("Queue.Declare", connection=MAIN_CONNECTION)]
    return next(queue for queue in queues if queue.endswith(".reply.celery.pidbox"))


@pytest.mark.smoke
def test_1_the_main_connection_has_channel_1_and_heartbeat_60(traced: TracedWorker) -> None:
    tune_ok = traced.tap.methods("Connection.TuneOk", connection=MAIN_CONNECTION)[0].value
    opened = traced.tap.methods("Channel.Open", connection=MAIN_CONNECTION)

    # The worker asks for 120, the broker offers 60.
    assert tune_ok.heartbeat == 60
    assert [one.channel for one in opened] == [1, 2, 3]


@pytest.mark.smoke
def test_1_pool_connections_ask_for_no_heartbeat(traced: TracedWorker) -> None:
    hello = next(one for one in traced.tap.messages("Basic.Publish") if one.method.value.exchange == "celery.pidbox")

    tune_ok = traced.tap.methods("Connection.TuneOk", connection=hello.method.connection)[0].value

    assert hello.method.connection not in {MAIN_CONNECTION, EVENTS_CONNECTION}
    assert tune_ok.heartbeat == 0


@pytest.mark.smoke
def test_2_events_go_to_a_durable_topic_exchange_on_their_own_connection(traced: TracedWorker) -> None:
    exchange = declared(traced, "Exchange.Declare", exchange="celeryev", exchange_type="topic", durable=True)

    traced.tap.wait_for(lambda tap: len(tap.messages("Basic.Publish", connection=EVENTS_CONNECTION)) >= 2)
    events = traced.tap.messages("Basic.Publish", connection=EVENTS_CONNECTION)

    assert any(one.connection == EVENTS_CONNECTION for one in exchange)
    assert {one.method.value.exchange for one in events} == {"celeryev"}
    assert events[0].method.value.routing_key == "worker.online"
    assert {one.properties.delivery_mode for one in events} == {1}
    assert {one.properties.headers["hostname"] for one in events} == {traced.worker.node}
    traced.tap.wait_for(
        lambda tap: any(one.value.routing_key == "worker.heartbeat" for one in tap.methods("Basic.Publish"))
    )


@pytest.mark.smoke
def test_3_mingle_declares_its_reply_queue_twice_and_consumes_without_acks(traced: TracedWorker) -> None:
    queue = reply_queue(traced)
    node_id = queue.removesuffix(".reply.celery.pidbox")
    main = [one for one in traced.tap.methods(connection=MAIN_CONNECTION, from_client=True) if one.channel == 1]
    names = [one.name for one in main]
    three = ["Exchange.Declare", "Queue.Declare", "Queue.Bind"]

    assert names[1:8] == [*three, *three, "Basic.Consume"]
    exchange, declaration, binding = (one.arguments for one in main[1:4])
    assert exchange.items() >= {"exchange": "reply.celery.pidbox", "exchange_type": "direct", "durable": False}.items()
    assert declaration == {
        **NOT_SET,
        "queue": queue,
        "durable": False,
        "exclusive": True,
        "auto_delete": True,
        "arguments": CONTROL_QUEUE_ARGUMENTS,
    }
    assert binding.items() >= {"exchange": "reply.celery.pidbox", "routing_key": node_id}.items()
    assert [one.arguments for one in main[4:7]] == [exchange, declaration, binding]
    assert main[7].value.no_ack is True


@pytest.mark.smoke
def test_3_mingle_says_hello_to_the_fanout_exchange(traced: TracedWorker) -> None:
    assert declared(traced, "Exchange.Declare", exchange="celery.pidbox", exchange_type="fanout", durable=False)
    hello = next(one for one in traced.tap.messages("Basic.Publish") if one.method.value.exchange == "celery.pidbox")

    assert json.loads(hello.body)["method"] == "hello"
    assert hello.method.value.routing_key == ""
    assert hello.properties.delivery_mode == 2
    assert {"clock", "expires"} <= hello.properties.headers.keys()


@pytest.mark.smoke
def test_3_the_reply_queue_is_gone_after_its_consumer_is_cancelled(traced: TracedWorker, broker: Broker) -> None:
    cancels = traced.tap.methods("Basic.Cancel", connection=MAIN_CONNECTION)
    assert [one.value.consumer_tag for one in cancels] == [
        one.value.consumer_tag
        for one in traced.tap.methods("Basic.Consume", connection=MAIN_CONNECTION)
        if one.value.queue == reply_queue(traced)
    ]

    # 404 and not 405: it does not exist, rather than being exclusive to the worker's connection.
    with (
        amqp.Connection(host=f"{broker.host}:{broker.port}", login_method="PLAIN") as connection,
        pytest.raises(exceptions.NotFound),
    ):
        connection.channel().queue_declare(reply_queue(traced), passive=True)


@pytest.mark.smoke
def test_4_prefetch_is_four_for_each_place_and_shared_only_on_old_brokers(traced: TracedWorker, broker: Broker) -> None:
    first = traced.tap.methods("Basic.Qos", connection=MAIN_CONNECTION)[0]

    # kombu takes global=true for the shared limit where product is RabbitMQ and 3.3 <= version < 4.0.
    assert first.channel == 1
    assert first.arguments == {
        "prefetch_size": 0,
        "prefetch_count": CONCURRENCY * 4,
        "global_": by_broker(broker, ponymq=False, rabbitmq=True),
    }


@pytest.mark.smoke
def test_4_the_task_queue_is_durable_with_an_exchange_of_its_name(traced: TracedWorker) -> None:
    main = [one for one in traced.tap.methods(connection=MAIN_CONNECTION, from_client=True) if one.channel == 1]
    at = next(index for index, one in enumerate(main) if one.name == "Basic.Qos")
    exchange, queue, binding = main[at + 1 : at + 4]

    assert exchange.arguments == {
        **NOT_SET,
        "exchange": "celery",
        "exchange_type": "direct",
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }
    assert queue.arguments == {
        **NOT_SET,
        "queue": "celery",
        "durable": True,
        "exclusive": False,
        "auto_delete": False,
        "arguments": {},
    }
    assert binding.arguments == {
        "queue": "celery",
        "exchange": "celery",
        "routing_key": "celery",
        "nowait": False,
        "arguments": {},
    }


@pytest.mark.smoke
def test_5_gossip_has_its_own_channel_and_an_exclusive_event_queue(traced: TracedWorker) -> None:
    queue = next(one for one in traced.tap.methods("Queue.Declare") if one.arguments["queue"].startswith("celeryev."))
    binding = declared(traced, "Queue.Bind", queue=queue.value.queue)[0]
    consume = declared(traced, "Basic.Consume", queue=queue.value.queue)[0]

    assert (queue.connection, queue.channel != 1) == (MAIN_CONNECTION, True)
    assert (queue.value.exclusive, queue.value.auto_delete, queue.value.durable) == (True, True, False)
    assert queue.value.arguments == {"x-expires": 60_000, "x-message-ttl": 5_000}
    assert (binding.value.exchange, binding.value.routing_key) == ("celeryev", "worker.#")
    assert consume.value.no_ack is True


@pytest.mark.smoke
def test_6_control_has_its_own_channel_and_an_exclusive_queue_of_the_nodes_name(traced: TracedWorker) -> None:
    name = f"{traced.worker.node}.celery.pidbox"
    queue = declared(traced, "Queue.Declare", queue=name)[0]
    binding = declared(traced, "Queue.Bind", queue=name)[0]
    consume = declared(traced, "Basic.Consume", queue=name)[0]

    assert (queue.connection, queue.channel != 1) == (MAIN_CONNECTION, True)
    assert (queue.value.exclusive, queue.value.auto_delete, queue.value.durable) == (True, True, False)
    assert queue.value.arguments == CONTROL_QUEUE_ARGUMENTS
    assert (binding.value.exchange, binding.value.routing_key) == ("celery.pidbox", "")
    assert consume.value.no_ack is True


@pytest.mark.smoke
def test_6_a_node_name_in_use_is_told_by_resource_locked(traced: TracedWorker, broker: Broker) -> None:
    name = f"{traced.worker.node}.celery.pidbox"
    with (
        amqp.Connection(host=f"{broker.host}:{broker.port}", login_method="PLAIN") as connection,
        pytest.raises(exceptions.ResourceLocked, match=f"RESOURCE_LOCKED - cannot obtain exclusive access .*'{name}'"),
    ):
        connection.channel().queue_declare(
            name, durable=False, exclusive=True, auto_delete=True, arguments=CONTROL_QUEUE_ARGUMENTS
        )


@pytest.mark.smoke
def test_7_consuming_comes_last_with_acks_on_channel_1_and_qos_once_more(traced: TracedWorker) -> None:
    main = [one for one in traced.tap.methods(connection=MAIN_CONNECTION, from_client=True) if one.channel == 1]
    at = next(
        index for index, one in enumerate(main) if one.name == "Basic.Consume" and one.value.queue == traced.queue
    )

    assert main[at].value.no_ack is False
    assert main[at + 1].name == "Basic.Qos"
    first = traced.tap.methods("Basic.Qos", connection=MAIN_CONNECTION)[0]
    assert main[at + 1].arguments == first.arguments


def test_the_end_of_a_worker_says_offline_and_leaves_no_control_queue(broker: Broker, tmp_path: Any) -> None:
    with Wiretap(broker.host, broker.port) as tap:
        worker = Worker("leaving", broker_url=tap.url, directory=tmp_path, pool="solo", queues={"leaving": {}})
        worker.stop()
        tap.wait_for(lambda tap: any(one.value.routing_key == "worker.offline" for one in tap.methods("Basic.Publish")))
    with (
        amqp.Connection(host=f"{broker.host}:{broker.port}", login_method="PLAIN") as connection,
        pytest.raises(exceptions.NotFound),
    ):
        connection.channel().queue_declare(f"{worker.node}.celery.pidbox", passive=True)


def test_a_worker_never_sends_nack_nor_mandatory_nor_immediate(traced: TracedWorker) -> None:
    publishes = traced.tap.methods("Basic.Publish", from_client=True)

    assert publishes
    assert not any(one.value.mandatory or one.value.immediate for one in publishes)
    assert not traced.tap.methods("Basic.Nack", from_client=True)
