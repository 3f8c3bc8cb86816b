"""Declaring and deleting exchanges: order of checks and exact texts."""

import pytest

from broker.core.arguments import Field, Table, longstr
from broker.wire.tables import encode_table
from tests.vhost.scene import Scene, refused

PREDECLARED = {
    b"": (b"direct", False),
    b"amq.direct": (b"direct", False),
    b"amq.fanout": (b"fanout", False),
    b"amq.topic": (b"topic", False),
    b"amq.headers": (b"headers", False),
    b"amq.match": (b"headers", False),
    b"amq.rabbitmq.trace": (b"topic", True),
}


def test_new_vhost_has_the_predeclared_exchanges(scene: Scene) -> None:
    exchanges = scene.vhost.exchanges
    assert {name: (exchange.kind, exchange.is_internal) for name, exchange in exchanges.items()} == PREDECLARED
    assert all(exchange.is_durable and not exchange.is_auto_delete for exchange in exchanges.values())


def test_declaring_twice_gives_the_same_exchange(scene: Scene) -> None:
    assert scene.exchange(b"x", b"topic") is scene.exchange(b"x", b"topic")


@pytest.mark.parametrize("name", [name for name in PREDECLARED if name])
def test_predeclared_exchange_may_be_declared_as_it_is(scene: Scene, name: bytes) -> None:
    kind, is_internal = PREDECLARED[name]
    assert scene.exchange(name, kind, internal=is_internal) is scene.vhost.exchanges[name]


@pytest.mark.parametrize("name", [b"x", b"", b"amq.direct", b"amq.new"])
def test_unknown_type_is_the_first_thing_refused(scene: Scene, name: bytes) -> None:
    with refused("PRECONDITION_FAILED - unknown exchange type 'x-none'"):
        scene.exchange(name, b"x-none")


def test_default_exchange_cannot_be_declared_or_deleted(scene: Scene) -> None:
    text = "ACCESS_REFUSED - operation not permitted on the default exchange"
    with refused(text):
        scene.exchange(b"")
    with refused(text):
        scene.vhost.delete_exchange(b"", False)


def test_reserved_prefix_is_refused_for_new_exchanges(scene: Scene) -> None:
    with refused("ACCESS_REFUSED - exchange name 'amq.new' contains reserved prefix 'amq.*'"):
        scene.exchange(b"amq.new", arguments={b"alternate-exchange": Field("I", 1)})


def test_alternate_exchange_must_be_a_long_string(scene: Scene) -> None:
    text = "invalid type 'signedint' for arg 'alternate-exchange' in exchange 'x' in vhost '/'"
    with refused(f"PRECONDITION_FAILED - {text}"):
        scene.exchange(b"x", arguments={b"alternate-exchange": Field("I", 1)})
    assert b"x" not in scene.vhost.exchanges


@pytest.mark.parametrize(
    ("kind", "durable", "auto_delete", "internal", "difference"),
    [
        (
            b"fanout",
            False,
            True,
            True,
            "'type' for exchange 'x' in vhost '/': received 'fanout' but current is 'direct'",
        ),
        (
            b"direct",
            False,
            True,
            True,
            "'durable' for exchange 'x' in vhost '/': received 'false' but current is 'true'",
        ),
        (
            b"direct",
            True,
            True,
            True,
            "'auto_delete' for exchange 'x' in vhost '/': received 'true' but current is 'false'",
        ),
        (
            b"direct",
            True,
            False,
            True,
            "'internal' for exchange 'x' in vhost '/': received 'true' but current is 'false'",
        ),
    ],
)
def test_redeclare_names_the_first_difference(
    scene: Scene, kind: bytes, durable: bool, auto_delete: bool, internal: bool, difference: str
) -> None:
    scene.exchange(b"x")
    with refused(f"PRECONDITION_FAILED - inequivalent arg {difference}"):
        scene.exchange(b"x", kind, durable=durable, auto_delete=auto_delete, internal=internal)


@pytest.mark.parametrize(
    ("current", "received", "difference"),
    [
        ({}, {b"alternate-exchange": longstr(b"a")}, "received the value 'a' of type 'longstr' but current is none"),
        ({b"alternate-exchange": longstr(b"a")}, {}, "received none but current is the value 'a' of type 'longstr'"),
        (
            {b"alternate-exchange": longstr(b"a")},
            {b"alternate-exchange": longstr(b"b")},
            "received 'b' but current is 'a'",
        ),
    ],
)
def test_redeclare_compares_the_alternate_exchange(
    scene: Scene, current: Table, received: Table, difference: str
) -> None:
    scene.exchange(b"x", arguments=current)
    text = f"inequivalent arg 'alternate-exchange' for exchange 'x' in vhost '/': {difference}"
    with refused(f"PRECONDITION_FAILED - {text}"):
        scene.exchange(b"x", arguments=received)


def test_redeclare_ignores_every_other_argument(scene: Scene) -> None:
    exchange = scene.exchange(b"x", arguments={b"one": longstr(b"1")})
    assert scene.exchange(b"x", arguments={b"two": longstr(b"2")}) is exchange
    assert encode_table(exchange.arguments) == encode_table({b"one": longstr(b"1")})


def test_missing_exchange_is_not_found(scene: Scene) -> None:
    with refused("NOT_FOUND - no exchange 'x' in vhost '/'"):
        scene.vhost.exchange(b"x")


@pytest.mark.parametrize("name", [b"amq.direct", b"amq.rabbitmq.trace", b"amq.never-there"])
def test_system_exchange_cannot_be_deleted(scene: Scene, name: bytes) -> None:
    text = f"deletion of system exchange '{name.decode()}' in vhost '/' not allowed"
    with refused(f"ACCESS_REFUSED - {text}"):
        scene.vhost.delete_exchange(name, False)


def test_deleting_a_missing_exchange_is_no_error(scene: Scene) -> None:
    scene.exchange(b"x")
    scene.vhost.delete_exchange(b"x", False)
    scene.vhost.delete_exchange(b"x", True)
    assert b"x" not in scene.vhost.exchanges


def test_if_unused_looks_at_bindings_from_the_exchange_only(scene: Scene) -> None:
    used, target = scene.exchange(b"used"), scene.exchange(b"target")
    scene.vhost.bind(used, target, b"k", {})
    with refused("PRECONDITION_FAILED - exchange 'used' in vhost '/' in use"):
        scene.vhost.delete_exchange(b"used", True)
    scene.vhost.delete_exchange(b"target", True)
    scene.vhost.delete_exchange(b"used", True)
    assert set(scene.vhost.exchanges) == set(PREDECLARED)


def test_names_that_are_not_utf8_do_not_hinder_the_refusal(scene: Scene) -> None:
    with refused("NOT_FOUND - no exchange '\ufffd' in vhost '/'"):
        scene.vhost.exchange(b"\xff")
