"""The HTTP API's application: who asks, for what, and how an answer or a refusal leaves."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from broker.management import (
    account_changes,
    account_resources,
    bindings,
    messages,
    peer_changes,
    policy_changes,
    resources,
    topology_changes,
)
from broker.management.access import NOBODY, log_in
from broker.management.answers import Answer
from broker.management.call import Call
from broker.management.facts import Facts
from broker.management.paths import segments
from broker.management.refusals import Refusal, bad_request, not_found
from broker.management.routes import ADMINISTRATOR, ANYBODY, Route, RouteTable

LOG: Final = logging.getLogger("broker.management")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

TABLE: Final = RouteTable(
    [
        *resources.ROUTES,
        *bindings.ROUTES,
        *topology_changes.ROUTES,
        *messages.ROUTES,
        *peer_changes.ROUTES,
        *policy_changes.ROUTES,
        *account_resources.ROUTES,
        *account_changes.ROUTES,
    ]
)

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
        return _response(Answer(refusal.status, refusal.body, headers=refusal.headers))
    except web.HTTPException:
        raise
    except Exception:
        # The outermost edge: one request fails, the broker goes on.
        LOG.exception("request failed", extra={"method": request.method, "path": request.path})
        return _response(Answer(500, b'{"error":"internal_server_error","reason":"Internal Server Error"}'))


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
        found = TABLE.find(path[1:])
        if request.method == "OPTIONS":
            return web.Response(headers={"Allow": found.allowed})
        route = found.route(request.method)
        answer = route.handler(await self._call(request, route), *found.names)
        if not isinstance(answer, Answer):
            answer = await answer
        return _response(answer)

    async def _call(self, request: web.Request, route: Route) -> Call:
        """Let the user in, and read the rest of the request."""
        facts = self._facts
        viewer = NOBODY
        if route.who != ANYBODY:
            viewer = await log_in(facts.context.logins, request.headers.get("Authorization"), request.remote)
            if route.who == ADMINISTRATOR:
                viewer.must_be_administrator()
        octets = b""
        if route.body is not None:
            octets = await request.read()
            if len(octets) > route.most_bytes > 0:
                raise bad_request(f"the body is longer than {route.most_bytes} octets")
        query = {**request.query, "x-vhost": request.headers.get("x-vhost", "")}
        return Call(facts, viewer, query, octets, request.headers, _address(request))

    def _page(self) -> str:
        metrics = "Prometheus metrics are off."
        for listener in self._facts.listeners:
            if listener.protocol == "http/prometheus":
                metrics = f"Prometheus metrics are at <code>/metrics</code> on port {listener.port}."
        return _PAGE.format(version=self._facts.node.product_version, metrics=metrics)


def _address(request: web.Request) -> str:
    peer = request.transport.get_extra_info("peername") if request.transport is not None else None
    return f"{request.remote}:{peer[1]}" if peer else str(request.remote)


def _response(answer: Answer) -> web.Response:
    """The answer as the library wants it; without a body it has no type either."""
    kind = answer.content_type if answer.body else None
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers, content_type=kind)
