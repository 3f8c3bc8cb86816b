"""The end of a chunk that is not a whole frame yet."""

from typing import final

from mypy_extensions import i64, mypyc_attr


@final
@mypyc_attr(native_class=True)
class Input:
    """Keeps incomplete octets until the frame they begin is whole.

    Chunks are joined once per frame, not once per chunk: a peer that sends a large frame octet by octet costs linear
    time.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._have: i64 = 0
        self._need: i64 = 0

    def joined(self, data: bytes) -> bytes:
        """What was kept with ``data`` behind it; empty while the frame is still incomplete."""
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
            self._parts.append(data[pos:] if pos > 0 else data)
            self._have = len(data) - pos
