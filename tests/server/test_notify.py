"""The service manager is told what happens, if there is one."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.server.notify import ServiceManager


@pytest.fixture
def manager_socket() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.settimeout(5.0)
        yield listening


def test_readiness_and_the_stop_reach_the_socket(manager_socket: socket.socket, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    manager_socket.bind(path)
    manager = ServiceManager({"NOTIFY_SOCKET": path})
    assert manager.ready("amqp on 127.0.0.1:5672")
    assert manager_socket.recv(1000) == b"READY=1\nSTATUS=amqp on 127.0.0.1:5672"
    assert manager.stopping()
    assert manager_socket.recv(1000) == b"STOPPING=1\nSTATUS=closing connections"


@pytest.mark.skipif(not Path("/proc/net/unix").exists(), reason="abstract socket names are Linux's")
def test_a_name_with_an_at_sign_is_an_abstract_socket(manager_socket: socket.socket) -> None:
    name = f"ponymq-test-{os.getpid()}"
    manager_socket.bind("\0" + name)
    assert ServiceManager({"NOTIFY_SOCKET": "@" + name}).ready("here")
    assert manager_socket.recv(1000) == b"READY=1\nSTATUS=here"


def test_a_status_cannot_smuggle_a_second_variable(manager_socket: socket.socket, tmp_path: Path) -> None:
    path = str(tmp_path / "notify")
    manager_socket.bind(path)
    ServiceManager({"NOTIFY_SOCKET": path}).ready("one\nMAINPID=1")
    assert manager_socket.recv(1000) == b"READY=1\nSTATUS=one MAINPID=1"


def test_without_a_socket_nobody_is_told() -> None:
    assert not ServiceManager({}).ready("here")


def test_a_socket_that_is_gone_is_logged_and_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="broker.server.notify"):
        assert not ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "absent")}).ready("here")
    assert [record.getMessage() for record in caplog.records] == ["service manager not reached"]
