"""Every test here runs on asyncio's loop and on uvloop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio
import uvloop

from broker.settings.amqp import AmqpSettings
from tests.net.port import Port


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    del config, item
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


@pytest_asyncio.fixture
async def port(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Port]:
    """An open AMQP port; ``parametrize("port", [AmqpSettings(…)], indirect=True)`` gives it other settings."""
    amqp: AmqpSettings = getattr(request, "param", AmqpSettings())
    opened = Port(tmp_path / "data", amqp)
    await opened.open()
    yield opened
    await opened.close()
