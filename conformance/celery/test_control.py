"""Remote control, events and the commands that an operator types."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.exceptions import TaskRevokedError
from kombu import Connection
from pika.adapters.blocking_connection import BlockingChannel

from conformance.brokers import Broker
from conformance.celery.processes import CeleryProcess, Worker, wait_until
from conformance.celery.wiretap import Wiretap

REPLY_SECONDS = 10.0
RESULT_SECONDS = 30


class EventLog:
    """Events as Flower receives them, kept by a thread until `close`."""

    def __init__(self, app: Celery, connection: Connection) -> None:
        self.events: list[dict[str, Any]] = []
        self._receiver = app.events.Receiver(connection, handlers={"*": self.events.append}, node_id="conformance")
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._is_consuming = threading.Event()
        self._thread.start()
        assert self._is_consuming.wait(REPLY_SECONDS)

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def of_task(self, uuid: str) -> list[str]:
        return [event["type"] for event in self.events if event.get("uuid") == uuid]

    def close(self) -> None:
        self._is_closing.set()
        self._thread.join(REPLY_SECONDS)

    def _run(self) -> None:
        with self._receiver.consumer_context(wakeup=True) as (connection, _, _):
            self._is_consuming.set()
            while not self._is_closing.is_set():
                try:
                    connection.drain_events(timeout=0.1)
                except TimeoutError:
                    continue


@pytest.fixture
def event_log(app: Celery) -> Iterator[EventLog]:
    with app.connection_for_read() as connection:
        log = EventLog(app, connection)
        yield log
        log.close()


@pytest.mark.smoke
def test_a_worker_answers_ping(prefork_worker: Worker, app: Celery) -> None:
    replies = app.control.ping(destination=[prefork_worker.node], timeout=REPLY_SECONDS, limit=1)

    assert replies == [{prefork_worker.node: {"ok": "pong"}}]


def test_inspect_shows_the_running_task_and_the_counts(prefork_worker: Worker, app: Celery, tmp_path: Path) -> None:
    started, release = tmp_path / "started", tmp_path / "release"
    held = app.tasks["conformance.hold"].delay(str(started), str(release))
    wait_until(started.exists, RESULT_SECONDS, "the task runs")
    inspect = app.control.inspect(destination=[prefork_worker.node], timeout=REPLY_SECONDS, limit=1)

    active = inspect.active()[prefork_worker.node]
    queues = inspect.active_queues()[prefork_worker.node]
    release.touch()
    assert held.get(timeout=RESULT_SECONDS) == "released"
    stats = inspect.stats()[prefork_worker.node]

    assert [task["id"] for task in active] == [held.id]
    assert [queue["name"] for queue in queues] == ["conformance-first", "conformance-second"]
    assert stats["pool"]["max-concurrency"] == 2
    assert stats["total"]["conformance.hold"] >= 1
    assert stats["broker"]["transport"] == "amqp"


def test_a_task_revoked_before_its_time_never_runs(prefork_worker: Worker, app: Celery, tmp_path: Path) -> None:
    record = tmp_path / "record"
    late = app.tasks["conformance.note"].apply_async((str(record), "ran"), countdown=1.0)
    inspect = app.control.inspect(destination=[prefork_worker.node], timeout=REPLY_SECONDS, limit=1)
    wait_until(
        lambda: any(entry["request"]["id"] == late.id for entry in inspect.scheduled()[prefork_worker.node]),
        RESULT_SECONDS,
        "the worker has the task",
    )

    replies = app.control.revoke(late.id, destination=[prefork_worker.node], reply=True, timeout=REPLY_SECONDS, limit=1)

    assert "ok" in replies[0][prefork_worker.node]
    with pytest.raises(TaskRevokedError):
        late.get(timeout=RESULT_SECONDS)
    assert not record.exists()


@pytest.mark.smoke
def test_events_of_a_task_arrive_in_order(prefork_worker: Worker, app: Celery, event_log: EventLog) -> None:
    result = app.tasks["conformance.add"].delay(1, 1)

    assert result.get(timeout=RESULT_SECONDS) == 2
    wait_until(lambda: "task-succeeded" in event_log.of_task(result.id), RESULT_SECONDS, "task-succeeded")
    assert event_log.of_task(result.id) == ["task-received", "task-started", "task-succeeded"]


def test_a_worker_sends_heartbeat_events(prefork_worker: Worker, event_log: EventLog) -> None:
    wait_until(lambda: "worker-heartbeat" in event_log.types, RESULT_SECONDS, "worker-heartbeat")

    assert any(event["hostname"] == prefork_worker.node for event in event_log.events)


@pytest.mark.smoke
def test_an_event_receiver_has_a_queue_for_every_key(app: Celery, tap: Wiretap) -> None:
    with app.connection_for_read(tap.url) as connection:
        log = EventLog(app, connection)
        log.close()

    declared = next(one.value for one in tap.methods("Queue.Declare") if one.value.queue == "celeryev.conformance")
    bound = next(one.value for one in tap.methods("Queue.Bind") if one.value.queue == "celeryev.conformance")
    assert (declared.exclusive, declared.auto_delete) == (True, True)
    assert (bound.exchange, bound.routing_key) == ("celeryev", "#")


def test_purge_counts_what_it_removed(broker: Broker, channel: BlockingChannel, tmp_path: Path, name: str) -> None:
    channel.queue_declare(name, durable=True)
    for _ in range(7):
        channel.basic_publish("", name, b"left over")

    command = ("purge", "--force", "--queues", name)
    with CeleryProcess(*command, broker_url=broker.url, directory=tmp_path, queues={name: {}}) as purge:
        purge.wait_for_end()

    assert "Purged 7 messages from 1 known task queue." in purge.log
    assert channel.queue_declare(name, passive=True).method.message_count == 0
    channel.queue_delete(name)


def test_the_amqp_shell_declares_binds_gets_acks_and_deletes(broker: Broker, tmp_path: Path, name: str) -> None:
    script = "\n".join([
        f"exchange.declare {name} direct",
        f"queue.declare {name}",
        f"queue.bind {name} {name} key",
        f"basic.publish hello {name} key",
        f"basic.get {name}",
        "basic.ack 1",
        f"queue.purge {name}",
        f"queue.delete {name}",
        f"exchange.delete {name} false",
        "",
    ])  # fmt: skip

    with CeleryProcess("amqp", "repl", broker_url=broker.url, directory=tmp_path, stdin=script) as shell:
        shell.wait_for_end()

    assert "hello" in shell.log
    assert shell.log.splitlines().count("OK") == script.count("\n")
    assert "0 messages deleted." in shell.log
