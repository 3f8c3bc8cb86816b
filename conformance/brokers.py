"""Brokers as processes: start one, stop it, kill it, start it again on the same ports and the same data.

A test sees only `Broker`: where it listens, what it logged, and how to end it. `PonyMQ` and `RabbitMQ` differ in how
the process is made. Every broker listens on loopback, on ports that stay the same over a restart (clients reconnect to
them), and keeps everything it writes below one directory that the caller owns.
"""

import os
import random
import shutil
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from typing_extensions import override

HOST: Final = "127.0.0.1"
PROTOCOL_HEADER: Final = b"AMQP\x00\x00\x09\x01"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.05
LOG_TAIL_CHARACTERS: Final = 8000

# Below Linux's default range of ephemeral ports, so that no outgoing connection takes a port between choice and use.
FIRST_PORT: Final = 20000
LAST_PORT: Final = 32000

CHECKOUT: Final = Path(__file__).resolve().parent.parent
RABBITMQ_SERVER: Final = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
EPMD: Final = "epmd"


class BrokerError(Exception):
    """The broker's process did not do what was asked of it; the text ends with its log."""


def free_ports(count: int) -> list[int]:
    """Choose `count` different TCP ports on loopback that nothing listens on now."""
    held: list[socket.socket] = []
    ports: list[int] = []
    try:
        while len(ports) < count:
            port = random.randint(FIRST_PORT, LAST_PORT)
            taken = socket.socket()
            held.append(taken)
            try:
                taken.bind((HOST, port))
            except OSError:
                continue
            ports.append(port)
    finally:
        for one in held:
            one.close()
    return ports


def speaks_amqp(host: str, port: int) -> bool:
    """Tell whether a protocol header sent to the port is answered with a method frame (connection.start)."""
    try:
        with socket.create_connection((host, port), timeout=2) as probe:
            probe.sendall(PROTOCOL_HEADER)
            return probe.recv(1) == b"\x01"
    except OSError:
        return False


class Broker(ABC):
    """One broker process and its directory.

    Attributes:
        name: `ponymq` or `rabbitmq`; what a test's expectation may depend on.
        host: Address that every port is bound to.
        port: AMQP without TLS.
        http_port: HTTP API and console.
        metrics_port: Prometheus metrics.
        data_dir: Everything the broker keeps over a restart.
        log_file: Standard output and standard error of every start, one after the other.
    """

    name: str

    def __init__(self, directory: Path) -> None:
        self.host = HOST
        self.port, self.http_port, self.metrics_port = free_ports(3)
        self.directory = directory
        self.data_dir = directory / "data"
        self.log_file = directory / "broker.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.data_dir.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        """The address as clients write it, with the first user and the default vhost."""
        return f"amqp://guest:guest@{self.host}:{self.port}/%2F"

    @property
    def pid(self) -> int:
        """Process id of the running broker."""
        if self._process is None:
            raise BrokerError(f"{self.name} is not running")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """Everything logged so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def log_tail(self) -> str:
        """The last part of the log, for a failure report."""
        return self.log[-LOG_TAIL_CHARACTERS:]

    @abstractmethod
    def command(self) -> list[str]:
        """The arguments of the process, program first."""

    @abstractmethod
    def environment(self) -> dict[str, str]:
        """The environment of the process."""

    def start(self) -> None:
        """Start the process and return when its port answers a protocol header.

        Raises:
            BrokerError: It ended, or did not answer within START_SECONDS.
        """
        if self.running:
            raise BrokerError(f"{self.name} is running already")
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                self.command(),
                cwd=self.data_dir,
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._process = process
        deadline = time.monotonic() + START_SECONDS
        while not speaks_amqp(self.host, self.port):
            if process.poll() is not None:
                raise BrokerError(f"{self.name} ended with {process.returncode}:\n{self.log_tail}")
            if time.monotonic() > deadline:
                self.kill()
                raise BrokerError(f"{self.name} did not answer in {START_SECONDS:.0f} s:\n{self.log_tail}")
            time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Ask the process to end (SIGTERM) and wait for it.

        Raises:
            BrokerError: It was still there after STOP_SECONDS; it has been killed then.
        """
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise BrokerError(f"{self.name} ignored SIGTERM for {STOP_SECONDS:.0f} s:\n{self.log_tail}") from None
        self._process = None

    def kill(self) -> None:
        """End the process at once (SIGKILL), as a power cut would but for what the kernel still holds."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._process = None

    def restart(self) -> None:
        """Stop in good order and start again: same ports, same data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """End everything that belongs to this broker; safe to call in any state."""
        self.kill()


class PonyMQ(Broker):
    """The broker of this project, as `python -m broker` finds it.

    The working directory holds no sources, so an installed build (compiled or not) or the one that PYTHONPATH names is
    the one that runs. Only when there is none does the checkout beside this file run.
    """

    name = "ponymq"

    def __init__(self, directory: Path, arguments: Sequence[str] = (), log_level: str = "info") -> None:
        super().__init__(directory)
        self._arguments = list(arguments)
        self._log_level = log_level

    @override
    def command(self) -> list[str]:
        """The server command with its ports and its data directory."""
        return [
            *(sys.executable, "-m", "broker"),
            *("--data-dir", str(self.data_dir / "store")),
            *("--bind", self.host),
            *("--port", str(self.port)),
            *("--http-port", str(self.http_port)),
            *("--metrics-port", str(self.metrics_port)),
            *("--log-level", self._log_level),
            *self._arguments,
        ]

    @override
    def environment(self) -> dict[str, str]:
        """The caller's environment, with the checkout as the last resort for finding `broker`."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PONYMQ_")}
        # A developer's disk may be nearly full, and the default limit would refuse every publish on it.
        environment["PONYMQ_LIMITS_DISK_FREE_LIMIT_BYTES"] = "1"
        if not _broker_is_importable(self.data_dir):
            environment["PYTHONPATH"] = str(CHECKOUT)
        return environment


