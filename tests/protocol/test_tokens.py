"""A token as the password of a connection: what it allows, when it ends, and the next one."""

from typing import Any

import pytest
from pamqp import body, commands, header

from broker.auth.jwt_verifier import JwtVerifier, KeyRing
from broker.auth.token_claims import TokenRules
from broker.auth.token_keys import RSA_ALGORITHMS, read_pem
from broker.auth.users import INTERNAL, OAUTH2
from broker.protocol.states import AWAIT_OPEN, RUNNING
from tests.auth.issuer import NOW_S, RSA, public_pem, token
from tests.auth.people import add_user
from tests.protocol.stranger import Stranger
from tests.protocol.test_waiting_login import shelved
from tests.queues.scene import Scene

REFUSED = "NOT_ALLOWED - New secret was refused by one of the backends"


@pytest.fixture
def issued(scene: Scene) -> Scene:
    """A broker that believes the authority of the tests, and has its own user guest."""
    logins = scene.context.logins
    logins.backends = [OAUTH2, INTERNAL]
    ring = KeyRing({"rsa": read_pem(public_pem(RSA))})
    logins.verifier = JwtVerifier(ring, list(RSA_ALGORITHMS), "", TokenRules("mq"), scene.clock)
    scene.declare(b"q")
    return scene


def bearer(scene: Scene, **claims: Any) -> Stranger:
    """A peer with an open channel, whose password is such a token."""
    peer = Stranger(scene).start().log_in(token(**claims)).tune().enter()
    peer.say(1, commands.Channel.Open())
    assert peer.names()[-1] == "Channel.OpenOk"
    return peer


def told(peer: Stranger) -> list[tuple[int, str]]:
    return [(close.code, close.text) for close in peer.closes()]


def publish(key: str, exchange: str = "") -> list[Any]:
    method = commands.Basic.Publish(exchange=exchange, routing_key=key)
    return [method, header.ContentHeader(0, 1, commands.Basic.Properties()), body.ContentBody(b"m")]


def update(peer: Stranger, secret: str) -> None:
    peer.say(0, commands.Connection.UpdateSecret(secret, "it expires"))


def test_a_connection_is_its_tokens_users(issued: Scene) -> None:
    peer = bearer(issued)
    assert peer.connection.user_name == b"ann"
    peer.say(1, commands.Queue.Declare(queue="new"), *publish("new"), commands.Basic.Get(queue="new"))
    assert peer.names() == ["Queue.DeclareOk", "Basic.GetOk", "ContentHeader", "ContentBody"]


@pytest.mark.parametrize(
    ("scope", "said", "text"),
    [
        ("write:*/* read:*/*", commands.Queue.Declare(queue="q"), "configure access to queue 'q'"),
        ("configure:*/other*", commands.Queue.Declare(queue="q"), "configure access to queue 'q'"),
        ("configure:other/* write:%2F/*", commands.Queue.Declare(queue="q"), "configure access to queue 'q'"),
        ("configure:*/*", commands.Basic.Get(queue="q"), "read access to queue 'q'"),
        ("read:*/*", commands.Basic.Publish(), "write access to exchange 'amq.default'"),
        (
            "write:*/*",
            commands.Basic.Publish(exchange="amq.topic", routing_key="k"),
            "write access to topic 'k' in exchange 'amq.topic'",
        ),
        (
            "write:*/*/a.*",
            commands.Basic.Publish(exchange="amq.topic", routing_key="b.a.k"),
            "write access to topic 'b.a.k' in exchange 'amq.topic'",
        ),
        (
            "write:*/* read:*/*",
            commands.Queue.Bind(queue="q", exchange="amq.topic", routing_key="k"),
            "read access to topic 'k' in exchange 'amq.topic'",
        ),
    ],
)
def test_what_no_scope_allows_is_refused(issued: Scene, scope: str, said: Any, text: str) -> None:
    peer = bearer(issued, scope=[f"mq.{each}" for each in scope.split()])
    peer.say(1, said)
    assert told(peer) == [(403, f"ACCESS_REFUSED - {text} in vhost '/' refused for user 'ann'")]


def test_a_scope_with_a_key_lets_it_through(issued: Scene) -> None:
    peer = bearer(issued, scope="mq.write:*/amq.topic/a.*")
    peer.say(1, *publish("a.k", "amq.topic"), *publish("a.", "amq.topic"))
    assert told(peer) == []


def test_a_vhost_that_no_scope_names_is_not_entered(issued: Scene) -> None:
    peer = Stranger(issued).start().log_in(token(scope="mq.read:other/* mq.tag:administrator")).tune().enter()
    assert told(peer) == [(530, "NOT_ALLOWED - access to vhost '/' refused for user 'ann'")]


@pytest.mark.parametrize("claims", [{"exp": NOW_S}, {"nbf": NOW_S + 1}, {"aud": "x"}, {"kid": "x"}])
def test_a_token_that_is_not_believed_is_a_wrong_password(issued: Scene, claims: dict[str, Any]) -> None:
    peer = Stranger(issued).start().log_in(token(**claims))
    text = "Login was refused using authentication mechanism PLAIN. For details see the broker logfile."
    assert told(peer) == [(403, f"ACCESS_REFUSED - {text}")]


