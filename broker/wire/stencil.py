"""What the deliveries to one consumer have in common, encoded once. AMQP 0-9-1 §4.2.3, §4.2.6, basic.deliver.

    type  channel  size  60 60  consumer tag │ delivery tag  redelivered  exchange  key │ end  type  channel │ size …
    └───────────────── head ────────────────┘                                           └──── to_header ────┘

A delivery writes these pieces whole and only what differs field by field: half the calls. Messages that are alike, as
those are that were published by one pattern, have everything but tag and body in common: ``head`` and ``tail``.
"""

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64, mypyc_attr

from broker.wire.methods import BASIC_DELIVER, FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD
from broker.wire.octets import put_u8, put_u16, put_u32, u16

# A larger content header is not kept to be compared with: there may be very many consumers and channels.
LARGEST_HEADER: Final = 512


@final
@mypyc_attr(native_class=True)
class Stencil:
    """The fixed octets of one consumer's deliveries.

    Attributes:
        channel: Number of the consumer's channel.
        route_size: Octets of the route that ``head`` is made for.
        head: The method frame as far as the delivery tag; its size field depends on the route's.
        to_header: From the end of the method frame to the size of the content header frame.
        to_body: From the end of the content header frame to the size of the body frame.
        route: The route of messages that ``tail`` is made for, this very object.
        header: Their content header, this very object; or the last one that was seen.
        tail_body: Octets of the body that ``tail`` is made for; -1 if it is not made.
        tail: From the redelivered flag, which is not set, to the first octet of the body.
    """

    def __init__(self, channel: i64, tag: bytes) -> None:
        """Make the pieces for a channel and a consumer tag, which is given as a short string."""
        self.channel: Final[i64] = channel
        self._tag: Final = tag
        self.route_size: i64 = -1
        self.head: bytes = b""
        self.to_header: Final = bytes([FRAME_END, FRAME_HEADER]) + u16(channel)
        self.to_body: Final = bytes([FRAME_END, FRAME_BODY]) + u16(channel)
        self.route: bytes = b""
        self.header: bytes = b""
        self.tail_body: i64 = -1
        self.tail: bytes = b""

    def fit(self, route_size: i64) -> None:
        """Make ``head`` for routes of this size."""
        out = BytesWriter()
        put_u8(out, FRAME_METHOD)
        put_u16(out, self.channel)
        put_u32(out, len(self._tag) + route_size + 13)
        put_u32(out, BASIC_DELIVER)
        out.write(self._tag)
        self.head = out.getvalue()
        self.route_size = route_size

    def look(self, route: bytes, header: bytes, body_size: i64) -> None:
        """A message has gone out whole in one body frame: make ``tail`` if it was like the last one."""
        if header is not self.header or route is not self.route:
            self.header = header if len(header) <= LARGEST_HEADER else b""
            self.route = route
            self.tail_body = -1
            return
        out = BytesWriter()
        put_u8(out, 0)
        out.write(route)
        out.write(self.to_header)
        put_u32(out, len(header))
        out.write(header)
        out.write(self.to_body)
        put_u32(out, body_size)
        self.tail = out.getvalue()
        self.tail_body = body_size
