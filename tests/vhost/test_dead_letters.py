"""Dead letters: where they go, what they carry, and where a cycle ends."""

from typing import Any, cast

import pytest

from broker.core.arguments import Field, Table, array, long, longstr, table
from broker.core.message import Message, Queued
from broker.queues.queue import Queue
from broker.store.survivors import Survivors
from broker.wire.properties import expiration_of, headers_of
from broker.wire.tables import MAX_TABLE_ITEMS, encode_table
from tests.vhost.scene import Scene, bodies, content_header, take, take_all


def to(exchange: bytes, key: bytes | None = None, **more: Field) -> Table:
    """Arguments of a queue whose dead letters go to an exchange; ``max_length=…`` stands for ``x-max-length``."""
    arguments = {b"x-dead-letter-exchange": longstr(exchange)}
    if key is not None:
        arguments[b"x-dead-letter-routing-key"] = longstr(key)
    return arguments | {b"x-" + name.replace("_", "-").encode(): field for name, field in more.items()}


def plain(field: Field) -> object:
    """A field as Python has it, without its letter."""
    if field.kind == "F":
        return {name: plain(value) for name, value in cast("Table", field.value).items()}
    if field.kind == "A":
        return [plain(item) for item in cast("list[Field]", field.value)]
    return field.value


def headers(message: Message) -> Table:
    found = headers_of(message.header)
    assert found is not None
    return found


def deaths(message: Message) -> list[tuple[object, object, object]]:
    """The entries of x-death as (queue, reason, count)."""
    entries = cast("list[dict[bytes, object]]", plain(headers(message)[b"x-death"]))
    return [(entry.get(b"queue"), entry.get(b"reason"), entry.get(b"count")) for entry in entries]


def reject(scene: Scene, queue: Queue) -> Queued:
    """Take the first message, reject it, and end the turn."""
    queued = take(queue)
    queue.reject(queued)
    scene.finish()
    return queued


# --- what is written down


def test_rejected_message_carries_where_and_why_it_died(scene: Scene) -> None:
    queue, dead = scene.queue(arguments=to(b"dlx")), scene.queue(b"dead")
    scene.vhost.bind(scene.exchange(b"dlx"), dead, b"k", {})
    scene.vhost.bind(scene.exchange(b"x"), queue, b"k", {})
    scene.publish("x", "k", b"body", headers={"mine": "stays"}, correlation_id="c", priority=3)
    reject(scene, queue)
    message = take(dead).message
    assert message.body == b"body"
    assert message.route == b"\x03dlx\x01k"
    assert (message.is_persistent, message.priority, message.ttl_ms) == (True, 3, -1)
    seconds = scene.clock.now_ms() // 1000
    assert headers(message) == {
        b"mine": longstr(b"stays"),
        b"x-death": array(
            [
                table(
                    {
                        b"count": long(1),
                        b"reason": longstr(b"rejected"),
                        b"queue": longstr(b"q"),
                        b"time": Field("T", seconds),
                        b"exchange": longstr(b"x"),
                        b"routing-keys": array([longstr(b"k")]),
                    }
                )
            ]
        ),
        b"x-first-death-queue": longstr(b"q"),
        b"x-first-death-reason": longstr(b"rejected"),
        b"x-first-death-exchange": longstr(b"x"),
        b"x-last-death-queue": longstr(b"q"),
        b"x-last-death-reason": longstr(b"rejected"),
        b"x-last-death-exchange": longstr(b"x"),
    }
    assert scene.counters.dead_lettered_rejected == 1


def test_other_properties_keep_their_octets(scene: Scene) -> None:
    queue, dead = scene.queue(arguments=to(b"", b"dead")), scene.queue(b"dead")
    properties: dict[str, Any] = {"content_type": "text/plain", "reply_to": "r", "message_id": "m", "app_id": "a"}
    scene.publish("", "q", b"body", **properties)
    reject(scene, queue)
    message = take(dead).message
    expected = content_header(4, headers={"x": "y"}, **properties)
    at = expected.index(b"\x02\x01r\x01m\x01a")  # delivery mode and what comes behind it
    assert message.header.startswith(expected[:25])
    assert message.header.endswith(expected[at:])


