"""Messages of tasks, results and control commands, and how each is settled."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from conformance.brokers import Broker
from conformance.celery.app import make_app
from conformance.celery.conftest import TracedWorker, close_app
from conformance.celery.processes import Worker
from conformance.celery.wiretap import WireMessage, Wiretap

RUN_SECONDS = 30
TASK_HEADERS = {
    *("lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id"),
    *("parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamped_headers"),
    "stamps",
}


@pytest.fixture
def recorded_app(tap: Wiretap, name: str) -> Iterator[Celery]:
    """A client that is recorded, and whose queues nobody consumes."""
    queues = {f"{name}-direct": {}, f"{name}-topic": {"type": "topic"}}
    client = make_app(broker_url=tap.url, result_backend="rpc://", queues=queues)
    yield client
    with client.connection_for_write() as connection:
        for queue in queues:
            client.amqp.queues[queue](connection.default_channel).delete()
    close_app(client)


def sent_tasks(tap: Wiretap) -> list[WireMessage]:
    return [one for one in tap.messages("Basic.Publish") if "task" in (one.properties.headers or {})]


@pytest.mark.smoke
def test_a_task_for_a_direct_exchange_goes_to_the_default_one(tap: Wiretap, recorded_app: Celery, name: str) -> None:
    add = recorded_app.tasks["conformance.add"]
    add.apply_async((1, 2), queue=f"{name}-direct")
    add.apply_async((1, 2), queue=f"{name}-topic")

    tap.wait_for(lambda tap: len(sent_tasks(tap)) == 2)
    places = [(one.method.value.exchange, one.method.value.routing_key) for one in sent_tasks(tap)]
    assert places == [("", f"{name}-direct"), (f"{name}-topic", f"{name}-topic")]


@pytest.mark.smoke
def test_a_task_carries_these_properties_and_headers(tap: Wiretap, recorded_app: Celery, name: str) -> None:
    options = {"queue": f"{name}-direct", "expires": 2.5, "priority": 3}
    result = recorded_app.tasks["conformance.add"].apply_async((1, 2), **options)

    tap.wait_for(sent_tasks)
    task = sent_tasks(tap)[0]
    properties = task.properties
    assert (properties.content_type, properties.content_encoding) == ("application/json", "utf-8")
    assert (properties.delivery_mode, properties.priority) == (2, 3)
    assert properties.correlation_id == result.id
    assert properties.reply_to in {one.value.queue for one in tap.methods("Queue.Declare")}
    assert properties.expiration == "2500"
    assert properties.headers.keys() >= TASK_HEADERS
    assert properties.headers["timelimit"] == [None, None]
    assert properties.headers["stamps"] == {}
    assert properties.headers["eta"] is None
    assert json.loads(task.body)[0] == [1, 2]


@pytest.mark.smoke
def test_a_task_without_time_left_is_accepted_with_expiration_0(tap: Wiretap, recorded_app: Celery, name: str) -> None:
    recorded_app.tasks["conformance.add"].apply_async((1, 2), queue=f"{name}-direct", expires=-1)

    tap.wait_for(sent_tasks)
    with recorded_app.connection_for_write() as connection:
        queue = recorded_app.amqp.queues[f"{name}-direct"](connection.default_channel)
        assert queue.get(no_ack=True) is None
    assert sent_tasks(tap)[0].properties.expiration == "0"
    assert not tap.methods("Channel.Close", from_client=False)


@pytest.mark.smoke
def test_the_reply_queue_is_declared_before_every_call(tap: Wiretap, recorded_app: Celery, name: str) -> None:
    for _ in range(3):
        recorded_app.tasks["conformance.add"].apply_async((1, 2), queue=f"{name}-direct")

    tap.wait_for(lambda tap: len(sent_tasks(tap)) == 3)
    reply_to = sent_tasks(tap)[0].properties.reply_to
    declared = [one.value for one in tap.methods("Queue.Declare") if one.value.queue == reply_to]
    assert len(declared) == 3
    for one in declared:
        assert (one.durable, one.exclusive, one.auto_delete) == (True, False, True)
        assert one.arguments == {"x-expires": 86_400_000}


@pytest.mark.smoke
def test_results_are_consumed_without_acks_on_a_second_connection(
    prefork_worker: Worker, tap: Wiretap, broker: Broker
) -> None:
    client = make_app(broker_url=tap.url, result_backend="rpc://")
    assert client.tasks["conformance.add"].delay(2, 3).get(timeout=RUN_SECONDS) == 5
    close_app(client)

    task = sent_tasks(tap)[0]
    consume = next(one for one in tap.methods("Basic.Consume") if one.value.queue == task.properties.reply_to)
    result = next(
        one for one in tap.messages("Basic.Deliver") if one.method.value.routing_key == task.properties.reply_to
    )
    assert consume.connection != task.method.connection
    assert (consume.value.no_ack, consume.value.exclusive) == (True, False)
    assert result.method.value.exchange == ""
    assert result.properties.correlation_id == task.properties.correlation_id
    assert result.properties.delivery_mode == 1


@pytest.mark.smoke
def test_polling_for_a_result_gets_with_ack_and_settles(prefork_worker: Worker, tap: Wiretap) -> None:
    client = make_app(broker_url=tap.url, result_backend="rpc://")
    result = client.tasks["conformance.add"].delay(2, 3)
    asked = 0
    while result.state != "SUCCESS":
        asked += 1
        assert asked < 10_000
    close_app(client)

    gets = tap.methods("Basic.Get")
    assert gets
    assert not any(one.value.no_ack for one in gets)
    tap.wait_for(lambda tap: len(tap.methods("Basic.GetOk")) == len(tap.methods("Basic.Ack", "Basic.Reject")))


@pytest.mark.smoke
def test_a_result_is_published_transient_to_the_default_exchange(traced: TracedWorker, celery_app: Celery) -> None:
    result = celery_app.tasks["conformance.add"].delay(1, 2)
    assert result.get(timeout=RUN_SECONDS) == 3

    published = next(one for one in traced.tap.messages("Basic.Publish") if one.properties.correlation_id == result.id)
    assert published.method.value.exchange == ""
    assert published.properties.delivery_mode == 1
    assert json.loads(published.body)["status"] == "SUCCESS"


@pytest.mark.smoke
def test_a_task_is_acknowledged_one_by_one(traced: TracedWorker, celery_app: Celery) -> None:
    before = len(traced.tap.methods("Basic.Ack", connection=1))
    results = [celery_app.tasks["conformance.add"].delay(1, n) for n in range(10)]
    assert [result.get(timeout=RUN_SECONDS) for result in results] == list(range(1, 11))

    traced.tap.wait_for(lambda tap: len(tap.methods("Basic.Ack", connection=1)) >= before + 10)
    assert not any(one.value.multiple for one in traced.tap.methods("Basic.Ack", from_client=True))


@pytest.mark.smoke
def test_an_unknown_task_is_rejected_without_requeue(traced: TracedWorker, celery_app: Celery) -> None:
    before = len(traced.tap.methods("Basic.Reject"))

    celery_app.send_task("conformance.unknown")

    rejected = traced.tap.wait_for_method("Basic.Reject", before + 1)
    assert (rejected.connection, rejected.value.requeue) == (1, False)


def test_a_task_whose_process_is_lost_is_delivered_once_more_as_redelivered(
    prefork_worker: Worker, app: Celery, tmp_path: Path
) -> None:
    record = tmp_path / "record"

    result = app.tasks["conformance.die_once"].delay(str(record))

    # A broker that never set the flag would have the task kill one process after the other.
    assert result.get(timeout=RUN_SECONDS) == "survived"
    assert record.read_text().split() == ["redelivered=False", "redelivered=True"]


@pytest.mark.smoke
def test_control_replies_come_transient_by_the_reply_exchange(traced: TracedWorker, celery_app: Celery) -> None:
    celery_app.control.ping(destination=[traced.worker.node], timeout=RUN_SECONDS, limit=1)

    def replies() -> list[Any]:
        return [
            one for one in traced.tap.messages("Basic.Publish") if one.method.value.exchange == "reply.celery.pidbox"
        ]

    reply = replies()[-1]
    asked = [one for one in traced.tap.messages("Basic.Deliver") if one.method.value.exchange == "celery.pidbox"][-1]
    assert asked.method.value.routing_key == ""
    assert json.loads(asked.body)["reply_to"]["routing_key"] == reply.method.value.routing_key
    assert reply.properties.delivery_mode == 1
    assert reply.properties.headers.keys() == {"ticket", "clock"}
    declared = [one for one in traced.tap.methods("Exchange.Declare") if one.connection == reply.method.connection]
    assert "reply.celery.pidbox" in {one.value.exchange for one in declared}


@pytest.mark.smoke
def test_task_events_are_lists_with_the_key_task_multi(traced: TracedWorker, celery_app: Celery) -> None:
    result = celery_app.tasks["conformance.add"].delay(1, 2)
    assert result.get(timeout=RUN_SECONDS) == 3

    def events() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for one in traced.tap.messages("Basic.Publish", connection=2):
            if one.method.value.routing_key == "task.multi":
                found += json.loads(one.body)
        return [event for event in found if event["uuid"] == result.id]

    traced.tap.wait_for(lambda tap: len(events()) == 3)
    assert [event["type"] for event in events()] == ["task-received", "task-started", "task-succeeded"]
