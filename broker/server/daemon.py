"""One broker process, from its settings to its exit code."""

import asyncio
import gc
import logging
import os
import resource
import signal
import time

import uvloop

from broker.management.listener import Listener, addresses
from broker.metrics.machine import Machine
from broker.net.door import Door
from broker.net.listener import AmqpListeners, bound_port
from broker.net.tls import TlsError
from broker.server.backends import BackendError, Backends
from broker.server.banner import StartReport, announce
from broker.server.definitions_file import DefinitionsError, load_definitions
from broker.server.engine import Engine, ExposureError
from broker.server.heart import Heart
from broker.server.logs import set_up_logging
from broker.server.notify import ServiceManager
from broker.server.password_workers import PasswordWorkers
from broker.server.resources import ResourceMonitor
from broker.server.sampling import Sampling
from broker.server.tls_files import TlsFiles, certificates_of
from broker.server.web import WebPorts
from broker.settings.model import OFF, Settings
from broker.store.errors import StoreError

LOG = logging.getLogger("broker.server")

EXIT_FAILED = 1
# Allocations between two looks of the collector. Messages hold no cycles, so it would only walk over them: at the
# default of 700 it takes a tenth of the time of a long backlog.
GC_THRESHOLD = 100_000


def run(settings: Settings) -> int:
    """Serve until a signal comes. Returns the exit code of the process: 0 after an orderly stop."""
    set_up_logging(settings.log.level, settings.log.format)
    _raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if settings.uvloop else None) as runner:
        return runner.run(Daemon(settings).serve())


def _raise_file_limit() -> None:
    """Every connection is a file: take as many as we may have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


class Daemon:
    """Start and stop, in order."""

    def __init__(self, settings: Settings) -> None:
        """Serve as ``settings`` say; nothing is opened yet."""
        self._settings = settings
        self._began_s = time.monotonic()
        self._stop_wanted = asyncio.Event()
        self._manager = ServiceManager(os.environ)
        self._ports: list[asyncio.Server | Door] = []

    async def serve(self) -> int:
        """Open everything, wait for a signal or a failure, close everything."""
        try:
            tls_files = TlsFiles(self._settings)
        except TlsError as error:
            LOG.critical("not started", extra={"reason": str(error)})
            return EXIT_FAILED
        gc.disable()  # a million recovered messages hold no garbage; looking through them again and again takes long
        try:
            engine = Engine(self._settings)
        except (StoreError, ExposureError) as error:
            LOG.critical("not started", extra={"reason": str(error)})
            return EXIT_FAILED
        settings = self._settings
        machine = Machine(settings.data_dir)
        monitor = ResourceMonitor(engine.context.alarms, machine, settings.limits, settings.store.segment_bytes)
        monitor.look(engine.context.clock.monotonic_s())  # before the first client can publish
        heart = Heart(engine.context, self._stop_wanted.set, monitor)
        workers = PasswordWorkers()
        engine.context.logins.checker = workers
        try:
            backends = Backends(settings.auth, engine.context.logins, engine.context.clock)
        except BackendError as error:
            LOG.critical("not started", extra={"reason": str(error)})
            await self._give_up(engine, heart, workers)
            return EXIT_FAILED
        web = WebPorts(settings, engine, tls_files, heart.attend)
        sampling = Sampling(web.facts.sampler, Machine(settings.data_dir))
        self._catch_signals(tls_files, backends)
        try:
            await self._open(engine, heart, web, tls_files)
        except (OSError, DefinitionsError, ExposureError) as error:
            reason = f"cannot listen: {error}" if isinstance(error, OSError) else str(error)
            LOG.critical("not started", extra={"reason": reason})
            self._close_ports()
            await sampling.stop()
            await web.close()
            await backends.stop()
            await self._give_up(engine, heart, workers)
            return EXIT_FAILED
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 50, 50)
        gc.enable()
        await self._stop_wanted.wait()
        await sampling.stop()
        return await self._close(engine, heart, web, workers, backends)

    async def _give_up(self, engine: Engine, heart: Heart, workers: PasswordWorkers) -> None:
        """The start has failed: close what is open by then."""
        await workers.stop()
        await heart.stop()
        engine.close()

    async def _open(self, engine: Engine, heart: Heart, web: WebPorts, tls_files: TlsFiles) -> None:
        settings = self._settings
        if settings.definitions.file:
            await load_definitions(settings, engine, web.facts)
        await web.open()
        # Last of all: a client that reaches it finds everything behind it.
        listeners = AmqpListeners(engine.context, heart, settings.amqp.max_connection_rate)
        opened: list[Listener] = []
        if settings.port != OFF:
            server: asyncio.Server | Door = await listeners.listen(settings.bind, settings.port)
            self._ports.append(server)
            opened.append(Listener("amqp", settings.bind, bound_port(server)))
        for number, listener in enumerate(settings.listeners.amqp):
            host = listener.bind or settings.bind
            tls = tls_files.of(f"listeners.amqp[{number}]")
            server = await listeners.listen(host, listener.port, tls, has_proxy=listener.proxy_protocol)
            self._ports.append(server)
            protocol = "amqp" if tls is None else "amqp/ssl"
            certificates = certificates_of(listener.tls)
            opened.append(Listener(protocol, host, bound_port(server), tls is not None, certificates))
        web.listeners[:0] = opened
        amqp = addresses(opened)
        announce(
            StartReport(
                amqp=amqp,
                http=web.http_address,
                metrics=web.metrics_address,
                data_dir=engine.store.directory.path,
                event_loop="uvloop" if settings.uvloop else "asyncio",
                recovered=engine.recovered,
                start_ms=int((time.monotonic() - self._began_s) * 1000),
            )
        )
        self._manager.ready(f"listening on {amqp}")

    def _catch_signals(self, tls_files: TlsFiles, backends: Backends) -> None:
        def reload() -> None:
            tls_files.reload()
            backends.reload()

        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, reload)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: signal.Signals) -> None:
        if self._stop_wanted.is_set():
            LOG.warning("stopped at once: a second signal came", extra={"signal": number.name})
            os._exit(EXIT_FAILED)
        LOG.info("stopping", extra={"signal": number.name})
        self._stop_wanted.set()

    def _close_ports(self) -> None:
        for port in self._ports:
            port.close()

    async def _close(
        self, engine: Engine, heart: Heart, web: WebPorts, workers: PasswordWorkers, backends: Backends
    ) -> int:
        """Stop accepting, close the clients with 320, sync, let go of the data directory."""
        self._manager.stopping()
        self._close_ports()
        engine.context.is_stopping = True
        connections = engine.context.connections
        engine.turn.begin()
        for connection in list(connections.values()):
            connection.force_close("broker forced connection closure with reason 'shutdown'")
        engine.turn.finish()
        heart.attend()
        # A client that only publishes reads nothing until it publishes again, so it does not answer our close; by then
        # the frame is in its socket, and the socket can be closed behind it.
        deadline_s = time.monotonic() + self._settings.shutdown_grace_s
        while connections and time.monotonic() < deadline_s and heart.failure is None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # the end of the last connection is no event of the loop's
        for connection in list(connections.values()):
            connection.transport.close()
        await web.close()
        await backends.stop()
        await workers.stop()
        await heart.stop()
        try:
            engine.close()
        except StoreError as error:
            LOG.critical("the last sync failed", extra={"reason": str(error)})
            return EXIT_FAILED
        if heart.failure is not None:
            return EXIT_FAILED
        LOG.info("stopped")
        return 0
