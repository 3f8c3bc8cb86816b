"""The broker as a process of a test: started, signalled and killed by its process id."""

import os
import random
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.crash.peer import wait_for

START_S = 30.0
STOP_S = 20.0


def free_port() -> int:
    """A port of loopback that nothing listens on now.

    Below Linux's range of ephemeral ports: while the broker is down, a client that tries again from such a port might
    take it, or be connected to itself.
    """
    while True:
        port = random.randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Daemon:
    """``python -m broker`` on one data directory and one port, as often as it is started.

    Attributes:
        port: AMQP; the same over every start.
        log: Standard output and standard error of every start.
        process: The one that runs, or ran last.
    """

    def __init__(self, directory: Path, *settings: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.data_dir = directory / "data"
        self.port = free_port()
        self.log = directory / "log"
        self.settings = [word for setting in settings for word in ("--set", setting)]
        # A developer's disk may be nearly full, and the default limit would refuse every publish on it.
        self.extra_environment: dict[str, str] = {"PONYMQ_LIMITS_DISK_FREE_LIMIT_BYTES": "1"}
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the process; return at once."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PONYMQ_")}
        command = [
            *(sys.executable, "-m", "broker"),
            *("--data-dir", str(self.data_dir), "--port", str(self.port)),
            *("--http-port", "off", "--metrics-port", "off"),
            *self.settings,
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.directory,  # holds no sources: the build that PYTHONPATH or the installation names runs
                env=environment | self.extra_environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        return self.process

    def start(self) -> float:
        """Start the process and wait until it answers; returns the seconds until then."""
        process = self.launch()
        try:
            return wait_for(self.port, START_S)
        except TimeoutError:
            raise AssertionError(f"exit code {process.poll()}:\n{self.text}") from None

    def kill(self) -> None:
        """End it at once, as a power cut would but for what the kernel still holds."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(STOP_S)

    def stop(self) -> int:
        """Ask it to end and wait for that; returns the exit code."""
        self.signal(signal.SIGTERM)
        return self.wait()

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self, seconds: float = STOP_S) -> int:
        """Wait for the end; returns the exit code."""
        assert self.process is not None
        return self.process.wait(seconds)

    @property
    def text(self) -> str:
        """Everything logged so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""
