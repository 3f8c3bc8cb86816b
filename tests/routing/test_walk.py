"""From an exchange to queues, through other exchanges and alternates, with cycles everywhere."""

import pytest

from broker.core.arguments import Table, long, longstr
from broker.core.destination import Destination
from broker.routing.direct import DefaultExchange, QueueLookup
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.exchange_types import make_exchange
from broker.routing.walk import ExchangeLookup, depends_on_headers, find_queues, find_queues_for_keys


class Names(ExchangeLookup):
    """The exchanges of a test by name, and the alternates it was asked for."""

    def __init__(self) -> None:
        self.exchanges: dict[bytes, Exchange] = {}
        self.asked: list[bytes] = []

    def find_exchange(self, name: bytes) -> Exchange | None:
        self.asked.append(name)
        return self.exchanges.get(name)

    def declare(self, name: bytes, kind: bytes = b"direct", alternate: bytes = b"") -> Exchange:
        arguments: Table = {b"alternate-exchange": longstr(alternate)} if alternate else {}
        made = make_exchange(kind, name, "/", ExchangeTraits(arguments=arguments))
        self.exchanges[name] = made
        return made

    def route(self, source: Exchange, key: bytes, headers: Table | None = None) -> list[bytes]:
        return [destination.name for destination in find_queues(source, key, headers, self)]


@pytest.fixture
def names() -> Names:
    return Names()


def queue(name: bytes) -> Destination:
    return Destination(name, "/", False, True)


def test_message_without_a_match_goes_nowhere(names: Names) -> None:
    assert names.route(names.declare(b"x"), b"k") == []
    assert names.asked == []


def test_bound_exchange_routes_again_with_the_same_key(names: Names) -> None:
    first, second = names.declare(b"first", b"topic"), names.declare(b"second")
    first.add(second, b"#", {})
    second.add(queue(b"q"), b"a.b", {})
    assert names.route(first, b"a.b") == [b"q"]
    assert names.route(first, b"a.c") == []


def test_bound_exchange_routes_again_with_the_same_headers(names: Names) -> None:
    first, second = names.declare(b"first", b"fanout"), names.declare(b"second", b"headers")
    first.add(second, b"", {})
    second.add(queue(b"q"), b"", {b"a": long(1)})
    assert names.route(first, b"", {b"a": long(1)}) == [b"q"]
    assert names.route(first, b"", {b"a": long(2)}) == []


def test_queue_reached_by_many_paths_is_given_once(names: Names) -> None:
    top, q = names.declare(b"top", b"fanout"), queue(b"q")
    for name in (b"left", b"right"):
        middle = names.declare(name, b"fanout")
        top.add(middle, b"", {})
        middle.add(q, b"", {})
    top.add(q, b"", {})
    assert names.route(top, b"k") == [b"q"]


def test_queue_and_exchange_of_one_name_are_two_destinations(names: Names) -> None:
    top, same = names.declare(b"top", b"fanout"), names.declare(b"same", b"fanout")
    top.add(queue(b"same"), b"", {})
    top.add(same, b"", {})
    same.add(queue(b"q"), b"", {})
    assert sorted(names.route(top, b"")) == [b"q", b"same"]


def test_cycle_of_bindings_ends(names: Names) -> None:
    ring = [names.declare(b"%d" % i, b"fanout") for i in range(50)]
    for i, each in enumerate(ring):
        each.add(ring[(i + 1) % 50], b"", {})
        each.add(each, b"", {})
        each.add(queue(b"q%d" % i), b"", {})
    assert sorted(names.route(ring[7], b"")) == sorted(b"q%d" % i for i in range(50))


def test_every_exchange_bound_to_every_other_gives_each_queue_once(names: Names) -> None:
    mesh = [names.declare(b"%d" % i, b"fanout") for i in range(30)]
    for each in mesh:
        for other in mesh:
            each.add(other, b"", {})
        each.add(queue(b"q" + each.name), b"", {})
    assert len(names.route(mesh[0], b"")) == 30


def test_long_chain_of_exchanges_is_walked_to_its_end(names: Names) -> None:
    chain = [names.declare(b"%d" % i, b"fanout") for i in range(5_000)]
    for i in range(4_999):
        chain[i].add(chain[i + 1], b"", {})
    chain[-1].add(queue(b"q"), b"", {})
    assert names.route(chain[0], b"") == [b"q"]


def test_alternate_is_tried_when_nothing_matches(names: Names) -> None:
    source, alternate = names.declare(b"x", alternate=b"ae"), names.declare(b"ae", b"fanout")
    source.add(queue(b"own"), b"k", {})
    alternate.add(queue(b"rest"), b"", {})
    assert names.route(source, b"k") == [b"own"]
    assert names.route(source, b"other") == [b"rest"]


