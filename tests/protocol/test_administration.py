"""Changes of users, vhosts and permissions, as open connections see them."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pamqp import body, commands, header

from broker.auth.access import Permission, TopicPermission
from broker.auth.passwords import SHA256, hashed
from broker.protocol.administration import Administration
from broker.protocol.states import CLOSED, CLOSING, RUNNING
from broker.vhost.topology import TopologyJournal
from broker.vhost.vhosts import VHosts
from tests.auth.people import add_user
from tests.protocol.stranger import Close, Stranger
from tests.queues.scene import Scene, text

BY = b"boss"


@pytest.fixture
def administration(scene: Scene) -> Administration:
    return Administration(scene.context, VHosts(scene.turn), TopologyJournal(), SHA256)


@contextmanager
def turn(scene: Scene) -> Iterator[None]:
    scene.turn.begin()
    yield
    scene.turn.finish()


def permit(scene: Scene, administration: Administration, configure: str, write: str, read: str) -> None:
    with turn(scene):
        administration.permit(b"guest", "/", Permission(configure, write, read), BY)


def publish(key: str, exchange: str = "") -> list[Any]:
    method = commands.Basic.Publish(exchange=exchange, routing_key=key)
    return [method, header.ContentHeader(0, 1, commands.Basic.Properties()), body.ContentBody(b"m")]


def test_a_publisher_that_loses_its_right_is_refused_with_the_next_message(
    scene: Scene, administration: Administration
) -> None:
    queue = scene.declare()
    peer = Stranger(scene).with_channel()
    peer.say(1, *publish("q"), *publish("q"))
    permit(scene, administration, ".*", "", ".*")
    peer.say(1, *publish("q"))
    refusal = "ACCESS_REFUSED - write access to exchange 'amq.default' in vhost '/' refused for user 'guest'"
    assert peer.closes() == [Close(1, 403, refusal, (60, 40))]
    assert queue.ready.count == 2


def test_a_right_that_goes_between_the_method_and_its_content_is_gone_for_that_message(
    scene: Scene, administration: Administration
) -> None:
    queue = scene.declare()
    peer = Stranger(scene).with_channel()
    said = publish("q")
    peer.say(1, *said[:2])
    permit(scene, administration, ".*", "", ".*")
    peer.say(1, said[2])
    assert [close.code for close in peer.closes()] == [403]
    assert queue.ready.count == 0


def test_a_right_that_is_given_back_is_there_at_once(scene: Scene, administration: Administration) -> None:
    queue = scene.declare()
    permit(scene, administration, "", "", "")
    permit(scene, administration, "", "^amq\\.default$", "")
    peer = Stranger(scene).with_channel()
    peer.say(1, *publish("q"))
    assert queue.ready.count == 1


def test_topics_that_are_restricted_while_somebody_publishes_are_refused(
    scene: Scene, administration: Administration
) -> None:
    peer = Stranger(scene).with_channel()
    peer.say(1, *publish("b", "amq.topic"))
    access = scene.context.users.by_name[b"guest"].access("/")
    with turn(scene):
        administration.permit_topics(access, b"amq.topic", TopicPermission(b"guest", "/", "^a", ""), BY)
    peer.say(1, *publish("b", "amq.topic"))
    assert [close.code for close in peer.closes()] == [403]
    with turn(scene):
        administration.free_topics(access, b"amq.topic", BY)
    other = Stranger(scene).with_channel()
    other.say(1, *publish("b", "amq.topic"))
    assert other.closes() == []


def test_a_consumer_that_may_no_longer_read_is_cancelled_and_the_others_go_on(
    scene: Scene, administration: Administration
) -> None:
    for name in (b"mine", b"theirs"):
        scene.declare(name)
    peer = Stranger(scene).with_channel()
    for name in ("mine", "theirs"):
        peer.say(1, commands.Basic.Consume(queue=name, consumer_tag=name))
    peer.heard.clear()
    permit(scene, administration, "", "", "^mine$")
    cancels = [frame for _, frame in peer.heard if isinstance(frame, commands.Basic.Cancel)]
    assert [cancel.consumer_tag for cancel in cancels] == ["theirs"]
    peer.heard.clear()
    scene.push(scene.vhost.queues[b"theirs"], b"secret")
    scene.push(scene.vhost.queues[b"mine"], b"welcome")
    assert [frame.consumer_tag for _, frame in peer.heard if isinstance(frame, commands.Basic.Deliver)] == ["mine"]
    assert scene.vhost.queues[b"theirs"].ready.count == 1


def test_a_connection_whose_permission_is_cleared_stays_and_may_do_nothing(
    scene: Scene, administration: Administration
) -> None:
    scene.declare()
    peer = Stranger(scene).with_channel()
    with turn(scene):
        administration.forbid(scene.context.users.by_name[b"guest"].access("/"), BY)
    peer.say(1, commands.Basic.Get(queue="q"))
    assert [close.code for close in peer.closes()] == [403]
    assert peer.connection.state == RUNNING
    assert [close.code for close in Stranger(scene).start().log_in().tune().enter().closes()] == [530]


def test_connections_of_a_deleted_user_are_closed_and_no_others(scene: Scene, administration: Administration) -> None:
    add_user(scene.context.users, b"ann", b"apple", vhosts=["/"])
    peer, other = Stranger(scene).with_channel(), Stranger(scene).start()
    other.say(0, commands.Connection.StartOk({}, "PLAIN", "\0ann\0apple", "en_US"))
    other.tune().enter().heard.clear()
    with turn(scene):
        administration.delete_user(scene.context.users.by_name[b"guest"], BY)
    assert peer.closes() == [Close(0, 320, "CONNECTION_FORCED - user 'guest' is deleted", (0, 0))]
    assert peer.connection.state == CLOSING
    assert other.closes() == []
    refused = Stranger(scene).start().log_in()
    assert [close.code for close in refused.closes()] == [403]


def test_a_user_who_is_deleted_in_the_handshake_does_not_come_in(scene: Scene, administration: Administration) -> None:
    peer = Stranger(scene).start().log_in().tune()
    with turn(scene):
        administration.delete_user(scene.context.users.by_name[b"guest"], BY)
    peer.enter()
    assert peer.connection.state == CLOSED


def test_a_changed_password_counts_for_the_next_login_only(scene: Scene, administration: Administration) -> None:
    peer = Stranger(scene).with_channel()
    with turn(scene):
        administration.put_user(b"guest", hashed(b"new", SHA256), [], BY)
    assert peer.connection.state == RUNNING
    assert [close.code for close in Stranger(scene).start().log_in().closes()] == [403]
    assert Stranger(scene).start().log_in("new").closes() == []


def test_a_deleted_vhost_takes_its_connections_queues_and_permissions(
    scene: Scene, administration: Administration
) -> None:
    vhost = scene.vhost
    queue = scene.declare(is_durable=True)
    peer = Stranger(scene).with_channel()
    peer.say(1, commands.Queue.Declare(queue="own", exclusive=True), commands.Basic.Consume(queue="q"))
    peer.heard.clear()
    with turn(scene):
        administration.delete_vhost(vhost, BY)
    assert peer.closes() == [Close(0, 320, "CONNECTION_FORCED - vhost '/' is deleted", (0, 0))]
    peer.connection.lost()
    assert queue.is_deleted
    assert scene.turn.vhosts == {}
    assert not scene.context.users.by_name[b"guest"].may_enter("/")


def test_a_vhost_of_the_same_name_is_a_new_one(scene: Scene, administration: Administration) -> None:
    old = Stranger(scene).with_channel()
    old.say(1, *publish("q"))
    with turn(scene):
        administration.delete_vhost(scene.vhost, BY)
    old.connection.lost()
    with turn(scene):
        new = administration.create_vhost("/", "again", ["x"], BY)
    assert [close.code for close in Stranger(scene).start().log_in().tune().enter().closes()] == [530]
    permit(scene, administration, ".*", ".*", ".*")
    peer = Stranger(scene).with_channel()
    peer.say(1, commands.Queue.Declare(queue="q"), *publish("q"))
    assert new.queues[b"q"].ready.count == 1


def test_a_vhost_that_goes_in_the_turn_in_which_its_messages_die_takes_them_along(
    scene: Scene, administration: Administration
) -> None:
    queue = scene.declare(b"q", {b"x-dead-letter-exchange": text("")})
    scene.push(queue, b"m", ttl_ms=10)
    scene.clock.advance(1)
    with turn(scene):  # the message is due, and found dead while the turn begins
        queue.bring_up_to_date()
        administration.delete_vhost(scene.vhost, BY)
    assert scene.agenda.is_empty


def test_every_change_is_audited_with_who_made_it(
    scene: Scene, administration: Administration, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "broker.audit"), turn(scene):
        administration.put_user(b"ann", hashed(b"hunter2", SHA256), ["monitoring"], BY)
        administration.put_user(b"ann", hashed(b"hunter3", SHA256), [], BY)
        vhost = administration.create_vhost("v", "", [], BY)
        administration.permit(b"ann", "v", Permission("", "", ".*"), BY)
        access = scene.context.users.by_name[b"ann"].access("v")
        administration.permit_topics(access, b"x", TopicPermission(b"ann", "v", "", ""), BY)
        administration.free_topics(access, b"x", BY)
        administration.forbid(access, BY)
        administration.protect_vhost(vhost, True, BY)
        administration.delete_vhost(vhost, BY)
        administration.delete_user(access.user, BY)
    assert [record.getMessage() for record in caplog.records] == [
        "user created",
        "user changed",
        "vhost created",
        "permission set",
        "topic permission set",
        "topic permission cleared",
        "permission cleared",
        "vhost protected",
        "vhost deleted",
        "user deleted",
    ]
    assert {vars(record)["by"] for record in caplog.records} == {BY}
    assert not any("hunter" in str(vars(record)) for record in caplog.records)


def test_durable_topology_is_audited_and_what_did_not_change_is_not(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    peer = Stranger(scene).with_channel()
    durable = commands.Queue.Declare(queue="d", durable=True)
    with caplog.at_level(logging.INFO, "broker.audit"):
        peer.say(1, durable, durable, commands.Queue.Declare(queue="t"))
        peer.say(1, commands.Exchange.Declare(exchange="x", durable=True))
        bind = {"queue": "d", "exchange": "x", "routing_key": "k"}
        peer.say(1, commands.Queue.Bind(**bind), commands.Queue.Bind(**bind), commands.Queue.Unbind(**bind))
        peer.say(1, commands.Exchange.Delete(exchange="x"), commands.Exchange.Delete(exchange="x"))
        peer.say(1, commands.Queue.Delete(queue="d"), commands.Queue.Delete(queue="d"))
    assert [record.getMessage() for record in caplog.records] == [
        "queue declared",
        "exchange declared",
        "bound",
        "unbound",
        "exchange deleted",
        "queue deleted",
    ]
    assert {vars(record)["by"] for record in caplog.records} == {b"guest"}
