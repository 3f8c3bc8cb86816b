"""The HTTP ports: API and metrics."""

import hashlib
import socket
from collections.abc import Callable

from aiohttp import web

from broker import __version__
from broker.management.api_app import api_app
from broker.management.facts import Facts
from broker.management.listener import Listener
from broker.management.metrics_app import metrics_app
from broker.metrics.machine import Machine
from broker.metrics.node import Node
from broker.metrics.scrape import Scraper
from broker.server.engine import Engine, cluster_name
from broker.settings.model import OFF, Settings

# A scrape or a list under way gets so long to end when the broker stops.
LAST_ANSWERS_S = 1.0


class WebPorts:
    """Opens and closes the two ports.

    Attributes:
        listeners: Every open port of the broker, AMQP included: the daemon adds that one.
        http_address: Address of the HTTP API as bound; empty while it is not open.
        metrics_address: The same of the metrics.
    """

    def __init__(self, settings: Settings, engine: Engine, attend: Callable[[], None]) -> None:
        """Build both applications over ``engine``; ``attend`` is called after each turn that a request makes."""
        self._settings = settings
        node = Node(
            name=f"ponymq@{socket.gethostname()}",
            cluster_name=cluster_name(settings),
            # The store's key is random and made with the data directory: what it names is this broker for good.
            cluster_id=hashlib.sha256(str(engine.store.key).encode()).hexdigest()[:22],
            product_version=__version__,
            rabbitmq_version=settings.amqp.version,
            started_s=engine.context.clock.monotonic_s(),
        )
        self.listeners: list[Listener] = []
        facts = Facts(engine.context, node, self.listeners, attend)
        scraper = Scraper(engine.turn, facts.peers, node, Machine(settings.data_dir), engine.context.clock)
        self._api = api_app(facts)
        self._metrics = metrics_app(scraper)
        self._runners: list[web.AppRunner] = []
        self.http_address = ""
        self.metrics_address = ""

    async def open(self) -> None:
        """Open the ports that are not switched off.

        Raises:
            OSError: An address cannot be had.
        """
        self.http_address = await self._serve("http", self._settings.http_port, self._api)
        self.metrics_address = await self._serve("http/prometheus", self._settings.metrics_port, self._metrics)

    async def _serve(self, protocol: str, port: int, app: web.Application) -> str:
        if port == OFF:
            return ""
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._runners.append(runner)
        host = self._settings.bind
        await web.TCPSite(runner, host, port, shutdown_timeout=LAST_ANSWERS_S).start()
        bound = int(runner.addresses[0][1])
        self.listeners.append(Listener(protocol, host, bound))
        return f"{host}:{bound}"

    async def close(self) -> None:
        """Close them; answers under way may end."""
        for runner in self._runners:
            await runner.cleanup()
