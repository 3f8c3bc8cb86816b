"""From a publish to its queues: the route cache, alternates, CC and BCC, and the properties that are refused."""

from collections.abc import Callable

import pytest

from broker.core.arguments import Field, Table, array, longstr, table
from broker.vhost.publisher import REFUSED, ROUTE_CACHE_SIZE, ROUTED, STORED, UNROUTABLE, Publisher, read_expiration
from broker.wire.properties import headers_of
from broker.wire.tables import encode_table
from tests.auth.people import add_user
from tests.vhost.scene import (
    USER,
    Scene,
    bodies,
    content_header,
    publish_method,
    refused,
    refused_hard,
    take,
)


def names(scene: Scene, exchange: str = "x", key: str = "k") -> set[bytes]:
    """Where the route leads now."""
    return {queue.name for queue in scene.route(exchange, key).queues}


def alternate(name: bytes) -> Table:
    return {b"alternate-exchange": longstr(name)}


def with_headers(headers: Table, size: int = 1) -> bytes:
    """A content header whose only property is the headers table."""
    return content_header(size, delivery_mode=None)[:12] + b"\x20\x00" + encode_table(headers)


# --- what a publish is refused for


def test_missing_exchange_is_not_found(scene: Scene) -> None:
    with refused("NOT_FOUND - no exchange 'x' in vhost '/'"):
        scene.route("x", "k")


def test_internal_exchange_takes_nothing_from_clients(scene: Scene) -> None:
    scene.exchange(b"x", internal=True)
    with refused("ACCESS_REFUSED - cannot publish to internal exchange 'x' in vhost '/'"):
        scene.route("x", "k")


@pytest.mark.parametrize("exchange", ["", "missing"])
def test_immediate_is_not_implemented_even_for_a_missing_exchange(scene: Scene, exchange: str) -> None:
    with refused_hard("NOT_IMPLEMENTED - immediate=true"):
        scene.publisher.route(publish_method(exchange, "k", immediate=True))


def test_refused_route_is_not_remembered(scene: Scene) -> None:
    with refused("NOT_FOUND - no exchange 'x' in vhost '/'"):
        scene.route("x", "k")
    scene.exchange(b"x")
    assert names(scene) == set()


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        (b"", "no_integer"),
        (b"abc", "no_integer"),
        (b"-", "no_integer"),
        (b"+", "no_integer"),
        (b" 10", "no_integer"),
        (b"10foobar", '{leftover_string,"foobar"}'),
        (b"10 ", '{leftover_string," "}'),
        (b"1.5", '{leftover_string,".5"}'),
        (b"-10x", '{leftover_string,"x"}'),
        (b"-10", "{value_negative,-10}"),
        (b"315360000001", "{value_too_large,315360000001}"),
        (b"9" * 200, "{value_too_large," + "9" * 200 + "}"),
    ],
)
def test_expiration_that_is_no_time_is_refused(text: bytes, detail: str) -> None:
    with refused(f"PRECONDITION_FAILED - invalid expiration '{text.decode()}': {detail}"):
        read_expiration(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(b"0", 0), (b"1", 1), (b"0000000000000007", 7), (b"+5", 5), (b"-0", 0), (b"315360000000", 315_360_000_000)],
)
def test_expiration_is_milliseconds(text: bytes, expected: int) -> None:
    assert read_expiration(text) == expected


def test_refused_expiration_publishes_nothing(scene: Scene) -> None:
    queue = scene.queue()
    with refused("PRECONDITION_FAILED - invalid expiration 'soon': no_integer"):
        scene.publish("", "q", expiration="soon")
    assert queue.ready.count == 0


def test_user_id_must_be_the_login(scene: Scene) -> None:
    queue = scene.queue()
    text = "user_id property set to 'x' but authenticated user was 'guest'"
    with refused(f"PRECONDITION_FAILED - {text}"):
        scene.publish("", "q", user_id="x")
    assert queue.ready.count == 0
    assert scene.publish("", "q", user_id=USER.decode()) == STORED


@pytest.mark.parametrize("name", [b"CC", b"BCC"])
@pytest.mark.parametrize(
    ("field", "kind"), [(Field("I", 7), "signedint"), (longstr(b"k"), "longstr"), (table({}), "table")]
)
def test_carbon_copy_that_is_no_array_is_refused(scene: Scene, name: bytes, field: Field, kind: str) -> None:
    queue = scene.queue()
    with refused(f'PRECONDITION_FAILED - invalid message: {{unacceptable_type_in_header,"{name.decode()}",{kind}}}'):
        scene.publish("", "q", header_octets=with_headers({name: field}))
    assert queue.ready.count == 0


