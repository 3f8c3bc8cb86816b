"""The HTTP API of either broker, as its administrator."""

import base64
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any, Final
from urllib.parse import quote

from conformance.brokers import Broker

TIMEOUT_S: Final = 10.0
OPEN_S: Final = 30.0


def ask(broker: Broker, method: str, path: str, body: object = None, *, login: str = "guest:guest") -> tuple[int, Any]:
    """Status and decoded body (None for an empty one). ``path`` begins behind ``/api``."""
    status, answer, _ = converse(broker, method, path, body, login=login)
    return status, answer


def converse(
    broker: Broker,
    method: str,
    path: str,
    body: object = None,
    *,
    login: str = "guest:guest",
    headers: Mapping[str, str] | None = None,
) -> tuple[int, Any, Message]:
    """The same with headers: those to send, and behind status and body those of the answer."""
    request = urllib.request.Request(
        f"http://{broker.host}:{broker.http_port}/api{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": "Basic " + base64.b64encode(login.encode()).decode(),
            "Content-Type": "application/json",
            **(headers or {}),
        },
    )
    deadline = time.monotonic() + OPEN_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
                status, octets, said = response.status, response.read(), response.headers
        except urllib.error.HTTPError as refusal:
            with refusal:
                status, octets, said = refusal.code, refusal.read(), refusal.headers
        except urllib.error.URLError:
            # RabbitMQ opens this port after that of AMQP.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
            continue
        return status, json.loads(octets) if octets else None, said


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until the API says so: RabbitMQ tells of connections only every five seconds."""
    deadline = time.monotonic() + OPEN_S
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.1)


def put_user(broker: Broker, name: str, password: str, tags: str = "") -> None:
    """Make a user, or change one."""
    status, _ = ask(broker, "PUT", f"/users/{name}", {"password": password, "tags": tags})
    assert status in {201, 204}


def permit(
    broker: Broker, name: str, vhost: str = "/", configure: str = ".*", write: str = ".*", read: str = ".*"
) -> None:
    """Let a user into a vhost with these rights."""
    body = {"configure": configure, "write": write, "read": read}
    status, _ = ask(broker, "PUT", f"/permissions/{quote(vhost, safe='')}/{name}", body)
    assert status in {201, 204}
