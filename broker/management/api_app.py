"""The HTTP API's application: who asks, for what, and how an answer or a refusal leaves."""

import logging
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web

from broker.auth.remote import Undecided
from broker.management.access import NOBODY, Viewer, log_in
from broker.management.answers import Answer
from broker.management.api_table import TABLE
from broker.management.call import Call
from broker.management.console_files import ConsoleFiles
from broker.management.console_login import ConsoleLogin
from broker.management.console_sessions import LIFE_S, Sessions
from broker.management.facts import Facts
from broker.management.local_access import local_viewer
from broker.management.pages import reference_page
from broker.management.parts import send_parts
from broker.management.paths import segments
from broker.management.refusals import Refusal, bad_request
from broker.management.routes import ADMINISTRATOR, ANYBODY, Route

SESSION: Final = [b"api", b"ponymq", b"session"]
LOG: Final = logging.getLogger("broker.management")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SECURITY_HEADERS: Final = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Server": "PonyMQ",
    "Vary": "accept, accept-encoding, origin",
    "X-Content-Type-Options": "nosniff",
}


def api_app(facts: Facts, max_body_bytes: int = 0, session_life_s: float = LIFE_S) -> web.Application:
    """The application for the HTTP port.

    Args:
        facts: What it answers from. Its ``listeners`` may be filled in later.
        max_body_bytes: Largest body of a request; 0 for any.
        session_life_s: How long a login to the web console lasts at most, seconds.
    """
    api = Api(facts, session_life_s)
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

    def __init__(self, facts: Facts, session_life_s: float) -> None:
        self._facts = facts
        context = facts.context
        self._files = ConsoleFiles()
        self._reference = reference_page(TABLE.routes, facts.node.product_version)
        self._console = ConsoleLogin(context.logins, Sessions(context.users, context.clock, session_life_s))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request.

        Raises:
            Refusal: Whatever is wrong with it.
        """
        path = segments(request.raw_path)
        if path[:1] != [b"api"]:
            return self._files.answer(request, path)
        if path == SESSION:
            return await self._console.answer(request)
        if path == [b"api"]:
            raise web.HTTPFound("/api/index.html")
        if path == [b"api", b"index.html"]:
            return _page(self._reference)
        found = TABLE.find(path[1:])
        if request.method == "OPTIONS":
            return web.Response(headers={"Allow": found.allowed})
        route = found.route(request.method)
        answer = await self._answer(route, await self._call(request, route), found.names)
        if answer.parts:
            return await send_parts(request, answer.parts, {"Content-Type": answer.content_type})
        return _response(answer)

    async def _answer(self, route: Route, call: Call, names: tuple[bytes, ...]) -> Answer:
        while True:
            try:
                answer = route.handler(call, *names)
                return answer if isinstance(answer, Answer) else await answer
            except Undecided as undecided:
                # Rights are looked at before anything is changed, so all of it can be done again.
                await call.viewer.find_out(self._facts.context.logins, undecided)

    async def _viewer(self, request: web.Request) -> Viewer:
        """Who asks: over the local socket, by the console's session, or with a password in the request."""
        viewer = local_viewer(request, self._facts.context.turn.vhosts) or self._console.viewer(request)
        if viewer is not None:
            return viewer
        return await log_in(self._facts.context.logins, request.headers.get("Authorization"), request.remote)

    async def _call(self, request: web.Request, route: Route) -> Call:
        """Let the user in, and read the rest of the request."""
        facts = self._facts
        viewer = NOBODY
        if route.who != ANYBODY:
            viewer = await self._viewer(request)
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
