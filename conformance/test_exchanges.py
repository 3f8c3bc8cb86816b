"""Exchanges: the predeclared ones, the four types, bindings between exchanges, alternates, lifetimes."""

from typing import Any

import pika
import pytest
from pamqp import commands
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import UnroutableError

from conformance import raw
from conformance.brokers import Broker
from conformance.clients import channel_refused, drain, exchange_exists, publish

pytestmark = pytest.mark.smoke


def declare_queue(channel: BlockingChannel, queue: str) -> str:
    channel.queue_declare(queue, exclusive=True)
    return queue


def declare_exchange(channel: BlockingChannel, exchange: str, kind: str, **options: Any) -> str:
    channel.exchange_declare(exchange, kind, auto_delete=True, **options)
    return exchange


@pytest.mark.parametrize(
    ("exchange", "kind"),
    [
        ("amq.direct", "direct"),
        ("amq.fanout", "fanout"),
        ("amq.topic", "topic"),
        ("amq.headers", "headers"),
        ("amq.match", "headers"),
    ],
)
def test_predeclared_exchange_may_be_redeclared_as_it_is(channel: BlockingChannel, exchange: str, kind: str) -> None:
    channel.exchange_declare(exchange, kind, durable=True)
    channel.exchange_declare(exchange, passive=True)


def test_default_exchange_routes_to_the_queue_of_that_name(channel: BlockingChannel, name: str) -> None:
    declare_queue(channel, name)
    publish(channel, name, b"x")
    assert drain(channel, name) == [b"x"]


def test_direct_exchange_matches_the_whole_key(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, name, "direct")
    declare_queue(channel, name)
    channel.queue_bind(name, name, "a")
    channel.queue_bind(name, name, "")
    for key in ("a", "aa", "A", "", "a.b"):
        channel.basic_publish(name, key, key.encode())
    assert drain(channel, name) == [b"a", b""]


def test_fanout_exchange_ignores_the_key_and_copies_to_each_queue_once(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, name, "fanout")
    for queue in (f"{name}-1", f"{name}-2"):
        declare_queue(channel, queue)
        channel.queue_bind(queue, name, "a")
        channel.queue_bind(queue, name, "b")
    channel.basic_publish(name, "whatever", b"x")
    assert [drain(channel, f"{name}-1"), drain(channel, f"{name}-2")] == [[b"x"], [b"x"]]


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        ("a.b", ["a.b"], ["a", "a.b.c", "b.a", ""]),
        ("*", ["a", "ab"], ["", "a.b"]),
        ("#", ["", "a", "a.b.c", ".", ".."], []),
        ("#.#", ["", "a", "a.b"], []),
        ("", [""], ["a"]),
        ("a.*", ["a.b", "a."], ["a", "a.b.c"]),
        ("a.#", ["a", "a.b", "a.b.c"], ["b", "ab"]),
        ("#.z", ["z", "a.z", "a.b.z"], ["a", "z.a"]),
        ("a.*.b", ["a.x.b", "a..b"], ["a.b", "a.x.y.b"]),
        ("a.#.b", ["a.b", "a.x.b", "a.x.y.b", "a..b"], ["a", "b"]),
        ("*.a", ["x.a", ".a"], ["a", "x.y.a"]),
        ("a*", ["a*"], ["ab", "a"]),
        ("*.*", ["a.b", "."], ["a", "a.b.c"]),
        ("#.*", ["a", "a.b"], [""]),
        ("*.#", ["a", "a.b"], [""]),
        ("#.a.#", ["a", "x.a", "a.y", "x.a.y", "a.a"], ["x", ""]),
        ("#.a.#.b.#", ["a.b", "x.a.y.b.z", "a.a.b"], ["b.a", "a", "b"]),
    ],
)
def test_topic_pattern(
    channel: BlockingChannel, name: str, pattern: str, matching: list[str], other: list[str]
) -> None:
    declare_exchange(channel, name, "topic")
    declare_queue(channel, name)
    channel.queue_bind(name, name, pattern)
    for key in [*matching, *other]:
        channel.basic_publish(name, key, key.encode())
    assert drain(channel, name) == [key.encode() for key in matching]


