"""Declaring and deleting queues: names, exclusivity, equivalence, and exact texts."""

import re

import pytest

from broker.core.arguments import Field, Table, long, longstr
from tests.vhost.scene import Scene, refused

LOCKED = (
    "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'q' in vhost '/'. It could be originally "
    "declared on another connection or the exclusive property value does not match that of the original declaration."
)


def test_declaring_twice_gives_the_same_queue(scene: Scene) -> None:
    queue = scene.queue()
    assert scene.queue() is queue
    assert (scene.counters.queues_declared, scene.counters.queues_created) == (2, 1)


def test_empty_name_gets_a_generated_one(scene: Scene) -> None:
    one, other = scene.queue(b""), scene.queue(b"")
    assert re.fullmatch(rb"amq\.gen-[A-Za-z0-9_-]{22}", one.name)
    assert one.name != other.name
    assert scene.vhost.queues[one.name] is one


def test_generated_name_is_for_classic_queues_only(scene: Scene) -> None:
    with refused("PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue"):
        scene.queue(b"", {b"x-queue-type": longstr(b"quorum")})


def test_reserved_prefix_is_refused_even_for_a_queue_that_exists(scene: Scene) -> None:
    name = scene.queue(b"").name
    with refused(f"ACCESS_REFUSED - queue name '{name.decode()}' contains reserved prefix 'amq.*'"):
        scene.queue(name)


def test_missing_queue_is_not_found(scene: Scene) -> None:
    with refused("NOT_FOUND - no queue 'q' in vhost '/'"):
        scene.vhost.queue(b"q", 1)


def test_exclusive_queue_is_its_connections_alone(scene: Scene) -> None:
    queue = scene.queue(exclusive=True, connection_id=1)
    assert scene.vhost.queue(b"q", 1) is queue
    assert scene.queue(exclusive=True, connection_id=1) is queue
    with refused(LOCKED):
        scene.vhost.queue(b"q", 2)
    with refused(LOCKED):
        scene.queue(exclusive=True, connection_id=2)


@pytest.mark.parametrize("connection_id", [1, 2])
@pytest.mark.parametrize("exclusive", [False, True])
def test_exclusive_flag_that_differs_is_locked_and_comes_before_equivalence(
    scene: Scene, exclusive: bool, connection_id: int
) -> None:
    scene.queue(exclusive=exclusive)
    with refused(LOCKED):
        scene.queue(arguments={b"x-max-length": long(1)}, exclusive=not exclusive, connection_id=connection_id)


@pytest.mark.parametrize("durable", [False, True])
def test_exclusive_queue_has_no_durability_to_differ_in(scene: Scene, durable: bool) -> None:
    queue = scene.queue(durable=durable, exclusive=True)
    assert not queue.is_durable
    assert scene.queue(durable=not durable, exclusive=True) is queue


@pytest.mark.parametrize(
    ("durable", "auto_delete", "difference"),
    [
        (False, True, "'durable' for queue 'q' in vhost '/': received 'false' but current is 'true'"),
        (True, True, "'auto_delete' for queue 'q' in vhost '/': received 'true' but current is 'false'"),
    ],
)
def test_redeclare_names_the_first_flag_that_differs(
    scene: Scene, durable: bool, auto_delete: bool, difference: str
) -> None:
    scene.queue()
    with refused(f"PRECONDITION_FAILED - inequivalent arg {difference}"):
        scene.queue(durable=durable, auto_delete=auto_delete)


TTL = b"x-message-ttl"


@pytest.mark.parametrize(
    ("current", "received", "difference"),
    [
        ({TTL: Field("I", 10)}, {TTL: Field("I", 20)}, "received '20' but current is '10'"),
        ({TTL: Field("I", 10)}, {}, "received none but current is the value '10' of type 'signedint'"),
        ({}, {TTL: Field("I", 10)}, "received the value '10' of type 'signedint' but current is none"),
        ({TTL: Field("I", 10)}, {TTL: Field("d", 10.0)}, "received '10.0' but current is '10'"),
        # A bad value is not validated on redeclare: it is merely different.
        ({TTL: Field("I", 10)}, {TTL: longstr(b"ten")}, "received 'ten' but current is '10'"),
        ({TTL: Field("I", 10)}, {TTL: Field("I", -1)}, "received '-1' but current is '10'"),
    ],
)
def test_redeclare_compares_the_arguments_there_are(
    scene: Scene, current: Table, received: Table, difference: str
) -> None:
    scene.queue(arguments=current)
    text = f"inequivalent arg 'x-message-ttl' for queue 'q' in vhost '/': {difference}"
    with refused(f"PRECONDITION_FAILED - {text}"):
        scene.queue(arguments=received)


