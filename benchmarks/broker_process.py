"""The brokers that are compared, as processes: how each is started for speed, and what it calls its version."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from typing_extensions import override

from conformance.brokers import CHECKOUT, EPMD, RABBITMQ_SERVER, Broker, PonyMQ, RabbitMQ, free_ports
from conformance.secured import Certificates, ponymq_listeners, rabbitmq_listeners

COMPILED: Final = "compiled"
INTERPRETED: Final = "interpreted"
RABBITMQ: Final = "rabbitmq"
LAVINMQ: Final = "lavinmq"
RELAY: Final = "relay"  # not a broker: it has no process between rounds
BROKERS: Final[tuple[str, ...]] = (COMPILED, INTERPRETED, RABBITMQ, LAVINMQ)
VERSION_SECONDS: Final = 30.0
NO_PORT: Final = "-1"  # to LavinMQ


class PonyMQBuild(PonyMQ):
    """PonyMQ from one place: the sources, or the package that mypyc made of them.

    Attributes:
        tls_port: AMQP with TLS.
        certificates: What it shows there.
    """

    def __init__(self, directory: Path, package_parent: Path) -> None:
        super().__init__(directory, log_level="warning")
        self._package_parent = package_parent
        [self.tls_port] = free_ports(1)
        self.certificates = Certificates(directory / "certificates")

    @override
    def environment(self) -> dict[str, str]:
        return super().environment() | {
            "PYTHONPATH": str(self._package_parent),
            "PONYMQ_LISTENERS_AMQP": ponymq_listeners(self.certificates, self.tls_port),
            # All clients of a benchmark have one address, and RabbitMQ has no such limit.
            "PONYMQ_AMQP_MAX_CONNECTION_RATE": "0",
        }


class RabbitMQAtSpeed(RabbitMQ):
    """RabbitMQ as its package ships it: all schedulers, no plugins.

    Attributes:
        tls_port: AMQP with TLS.
        certificates: What it shows there.
    """

    def __init__(self, directory: Path) -> None:
        [self.tls_port] = free_ports(1)
        self.certificates = Certificates(directory / "certificates")
        super().__init__(directory, plugins=(), config=rabbitmq_listeners(self.certificates, self.tls_port))

    @override
    def environment(self) -> dict[str, str]:
        environment = super().environment()
        del environment["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"]
        return environment


class LavinMQ(Broker):
    """LavinMQ without a configuration file, and with what its systemd unit tells the garbage collector.

    Attributes:
        tls_port: AMQP with TLS.
        certificates: What it shows there.
    """

    name = LAVINMQ

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        [self.tls_port] = free_ports(1)
        self.certificates = Certificates(directory / "certificates")
        # Not every version has all of these, and an option that it does not know ends it.
        listens = {
            "--metrics-http-port": str(self.metrics_port),
            "--https-port": NO_PORT,
            "--mqtt-port": NO_PORT,
            "--mqtts-port": NO_PORT,
            "--control-unix-path": str(directory / "control.sock"),
        }
        known = lavinmq_says("--help")
        self._listens = [f"{option}={where}" for option, where in listens.items() if option in known]

    @override
    def command(self) -> list[str]:
        return [
            LAVINMQ,
            *("--data-dir", str(self.data_dir)),
            *("--bind", self.host),
            *("--amqp-port", str(self.port)),
            *("--http-port", str(self.http_port)),
            *("--amqps-port", str(self.tls_port)),
            *("--cert", self.certificates.server),
            *("--key", self.certificates.server_key),
            *self._listens,
        ]

    @override
    def environment(self) -> dict[str, str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("LAVINMQ_")}
        return environment | {"CONFIGURATION_DIRECTORY": str(self.directory), "GC_UNMAP_THRESHOLD": "1"}


BenchmarkedBroker = PonyMQBuild | RabbitMQAtSpeed | LavinMQ
MakeBroker = Callable[[Path], BenchmarkedBroker]


def ponymq_version(package_parent: Path) -> str:
    """What ``--version`` says of the build in a directory; empty if there is none that runs."""
    environment = os.environ | {"PYTHONPATH": str(package_parent)}
    said = subprocess.run(
        [sys.executable, "-P", "-m", "broker", "--version"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=VERSION_SECONDS,
        check=False,
    )
    return said.stdout.strip() if said.returncode == 0 else ""


def lavinmq_says(option: str) -> str:
    """What the LavinMQ on PATH answers to ``--help`` or ``--version``."""
    said = subprocess.run(  # noqa: S603  the program that is measured
        [LAVINMQ, option], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
    )
    return said.stdout.strip()


def find_brokers(compiled: Path) -> dict[str, MakeBroker]:
    """Which of the brokers can be started on this machine, in the order of the table.

    Args:
        compiled: Where the compiled package is, if anywhere.
    """
    found: dict[str, MakeBroker] = {}
    if compiled.is_dir() and "compiled: yes" in ponymq_version(compiled):
        found[COMPILED] = lambda directory: PonyMQBuild(directory, compiled)
    found[INTERPRETED] = lambda directory: PonyMQBuild(directory, CHECKOUT)
    if RABBITMQ_SERVER.exists() and shutil.which(EPMD) is not None:
        found[RABBITMQ] = RabbitMQAtSpeed
    if shutil.which(LAVINMQ) is not None:
        found[LAVINMQ] = LavinMQ
    return found


def broker_version(name: str, broker: Broker, compiled: Path) -> str:
    """The version of a running broker, for the head of the table."""
    if name == RABBITMQ:
        said = re.search(r"Starting (RabbitMQ \S+ on Erlang \S+)", broker.log)
        return said.group(1) if said else "RabbitMQ"
    if name == LAVINMQ:
        return f"LavinMQ {lavinmq_says('--version')}"
    return ponymq_version(compiled if name == COMPILED else CHECKOUT)


class Seat:
    """One broker's place in the run: it can be replaced by a fresh one that remembers nothing.

    Attributes:
        name: One of BROKERS.
        broker: The present one, running.
    """

    def __init__(self, name: str, make: MakeBroker, directory: Path) -> None:
        self.name = name
        self._make = make
        self._directory = directory
        self._born = 0
        self.broker = self._start()

    def _start(self) -> BenchmarkedBroker:
        self._born += 1
        directory = self._directory / f"{self.name}-{self._born}"
        directory.mkdir(parents=True)
        broker = self._make(directory)
        try:
            broker.start()
        except BaseException:
            broker.close()
            raise
        return broker

    def renew(self) -> None:
        """End the broker, forget its data, and start another."""
        self.close()
        shutil.rmtree(self.broker.directory)
        self.broker = self._start()

    def close(self) -> None:
        """End the broker's process."""
        self.broker.close()
