"""Nothing leaks: passwords and tokens, planted wherever somebody may put one, are found nowhere behind it."""

import base64
import http.client
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from broker.management.api_table import TABLE
from tests.crash.daemon import Daemon, free_port
from tests.crash.peer import HEADER, frame, long, method, short

ADMINISTRATOR = "ann"
# Whatever is secret has this in it.
MARK = "s3cr3t"
OWN = f"own-{MARK}"
# As error texts show octets that cannot be read.
SHOWN = ",".join(str(octet) for octet in MARK.encode())
LISTS = ("nonesuch", *(route.path[1:] for route in TABLE.routes if route.method == "GET" and not route.names))


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "broker", "log.level=debug")
    made.extra_environment |= {"PONYMQ_DEFAULT_USER": ADMINISTRATOR, "PONYMQ_DEFAULT_PASS": OWN}
    yield made
    made.kill()


class Web:
    """The HTTP ports; everything that they have answered."""

    def __init__(self, daemon: Daemon) -> None:
        self.api, self.metrics = free_port(), free_port()
        daemon.settings += ["--http-port", str(self.api), "--metrics-port", str(self.metrics)]
        self.heard: list[bytes] = []

    def ask(self, path: str, authorization: str = "", how: str = "GET", body: bytes = b"") -> int:
        headers = {"Authorization": authorization} if authorization else {}
        connection = http.client.HTTPConnection("127.0.0.1", self.api, timeout=20)
        connection.request(how, path, body, headers)
        answer = connection.getresponse()
        self.heard.append(str(answer.headers).encode() + answer.read())
        connection.close()
        return answer.status

    def say(self, octets: bytes) -> None:
        """Something that need not be HTTP."""
        self.heard.append(exchange(self.api, octets))

    def scrape(self) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics, timeout=20)
        connection.request("GET", "/metrics/per-object")
        found = connection.getresponse().read()
        connection.close()
        return found


