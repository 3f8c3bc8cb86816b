"""What every exchange type does with its bindings: identity, counting, forgetting, auto-delete."""

import pytest

from broker.core.arguments import Field, Table, array, boolean, long, longstr
from broker.core.destination import Destination
from broker.core.errors import SoftError
from broker.routing.direct import DefaultExchange, QueueLookup
from broker.routing.exchange import Exchange, ExchangeTraits
from broker.routing.exchange_types import KINDS, check_exchange_arguments, make_exchange
from broker.routing.matches import Matches


def queue(name: bytes) -> Destination:
    return Destination(name, "/", False, True)


def exchange(kind: bytes, *, is_auto_delete: bool = False, arguments: Table | None = None) -> Exchange:
    return make_exchange(kind, b"x", "/", ExchangeTraits(is_auto_delete=is_auto_delete, arguments=arguments))


def collected(source: Exchange, key: bytes = b"k", headers: Table | None = None) -> list[bytes]:
    matches = Matches()
    source.collect(key, headers, matches)
    return [destination.name for destination in matches.found]


HEADERS: Table = {b"a": longstr(b"1")}
# These take the binding key for a weight, or want arguments, and have tests of their own.
PARTICULAR = {b"x-consistent-hash", b"x-delayed-message", b"x-message-deduplication"}
every_kind = pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in PARTICULAR])


@every_kind
def test_exchange_says_what_it_was_made_with(kind: bytes) -> None:
    traits = ExchangeTraits(is_durable=False, is_auto_delete=True, is_internal=True, arguments={b"a": long(1)})
    made = make_exchange(kind, b"x", "v", traits)
    assert (made.kind, made.name, made.vhost_name) == (kind, b"x", "v")
    assert (made.is_exchange, made.is_durable, made.is_auto_delete, made.is_internal) == (True, False, True, True)
    assert made.arguments == {b"a": long(1)}
    assert made.needs_headers == (kind in {b"headers", b"x-random", b"x-local-random", b"x-recent-history"})
    assert str(made) == "exchange 'x' in vhost 'v'"


@every_kind
def test_binding_routes_until_it_is_removed(kind: bytes) -> None:
    source, q = exchange(kind), queue(b"q")
    assert collected(source, headers=HEADERS) == []
    assert source.add(q, b"k", {b"a": longstr(b"1")})
    assert collected(source, headers=HEADERS) == [b"q"]
    assert source.remove(q, b"k", {b"a": longstr(b"1")})
    assert collected(source, headers=HEADERS) == []


@every_kind
def test_identical_binding_is_not_added_again_whatever_the_order_of_its_arguments(kind: bytes) -> None:
    source, q = exchange(kind), queue(b"q")
    assert source.add(q, b"k", {b"a": longstr(b"1"), b"b": Field("I", 2)})
    assert not source.add(q, b"k", {b"b": long(2), b"a": longstr(b"1")})
    assert source.binding_count == 1


@every_kind
@pytest.mark.parametrize("other", [{}, {b"a": longstr(b"2")}, {b"a": Field("x", b"1")}, {b"b": longstr(b"1")}])
def test_other_arguments_make_a_second_binding_but_not_a_second_copy(kind: bytes, other: Table) -> None:
    source, q = exchange(kind), queue(b"q")
    arguments: Table = {b"a": longstr(b"1")}
    assert source.add(q, b"k", arguments)
    assert source.add(q, b"k", other)
    assert source.binding_count == 2
    assert collected(source, headers=HEADERS) == [b"q"]
    assert source.remove(q, b"k", other)
    assert collected(source, headers=HEADERS) == [b"q"]
    assert [binding.arguments for binding in source.bindings()] == [arguments]


@every_kind
def test_key_and_arguments_cannot_be_mistaken_for_each_other(kind: bytes) -> None:
    source, q = exchange(kind), queue(b"q")
    # The second key is the canonical octets of the first binding's first argument: without the length of the key
    # before it, the two would have one identity.
    assert source.add(q, b"", {b"a": longstr(b"1"), b"b": longstr(b"2")})
    assert source.add(q, b"\x00\x00\x00\x01a\x00\x00\x00\x02S1", {b"b": longstr(b"2")})
    assert source.binding_count == 2


@every_kind
def test_removing_what_is_not_bound_is_no_error(kind: bytes) -> None:
    source, q = exchange(kind), queue(b"q")
    assert not source.remove(q, b"k", {})
    source.add(q, b"k", {})
    assert not source.remove(q, b"other", {})
    assert not source.remove(queue(b"q"), b"k", {})
    assert not source.remove(q, b"k", {b"a": long(1)})
    assert source.binding_count == 1


