"""What one connection is about to write, collected so that a turn costs one system call."""

from typing import Final, final

from librt.strings import BytesWriter, write_i32_be, write_i64_be
from mypy_extensions import i64, mypyc_attr

from broker.wire.methods import (
    FRAME_BODY,
    FRAME_END,
    FRAME_HEADER,
    FRAME_HEARTBEAT,
    FRAME_METHOD,
    FRAME_MIN_SIZE,
    FRAME_OVERHEAD,
)
from broker.wire.octets import put_u8, put_u16, put_u32
from broker.wire.stencil import Stencil

# A body of this size or more is handed to the socket as it is; a smaller one is copied behind its frame header.
# Copying 1 KiB costs less than one more buffer in writev; copying 128 KiB does not.
DIRECT_BODY_BYTES: Final = 16384
# Octets that may wait in the outbox and in the socket's buffer before deliveries go elsewhere or stay in their queue.
OUTBOX_LIMIT: Final = 262_144
# From how many octets in one turn on an outbox keeps its memory for the next: to grow to 85 KB anew costs 40 us.
WARM_BYTES: Final = 4096
# So many outboxes may do that, of which there are as many as connections.
WARM_OUTBOXES: Final = 16


@final
@mypyc_attr(native_class=True)
class WarmOutboxes:
    """Those that keep the memory of what they wrote last, because they will write as much again."""

    def __init__(self) -> None:
        self._outboxes: Final[list[Outbox]] = []

    def admit(self, outbox: "Outbox") -> None:
        """Let one more keep its memory, in place of the one that has had it for longest."""
        if len(self._outboxes) == WARM_OUTBOXES:
            self._outboxes.pop(0).cool()
        self._outboxes.append(outbox)