def exchange(port: int, octets: bytes) -> bytes:
    """Say this and no more; returns all that is answered."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        sock.sendall(octets)
        sock.shutdown(socket.SHUT_WR)
        try:
            while octets := sock.recv(65536):
                heard += octets
        except OSError:
            pass
    return heard


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def start_ok(mechanism: bytes, response: bytes, properties: bytes = b"") -> bytes:
    return method(10, 11, long(properties) + short(mechanism) + long(response) + short(b"en_US"), channel=0)


def plain(user: str, password: str) -> bytes:
    return f"\0{user}\0{password}".encode()


def wrong_logins() -> Iterator[bytes]:
    """Logins that fail, are broken off or cannot be read, each with a secret in it."""
    asks = short(b"capabilities") + b"F" + long(short(b"authentication_failure_close") + b"t\x01")
    for properties in (b"", asks):
        yield start_ok(b"PLAIN", plain(ADMINISTRATOR, f"wrong-{MARK}"), properties)
        yield start_ok(b"PLAIN", plain("nobody", f"wrong-{MARK}") + b"\0", properties)
        yield start_ok(b"EXTERNAL", MARK.encode(), properties)
    whole = start_ok(b"PLAIN", plain(ADMINISTRATOR, OWN))
    payload = whole[7:-1]
    yield frame(1, 0, payload + b"\0")
    yield frame(1, 0, payload[:-6])
    yield frame(1, 0, payload[:8] + b"\xff" + payload[9:])
    yield frame(77, 0, payload[20:])
    yield whole[:-1] + b"\xff"
    yield frame(2, 0, MARK.encode())
    fields = short(b"LOGIN") + b"S" + long(b"ann") + short(b"PASSWORD") + b"S" + long(MARK.encode())
    yield start_ok(b"AMQPLAIN", fields)
    yield start_ok(b"AMQPLAIN", fields + b"\x05")


def test_no_secret_is_logged_listed_measured_answered_or_written_down(daemon: Daemon) -> None:
    web = Web(daemon)
    daemon.start()
    administrator = basic(ADMINISTRATOR, OWN)
    heard = [exchange(daemon.port, HEADER + login) for login in wrong_logins()]
    good = HEADER + start_ok(b"PLAIN", plain(ADMINISTRATOR, OWN)) + method(10, 31, b"\x07\xff\0\x02\0\0\0\0", channel=0)
    good += method(10, 40, short(b"/") + b"\0\0", channel=0)
    # connection.update-secret, and one whose octets cannot be read.
    heard.append(exchange(daemon.port, good + method(10, 70, long(MARK.encode()) + short(b"reason"), channel=0)))
    # The peer is told what it could not say itself; the log is not.
    exchange(daemon.port, good + method(10, 70, b"\0\0\0\xff" + MARK.encode(), channel=0))
    for authorization in (basic(ADMINISTRATOR, f"wrong-{MARK}"), f"Bearer {MARK}", f"Basic {MARK}", MARK):
        assert web.ask(f"/api/overview?password={MARK}", authorization) == 401
    web.say(f"GET /api/x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic {MARK}\0\r\n\r\n".encode())
    web.say(f"GET /api/x HTTP/1.1\r\nHost: x\r\nAuthorization {MARK}\r\n\r\n".encode())
    web.say(f"{MARK}\r\n\r\n".encode())
    head = f"HTTP/1.1\r\nHost: x\r\nAuthorization: {administrator}\r\n"
    web.say(f"PUT /api/users/a {head}Content-Length: 99\r\n\r\n".encode())
    web.say(f"GET http://a:{MARK}@127.0.0.1/api/whoami {head}\r\n".encode())
    user = {"password": f"new-{MARK}", "tags": "management"}
    assert web.ask("/api/users/eve", administrator, "PUT", json.dumps(user).encode()) == 201
    for body in ({"password": MARK}, {"password": [MARK], "tags": ""}, {"tags": "", "password": MARK * 300}):
        assert web.ask("/api/users/eve", administrator, "PUT", json.dumps(body).encode()) == 400
    assert web.ask("/api/users/eve", administrator, "PUT", f'{{"password": "{MARK}'.encode()) == 400
    for each in LISTS:
        for authorization in ("", administrator, basic("eve", f"new-{MARK}")):
            web.ask(f"/api/{each}", authorization)
    metrics = web.scrape()
    assert daemon.stop() == 0
    files = {path: path.read_bytes() for path in daemon.data_dir.rglob("*") if path.is_file()}
    assert len(files) > 2
    seen = {"the log": daemon.text.encode(), "metrics": metrics, "HTTP": b"".join(web.heard), "AMQP": b"".join(heard)}
    for where, octets in {**seen, **files}.items():
        for secret in (MARK, SHOWN, base64.b64encode(OWN.encode()).decode(), administrator.split()[1]):
            at = octets.find(secret.encode())
            assert at < 0, f"{secret} in {where}: {octets[max(at - 300, 0) : at + 100]!r}"
    assert "login refused" in daemon.text
    assert "cannot decode <<...>>" in daemon.text
    assert "Traceback" not in daemon.text


def test_a_password_hash_is_shown_to_administrators_only(daemon: Daemon) -> None:
    web = Web(daemon)
    daemon.start()
    administrator = basic(ADMINISTRATOR, OWN)
    people = {"mon": "monitoring", "pol": "policymaker", "man": "management", "none": ""}
    for name, tags in people.items():
        body = json.dumps({"password": f"{name}-password", "tags": tags}).encode()
        assert web.ask(f"/api/users/{name}", administrator, "PUT", body) == 201
        permission = json.dumps({"configure": ".*", "write": ".*", "read": ".*"}).encode()
        assert web.ask(f"/api/permissions/%2F/{name}", administrator, "PUT", permission) == 201
    web.heard.clear()
    assert web.ask("/api/users", administrator) == 200
    rows = json.loads(web.heard.pop().partition(b"\n\n")[2])
    hashes = [row["password_hash"] for row in rows]
    assert len(hashes) == 5
    assert all(hashes)
    for name in people:
        for path in (*LISTS, "users/mon", f"users/{name}", "definitions/%2F"):
            status = web.ask(f"/api/{path}", basic(name, f"{name}-password"))
            assert status == 401 or not path.startswith("users")
    octets = b"".join(web.heard) + web.scrape() + daemon.text.encode()
    for each in hashes:
        assert each.encode() not in octets
        assert base64.b64decode(each) not in octets
    assert daemon.stop() == 0


def test_only_the_brokers_user_may_read_the_data_directory(daemon: Daemon) -> None:
    web = Web(daemon)
    before = os.umask(0)  # the daemon inherits the most careless one there is
    try:
        daemon.start()
    finally:
        os.umask(before)
    assert web.ask("/api/vhosts/other", basic(ADMINISTRATOR, OWN), "PUT") == 201
    assert stat.S_IMODE(daemon.data_dir.stat().st_mode) == 0o700
    found = list(daemon.data_dir.rglob("*"))
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_file()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in found if path.is_dir()} == {0o700}
    assert daemon.stop() == 0


@pytest.mark.parametrize("name", ["PONYMQ_DEFAULT_PASS", "PONYMQ_DEFAULT_PASSWORD", "PONYMQ_SECRET"])
def test_a_refused_setting_that_may_be_a_password_is_not_shown(daemon: Daemon, name: str) -> None:
    daemon.extra_environment[name] = MARK * 300
    daemon.launch()
    assert daemon.wait() == 78
    assert "(hidden)" in daemon.text
    assert MARK not in daemon.text