def test_two_matching_topic_bindings_of_one_queue_give_one_copy(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, name, "topic")
    declare_queue(channel, name)
    for pattern in ("a.*", "a.#", "#", "a.b"):
        channel.queue_bind(name, name, pattern)
    channel.basic_publish(name, "a.b", b"x")
    assert drain(channel, name) == [b"x"]


def test_topic_routing_follows_bind_and_unbind(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, name, "topic")
    declare_queue(channel, name)
    channel.queue_bind(name, name, "keeps.the.exchange")
    for _ in range(3):
        channel.basic_publish(name, "a.b", b"unbound")
        channel.queue_bind(name, name, "a.*")
        channel.basic_publish(name, "a.b", b"bound")
        channel.queue_unbind(name, name, "a.*")
    assert drain(channel, name) == [b"bound"] * 3


@pytest.mark.parametrize(
    ("binding", "headers", "matches"),
    [
        ({"a": 1, "b": "x"}, {"a": 1, "b": "x", "c": True}, True),
        ({"a": 1, "b": "x"}, {"a": 1}, False),
        ({"x-match": "all", "a": 1}, {"a": 2}, False),
        ({"x-match": "any", "a": 1, "b": "x"}, {"b": "x"}, True),
        ({"x-match": "any", "a": 1, "b": "x"}, {"c": 1}, False),
        ({"x-match": "all"}, {"a": 1}, True),
        ({"x-match": "all"}, {}, True),
        ({"x-match": "all"}, None, True),
        ({}, None, True),
        ({"x-match": "any"}, {"a": 1}, False),
        ({"x-match": "any"}, None, False),
        ({"a": None}, {"a": "anything"}, True),
        ({"a": None}, {"b": 1}, False),
        ({"a": 1}, {"a": "1"}, False),
        ({"a": 1}, {"a": 70000 - 69999}, True),
        ({"a": 1}, {"a": 2**40}, False),
        ({"a": True}, {"a": True}, True),
        ({"a": True}, {"a": 1}, False),
        ({"x-a": 1, "b": 1}, {"b": 1}, True),
        ({"x-match": "all-with-x", "x-a": 1}, {"b": 1}, False),
        ({"x-match": "all-with-x", "x-a": 1}, {"x-a": 1}, True),
        ({"x-match": "any-with-x", "x-a": 1, "b": 1}, {"x-a": 1}, True),
        ({"x-match": "any", "x-a": 1, "b": 1}, {"x-a": 1}, False),
    ],
)
def test_headers_binding(
    channel: BlockingChannel, name: str, binding: dict[str, Any], headers: dict[str, Any] | None, matches: bool
) -> None:
    declare_exchange(channel, name, "headers")
    declare_queue(channel, name)
    channel.queue_bind(name, name, "ignored", arguments=binding)
    channel.basic_publish(name, "k", b"x", pika.BasicProperties(headers=headers))
    assert drain(channel, name) == [b"x"] * matches


def test_exchange_to_exchange_bindings_filter_at_each_step(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, f"{name}-source", "topic")
    declare_exchange(channel, f"{name}-target", "direct")
    declare_queue(channel, name)
    channel.queue_bind(name, f"{name}-target", "a.b")
    channel.exchange_bind(f"{name}-target", f"{name}-source", "a.*")
    for key in ("a.b", "a.c", "b.b"):
        channel.basic_publish(f"{name}-source", key, key.encode())
    channel.basic_publish(f"{name}-target", "a.b", b"direct")
    assert drain(channel, name) == [b"a.b", b"direct"]
    channel.queue_bind(name, f"{name}-source", "keeps.it")
    channel.exchange_unbind(f"{name}-target", f"{name}-source", "a.*")
    channel.basic_publish(f"{name}-source", "a.b", b"unbound")
    assert drain(channel, name) == []


