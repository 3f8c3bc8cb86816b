"""The HTTP API's application: who asks, for what, and how an answer or a refusal leaves."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from broker.management.access import NOBODY, log_in
from broker.management.answers import Answer
from broker.management.api_table import TABLE
from broker.management.call import Call
from broker.management.facts import Facts
from broker.management.pages import front_page, reference_page
from broker.management.paths import segments
from broker.management.refusals import Refusal, bad_request, not_found
from broker.management.routes import ADMINISTRATOR, ANYBODY, Route

LOG: Final = logging.getLogger("broker.management")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECURITY_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Server": "PonyMQ",
    "Vary": "accept, accept-encoding, origin",
    "X-Content-Type-Options": "nosniff",
}


def api_app(facts: Facts, max_body_bytes: int = 0) -> web.Application:
    """The application for the HTTP port.

    Args:
        facts: What it answers from. Its ``listeners`` may be filled in later.
        max_body_bytes: Largest body of a request; 0 for any.
    """
    api = Api(facts)
    app = web.Application(middlewares=[guard], client_max_size=max_body_bytes)
    app.router.add_route("*", r"/{path:[\s\S]*}", api.handle)  # a name in a path may hold a line feed
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
    except web.HTTPException as error:
        if error.status < 400:
            raise
        allow = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
        body = Refusal(error.status, error.reason, error.text or error.reason).body
        return _response(Answer(error.status, body, headers=allow))
    except (ConnectionError, web.RequestPayloadError):
        # The body broke off, or is not framed as HTTP has it: nobody's defect here, and nobody may be there to hear it.
        return _response(Answer(400, bad_request("the body of the request is not whole").body))
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
            return _page(front_page(self._facts))
        if path[0] != b"api":
            raise not_found()
        if path == [b"api"]:
            raise web.HTTPFound("/api/index.html")
        if path == [b"api", b"index.html"]:
            return _page(reference_page(TABLE.routes, self._facts.node.product_version))
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
            if viewer.user.is_deleted:  # while the body was on its way
                raise Refusal(401, "not_authorized", "Not_Authorized")
            if len(octets) > route.most_bytes > 0:
                raise bad_request(f"the body is longer than {route.most_bytes} octets")
        query = {**request.query, "x-vhost": request.headers.get("x-vhost", "")}
        return Call(facts, viewer, query, octets, request.headers, _address(request))


def _page(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/html")


def _address(request: web.Request) -> str:
    peer = request.protocol.peername  # behind a proxy, the one that it has announced
    return f"{peer[0]}:{peer[1]}" if isinstance(peer, tuple) else str(request.remote)


def _response(answer: Answer) -> web.Response:
    """The answer as the library wants it; without a body it has no type either."""
    kind = answer.content_type if answer.body else None
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers, content_type=kind)
