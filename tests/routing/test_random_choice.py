"""Exchanges that give each message to one destination: by chance, or by the routing key's hash modulo their number."""

from collections import Counter

import pytest

from broker.core.destination import Destination
from broker.core.errors import SoftError
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.exchange_types import make_exchange
from broker.routing.matches import Matches
from broker.routing.walk import ExchangeLookup, find_queues_for_keys


def queue(name: bytes) -> Destination:
    return Destination(name, "/", False, True)


def bound(kind: bytes, count: int) -> Exchange:
    exchange = make_exchange(kind, b"x", "/", ExchangeTraits())
    for n in range(count):
        exchange.add(queue(b"q%d" % n), b"", {})
    return exchange


def destination(exchange: Exchange, key: bytes) -> bytes:
    matches = Matches()
    exchange.collect(key, None, matches)
    assert len(matches.found) == 1
    return matches.found[0].name


@pytest.mark.parametrize("kind", [b"x-random", b"x-local-random"])
def test_chance_gives_every_destination_its_share_whatever_the_key(kind: bytes) -> None:
    exchange = bound(kind, 4)
    found = Counter(destination(exchange, b"the same") for _ in range(4000))
    # Six standard deviations: once in five hundred million runs.
    assert all(abs(found[b"q%d" % n] - 1000) < 165 for n in range(4))


@pytest.mark.parametrize("kind", [b"x-random", b"x-local-random", b"x-modulus-hash"])
def test_message_with_further_keys_goes_to_one_destination(kind: bytes) -> None:
    exchange = bound(kind, 20)
    assert len(find_queues_for_keys(exchange, [b"k", b"l", b"m", b"n"], None, ExchangeLookup())) == 1


@pytest.mark.parametrize("kind", [b"x-random", b"x-local-random", b"x-modulus-hash", b"x-consistent-hash"])
def test_without_a_binding_the_message_goes_nowhere(kind: bytes) -> None:
    assert find_queues_for_keys(bound(kind, 0), [b"k"], None, ExchangeLookup()) == []


def test_modulus_sends_equal_keys_the_same_way_in_whatever_order_the_queues_were_bound() -> None:
    exchange = bound(b"x-modulus-hash", 5)
    backwards = make_exchange(b"x-modulus-hash", b"x", "/", ExchangeTraits())
    for n in reversed(range(5)):
        backwards.add(queue(b"q%d" % n), b"any key", {})
    keys = [b"key-%d" % n for n in range(1000)]
    found = [destination(exchange, key) for key in keys]
    assert found == [destination(backwards, key) for key in keys]
    assert all(140 < count < 260 for count in Counter(found).values())
    assert len(set(found)) == 5


def test_modulus_counts_a_destination_once_however_often_it_is_bound() -> None:
    exchange = bound(b"x-modulus-hash", 2)
    keys = [b"key-%d" % n for n in range(100)]
    before = [destination(exchange, key) for key in keys]
    exchange.add(next(iter(exchange.destinations())), b"again", {})
    assert [destination(exchange, key) for key in keys] == before


def test_local_random_takes_no_binding_key() -> None:
    exchange = bound(b"x-local-random", 0)
    exchange.check_binding(b"", {})
    with pytest.raises(SoftError) as refusal:
        exchange.check_binding(b"k", {})
    assert refusal.value.reply_text == "PRECONDITION_FAILED - Non empty binding 'k' key not permitted"
    bound(b"x-random", 0).check_binding(b"k", {})


def test_local_random_takes_classic_queues_only() -> None:
    exchange = bound(b"x-local-random", 0)
    exchange.check_queue_type(b"classic")
    for queue_type, text in (
        (b"quorum", "Queue type rabbit_quorum_queue not valid for this exchange type"),
        (b"", "Destination not found"),
    ):
        with pytest.raises(SoftError) as refusal:
            exchange.check_queue_type(queue_type)
        assert refusal.value.reply_text == f"PRECONDITION_FAILED - {text}"
        bound(b"x-random", 0).check_queue_type(queue_type)
