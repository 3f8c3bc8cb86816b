"""Which right every method asks for: a row for each cell of the table, with a user who has all the others."""

from typing import Any, NamedTuple

import pytest
from pamqp import body, commands, header
from pamqp.base import Frame

from broker.auth.access import TopicPermission
from broker.auth.users import User
from tests.auth.people import add_user, permit
from tests.protocol.stranger import Stranger
from tests.queues.scene import Scene

ALL = {"configure": ".*", "write": ".*", "read": ".*"}


class Row(NamedTuple):
    """A method, and the one right that is missing.

    Attributes:
        method: What the client says.
        verb: The right.
        what: The resource, as the refusal names it.
    """

    method: Any
    verb: str
    what: str


def but(name: str) -> str:
    """Every name but this one."""
    return f"^(?!{name.replace('.', chr(92) + '.')}$)"


ALTERNATE = {"alternate-exchange": "ae"}
DEAD = {"x-dead-letter-exchange": "dlx"}
MATRIX = [
    Row(commands.Exchange.Declare(exchange="x2"), "configure", "exchange 'x2'"),
    Row(commands.Exchange.Declare(exchange="x"), "configure", "exchange 'x'"),
    Row(commands.Exchange.Declare(exchange="x2", arguments=ALTERNATE), "configure", "exchange 'x2'"),
    Row(commands.Exchange.Declare(exchange="x2", arguments=ALTERNATE), "read", "exchange 'x2'"),
    Row(commands.Exchange.Declare(exchange="x2", arguments=ALTERNATE), "write", "exchange 'ae'"),
    Row(commands.Exchange.Delete(exchange="x"), "configure", "exchange 'x'"),
    Row(commands.Exchange.Delete(exchange="absent"), "configure", "exchange 'absent'"),
    Row(commands.Exchange.Bind(destination="x", source="amq.direct"), "write", "exchange 'x'"),
    Row(commands.Exchange.Bind(destination="x", source="amq.direct"), "read", "exchange 'amq.direct'"),
    Row(commands.Exchange.Unbind(destination="x", source="amq.direct"), "write", "exchange 'x'"),
    Row(commands.Exchange.Unbind(destination="x", source="amq.direct"), "read", "exchange 'amq.direct'"),
    Row(commands.Queue.Declare(queue="q2"), "configure", "queue 'q2'"),
    Row(commands.Queue.Declare(queue="q"), "configure", "queue 'q'"),
    Row(commands.Queue.Declare(queue="q2", arguments=DEAD), "configure", "queue 'q2'"),
    Row(commands.Queue.Declare(queue="q2", arguments=DEAD), "read", "queue 'q2'"),
    Row(commands.Queue.Declare(queue="q2", arguments=DEAD), "write", "exchange 'dlx'"),
    Row(commands.Queue.Delete(queue="q"), "configure", "queue 'q'"),
    Row(commands.Queue.Delete(queue="absent"), "configure", "queue 'absent'"),
    Row(commands.Queue.Bind(queue="q", exchange="x"), "write", "queue 'q'"),
    Row(commands.Queue.Bind(queue="q", exchange="x"), "read", "exchange 'x'"),
    Row(commands.Queue.Bind(queue="absent", exchange="x"), "write", "queue 'absent'"),
    Row(commands.Queue.Bind(queue="absent", exchange="x"), "read", "exchange 'x'"),
    Row(commands.Queue.Unbind(queue="q", exchange="x"), "write", "queue 'q'"),
    Row(commands.Queue.Unbind(queue="q", exchange="x"), "read", "exchange 'x'"),
    Row(commands.Queue.Purge(queue="q"), "read", "queue 'q'"),
    Row(commands.Basic.Consume(queue="q"), "read", "queue 'q'"),
    Row(commands.Basic.Get(queue="q"), "read", "queue 'q'"),
    Row(commands.Basic.Get(queue="absent"), "read", "queue 'absent'"),
    Row(commands.Basic.Publish(exchange="x"), "write", "exchange 'x'"),
    Row(commands.Basic.Publish(exchange="absent"), "write", "exchange 'absent'"),
    Row(commands.Basic.Publish(exchange="", routing_key="q"), "write", "exchange 'amq.default'"),
]

# Numbered, because arguments do not show.
IDS = [f"{n} {row.method.name}, {row.verb}, {row.what}" for n, row in enumerate(MATRIX)]


@pytest.fixture
def guest(scene: Scene) -> User:
    scene.declare(b"q")
    scene.vhost.declare_exchange(b"x", b"direct", False, False, False, {})
    return scene.context.users.by_name[b"guest"]


