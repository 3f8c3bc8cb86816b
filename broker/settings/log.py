"""The section ``log``."""

from typing import Annotated, Literal

from msgspec import Struct

from broker.settings.meaning import means

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json", "auto"]


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged, and how a line looks."""

    level: Annotated[LogLevel, means("The least important event that is still logged.")] = "info"
    format: Annotated[
        LogFormat, means("One readable line per event, one JSON object per line, or text on a terminal and JSON else.")
    ] = "text"