@pytest.mark.parametrize(
    ("current", "received"),
    [
        ({TTL: Field("I", 10)}, {TTL: long(10)}),
        ({TTL: Field("b", 10)}, {TTL: Field("i", 10)}),
        ({}, {b"x-queue-type": longstr(b"classic")}),
        ({b"x-queue-type": longstr(b"classic")}, {}),
        ({b"x-queue-type": longstr(b"")}, {b"x-queue-type": longstr(b"undefined")}),
        ({}, {b"x-unheard-of": longstr(b"x")}),
        ({b"x-unheard-of": longstr(b"x")}, {b"x-unheard-of": long(1)}),
    ],
)
def test_redeclare_accepts_what_means_the_same(scene: Scene, current: Table, received: Table) -> None:
    queue = scene.queue(arguments=current)
    assert scene.queue(arguments=received) is queue


@pytest.mark.parametrize(
    ("durable", "exclusive", "auto_delete", "property_name"),
    [(True, False, True, "auto-delete"), (True, True, False, "exclusive-owner"), (False, False, False, "non-durable")],
)
def test_quorum_queue_is_durable_and_shared(
    scene: Scene, durable: bool, exclusive: bool, auto_delete: bool, property_name: str
) -> None:
    with refused(f"PRECONDITION_FAILED - invalid property '{property_name}' for queue 'q' in vhost '/'"):
        scene.queue(
            arguments={b"x-queue-type": longstr(b"quorum")},
            durable=durable,
            exclusive=exclusive,
            auto_delete=auto_delete,
        )
    assert not scene.vhost.queues


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({b"x-expires": long(0)}, "invalid arg 'x-expires' for queue 'q' in vhost '/': {value_zero,0}"),
        (
            {b"x-dead-letter-routing-key": longstr(b"k")},
            "invalid arg 'x-dead-letter-routing-key' for queue 'q' in vhost '/': routing_key_but_no_dlx_defined",
        ),
        (
            {b"x-dead-letter-exchange": Field("I", 1)},
            "invalid type 'signedint' for arg 'x-dead-letter-exchange' in queue 'q' in vhost '/'",
        ),
        (
            {b"x-queue-type": longstr(b"foo")},
            "invalid arg 'x-queue-type' for queue 'q' in vhost '/': \"unsupported queue type 'foo'\"",
        ),
    ],
)
def test_queue_with_a_bad_argument_is_not_made(scene: Scene, arguments: Table, text: str) -> None:
    with refused(f"PRECONDITION_FAILED - {text}"):
        scene.queue(arguments=arguments)
    assert not scene.vhost.queues


def test_deleting_counts_what_was_ready_and_takes_the_bindings_along(scene: Scene) -> None:
    queue, exchange = scene.queue(), scene.exchange(b"x")
    scene.vhost.bind(exchange, queue, b"k", {})
    for _ in range(3):
        scene.publish("x", "k")
    assert queue.get() is not None
    assert scene.vhost.delete_queue(queue) == 2
    assert queue.is_deleted
    assert (exchange.binding_count, scene.vhost.bindings_to(queue), scene.vhost.queues) == (0, [], {})


def test_new_queue_of_a_deleted_ones_name_is_another_queue(scene: Scene) -> None:
    old = scene.queue()
    scene.publish("", "q")
    scene.vhost.delete_queue(old)
    new = scene.queue()
    assert new is not old
    assert new.ready.count == 0
    assert new.log_id > old.log_id


def test_auto_delete_queue_goes_when_its_last_consumer_has_gone(scene: Scene) -> None:
    stays, goes = scene.queue(b"stays"), scene.queue(b"goes", auto_delete=True)
    scene.vhost.consumer_left(stays)
    scene.vhost.consumer_left(goes)
    scene.vhost.consumer_left(goes)  # a second consumer of the same channel that was told of its end
    assert set(scene.vhost.queues) == {b"stays"}
