"""A service decides what a user may do: a method waits for the answers, and is carried out once."""

from itertools import cycle, pairwise
from typing import Any

import pamqp.frame
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp import body, commands, header

from broker.auth.remote import ALLOWED
from broker.auth.users import INTERNAL, REMOTE
from broker.protocol.states import AWAIT_OPEN, RUNNING
from tests.auth.service import Service
from tests.protocol.stranger import HEADER, Stranger
from tests.protocol.test_permissions import IDS, MATRIX, Row, frames
from tests.queues.scene import Scene

WORDS = {"configure", "write", "read"}


@pytest.fixture
def service(scene: Scene) -> Service:
    """The only backend; it says yes to everything while a test has nothing else in mind."""
    answering = Service()
    answering.at_once = ALLOWED
    scene.context.logins.backends = [REMOTE]
    scene.context.logins.remote.inquirer = answering
    scene.declare(b"q")
    scene.vhost.declare_exchange(b"x", b"direct", False, False, False, {})
    return answering


def told(peer: Stranger) -> list[tuple[int, str]]:
    return [(close.code, close.text) for close in peer.closes()]


def with_channel(scene: Scene, service: Service) -> Stranger:
    """A peer with an open channel, and a service that from here on takes its time."""
    peer = Stranger(scene).with_channel()
    service.asked.clear()
    service.at_once = None
    return peer


def answer_all(peer: Stranger, service: Service) -> None:
    """Let the service say yes, one answer after the other, and the connection go on after each."""
    while service.open:
        peer.is_read_on = False
        service.allow()
        assert peer.is_read_on
        peer.connection.resume()


def questions(row: Row) -> set[str]:
    """What the table of rights says that a method needs, as questions; the topic exchange is not in it."""
    needed = set()
    for each in MATRIX:
        if each.method.name == row.method.name and each.method.marshal() == row.method.marshal():
            kind, _, name = each.what.partition(" ")
            needed.add(f"{kind} {name.strip(chr(39))} {each.verb}")
    return needed


@pytest.mark.parametrize("row", MATRIX, ids=IDS)
def test_a_method_asks_for_the_rights_it_needs_and_waits(scene: Scene, service: Service, row: Row) -> None:
    peer = with_channel(scene, service)
    before = scene.vhost.version
    peer.say(1, *frames(row.method))
    while service.open:
        assert peer.connection.is_waiting
        assert peer.names() == []
        assert scene.vhost.version == before
        answer_one(peer, service)
    assert not peer.connection.is_waiting
    assert set(service.asked) == questions(row)
    assert len(service.asked) == len(set(service.asked))
    assert [code for code, _ in told(peer)] in ([], [404])


def answer_one(peer: Stranger, service: Service) -> None:
    service.allow()
    peer.connection.resume()


@pytest.mark.parametrize("row", MATRIX, ids=IDS)
def test_a_no_to_one_of_the_questions_refuses_the_method(scene: Scene, service: Service, row: Row) -> None:
    peer = with_channel(scene, service)
    before = scene.vhost.version
    kind, _, name = row.what.partition(" ")
    service.denied = {f"{kind} {name.strip(chr(39))} {row.verb}"}
    peer.say(1, *frames(row.method))
    answer_all(peer, service)
    assert told(peer) == [
        (403, f"ACCESS_REFUSED - {row.verb} access to {row.what} in vhost '/' refused for user 'guest'")
    ]
    assert scene.vhost.version == before
    assert scene.vhost.queues[b"q"].ready.count == 0


