"""AMQP for one HTTP request: a connection of the broker without a socket, on which the user's request becomes methods.

So a queue is declared, bound or read over HTTP by the rules, permissions, journal and audit of AMQP, and there is no
second set of them. RabbitMQ's management does the same.
"""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from msgspec import Struct

from broker.auth.logins import HTTP
from broker.auth.remote import Undecided
from broker.core.arguments import Table
from broker.core.errors import ACCESS_REFUSED, NOT_FOUND, HardError
from broker.management.call import Call
from broker.management.refusals import Refusal, bad_request, not_authorised
from broker.protocol.connection import Connection
from broker.protocol.handshake import open_directly
from broker.protocol.transport import Transport
from broker.vhost.vhost import VHost
from broker.wire.arguments import ArgumentReader
from broker.wire.methods import (
    BASIC_PUBLISH,
    CHANNEL_CLOSE,
    CHANNEL_OPEN,
    CONNECTION_CLOSE,
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_METHOD,
)
from broker.wire.octets import shortstr, u16, u32
from broker.wire.tables import encode_table

AUDIT: Final = logging.getLogger("broker.audit")

LONGEST_NAME: Final = 255  # octets of a short string
CHANNEL: Final = 1


class AmqpRefused(Exception):  # noqa: N818 - the client's mistake, nobody's error here
    """The broker closed the channel, or the connection.

    Attributes:
        reply_code: AMQP's.
        reply_text: As the close method has it.
    """

    def __init__(self, reply_code: int, reply_text: str) -> None:
        """Made from the arguments of the close method."""
        super().__init__(reply_text)
        self.reply_code = reply_code
        self.reply_text = reply_text

    @property
    def explanation(self) -> str:
        """The text without the name of the code."""
        return self.reply_text.partition(" - ")[2] or self.reply_text


class Said(Struct):
    """One method of the broker's, with its content if it has one.

    Attributes:
        method: Class and number.
        arguments: The frame's payload.
        header: The content header.
        body: The content's body.
    """

    method: int
    arguments: bytes
    header: bytes = b""
    body: bytes = b""


class _Mailbox(Transport):
    """Takes what a socket would take."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[bytes] = []
        self.has_mail = asyncio.Event()

    def send(self, parts: list[bytes]) -> None:
        self.parts += parts
        self.has_mail.set()

    def close(self) -> None:
        self.has_mail.set()

    def abort(self) -> None:
        self.has_mail.set()


class Session:
    """One channel of a user's in a vhost. ``open`` it, and ``close`` it: that requeues what is not settled."""

    def __init__(self, call: Call, vhost: VHost) -> None:
        """Connect a user who may enter the vhost."""
        self._facts = call.facts
        self._mailbox = _Mailbox()
        context = call.facts.context
        self._connection = Connection(context, self._mailbox, call.address, is_loopback=True, listener=HTTP)
        open_directly(self._connection, call.viewer.user, vhost.name)

    def open(self) -> None:
        """Open the channel.

        Raises:
            AmqpRefused: The user has as many as are allowed.
        """
        self.ask(CHANNEL_OPEN, b"\x00")

    def ask(self, method: int, arguments: bytes) -> list[Said]:
        """Have the broker carry out a method, in a turn of its own. Returns what it says before the turn ends.

        Raises:
            AmqpRefused: It closed the channel.
            Undecided: Somebody has to be asked for permission, and the method has not been carried out.
        """
        self._tell(_frame(FRAME_METHOD, u32(method) + arguments))
        return self._heard()

    def publish(self, arguments: bytes, header: bytes, body: bytes) -> None:
        """Publish a message; what the broker says to it is for ``wait`` to hear."""
        content = _frame(FRAME_HEADER, header) + (_frame(FRAME_BODY, body) if body else b"")
        self._tell(_frame(FRAME_METHOD, u32(BASIC_PUBLISH) + arguments) + content)

    async def wait(self) -> list[Said]:
        """What the broker says next, in this turn or a later one.

        Raises:
            AmqpRefused: It closed the channel or the connection.
        """
        await self._mailbox.has_mail.wait()
        return self._heard()

    def close(self) -> None:
        """End it."""
        self._connection.lost()
        self._facts.attend()

    def _tell(self, frames: bytes) -> None:
        connection = self._connection
        connection.feed(frames)
        if connection.is_waiting and connection.question is not None:
            raise Undecided(connection.question)
        if connection.is_choked:
            connection.resume()  # a large answer has been taken
        self._facts.attend()

    def _heard(self) -> list[Said]:
        octets = b"".join(self._mailbox.parts)
        self._mailbox.parts.clear()
        self._mailbox.has_mail.clear()
        heard: list[Said] = []
        at = 0
        while at < len(octets):
            kind = octets[at]
            end = at + 7 + int.from_bytes(octets[at + 3 : at + 7], "big")
            payload = octets[at + 7 : end]
            at = end + 1
            if kind == FRAME_METHOD:
                heard.append(Said(int.from_bytes(payload[:4], "big"), payload))
            elif kind == FRAME_HEADER:
                heard[-1].header = payload
            else:
                heard[-1].body = payload  # frames have any size, so there is one
        for said in heard:
            if said.method in {CHANNEL_CLOSE, CONNECTION_CLOSE}:
                reader = ArgumentReader(said.arguments)
                raise AmqpRefused(reader.short(), reader.shortstr().decode())
        return heard


@contextmanager
def session(call: Call, vhost: VHost) -> Iterator[Session]:
    """A session of the user who asks, to be closed at the end.

    Raises:
        Refusal: 401, the user may not enter the vhost, or not do what was asked; 404 for what is not there; 400 for
            any other refusal of the broker's. The reason is AMQP's explanation.
    """
    viewer = call.viewer
    if not viewer.user.may_enter(vhost.name):
        fields = {"user": viewer.name, "peer": call.address, "vhost": vhost.name, "reason": "no permission"}
        AUDIT.warning("vhost refused", extra=fields)
        user = viewer.name.decode("utf-8", "replace")
        raise not_authorised(f"access to vhost '{vhost.name}' refused for user '{user}'")
    opened = Session(call, vhost)
    try:
        opened.open()
        yield opened
    except AmqpRefused as refused:
        raise _as_http(refused) from refused
    finally:
        opened.close()


def _as_http(refused: AmqpRefused) -> Refusal:
    if refused.reply_code == ACCESS_REFUSED:
        return not_authorised(refused.explanation)
    if refused.reply_code == NOT_FOUND:
        return Refusal(404, "not_found", refused.explanation)
    return bad_request(refused.explanation)


def short(what: str, text: bytes) -> bytes:
    """A name or key as a short string.

    Raises:
        Refusal: 400, it is too long.
    """
    if len(text) > LONGEST_NAME:
        raise bad_request(f"{what} should be less than {LONGEST_NAME} bytes, actually was {len(text)}")
    return shortstr(text)


def table(arguments: Table) -> bytes:
    """A table as octets.

    Raises:
        Refusal: 400, what AMQP cannot say.
    """
    try:
        return encode_table(arguments)
    except HardError as refused:
        raise bad_request(refused.explanation) from refused


def _frame(kind: int, payload: bytes) -> bytes:
    return bytes([kind]) + u16(CHANNEL) + u32(len(payload)) + payload + bytes([FRAME_END])