def test_exchange_cycle_gives_one_copy(channel: BlockingChannel, name: str) -> None:
    one, two = f"{name}-1", f"{name}-2"
    declare_exchange(channel, one, "fanout")
    declare_exchange(channel, two, "fanout")
    channel.exchange_bind(one, two)
    channel.exchange_bind(two, one)
    channel.exchange_bind(one, one)
    declare_queue(channel, name)
    channel.queue_bind(name, one, "")
    channel.queue_bind(name, two, "")
    channel.basic_publish(one, "k", b"x")
    assert drain(channel, name) == [b"x"]
    channel.exchange_delete(one)
    channel.exchange_delete(two)


def test_alternate_exchange_gets_what_its_exchange_cannot_route(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, f"{name}-alternate", "fanout")
    declare_exchange(channel, name, "direct", arguments={"alternate-exchange": f"{name}-alternate"})
    for queue, exchange in ((name, name), (f"{name}-rest", f"{name}-alternate")):
        declare_queue(channel, queue)
        channel.queue_bind(queue, exchange, "k")
    channel.basic_publish(name, "k", b"routed")
    channel.basic_publish(name, "other", b"alternate")
    assert [drain(channel, name), drain(channel, f"{name}-rest")] == [[b"routed"], [b"alternate"]]


def test_alternate_exchange_satisfies_mandatory(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, f"{name}-alternate", "fanout")
    declare_exchange(channel, name, "direct", arguments={"alternate-exchange": f"{name}-alternate"})
    declare_queue(channel, name)
    channel.queue_bind(name, f"{name}-alternate", "")
    channel.confirm_delivery()
    channel.basic_publish(name, "nowhere", b"x", mandatory=True)
    assert drain(channel, name) == [b"x"]
    channel.exchange_delete(name)


@pytest.mark.parametrize("alternate", ["itself", "cycle", "missing"])
def test_alternate_exchange_that_leads_nowhere_returns_the_message(
    channel: BlockingChannel, name: str, alternate: str
) -> None:
    target = {"itself": name, "cycle": f"{name}-2", "missing": f"{name}-missing"}[alternate]
    declare_exchange(channel, name, "direct", arguments={"alternate-exchange": target})
    declare_exchange(channel, f"{name}-2", "direct", arguments={"alternate-exchange": name})
    channel.confirm_delivery()
    with pytest.raises(UnroutableError):
        channel.basic_publish(name, "k", b"x", mandatory=True)
    channel.exchange_delete(name)
    channel.exchange_delete(f"{name}-2")


def test_auto_delete_exchange_goes_with_its_last_binding(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, name, "direct")
    declare_queue(channel, name)
    assert exchange_exists(channel, name)
    channel.queue_bind(name, name, "a")
    channel.queue_bind(name, name, "b")
    channel.queue_unbind(name, name, "a")
    assert exchange_exists(channel, name)
    channel.queue_unbind(name, name, "b")
    assert not exchange_exists(channel, name)


def test_auto_delete_exchange_goes_with_the_last_queue_bound_to_it(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, name, "fanout")
    declare_queue(channel, name)
    channel.queue_bind(name, name, "")
    channel.queue_delete(name)
    assert not exchange_exists(channel, name)


def test_auto_delete_cascades_up_a_chain_of_exchanges(channel: BlockingChannel, name: str) -> None:
    chain = [f"{name}-{step}" for step in range(3)]
    for exchange in chain:
        declare_exchange(channel, exchange, "fanout")
    channel.exchange_bind(chain[1], chain[0])
    channel.exchange_bind(chain[2], chain[1])
    declare_queue(channel, name)
    channel.queue_bind(name, chain[2], "")
    channel.queue_unbind(name, chain[2], "")
    assert [exchange_exists(channel, exchange) for exchange in chain] == [False, False, False]


def test_bindings_to_an_auto_delete_exchange_do_not_keep_it_nor_end_it(channel: BlockingChannel, name: str) -> None:
    channel.exchange_declare(f"{name}-source", "fanout")
    declare_exchange(channel, name, "fanout")
    channel.exchange_bind(name, f"{name}-source")
    channel.exchange_unbind(name, f"{name}-source")
    assert exchange_exists(channel, name)
    channel.exchange_delete(name)
    channel.exchange_delete(f"{name}-source")