def told(peer: Stranger) -> list[tuple[int, str]]:
    """Reply code and text of every close."""
    return [(close.code, close.text) for close in peer.closes()]


def refusal(verb: str, what: str) -> tuple[int, str]:
    return (403, f"ACCESS_REFUSED - {verb} access to {what} in vhost '/' refused for user 'guest'")


def frames(method: Any) -> list[Any]:
    """The method, with a content if it has one."""
    if isinstance(method, commands.Basic.Publish):
        return [method, header.ContentHeader(0, 1, commands.Basic.Properties()), body.ContentBody(b"m")]
    return [method]


@pytest.mark.parametrize("row", MATRIX, ids=IDS)
def test_a_method_is_refused_for_want_of_one_right(scene: Scene, guest: User, row: Row) -> None:
    name = row.what.split("'")[1]
    permit(guest, **{**ALL, row.verb: but(name)})
    peer = Stranger(scene).with_channel()
    before = scene.vhost.version
    peer.say(1, *frames(row.method))
    assert told(peer) == [refusal(row.verb, row.what)]
    assert scene.vhost.version == before
    assert scene.vhost.queues[b"q"].ready.count == 0


@pytest.mark.parametrize("row", MATRIX, ids=IDS)
def test_no_method_asks_for_another_right_than_the_tables(scene: Scene, guest: User, row: Row) -> None:
    rights: dict[str, list[str]] = {"configure": [], "write": [], "read": []}
    for each in MATRIX:
        if each.method.name == row.method.name and each.method.marshal() == row.method.marshal():
            rights[each.verb].append(each.what.split("'")[1])
    permit(guest, **{verb: "|".join(f"^{name}$" for name in names) for verb, names in rights.items()})
    peer = Stranger(scene).with_channel()
    peer.say(1, *frames(row.method))
    assert [code for code, _ in told(peer)] in ([], [404])


FREE: list[Frame] = [
    commands.Basic.Qos(0, 1, False),
    commands.Basic.Cancel("none"),
    commands.Basic.Recover(True),
    commands.Confirm.Select(),
    commands.Channel.Flow(True),
]


def test_methods_about_the_channel_itself_need_no_right(scene: Scene, guest: User) -> None:
    permit(guest)
    peer = Stranger(scene).with_channel()
    peer.say(1, *FREE)
    peer.say(0, commands.Connection.UpdateSecret("guest", "r"))
    assert told(peer) == []


def test_transactions_need_no_right(scene: Scene, guest: User) -> None:
    permit(guest)
    peer = Stranger(scene).with_channel()
    peer.say(1, commands.Tx.Select(), commands.Tx.Rollback(), commands.Tx.Commit())
    assert told(peer) == []


@pytest.mark.parametrize("verb", ["configure", "write", "read"])
@pytest.mark.parametrize(
    "method", [commands.Queue.Declare(queue="q", passive=True), commands.Exchange.Declare(exchange="x", passive=True)]
)
def test_a_passive_declare_needs_any_right_of_the_three(scene: Scene, guest: User, method: Any, verb: str) -> None:
    permit(guest, **{verb: "^[qx]$"})
    peer = Stranger(scene).with_channel()
    peer.say(1, method)
    assert told(peer) == []
    permit(guest)
    peer.say(1, method)
    what = "queue 'q'" if isinstance(method, commands.Queue.Declare) else "exchange 'x'"
    assert told(peer) == [refusal("configure", what)]


def test_a_name_that_the_broker_makes_up_needs_the_right_too(scene: Scene, guest: User) -> None:
    permit(guest, configure="^q$")
    peer = Stranger(scene).with_channel()
    peer.say(1, commands.Queue.Declare(queue=""))
    ((code, text),) = told(peer)
    assert code == 403
    assert text.startswith("ACCESS_REFUSED - configure access to queue 'amq.gen-")
    permit(guest, configure="^amq\\.gen")
    other = Stranger(scene).with_channel()
    other.say(1, commands.Queue.Declare(queue=""))
    assert told(other) == []


# --- topics


def restrict(user: User, write: str = ".*", read: str = ".*") -> None:
    user.access("/").topics[b"amq.topic"] = TopicPermission(user.name, "/", write, read)


TOPIC = "topic '{}' in exchange 'amq.topic'"


def publish(key: str, exchange: str = "amq.topic", **headers: Any) -> list[Any]:
    properties = commands.Basic.Properties(headers=headers)
    method = commands.Basic.Publish(exchange=exchange, routing_key=key)
    return [method, header.ContentHeader(0, 1, properties), body.ContentBody(b"m")]


