"""The HTTP ports: API and metrics."""

from broker.server.engine import Engine
from broker.settings.model import Settings


class WebPorts:
    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self.http_address = ""
        self.metrics_address = ""

    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass
