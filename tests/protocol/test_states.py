"""Every state and every method: what is not in the table is refused, and what is in it is not."""

import struct

import pytest
from pamqp import commands

from broker.protocol.states import (
    AWAIT_HEADER,
    AWAIT_OPEN,
    AWAIT_START_OK,
    AWAIT_TUNE_OK,
    CHANNEL_ABSENT,
    CHANNEL_CLOSING,
    CHANNEL_CROSSED,
    CHANNEL_METHODS,
    CHANNEL_RUNNING,
    CLOSED,
    CLOSING,
    CONNECTION_METHODS,
    CONNECTION_STATE_NAMES,
    RUNNING,
)
from broker.wire.methods import CHANNEL_OPEN, METHOD_NAMES
from tests.protocol.stranger import Stranger
from tests.queues.scene import Scene

UNKNOWN = 99 << 16 | 1
METHODS = [*METHOD_NAMES, UNKNOWN]


def method_frame(channel: int, method: int) -> bytes:
    """A method without its arguments: enough to see whether the state admits it."""
    payload = struct.pack(">I", method)
    return struct.pack(">BHI", 1, channel, len(payload)) + payload + b"\xce"


def in_connection_state(scene: Scene, state: int) -> Stranger:
    peer = Stranger(scene)
    if state >= AWAIT_START_OK:
        peer.start()
    if state >= AWAIT_TUNE_OK:
        peer.log_in()
    if state >= AWAIT_OPEN:
        peer.tune()
    if state >= RUNNING:
        peer.enter()
    if state == CLOSING:
        peer.connection.force_close("test")
        scene.turn.finish()
    if state == CLOSED:
        peer.say(0, commands.Connection.Close(200, "", 0, 0))
    assert peer.connection.state == state
    peer.heard.clear()
    return peer


@pytest.mark.parametrize("state", sorted(CONNECTION_METHODS))
def test_every_method_on_channel_0_is_admitted_or_refused_as_the_table_says(scene: Scene, state: int) -> None:
    for method in METHODS:
        peer = in_connection_state(scene, state)
        peer.connection.feed(method_frame(0, method))
        closes = peer.closes()
        if state == AWAIT_HEADER:  # a frame is no protocol header
            assert peer.octets == b"AMQP\x00\x00\x09\x01"
            assert peer.is_closed
        elif state in {CLOSING, CLOSED}:
            # §1.4.2.10: everything but the close handshake is discarded, whatever it is.
            assert closes == []
        elif method in CONNECTION_METHODS[state]:
            # Admitted: what is refused then is the missing arguments, if it has any.
            assert all(close.code == 501 for close in closes), (METHOD_NAMES[method], closes)
        elif state == AWAIT_START_OK:
            assert closes == []  # RabbitMQ says nothing to a stranger
            assert not peer.is_closed
            peer.tick(3.0)
            assert peer.is_aborted
        elif method == UNKNOWN:
            assert [close.code for close in closes] == [540]
        else:
            name = CONNECTION_STATE_NAMES[state]
            text = f"CHANNEL_ERROR - unexpected method in connection state {name}"
            assert [(close.code, close.text) for close in closes] == [(504, text)]
            assert closes[0].method == (method >> 16, method & 0xFFFF)
        peer.connection.lost()


def in_channel_state(scene: Scene, state: int) -> Stranger:
    peer = Stranger(scene).running()
    if state != CHANNEL_ABSENT:
        peer.say(1, commands.Channel.Open())
    if state in {CHANNEL_CLOSING, CHANNEL_CROSSED}:
        peer.say(1, commands.Queue.Declare(queue="missing", passive=True))
    if state == CHANNEL_CROSSED:
        peer.say(1, commands.Channel.Close(200, "", 0, 0))
    channel = peer.connection.channels.get(1)
    assert (channel.state if channel is not None else CHANNEL_ABSENT) == state
    peer.heard.clear()
    return peer


@pytest.mark.parametrize("state", sorted(CHANNEL_METHODS))
def test_every_method_on_a_channel_is_admitted_or_refused_as_the_table_says(scene: Scene, state: int) -> None:
    for method in METHODS:
        peer = in_channel_state(scene, state)
        peer.connection.feed(method_frame(1, method))
        closes = peer.closes()
        name = METHOD_NAMES.get(method, "unknown")
        if method in CHANNEL_METHODS[state]:
            # Admitted: the arguments are missing, or there are none and it is done, or refused for a later reason.
            assert all(close.code in {501, 406} for close in closes), (name, closes)
        elif state in {CHANNEL_CLOSING, CHANNEL_CROSSED}:
            assert closes == [], name  # §1.5.2.5: discarded
        elif method == UNKNOWN:
            assert [close.code for close in closes] == [540]
        elif state == CHANNEL_ABSENT:
            assert [(close.code, close.text) for close in closes] == [(504, "CHANNEL_ERROR - expected 'channel.open'")]
        elif method == CHANNEL_OPEN:
            text = "CHANNEL_ERROR - second 'channel.open' seen"
            assert [(close.code, close.text) for close in closes] == [(504, text)]
        else:
            text = "COMMAND_INVALID - unimplemented method"
            assert [(close.code, close.text) for close in closes] == [(503, text)], name
            assert closes[0].method == (method >> 16, method & 0xFFFF)
        peer.connection.lost()


@pytest.mark.parametrize("kind", [2, 3, 8])
@pytest.mark.parametrize("state", [CHANNEL_ABSENT, CHANNEL_RUNNING, CHANNEL_CLOSING])
def test_every_other_frame_on_a_channel_is_refused_or_discarded(scene: Scene, state: int, kind: int) -> None:
    peer = in_channel_state(scene, state)
    peer.connection.feed(struct.pack(">BHI", kind, 1, 0) + b"\xce")
    closes = [(close.code, close.channel) for close in peer.closes()]
    if kind == 8:
        assert closes == [(505, 0)]  # heartbeats belong to channel 0
    elif state == CHANNEL_CLOSING:
        assert closes == []
    elif state == CHANNEL_ABSENT:
        assert closes == [(504, 0)]
    else:
        assert closes == [(505, 0)]  # content without a method
