"""Fixtures for the console: one browser, a window for each test, and traffic to look at."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

import pytest

from conformance.brokers import Broker

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from conformance.console.visitor import Visitor

PHONE: Final = 390
DESK: Final = 1280
HEIGHTS: Final = {PHONE: 844, DESK: 900}


# Of the package, not of the session: while the driver runs there is an event loop, which tests of clients cannot bear.
@pytest.fixture(scope="package")
def browser(broker_name: str) -> "Iterator[Browser]":
    """Debian's Chromium."""
    if broker_name != "ponymq":
        pytest.skip("the console is PonyMQ's own")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make console-test")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no Chromium here (Debian: apt install chromium)")
    with playwright.sync_playwright() as driver:
        # Root, as in a container, has no sandbox; what is looked at is our own.
        opened = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: "Browser", broker: Broker) -> "Iterator[Callable[..., Visitor]]":
    """Opens windows; every complaint of the browser fails the test."""
    from conformance.console.visitor import Visitor  # noqa: PLC0415 - needs playwright

    visitors: list[Visitor] = []
    with ExitStack() as stack:

        def open_window(theme: str = "light", width: int = DESK) -> Visitor:
            viewport = {"width": width, "height": HEIGHTS[width]}
            context = browser.new_context(viewport=viewport, color_scheme=theme, reduced_motion="reduce")
            stack.callback(context.close)
            visitors.append(Visitor(context, broker))
            return visitors[-1]

        yield open_window
        for visitor in visitors:
            assert visitor.complaints == []


@pytest.fixture
def visitor(visit: "Callable[..., Visitor]") -> "Visitor":
    """An administrator at a desk."""
    opened = visit()
    opened.come()
    opened.page.locator(".menu").wait_for()
    return opened


@pytest.fixture(scope="package")
def traffic(broker: Broker) -> Iterator[None]:
    """Messages flow."""
    from conformance.console.traffic import Traffic  # noqa: PLC0415 - only if there is a browser

    with Traffic(broker):
        yield
