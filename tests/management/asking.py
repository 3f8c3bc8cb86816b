"""A client of the HTTP side, and the header that logs a user in."""

import base64

from aiohttp import web
from aiohttp.test_utils import TestClient

Http = TestClient[web.Request, web.Application]


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
