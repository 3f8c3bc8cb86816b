"""Direct reply-to where a real client cannot look: tags, slow requesters, and what is left when one is gone."""

import pytest
from pamqp import body, commands, header

from broker.core.arguments import longstr
from tests.protocol.stranger import Stranger
from tests.queues.scene import Peer, Scene

REPLY_TO = "amq.rabbitmq.reply-to"


def reply_name(scene: Scene) -> str:
    """The one name that somebody waits under."""
    (name,) = scene.vhost.replies._by_name
    return name.decode()


@pytest.fixture
def peer(scene: Scene) -> Peer:
    made = Peer(scene)
    made.open()
    made.consume("r", queue=REPLY_TO, no_ack=True)
    made.hear()
    return made


@pytest.mark.parametrize("first", [REPLY_TO, "q"])
def test_tag_in_use_is_refused_whichever_came_first(scene: Scene, first: str) -> None:
    scene.declare()
    client = Stranger(scene).with_channel()
    second = "q" if first == REPLY_TO else REPLY_TO
    for queue in (first, second):
        client.say(1, commands.Basic.Consume(queue=queue, consumer_tag="t", no_ack=True))
    (close,) = client.closes()
    assert (close.code, close.text) == (530, "NOT_ALLOWED - attempt to reuse consumer tag 't'")


def test_reply_names_are_in_no_list(scene: Scene, peer: Peer) -> None:
    name = reply_name(scene)
    assert scene.vhost.queues == {}
    assert len(name) == len(REPLY_TO) + 1 + 22
    (channel,) = peer.connection.channels.values()
    assert channel.consumers == {}


def test_reply_name_is_long_enough_not_to_be_guessed(scene: Scene) -> None:
    names = {scene.vhost.replies.open().name for _ in range(100)}
    assert len(names) == 100
    assert scene.vhost.replies.find(b"amq.rabbitmq.reply-to.short") is None


def test_answers_wait_for_a_requester_that_does_not_read(scene: Scene, peer: Peer) -> None:
    responder = Peer(scene)
    responder.open()
    peer.connection.pause()
    responder.publish(b"1", b"2", queue=reply_name(scene))
    assert peer.deliveries() == []
    peer.connection.resume()
    assert [each.body for each in peer.deliveries()] == [b"1", b"2"]


def test_shared_prefetch_does_not_hold_up_answers(scene: Scene, peer: Peer) -> None:
    scene.declare()
    peer.say(1, commands.Basic.Qos(0, 1, True))
    peer.say(1, commands.Basic.Consume(queue="q", consumer_tag="c"))
    peer.publish(b"held")
    peer.publish(b"answer", queue=reply_name(scene))
    assert [each.body for each in peer.deliveries()] == [b"held", b"answer"]


@pytest.mark.parametrize("end", ["cancel", "channel", "connection"])
def test_nothing_is_kept_for_a_requester_that_is_gone(scene: Scene, peer: Peer, end: str) -> None:
    name = reply_name(scene)
    responder = Peer(scene)
    responder.open()
    queue = scene.vhost.replies.find(name.encode())
    responder.publish(b"1", b"2", b"3", queue=name)  # the way there is known to the responder from now on
    if end == "cancel":
        peer.cancel("r")
    elif end == "channel":
        peer.say(1, commands.Channel.Close(200, "", 0, 0))
    else:
        peer.connection.lost()
    peer.hear()
    responder.publish(b"4", b"5", b"6", queue=name)
    assert responder.hear() == []
    for each in (queue, scene.vhost.replies.find(name.encode())):
        assert each is not None
        assert (each.is_deleted, each.ready.count) == (True, 0)
    assert peer.deliveries() == []


def test_dead_letter_to_a_requester_that_is_gone_is_dropped(scene: Scene, peer: Peer) -> None:
    name = reply_name(scene)
    peer.cancel("r")
    scene.declare(
        arguments={b"x-dead-letter-exchange": longstr(b""), b"x-dead-letter-routing-key": longstr(name.encode())}
    )
    peer.publish(b"m")
    delivery = peer.get()
    assert delivery is not None
    peer.reject(delivery.tag, requeue=False)
    found = scene.vhost.replies.find(name.encode())
    assert found is not None
    assert found.ready.count == 0


def test_refused_request_leaves_the_connection_usable(scene: Scene) -> None:
    client = Stranger(scene).with_channel()
    client.say(
        1,
        commands.Basic.Publish(exchange="", routing_key="q"),
        header.ContentHeader(0, 1, commands.Basic.Properties(reply_to=REPLY_TO)),
        body.ContentBody(b"m"),
    )
    (close,) = client.closes()
    assert (close.channel, close.code) == (1, 406)
    client.say(1, commands.Channel.CloseOk(), commands.Channel.Open())
    assert client.names() == ["Channel.OpenOk"]
