"""One HTTP connection: aiohttp's side of it, with the manners that a port open to strangers needs."""

import asyncio
import logging
from typing import Final

import msgspec
from aiohttp import web

from broker.core.clock import Clock
from broker.management.api_app import SECURITY_HEADERS, Handler
from broker.net.amqp_socket import Arrival
from broker.net.complaints import Complaints
from broker.settings.http import HttpSettings

LOG: Final = logging.getLogger("broker.management")

# An idle connection is kept so long for the next request; a scraper comes every fifteen seconds, or every minute.
KEEP_ALIVE_S: Final = 75.0
_BAD_REQUEST: Final = msgspec.json.encode({"error": "bad_request", "reason": "not an HTTP request"})


class HttpPeer(web.RequestHandler):
    """Answers one peer, whose address is the one that the door says.

    Who does not come to a whole request in time is closed, or silent peers would take all descriptors. What is no
    request is refused without repeating it: aiohttp would log a traceback for each, and a header that it cannot read
    may be the one with the password.
    """

    def __init__(
        self,
        runner: web.AppRunner,
        arrival: Arrival,
        http: HttpSettings,
        *,
        limit_s: float,
        complaints: Complaints,
        clock: Clock,
    ) -> None:
        """Serve on the running loop.

        Args:
            runner: Of the application that answers.
            arrival: Who it is.
            http: What is borne from it.
            limit_s: Time from the accepted socket to the end of the first request's headers.
            complaints: Whether something may be logged about an address.
            clock: For these.
        """
        assert runner.server is not None
        super().__init__(
            runner.server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # as AppRunner passes it on
            keepalive_timeout=KEEP_ALIVE_S,
            auto_decompress=False,  # nobody packs a request, and what does not unpack would be logged with a traceback
            max_line_size=http.max_header_bytes,
            max_field_size=http.max_header_bytes,
            max_headers=http.max_headers,
        )
        self._arrival = arrival
        self._limit_s = limit_s
        self._complaints = complaints
        self._clock = clock
        self._deadline: asyncio.TimerHandle | None = None

    @property
    def peername(self) -> tuple[str, int]:
        """Where a request comes from; guest's loopback rule goes by it."""
        return self._arrival.host, int(self._arrival.port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        left_s = self._limit_s - (self._clock.monotonic_s() - self._arrival.accepted_s)
        self._deadline = asyncio.get_running_loop().call_later(max(left_s, 0.0), self.force_close)

    def connection_lost(self, exc: BaseException | None) -> None:
        self.arrived()
        super().connection_lost(exc)

    def arrived(self) -> None:
        """There is a request."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What came is no request, or we made a mistake."""
        # The library cannot encode its own text about an Expect header of odd octets; what goes wrong in our code does
        # not come as far as here.
        if status >= 500 and not isinstance(exc, UnicodeError):
            return super().handle_error(request, status, exc, message)
        host, port = self.peername
        if self._complaints.is_due(host, self._clock.monotonic_s()):
            LOG.warning("connection refused", extra={"peer": f"{host}:{port}", "reason": "not an HTTP request"})
        answer = web.Response(
            status=min(status, 400), body=_BAD_REQUEST, content_type="application/json", headers=SECURITY_HEADERS
        )
        answer.force_close()
        return answer


@web.middleware
async def note_arrival(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell the peer that its request is here."""
    peer = request.protocol
    if isinstance(peer, HttpPeer):
        peer.arrived()
    return await handler(request)
