"""Policies, limits and the default queue type in a vhost."""

import pytest

from broker.core.arguments import Table, long, longstr
from broker.policy.limits import Limits
from broker.policy.policy import Policy, read_policy
from broker.vhost.publisher import ROUTED, STORED, UNROUTABLE
from tests.vhost.scene import Scene, bodies, refused

QUORUM = {b"x-queue-type": longstr(b"quorum")}


def policy(name: str, pattern: str, definition: dict[str, object], **document: object) -> Policy:
    named = {key.replace("_", "-"): value for key, value in document.items()}
    return read_policy("/", name, {"pattern": pattern, "definition": definition} | named, False)


def test_a_policy_is_there_for_what_is_declared_later(scene: Scene) -> None:
    scene.vhost.set_policy(policy("p", "^a", {"max-length": 5, "alternate-exchange": "amq.fanout"}))
    queue, other, exchange = scene.queue(b"a"), scene.queue(b"b"), scene.exchange(b"a")
    assert (queue.policy.name, other.policy.name, exchange.policy.name) == ("p", None, "p")
    assert (queue.limits.max_length, other.limits.max_length) == (5, -1)
    assert exchange.alternate == b"amq.fanout"


def test_a_redeclare_is_compared_with_arguments_and_not_with_policies(scene: Scene) -> None:
    scene.queue(b"a", {b"x-max-length": long(9)})
    scene.exchange(b"a")
    scene.vhost.set_policy(policy("p", "^a", {"max-length": 5, "alternate-exchange": "amq.fanout"}))
    scene.queue(b"a", {b"x-max-length": long(9)})
    scene.exchange(b"a")
    with refused(
        "PRECONDITION_FAILED - inequivalent arg 'x-max-length' for queue 'a' in vhost '/': "
        "received '5' but current is '9'"
    ):
        scene.queue(b"a", {b"x-max-length": long(5)})


def test_an_alternate_exchange_comes_and_goes_with_its_policy(scene: Scene) -> None:
    exchange = scene.exchange(b"x")
    scene.vhost.bind(scene.exchange(b"rest", b"fanout"), scene.queue(), b"", {})
    assert scene.publish("x", "k") == UNROUTABLE
    scene.vhost.set_policy(policy("p", "^x$", {"alternate-exchange": "rest"}))
    assert scene.publish("x", "k") == STORED
    scene.vhost.set_policy(policy("p", "^x$", {"alternate-exchange": "nowhere"}))
    assert scene.publish("x", "k") == UNROUTABLE
    scene.vhost.remove_policy("p", False)
    assert exchange.alternate == b""


def test_an_alternate_exchange_that_was_declared_wins(scene: Scene) -> None:
    exchange = scene.exchange(b"x", arguments={b"alternate-exchange": longstr(b"mine")})
    scene.vhost.set_policy(policy("p", "", {"alternate-exchange": "theirs"}))
    assert exchange.alternate == b"mine"
    scene.vhost.remove_policy("p", False)
    assert exchange.alternate == b"mine"


def test_the_default_exchange_has_no_alternate(scene: Scene) -> None:
    scene.vhost.bind(scene.exchange(b"rest", b"fanout"), scene.queue(), b"", {})
    scene.vhost.set_policy(policy("p", "", {"alternate-exchange": "rest"}))
    assert scene.vhost.exchanges[b""].policy.name == "p"
    assert scene.publish("", "nobody") == UNROUTABLE


def test_dead_letters_go_where_the_policy_of_the_moment_says(scene: Scene) -> None:
    for name in (b"one", b"two"):
        scene.queue(name)
    queue = scene.queue(b"q", {b"x-max-length": long(0)})
    scene.publish("", "q", b"lost")
    scene.finish()
    for target in ("one", "two"):
        scene.vhost.set_policy(policy("p", "^q$", {"dead-letter-exchange": "", "dead-letter-routing-key": target}))
        scene.publish("", "q", target.encode())
        scene.finish()
    assert (bodies(scene.vhost.queues[b"one"]), bodies(scene.vhost.queues[b"two"])) == ([b"one"], [b"two"])
    assert queue.ready.count == 0


# --- limits