def test_dead_letter_key_replaces_all_keys(scene: Scene) -> None:
    queue = scene.queue(arguments=to(b"amq.direct", b"new"))
    old, copy, new = (scene.queue(name) for name in (b"old", b"copy", b"new"))
    for target in (old, copy, new):
        scene.vhost.bind(scene.vhost.exchange(b"amq.direct"), target, target.name, {})
    scene.vhost.bind(scene.exchange(b"x", b"fanout"), queue, b"", {})
    scene.publish("x", "old", headers={"CC": ["copy"]})
    reject(scene, queue)
    assert [target.ready.count for target in (old, copy, new)] == [0, 0, 1]
    message = take(new).message
    assert message.route == b"\x0aamq.direct\x03new"
    entry = cast("list[dict[bytes, object]]", plain(headers(message)[b"x-death"]))[0]
    assert entry[b"routing-keys"] == [b"old", b"copy"]
    assert plain(headers(message)[b"CC"]) == [b"copy"]


def test_without_a_dead_letter_key_all_original_keys_are_used_but_bcc(scene: Scene) -> None:
    queue = scene.queue(arguments=to(b"amq.direct"))
    targets = [scene.queue(name) for name in (b"main", b"copy", b"blind")]
    for target in targets:
        scene.vhost.bind(scene.vhost.exchange(b"amq.direct"), target, target.name, {})
    scene.vhost.bind(scene.exchange(b"x", b"fanout"), queue, b"", {})
    scene.publish("x", "main", headers={"CC": ["copy"], "BCC": ["blind"]})
    reject(scene, queue)
    assert [target.ready.count for target in targets] == [1, 1, 0]
    entry = cast("list[dict[bytes, object]]", plain(headers(take(targets[1]).message)[b"x-death"]))[0]
    assert entry[b"routing-keys"] == [b"main", b"copy"]
    assert entry[b"exchange"] == b"x"


@pytest.mark.parametrize("reason", ["rejected", "expired", "maxlen"])
def test_expiration_is_noted_and_taken_out_whatever_the_reason(scene: Scene, reason: str) -> None:
    queue = scene.queue(arguments=to(b"", b"dead", max_length=long(0 if reason == "maxlen" else 9)))
    dead = scene.queue(b"dead")
    scene.publish("", "q", expiration="5000")
    if reason == "rejected":
        reject(scene, queue)
    elif reason == "expired":
        scene.advance(5)
    scene.finish()
    scene.advance(3600)
    message = take(dead).message
    entry = cast("list[dict[bytes, object]]", plain(headers(message)[b"x-death"]))[0]
    assert (entry[b"reason"], entry[b"original-expiration"]) == (reason.encode(), b"5000")
    assert expiration_of(message.header) is None
    assert message.ttl_ms == -1


def test_queue_ttl_of_the_target_still_applies(scene: Scene) -> None:
    queue = scene.queue(arguments=to(b"", b"dead"))
    dead = scene.queue(b"dead", {b"x-message-ttl": long(1000)})
    scene.publish("", "q", expiration="100")
    reject(scene, queue)
    scene.advance(0.9)
    assert dead.ready.count == 1
    scene.advance(0.2)
    assert dead.ready.count == 0


