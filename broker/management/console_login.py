"""The web console's way in: a session in a cookie, which counts only together with a header.

A page of somebody else can make a browser send the cookie, but not the header: browsers ask before they send it across
origins, and nobody here says yes. No answer to a request with the header asks for Basic credentials, so that the
browser's own dialog never covers the console's.
"""

import logging
from typing import Final

from aiohttp import web
from msgspec import Struct

from broker.auth.logins import Logins
from broker.auth.users import User
from broker.management.access import Viewer, identified, is_loopback, let_in
from broker.management.console_sessions import Sessions
from broker.management.refusals import Refusal, bad_request
from broker.management.request_body import body_as
from broker.metrics.text import shown

AUDIT: Final = logging.getLogger("broker.audit")

COOKIE: Final = "ponymq_session"
HEADER: Final = "X-Requested-With"
HEADER_VALUE: Final = "PonyMQ"
LONGEST: Final = 1024  # octets; no password or name that can be set is longer


class LoginBody(Struct):
    """What ``POST /ponymq/session`` is given."""

    username: str
    password: str


class ConsoleLogin:
    """Opens and closes the console's sessions, and tells whose a request is."""

    def __init__(self, logins: Logins, sessions: Sessions) -> None:
        self._logins = logins
        self._sessions = sessions

    def viewer(self, request: web.Request) -> Viewer | None:
        """Who asks; None for a request that is not the console's, or that logs in in another way.

        Raises:
            Refusal: 401, the session is over.
        """
        if request.headers.get(HEADER) != HEADER_VALUE or "Authorization" in request.headers:
            return None
        user = self._user(request)
        if user is None:
            raise Refusal(401, "not_authorized", "Not_Authorized")
        return let_in(user)

    async def answer(self, request: web.Request) -> web.Response:
        """Log in (POST) or out (DELETE), or tell whether somebody is (GET), which needs no login.

        Raises:
            Refusal: 401, 400, or 405.
        """
        if request.headers.get(HEADER) != HEADER_VALUE:
            raise bad_request(f"the header {HEADER}: {HEADER_VALUE} is missing")
        if request.method == "POST":
            return await self._log_in(request)
        if request.method == "GET":
            return web.json_response({"is_open": self._user(request) is not None})
        if request.method != "DELETE":
            raise Refusal(405, "method_not_allowed", "Method Not Allowed", headers={"Allow": "GET, POST, DELETE"})
        self._sessions.close(request.cookies.get(COOKIE, ""))
        response = web.Response(status=204)
        response.del_cookie(COOKIE, httponly=True, samesite="Strict", secure=request.secure)
        return response

    def _user(self, request: web.Request) -> User | None:
        return self._sessions.user(request.cookies.get(COOKIE, ""), is_loopback(request.remote))

    async def _log_in(self, request: web.Request) -> web.Response:
        body = body_as(await request.read(), LoginBody)
        name, password = body.username.encode(), body.password.encode()
        if max(len(name), len(password)) > LONGEST:
            raise Refusal(401, "not_authorized", "Not_Authorized")
        user = await identified(self._logins, name, password, request.remote)
        let_in(user)
        AUDIT.info("session opened", extra={"user": shown(name), "peer": request.remote})
        response = web.Response(status=204)
        response.set_cookie(
            COOKIE,
            self._sessions.open(user),
            max_age=int(self._sessions.life_s),
            httponly=True,
            samesite="Strict",
            secure=request.secure,
        )
        return response
