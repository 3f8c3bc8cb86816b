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
RELAY: Final = "relay"  # not a broker: it has no process between rounds
BROKERS: Final[tuple[str, ...]] = (COMPILED, INTERPRETED, RABBITMQ)
VERSION_SECONDS: Final = 30.0


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


BenchmarkedBroker = PonyMQBuild | RabbitMQAtSpeed
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
    return found


def broker_version(name: str, broker: Broker, compiled: Path) -> str:
    """The version of a running broker, for the head of the table."""
    if name == RABBITMQ:
        said = re.search(r"Starting (RabbitMQ \S+ on Erlang \S+)", broker.log)
        return said.group(1) if said else "RabbitMQ"
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