def test_internal_exchange_refuses_publishers_and_accepts_bindings(
    connection: pika.BlockingConnection, channel: BlockingChannel, name: str
) -> None:
    declare_exchange(channel, f"{name}-source", "fanout")
    declare_exchange(channel, name, "fanout", internal=True)
    declare_queue(channel, name)
    channel.exchange_bind(name, f"{name}-source")
    channel.queue_bind(name, name, "")
    channel.basic_publish(f"{name}-source", "", b"inside")
    assert drain(channel, name) == [b"inside"]
    outsider = connection.channel()
    with channel_refused(403, f"ACCESS_REFUSED - cannot publish to internal exchange '{name}' in vhost '/'"):
        outsider.basic_publish(name, "", b"outside")
        outsider.basic_qos(prefetch_count=1)


def test_deleting_and_unbinding_what_is_missing_succeeds(channel: BlockingChannel, name: str) -> None:
    channel.exchange_delete(name)
    channel.queue_delete(name)
    declare_queue(channel, name)
    channel.queue_unbind(name, "amq.direct", "never bound")
    channel.queue_unbind(name, f"{name}-missing", "k")
    channel.queue_unbind(f"{name}-missing", "amq.direct", "k")
    channel.exchange_unbind("amq.direct", "amq.fanout", "never bound")


def test_deleting_an_exchange_drops_its_bindings(channel: BlockingChannel, name: str) -> None:
    declare_queue(channel, name)
    for _ in range(2):
        channel.exchange_declare(name, "fanout")
        channel.basic_publish(name, "", b"not bound yet")
        channel.queue_bind(name, name, "")
        channel.exchange_delete(name)
    assert drain(channel, name) == []


def test_identical_bind_is_one_binding_and_other_arguments_make_another(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, name, "headers")
    declare_queue(channel, name)
    channel.queue_bind(name, name, "k", arguments={"a": 1, "b": 2})
    channel.queue_bind(name, name, "k", arguments={"b": 2, "a": 1})
    channel.queue_bind(name, name, "k", arguments={"c": 3})
    channel.queue_unbind(name, name, "k", arguments={"b": 2, "a": 1})
    channel.basic_publish(name, "", b"ab", pika.BasicProperties(headers={"a": 1, "b": 2}))
    channel.basic_publish(name, "", b"c", pika.BasicProperties(headers={"c": 3}))
    assert drain(channel, name) == [b"c"]


def test_line_ends_are_removed_from_declared_names(broker: Broker, name: str) -> None:
    dirty, clean = raw.short_string(f"\r{name}\n".encode()), raw.short_string(name.encode())
    no_arguments = raw.table(b"")
    with raw.connect(broker) as client:  # with octets, because clients refuse such names or wait for them to come back
        client.send(raw.method_frame(1, 50, 10, b"\x00\x00" + dirty + b"\x04" + no_arguments))
        assert client.expect_method(50, 11).payload[4:].startswith(clean)
        client.send(
            raw.method_frame(1, 40, 10, b"\x00\x00" + dirty + raw.short_string(b"direct") + b"\x04" + no_arguments)
        )
        client.expect_method(40, 11)
        client.send(raw.method_frame(1, 50, 20, b"\x00\x00" + dirty + dirty + b"\x01k\x00" + no_arguments))
        client.expect_method(50, 21)
        client.send(raw.encode(commands.Basic.Publish(exchange=name, routing_key="k")), raw.header_frame(1, 0))
        assert client.get(name) == b""


def test_passive_declare_ignores_type_and_flags(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, name, "fanout")
    channel.exchange_declare(name, "topic", passive=True, durable=True, internal=True)
    channel.exchange_delete(name)


def test_unknown_arguments_are_not_compared(channel: BlockingChannel, name: str) -> None:
    declare_exchange(channel, name, "fanout", arguments={"x-mine": "a"})
    declare_exchange(channel, name, "fanout", arguments={"x-mine": "b"})
    channel.exchange_delete(name)
