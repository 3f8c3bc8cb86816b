"""The scheduler: a periodic task leaves beat, and a worker runs it."""

from pathlib import Path

from conformance.brokers import Broker
from conformance.celery.processes import CeleryProcess, Worker, wait_until

RUN_SECONDS = 30


def test_beat_sends_a_periodic_task_again_and_again(prefork_worker: Worker, broker: Broker, tmp_path: Path) -> None:
    record = tmp_path / "record"
    schedule = {"note": {"task": "conformance.note", "schedule": 0.3, "args": [str(record), "tick"]}}
    command = ("beat", "--schedule", str(tmp_path / "schedule"), "--loglevel", "INFO")

    with CeleryProcess(*command, broker_url=broker.url, directory=tmp_path, beat_schedule=schedule):
        wait_until(lambda: record.exists() and len(record.read_text().split()) >= 3, RUN_SECONDS, "three runs")

    assert set(record.read_text().split()) == {"tick"}
