"""Consistent hash exchanges: who wins a message, in which proportion, and what moves when a binding comes or goes."""

from collections import Counter
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.arguments import Field, Table, long, longstr
from broker.core.destination import Destination
from broker.core.errors import SoftError
from broker.routing.consistent_hash import ConsistentHashExchange
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.exchange_types import make_exchange
from broker.routing.hashing import stable_hash
from broker.routing.matches import Matches
from broker.routing.walk import ExchangeLookup, find_queues_for_keys
from tests.vhost.scene import content_header

KEYS = [b"key-%d" % n for n in range(4000)]
Weights = dict[str, int]
weights = st.dictionaries(st.text("abcdefgh", min_size=1, max_size=4), st.integers(1, 5), min_size=1, max_size=8)


def queue(name: bytes) -> Destination:
    return Destination(name, "/", False, True)


def made(arguments: Table | None = None) -> Exchange:
    return make_exchange(b"x-consistent-hash", b"x", "/", ExchangeTraits(arguments=arguments))


def bound(shares: Weights) -> Exchange:
    exchange = made()
    for name, weight in shares.items():
        exchange.add(queue(name.encode()), b"%d" % weight, {})
    return exchange


def destination(
    exchange: Exchange, key: bytes = b"k", headers: Table | None = None, content: bytes = b""
) -> bytes | None:
    """The one destination of a message; None if there is none."""
    matches = Matches(content)
    exchange.collect(key, headers, matches)
    assert len(matches.found) <= 1
    return matches.found[0].name if matches.found else None


def routes(exchange: Exchange) -> dict[bytes, bytes | None]:
    return {key: destination(exchange, key) for key in KEYS}


def test_hash_is_the_same_in_every_process_and_build() -> None:
    assert [int(stable_hash(octets)) for octets in (b"", b"a", b"order-1")] == [0, 1_459_942_458, 2_324_862_551]


def test_message_without_a_binding_goes_nowhere() -> None:
    assert destination(made()) is None


def test_destinations_share_by_their_weights() -> None:
    shares = {"one": 1, "two": 2, "five": 5}
    found = Counter(routes(bound(shares)).values())
    for name, weight in shares.items():
        # 4,000 draws: five standard deviations are less than 160.
        assert abs(found[name.encode()] - len(KEYS) * weight / 8) < 160


def test_equal_destinations_get_equal_shares() -> None:
    found = Counter(routes(bound({f"q{n}": 1 for n in range(10)})).values())
    assert len(found) == 10
    assert all(300 < count < 500 for count in found.values())


def test_a_weight_may_be_as_large_as_a_key_can_say() -> None:
    exchange = bound({"small": 1})
    exchange.add(queue(b"huge"), b"9" * 255, {})
    assert set(routes(exchange).values()) == {b"huge"}


@given(weights, st.text("ijkl", min_size=1, max_size=4), st.integers(1, 5))
def test_a_new_destination_takes_messages_and_moves_none_between_others(
    shares: Weights, name: str, weight: int
) -> None:
    exchange = bound(shares)
    keys = KEYS[:300]
    before = {key: destination(exchange, key) for key in keys}
    newcomer = queue(name.encode())
    exchange.add(newcomer, b"%d" % weight, {})
    after = {key: destination(exchange, key) for key in keys}
    assert all(after[key] in {before[key], newcomer.name} for key in keys)
    exchange.remove(newcomer, b"%d" % weight, {})
    assert {key: destination(exchange, key) for key in keys} == before


def test_a_new_destination_takes_its_share_and_no_more() -> None:
    shares = {f"q{n}": 1 for n in range(4)}
    exchange = bound(shares)
    before = routes(exchange)
    exchange.add(queue(b"new"), b"1", {})
    after = routes(exchange)
    moved = sum(before[key] != after[key] for key in KEYS)
    assert abs(moved - len(KEYS) / 5) < 160


@given(weights, st.integers(0, 1000))
def test_the_order_of_binding_makes_no_difference(shares: Weights, seed: int) -> None:
    names = list(shares)
    Random(seed).shuffle(names)
    first, second = bound(shares), bound({name: shares[name] for name in names})
    assert [destination(first, key) for key in KEYS[:200]] == [destination(second, key) for key in KEYS[:200]]


