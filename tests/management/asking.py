"""A client of the HTTP side, and the header that logs a user in."""

import base64
import json
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient
from yarl import URL

from broker.management.facts import Facts

Http = TestClient[web.Request, web.Application]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


async def ask(client: Http, method: str, path: str, body: object = None, **options: Any) -> tuple[int, Any]:
    """Status and decoded body of one answer (None for an empty one); octets are sent as they are."""
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    async with client.request(method, URL("/api" + path, encoded=True), data=data, **options) as response:
        octets = await response.read()
        return response.status, json.loads(octets) if octets else None


async def refused(client: Http, method: str, path: str, body: object = None) -> str:
    """The reason of a 400."""
    status, answer = await ask(client, method, path, body)
    assert status == 400, answer
    assert answer["error"] == "bad_request"
    return str(answer["reason"])


def sample(facts: Facts) -> None:
    """One round of the sampler."""
    for _ in facts.sampler.round(facts.machine.look()):
        pass