def test_same_death_again_counts_and_moves_to_the_front(scene: Scene) -> None:
    one = scene.queue(b"one", to(b"", b"two"))
    two = scene.queue(b"two", to(b"", b"one"))
    scene.publish("", "one")
    born = scene.clock.now_ms() // 1000
    for expected in (
        [(b"one", b"rejected", 1)],
        [(b"two", b"rejected", 1), (b"one", b"rejected", 1)],
        [(b"one", b"rejected", 2), (b"two", b"rejected", 1)],
        [(b"two", b"rejected", 2), (b"one", b"rejected", 2)],
    ):
        reject(scene, one if one.ready.count else two)
        queued = take(one if one.ready.count else two)
        assert deaths(queued.message) == expected
        scene.advance(10)
        cast("Queue", queued.queue).put_back([queued])
    message = take(one).message
    assert plain(headers(message)[b"x-first-death-queue"]) == b"one"
    assert plain(headers(message)[b"x-last-death-queue"]) == b"two"
    entries = cast("list[dict[bytes, object]]", plain(headers(message)[b"x-death"]))
    assert [entry[b"time"] for entry in entries] == [born + 10, born]  # of the first death of each pair
    assert [entry[b"exchange"] for entry in entries] == [b"", b""]


def test_two_reasons_in_one_queue_are_two_entries(scene: Scene) -> None:
    queue = scene.queue(arguments=to(b"", b"back", message_ttl=long(1000)))
    back = scene.queue(b"back", to(b"", b"q"))
    scene.publish("", "q")
    reject(scene, queue)
    reject(scene, back)
    scene.advance(2)
    assert deaths(take(back).message) == [(b"q", b"expired", 1), (b"back", b"rejected", 1), (b"q", b"rejected", 1)]


# --- where it goes


def test_missing_dead_letter_exchange_drops_the_message(scene: Scene) -> None:
    queue = scene.queue(arguments=to(b"missing"))
    scene.publish("", "q")
    reject(scene, queue)
    assert (queue.ready.count, queue.unacked_count) == (0, 0)


def test_unroutable_dead_letter_is_dropped_or_goes_to_the_alternate(scene: Scene) -> None:
    queue = scene.queue(arguments=to(b"dlx"))
    dead = scene.queue(b"dead")
    scene.exchange(b"dlx", arguments={b"alternate-exchange": longstr(b"amq.fanout")})
    scene.publish("", "q", b"dropped")
    reject(scene, queue)
    scene.vhost.bind(scene.vhost.exchange(b"amq.fanout"), dead, b"", {})
    scene.publish("", "q", b"saved")
    reject(scene, queue)
    assert bodies(dead) == [b"saved"]


def test_dead_letters_may_go_through_an_internal_exchange(scene: Scene) -> None:
    queue, dead = scene.queue(arguments=to(b"dlx")), scene.queue(b"dead")
    scene.vhost.bind(scene.exchange(b"dlx", b"fanout", internal=True), dead, b"", {})
    scene.publish("", "q")
    reject(scene, queue)
    assert dead.ready.count == 1


def test_drop_head_dead_letters_the_oldest(scene: Scene) -> None:
    queue, dead = scene.queue(arguments=to(b"", b"dead", max_length=long(2))), scene.queue(b"dead")
    for n in range(5):
        scene.publish("", "q", b"%d" % n)
    scene.finish()
    assert [(queued.message.body, deaths(queued.message)) for queued in take_all(dead)] == [
        (b"%d" % n, [(b"q", b"maxlen", 1)]) for n in range(3)
    ]
    assert bodies(queue) == [b"3", b"4"]
    assert scene.counters.dead_lettered_maxlen == 3


def test_reject_publish_dlx_dead_letters_the_newest(scene: Scene) -> None:
    queue = scene.queue(arguments=to(b"", b"dead", max_length=long(1), overflow=longstr(b"reject-publish-dlx")))
    dead = scene.queue(b"dead")
    for n in range(3):
        scene.publish("", "q", b"%d" % n)
    scene.finish()
    assert bodies(queue) == [b"0"]
    assert bodies(dead) == [b"1", b"2"]


def test_target_that_is_full_refuses_a_dead_letter_for_good(scene: Scene) -> None:
    queue = scene.queue(arguments=to(b"", b"dead"))
    dead = scene.queue(b"dead", {b"x-max-length": long(0), b"x-overflow": longstr(b"reject-publish")})
    scene.publish("", "q")
    reject(scene, queue)
    assert (dead.ready.count, queue.ready.count) == (0, 0)