def test_second_binding_of_a_destination_does_not_count() -> None:
    exchange = bound({"a": 1, "b": 1})
    before = routes(exchange)
    again = next(each for each in exchange.destinations() if each.name == b"a")
    exchange.add(again, b"100", {})
    assert routes(exchange) == before
    exchange.remove(again, b"1", {})
    assert Counter(routes(exchange).values())[b"a"] > 3800


def test_message_with_further_keys_still_goes_to_one_destination() -> None:
    exchange = bound({f"q{n}": 1 for n in range(20)})
    alone = find_queues_for_keys(exchange, [b"k"], None, ExchangeLookup())
    keys = [b"k", *(b"cc-%d" % n for n in range(50))]
    assert find_queues_for_keys(exchange, keys, None, ExchangeLookup()) == alone
    assert len(alone) == 1


def test_a_header_decides_and_the_key_does_not() -> None:
    exchange = made({b"hash-header": longstr(b"who")})
    assert exchange.needs_headers
    for n in range(20):
        exchange.add(queue(b"q%d" % n), b"1", {})
    ann = destination(exchange, b"1", {b"who": longstr(b"ann")})
    assert {destination(exchange, key, {b"who": longstr(b"ann")}) for key in KEYS[:50]} == {ann}
    assert len({destination(exchange, b"1", {b"who": longstr(key)}) for key in KEYS[:400]}) == 20
    # The width of an integer makes no difference, and without the header all messages are alike.
    assert destination(exchange, b"1", {b"who": Field("b", 5)}) == destination(exchange, b"1", {b"who": long(5)})
    assert destination(exchange, b"1", {}) == destination(exchange, b"2", None)


@pytest.mark.parametrize("name", ["correlation_id", "message_id", "timestamp"])
def test_a_property_decides_and_the_key_does_not(name: str) -> None:
    exchange = made({b"hash-property": longstr(name.encode())})
    for n in range(20):
        exchange.add(queue(b"q%d" % n), b"1", {})

    def found(value: int, key: bytes = b"k") -> bytes | None:
        when = datetime.fromtimestamp(value, UTC)
        content = content_header(0, **{name: when if name == "timestamp" else str(value)})
        return destination(exchange, key, None, content)

    assert {found(1, key) for key in KEYS[:50]} == {found(1)}
    assert len({found(n) for n in range(400)}) == 20
    assert destination(exchange, b"1", None, content_header(0)) == destination(exchange, b"2", None, content_header(0))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({b"hash-property": longstr(b"app_id")}, "Unsupported property: app_id"),
        (
            {b"hash-property": longstr(b"message_id"), b"hash-header": longstr(b"h")},
            "hash-header and hash-property are mutually exclusive",
        ),
        ({b"hash-header": long(1)}, "invalid type 'long' for arg 'hash-header' in exchange 'x' in vhost '/'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(arguments: Table, text: str) -> None:
    with pytest.raises(SoftError) as refusal:
        made(arguments)
    assert refusal.value.reply_text == f"PRECONDITION_FAILED - {text}"


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (b"x", 'The binding key must be an integer: <<"x">>'),
        (b"", "The binding key must be an integer: <<>>"),
        (b"1_0", 'The binding key must be an integer: <<"1_0">>'),
        (b" 1", 'The binding key must be an integer: <<" 1">>'),
        (b"1.5", 'The binding key must be an integer: <<"1.5">>'),
        (b"0", "The binding key must be greater than 0"),
        (b"-3", "The binding key must be greater than 0"),
    ],
)
def test_binding_keys_that_are_no_weight_are_refused(key: bytes, text: str) -> None:
    with pytest.raises(SoftError) as refusal:
        made().check_binding(key, {})
    assert refusal.value.reply_text == f"PRECONDITION_FAILED - {text}"


def test_deleted_destination_wins_nothing_any_more() -> None:
    exchange = bound({"a": 1, "b": 1})
    gone = next(each for each in exchange.destinations() if each.name == b"a")
    exchange.remove_destination(gone)
    assert set(routes(exchange).values()) == {b"b"}
    assert isinstance(exchange, ConsistentHashExchange)