def test_headers_that_nobody_could_decode_are_refused(scene: Scene) -> None:
    scene.queue()
    with refused_hard("FRAME_ERROR - cannot decode <<1,107,63>>"):
        scene.publish("", "q", header_octets=bytes(12) + b"\x20\x00\x00\x00\x00\x03\x01k?")


# --- outcomes


def test_outcome_tells_what_became_of_a_message(scene: Scene) -> None:
    scene.queue(b"durable")
    scene.queue(b"transient", durable=False)
    scene.queue(b"full", {b"x-max-length": Field("I", 0), b"x-overflow": longstr(b"reject-publish")})
    assert scene.publish("", "nowhere") == UNROUTABLE
    assert scene.publish("", "durable") == STORED
    assert scene.publish("", "durable", delivery_mode=1) == ROUTED
    assert scene.publish("", "transient") == ROUTED
    assert scene.publish("", "full") == REFUSED
    assert scene.counters.messages_routed == 4


@pytest.mark.parametrize("order", [[b"full", b"durable", b"transient"], [b"transient", b"durable", b"full"]])
def test_one_queue_that_refuses_makes_the_publish_refused_and_the_others_keep_it(
    scene: Scene, order: list[bytes]
) -> None:
    exchange = scene.exchange(b"x", b"fanout")
    full = {b"x-max-length": Field("I", 0), b"x-overflow": longstr(b"reject-publish")}
    for name in order:
        queue = scene.queue(name, full if name == b"full" else {}, durable=name != b"transient")
        scene.vhost.bind(exchange, queue, b"", {})
    assert scene.publish("x", "") == REFUSED
    assert [scene.vhost.queues[name].ready.count for name in (b"durable", b"transient", b"full")] == [1, 1, 0]


def test_one_durable_queue_makes_the_publish_stored(scene: Scene) -> None:
    exchange = scene.exchange(b"x", b"fanout")
    for name, durable in ((b"a", False), (b"b", True), (b"c", False)):
        scene.vhost.bind(exchange, scene.queue(name, durable=durable), b"", {})
    assert scene.publish("x", "") == STORED


def test_queue_deleted_since_a_transaction_found_it_counts_as_having_taken_the_message(scene: Scene) -> None:
    queue = scene.queue()
    scene.publish("", "q")
    targets, message = scene.publisher.targets, scene.publisher.message
    scene.vhost.delete_queue(queue)
    assert scene.publisher.enqueue(message, targets) == ROUTED
    assert queue.ready.count == 0


# --- the cache


def test_same_octets_get_the_same_route(scene: Scene) -> None:
    scene.queue()
    assert scene.route("", "q") is scene.route("", "q")
    assert scene.route("", "q", mandatory=True) is not scene.route("", "q")
    assert scene.route("", "q", mandatory=True).is_mandatory


def test_random_route_is_not_remembered_and_hashed_one_is(scene: Scene) -> None:
    for kind in (b"x-random", b"x-local-random", b"x-modulus-hash", b"x-consistent-hash"):
        source = scene.exchange(kind, kind)
        for n in range(3):
            key = b"1" if kind == b"x-consistent-hash" else b""
            scene.vhost.bind(source, scene.queue(b"%s-%d" % (kind, n)), key, {})
        for _ in range(60):
            scene.publish(kind.decode(), "the same")
        counts = sorted(int(scene.vhost.queues[b"%s-%d" % (kind, n)].ready.count) for n in range(3))
        assert scene.route(kind.decode(), "the same").depends_on_headers == (b"random" in kind)
        # That one of three gets all of 60 by chance, or none, happens once in ten thousand million runs.
        assert (counts == [0, 0, 60]) != (b"random" in kind)
        assert sum(counts) == 60


def test_consistent_hash_on_a_property_looks_at_each_message(scene: Scene) -> None:
    source = scene.exchange(b"x", b"x-consistent-hash", {b"hash-property": longstr(b"message_id")})
    for n in range(4):
        scene.vhost.bind(source, scene.queue(b"q%d" % n), b"1", {})
    for n in range(100):
        scene.publish("x", "k", b"%d" % (n % 20), message_id=str(n % 20))
    found = [bodies(scene.vhost.queues[b"q%d" % n]) for n in range(4)]
    assert all(found)
    assert sum(len(set(each)) for each in found) == 20  # equal ids in one queue


