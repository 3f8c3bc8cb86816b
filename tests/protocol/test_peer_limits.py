"""Limits of what one peer may make the broker keep: unacked deliveries, tables, frames of strangers."""

import struct
from typing import Any

import pytest
from pamqp import commands, header

from broker.auth.certificate import PeerCertificate
from broker.protocol.connection import Connection
from broker.protocol.context import ConnectionLimits, Context
from broker.protocol.tls_session import TlsSession
from broker.wire.tables import TableLimits
from tests.protocol.stranger import Stranger
from tests.queues.scene import Scene

LIMIT = 5


def limited(scene: Scene, **changes: Any) -> Scene:
    """The scene with other limits."""
    known: dict[str, Any] = {
        "frame_max": 131_072,
        "channel_max": 2047,
        "heartbeat_s": 0,
        "handshake_s": 10.0,
        "max_message_bytes": 16_777_216,
        "max_connections": 0,
        "consumers_per_channel": 0,
        "has_py_amqp_qos": False,
    }
    limits = ConnectionLimits(**(known | changes))
    scene.context = Context(scene.turn, scene.context.users, limits, scene.clock, {})
    return scene


def consumer(scene: Scene, *queues: str) -> Stranger:
    """A channel that consumes from each queue without a prefetch."""
    peer = Stranger(scene).with_channel()
    for queue in queues:
        peer.say(1, commands.Queue.Declare(queue=queue), commands.Basic.Consume(queue=queue, consumer_tag=queue))
    peer.heard.clear()
    return peer


def publish(peer: Stranger, queue: str, count: int = 1, headers: dict[str, Any] | None = None) -> None:
    for _ in range(count):
        properties = commands.Basic.Properties(headers=headers)
        peer.say(1, commands.Basic.Publish(routing_key=queue), header.ContentHeader(0, 0, properties))


def delivered(peer: Stranger) -> list[str]:
    """Tags of the consumers that got something since the last call, in order."""
    tags = [frame.consumer_tag for _, frame in peer.heard if isinstance(frame, commands.Basic.Deliver)]
    peer.heard.clear()
    return tags


def test_a_channel_gets_no_more_than_the_limit_until_it_acknowledges(scene: Scene) -> None:
    peer = consumer(limited(scene, unacked_per_channel=LIMIT), "a")
    publish(peer, "a", 20)
    assert len(delivered(peer)) == LIMIT
    peer.say(1, commands.Basic.Ack(1))
    assert len(delivered(peer)) == 1
    peer.say(1, commands.Basic.Ack(0, multiple=True))
    assert len(delivered(peer)) == LIMIT
    peer.say(1, commands.Basic.Nack(0, multiple=True, requeue=True))
    assert len(delivered(peer)) == LIMIT


def test_an_acknowledgement_wakes_the_other_queues_of_the_channel(scene: Scene) -> None:
    peer = consumer(limited(scene, unacked_per_channel=LIMIT), "a", "b")
    publish(peer, "a", LIMIT)
    publish(peer, "b", 2)
    assert delivered(peer) == ["a"] * LIMIT
    peer.say(1, commands.Basic.Ack(1))
    assert delivered(peer) == ["b"]
    peer.say(1, commands.Basic.Reject(2, requeue=False))
    assert delivered(peer) == ["b"]


def test_the_limit_is_the_channels_and_not_the_connections(scene: Scene) -> None:
    peer = consumer(limited(scene, unacked_per_channel=LIMIT), "a")
    publish(peer, "a", 2 * LIMIT)
    assert len(delivered(peer)) == LIMIT
    peer.say(2, commands.Channel.Open())
    peer.say(2, commands.Basic.Consume(queue="a", consumer_tag="other"))
    assert delivered(peer) == ["other"] * LIMIT


def test_an_acknowledgement_held_by_a_transaction_makes_no_room_before_the_commit(scene: Scene) -> None:
    peer = consumer(limited(scene, unacked_per_channel=LIMIT), "a")
    publish(peer, "a", LIMIT + 1)
    peer.say(1, commands.Tx.Select(), commands.Basic.Ack(0, multiple=True))
    assert len(delivered(peer)) == LIMIT
    peer.say(1, commands.Tx.Commit())
    assert len(delivered(peer)) == 1


