"""One line per event: readable on a terminal, or a JSON object for a collector.

How every room logs, with the standard library alone::

    log = logging.getLogger("broker.net")
    log.info("connection opened", extra={"peer": peer, "user": user, "vhost": vhost, "client": client})

The message is a fixed text, the event's name; what varies goes into ``extra``, in the order in which it is to be read.
Nothing is formatted when the level is off, and no text of a peer ever becomes part of a format string. ``extra`` must
not use the names of ``logging.LogRecord``, such as ``name``, ``args`` or ``message``: say ``queue``, not ``name``.

Peers choose their names, headers and user agents, so every value is escaped: a line break in one would forge a second
event, and an ANSI sequence would repaint the operator's terminal.
"""

import json
import logging
import sys
import time
from typing import Final, TextIO

from broker.management.log_ring import LogRing

_LEVEL_NAMES: Final = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warn",
    logging.ERROR: "error",
    logging.CRITICAL: "fatal",
}
_OWN_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_MARK: Final = "ponymq"


class TextFormatter(logging.Formatter):
    """``2026-11-20 19:30:01.123 info  connection opened  peer=127.0.0.1:4711 user=guest``, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        """One line for the record, and a traceback indented below it if there is one."""
        moment = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created))
        line = f"{moment}.{int(record.msecs):03d} {_level(record):<5} {escape(record.getMessage())}"
        fields = fields_of(record)
        if fields:
            line += "  " + " ".join(f"{name}={_word(value)}" for name, value in fields.items())
        for trace_line in self._trace(record):
            line += "\n    " + escape(trace_line)
        return line

    def _trace(self, record: logging.LogRecord) -> list[str]:
        # By "\n" only: splitlines() also breaks at U+2028 and its like, which escape() is to show instead.
        text = self.formatException(record.exc_info) if record.exc_info else ""
        if record.stack_info:
            text += "\n" + record.stack_info
        return [line for line in text.split("\n") if line]


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``time`` (UTC, RFC 3339), ``level``, ``logger``, ``event``, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """One line for the record; a traceback is the field ``traceback``."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        entry: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": _level(record),
            "logger": record.name,
            "event": record.getMessage(),
        }
        for name, value in fields_of(record).items():
            # A field that has the name of one of ours is kept beside it, not in its place.
            entry[f"{name}_" if name in entry else name] = _json_value(value)
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        # ASCII only: JSON allows raw U+009B, which some terminals read as the start of a control sequence.
        return json.dumps(entry, ensure_ascii=True, allow_nan=False)


def set_up_logging(level: str, line_format: str, stream: TextIO | None = None) -> None:
    """Send every logger's events to ``stream``, in place of what an earlier call of this function had set up.

    Args:
        level: ``debug``, ``info``, ``warning`` or ``error``; other libraries' loggers stay at ``warning`` or above.
        line_format: ``text``, ``json``, or ``auto``: text on a terminal, JSON otherwise.
        stream: Standard error unless given.
    """
    target = sys.stderr if stream is None else stream
    as_text = line_format == "text" or (line_format == "auto" and target.isatty())
    handler = logging.StreamHandler(target)
    handler.set_name(_MARK)
    handler.setFormatter(TextFormatter() if as_text else JsonFormatter())
    root = logging.getLogger()
    for earlier in list(root.handlers):
        if earlier.get_name() == _MARK:
            root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(max(logging.WARNING, _number(level)))
    logging.getLogger("broker").setLevel(_number(level))


class RingHandler(logging.Handler):
    """Keeps every line that is logged where the HTTP API finds the last ones, whatever the stream's format is."""

    def __init__(self, ring: LogRing) -> None:
        super().__init__()
        self._ring = ring
        self.setFormatter(JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one; a record that cannot be formatted is the stream's to complain of."""
        try:
            self._ring.add(self.format(record))
        except Exception:  # noqa: BLE001 - as logging's own handlers do
            self.handleError(record)


def fields_of(record: logging.LogRecord) -> dict[str, object]:
    """What the caller gave as ``extra``, in its order."""
    return {name: value for name, value in vars(record).items() if name not in _OWN_ATTRIBUTES}


def escape(text: str) -> str:
    """Write everything that does not print as an escape, and the backslash twice so that none can be faked."""
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(
        "\\\\" if char == "\\" else char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _level(record: logging.LogRecord) -> str:
    return _LEVEL_NAMES.get(record.levelno, record.levelname.lower())


def _text(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


def _word(value: object) -> str:
    """The value, in quotes if it would otherwise be taken for more or less than one value."""
    plain = _text(value)
    if plain and not any(char in plain for char in ' "='):
        return escape(plain)
    return '"' + escape(plain).replace('"', '\\"') + '"'


def _json_value(value: object) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    return value if isinstance(value, float) and abs(value) < float("inf") else _text(value)
