"""Delayed exchanges: which messages are to wait, and that all others are routed as by the inner type."""

import pytest

from broker.core.arguments import Field, Table, boolean, long, longstr
from broker.core.destination import Destination
from broker.core.errors import SoftError
from broker.core.message import Enqueuer
from broker.routing.delayed import MAX_DELAY_MS, DelayedExchange, delay_of
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.exchange_types import KINDS, make_exchange
from broker.routing.matches import Matches

LINE = Enqueuer(b"x", "/", False, 0)


def queue(name: bytes) -> Destination:
    return Destination(name, "/", False, True)


def made(kind: bytes, arguments: Table) -> Exchange:
    exchange = make_exchange(kind, b"x", "/", ExchangeTraits(arguments=arguments))
    if isinstance(exchange, DelayedExchange):
        exchange.line = LINE
    return exchange


def delayed(inner: bytes) -> Exchange:
    return made(b"x-delayed-message", {b"x-delayed-type": longstr(inner)})


def found(exchange: Exchange, key: bytes, headers: Table | None = None) -> list[Destination]:
    matches = Matches()
    exchange.collect(key, headers, matches)
    return matches.found


@pytest.mark.parametrize(
    ("field", "delay"),
    [
        (long(1), 1),
        (Field("b", 5), 5),
        (Field("u", 60_000), 60_000),
        (long(MAX_DELAY_MS), MAX_DELAY_MS),
        (long(MAX_DELAY_MS + 1), 0),
        (long(2**63 - 1), 0),
        (long(0), 0),
        (long(-5), 0),
        (longstr(b"250"), 250),
        (longstr(b"-250"), 0),
        (longstr(b""), 0),
        (longstr(b"soon"), 0),
        (longstr(b"9" * 5000), 0),
        (longstr("٣".encode()), 0),
        (Field("d", 2.9), 2),
        (Field("d", 1e300), 0),
        (boolean(True), 0),
        (Field("V", None), 0),
        (None, 0),
    ],
)
def test_delay_is_a_number_of_milliseconds_up_to_32_bits(field: Field | None, delay: int) -> None:
    assert delay_of(field) == delay


def test_message_with_a_delay_waits_and_one_without_is_routed() -> None:
    exchange, q = delayed(b"direct"), queue(b"q")
    exchange.add(q, b"k", {})
    assert found(exchange, b"k", {b"x-delay": long(5)}) == [LINE]
    assert found(exchange, b"unbound", {b"x-delay": long(5)}) == [LINE]
    for headers in (None, {}, {b"x-delay": long(-5)}, {b"x-delay": long(0)}):
        assert found(exchange, b"k", headers) == [q]
        assert found(exchange, b"unbound", headers) == []


@pytest.mark.parametrize("inner", [b"direct", b"topic", b"fanout", b"headers", b"x-modulus-hash", b"x-recent-history"])
def test_bindings_come_and_go_in_the_inner_exchange_as_well(inner: bytes) -> None:
    exchange, q, other = delayed(inner), queue(b"q"), queue(b"other")
    exchange.add(q, b"k", {})
    exchange.add(q, b"k", {b"a": long(1)})
    assert found(exchange, b"k", {b"a": long(1)}) == [q]
    exchange.remove(q, b"k", {})
    assert found(exchange, b"k", {b"a": long(1)}) == [q]
    exchange.add(other, b"k", {})
    exchange.remove_destination(q)
    assert found(exchange, b"k", {}) == [other]
    exchange.remove(other, b"k", {})
    assert found(exchange, b"k", {}) == []


def test_inner_type_says_what_may_be_bound() -> None:
    with pytest.raises(SoftError):
        delayed(b"x-consistent-hash").check_binding(b"no weight", {})
    with pytest.raises(SoftError):
        delayed(b"x-local-random").check_queue_type(b"quorum")
    assert delayed(b"x-random").takes_first_key


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != b"x-delayed-message"])
def test_any_other_type_delays_if_it_is_told_to(kind: bytes) -> None:
    needed: Table = {b"x-cache-size": long(10)}  # of deduplication
    exchange = made(kind, {b"x-delayed-exchange": boolean(True), **needed})
    assert exchange.kind == kind
    assert found(exchange, b"", {b"x-delay": long(5)}) == [LINE]
    for said in (boolean(False), long(1), longstr(b"true")):
        assert not isinstance(made(kind, {b"x-delayed-exchange": said, **needed}), DelayedExchange)


def test_what_follows_an_exchange_that_delays_itself_cannot_be_another() -> None:
    exchange = made(b"x-delayed-message", {b"x-delayed-type": longstr(b"fanout"), b"x-delayed-exchange": boolean(True)})
    q = queue(b"q")
    exchange.add(q, b"", {})
    assert found(exchange, b"", {b"x-delay": long(-5)}) == [q]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
        ({b"x-delayed-type": long(1)}, "Invalid argument, 'x-delayed-type' must be an existing exchange type"),
        (
            {b"x-delayed-type": longstr(b"x-delayed-message")},
            "Invalid argument, 'x-delayed-type' must be an existing exchange type",
        ),
        ({b"x-delayed-type": longstr(b"nonsense")}, "unknown exchange type 'nonsense'"),
        (
            {b"x-delayed-type": longstr(b"x-consistent-hash"), b"hash-property": longstr(b"app_id")},
            "Unsupported property: app_id",
        ),
    ],
)
def test_type_that_cannot_be_delayed_is_refused(arguments: Table, text: str) -> None:
    with pytest.raises(SoftError) as refusal:
        made(b"x-delayed-message", arguments)
    assert refusal.value.reply_text == f"PRECONDITION_FAILED - {text}"