def test_connections_with_different_tokens_of_one_user_have_their_own_rights(issued: Scene) -> None:
    reader, writer = bearer(issued, scope="mq.read:*/*"), bearer(issued, scope="mq.write:*/*")
    for peer in (reader, writer):
        peer.say(1, *publish("q"))
        peer.say(1, commands.Basic.Get(queue="q"))
    assert [code for code, _ in told(reader)] == [403]
    assert [text for _, text in told(writer)] == [
        "ACCESS_REFUSED - read access to queue 'q' in vhost '/' refused for user 'ann'"
    ]


# --- the end of a token


def test_a_connection_ends_with_its_token(issued: Scene) -> None:
    peer = bearer(issued, exp=NOW_S + 30)
    peer.tick(29.5)
    assert told(peer) == []
    peer.tick(0.5)
    assert told(peer) == [(320, "CONNECTION_FORCED - credential expired")]


def test_other_connections_do_not_end(issued: Scene) -> None:
    longer, guest = bearer(issued, exp=NOW_S + 300), Stranger(issued).with_channel()
    bearer(issued, exp=NOW_S + 30)
    for peer in (longer, guest):
        peer.tick(100.0)
        assert told(peer) == []


def test_a_token_that_expires_between_login_and_open_does_not_stay(issued: Scene) -> None:
    peer = Stranger(issued).start().log_in(token(exp=NOW_S + 1)).tune()
    assert peer.connection.state == AWAIT_OPEN
    issued.clock.advance(2.0)
    peer.enter()
    peer.heard.clear()
    peer.tick(0.5)
    assert told(peer) == [(320, "CONNECTION_FORCED - credential expired")]


# --- the next one


def test_a_new_token_takes_the_place_of_the_old_one(issued: Scene) -> None:
    peer = bearer(issued, exp=NOW_S + 30)
    update(peer, token(exp=NOW_S + 90))
    assert peer.names() == ["Connection.UpdateSecretOk"]
    peer.tick(60.0)
    assert told(peer) == []
    peer.tick(30.0)
    assert told(peer) == [(320, "CONNECTION_FORCED - credential expired")]


def test_a_new_tokens_scopes_hold_for_open_channels_routes_and_consumers(issued: Scene) -> None:
    peer = bearer(issued)
    for _ in range(5):
        peer.say(1, *publish("q"))
    peer.say(1, commands.Basic.Consume(queue="q", consumer_tag="c"))
    peer.heard.clear()
    update(peer, token(scope="mq.configure:*/*"))
    assert peer.names() == ["Basic.Cancel", "Connection.UpdateSecretOk"]
    assert not issued.vhost.queues[b"q"].consumers
    peer.say(1, *publish("q"))
    (refused,) = told(peer)
    assert refused[1].startswith("ACCESS_REFUSED - write access to exchange 'amq.default'")


def test_rights_that_were_missing_come_with_a_new_token(issued: Scene) -> None:
    peer = bearer(issued, scope="mq.read:*/*")
    assert not peer.connection.channels[1].access.allows(0, "queue", b"q")
    update(peer, token())
    peer.heard.clear()
    peer.say(1, commands.Queue.Declare(queue="q"))
    assert peer.names() == ["Queue.DeclareOk"]


@pytest.mark.parametrize(
    "secret", [token(exp=NOW_S - 1), token(sub="bob"), token(aud="other"), "guest", "", token()[:-4] + "AAAA"]
)
def test_a_secret_that_is_not_a_good_token_of_the_same_user_ends_the_connection(issued: Scene, secret: str) -> None:
    peer = bearer(issued)
    update(peer, secret)
    (close,) = peer.closes()
    assert (close.code, close.text, close.method) == (530, REFUSED, (10, 70))


def test_a_new_token_without_the_vhost_ends_the_connection(issued: Scene) -> None:
    peer = bearer(issued)
    update(peer, token(scope="mq.read:other/*"))
    assert told(peer) == [(530, "NOT_ALLOWED - access to vhost '/' refused for user 'ann'")]


def test_a_user_of_the_broker_shows_the_password_and_no_token(issued: Scene) -> None:
    add_user(issued.context.users, b"ann", b"apple")
    guest = Stranger(issued).with_channel()
    update(guest, "guest")
    assert guest.names() == ["Connection.UpdateSecretOk"]
    for secret in (token(sub="guest"), "wrong", ""):
        peer = Stranger(issued).with_channel()
        update(peer, secret)
        assert told(peer) == [(530, REFUSED)]


def test_nothing_is_carried_out_while_a_new_secret_is_checked(issued: Scene) -> None:
    peer = bearer(issued)
    shelf = shelved(issued)
    update(peer, token(exp=NOW_S + 90))
    peer.say(1, commands.Queue.Delete(queue="q"))
    peer.connection.pause()
    peer.connection.resume()
    assert peer.names() == []
    shelf.run()
    peer.connection.resume()
    assert peer.names() == ["Connection.UpdateSecretOk", "Queue.DeleteOk"]


def test_a_connection_that_ends_while_a_new_secret_is_checked_ends(issued: Scene) -> None:
    peer = bearer(issued, exp=NOW_S + 30)
    shelf = shelved(issued)
    update(peer, token(exp=NOW_S + 90))
    peer.tick(30.0)
    assert told(peer) == [(320, "CONNECTION_FORCED - credential expired")]
    shelf.run()
    peer.connection.resume()
    assert peer.names() == []
    assert peer.connection.state != RUNNING


def test_a_publisher_of_its_own_goes_with_the_connection(issued: Scene) -> None:
    for _ in range(3):
        bearer(issued).connection.lost()
    assert not issued.context._publishers