@pytest.mark.parametrize("end", ["delete", "purge", "auto-delete", "expires"])
def test_messages_of_a_queue_that_ends_are_not_dead_lettered(scene: Scene, end: str) -> None:
    queue = scene.queue(arguments=to(b"", b"dead", expires=long(1000)), auto_delete=True)
    dead = scene.queue(b"dead")
    scene.publish("", "q")
    if end == "delete":
        scene.vhost.delete_queue(queue)
    elif end == "purge":
        assert queue.purge(Survivors()) == 1
    elif end == "auto-delete":
        scene.vhost.consumer_left(queue)
    else:
        scene.advance(1)
    scene.finish()
    assert dead.ready.count == 0
    assert queue.ready.count == 0


def test_one_target_reached_by_two_keys_gets_one_copy(scene: Scene) -> None:
    queue, dead = scene.queue(arguments=to(b"amq.topic")), scene.queue(b"dead")
    scene.vhost.bind(scene.vhost.exchange(b"amq.topic"), dead, b"#", {})
    scene.vhost.bind(scene.vhost.exchange(b"amq.topic"), dead, b"q", {})
    scene.publish("", "q", headers={"CC": ["elsewhere"]})
    reject(scene, queue)
    assert dead.ready.count == 1


# --- cycles


def test_expired_message_does_not_come_back_to_its_queue(scene: Scene) -> None:
    queue = scene.queue(arguments=to(b"", b"q", message_ttl=long(100)))
    scene.publish("", "q")
    scene.advance(1)
    assert queue.ready.count == 0


def test_rejected_message_may_come_back_to_its_queue_for_ever(scene: Scene) -> None:
    queue = scene.queue(arguments=to(b"", b"q"))
    scene.publish("", "q")
    for _ in range(12):
        reject(scene, queue)
    assert deaths(take(queue).message) == [(b"q", b"rejected", 12)]


@pytest.mark.parametrize("length", [2, 3, 5])
def test_circle_of_queues_that_only_expire_is_cut_before_the_first(scene: Scene, length: int) -> None:
    queues = [
        scene.queue(b"q%d" % n, to(b"", b"q%d" % ((n + 1) % length), message_ttl=long(1000))) for n in range(length)
    ]
    scene.publish("", "q0")
    for n in range(1, length):
        scene.advance(1.5)
        assert [queue.ready.count for queue in queues] == [int(at == n) for at in range(length)]
    scene.advance(1.5)
    assert [queue.ready.count for queue in queues] == [0] * length


def test_rejection_in_the_circle_lets_it_go_on(scene: Scene) -> None:
    waits = scene.queue(b"waits", to(b"", b"work", message_ttl=long(1000)))
    work = scene.queue(b"work", to(b"", b"waits"))
    scene.publish("", "work")
    for turn in range(1, 5):
        reject(scene, work)
        assert waits.ready.count == 1
        scene.advance(1.5)
        assert work.ready.count == 1, turn
    assert deaths(take(work).message) == [(b"waits", b"expired", 4), (b"work", b"rejected", 4)]


def test_growth_of_the_history_ends_with_one_entry_for_each_queue_and_reason(scene: Scene) -> None:
    """As RabbitMQ's Java test XDeathHeaderGrowth has it: three queues expire in a row, a fourth rejects nine times."""
    names = [b"one", b"two", b"three", b"four"]
    for n, name in enumerate(names[:3]):
        scene.queue(name, to(b"", names[n + 1], message_ttl=long(100)))
    four = scene.queue(b"four", to(b"", b"four"))
    scene.publish("", "one")
    for _ in range(3):
        scene.advance(0.2)
    for _ in range(9):
        reject(scene, four)
    message = take(four).message
    assert deaths(message) == [
        (b"four", b"rejected", 9),
        (b"three", b"expired", 1),
        (b"two", b"expired", 1),
        (b"one", b"expired", 1),
    ]