@every_kind
def test_deleted_destination_loses_all_its_bindings_and_no_other_does(kind: bytes) -> None:
    source, q, other = exchange(kind), queue(b"q"), queue(b"other")
    for key in (b"k", b"#", b"k.l"):
        source.add(q, key, {})
    source.add(other, b"k", {})
    removed = source.remove_destination(q)
    assert sorted(binding.key for binding in removed) == [b"#", b"k", b"k.l"]
    assert all(binding.source is source and binding.destination is q for binding in removed)
    assert source.remove_destination(q) == []
    assert source.binding_count == 1
    assert source.bindings_to(q) == []
    assert collected(source, headers=HEADERS) == [b"other"]


@every_kind
def test_bound_exchanges_are_known_while_a_binding_to_them_is_left(kind: bytes) -> None:
    source, target = exchange(kind), exchange(kind)
    source.add(queue(b"q"), b"k", {})
    source.add(target, b"k", {})
    source.add(target, b"l", {})
    assert source.bound_exchanges() == [target]
    source.remove(target, b"k", {})
    assert source.bound_exchanges() == [target]
    source.remove(target, b"l", {})
    assert source.bound_exchanges() == []


@every_kind
def test_auto_delete_exchange_is_abandoned_when_its_last_binding_goes(kind: bytes) -> None:
    source, q = exchange(kind, is_auto_delete=True), queue(b"q")
    assert not source.is_abandoned  # it never had one
    source.add(q, b"k", {})
    source.add(q, b"l", {})
    assert not source.is_abandoned
    source.remove(q, b"k", {})
    assert not source.is_abandoned
    source.remove(q, b"missing", {})
    assert not source.is_abandoned
    source.remove_destination(q)
    assert source.is_abandoned


@every_kind
def test_exchange_without_auto_delete_is_never_abandoned(kind: bytes) -> None:
    source, q = exchange(kind), queue(b"q")
    source.add(q, b"k", {})
    source.remove(q, b"k", {})
    assert source.had_binding
    assert not source.is_abandoned


def test_binding_to_an_exchange_does_not_count_for_that_exchange() -> None:
    upstream, downstream = exchange(b"fanout"), exchange(b"fanout", is_auto_delete=True)
    upstream.add(downstream, b"", {})
    upstream.remove(downstream, b"", {})
    assert not downstream.had_binding
    assert not downstream.is_abandoned


def test_direct_exchange_compares_the_whole_key() -> None:
    source = exchange(b"direct")
    source.add(queue(b"q"), b"a.*", {})
    source.add(queue(b"empty"), b"", {})
    assert collected(source, b"a.*") == [b"q"]
    assert collected(source, b"a.b") == []
    assert collected(source, b"") == [b"empty"]


def test_fanout_exchange_ignores_the_key_and_gives_each_destination_once() -> None:
    source, q = exchange(b"fanout"), queue(b"q")
    source.add(q, b"a", {})
    source.add(q, b"b", {})
    source.add(queue(b"other"), b"a", {})
    assert collected(source, b"zzz") == [b"q", b"other"]


def test_alternate_exchange_is_taken_from_the_argument() -> None:
    assert exchange(b"direct", arguments={b"alternate-exchange": longstr(b"ae")}).alternate == b"ae"
    assert exchange(b"direct").alternate == b""


@pytest.mark.parametrize(
    ("field", "kind"), [(Field("I", 1), "signedint"), (boolean(True), "bool"), (array([]), "array")]
)
def test_alternate_exchange_that_is_no_string_is_refused(field: Field, kind: str) -> None:
    text = f"PRECONDITION_FAILED - invalid type '{kind}' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"
    with pytest.raises(SoftError) as caught:
        check_exchange_arguments(b"x", "/", {b"alternate-exchange": field})
    assert caught.value.reply_text == text
    with pytest.raises(SoftError):
        exchange(b"direct", arguments={b"alternate-exchange": field})


@pytest.mark.parametrize("kind", [b"", b"Direct", b"x-nothing"])
def test_unknown_exchange_type_is_refused_with_406(kind: bytes) -> None:
    with pytest.raises(SoftError) as caught:
        exchange(kind)
    assert caught.value.reply_text == f"PRECONDITION_FAILED - unknown exchange type '{kind.decode()}'"


class OneQueue(QueueLookup):
    def __init__(self, only: Destination) -> None:
        self.only = only

    def find_queue(self, name: bytes) -> Destination | None:
        return self.only if name == self.only.name else None


def test_default_exchange_routes_to_the_queue_named_by_the_key() -> None:
    default = DefaultExchange("/", OneQueue(queue(b"q")))
    assert (default.name, default.kind, default.is_durable) == (b"", b"direct", True)
    assert collected(default, b"q") == [b"q"]
    assert collected(default, b"p") == []
    assert collected(default, b"") == []