def test_a_vhost_takes_no_more_queues_than_its_limit(scene: Scene) -> None:
    scene.queue(b"a")
    scene.vhost.set_limits(Limits({"max-queues": 2}))
    scene.queue(b"b", durable=False)
    with refused("PRECONDITION_FAILED - cannot declare queue 'c': queue limit in vhost '/' (2) is reached"):
        scene.queue(b"c")
    scene.queue(b"a")  # it is there already
    with refused("PRECONDITION_FAILED - invalid arg 'x-expires' for queue 'c' in vhost '/': {value_zero,0}"):
        scene.queue(b"c", {b"x-expires": long(0)})
    scene.vhost.delete_queue(scene.vhost.queues[b"a"])
    scene.queue(b"c", exclusive=True)


@pytest.mark.parametrize(("limit", "count"), [(0, 0), (-1, 3)])
def test_no_queues_and_any_number_of_queues_can_be_said(scene: Scene, limit: int, count: int) -> None:
    scene.vhost.set_limits(Limits({"max-queues": limit}))
    for number in range(count):
        scene.queue(b"%d" % number)
    if count == 0:
        with refused("PRECONDITION_FAILED - cannot declare queue 'q': queue limit in vhost '/' (0) is reached"):
            scene.queue()
    assert len(scene.vhost.queues) == count


def test_what_is_more_than_a_new_limit_stays(scene: Scene) -> None:
    scene.queue(b"a")
    scene.queue(b"b")
    scene.vhost.set_limits(Limits({"max-queues": 1}))
    assert scene.publish("", "b") == STORED
    assert len(scene.vhost.queues) == 2


# --- default queue type


def test_a_declare_without_a_type_has_the_vhosts(scene: Scene) -> None:
    scene.vhost.set_default_queue_type(b"quorum")
    queue = scene.queue()
    assert queue.limits.is_quorum
    assert queue.arguments == QUORUM
    scene.queue()
    scene.queue(arguments=QUORUM)
    assert scene.queue(b"u", {b"x-queue-type": longstr(b"undefined")}).limits.is_quorum
    assert not scene.queue(b"c", {b"x-queue-type": longstr(b"classic")}).limits.is_quorum


@pytest.mark.parametrize("flags", [{"durable": False}, {"exclusive": True}, {"auto_delete": True}])
def test_what_the_default_type_cannot_be_is_classic(scene: Scene, flags: dict[str, bool]) -> None:
    scene.vhost.set_default_queue_type(b"quorum")
    queue = scene.queue(b"q", **flags)
    assert not queue.limits.is_quorum
    assert scene.queue(b"q", **flags) is queue


def test_a_server_named_queue_cannot_have_a_default_type_that_has_none(scene: Scene) -> None:
    scene.vhost.set_default_queue_type(b"quorum")
    with refused("PRECONDITION_FAILED - Cannot declare a server-named queue for type rabbit_quorum_queue"):
        scene.queue(b"")
    assert scene.queue(b"", exclusive=True).name.startswith(b"amq.gen-")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "received the value 'quorum' of type 'longstr' but current is none"),
        (QUORUM, "received the value 'quorum' of type 'longstr' but current is none"),
    ],
)
def test_another_default_type_is_told_apart_as_if_the_declare_had_said_it(
    scene: Scene, arguments: Table, text: str
) -> None:
    scene.queue()
    scene.vhost.set_default_queue_type(b"quorum")
    with refused(f"PRECONDITION_FAILED - inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': {text}"):
        scene.queue(arguments=arguments)


def test_a_policy_is_chosen_for_the_type_that_a_queue_got(scene: Scene) -> None:
    scene.vhost.set_default_queue_type(b"quorum")
    scene.vhost.set_policy(policy("retries", "", {"delivery-limit": 3}, priority=2))
    scene.vhost.set_policy(policy("rest", "", {"max-length": 3}, priority=1))
    names = [scene.queue(b"q").policy.name, scene.queue(b"t", durable=False).policy.name]
    assert names == ["retries", "rest"]


def test_publishing_goes_on_while_policies_change(scene: Scene) -> None:
    queue = scene.queue(durable=False)
    for number in range(20):
        assert scene.publish("", "q", b"%d" % number) == ROUTED
        scene.vhost.set_policy(policy("p", "^q$", {"max-length": 100 + number}))
        scene.finish()
    assert bodies(queue) == [b"%d" % number for number in range(20)]
