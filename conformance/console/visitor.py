"""Somebody who looks at the console, and hears every complaint of the browser."""

from pathlib import Path
from typing import Final

from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response

from conformance.brokers import CHECKOUT, Broker

SCREENSHOTS: Final = CHECKOUT / "build" / "screenshots"
PATIENCE_MS: Final = 10_000.0
OFTEN: Final = "localStorage.setItem('ponymq.interval', '1')"


class Visitor:
    """One browser window on the console.

    Attributes:
        page: The window.
        complaints: What went wrong in it, but for what ``expects`` names.
    """

    def __init__(self, context: BrowserContext, broker: Broker) -> None:
        self._address = f"http://{broker.host}:{broker.http_port}/"
        self.complaints: list[str] = []
        self._expected: set[int] = set()
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.page.add_init_script(OFTEN)
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"exception: {error}"))
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def expects(self, *statuses: int) -> None:
        """Refusals with these statuses are what the test is about."""
        self._expected = set(statuses)

    def come(self, user: str = "guest", password: str = "guest") -> None:  # noqa: S107 - RabbitMQ's default
        """Open the console and log in."""
        self.page.goto(self._address)
        self.page.get_by_label("User name").fill(user)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def go(self, address: str) -> None:
        """Open the page at ``#/address``, and wait until the broker has answered."""
        self.page.goto(f"{self._address}#/{address}")
        self.page.locator("main:not([aria-busy])").wait_for()

    def click(self, text: str) -> None:
        """Press the button that says ``text``; one of the dialog, if there is one."""
        self.place.get_by_role("button", name=text, exact=True).first.click()

    def fill(self, **fields: str) -> None:
        """Fill in fields by their names; ``__`` stands for a hyphen."""
        for name, value in fields.items():
            self.place.locator(f"[name='{name.replace('__', '-')}']").fill(value)

    @property
    def place(self) -> Page | Locator:
        """Where one can click: the dialog, or the page."""
        dialog = self.page.locator("dialog")
        return dialog if dialog.count() else self.page

    def sees(self, text: str) -> None:
        """Wait for a text."""
        self.page.get_by_text(text).first.wait_for()

    def photograph(self, name: str) -> Path:
        """Leave a picture of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path, full_page=True)
        return path

    def _console(self, message: ConsoleMessage) -> None:
        # A refusal is said twice: by the response, which knows its status, and by this.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        # A page that is left aborts its questions.
        if request.failure != "net::ERR_ABORTED":
            self.complaints.append(f"request: {request.method} {request.url}: {request.failure}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self._expected:
            self.complaints.append(f"answer: {response.status} {response.request.method} {response.url}")
