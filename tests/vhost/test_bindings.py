"""Binding and unbinding, and what an auto-delete exchange makes of it."""

import pytest

from broker.core.arguments import Field, Table, long, longstr
from broker.core.destination import Destination
from broker.routing.exchange import Exchange
from tests.vhost.scene import Scene, refused


def keys(scene: Scene, destination: Destination) -> list[tuple[bytes, bytes]]:
    return sorted((binding.source.name, binding.key) for binding in scene.vhost.bindings_to(destination))


def test_identical_binding_is_made_once(scene: Scene) -> None:
    exchange, queue = scene.exchange(b"x"), scene.queue()
    one: Table = {b"a": long(1), b"b": longstr(b"2")}
    scene.vhost.bind(exchange, queue, b"k", one)
    scene.vhost.bind(exchange, queue, b"k", dict(reversed(one.items())))
    scene.vhost.bind(exchange, queue, b"k", {b"a": Field("b", 1), b"b": longstr(b"2")})
    assert exchange.binding_count == 1


def test_key_and_arguments_make_different_bindings(scene: Scene) -> None:
    exchange, queue = scene.exchange(b"x"), scene.queue()
    scene.vhost.bind(exchange, queue, b"k", {})
    scene.vhost.bind(exchange, queue, b"l", {})
    scene.vhost.bind(exchange, queue, b"k", {b"a": long(1)})
    assert keys(scene, queue) == [(b"x", b"k"), (b"x", b"k"), (b"x", b"l")]
    scene.vhost.unbind(exchange, queue, b"k", {})
    assert keys(scene, queue) == [(b"x", b"k"), (b"x", b"l")]
    assert exchange.bindings_to(queue)[-1].arguments == {b"a": long(1)}


def test_unbinding_what_is_not_bound_is_no_error(scene: Scene) -> None:
    exchange, queue = scene.exchange(b"x", auto_delete=True), scene.queue()
    scene.vhost.unbind(exchange, queue, b"k", {})
    assert b"x" in scene.vhost.exchanges


def test_bindings_to_a_destination_come_from_every_source(scene: Scene) -> None:
    queue = scene.queue()
    for name in (b"amq.direct", b"amq.fanout", b"amq.topic"):
        scene.vhost.bind(scene.vhost.exchanges[name], queue, name, {})
    assert keys(scene, queue) == [(name, name) for name in (b"amq.direct", b"amq.fanout", b"amq.topic")]
    scene.vhost.delete_queue(queue)
    assert [scene.vhost.exchanges[name].binding_count for name in (b"amq.direct", b"amq.fanout", b"amq.topic")] == [
        0
    ] * 3


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (longstr(b"foo"), 'Invalid x-match field value <<"foo">>; expected all, any, all-with-x, or any-with-x'),
        (Field("I", 23), "Invalid x-match field type signedint (value 23); expected longstr"),
    ],
)
def test_headers_exchange_refuses_a_bad_match(scene: Scene, field: Field, text: str) -> None:
    queue = scene.queue()
    with refused(f"PRECONDITION_FAILED - {text}"):
        scene.vhost.bind(scene.vhost.exchanges[b"amq.headers"], queue, b"", {b"x-match": field})
    assert scene.vhost.bindings_to(queue) == []


def test_deleting_an_exchange_removes_bindings_in_both_directions(scene: Scene) -> None:
    before, middle, after = scene.exchange(b"before"), scene.exchange(b"middle"), scene.queue(b"after")
    scene.vhost.bind(before, middle, b"k", {})
    scene.vhost.bind(middle, after, b"k", {})
    scene.vhost.delete_exchange(b"middle", False)
    assert before.binding_count == 0
    assert scene.vhost.bindings_to(after) == []


# --- auto-delete exchanges


def test_auto_delete_exchange_goes_with_its_last_binding(scene: Scene) -> None:
    exchange, queue = scene.exchange(b"x", auto_delete=True), scene.queue()
    scene.vhost.bind(exchange, queue, b"k", {})
    scene.vhost.bind(exchange, queue, b"l", {})
    scene.vhost.unbind(exchange, queue, b"k", {})
    assert b"x" in scene.vhost.exchanges
    scene.vhost.unbind(exchange, queue, b"l", {})
    assert b"x" not in scene.vhost.exchanges
    assert exchange.is_deleted


def test_auto_delete_exchange_goes_when_its_last_destination_is_deleted(scene: Scene) -> None:
    exchange, queue = scene.exchange(b"x", auto_delete=True), scene.queue()
    scene.vhost.bind(exchange, queue, b"k", {})
    scene.vhost.delete_queue(queue)
    assert b"x" not in scene.vhost.exchanges


def test_exchange_that_is_not_auto_delete_stays_without_bindings(scene: Scene) -> None:
    exchange, queue = scene.exchange(b"x"), scene.queue()
    scene.vhost.bind(exchange, queue, b"k", {})
    scene.vhost.unbind(exchange, queue, b"k", {})
    assert b"x" in scene.vhost.exchanges


def test_auto_delete_exchange_that_is_only_a_destination_stays(scene: Scene) -> None:
    source, destination = scene.exchange(b"source"), scene.exchange(b"destination", auto_delete=True)
    scene.vhost.bind(source, destination, b"k", {})
    scene.vhost.unbind(source, destination, b"k", {})
    assert b"destination" in scene.vhost.exchanges


def chain(scene: Scene, length: int) -> tuple[list[Exchange], Destination]:
    """Auto-delete exchanges one behind the other, with a queue at the end."""
    queue = scene.queue()
    links = [scene.exchange(b"x%d" % n, b"fanout", auto_delete=True) for n in range(length)]
    for n in range(length - 1):
        scene.vhost.bind(links[n], links[n + 1], b"", {})
    scene.vhost.bind(links[-1], queue, b"", {})
    return links, queue


def test_unbinding_the_end_of_a_chain_removes_all_of_it(scene: Scene) -> None:
    links, queue = chain(scene, 4)
    scene.vhost.unbind(links[-1], queue, b"", {})
    assert [link.name for link in links if link.name in scene.vhost.exchanges] == []
    assert scene.vhost.bindings_to(links[1]) == []


def test_chain_of_any_length_may_be_removed_at_once(scene: Scene) -> None:
    links, queue = chain(scene, 5_000)
    scene.vhost.delete_queue(scene.vhost.queues[queue.name])
    assert not any(link.name in scene.vhost.exchanges for link in links)


def test_cascade_stops_at_an_exchange_that_has_another_binding(scene: Scene) -> None:
    links, queue = chain(scene, 3)
    other = scene.queue(b"other")
    scene.vhost.bind(links[0], other, b"", {})
    scene.vhost.delete_queue(scene.vhost.queues[queue.name])
    assert [link.name for link in links if link.name in scene.vhost.exchanges] == [b"x0"]
    assert keys(scene, other) == [(b"x0", b"")]


def test_cycle_of_auto_delete_exchanges_goes_with_one_of_them(scene: Scene) -> None:
    one, two = (scene.exchange(name, b"fanout", auto_delete=True) for name in (b"one", b"two"))
    scene.vhost.bind(one, two, b"", {})
    scene.vhost.bind(two, one, b"", {})
    scene.vhost.bind(one, one, b"", {})
    scene.vhost.unbind(one, one, b"", {})
    scene.vhost.delete_exchange(b"two", False)
    assert b"one" not in scene.vhost.exchanges
