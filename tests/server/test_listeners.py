"""The broker as a process with further ports: TLS and PROXY headers on all three kinds, and certificates read again."""

import base64
import http.client
import json
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.crash.daemon import Daemon, free_port
from tests.net.certificates import Certificates

LOGIN = {"Authorization": "Basic " + base64.b64encode(b"guest:guest").decode()}
EXIT_FAILED = 1


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "certificates")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "broker")
    yield made
    made.kill()


def listener(daemon: Daemon, group: str, options: str) -> int:
    """Give the daemon one further port; returns its number."""
    port = free_port()
    daemon.extra_environment[f"PONYMQ_LISTENERS_{group.upper()}"] = f"[{{port = {port}, {options}}}]"
    return port


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def get(port: int, path: str, context: ssl.SSLContext, **headers: str) -> tuple[int, bytes]:
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    try:
        connection.request("GET", path, headers=LOGIN | headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def get_through_proxy(port: int, address: str) -> bytes:
    """The status line of the answer to a request that a proxy announces as coming from there."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as sock:
        request = f"GET /api/whoami HTTP/1.0\r\nAuthorization: {LOGIN['Authorization']}\r\n\r\n"
        sock.sendall(f"PROXY TCP4 {address} 10.0.0.1 5 6\r\n{request}".encode())
        return b"".join(iter(lambda: sock.recv(65536), b""))


def test_api_and_metrics_are_served_over_tls_and_the_ports_are_listed(
    daemon: Daemon, certificates: Certificates
) -> None:
    tls = f'tls.certificate = "{certificates.server("localhost")}"'
    ports = {group: listener(daemon, group, tls) for group in ("amqp", "http", "metrics")}
    daemon.start()
    context = certificates.trusting()
    status, body = get(ports["http"], "/api/overview", context)
    assert status == 200
    listed = [(each["protocol"], each["port"], each["tls"]) for each in json.loads(body)["listeners"]]
    assert listed == [
        ("amqp", daemon.port, False),
        ("amqp/ssl", ports["amqp"], True),
        ("https", ports["http"], True),
        ("https/prometheus", ports["metrics"], True),
    ]
    status, body = get(ports["metrics"], "/metrics", context)
    assert status == 200
    assert b"rabbitmq_" in body
    assert f'amqp="127.0.0.1:{daemon.port}, 127.0.0.1:{ports["amqp"]} (TLS)"' in daemon.text
    assert daemon.stop() == 0


def test_the_plain_amqp_port_may_be_off(daemon: Daemon, certificates: Certificates) -> None:
    port = listener(daemon, "amqp", f'tls.certificate = "{certificates.server("localhost")}"')
    daemon.settings += ["--port", "off"]
    daemon.launch()
    wait_until(lambda: "ready" in daemon.text)
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as sock,
        certificates.trusting().wrap_socket(sock, server_hostname="localhost") as wire,
    ):
        wire.sendall(b"AMQP\x00\x00\x09\x01")
        assert wire.recv(1) == b"\x01"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", daemon.port))
    assert daemon.stop() == 0


def test_the_api_goes_by_the_address_that_the_proxy_announces(daemon: Daemon) -> None:
    port = listener(daemon, "http", "proxy_protocol = true")
    daemon.start()
    assert b" 200 OK" in get_through_proxy(port, "127.0.0.1")
    refused = get_through_proxy(port, "192.0.2.7")
    assert b" 401 " in refused
    assert b"User can only log in via localhost" in refused
    assert daemon.stop() == 0


def test_a_request_with_too_many_or_too_long_headers_is_refused(daemon: Daemon, certificates: Certificates) -> None:
    port = listener(daemon, "http", f'tls.certificate = "{certificates.server("localhost")}"')
    daemon.settings += ["--set", "http.max_headers=20", "--set", "http.max_header_bytes=1000"]
    daemon.start()
    context = certificates.trusting()
    assert get(port, "/api/overview", context)[0] == 200
    assert get(port, "/api/overview", context, **{f"x{number}": "y" for number in range(40)})[0] == 400
    assert get(port, "/api/overview", context, x="y" * 2000)[0] == 400
    assert daemon.stop() == 0


def test_sighup_reads_the_certificates_again_and_a_bad_one_changes_nothing(
    daemon: Daemon, certificates: Certificates
) -> None:
    path = certificates.server("localhost")
    port = listener(daemon, "http", f'tls.certificate = "{path}"')
    daemon.start()
    context = certificates.trusting()
    assert get(port, "/api/overview", context)[0] == 200
    certificates.damage("server.pem")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "certificates kept as they were" in daemon.text)
    assert f"listeners.http[0].tls.certificate = '{path}': expected a certificate" in daemon.text.replace('\\"', '"')
    assert get(port, "/api/overview", context)[0] == 200
    certificates.server("elsewhere")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: "certificates read again" in daemon.text)
    with pytest.raises(ssl.SSLCertVerificationError):
        get(port, "/api/overview", context)
    assert daemon.stop() == 0


def test_sighup_without_certificates_ends_nothing(daemon: Daemon) -> None:
    daemon.start()
    daemon.signal(signal.SIGHUP)
    time.sleep(0.2)
    assert daemon.stop() == 0


def test_a_certificate_that_is_not_there_stops_the_start_before_the_data_directory_is_touched(daemon: Daemon) -> None:
    listener(daemon, "amqp", 'tls.certificate = "/nowhere/server.pem"')
    daemon.launch()
    assert daemon.wait() == EXIT_FAILED
    [line] = [line for line in daemon.text.splitlines() if " fatal " in line]
    assert "listeners.amqp[0].tls.certificate = '/nowhere/server.pem': cannot be read: No such file" in line
    assert not daemon.data_dir.exists()
