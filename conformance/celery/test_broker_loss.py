"""A broker that goes away: no task is lost, and every worker consumes again without help."""

import threading
from pathlib import Path
from typing import Any

import amqp
import pytest
from amqp import exceptions

from conformance.brokers import Broker
from conformance.celery.app import make_app
from conformance.celery.conftest import close_app
from conformance.celery.processes import Worker, wait_until
from conformance.celery.wiretap import Wiretap

TASK_COUNT = 500
KILL_AFTER = 100
RECOVERY_SECONDS = 30
PING_SECONDS = 2.0
# With confirms a publish that returns is a promise of the broker; without them it is a hope.
CONFIRMING: dict[str, Any] = {"broker_transport_options": {"confirm_publish": True}}
# Tried again for as long as a broker may take to come back.
PATIENT = {"max_retries": 100, "interval_start": 0.1, "interval_step": 0.1, "interval_max": 0.5}


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def test_no_confirmed_task_is_lost_when_the_broker_is_killed(own_broker: Broker, tmp_path: Path) -> None:
    record = tmp_path / "record"
    client = make_app(broker_url=own_broker.url, task_ignore_result=True, **CONFIRMING)
    note = client.tasks["conformance.note"]
    accepted: list[str] = []

    def publish() -> None:
        for number in range(TASK_COUNT):
            note.apply_async((str(record), str(number)), retry=True, retry_policy=PATIENT)
            accepted.append(str(number))

    with Worker("killed", "--without-mingle", broker_url=own_broker.url, directory=tmp_path, **CONFIRMING):
        publisher = threading.Thread(target=publish, daemon=True)
        publisher.start()
        wait_until(lambda: len(lines(record)) >= KILL_AFTER, RECOVERY_SECONDS, "the first tasks have run")
        own_broker.kill()
        assert len(accepted) < TASK_COUNT, "all tasks were published before the broker was killed"
        own_broker.start()
        publisher.join(RECOVERY_SECONDS)
        wait_until(lambda: set(lines(record)) >= set(accepted), RECOVERY_SECONDS, "every accepted task has run")

        note.apply_async((str(record), "afterwards"))
        wait_until(lambda: "afterwards" in lines(record), RECOVERY_SECONDS, "the worker consumes again")
    close_app(client)

    assert len(accepted) == TASK_COUNT
    assert set(lines(record)) == set(accepted) | {"afterwards"}


@pytest.mark.parametrize("pool", ["threads", "prefork"])
def test_a_worker_consumes_again_after_an_orderly_restart(own_broker: Broker, tmp_path: Path, pool: str) -> None:
    client = make_app(broker_url=own_broker.url, result_backend="rpc://")
    record, started, release = tmp_path / "record", tmp_path / "started", tmp_path / "release"

    # The interrupted task goes on beside its second delivery, so two places are taken when the third task comes.
    with Worker(
        *("restarted", "--without-mingle"),
        broker_url=own_broker.url,
        directory=tmp_path,
        pool=pool,
        concurrency=3,
    ) as worker:
        client.tasks["conformance.hold"].apply_async((str(started), str(release)), ignore_result=True)
        wait_until(started.exists, RECOVERY_SECONDS, "the worker is busy")
        own_broker.stop()
        started.unlink()
        own_broker.start()
        client.tasks["conformance.note"].apply_async((str(record), "again"), retry_policy=PATIENT, ignore_result=True)
        wait_until(lambda: "again" in lines(record), RECOVERY_SECONDS, "the worker consumes again")
        # The message of the task that was running could not be acknowledged, so it is delivered a second time.
        wait_until(started.exists, RECOVERY_SECONDS, "the interrupted task is delivered again")
        release.touch()
        # A broadcast that finds no queue yet is lost by design, so it is repeated.
        answer = [{worker.node: {"ok": "pong"}}]
        wait_until(
            lambda: client.control.ping(destination=[worker.node], timeout=PING_SECONDS, limit=1) == answer,
            RECOVERY_SECONDS,
            f"the worker answers control commands; its log:\n{worker.log[-3000:]}",
        )
    close_app(client)


def test_a_worker_consumes_again_after_its_connections_are_cut(broker: Broker, tmp_path: Path, name: str) -> None:
    client = make_app(broker_url=broker.url, queues={name: {}}, task_ignore_result=True)
    note = client.tasks["conformance.note"]
    record = tmp_path / "record"
    with (
        Wiretap(broker.host, broker.port) as tap,
        Worker(
            *("cut", "--without-mingle"),
            broker_url=tap.url,
            directory=tmp_path,
            pool="threads",
            queues={name: {}},
        ),
    ):
        note.delay(str(record), "before")
        wait_until(lambda: "before" in lines(record), RECOVERY_SECONDS, "the worker consumes")

        tap.cut()
        note.delay(str(record), "after")

        wait_until(lambda: "after" in lines(record), RECOVERY_SECONDS, "the worker consumes again")
    close_app(client)
    assert set(lines(record)) == {"before", "after"}


def test_an_orderly_stop_is_told_by_320_which_is_recoverable(own_broker: Broker) -> None:
    with Wiretap(own_broker.host, own_broker.port) as tap:
        connection = amqp.Connection(host=f"127.0.0.1:{tap.port}", login_method="PLAIN")
        connection.connect()
        stopping = threading.Thread(target=own_broker.stop)
        stopping.start()
        try:
            # The socket may be gone before the close is answered; that too is an error that kombu recovers from.
            with pytest.raises(connection.recoverable_connection_errors):
                connection.drain_events(timeout=RECOVERY_SECONDS)
        finally:
            stopping.join(RECOVERY_SECONDS)
            connection.collect()

        close = tap.methods("Connection.Close", from_client=False)[0].value
    assert close.reply_code == 320
    assert close.reply_text == "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
    assert (close.class_id, close.method_id) == (0, 0)
    told = amqp.exceptions.error_for_code(close.reply_code, close.reply_text, (0, 0), exceptions.ConnectionError)
    assert isinstance(told, exceptions.RecoverableConnectionError)
