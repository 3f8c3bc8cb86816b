"""Tasks and their results: late acks, retries, countdowns, groups, chains and chords."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery, chain, chord, group

from conformance.brokers import Broker
from conformance.celery.app import make_app
from conformance.celery.conftest import close_app
from conformance.celery.processes import Worker

RESULT_SECONDS = 60


@pytest.fixture(scope="module")
def directory_backend(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Results in files, because rpc:// has no place for the count that a chord needs."""
    return f"file://{tmp_path_factory.mktemp('results')}"


@pytest.fixture
def filing_app(broker: Broker, directory_backend: str) -> Iterator[Celery]:
    client = make_app(broker_url=broker.url, result_backend=directory_backend, queues={"conformance-filed": {}})
    yield client
    close_app(client)


@pytest.fixture(scope="module")
def filing_worker(broker: Broker, directory_backend: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with Worker(
        "filing",
        "--without-mingle",
        broker_url=broker.url,
        directory=tmp_path_factory.mktemp("filing"),
        pool="threads",
        backend=directory_backend,
        queues={"conformance-filed": {}},
    ) as worker:
        yield worker


def test_two_thousand_late_acked_tasks_on_two_queues_return_every_result(prefork_worker: Worker, app: Celery) -> None:
    add = app.tasks["conformance.add"]
    queues = ["conformance-first", "conformance-second"]

    results = [add.apply_async((number, 1), queue=queues[number % 2]) for number in range(2000)]

    assert [result.get(timeout=RESULT_SECONDS) for result in results] == [number + 1 for number in range(2000)]


@pytest.mark.smoke
def test_a_failing_task_is_tried_again_with_growing_delays(prefork_worker: Worker, app: Celery) -> None:
    started_at = time.monotonic()

    result = app.tasks["conformance.fail_until"].delay(3, 0.2)

    assert result.get(timeout=RESULT_SECONDS) == 3
    assert time.monotonic() - started_at >= 0.2 + 0.4 + 0.8


@pytest.mark.smoke
def test_a_countdown_is_waited_for_and_the_task_runs_once(prefork_worker: Worker, app: Celery, tmp_path: Path) -> None:
    record = tmp_path / "record"
    started_at = time.monotonic()

    late = app.tasks["conformance.note"].apply_async((str(record), "late"), countdown=1.5)
    soon = app.tasks["conformance.note"].apply_async((str(record), "soon"))

    assert soon.get(timeout=RESULT_SECONDS) == "soon"
    assert late.get(timeout=RESULT_SECONDS) == "late"
    assert time.monotonic() - started_at >= 1.5
    assert record.read_text().split() == ["soon", "late"]


@pytest.mark.smoke
def test_a_group_returns_the_results_of_its_members_in_order(prefork_worker: Worker, app: Celery) -> None:
    add = app.tasks["conformance.add"]

    result = group(add.s(number, number) for number in range(20)).apply_async()

    assert result.get(timeout=RESULT_SECONDS) == [2 * number for number in range(20)]


@pytest.mark.smoke
def test_a_chain_hands_each_result_to_the_next_task(prefork_worker: Worker, app: Celery) -> None:
    add = app.tasks["conformance.add"]

    result = chain(add.s(1, 2), add.s(10), add.s(100)).apply_async()

    assert result.get(timeout=RESULT_SECONDS) == 113


def test_a_chord_runs_its_body_when_the_last_member_is_done(filing_worker: Worker, filing_app: Celery) -> None:
    add, total = filing_app.tasks["conformance.add"], filing_app.tasks["conformance.total"]

    result = chord((add.s(number, number) for number in range(10)), total.s()).apply_async()

    assert result.get(timeout=RESULT_SECONDS) == 90