CHANGES: dict[str, Callable[[Scene], None]] = {
    "a queue is declared": lambda scene: void(scene.queue(b"new")),
    "a queue is deleted": lambda scene: void(scene.vhost.delete_queue(scene.vhost.queues[b"spare"])),
    "an auto-delete queue goes": lambda scene: scene.vhost.consumer_left(scene.vhost.queues[b"spare"]),
    "an exchange is declared": lambda scene: void(scene.exchange(b"new")),
    "an exchange is deleted": lambda scene: scene.vhost.delete_exchange(b"spare", False),
    "a binding is made": lambda scene: scene.vhost.bind(
        scene.vhost.exchange(b"spare"), scene.vhost.queue(b"spare", 1), b"k", {}
    ),
    "a binding is removed": lambda scene: scene.vhost.unbind(
        scene.vhost.exchange(b"x"), scene.vhost.queue(b"q", 1), b"k", {}
    ),
}


def void(_: object) -> None:
    """A change is not asked for its result."""


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_route_is_found_anew_when(scene: Scene, change: Callable[[Scene], None]) -> None:
    scene.exchange(b"spare")
    scene.queue(b"spare", auto_delete=True)
    scene.vhost.bind(scene.exchange(b"x"), scene.queue(), b"k", {})
    before = scene.route("x", "k")
    assert before is scene.route("x", "k")
    change(scene)
    assert scene.route("x", "k") is not before


def test_what_changes_nothing_leaves_the_routes_alone(scene: Scene) -> None:
    exchange, queue = scene.exchange(b"x"), scene.queue()
    scene.vhost.bind(exchange, queue, b"k", {})
    before = scene.route("x", "k")
    scene.exchange(b"x")
    scene.queue()
    scene.vhost.bind(exchange, queue, b"k", {})
    scene.vhost.unbind(exchange, queue, b"other", {})
    scene.vhost.delete_exchange(b"missing", False)
    assert scene.route("x", "k") is before


def test_route_follows_every_change_of_the_topology(scene: Scene) -> None:
    vhost = scene.vhost
    first, second = scene.exchange(b"x"), scene.exchange(b"y", b"fanout")
    assert names(scene) == set()
    one = scene.queue(b"one")
    vhost.bind(first, one, b"k", {})
    assert names(scene) == {b"one"}
    vhost.bind(first, second, b"k", {})
    assert names(scene) == {b"one"}
    two = scene.queue(b"two")
    vhost.bind(second, two, b"", {})
    assert names(scene) == {b"one", b"two"}
    vhost.unbind(first, one, b"k", {})
    assert names(scene) == {b"two"}
    vhost.delete_queue(two)
    assert names(scene) == set()
    vhost.bind(second, scene.queue(b"two"), b"", {})
    assert names(scene) == {b"two"}
    vhost.delete_exchange(b"y", False)
    assert names(scene) == set()


def test_route_to_a_queue_of_the_same_name_leads_to_the_new_one(scene: Scene) -> None:
    old = scene.queue()
    assert scene.route("", "q").queues == [old]
    scene.vhost.delete_queue(old)
    assert scene.route("", "q").queues == []
    new = scene.queue()
    assert scene.route("", "q").queues == [new]


def test_publishers_of_one_vhost_see_each_others_changes(scene: Scene) -> None:
    other = Publisher(scene.vhost, add_user(scene.users, b"other", vhosts=["/"]).access("/"))
    assert other.route(publish_method("", "q")).queues == []
    queue = scene.queue()
    assert other.route(publish_method("", "q")).queues == [queue]


def test_cache_does_not_grow_without_end(scene: Scene) -> None:
    scene.queue()
    first = scene.route("", "q")
    for n in range(ROUTE_CACHE_SIZE):
        scene.route("", f"never again {n}")
    assert scene.route("", "q") is not first
    assert len(scene.publisher._routes) < ROUTE_CACHE_SIZE


# --- alternate exchanges


def test_alternate_exchange_takes_what_matches_nothing(scene: Scene) -> None:
    exchange, other = scene.exchange(b"x", arguments=alternate(b"ae")), scene.exchange(b"ae", b"fanout")
    scene.vhost.bind(exchange, scene.queue(b"matched"), b"k", {})
    scene.vhost.bind(other, scene.queue(b"unmatched"), b"", {})
    assert names(scene, key="k") == {b"matched"}
    assert names(scene, key="other") == {b"unmatched"}
    assert scene.publish("x", "other") == STORED


def test_alternate_exchange_may_be_missing_and_come_and_go(scene: Scene) -> None:
    scene.exchange(b"x", arguments=alternate(b"ae"))
    queue = scene.queue()
    assert scene.publish("x", "k") == UNROUTABLE
    scene.vhost.bind(scene.exchange(b"ae", b"fanout"), queue, b"", {})
    assert names(scene) == {b"q"}
    scene.vhost.delete_exchange(b"ae", False)
    assert names(scene) == set()