@final
@mypyc_attr(native_class=True)
class Outbox:
    """Encoded frames in order, for one connection.

    Attributes:
        frame_max: Largest frame the peer takes, octets; bodies are split to it. 0 for no limit.
        size: Octets waiting.
    """

    def __init__(self, warm: WarmOutboxes | None = None) -> None:
        self._warm: Final = warm
        self._is_warm: bool = False
        self.frame_max: i64 = FRAME_MIN_SIZE
        self._copied_bytes: i64 = FRAME_MIN_SIZE - FRAME_OVERHEAD  # largest body that is copied behind its header
        self._writer: BytesWriter = BytesWriter()
        self._parts: list[bytes] = []
        self._part_bytes: i64 = 0

    def limit_frames(self, frame_max: i64) -> None:
        """Send no larger frames than this from now on; 0 for no limit."""
        self.frame_max = frame_max
        self._copied_bytes = DIRECT_BODY_BYTES - 1
        if 0 < frame_max < DIRECT_BODY_BYTES + FRAME_OVERHEAD:
            self._copied_bytes = frame_max - FRAME_OVERHEAD

    @property
    def size(self) -> i64:
        """Octets waiting to be taken."""
        return self._part_bytes + len(self._writer)

    def method(self, channel: i64, method_id: i64, arguments: bytes) -> None:
        """One method frame; ``arguments`` are the encoded fields."""
        out = self._writer
        put_u8(out, FRAME_METHOD)
        put_u16(out, channel)
        put_u32(out, 4 + len(arguments))
        put_u32(out, method_id)
        out.write(arguments)
        put_u8(out, FRAME_END)

    def settlement(self, channel: i64, method_id: i64, delivery_tag: i64, bits: i64) -> None:
        """``basic.ack`` or ``basic.nack`` from broker to publisher."""
        out = self._writer
        put_u8(out, FRAME_METHOD)
        put_u16(out, channel)
        put_u32(out, 13)
        put_u32(out, method_id)
        write_i64_be(out, delivery_tag)
        put_u8(out, bits)
        put_u8(out, FRAME_END)

    def deliver(
        self, stencil: Stencil, delivery_tag: i64, redelivered: bool, route: bytes, header: bytes, body: bytes
    ) -> None:
        """``basic.deliver`` with its content. ``stencil`` is the consumer's, ``route`` exchange and key as octets."""
        out = self._writer
        route_size: i64 = len(route)
        if route_size != stencil.route_size:
            stencil.fit(route_size)
        out.write(stencil.head)
        write_i64_be(out, delivery_tag)
        size: i64 = len(body)
        if header is stencil.header and route is stencil.route and size == stencil.tail_body and not redelivered:
            out.write(stencil.tail)
            out.write(body)
            out.append(FRAME_END)
            return
        out.append(1 if redelivered else 0)
        out.write(route)
        out.write(stencil.to_header)
        write_i32_be(out, len(header))
        out.write(header)
        if 0 < size <= self._copied_bytes:
            out.write(stencil.to_body)
            write_i32_be(out, len(body))
            out.write(body)
            out.append(FRAME_END)
            if not redelivered:
                stencil.look(route, header, size)
        else:
            out.append(FRAME_END)
            self._split_body(stencil.channel, body)

    def deliver_run(
        self,
        stencil: Stencil,
        delivery_tag: i64,
        route: bytes,
        header: bytes,
        bodies: list[bytes],
        first: i64,
        end: i64,
    ) -> i64:
        """``deliver`` for several messages that differ in their bodies alone, all of one size; none was out before.

        Args:
            stencil: The consumer's.
            delivery_tag: Of the first message; the others count on.
            route: Exchange and key as octets.
            header: Content header.
            bodies: Their bodies, from ``first`` to before ``end``.
            first: The first of them.
            end: Behind the last one.

        Returns:
            How many were added: none any more once OUTBOX_LIMIT octets are waiting.
        """
        at = first
        while at < end and self.size <= OUTBOX_LIMIT:
            if header is not stencil.header or route is not stencil.route or len(bodies[at]) != stencil.tail_body:
                self.deliver(stencil, delivery_tag + at - first, False, route, header, bodies[at])
                at += 1
                continue
            head = stencil.head
            tail = stencil.tail
            one: i64 = len(head) + len(tail) + stencil.tail_body + 9
            stop = at + 1 + (OUTBOX_LIMIT - self.size) // one
            if stop > end:
                stop = end
            out = self._writer
            while at < stop:
                out.write(head)
                write_i64_be(out, delivery_tag + at - first)
                out.write(tail)
                out.write(bodies[at])
                out.append(FRAME_END)
                at += 1
        return at - first

    def content(self, channel: i64, header: bytes, body: bytes) -> None:
        """Content header frame and as many body frames as ``frame_max`` asks: none for an empty body. §4.2.6."""
        out = self._writer
        put_u8(out, FRAME_HEADER)
        put_u16(out, channel)
        put_u32(out, len(header))
        out.write(header)
        put_u8(out, FRAME_END)
        self._split_body(channel, body)

    def _split_body(self, channel: i64, body: bytes) -> None:
        size: i64 = len(body)
        step = size if self.frame_max == 0 else self.frame_max - FRAME_OVERHEAD
        pos: i64 = 0
        while pos < size:
            piece = body if size <= step else body[pos : pos + step]
            out = self._writer
            put_u8(out, FRAME_BODY)
            put_u16(out, channel)
            put_u32(out, len(piece))
            if len(piece) < DIRECT_BODY_BYTES:
                out.write(piece)
            else:
                self._parts.append(out.getvalue())
                self._parts.append(piece)
                self._part_bytes += len(out) + len(piece)
                self._writer = BytesWriter()
            put_u8(self._writer, FRAME_END)
            pos += step

    def heartbeat(self) -> None:
        """A heartbeat frame. §4.2.7."""
        out = self._writer
        put_u8(out, FRAME_HEARTBEAT)
        put_u16(out, 0)
        put_u32(out, 0)
        put_u8(out, FRAME_END)

    def raw(self, octets: bytes) -> None:
        """Octets that are no frame: the protocol header."""
        self._writer.write(octets)

    def take(self) -> list[bytes]:
        """Everything waiting, in order; the outbox is empty afterwards. The caller writes the pieces at once."""
        parts = self._parts
        writer = self._writer
        octets: i64 = len(writer)
        if octets > 0:
            parts.append(writer.getvalue())
            if octets >= WARM_BYTES and not self._is_warm and self._warm is not None:
                self._is_warm = True
                self._warm.admit(self)
            if self._is_warm:
                writer.truncate(0)
            else:
                self._writer = BytesWriter()
        self._parts = []
        self._part_bytes = 0
        return parts

    def cool(self) -> None:
        """Give up the memory that is kept, at the next ``take`` if something waits now."""
        self._is_warm = False
        if len(self._writer) == 0:
            self._writer = BytesWriter()
