"""Patterns in the scopes of OAuth 2 tokens: ``*`` stands for anything, ``%2F`` for a slash. RabbitMQ's plugin.

Each part between two stars takes the first place where it fits and never another one, so ``*-dev`` does not match
``a-dev-dev``. That is RabbitMQ's matching, and who writes scopes has tried them there: a pattern must not let more
through here.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

_HEX: Final = b"0123456789abcdefABCDEF"


@final
@mypyc_attr(native_class=True)
class Wildcard:
    """One pattern. Immutable."""

    def __init__(self, text: str) -> None:
        """Take it apart. One that cannot be decoded matches nothing."""
        self._parts: Final[list[bytes]] = []
        self._is_valid: bool = True
        for piece in text.encode("utf-8", "surrogatepass").split(b"*"):
            part = _decoded(piece)
            if part is None:
                self._is_valid = False
            else:
                self._parts.append(part)

    def matches(self, subject: bytes) -> bool:
        """Does the whole of ``subject`` match?"""
        parts = self._parts
        if not self._is_valid or not subject.startswith(parts[0]):
            return False
        last: i64 = len(parts) - 1
        end: i64 = len(subject)
        pos: i64 = len(parts[0])
        for i in range(1, last + 1):
            part = parts[i]
            if not part and i == last:
                return True
            if pos == end:
                return False
            found: i64 = subject.find(part, pos)
            if found < 0:
                return False
            pos = found + len(part)
        return pos == end


def _decoded(piece: bytes) -> bytes | None:
    """Without percent signs and pluses, as in a query; None if a percent sign has no number."""
    if b"%" not in piece:
        return piece.replace(b"+", b" ")
    parts = piece.replace(b"+", b" ").split(b"%")
    decoded = [parts[0]]
    for part in parts[1:]:
        if len(part) < 2 or part[0] not in _HEX or part[1] not in _HEX:
            return None
        decoded.append(bytes.fromhex(part[:2].decode("ascii")))
        decoded.append(part[2:])
    return b"".join(decoded)
