"""Every page, light and dark, on a phone and at a desk: shown whole, and without a complaint of the browser."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from conformance.brokers import Broker
from conformance.console.conftest import DESK, PHONE
from conformance.http_api import ask

PAGES = {
    "overview": "overview",
    "topology": "topology",
    "queues": "queues",
    "exchanges": "exchanges",
    "connections": "connections",
    "channels": "channels",
    "consumers": "consumers",
    "users": "users",
    "vhosts": "vhosts",
    "policies": "policies",
    "limits": "limits",
    "definitions": "definitions",
    "log": "log",
    "queues-emails": "queues/%2F/emails",
    "queues-orders-us": "queues/%2F/orders.us",
    "queues-events": "queues/%2F/events",
    "exchanges-orders": "exchanges/%2F/orders",
    "exchanges-amq-default": "exchanges/%2F/amq.default",
    "users-guest": "users/guest",
    "topology-focus": "topology?vhost=%2F&focus=queue:audit.log",
}


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_shown_without_a_complaint(
    visit: Callable[..., Any], broker: Broker, theme: str, width: int
) -> None:
    visitor = visit(theme, width)
    visitor.come()
    visitor.page.locator("main").wait_for()
    _, connections = ask(broker, "GET", "/connections")
    mailer = next(each["name"] for each in connections if each["user_provided_name"] == "mailer")
    pages = PAGES | {
        "client": f"connections/{quote(mailer, safe='')}",
        "channel": f"channels/{quote(mailer + ' (1)', safe='')}",
    }
    for name, address in pages.items():
        visitor.go(address)
        assert visitor.page.locator("main h1").count() == 1, address
        assert not visitor.page.get_by_text("Try again").count(), address
        assert not visitor.page.get_by_text("It is not there").count(), address
        for nonsense in ("undefined", "NaN", "[object"):
            assert nonsense not in visitor.page.locator("main").inner_text(), address
        assert not visitor.page.locator("section.why:not(:has(li))").count(), f"{address} gives no reason"
        overflow = visitor.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert overflow <= 0, f"{address} is {overflow} px wider than the window"
        visitor.photograph(f"{name}-{theme}-{width}")
        assert visitor.complaints == [], address


@pytest.mark.usefixtures("traffic")
@pytest.mark.parametrize("address", ["overview", "queues/%2F/orders.us"])
def test_charts_move_while_messages_flow(visitor: Any, address: str) -> None:
    visitor.go(address)
    chart = visitor.page.locator("figure", has_text="Message rates")
    line = chart.locator("path.line").first
    line.wait_for(state="attached")
    before = line.get_attribute("d")
    visitor.page.wait_for_function(
        "([chart, before]) => chart.querySelector('path.line').getAttribute('d') !== before",
        arg=[chart.element_handle(), before],
    )
    published = chart.locator("li", has_text="Published").locator("b")
    assert float(published.inner_text().removesuffix("/s").replace(",", "")) > 0


@pytest.mark.usefixtures("traffic")
def test_a_chart_tells_the_values_under_the_pointer_and_the_arrow_keys(visitor: Any) -> None:
    visitor.go("overview")
    chart = visitor.page.locator("figure", has_text="Queued messages")
    chart.locator("path.line").first.wait_for(state="attached")
    drawing = chart.locator("svg")
    drawing.hover()
    assert chart.locator("line.cursor").count() == 1
    drawing.focus()
    drawing.press("ArrowLeft")
    assert chart.locator("figcaption time").inner_text() != ""
    visitor.page.keyboard.press("Tab")
    assert chart.locator("line.cursor").count() == 0


@pytest.mark.usefixtures("traffic")
def test_a_list_is_filtered_and_sorted_by_the_broker_and_the_address_keeps_it(visitor: Any) -> None:
    visitor.go("queues")
    visitor.page.get_by_placeholder("Filter queues by name").fill("orders")
    visitor.sees("2 queues of")
    visitor.page.get_by_role("button", name="Ready").click()
    visitor.page.locator("th[aria-sort='descending']", has_text="Ready").wait_for()
    assert "name=orders" in visitor.page.url
    assert "sort=messages_ready" in visitor.page.url
    visitor.page.reload()
    visitor.sees("2 queues of")
    visitor.page.get_by_placeholder("Filter queues by name").fill("nothing like that")
    visitor.click("Clear the filter")
    visitor.page.get_by_role("link", name="audit.log").wait_for()


@pytest.mark.usefixtures("traffic")
def test_a_half_typed_regular_expression_is_said_and_breaks_nothing(visitor: Any) -> None:
    visitor.expects(400)
    visitor.go("queues?regex=true")
    visitor.page.get_by_placeholder("Filter queues by name").fill("orders.(")
    visitor.page.locator("input[aria-invalid]").wait_for()
    visitor.page.get_by_placeholder("Filter queues by name").fill("orders.(eu|us)")
    visitor.sees("2 queues of")


@pytest.mark.usefixtures("traffic")
def test_the_topology_can_be_followed_with_the_keyboard(visitor: Any) -> None:
    visitor.go("topology")
    node = visitor.page.get_by_role("link", name="exchange audit")
    node.focus()
    node.press("Enter")
    visitor.sees("Show all")
    assert visitor.page.locator(".node-link.focus").count() == 1
    assert visitor.page.get_by_role("link", name="queue orders.us").count() == 0
    visitor.page.get_by_role("link", name="queue audit.log").click()
    visitor.page.locator(".node-link.focus.queue").wait_for()
    visitor.page.get_by_role("link", name="Open this queue").click()
    visitor.page.get_by_role("heading", name="audit.log").wait_for()


def test_the_menu_of_a_phone_opens_and_closes(visit: Callable[..., Any]) -> None:
    visitor = visit("light", PHONE)
    visitor.come()
    link = visitor.page.get_by_role("link", name="Virtual hosts")
    visitor.page.get_by_role("button", name="Menu").click()
    link.click()
    visitor.page.get_by_role("heading", name="Virtual hosts").wait_for()
    link.wait_for(state="hidden")


def test_the_theme_that_is_chosen_stays(visitor: Any) -> None:
    visitor.go("overview")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = visitor.page.evaluate(ground)
    visitor.page.get_by_label("Colours").select_option("dark")
    assert visitor.page.evaluate(ground) != light
    visitor.page.reload()
    visitor.page.locator(".menu").wait_for()
    assert visitor.page.evaluate(ground) != light


def test_the_first_press_of_tab_offers_to_skip_the_menu(visitor: Any) -> None:
    visitor.page.reload()
    visitor.page.locator(".menu").wait_for()
    visitor.page.keyboard.press("Tab")
    assert visitor.page.evaluate("document.activeElement.textContent") == "Skip to the content"
