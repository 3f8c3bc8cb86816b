"""The documented settings file, written from the model. ``python -m broker.settings.sample`` prints it."""

import json
import sys
import textwrap
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
    for setting in SETTINGS.values():
        group, dot, name = setting.key.rpartition(".")
        if dot and group != section:
            section = group
            lines.append(f"\n[{section}]")
        lines += _entry(setting, name)
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def _entry(setting: Setting, name: str) -> list[str]:
    expected = setting.expected[0].upper() + setting.expected[1:]
    comment = textwrap.wrap(f"{setting.meaning} {expected}.", 117)
    return ["", *(f"# {line}" for line in comment), f"{name} = {_toml(setting.default)}"]


def _toml(value: object) -> str:
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value)  # TOML writes booleans, numbers and basic strings as JSON does


if __name__ == "__main__":
    sys.stdout.write(sample_toml())
