"""One broker process, from its settings to its exit code."""

import asyncio
import gc
import logging
import os
import resource
import signal
import time

import uvloop

from broker.management.listener import Listener
from broker.metrics.machine import Machine
from broker.net.listener import bound_port, listen
from broker.server.banner import StartReport, announce
from broker.server.engine import Engine
from broker.server.heart import Heart
from broker.server.logs import set_up_logging
from broker.server.notify import ServiceManager
from broker.server.resources import ResourceMonitor
from broker.server.web import WebPorts
from broker.settings.exposure import bind_refusal
from broker.settings.model import Settings
from broker.store.errors import StoreError

LOG = logging.getLogger("broker.server")

EXIT_FAILED = 1
# Allocations between two looks of the collector. Messages hold no cycles, so it would only walk over them: at the
# default of 700 it takes a tenth of the time of a long backlog.
GC_THRESHOLD = 100_000


def run(settings: Settings) -> int:
    """Serve until a signal comes. Returns the exit code of the process: 0 after an orderly stop."""
    set_up_logging(settings.log.level, settings.log.format)
    refusal = bind_refusal(settings, [settings.default_user])
    if refusal is not None:
        LOG.critical("not started", extra={"reason": refusal})
        return EXIT_FAILED
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

    async def serve(self) -> int:
        """Open everything, wait for a signal or a failure, close everything."""
        gc.disable()  # a million recovered messages hold no garbage; looking through them again and again takes long
        try:
            engine = Engine(self._settings)
        except StoreError as error:
            LOG.critical("not started", extra={"reason": str(error)})
            return EXIT_FAILED
        settings = self._settings
        machine = Machine(settings.data_dir)
        monitor = ResourceMonitor(engine.context.alarms, machine, settings.limits, settings.store.segment_bytes)
        monitor.look(engine.context.clock.monotonic_s())  # before the first client can publish
        heart = Heart(engine.context, self._stop_wanted.set, monitor)
        web = WebPorts(settings, engine, heart.attend)
        self._catch_signals()
        try:
            server = await self._open(engine, heart, web)
        except OSError as error:
            LOG.critical("not started", extra={"reason": f"cannot listen: {error}"})
            await web.close()
            await heart.stop()
            engine.close()
            return EXIT_FAILED
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_THRESHOLD, 50, 50)
        gc.enable()
        await self._stop_wanted.wait()
        return await self._close(server, engine, heart, web)

    async def _open(self, engine: Engine, heart: Heart, web: WebPorts) -> asyncio.Server:
        settings = self._settings
        await web.open()
        # Last of all: a client that reaches it finds everything behind it.
        server = await listen(settings.bind, settings.port, engine.context, heart)
        port = bound_port(server)
        web.listeners.insert(0, Listener("amqp", settings.bind, port))
        announce(
            StartReport(
                amqp=f"{settings.bind}:{port}",
                http=web.http_address,
                metrics=web.metrics_address,
                data_dir=engine.store.directory.path,
                event_loop="uvloop" if settings.uvloop else "asyncio",
                recovered=engine.recovered,
                start_ms=int((time.monotonic() - self._began_s) * 1000),
            )
        )
        self._manager.ready(f"listening on {settings.bind}:{port}")
        return server

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: signal.Signals) -> None:
        if self._stop_wanted.is_set():
            LOG.warning("stopped at once: a second signal came", extra={"signal": number.name})
            os._exit(EXIT_FAILED)
        LOG.info("stopping", extra={"signal": number.name})
        self._stop_wanted.set()

    async def _close(self, server: asyncio.Server, engine: Engine, heart: Heart, web: WebPorts) -> int:
        """Stop accepting, close the clients with 320, sync, let go of the data directory."""
        self._manager.stopping()
        server.close()
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