def _broker_is_importable(directory: Path) -> bool:
    find = "import importlib.util as u, sys; sys.exit(u.find_spec('broker.__main__') is None)"
    found = subprocess.run([sys.executable, "-c", find], cwd=directory, check=False, capture_output=True)
    return found.returncode == 0


class RabbitMQ(Broker):
    """Debian's rabbitmq-server as a private node of the present user.

    The wrapper in /usr/sbin switches to the user `rabbitmq` and its fixed directories; the script behind it runs as
    anybody, root included, if each directory is named in the environment. Names are resolved by epmd, the Erlang port
    mapper; a private one runs beside the node, because one that the node starts itself outlives it, pid unknown.
    """

    name = "rabbitmq"

    def __init__(self, directory: Path, plugins: Sequence[str] = ("rabbitmq_management",), config: str = "") -> None:
        super().__init__(directory)
        self._distribution_port, self._epmd_port = free_ports(2)
        self._epmd: subprocess.Popen[bytes] | None = None
        lines = [
            f"listeners.tcp.1 = {self.host}:{self.port}",
            f"management.tcp.ip = {self.host}" if "rabbitmq_management" in plugins else "",
            f"management.tcp.port = {self.http_port}" if "rabbitmq_management" in plugins else "",
            f"prometheus.tcp.port = {self.metrics_port}" if "rabbitmq_prometheus" in plugins else "",
            # A machine of developers may well be short of disk; an alarm would stop publishers for no reason of ours.
            "disk_free_limit.absolute = 10MB",
            config,
        ]
        (directory / "rabbitmq.conf").write_text("\n".join(line for line in lines if line) + "\n")
        (directory / "enabled_plugins").write_text(f"[{','.join(plugins)}].\n")

    @property
    def node(self) -> str:
        """The Erlang node's name, as rabbitmqctl's `--node` wants it."""
        return f"conformance{self.port}@localhost"

    @override
    def command(self) -> list[str]:
        """The server script; with RABBITMQ_ALLOW_INPUT it becomes the Erlang VM, so that our pid is the broker's."""
        return [str(RABBITMQ_SERVER), "-noinput"]

    @override
    def environment(self) -> dict[str, str]:
        """Every directory, name and port that would otherwise be the system node's."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("RABBITMQ_", "ERL_"))}
        environment |= {
            "HOME": str(self.directory),  # the Erlang cookie is written here
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": self.host,
            "RABBITMQ_NODENAME": self.node,
            "RABBITMQ_NODE_IP_ADDRESS": self.host,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.data_dir),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "no-rabbitmq-env.conf"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.directory / "generated"),
            "RABBITMQ_ALLOW_INPUT": "1",
            # One scheduler and no busy waiting: the machine is shared with the tests themselves.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }
        return environment

    @override
    def start(self) -> None:
        """Start the port mapper if it is not there, then the node."""
        if self._epmd is None:
            self._epmd = subprocess.Popen(
                [EPMD, "-port", str(self._epmd_port), "-address", self.host],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        super().start()

    @override
    def close(self) -> None:
        """End the node and its port mapper."""
        super().close()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(STOP_SECONDS)
            self._epmd = None


def make_broker(name: str, directory: Path) -> Broker:
    """Make the broker that the name says; it is not started yet.

    Raises:
        BrokerError: The name is unknown, or RabbitMQ is asked for and not installed.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if name == PonyMQ.name:
        return PonyMQ(directory)
    if name == RabbitMQ.name:
        if not RABBITMQ_SERVER.exists() or shutil.which(EPMD) is None:
            raise BrokerError("rabbitmq-server is not installed")
        return RabbitMQ(directory)
    raise BrokerError(f"no broker is called {name!r}")
