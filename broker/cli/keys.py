"""Keys that are pressed while something else goes on."""

import os
import select
import sys
import termios
import tty
from types import TracebackType
from typing import Final, Self

UP: Final = "up"
DOWN: Final = "down"
_ARROWS: Final = {b"\x1b[A": UP, b"\x1b[B": DOWN, b"\x1bOA": UP, b"\x1bOB": DOWN}
_LONGEST: Final = 8


class Keys:
    """Reads single keys from the terminal, which is as it was afterwards. Without a terminal there are none."""

    def __init__(self) -> None:
        self._descriptor = sys.stdin.fileno() if sys.stdin.isatty() else -1
        self._before: list[object] = []

    def __enter__(self) -> Self:
        if self._descriptor >= 0:
            self._before = termios.tcgetattr(self._descriptor)
            tty.setcbreak(self._descriptor)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)  # type: ignore[arg-type]

    def wait(self, seconds: float) -> str:
        """The key that is pressed within so many seconds; empty for none."""
        watched = [self._descriptor] if self._descriptor >= 0 else []
        if not select.select(watched, [], [], seconds)[0]:
            return ""
        octets = os.read(self._descriptor, _LONGEST)
        return _ARROWS.get(octets, octets[:1].decode("ascii", "replace"))