@pytest.mark.parametrize(
    ("said", "verb", "key"),
    [
        (publish("b.k"), "write", "b.k"),
        (publish("a.k", CC=["b.cc"]), "write", "b.cc"),
        (publish("a.k", BCC=["b.bcc"]), "write", "b.bcc"),
        ([commands.Queue.Bind(queue="q", exchange="amq.topic", routing_key="b.*")], "read", "b.*"),
        ([commands.Queue.Unbind(queue="q", exchange="amq.topic", routing_key="b.*")], "read", "b.*"),
        ([commands.Exchange.Bind(destination="x", source="amq.topic", routing_key="b.#")], "read", "b.#"),
        ([commands.Exchange.Unbind(destination="x", source="amq.topic", routing_key="b.#")], "read", "b.#"),
    ],
)
def test_a_topic_outside_the_permission_is_refused(
    scene: Scene, guest: User, said: list[Any], verb: str, key: str
) -> None:
    restrict(guest, write="^a\\.", read="^a\\.")
    peer = Stranger(scene).with_channel()
    peer.say(1, *said)
    assert told(peer) == [refusal(verb, TOPIC.format(key))]


@pytest.mark.parametrize(
    "said",
    [
        publish("a.k", CC=["a.cc"]),
        publish("b.k", exchange="x"),  # no topic exchange
        [commands.Queue.Bind(queue="q", exchange="amq.topic", routing_key="a.*")],
        [commands.Queue.Bind(queue="q", exchange="x", routing_key="b")],
    ],
)
def test_a_topic_inside_the_permission_and_every_other_exchange_are_free(
    scene: Scene, guest: User, said: list[Any]
) -> None:
    restrict(guest, write="^a\\.", read="^a\\.")
    peer = Stranger(scene).with_channel()
    peer.say(1, *said)
    assert told(peer) == []


# --- the user's name in a message


def test_only_an_impersonator_may_give_another_users_name(scene: Scene, guest: User) -> None:
    said = publish("q", exchange="")
    said[1] = header.ContentHeader(0, 1, commands.Basic.Properties(user_id="bob"))
    peer = Stranger(scene).with_channel()
    peer.say(1, *said)
    text = "PRECONDITION_FAILED - user_id property set to 'bob' but authenticated user was 'guest'"
    assert told(peer) == [(406, text)]
    guest.tags = ["impersonator"]
    other = Stranger(scene).with_channel()
    other.say(1, *said)
    assert told(other) == []
    assert scene.vhost.queues[b"q"].ready.count == 1


# --- coming in


def test_a_vhost_without_permission_is_refused(scene: Scene) -> None:
    add_user(scene.context.users, b"ann", b"apple")
    peer = Stranger(scene).start()
    peer.say(0, commands.Connection.StartOk({}, "PLAIN", "\0ann\0apple", "en_US"))
    peer.tune().enter()
    assert told(peer) == [(530, "NOT_ALLOWED - access to vhost '/' refused for user 'ann'")]


def test_a_vhost_that_is_not_there_is_refused_before_permissions_are_looked_at(scene: Scene) -> None:
    peer = Stranger(scene).start().log_in().tune().enter("elsewhere")
    assert told(peer) == [(530, "NOT_ALLOWED - vhost elsewhere not found")]


def test_anonymous_is_offered_and_taken_only_if_it_is_switched_on(scene: Scene) -> None:
    peer = Stranger(scene).start()
    assert peer.heard[0][1].mechanisms == "PLAIN AMQPLAIN"
    peer.say(0, commands.Connection.StartOk({}, "ANONYMOUS", "", "en_US"))
    peer.tick(3.0)
    assert peer.is_aborted
    scene.context.anonymous_user = b"guest"
    other = Stranger(scene).start()
    assert other.heard[0][1].mechanisms == "PLAIN AMQPLAIN ANONYMOUS"
    other.say(0, commands.Connection.StartOk({}, "ANONYMOUS", "", "en_US"))
    other.tune().enter()
    assert other.names()[-1] == "Connection.OpenOk"
    assert other.connection.user_name == b"guest"


def test_anonymous_from_afar_is_no_way_round_the_loopback_users(scene: Scene) -> None:
    scene.context.users.loopback_only.append(b"guest")
    scene.context.anonymous_user = b"guest"
    peer = Stranger(scene, is_loopback=False).start()
    peer.say(0, commands.Connection.StartOk({}, "ANONYMOUS", "", "en_US"))
    peer.tick(3.0)
    assert peer.is_aborted
