"""The names of bindings, and the paths that take them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from broker.core.arguments import Field, Table
from broker.management.bindings import properties_key
from tests.management.asking import Http, ask, refused
from tests.metrics.scene import Broker

ONE: Table = {b"x": Field("l", 1)}


@pytest.mark.parametrize(
    ("key", "props"), [(b"", "~"), (b"a.b", "a.b"), (b"a b/~", "a+b%2F%7E"), (b"+%", "%2B%25"), (b"\xff", "%FF")]
)
def test_a_binding_without_arguments_is_named_by_its_key_as_in_rabbitmq(key: bytes, props: str) -> None:
    assert properties_key(key, {}) == props


def test_arguments_are_told_apart_by_what_they_mean() -> None:
    names = {properties_key(b"k", table) for table in ({}, ONE, {b"x": Field("l", 2)}, {b"y": Field("l", 1)})}
    assert len(names) == 4
    assert properties_key(b"k", ONE) == properties_key(b"k", {b"x": Field("s", 1)})
    assert properties_key(b"", ONE).startswith("~")


@given(st.text())
def test_a_name_of_a_binding_is_a_plain_word_with_at_most_one_tilde(key: str) -> None:
    named = properties_key(key.encode("utf-8", "replace"), ONE)
    assert named.isascii()
    assert named.count("~") == 1
    assert "/" not in named


async def test_location_leads_to_the_binding_relative_to_the_path(broker: Broker, guest: Http) -> None:
    await ask(guest, "PUT", "/queues/%2F/a%2Fb", {})
    path = "/api/bindings/%2F/e/amq.topic/q/a%2Fb"
    async with guest.post(URL(path, encoded=True), data=b'{"routing_key":"a b","arguments":{"n":1}}') as response:
        assert response.status == 201
        location = response.headers["Location"]
    assert location.startswith("a%2Fb/a%2Bb")
    status, row = await ask(guest, "GET", f"/bindings/%2F/e/amq.topic/q/{location}")
    assert (status, row["routing_key"], row["arguments"]) == (200, "a b", {"n": 1})
    assert await ask(guest, "DELETE", f"/bindings/%2F/e/amq.topic/q/{location}") == (204, None)
    assert not broker.turn.vhosts["/"].exchanges[b"amq.topic"].bindings()


async def test_a_binding_has_a_smaller_limit_than_the_rest(guest: Http) -> None:
    await ask(guest, "PUT", "/queues/%2F/q", {})
    body = {"arguments": {"x": "y" * 5000}}
    assert "longer than 5000 octets" in await refused(guest, "POST", "/bindings/%2F/e/amq.topic/q/q", body)
    assert await ask(guest, "PUT", "/queues/%2F/r", body) == (201, None)


async def test_lists_of_bindings_are_never_paged_and_obey_the_vhost_selector(guest: Http) -> None:
    for vhost in ("%2F", "other"):
        await ask(guest, "PUT", f"/queues/{vhost}/q", {})
    rows = (await ask(guest, "GET", "/bindings?page=1&page_size=1&columns=vhost,source"))[1]
    assert rows == [{"vhost": "/", "source": ""}, {"vhost": "other", "source": ""}]
    rows = (await ask(guest, "GET", "/bindings?columns=vhost", headers={"x-vhost": "other"}))[1]
    assert rows == [{"vhost": "other"}]


@pytest.mark.parametrize("side", ["source", "destination"])
async def test_bindings_of_an_exchange_that_is_not_there(guest: Http, side: str) -> None:
    missing = {"error": "not_found", "reason": "exchange_not_found"}
    assert await ask(guest, "GET", f"/exchanges/%2F/absent/bindings/{side}") == (404, missing)
