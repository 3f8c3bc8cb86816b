"""The application of the metrics port."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Final

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from broker.management.api_app import add_headers, guard
from broker.management.pace import Pace
from broker.management.parts import send_parts
from broker.metrics.machine import MachineFigures
from broker.metrics.name_pattern import name_pattern
from broker.metrics.scrape import Filter, Scraper

_PAGE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>PonyMQ metrics</title></head>
<body><h1>PonyMQ metrics</h1><ul>
<li><a href="/metrics">/metrics</a>: sums over the whole broker</li>
<li><a href="/metrics/per-object">/metrics/per-object</a>: every queue, channel and connection</li>
<li><a href="/metrics/detailed?family=queue_coarse_metrics">/metrics/detailed?family=…</a>: chosen families</li>
</ul></body></html>
"""


def metrics_app(scraper: Scraper) -> web.Application:
    """The application for the metrics port. It asks for no login, as RabbitMQ's does not.

    Args:
        scraper: Reads the broker.
    """
    door = MetricsDoor(scraper)
    app = web.Application(middlewares=[guard])
    app.router.add_get("/", _page)
    app.router.add_get("/metrics", door.aggregated)
    app.router.add_get("/metrics/per-object", door.per_object)
    app.router.add_get("/metrics/detailed", door.detailed)
    app.router.add_get("/metrics/{name:.*}", _unknown)
    app.on_response_prepare.append(add_headers)
    return app


class MetricsDoor:
    """Serves scrapes, one at a time: a second one waits, so that together they take no more of the loop than one."""

    def __init__(self, scraper: Scraper) -> None:
        self._scraper = scraper
        self._one = asyncio.Lock()

    async def aggregated(self, request: web.Request) -> web.StreamResponse:
        """``/metrics``."""
        return await self._answer(request, self._scraper.aggregated)

    async def per_object(self, request: web.Request) -> web.StreamResponse:
        """``/metrics/per-object``."""
        return await self._answer(request, self._scraper.per_object)

    async def detailed(self, request: web.Request) -> web.StreamResponse:
        """``/metrics/detailed``."""
        query = request.query
        asked = Filter(
            frozenset(query.getall("family", [])), frozenset(query.getall("vhost", [])), query.get("queue", "")
        )
        try:
            name_pattern(asked.queue)
        except ValueError as error:
            return web.Response(status=400, text=str(error))
        return await self._answer(request, lambda figures: self._scraper.detailed(asked, figures))

    async def _answer(
        self, request: web.Request, scrape: Callable[[MachineFigures], Iterator[bytes]]
    ) -> web.StreamResponse:
        parts: list[bytes] = []
        async with self._one:
            # On another thread: it lists every open file.
            figures = await asyncio.to_thread(self._scraper.machine.look)
            pace = Pace()
            for piece in scrape(figures):
                parts.append(piece)
                if pace.is_over:
                    await pace.rest()
        return await send_parts(request, parts, {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4})


async def _page(_: web.Request) -> web.Response:
    return web.Response(text=_PAGE, content_type="text/html")


async def _unknown(_: web.Request) -> web.Response:
    return web.Response(status=404, text="Unknown Registry")