def test_alternates_form_chains_and_a_missing_one_is_ignored(names: Names) -> None:
    source, second = names.declare(b"1", alternate=b"2"), names.declare(b"2", alternate=b"3")
    assert names.route(source, b"k") == []
    assert names.asked == [b"2", b"3"]
    third = names.declare(b"3", b"fanout")
    third.add(queue(b"q"), b"", {})
    assert names.route(source, b"k") == [b"q"]
    second.add(queue(b"p"), b"k", {})
    assert names.route(source, b"k") == [b"p"]


def test_alternates_in_a_circle_end(names: Names) -> None:
    names.declare(b"2", alternate=b"1")
    assert names.route(names.declare(b"1", alternate=b"2"), b"k") == []
    assert names.route(names.declare(b"self", alternate=b"self"), b"k") == []


def test_matching_an_exchange_that_leads_nowhere_still_is_a_match(names: Names) -> None:
    source, dead_end = names.declare(b"x", alternate=b"ae"), names.declare(b"end")
    names.declare(b"ae", b"fanout").add(queue(b"rest"), b"", {})
    source.add(dead_end, b"k", {})
    assert names.route(source, b"k") == []


def test_matching_only_what_was_found_before_still_is_a_match(names: Names) -> None:
    source, second, q = names.declare(b"x", b"fanout"), names.declare(b"y", b"fanout", alternate=b"ae"), queue(b"q")
    names.declare(b"ae", b"fanout").add(queue(b"rest"), b"", {})
    source.add(q, b"", {})
    source.add(second, b"", {})
    second.add(q, b"", {})
    second.add(source, b"", {})
    assert names.route(source, b"") == [b"q"]


def test_bound_exchange_uses_its_own_alternate(names: Names) -> None:
    source, second = names.declare(b"x", b"fanout"), names.declare(b"y", alternate=b"ae")
    names.declare(b"ae", b"fanout").add(queue(b"rest"), b"", {})
    source.add(second, b"", {})
    source.add(queue(b"q"), b"", {})
    assert names.route(source, b"") == [b"q", b"rest"]


def test_alternate_set_later_is_used(names: Names) -> None:
    source = names.declare(b"x")
    names.declare(b"ae", b"fanout").add(queue(b"rest"), b"", {})
    source.alternate = b"ae"
    assert names.route(source, b"k") == [b"rest"]


def test_several_keys_are_matched_together(names: Names) -> None:
    source, q, p = names.declare(b"x", alternate=b"ae"), queue(b"q"), queue(b"p")
    names.declare(b"ae", b"fanout").add(queue(b"rest"), b"", {})
    source.add(q, b"k", {})
    source.add(p, b"cc", {})
    source.add(q, b"cc", {})
    assert find_queues_for_keys(source, [b"k", b"cc", b"k"], None, names) == [q, p]
    # One key that matches is enough to keep the others away from the alternate exchange.
    assert find_queues_for_keys(source, [b"nothing", b"k"], None, names) == [q]
    assert [d.name for d in find_queues_for_keys(source, [b"nothing", b"none"], None, names)] == [b"rest"]


class Queues(QueueLookup):
    def find_queue(self, name: bytes) -> Destination | None:
        return queue(name) if name == b"q" else None


def test_default_exchange_has_no_alternate(names: Names) -> None:
    default = DefaultExchange("/", Queues())
    assert names.route(default, b"q") == [b"q"]
    assert names.route(default, b"p") == []
    assert names.asked == []


@pytest.mark.parametrize("kind", [b"direct", b"fanout", b"topic"])
def test_route_without_a_headers_exchange_does_not_depend_on_headers(names: Names, kind: bytes) -> None:
    source = names.declare(b"x", kind, alternate=b"missing")
    source.add(names.declare(b"y", kind, alternate=b"x"), b"", {})
    source.add(queue(b"q"), b"", {})
    assert not depends_on_headers(source, names)


def test_headers_exchange_anywhere_on_the_way_makes_the_route_depend_on_headers(names: Names) -> None:
    headers = names.declare(b"h", b"headers")
    assert depends_on_headers(headers, names)
    first, second = names.declare(b"1"), names.declare(b"2", b"topic")
    first.add(second, b"rarely", {})
    second.add(first, b"#", {})
    assert not depends_on_headers(first, names)
    second.alternate = b"h"
    assert depends_on_headers(first, names)
    second.alternate = b""
    second.add(headers, b"seldom", {})
    assert depends_on_headers(first, names)
    second.remove_destination(headers)
    assert not depends_on_headers(first, names)
