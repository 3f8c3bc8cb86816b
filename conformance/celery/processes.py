"""Workers and schedulers as processes of the test: started in a process group of their own, ended by their id."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

from conformance.celery.app import SETTINGS_VARIABLE

CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.02
LOG_TAIL_CHARACTERS: Final = 6000


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Return when the condition holds.

    Raises:
        AssertionError: It did not hold within `timeout_s` seconds; `what` says what was waited for.
    """
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(POLL_SECONDS)


class CeleryProcess:
    """A `celery` command.

    Attributes:
        log_file: What the process printed.
    """

    def __init__(
        self,
        *arguments: str,
        broker_url: str,
        directory: Path,
        backend: str = "rpc://",
        stdin: str = "",
        **settings: Any,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.log_file = directory / f"celery-{arguments[0]}-{time.monotonic_ns()}.log"
        environment = dict(os.environ)
        environment |= {
            "CELERY_BROKER_URL": broker_url,
            "CELERY_RESULT_BACKEND": backend,
            SETTINGS_VARIABLE: json.dumps(settings),
            # The package is found from the checkout; after it, so that installed packages win.
            "PYTHONPATH": str(CHECKOUT),
            "PYTHONUNBUFFERED": "1",
        }
        typed = directory / f"{self.log_file.stem}.input"
        typed.write_text(stdin)
        with self.log_file.open("wb") as log, typed.open("rb") as source:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "celery", "--app", "conformance.celery.app", *arguments],
                cwd=directory,
                env=environment,
                stdin=source,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        """Everything printed so far."""
        return self.log_file.read_text(errors="replace")

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def wait_for_log(self, text: str, count: int = 1, timeout_s: float = START_SECONDS) -> None:
        """Return when the log holds `text` at least `count` times.

        Raises:
            AssertionError: It did not in time, or the process ended; the text ends with the log.
        """
        deadline = time.monotonic() + timeout_s
        while self.log.count(text) < count:
            tail = self.log[-LOG_TAIL_CHARACTERS:]
            assert self.running, f"ended with {self._process.returncode} before {text!r}:\n{tail}"
            assert time.monotonic() < deadline, f"no {text!r} within {timeout_s} s:\n{tail}"
            time.sleep(POLL_SECONDS)

    def wait_for_end(self, timeout_s: float = START_SECONDS) -> None:
        """Return when the command has ended by itself.

        Raises:
            AssertionError: It ended with an error, or not in time; the text ends with the log.
        """
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        assert code == 0, f"ended with {code}:\n{self.log[-LOG_TAIL_CHARACTERS:]}"

    def stop(self) -> None:
        """Ask for a warm shutdown; what is left of the process group after STOP_SECONDS is killed."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        with contextlib.suppress(ProcessLookupError):
            # The group has the id of its first process, which is ours whether or not that one has ended.
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class Worker(CeleryProcess):
    """A `celery worker`; returns from its constructor when it consumes.

    Attributes:
        node: Its node name, for `destination` of control commands.
    """

    def __init__(
        self,
        name: str,
        *options: str,
        broker_url: str,
        directory: Path,
        pool: str = "prefork",
        concurrency: int = 2,
        backend: str = "rpc://",
        **settings: Any,
    ) -> None:
        self.node = f"{name}@conformance"
        super().__init__(
            "worker",
            *("--pool", pool),
            *("--concurrency", str(concurrency)),
            *("--hostname", self.node),
            *("--loglevel", "INFO"),
            *options,
            broker_url=broker_url,
            directory=directory,
            backend=backend,
            **settings,
        )
        try:
            self.wait_for_log(f"{self.node} ready.")
        except BaseException:
            self.stop()
            raise
