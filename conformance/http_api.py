"""The HTTP API of either broker, as its administrator."""

import base64
import json
import time
import urllib.error
import urllib.request
from typing import Any, Final
from urllib.parse import quote

from conformance.brokers import Broker

TIMEOUT_S: Final = 10.0
OPEN_S: Final = 30.0


def ask(broker: Broker, method: str, path: str, body: object = None, *, login: str = "guest:guest") -> tuple[int, Any]:
    """Status and decoded body (None for an empty one). ``path`` begins behind ``/api``."""
    request = urllib.request.Request(
        f"http://{broker.host}:{broker.http_port}/api{path}",
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": "Basic " + base64.b64encode(login.encode()).decode(),
            "Content-Type": "application/json",
        },
    )
    deadline = time.monotonic() + OPEN_S
    while True:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310
                status, octets = response.status, response.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                status, octets = refusal.code, refusal.read()
        except urllib.error.URLError:
            # RabbitMQ opens this port after that of AMQP.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
            continue
        return status, json.loads(octets) if octets else None


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
