"""The documented settings file, written from the model. ``python -m broker.settings.sample`` prints it."""

import json
import sys
import textwrap
from collections.abc import Mapping
from typing import Final

from broker.settings.keys import SETTINGS, Setting

_HEAD: Final = """\
# PonyMQ: every setting with its default.
#
# The later wins: these defaults, this file, the environment (PONYMQ_PORT, PONYMQ_LOG_LEVEL: the key in capitals, with
# its section), the command line (--port, or --set log.level=debug for any key). A wrong key or value stops the start
# with one line. Sizes may be written as 64MiB (powers of 1024) or 64MB (powers of 1000), in quotes.
#
# Start with it: ponymq --config ponymq.toml
"""


def sample_toml() -> str:
    """The text of ``config/ponymq.toml``: valid as it stands, and equal to having no file."""
    lines = [_HEAD]
    section = ""
    explained: Mapping[str, Setting] = {}  # the keys of the last list of tables
    for setting in SETTINGS.values():
        group, dot, name = setting.key.rpartition(".")
        if dot and group != section:
            section = group
            lines.append(f"\n[{section}]")
        if setting.items:
            lines += _tables(setting, is_explained=list(setting.items) == list(explained))
            explained = setting.items
        else:
            lines += _entry(setting, name)
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _entry(setting: Setting, name: str) -> list[str]:
    comment = textwrap.wrap(f"{setting.meaning} {_capitalised(setting.expected)}.", 117)
    return ["", *(f"# {line}" for line in comment), f"{name} = {_toml(setting.default)}"]


def _tables(setting: Setting, *, is_explained: bool) -> list[str]:
    """A list of tables: by default there are none, so that the whole example is a comment."""
    if is_explained:
        return ["", f"# {setting.meaning} None by default; the same keys.", f"# [[{setting.key}]]"]
    lines = ["", f"# {setting.meaning} None by default; each is a table of its own, without what is as here.", "#"]
    lines.append(f"# [[{setting.key}]]")
    for item in setting.items.values():
        meaning = f"{item.meaning} {_capitalised(item.expected)}."
        lines += [f"#   # {line}" for line in textwrap.wrap(meaning, 113)]
        lines.append(f"#   {item.key} = {_toml(item.default)}")
    return lines


def _capitalised(text: str) -> str:
    return text[0].upper() + text[1:]


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value)  # TOML writes booleans, numbers and basic strings as JSON does


if __name__ == "__main__":
    sys.stdout.write(sample_toml())
