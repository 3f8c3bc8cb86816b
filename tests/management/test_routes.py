"""The table of routes."""

import pytest

from broker.management.answers import DONE, Answer
from broker.management.api_table import TABLE
from broker.management.call import Call
from broker.management.refusals import Refusal
from broker.management.routes import ADMINISTRATOR, Route, RouteTable


def nothing(call: Call) -> Answer:
    """Do nothing.

    And say so.

    Raises:
        Refusal: Never.
    """
    return DONE


def table(*paths: str) -> RouteTable:
    return RouteTable([Route("GET", path, nothing) for path in paths])


def test_a_word_is_stronger_than_a_name() -> None:
    found = table("/queues/{vhost}", "/queues/detailed").find([b"queues", b"detailed"])
    assert (found.route("GET").path, found.names) == ("/queues/detailed", ())


def test_a_name_may_be_spelled_like_a_word() -> None:
    found = table("/queues/detailed", "/queues/{vhost}/{queue}").find([b"queues", b"detailed", b"q"])
    assert (found.route("GET").path, found.names) == ("/queues/{vhost}/{queue}", (b"detailed", b"q"))


@pytest.mark.parametrize("path", [[], [b"queues"], [b"queues", b"v", b"q", b"x"], [b"{vhost}"]])
def test_what_is_not_in_the_table_is_not_found(path: list[bytes]) -> None:
    with pytest.raises(Refusal) as caught:
        table("/queues/{vhost}", "/queues/{vhost}/{queue}").find(path)
    assert caught.value.status == 404


def test_head_is_get_and_other_methods_are_refused() -> None:
    found = RouteTable([Route("GET", "/a", nothing), Route("PUT", "/a", nothing)]).find([b"a"])
    assert found.route("HEAD").method == "GET"
    with pytest.raises(Refusal) as caught:
        found.route("DELETE")
    assert (caught.value.status, caught.value.headers) == (405, {"Allow": "GET, HEAD, OPTIONS, PUT"})


def test_two_routes_for_one_path_are_a_mistake() -> None:
    with pytest.raises(AssertionError, match="GET /a"):
        table("/a", "/a")


def test_a_route_says_what_its_handler_says() -> None:
    assert Route("GET", "/a", nothing).about == ("Do nothing.", "And say so.")


@pytest.mark.parametrize("route", TABLE.routes, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_described(route: Route) -> None:
    summary, _ = route.about
    assert summary.endswith((".", "?"))
    assert len(summary) < 110
    is_about_users = route.path.split("/")[1] in {"users", "permissions", "topic-permissions"}
    assert not is_about_users or route.who == ADMINISTRATOR
