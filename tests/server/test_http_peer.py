"""What the HTTP ports answer to octets that are no request, or half of one: short, in JSON, and not repeated."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.daemon import Daemon, free_port

LOGIN = b"Authorization: Basic Z3Vlc3Q6Z3Vlc3Q=\r\n"
NO_REQUESTS = (
    b"GET /api/overview HTTP/1.1\r\nHost: x\r\nmarked\r\n\r\n",
    b"GET /api/overview HTTP/1.1\r\nHost: marked\0\r\n\r\n",
    b"marked\r\n\r\n",
    b"GET marked\r\n\r\n",
    # Found by the fuzzer: 500, and a traceback in the log.
    b"GET /api/overview HTTP/1.1\r\nHost: x\r\nExpect: marked\xff\r\n\r\n",
    b"GET * HTTP/1.1\r\nHost: x\r\nExpect: marked\xff\r\n\r\n",
)


class Port:
    """The HTTP port of a running broker."""

    def __init__(self, daemon: Daemon) -> None:
        self.number = free_port()
        daemon.settings += ["--http-port", str(self.number)]
        daemon.start()

    def ask(self, octets: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        """Say this; returns status, headers and body of the answer, behind which the socket is closed."""
        heard = b""
        with socket.create_connection(("127.0.0.1", self.number), timeout=20) as sock:
            sock.sendall(octets)
            while piece := sock.recv(65536):
                heard += piece
        head, _, body = heard.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        return int(first.split()[1]), headers, body


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "broker")
    yield made
    made.kill()


def test_what_is_no_request_is_refused_in_json_and_neither_repeated_nor_logged(daemon: Daemon) -> None:
    port = Port(daemon)
    for octets in NO_REQUESTS:
        status, headers, body = port.ask(octets)
        assert status == 400, octets
        assert json.loads(body) == {"error": "bad_request", "reason": "not an HTTP request"}
        assert headers[b"server"] == b"PonyMQ"
        assert headers[b"x-content-type-options"] == b"nosniff"
    assert daemon.text.count("not an HTTP request") <= 1  # of a minute
    assert "Traceback" not in daemon.text
    assert "marked" not in daemon.text
    assert daemon.stop() == 0


def test_a_body_that_breaks_off_or_is_packed_is_the_clients_mistake(daemon: Daemon) -> None:
    port = Port(daemon)
    head = b"PUT /api/vhosts/x HTTP/1.1\r\nHost: x\r\n" + LOGIN
    packed = head + b"Connection: close\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde"
    assert port.ask(packed)[0] == 400
    for rest in (b"Content-Length: 5\r\n\r\nab", b"Transfer-Encoding: chunked\r\n\r\n5\r\nab"):
        with socket.create_connection(("127.0.0.1", port.number), timeout=20) as sock:
            sock.sendall(head + rest)
    assert port.ask(b"GET /api/whoami HTTP/1.0\r\n" + LOGIN + b"\r\n")[0] == 200
    assert "Traceback" not in daemon.text
    assert daemon.stop() == 0


def test_a_body_that_is_too_large_is_refused_in_json_too(daemon: Daemon) -> None:
    daemon.settings += ["--set", "http.max_body_bytes=100"]
    port = Port(daemon)
    head = b"PUT /api/vhosts/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + LOGIN
    status, _, body = port.ask(head + b"Content-Length: 200\r\n\r\n" + b"x" * 200)
    assert status == 413
    assert set(json.loads(body)) == {"error", "reason"}
    assert daemon.stop() == 0
