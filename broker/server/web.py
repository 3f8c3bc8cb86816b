"""The HTTP ports: API and metrics."""

import hashlib
import logging
from collections.abc import Callable

from aiohttp import web

from broker import __version__
from broker.management.api_app import api_app
from broker.management.facts import Facts
from broker.management.listener import Listener, addresses
from broker.management.metrics_app import metrics_app
from broker.metrics.machine import Machine
from broker.metrics.node import Node
from broker.metrics.scrape import Scraper
from broker.net.complaints import Complaints
from broker.net.connection_rate import ConnectionRate
from broker.net.door import Door, open_sockets
from broker.net.listener import bound_port
from broker.server.engine import Engine, cluster_name, node_name
from broker.server.http_peer import HttpPeer, note_arrival
from broker.server.local_socket import local_socket_path, open_local_socket, remove_local_socket
from broker.server.logs import RingHandler
from broker.server.tls_files import TlsFiles, certificates_of
from broker.settings.effective import effective_text
from broker.settings.listeners import Listeners, ListenerSettings
from broker.settings.model import OFF, Settings

# A scrape or a list under way gets so long to end when the broker stops.
LAST_ANSWERS_S = 1.0
BACKLOG = 128


class WebPorts:
    """Opens and closes the ports.

    Attributes:
        facts: What the API answers from.
        listeners: Every open port of the broker, AMQP included: the daemon adds those.
        http_address: Addresses of the HTTP API as bound; empty while it is not open.
        metrics_address: The same of the metrics.
    """

    def __init__(self, settings: Settings, engine: Engine, tls_files: TlsFiles, attend: Callable[[], None]) -> None:
        """Build both applications over ``engine``; ``attend`` is called after each turn that a request makes."""
        self._settings = settings
        self._tls_files = tls_files
        node = Node(
            name=node_name(),
            cluster_name=cluster_name(settings),
            # The store's key is random and made with the data directory: what it names is this broker for good.
            cluster_id=hashlib.sha256(str(engine.store.key).encode()).hexdigest()[:22],
            product_version=__version__,
            rabbitmq_version=settings.amqp.version,
            started_s=engine.context.clock.monotonic_s(),
        )
        self.listeners: list[Listener] = []
        machine = Machine(settings.data_dir)
        mode = settings.management.rates_mode
        facts = Facts(engine.context, node, self.listeners, engine.administration, attend, machine, mode)
        facts.configuration = effective_text(settings)
        if not settings.cluster_name:
            facts.take_cluster_name()
        self.facts = facts
        # A machine of its own for the scraper: it is looked at on another thread.
        scraper = Scraper(engine.turn, facts.peers, node, Machine(settings.data_dir), engine.context.clock)
        self._log = RingHandler(facts.log)
        self._api = api_app(facts, settings.http.max_body_bytes, settings.management.login_session_timeout_s)
        self._metrics = metrics_app(scraper)
        self._clock = engine.context.clock
        self._complaints = Complaints()
        self._runners: list[web.AppRunner] = []
        self._doors: list[Door] = []
        self._local_path = local_socket_path(settings)
        self._has_local = False
        self.http_address = ""
        self.metrics_address = ""

    async def open(self) -> None:
        """Open the ports that are not switched off.

        Raises:
            OSError: An address cannot be had.
        """
        logging.getLogger().addHandler(self._log)
        settings = self._settings
        listeners = settings.listeners
        self.http_address = await self._serve("http", settings.http_port, listeners.http, self._api)
        self.metrics_address = await self._serve("metrics", settings.metrics_port, listeners.metrics, self._metrics)
        await self._serve_locally(self._runners[0])

    async def _serve_locally(self, runner: web.AppRunner) -> None:
        """Serve the HTTP API on the local socket as well."""
        listening = open_local_socket(self._local_path) if self._local_path is not None else None
        if listening is not None:
            self._has_local = True
            await web.SockSite(runner, listening).start()

    async def _serve(self, group: str, port: int, further: Listeners, app: web.Application) -> str:
        http = self._settings.http
        limit_s = self._settings.amqp.handshake_timeout_s
        app.middlewares.append(note_arrival)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=LAST_ANSWERS_S)
        await runner.setup()
        self._runners.append(runner)
        suffix = "" if group == "http" else "/prometheus"
        plain = [] if port == OFF else [ListenerSettings(port=port)]
        keys = [""] * len(plain) + [f"listeners.{group}[{number}]" for number in range(len(further))]
        opened: list[Listener] = []
        for key, listener in zip(keys, [*plain, *further], strict=True):
            host = listener.bind or self._settings.bind
            tls = self._tls_files.of(key)
            door = Door(
                await open_sockets(host, listener.port, BACKLOG),
                lambda arrival: HttpPeer(
                    runner, arrival, http, limit_s=limit_s, complaints=self._complaints, clock=self._clock
                ),
                tls=tls,
                has_proxy=listener.proxy_protocol,
                limit_s=limit_s,
                rate=ConnectionRate(self._settings.amqp.max_connection_rate),
                complaints=self._complaints,
                clock=self._clock,
            )
            self._doors.append(door)
            scheme = "http" if tls is None else "https"
            certificates = certificates_of(listener.tls)
            opened.append(Listener(f"{scheme}{suffix}", host, bound_port(door), tls is not None, certificates))
        self.listeners += opened
        return addresses(opened)

    async def close(self) -> None:
        """Close them; answers under way may end."""
        logging.getLogger().removeHandler(self._log)
        for door in self._doors:
            door.close()
        for runner in self._runners:
            await runner.cleanup()
        if self._has_local and self._local_path is not None:
            remove_local_socket(self._local_path)