def test_alternate_exchanges_may_form_chains_and_cycles(scene: Scene) -> None:
    scene.exchange(b"x", arguments=alternate(b"y"))
    scene.exchange(b"y", arguments=alternate(b"z"))
    last = scene.exchange(b"z", arguments=alternate(b"x"))
    scene.exchange(b"self", arguments=alternate(b"self"))
    assert scene.publish("x", "k") == UNROUTABLE
    assert scene.publish("self", "k") == UNROUTABLE
    scene.vhost.bind(last, scene.queue(), b"k", {})
    assert names(scene) == {b"q"}


def test_alternate_headers_exchange_looks_at_each_message(scene: Scene) -> None:
    scene.exchange(b"x", arguments=alternate(b"amq.headers"))
    scene.vhost.bind(scene.vhost.exchange(b"amq.headers"), scene.queue(), b"", {b"colour": longstr(b"red")})
    assert scene.publish("x", "k", headers={"colour": "red"}) == STORED
    assert scene.publish("x", "k", headers={"colour": "blue"}) == UNROUTABLE
    assert scene.publish("x", "k") == UNROUTABLE


# --- sender-selected distribution


def test_copies_go_to_the_keys_in_cc_and_bcc_once_each(scene: Scene) -> None:
    queues = [scene.queue(name) for name in (b"to", b"cc", b"bcc", b"other")]
    headers = {"CC": ["cc", "to", "cc"], "BCC": ["bcc", "cc", "nobody"]}
    assert scene.publish("", "to", headers=headers) == STORED
    assert [queue.ready.count for queue in queues] == [1, 1, 1, 0]


@pytest.mark.parametrize(("kind", "binding"), [(b"topic", b"a.#"), (b"direct", b"a.b"), (b"fanout", b"")])
def test_copies_are_selected_by_any_exchange(scene: Scene, kind: bytes, binding: bytes) -> None:
    queue = scene.queue()
    scene.vhost.bind(scene.exchange(b"x", kind), queue, binding, {})
    assert scene.publish("x", "z", headers={"CC": ["y"], "BCC": ["a.b"]}) == STORED
    assert queue.ready.count == 1


def test_bcc_is_gone_from_what_consumers_see_and_cc_stays(scene: Scene) -> None:
    queue = scene.queue(b"bcc")
    headers: Table = {
        b"CC": array([longstr(b"c")]),
        b"BCC": array([longstr(b"bcc")]),
        b"n": Field("I", 1),
    }
    scene.publish("", "to", header_octets=with_headers(headers))
    message = take(queue).message
    assert headers_of(message.header) == {b"CC": array([longstr(b"c")]), b"n": Field("I", 1)}
    assert message.route == b"\x00\x02to"


def test_items_of_cc_that_are_no_strings_are_ignored(scene: Scene) -> None:
    queue = scene.queue()
    items = array([Field("I", 7), longstr(b"q"), Field("x", b"q2"), Field("V", None)])
    assert scene.publish("", "", header_octets=with_headers({b"CC": items})) == ROUTED
    assert queue.ready.count == 1


def test_header_without_copies_keeps_its_octets(scene: Scene) -> None:
    queue = scene.queue()
    octets = with_headers({b"XCCX": longstr(b"CC"), b"a": Field("s", 1)})
    scene.publish("", "q", header_octets=octets)
    assert take(queue).message.header is octets


def test_message_keeps_its_properties_and_its_place(scene: Scene) -> None:
    queue = scene.queue(arguments={b"x-max-priority": Field("I", 9)})
    for priority in (0, 9, 4, 9, 200):
        scene.publish("", "q", str(priority).encode(), priority=priority)
    assert bodies(queue) == [b"9", b"9", b"200", b"4", b"0"]


# --- what an exchange counts


def test_exchange_counts_what_came_in_and_the_queues_it_went_to(scene: Scene) -> None:
    exchange = scene.exchange(b"x", b"fanout")
    for name in (b"a", b"b"):
        scene.vhost.bind(exchange, scene.queue(name), b"", {})
    scene.publish("x", "k")
    scene.publish("x", "k")
    assert (exchange.published_in, exchange.published_out) == (2, 4)
    nowhere = scene.exchange(b"y", b"direct")
    scene.publish("y", "k")
    assert (nowhere.published_in, nowhere.published_out) == (1, 0)
