"""The socket of a peer that checks what it is told."""

from typing import Final

from broker.core.errors import INTERNAL_ERROR, REPLY_NAMES
from broker.protocol.transport import Transport
from broker.wire.methods import (
    CHANNEL_CLOSE,
    CONNECTION_CLOSE,
    CONNECTION_CLOSE_OK,
    CONNECTION_START,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    METHOD_NAMES,
    PROTOCOL_HEADER,
)
from fuzz.world import HIDDEN_VHOST, PASSWORD, Broken

# What somebody may hear who has not logged in.
STRANGERS_METHODS: Final = frozenset({CONNECTION_START, CONNECTION_CLOSE, CONNECTION_CLOSE_OK})
SECRETS: Final = (PASSWORD.encode(), HIDDEN_VHOST.encode())


class Wire(Transport):
    """Keeps what is sent.

    Attributes:
        is_over: The broker has closed the socket, or wants it closed.
        is_read_on: The broker has asked to be read on to.
        sent: Octets so far.
    """

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self.is_over = False
        self.is_read_on = False
        self.sent = 0

    def send(self, parts: list[bytes]) -> None:
        self._parts += parts

    def read_on(self) -> None:
        self.is_read_on = True

    def close(self) -> None:
        self.is_over = True

    def abort(self) -> None:
        self.is_over = True

    def check(self, *, is_stranger: bool, frame_max: int, most_bytes: int) -> None:
        """Look at everything that was sent since the last time.

        Args:
            is_stranger: Nobody has logged in.
            frame_max: Largest frame that there may be, octets.
            most_bytes: Largest answer that there may be in all.

        Raises:
            Broken: It is not what a broker may say.
        """
        octets = b"".join(self._parts)
        self._parts.clear()
        self.sent += len(octets)
        if self.sent > most_bytes:
            raise Broken(f"{self.sent} octets were sent")
        for secret in SECRETS:
            if secret in octets and (is_stranger or secret == SECRETS[0]):
                raise Broken(f"told a secret: {secret!r} in {octets!r}")
        at = 0
        end = len(octets)
        while at < end:
            if octets.startswith(b"AMQP", at):
                if octets[at:] != PROTOCOL_HEADER:
                    raise Broken(f"something behind the protocol header: {octets[at:]!r}")
                return
            if end - at < 8:
                raise Broken(f"not a whole frame: {octets[at:]!r}")
            kind = octets[at]
            size = int.from_bytes(octets[at + 3 : at + 7], "big")
            if size + 8 > frame_max or at + 8 + size > end or octets[at + 7 + size] != FRAME_END:
                raise Broken(f"not a frame: {octets[at : at + 60]!r}")
            if kind == FRAME_METHOD:
                method = int.from_bytes(octets[at + 7 : at + 11], "big")
                if method not in METHOD_NAMES:
                    raise Broken(f"no method: {octets[at : at + 60]!r}")
                if is_stranger and method not in STRANGERS_METHODS:
                    raise Broken(f"{METHOD_NAMES[method]} to a stranger")
                if method in {CHANNEL_CLOSE, CONNECTION_CLOSE}:
                    _check_close(octets[at + 11 : at + 7 + size])
            elif is_stranger or kind not in {FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT}:
                raise Broken(f"a frame of type {kind}")
            at += 8 + size


def _check_close(arguments: bytes) -> None:
    code = int.from_bytes(arguments[:2], "big")
    text = arguments[3 : 3 + arguments[2]]
    if code not in REPLY_NAMES or code == INTERNAL_ERROR:
        raise Broken(f"closed with {code} {text!r}")
    if not text.startswith(REPLY_NAMES[code].encode()) or len(arguments) != 7 + len(text):
        raise Broken(f"a close with the arguments {arguments!r}")
    text.decode("utf-8")