def test_cut_for_one_target_leaves_the_others_their_copy(scene: Scene) -> None:
    queue, other = scene.queue(arguments=to(b"amq.fanout", message_ttl=long(100))), scene.queue(b"other")
    for target in (queue, other):
        scene.vhost.bind(scene.vhost.exchange(b"amq.fanout"), target, b"", {})
    scene.publish("", "q")
    scene.advance(1)
    assert (queue.ready.count, other.ready.count) == (0, 1)


def test_full_queues_that_feed_each_other_come_to_an_end_within_the_turn(scene: Scene) -> None:
    one = scene.queue(b"one", to(b"", b"two", max_length=long(0)))
    two = scene.queue(b"two", to(b"", b"one", max_length=long(0)))
    scene.publish("", "one")
    scene.finish()
    assert (one.ready.count, two.ready.count) == (0, 0)
    assert scene.counters.dead_lettered_maxlen == 2


# --- what a client may have put under the broker's names


@pytest.mark.parametrize(
    "field",
    [
        longstr(b"not an array"),
        array([]),
        array([longstr(b"not a table"), Field("V", None)]),
        array([table({})]),
        array([table({b"queue": Field("I", 1), b"reason": array([])})]),
        array([table({b"queue": longstr(b"q"), b"reason": longstr(b"rejected")})]),
        array([table({b"queue": longstr(b"q"), b"reason": longstr(b"rejected"), b"count": longstr(b"many")})]),
        array([table({b"queue": longstr(b"q"), b"reason": longstr(b"rejected"), b"count": long(2**63 - 1)})]),
        array([table({b"queue": longstr(b"q"), b"reason": longstr(b"rejected"), b"count": long(-5)})]),
    ],
)
def test_history_made_up_by_a_client_is_replaced(scene: Scene, field: Field) -> None:
    queue, dead = scene.queue(arguments=to(b"", b"dead")), scene.queue(b"dead")
    claims: Table = {b"x-death": field, b"x-first-death-queue": longstr(b"elsewhere"), b"mine": longstr(b"stays")}
    octets = bytes(4) + (1).to_bytes(8, "big") + b"\x20\x00" + encode_table(claims)
    scene.publish("", "q", header_octets=octets)
    reject(scene, queue)
    message = take(dead).message
    assert deaths(message) == [(b"q", b"rejected", 1)]
    assert headers(message)[b"x-first-death-queue"] == longstr(b"q")
    assert headers(message)[b"mine"] == longstr(b"stays")


def test_dead_letter_that_a_client_publishes_again_begins_a_new_history(scene: Scene) -> None:
    queue, dead = scene.queue(arguments=to(b"", b"dead")), scene.queue(b"dead")
    scene.publish("", "q")
    reject(scene, queue)
    scene.publish("", "q", header_octets=take(dead).message.header)
    reject(scene, queue)
    assert deaths(take(dead).message) == [(b"q", b"rejected", 1)]


def test_history_made_up_by_a_client_does_not_cut_a_cycle(scene: Scene) -> None:
    scene.queue(arguments=to(b"", b"other", message_ttl=long(10)))
    other = scene.queue(b"other")
    claim = array([table({b"queue": longstr(b"other"), b"reason": longstr(b"expired"), b"count": long(1)})])
    octets = bytes(4) + (1).to_bytes(8, "big") + b"\x20\x00" + encode_table({b"x-death": claim})
    scene.publish("", "q", header_octets=octets)
    scene.advance(1)
    assert other.ready.count == 1


def test_message_whose_headers_are_full_ends_without_harm_to_the_turn(scene: Scene) -> None:
    queue, dead = scene.queue(arguments=to(b"", b"dead")), scene.queue(b"dead")
    full = array([Field("V", None)] * (MAX_TABLE_ITEMS - 1))
    octets = bytes(4) + (1).to_bytes(8, "big") + b"\x20\x00" + encode_table({b"full": full})
    scene.publish("", "q", header_octets=octets)
    scene.publish("", "q", b"next")
    reject(scene, queue)
    reject(scene, queue)
    assert bodies(dead) == [b"next"]
    assert queue.unacked_count == 0
