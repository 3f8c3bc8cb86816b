"""The HTTP API's application: who asks, for what, and how an answer or a refusal leaves."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from broker.management.access import Viewer, log_in
from broker.management.account_changes import AccountChanges
from broker.management.facts import Facts
from broker.management.paths import segments
from broker.management.policy_changes import PolicyChanges
from broker.management.refusals import Refusal, not_found
from broker.management.resources import Resources

LOG: Final = logging.getLogger("broker.management")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECURITY_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Server": "PonyMQ",
    "Vary": "accept, accept-encoding, origin",
    "X-Content-Type-Options": "nosniff",
}

_PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>PonyMQ</title>
<style>body {{ font-family: sans-serif; max-width: 40em; margin: 3em auto; line-height: 1.5 }}</style></head>
<body><h1>PonyMQ {version}</h1>
<p>An AMQP 0-9-1 message broker. This is its HTTP port. There is no web console yet.</p>
<ul>
<li>The HTTP API, in RabbitMQ's shape, begins at <a href="/api/overview">/api/overview</a>; it asks for a login.</li>
<li>{metrics}</li>
<li>On the command line, <code>ponymqctl status</code> and <code>ponymqctl list-queues</code> ask the same API.</li>
</ul></body></html>
"""


def api_app(facts: Facts, max_body_bytes: int = 0) -> web.Application:
    """The application for the HTTP port.

    Args:
        facts: What it answers from. Its ``listeners`` may be filled in later.
        max_body_bytes: Largest body of a request; 0 for any.
    """
    api = Api(facts)
    app = web.Application(middlewares=[guard], client_max_size=max_body_bytes)
    app.router.add_route("*", "/{path:.*}", api.handle)
    app.on_response_prepare.append(add_headers)
    return app


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every answer: nothing may be cached, framed or taken for something else."""
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    # setdefault would come after the library's own name and version, which are nobody's business.
    response.headers["Server"] = SECURITY_HEADERS["Server"]


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn refusals into answers, and mistakes of ours into a 500 without details."""
    try:
        return await handler(request)
    except Refusal as refusal:
        return _json(refusal.body, refusal.status, refusal.headers)
    except web.HTTPException:
        raise
    except Exception:
        # The outermost edge: one request fails, the broker goes on.
        LOG.exception("request failed", extra={"method": request.method, "path": request.path})
        return _json(b'{"error":"internal_server_error","reason":"Internal Server Error"}', 500)


class Api:
    """Answers every path of the HTTP port."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request.

        Raises:
            Refusal: Whatever is wrong with it.
        """
        path = segments(request.raw_path)
        if not path:
            return web.Response(text=self._page(), content_type="text/html")
        if path[0] != b"api":
            raise not_found()
        if request.method == "OPTIONS":
            return web.Response(headers={"Allow": "GET, HEAD, OPTIONS"})
        viewer = await log_in(self._facts.context.logins, request.headers.get("Authorization"), request.remote)
        if request.method not in {"GET", "HEAD"}:
            return web.Response(status=await self._change(viewer, request.method, path[1:], await request.read()))
        # The console's vhost selector comes as a header; from here on it is one more query key.
        query = {**request.query, "x-vhost": request.headers.get("x-vhost", "")}
        return _json(await Resources(self._facts, viewer, query).answer(path[1:]), 200)

    async def _change(self, viewer: Viewer, method: str, path: list[bytes], body: bytes) -> int:
        """Have whoever knows the path change what is there; the status of the answer, which has no body."""
        status = await AccountChanges(self._facts, viewer).carry_out(method, path, body)
        if not status:
            status = PolicyChanges(self._facts, viewer).carry_out(method, path, body)
        if not status:
            allow = {"Allow": "GET, HEAD, OPTIONS"}
            raise Refusal(405, "method_not_allowed", "This broker's API cannot change that yet", headers=allow)
        return status

    def _page(self) -> str:
        metrics = "Prometheus metrics are off."
        for listener in self._facts.listeners:
            if listener.protocol == "http/prometheus":
                metrics = f"Prometheus metrics are at <code>/metrics</code> on port {listener.port}."
        return _PAGE.format(version=self._facts.node.product_version, metrics=metrics)


def _json(body: bytes, status: int, headers: dict[str, str] | None = None) -> web.Response:
    if not body:
        return web.Response(status=status, headers=headers)
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")
