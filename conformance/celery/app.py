"""The Celery application that the tests and their workers share.

A worker process finds its broker in CELERY_BROKER_URL and its results in CELERY_RESULT_BACKEND, which Celery itself
reads; CONFORMANCE_CELERY carries everything else as JSON: `queues` and any Celery setting.
"""

import json
import os
import signal
import time
from pathlib import Path
from typing import Any, Final

from celery import Celery, Task
from kombu import Exchange, Queue

SETTINGS_VARIABLE: Final = "CONFORMANCE_CELERY"
DEFAULT_QUEUES: Final[dict[str, dict[str, Any]]] = {"conformance-first": {}, "conformance-second": {}}
POLL_SECONDS: Final = 0.02


class TemporaryError(Exception):
    """What a task raises that will succeed when tried again."""


def add(x: int, y: int) -> int:
    return x + y


def total(numbers: list[int]) -> int:
    return sum(numbers)


def note(path: str, line: str) -> str:
    """Append a line to a file: the record of an execution that no broker can lose. One write, so lines never mix."""
    with Path(path).open("a") as record:
        record.write(f"{line}\n")
    return line


def hold(started: str, release: str) -> str:
    """Say that the task runs, then wait until the test lets it go."""
    Path(started).touch()
    while not Path(release).exists():
        time.sleep(POLL_SECONDS)
    return "released"


def die_once(self: Task, path: str) -> str:
    """Write down whether the delivery is said to be a second one; at the first, die as when memory runs out."""
    is_redelivered = self.request.delivery_info["redelivered"]
    note(path, f"redelivered={is_redelivered}")
    if not is_redelivered:
        os.kill(os.getpid(), signal.SIGKILL)
    return "survived"


def fail_until(self: Task, tries: int, backoff_s: float) -> int:
    """Fail `tries` times, waiting twice as long before each next try; return the number of the try that succeeded."""
    if self.request.retries < tries:
        raise self.retry(exc=TemporaryError(), countdown=backoff_s * 2**self.request.retries, max_retries=tries)
    return int(self.request.retries)


def describe_delivery(self: Task) -> dict[str, Any]:
    """How the message of this task arrived."""
    request = self.request
    return {"delivery_info": request.delivery_info, "eta": request.eta, "headers": request.headers, "now": time.time()}


def make_app(**settings: Any) -> Celery:
    """Make an application with the tasks of this module.

    Args:
        settings: Celery's own, and `queues`: name to {"type": exchange type, "arguments": queue arguments}. Each queue
            gets an exchange of its name and is bound with its name.
    """
    app = Celery("conformance", set_as_current=False)
    queues = settings.pop("queues", DEFAULT_QUEUES)
    app.conf.update(
        task_queues=[
            Queue(
                name,
                Exchange(name, type=options.get("type", "direct")),
                routing_key=name,
                queue_arguments=options.get("arguments"),
            )
            for name, options in queues.items()
        ],
        task_default_queue=next(iter(queues)),
        # A test that loses its broker wants the error, not half a minute of silence.
        broker_connection_timeout=4,
        broker_connection_retry_on_startup=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_hijack_root_logger=True,
        task_acks_late=True,
    )
    app.conf.update(settings)
    for function in (add, total, note, hold):
        app.task(function, name=f"conformance.{function.__name__}")
    for bound in (fail_until, describe_delivery):
        app.task(bound, name=f"conformance.{bound.__name__}", bind=True)
    app.task(die_once, name="conformance.die_once", bind=True, reject_on_worker_lost=True)
    return app


app = make_app(**json.loads(os.environ.get(SETTINGS_VARIABLE, "{}")))
