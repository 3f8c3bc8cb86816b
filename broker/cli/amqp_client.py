"""One AMQP connection of a load test, with channel 1 open."""

import asyncio
import ssl
import struct
from typing import Final, Self
from urllib.parse import unquote, urlsplit

from broker.cli.amqp_frames import method, start_ok
from broker.wire.methods import (
    CHANNEL_CLOSE,
    CHANNEL_OPEN,
    CONNECTION_CLOSE,
    CONNECTION_OPEN,
    CONNECTION_START_OK,
    CONNECTION_TUNE_OK,
    FRAME_METHOD,
    FRAME_OVERHEAD,
    PROTOCOL_HEADER,
)
from broker.wire.octets import shortstr

READ_BYTES: Final = 1 << 18
PATIENCE_S: Final = 20.0
FRAME_MAX: Final = 131_072
CHANNEL_MAX: Final = 16
_HEAD: Final = 7  # type, channel, size
_PORTS: Final = {"amqp": 5672, "amqps": 5671}


class AmqpClientError(Exception):
    """The broker could not be reached, or refused; the text is one line."""


class AmqpClient:
    """Sends frames and reads what comes.

    Attributes:
        reader: What the broker says.
        writer: What is said to it.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connected(cls, uri: str) -> Self:
        """Connect, log in and open channel 1.

        Args:
            uri: ``amqp://user:password@host:port/vhost``, or ``amqps``.

        Raises:
            AmqpClientError: It is no such address, nobody answers, or the broker refused.
        """
        parts = urlsplit(uri)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise AmqpClientError("not an address; expected one such as amqp://guest:guest@127.0.0.1:5672/%2F")
        tls = ssl.create_default_context() if parts.scheme == "amqps" else None
        port = parts.port or _PORTS[parts.scheme]
        vhost = unquote(parts.path[1:]) or "/"
        client: Self | None = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                client = cls(*await asyncio.open_connection(parts.hostname, port, ssl=tls, limit=4 * READ_BYTES))
                await client._log_in(unquote(parts.username or "guest"), unquote(parts.password or "guest"), vhost)
        except (OSError, EOFError, AmqpClientError) as error:
            if client is not None:
                client.writer.close()
            reason = (
                "hung up; is the login right?" if isinstance(error, EOFError) else str(error) or "no answer in time"
            )
            raise AmqpClientError(f"{parts.hostname}:{port}: {reason}") from error
        return client

    async def _log_in(self, user: str, password: str, vhost: str) -> None:
        self.writer.write(PROTOCOL_HEADER)
        await self.read_frame()
        self.writer.write(method(CONNECTION_START_OK, start_ok(user, password), channel=0))
        await self.read_frame()
        tune = struct.pack(">HIH", CHANNEL_MAX, FRAME_MAX, 0)
        self.writer.write(method(CONNECTION_TUNE_OK, tune, channel=0))
        self.writer.write(method(CONNECTION_OPEN, shortstr(vhost.encode()) + b"\0\0", channel=0))
        await self.read_frame()
        await self.call(method(CHANNEL_OPEN, b"\0"))

    async def call(self, octets: bytes) -> bytes:
        """Send a method and wait for the frame that answers it."""
        self.writer.write(octets)
        async with asyncio.timeout(PATIENCE_S):
            return await self.read_frame()

    async def read_frame(self) -> bytes:
        """The next frame, whole.

        Raises:
            AmqpClientError: It closes the channel or the connection.
        """
        head = await self.reader.readexactly(_HEAD)
        size = struct.unpack_from(">I", head, 3)[0]
        whole = head + await self.reader.readexactly(size + 1)
        refuse_close(whole)
        return whole

    async def close(self) -> None:
        """Say good-bye, and hang up."""
        arguments = struct.pack(">H", 200) + shortstr(b"") + bytes(4)
        self.writer.write(method(CONNECTION_CLOSE, arguments, channel=0))
        self.writer.close()
        await self.writer.wait_closed()


def refuse_close(whole: bytes) -> None:
    """Look whether a frame ends the channel or the connection.

    Raises:
        AmqpClientError: It does.
    """
    if whole[0] == FRAME_METHOD and struct.unpack_from(">I", whole, _HEAD)[0] in {CHANNEL_CLOSE, CONNECTION_CLOSE}:
        text = whole[_HEAD + 7 : _HEAD + 7 + whole[_HEAD + 6]]
        raise AmqpClientError(text.decode("utf-8", "replace"))


def whole_frame_end(octets: bytearray, start: int) -> int:
    """Where the frame that begins at ``start`` ends; -1 if it is not all there."""
    if len(octets) < start + _HEAD:
        return -1
    end = start + FRAME_OVERHEAD + int(struct.unpack_from(">I", octets, start + 3)[0])
    return end if len(octets) >= end else -1