def test_a_get_beyond_the_limit_closes_the_channel_and_the_message_stays(scene: Scene) -> None:
    peer = Stranger(limited(scene, unacked_per_channel=2)).with_channel()
    peer.say(1, commands.Queue.Declare(queue="a"))
    publish(peer, "a", 4)
    for _ in range(2):
        peer.say(1, commands.Basic.Get(queue="a"))
    peer.say(1, commands.Basic.Get(queue="a", no_ack=True))  # nothing is out after that one
    peer.heard.clear()
    peer.say(1, commands.Basic.Get(queue="a"))
    [close] = peer.closes()
    text = "PRECONDITION_FAILED - reached maximum (2) of unacked deliveries per channel"
    assert (close.code, close.text) == (406, text)
    assert scene.vhost.queues[b"a"].ready.count == 3


def test_the_shared_prefetch_still_wakes_every_queue_of_the_channel(scene: Scene) -> None:
    peer = consumer(limited(scene), "a", "b")
    peer.say(1, commands.Basic.Qos(prefetch_count=1, global_=True))
    publish(peer, "a")
    publish(peer, "b")
    assert delivered(peer) == ["a"]
    peer.say(1, commands.Basic.Ack(1))
    assert delivered(peer) == ["b"]


def nested(depth: int) -> dict[str, Any]:
    table: dict[str, Any] = {"x": "y"}
    for _ in range(depth - 1):
        table = {"x": table}
    return table


@pytest.mark.parametrize(
    ("table", "text"),
    [
        (nested(4), "field table is nested deeper than 3 levels"),
        ({f"x{i}": i for i in range(17)}, "field table has more than 16 values"),
        ({"x": list(range(16))}, "field table has more than 16 values"),
    ],
)
def test_tables_of_arguments_and_of_headers_have_their_limits(scene: Scene, table: dict[str, Any], text: str) -> None:
    limited(scene, tables=TableLimits(3, 16))
    declaring = Stranger(scene).with_channel()
    declaring.say(1, commands.Queue.Declare(queue="a", arguments=table))
    publishing = Stranger(scene).with_channel()
    publish(publishing, "a", headers=table)
    for peer in (declaring, publishing):
        [close] = peer.closes()
        assert (close.channel, close.code, close.text) == (0, 502, f"SYNTAX_ERROR - {text}")


def test_tables_at_their_limits_are_taken(scene: Scene) -> None:
    limited(scene, tables=TableLimits(3, 16))
    peer = Stranger(scene).with_channel()
    for table in (nested(3), {f"x{i}": i for i in range(16)}):
        peer.say(1, commands.Queue.Declare(queue="a", arguments={}))
        publish(peer, "a", headers=table)
    assert peer.closes() == []


def test_the_limit_of_a_strangers_frames_can_be_set(scene: Scene) -> None:
    limited(scene, handshake_frame_max=4096)
    peer = Stranger(scene).start()
    peer.connection.feed(struct.pack(">BHI", 1, 0, 4097))
    peer.tick(3.0)
    assert peer.is_aborted


# --- the mechanism EXTERNAL


def secured(scene: Scene, *, login: bytes, has_external: bool = True, is_loopback: bool = True) -> Stranger:
    """A peer whose certificate says that it is ``login``."""
    peer = Stranger(scene)
    certificate = PeerCertificate("CN=x", "CN=y", "", "x", [])
    session = TlsSession("tlsv1.3", "any", "aes_256_gcm", "aead", certificate, has_external, login)
    peer.connection = Connection(scene.context, peer, "test", is_loopback, "127.0.0.1:5671", session)
    return peer.start()


def external(peer: Stranger) -> list[str]:
    peer.heard.clear()
    capabilities = {"capabilities": {"authentication_failure_close": True}}
    peer.say(0, commands.Connection.StartOk(capabilities, "EXTERNAL", "\0guest\0guest", "en_US"))
    return peer.names()


def test_the_certificate_logs_in_and_not_what_the_client_says(scene: Scene) -> None:
    assert external(secured(scene, login=b"guest")) == ["Connection.Tune"]
    assert external(secured(scene, login=b"ann")) == ["Connection.Close"]
    assert external(secured(scene, login=b"")) == ["Connection.Close"]
    assert external(secured(scene, login=b"guest", has_external=False)) == []


def test_a_loopback_user_may_not_come_from_afar_by_a_certificate_either(scene: Scene) -> None:
    scene.context.users.loopback_only.append(b"guest")
    assert external(secured(scene, login=b"guest", is_loopback=False)) == ["Connection.Close"]
    assert external(secured(scene, login=b"guest")) == ["Connection.Tune"]
