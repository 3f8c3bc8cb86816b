"""What a publisher says again and again, so that it need not be read again and again."""

from typing import Final, final

from librt.strings import BytesWriter
from mypy_extensions import i64, mypyc_attr

from broker.wire.methods import FRAME_BODY, FRAME_END, FRAME_HEADER, FRAME_METHOD
from broker.wire.octets import put_u8, put_u16, put_u32


@final
@mypyc_attr(native_class=True)
class Pattern:
    """The octets that the next publish on a channel begins with, if it is like the last two.

    Publishers rarely change their exchange and routing key from one message to the next, and some not even the
    properties or the size. One comparison then does for what would be read field by field.

    Attributes:
        size: Octets in ``octets``; 0 while the last two publishes went to different places.
        octets: The frame of ``basic.publish``; with ``body_size``, also the content header frame and the head of the
            body frame.
        body_size: Octets of the body that follows, in one frame; -1 if ``octets`` ends before the content header.
    """

    def __init__(self, channel: i64) -> None:
        self._channel: Final[i64] = channel
        self.size: i64 = 0
        self.octets: bytes = b""
        self.body_size: i64 = -1

    def forget(self) -> None:
        """The last publish was unlike the one before."""
        self.size = 0

    def learn_method(self, method: bytes) -> None:
        """Twice the same method, given as its payload."""
        self.octets = self._frame(FRAME_METHOD, method)
        self.size = len(self.octets)
        self.body_size = -1

    def learn_content(self, method: bytes, header: bytes, body_size: i64) -> None:
        """Twice the same method and content header, given as payloads; the body fits into one frame."""
        out = BytesWriter()
        out.write(self._frame(FRAME_METHOD, method))
        out.write(self._frame(FRAME_HEADER, header))
        put_u8(out, FRAME_BODY)
        put_u16(out, self._channel)
        put_u32(out, body_size)
        self.octets = out.getvalue()
        self.size = len(self.octets)
        self.body_size = body_size

    def _frame(self, kind: i64, payload: bytes) -> bytes:
        out = BytesWriter()
        put_u8(out, kind)
        put_u16(out, self._channel)
        put_u32(out, len(payload))
        out.write(payload)
        put_u8(out, FRAME_END)
        return out.getvalue()
