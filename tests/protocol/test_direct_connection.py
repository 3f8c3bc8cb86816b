"""A connection without a socket and without a handshake, for a user who has logged in elsewhere."""

from pamqp import body, commands, header

from broker.protocol.handshake import open_directly
from broker.protocol.states import RUNNING
from tests.protocol.stranger import Stranger
from tests.protocol.test_peer_limits import limited
from tests.queues.scene import Scene


def direct(scene: Scene) -> Stranger:
    peer = Stranger(scene)
    open_directly(peer.connection, scene.context.users.by_name[b"guest"], "/")
    return peer


def test_it_speaks_from_its_first_frame_as_the_user(scene: Scene) -> None:
    peer = direct(scene)
    peer.say(1, commands.Channel.Open())
    peer.say(1, commands.Queue.Declare(queue="q"))
    assert peer.names() == ["Channel.OpenOk", "Queue.DeclareOk"]
    assert (peer.connection.state, peer.connection.user_name, peer.connection.vhost_name) == (RUNNING, b"guest", "/")
    assert scene.vhost.queues[b"q"]


def test_no_limit_of_connections_keeps_it_out_and_it_counts_as_one(scene: Scene) -> None:
    limited(scene, max_connections=1)
    Stranger(scene).with_channel()
    peer = direct(scene)
    assert scene.context.open_count == 2
    peer.connection.lost()
    assert scene.context.open_count == 1
    assert len(scene.context.connections) == 1


def test_its_frames_have_any_size(scene: Scene) -> None:
    scene.declare(b"q")
    peer = direct(scene)
    peer.say(1, commands.Channel.Open())
    content = header.ContentHeader(0, 1_000_000, commands.Basic.Properties()), body.ContentBody(b"x" * 1_000_000)
    peer.say(1, commands.Basic.Publish(routing_key="q"), *content)
    peer.heard.clear()
    peer.say(1, commands.Basic.Get(queue="q", no_ack=True))
    assert [len(frame.value) for _, frame in peer.heard if isinstance(frame, body.ContentBody)] == [1_000_000]
