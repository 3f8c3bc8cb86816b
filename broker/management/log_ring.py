"""The last lines of the log, for those who look at the broker through the HTTP API."""

import threading
from collections import deque
from typing import Final

from broker.management.refusals import bad_request

MOST_LINES: Final = 1_000
MOST_BYTES: Final = 1_048_576
MOST_DIGITS: Final = 18


class LogRing:
    """The newest lines, within a number of lines and of octets. Written by any thread, read by the loop's.

    Lines are numbered from 1 on, so that a reader can ask for those it has not seen.
    """

    def __init__(self, most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES) -> None:
        """Empty."""
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._last = 0

    def add(self, line: str) -> None:
        """Keep one line.

        Args:
            line: A JSON object.
        """
        octets = line.encode("utf-8", "backslashreplace")
        with self._lock:
            self._last += 1
            self._lines.append(octets)
            self._bytes += len(octets)
            while len(self._lines) > self._most_lines or self._bytes > self._most_bytes:
                self._bytes -= len(self._lines.popleft())

    def after(self, number: int) -> bytes:
        """JSON: ``last``, the newest line's number, and ``lines``, those behind ``number`` that are still there.

        A number from before a restart is larger than any here: it gets all of them.
        """
        with self._lock:
            last, lines = self._last, list(self._lines)
        if number <= last:
            lines = lines[max(0, len(lines) - (last - number)) :]
        return b'{"last":%d,"lines":[%b]}' % (last, b",".join(lines))


def line_number(text: str) -> int:
    """The query key ``after``.

    Raises:
        Refusal: 400.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        raise bad_request("after is not the number of a line")
    return int(text)
