"""A peer that says what it likes, in octets, and decodes what it is told."""

from typing import Any, NamedTuple

import pamqp.frame
from pamqp import commands

from broker.protocol.connection import Connection
from broker.protocol.transport import Transport
from tests.queues.scene import Scene

HEADER = b"AMQP\x00\x00\x09\x01"
ACCESS_REQUEST_OK = b"\x00\x1e\x00\x0b"
CLIENT_PROPERTIES = {"capabilities": {"authentication_failure_close": True, "consumer_cancel_notify": True}}


class Close(NamedTuple):
    """What a close method said."""

    channel: int
    code: int
    text: str
    method: tuple[int, int]


class Stranger(Transport):
    """One connection, from its first octet. ``heard`` grows with every frame the broker sends."""

    def __init__(self, scene: Scene, *, is_loopback: bool = True) -> None:
        super().__init__()
        self.scene = scene
        self.octets = b""
        self.heard: list[tuple[int, Any]] = []
        self.is_closed = False
        self.is_aborted = False
        self.is_read_on = False  # told to ``resume`` the connection, as a socket does later
        self.connection = Connection(scene.context, self, "test", is_loopback)

    def send(self, parts: list[bytes]) -> None:
        self.octets += b"".join(parts)
        while self.octets and not self.octets.startswith(b"AMQP"):
            if self.octets[7:11] == ACCESS_REQUEST_OK:  # older than what pamqp knows
                self.octets = self.octets[14:]
                continue
            size, channel, frame = pamqp.frame.unmarshal(self.octets)
            self.heard.append((channel, frame))
            self.octets = self.octets[size:]

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_aborted = True

    def read_on(self) -> None:
        self.is_read_on = True

    def say(self, channel: int, *frames: Any) -> None:
        """Feed frames as one chunk."""
        self.connection.feed(b"".join(pamqp.frame.marshal(frame, channel) for frame in frames))

    def names(self) -> list[str]:
        """Names of the frames heard since the last call."""
        names = [frame.name for _, frame in self.heard]
        self.heard.clear()
        return names

    def closes(self) -> list[Close]:
        """The close methods heard since the last call."""
        found = [
            Close(channel, frame.reply_code, frame.reply_text, (frame.class_id, frame.method_id))
            for channel, frame in self.heard
            if isinstance(frame, commands.Connection.Close | commands.Channel.Close)
        ]
        self.heard.clear()
        return found

    def tick(self, seconds: float) -> None:
        """Let time pass and the broker look at its clock."""
        self.scene.clock.advance(seconds)
        self.scene.turn.begin()
        self.connection.tick(self.scene.clock.monotonic_s())
        self.scene.turn.finish()

    # --- the stages of the handshake

    def start(self) -> "Stranger":
        self.connection.feed(HEADER)
        return self

    def log_in(self, password: str = "guest", **properties: Any) -> "Stranger":  # noqa: S107 - the default user's
        response = f"\0guest\0{password}"
        known = {**CLIENT_PROPERTIES, **properties}
        self.say(0, commands.Connection.StartOk(known, "PLAIN", response, "en_US"))
        return self

    def tune(self, channel_max: int = 2047, frame_max: int = 131_072, heartbeat: int = 0) -> "Stranger":
        self.say(0, commands.Connection.TuneOk(channel_max, frame_max, heartbeat))
        return self

    def enter(self, vhost: str = "/") -> "Stranger":
        self.say(0, commands.Connection.Open(vhost))
        return self

    def running(self, **tune: int) -> "Stranger":
        """Go through the whole handshake and forget what was heard."""
        self.start().log_in().tune(**tune).enter()
        self.heard.clear()
        return self

    def with_channel(self, number: int = 1) -> "Stranger":
        """A running connection with an open channel."""
        self.running().say(number, commands.Channel.Open())
        self.heard.clear()
        return self
