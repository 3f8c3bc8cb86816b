"""Coming in, staying in, and being sent out."""

from collections.abc import Callable
from typing import Any

from conformance.brokers import Broker
from conformance.http_api import put_user


def test_a_wrong_password_is_said_and_the_right_one_lets_in(visit: Callable[..., Any]) -> None:
    visitor = visit()
    visitor.expects(401)
    visitor.come(password="wrong")  # noqa: S106
    visitor.sees("The user name or the password is wrong.")
    visitor.photograph("login-refused")
    visitor.page.get_by_label("Password").fill("guest")
    visitor.page.keyboard.press("Enter")
    visitor.page.get_by_role("heading", name="Overview").wait_for()


def test_a_user_without_a_tag_is_told_what_is_missing(visit: Callable[..., Any], broker: Broker, name: str) -> None:
    put_user(broker, name, "apple")
    visitor = visit()
    visitor.expects(401)
    visitor.come(name, "apple")
    visitor.sees("This user has no tag that lets it into the console")


def test_a_user_sees_only_the_pages_that_the_tags_allow(visit: Callable[..., Any], broker: Broker, name: str) -> None:
    put_user(broker, name, "apple", "management")
    visitor = visit()
    visitor.come(name, "apple")
    menu = visitor.page.locator("nav.menu")
    menu.get_by_role("link", name="Queues").wait_for()
    for page in ("Users", "Limits", "Definitions", "Log"):
        assert menu.get_by_role("link", name=page, exact=True).count() == 0
    for page in ("", "topology", "queues", "connections", "consumers", "vhosts", "policies"):
        visitor.expects(400, 404) if page == "topology" else visitor.expects()
        visitor.go(page)


def test_the_login_outlasts_a_reload_and_no_script_can_read_it(visitor: Any) -> None:
    visitor.page.reload()
    visitor.page.locator(".menu").wait_for()
    assert visitor.page.evaluate("document.cookie") == ""


def test_logging_out_leads_to_the_login_and_back_leads_nowhere(visitor: Any) -> None:
    visitor.go("queues")
    visitor.click("Log out")
    visitor.sees("You are logged out.")
    visitor.page.reload()
    visitor.page.get_by_label("User name").wait_for()


def test_a_session_that_ends_elsewhere_asks_for_a_login(visit: Callable[..., Any], broker: Broker, name: str) -> None:
    put_user(broker, name, "apple", "management")
    visitor = visit()
    visitor.come(name, "apple")
    visitor.page.locator(".menu").wait_for()
    visitor.expects(401)
    put_user(broker, name, "pear", "management")
    visitor.sees("Your session has ended.")
