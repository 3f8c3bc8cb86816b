"""The end of a chunk that is not a whole frame yet."""

from typing import final

from mypy_extensions import i64, mypyc_attr


@final
@mypyc_attr(native_class=True)
class Input:
    """Keeps incomplete octets until the frame they begin is whole.

    Chunks are joined once per frame, not once per chunk: a peer that sends a large frame octet by octet costs linear
    time.

    Attributes:
        tail: What was kept, if it came in one chunk with whole frames before it; else empty. Whoever reads the next
            chunk may put it behind this, which saves to join the two.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._have: i64 = 0
        self._need: i64 = 0
        self.tail: bytes = b""

    def joined(self, data: bytes, has_tail: bool) -> bytes:
        """What was kept with ``data`` behind it; empty while the frame is still incomplete.

        Args:
            data: The chunk.
            has_tail: It begins with ``tail``.
        """
        self.tail = b""
        if has_tail:
            self._parts.clear()
            self._need = 0
            return data
        if not self._parts:
            return data
        self._parts.append(data)
        self._have += len(data)
        if self._have < self._need:
            return b""
        whole = b"".join(self._parts)
        self._parts = []
        self._need = 0  # said of the frame that is whole now; the next one says for itself, once its header is here
        return whole

    def wants(self, octets: i64) -> None:
        """The frame that comes next needs so many octets in all."""
        self._need = octets

    def keep(self, data: bytes, pos: i64) -> None:
        """Keep what lies behind ``pos``."""
        if pos < len(data):
            rest = data[pos:] if pos > 0 else data
            self._parts.append(rest)
            self._have = len(rest)
            if pos > 0:
                self.tail = rest
