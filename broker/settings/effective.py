"""The settings of a process as text, to be shown to whoever runs it."""

import json
import re
from collections.abc import Iterator
from typing import Final

import msgspec

from broker.settings.keys import SETTINGS
from broker.settings.model import Settings

HIDDEN: Final = "(hidden)"
_SECRET: Final = re.compile(r"(^|[._])(pass|password|secret|token)$")


def effective_text(settings: Settings) -> str:
    """``key = value``, a line each, in the order of the model. Secrets are hidden."""
    return "".join(f"{key} = {_value(key, value)}\n" for key, value in _flat("", msgspec.to_builtins(settings)))


def _flat(key: str, value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _flat(f"{key}.{name}" if key else name, each)
    elif isinstance(value, (list, tuple)) and any(isinstance(each, dict) for each in value):
        for number, each in enumerate(value):
            yield from _flat(f"{key}[{number}]", each)
    else:
        yield key, value


def _value(key: str, value: object) -> str:
    setting = SETTINGS.get(key)
    if (setting is not None and setting.is_secret) or _SECRET.search(key):
        return HIDDEN
    return json.dumps(value)
