"""Floods of strangers against the daemon, and a good client that works meanwhile."""

import base64
import http.client
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.daemon import Daemon, free_port
from tests.crash.peer import ACK, QUEUE_DECLARE_OK, SELECT_OK, Peer, method, publish, queue_declare
from tests.net.certificates import Certificates

COUNT = 500
HANDSHAKE_S = 2.0
# What a client may take to log in and to have ten messages confirmed, while this machine runs other tests beside the
# flood. Undisturbed it takes milliseconds.
PATIENCE_S = 5.0
HEADER = b"AMQP\x00\x00\x09\x01"
HALF_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(20)
HALF_REQUEST = b"GET /api/overview HTTP/1.1\r\nHost: x\r\nAuthorization: Basic "
ELSEWHERE = "127.0.0.2"  # loopback is a whole network, at least on Linux


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "broker", f"amqp.handshake_timeout_s={HANDSHAKE_S}")
    yield made
    made.kill()


class Flood:
    """Very many sockets that one thread sees to."""

    def __init__(self, port: int, count: int = COUNT) -> None:
        self._sockets = [socket.create_connection(("127.0.0.1", port), timeout=20.0) for _ in range(count)]
        self._selector = selectors.DefaultSelector()
        for each in self._sockets:
            each.setblocking(False)
            self._selector.register(each, selectors.EVENT_READ)

    @property
    def left(self) -> int:
        """Sockets that the broker has not closed."""
        return len(self._selector.get_map())

    def say(self, octets: bytes) -> None:
        """Say it on every socket that is still open."""
        for each in self._sockets:
            try:
                each.send(octets)
            except OSError:
                continue

    def listen(self, seconds: float) -> None:
        """See for so long which sockets the broker closes."""
        end_s = time.monotonic() + seconds
        while self.left and (left_s := end_s - time.monotonic()) > 0:
            for key, _ in self._selector.select(left_s):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                try:
                    is_open = sock.recv(65536) != b""
                except BlockingIOError:
                    continue
                except OSError:
                    is_open = False
                if not is_open:
                    self._selector.unregister(sock)

    def close(self) -> None:
        self._selector.close()
        for each in self._sockets:
            each.close()


def work(port: int) -> float:
    """Log in, publish ten messages with confirms one by one, leave. Returns the seconds that it took."""
    began_s = time.monotonic()
    peer = Peer(port)
    peer.call(queue_declare(b"q"), QUEUE_DECLARE_OK)
    peer.call(method(85, 10, b"\0"), SELECT_OK)
    for number in range(10):
        peer.call(publish(b"q", b"%d" % number), ACK)
    peer.close()
    return time.monotonic() - began_s


def told_of_strangers(daemon: Daemon, host: str) -> int:
    """Lines about somebody of that address who did not log in; there may be one each minute."""
    lines = daemon.text.splitlines()
    return sum(f"peer={host}" in line and ("refused" in line or 'user=""' in line) for line in lines)


def say_nothing(flood: Flood, _: float) -> None:
    flood.listen(0.2)


def say_an_octet(flood: Flood, since_s: float) -> None:
    at = int(since_s)
    flood.say(HEADER[at : at + 1])
    flood.listen(1.0)


@pytest.mark.parametrize("behave", [say_nothing, say_an_octet])
def test_a_client_works_among_strangers_who_are_slow_and_they_are_closed_in_time(
    daemon: Daemon, behave: Callable[[Flood, float], None]
) -> None:
    daemon.start()
    flood = Flood(daemon.port)
    try:
        began_s = time.monotonic()
        assert work(daemon.port) < PATIENCE_S
        while flood.left and time.monotonic() - began_s < HANDSHAKE_S + PATIENCE_S:
            behave(flood, time.monotonic() - began_s)
            assert work(daemon.port) < PATIENCE_S
        assert flood.left == 0
    finally:
        flood.close()
    assert told_of_strangers(daemon, "127.0.0.1") == 1
    assert daemon.stop() == 0


def test_a_client_works_among_strangers_who_leave_their_login_half_done(daemon: Daemon) -> None:
    daemon.start()
    flood = Flood(daemon.port)
    try:
        flood.say(HEADER + method(10, 11, b"\0\0\0\0\x05PLAIN", channel=0)[:-4])
        assert work(daemon.port) < PATIENCE_S
        flood.listen(HANDSHAKE_S + PATIENCE_S)
        assert flood.left == 0
    finally:
        flood.close()
    assert daemon.stop() == 0


def test_a_client_works_among_half_tls_hellos(daemon: Daemon, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    tls_port = free_port()
    tls = f'[{{port = {tls_port}, tls.certificate = "{certificates.server("localhost")}"}}]'
    daemon.extra_environment["PONYMQ_LISTENERS_AMQP"] = tls
    daemon.start()
    flood = Flood(tls_port)
    try:
        flood.say(HALF_HELLO)
        assert work(daemon.port) < PATIENCE_S
        began_s = time.monotonic()
        with (
            socket.create_connection(("127.0.0.1", tls_port), timeout=PATIENCE_S) as sock,
            certificates.trusting().wrap_socket(sock, server_hostname="localhost") as wire,
        ):
            wire.sendall(HEADER)
            assert wire.recv(1) == b"\x01"
        assert time.monotonic() - began_s < PATIENCE_S
        flood.listen(HANDSHAKE_S + PATIENCE_S)
        assert flood.left == 0
    finally:
        flood.close()
    assert daemon.stop() == 0


def test_a_client_works_while_another_address_connects_without_a_pause(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "broker", "amqp.max_connection_rate=20")
    daemon.start()
    is_over = threading.Event()
    outcomes = [0, 0]

    def churn() -> None:
        while not is_over.is_set():
            with socket.socket() as sock:
                sock.settimeout(PATIENCE_S)
                sock.bind((ELSEWHERE, 0))
                try:
                    sock.connect(("127.0.0.1", daemon.port))
                    sock.sendall(HEADER)
                    outcomes[sock.recv(1) != b""] += 1
                except OSError:
                    outcomes[0] += 1

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(5):
            assert work(daemon.port) < PATIENCE_S
            is_over.wait(0.3)
    finally:
        is_over.set()
        thread.join(20.0)
        code = daemon.stop()
        daemon.kill()
    assert code == 0
    refused, let_in = outcomes
    assert refused > let_in > 0
    assert told_of_strangers(daemon, ELSEWHERE) == 1


@pytest.mark.parametrize("said", [b"", HALF_REQUEST])
def test_http_is_served_among_strangers_who_never_end_a_request_and_they_are_closed_in_time(
    daemon: Daemon, said: bytes
) -> None:
    port = free_port()
    daemon.settings += ["--http-port", str(port)]
    daemon.start()
    flood = Flood(port)
    try:
        flood.say(said)
        assert whoami(port) < PATIENCE_S
        flood.listen(HANDSHAKE_S + PATIENCE_S)
        assert flood.left == 0
        assert whoami(port) < PATIENCE_S
    finally:
        flood.close()
    assert "Traceback" not in daemon.text
    assert daemon.stop() == 0


def whoami(port: int) -> float:
    """Ask the API who we are; returns the seconds that it took."""
    began_s = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    login = "Basic " + base64.b64encode(b"guest:guest").decode()
    connection.request("GET", "/api/whoami", headers={"Authorization": login})
    assert connection.getresponse().status == 200
    connection.close()
    return time.monotonic() - began_s