def test_no_answer_is_a_no(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    peer.say(1, commands.Basic.Get(queue="q"))
    service.fail()
    peer.connection.resume()
    assert [code for code, _ in told(peer)] == [403]


def test_what_comes_behind_the_method_is_carried_out_behind_it(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    peer.say(1, commands.Queue.Declare(queue="new"), *publish("new"), commands.Queue.Declare(queue="new", passive=True))
    peer.say(0, commands.Connection.UpdateSecret("guest", "r"))
    assert peer.names() == []
    answer_all(peer, service)
    answers = [frame for _, frame in peer.heard if isinstance(frame, commands.Queue.DeclareOk)]
    assert [answer.message_count for answer in answers] == [0, 1]
    assert peer.names()[-1] == "Connection.UpdateSecretOk"


def publish(key: str, exchange: str = "", pieces: tuple[bytes, ...] = (b"m", b"n"), **headers: Any) -> list[Any]:
    content = header.ContentHeader(0, len(b"".join(pieces)), commands.Basic.Properties(headers=headers))
    method = commands.Basic.Publish(exchange=exchange, routing_key=key)
    return [method, content, *[body.ContentBody(piece) for piece in pieces]]


PIECES = pytest.mark.parametrize("pieces", [(), (b"mn",), (b"m", b"n")], ids=["empty", "whole", "pieces"])


def test_other_connections_go_on_meanwhile(scene: Scene, service: Service) -> None:
    scene.context.logins.backends = [INTERNAL, REMOTE]
    waiting = Stranger(scene).start()
    waiting.say(0, commands.Connection.StartOk({}, "PLAIN", "\0bob\0pear", "en_US"))
    waiting.tune().enter().say(1, commands.Channel.Open())
    service.at_once = None
    waiting.heard.clear()
    waiting.say(1, commands.Basic.Get(queue="q"))
    other = Stranger(scene).with_channel()
    other.say(1, commands.Basic.Get(queue="q"))
    assert other.names() == ["Basic.GetEmpty"]
    assert waiting.names() == []
    answer_all(waiting, service)
    assert waiting.names() == ["Basic.GetEmpty"]


def test_a_login_and_a_vhost_are_asked_for_in_the_handshake(scene: Scene, service: Service) -> None:
    service.at_once = None
    peer = Stranger(scene).start().log_in().tune().enter()
    assert service.asked == ["user guest"]
    answer_one(peer, service)
    assert service.asked == ["user guest", "vhost /"]
    assert peer.connection.state == AWAIT_OPEN
    answer_one(peer, service)
    assert peer.names() == ["Connection.Start", "Connection.Tune", "Connection.OpenOk"]


def test_a_vhost_that_the_service_denies_is_refused_as_one_without_permission(scene: Scene, service: Service) -> None:
    service.denied = {"vhost /"}
    peer = Stranger(scene).start().log_in().tune().enter()
    assert told(peer) == [(530, "NOT_ALLOWED - access to vhost '/' refused for user 'guest'")]


def test_a_socket_that_drains_meanwhile_carries_nothing_out(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    peer.say(1, commands.Queue.Delete(queue="q"))
    peer.connection.pause()
    peer.connection.resume()
    assert peer.names() == []
    assert b"q" in scene.vhost.queues
    answer_all(peer, service)
    assert peer.names() == ["Queue.DeleteOk"]


def test_an_answer_for_a_connection_that_is_gone_is_nobodys(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    peer.say(1, commands.Queue.Delete(queue="q"))
    peer.connection.lost()
    service.allow()
    peer.connection.resume()
    assert b"q" in scene.vhost.queues
    assert not scene.context.connections


def test_a_connection_that_is_closed_meanwhile_does_not_carry_the_method_out(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    peer.say(1, commands.Queue.Delete(queue="q"))
    scene.turn.begin()
    peer.connection.force_close("enough")
    scene.turn.finish()
    peer.say(0, commands.Connection.CloseOk())
    answer_all(peer, service)
    assert b"q" in scene.vhost.queues
    assert peer.is_closed


def test_a_queue_without_a_name_is_asked_for_by_the_name_it_gets(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    peer.say(1, commands.Queue.Declare(queue=""), commands.Queue.Declare(queue=""))
    answer_all(peer, service)
    names = [frame.queue for _, frame in peer.heard if isinstance(frame, commands.Queue.DeclareOk)]
    assert service.asked == [f"queue {name} configure" for name in names]
    assert len(set(names)) == 2


def test_a_passive_declare_asks_until_there_is_one_yes(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    service.denied = {"queue q configure", "queue q write"}
    peer.say(1, commands.Queue.Declare(queue="q", passive=True))
    answer_all(peer, service)
    assert service.asked == ["queue q configure", "queue q write", "queue q read"]
    assert peer.names() == ["Queue.DeclareOk"]


# --- publishing


def test_the_keys_of_a_message_to_a_topic_exchange_are_asked_for(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    scene.vhost.bind(scene.vhost.exchanges[b"amq.topic"], scene.vhost.queues[b"q"], b"#", {})
    peer.say(1, *publish("a", "amq.topic", CC=["b"], BCC=["c"]))
    answer_all(peer, service)
    topics = [f"topic amq.topic write {key}" for key in "abc"]
    assert service.asked == ["exchange amq.topic write", *topics]
    assert scene.bodies(scene.vhost.queues[b"q"]) == [b"mn"]


def test_a_key_in_cc_that_is_denied_refuses_the_message(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    scene.vhost.bind(scene.vhost.exchanges[b"amq.topic"], scene.vhost.queues[b"q"], b"#", {})
    service.denied = {"topic amq.topic write b"}
    peer.say(1, *publish("a", "amq.topic", CC=["b"]))
    answer_all(peer, service)
    assert [code for code, _ in told(peer)] == [403]
    assert scene.bodies(scene.vhost.queues[b"q"]) == []


@PIECES
def test_a_route_is_asked_for_once_and_again_when_the_yes_is_too_old(
    scene: Scene, service: Service, pieces: tuple[bytes, ...]
) -> None:
    peer = with_channel(scene, service)
    service.at_once = ALLOWED
    for _ in range(10):
        peer.say(1, *publish("q", "", pieces))
        peer.tick(1.4)
    assert service.asked == ["exchange amq.default write"]
    peer.tick(1.5)
    service.denied = {"exchange amq.default write"}
    peer.say(1, *publish("q", "", pieces))
    assert [code for code, _ in told(peer)] == [403]
    assert scene.vhost.queues[b"q"].ready.count == 10


@PIECES
def test_keys_in_cc_are_asked_for_again_when_the_yes_is_too_old(
    scene: Scene, service: Service, pieces: tuple[bytes, ...]
) -> None:
    peer = with_channel(scene, service)
    service.at_once = ALLOWED
    scene.vhost.bind(scene.vhost.exchanges[b"amq.topic"], scene.vhost.queues[b"q"], b"#", {})
    for _ in range(5):
        peer.say(1, *publish("a", "amq.topic", pieces, CC=["b"]))
        peer.tick(6.0)
    service.at_once = None
    scene.context.logins.remote._allowed.clear()
    peer.say(1, *publish("a", "amq.topic", pieces, CC=["b"]), *publish("a", "amq.topic", pieces))
    answer_all(peer, service)
    assert told(peer) == []
    assert scene.bodies(scene.vhost.queues[b"q"]) == [b"".join(pieces)] * 7


@PIECES
def test_a_publish_like_the_last_waits_when_the_topology_has_changed(
    scene: Scene, service: Service, pieces: tuple[bytes, ...]
) -> None:
    peer = with_channel(scene, service)
    service.at_once = ALLOWED
    for _ in range(5):
        peer.say(1, *publish("q", "", pieces))
    service.at_once = None
    scene.context.logins.remote._allowed.clear()
    peer.tick(0.5)  # forgets what it learnt itself
    scene.declare(b"another")
    peer.say(1, *publish("q", "", pieces), *publish("q", "", pieces))
    assert scene.vhost.queues[b"q"].ready.count == 5
    answer_all(peer, service)
    assert scene.bodies(scene.vhost.queues[b"q"]) == [b"".join(pieces)] * 7


def test_other_users_routes_stay_as_they_are(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    service.at_once = ALLOWED
    peer.say(1, *publish("q"))
    before = scene.vhost.version
    peer.tick(60.0)
    assert scene.vhost.version == before


# --- a new secret


def test_the_service_is_asked_for_a_new_secret(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    peer.say(0, commands.Connection.UpdateSecret("new", "r"))
    assert peer.names() == []
    service.allow("administrator")
    peer.connection.resume()
    assert peer.names() == ["Connection.UpdateSecretOk"]
    user = peer.connection.user
    assert user is not None
    assert user.tags == ["administrator"]


def test_a_new_secret_that_the_service_denies_ends_the_connection(scene: Scene, service: Service) -> None:
    peer = with_channel(scene, service)
    peer.say(0, commands.Connection.UpdateSecret("new", "r"))
    service.deny()
    peer.connection.resume()
    (close,) = peer.closes()
    text = "NOT_ALLOWED - New secret was refused by one of the backends"
    assert (close.code, close.text, close.method) == (530, text, (10, 70))


# --- histories


CONVERSATION = [
    (0, commands.Connection.StartOk({}, "PLAIN", "\0guest\0guest", "en_US")),
    (0, commands.Connection.TuneOk(2047, 131_072, 0)),
    (0, commands.Connection.Open("/")),
    (1, commands.Channel.Open()),
    (1, commands.Queue.Declare(queue="one")),
    (1, commands.Queue.Bind(queue="one", exchange="amq.topic", routing_key="k.*")),
    *[(1, frame) for frame in publish("k.1", "amq.topic", CC=["k.2", "k.3"])],
    (2, commands.Channel.Open()),
    (2, commands.Queue.Declare(queue="two", arguments={"x-dead-letter-exchange": "x"})),
    *[(2, frame) for frame in publish("one")],
    (1, commands.Basic.Consume(queue="one", consumer_tag="c")),
    (1, commands.Queue.Purge(queue="two")),
    (2, commands.Queue.Delete(queue="two")),
]
OCTETS = HEADER + b"".join(pamqp.frame.marshal(frame, channel) for channel, frame in CONVERSATION)


def heard_of(peer: Stranger) -> list[str]:
    """The answers in their order, and then the deliveries, which come with the end of a turn."""
    names = [f"{channel} {frame.name}" for channel, frame in peer.heard]
    delivered = [name for name in names if name.endswith(("Deliver", "ContentHeader", "ContentBody"))]
    return [name for name in names if name not in delivered] + delivered


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, len(OCTETS)), max_size=8), patience=st.lists(st.integers(0, 3), min_size=1))
def test_wherever_it_is_cut_and_however_late_answers_come_a_conversation_is_the_same(
    scene: Scene, service: Service, cuts: list[int], patience: list[int]
) -> None:
    def run(*, is_slow: bool) -> list[str]:
        service.at_once = None if is_slow else ALLOWED
        peer = Stranger(scene)
        places = [0, *sorted(cuts), len(OCTETS)]
        for (start, stop), answers in zip(pairwise(places), cycle(patience), strict=False):
            peer.connection.feed(OCTETS[start:stop])
            for _ in range(answers):
                answer_one(peer, service)
        while service.open:
            answer_one(peer, service)
        assert peer.connection.state == RUNNING
        found = heard_of(peer)
        scene.context.logins.forget()
        scene.context.logins.remote._allowed.clear()
        peer.connection.lost()
        for name in (b"one", b"two"):
            if name in scene.vhost.queues:
                scene.vhost.delete_queue(scene.vhost.queues[name])
        return found

    assert run(is_slow=True) == run(is_slow=False)
