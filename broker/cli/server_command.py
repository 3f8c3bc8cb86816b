"""``ponymq``: start the broker.

With the standard library's parser: typer's brings ten megabytes into a process that stays for months.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Final

from broker.settings.keys import SETTINGS
from broker.settings.load import SettingsError, load_settings

EX_CONFIG: Final = 78
"""Exit code for wrong settings (sysexits.h); the systemd unit does not restart after it, for it would not help."""

_ABOUT: Final = """\
Start the broker and serve until it is told to stop (Ctrl-C or SIGTERM).

Without flags it listens on this machine only: AMQP on 5672, HTTP API and web
console on 15672, metrics on 15692, data in ./data, user guest with password
guest.

Every setting has a name. It may stand in the file given by --config, in the
environment (log.level is PONYMQ_LOG_LEVEL), or here (--set log.level=debug);
the later in this list wins. config/ponymq.toml shows them all with their
defaults.
"""
_EXAMPLES: Final = """\
examples:
  ponymq --port 5673 --data-dir /tmp/try
  PONYMQ_DEFAULT_USER=ann PONYMQ_DEFAULT_PASS_FILE=pass.txt ponymq --bind 0.0.0.0
"""


class _SayVersion(argparse.Action):
    """Say the version and the build, and end."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from broker.server.build import version_text  # noqa: PLC0415 - after the flags, to answer --help quickly

        sys.stdout.write(version_text() + "\n")
        parser.exit()


def parser() -> argparse.ArgumentParser:
    """The flags of ``ponymq``."""
    made = argparse.ArgumentParser(
        "ponymq",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )

    def flag(name: str, metavar: str, about: str) -> None:
        made.add_argument(name, metavar=metavar, help=about.replace("%", "%%"))

    flag("--config", "FILE", "TOML file with settings; PONYMQ_CONFIG names it as well.")
    flag("--data-dir", "DIR", SETTINGS["data_dir"].meaning)
    flag("--bind", "ADDRESS", SETTINGS["bind"].meaning)
    flag("--port", "PORT", SETTINGS["port"].meaning)
    flag("--http-port", "PORT", SETTINGS["http_port"].meaning)
    flag("--metrics-port", "PORT", SETTINGS["metrics_port"].meaning)
    flag("--log-level", "LEVEL", f"{SETTINGS['log.level'].expected.capitalize()}.")
    about = "Any other setting, by its name; may be given again."
    made.add_argument("--set", metavar="KEY=VALUE", help=about, action="append", dest="pairs")
    made.add_argument("--version", action=_SayVersion, nargs=0, help="Say the version and the build, and end.")
    return made


def serve(words: Sequence[str] | None = None) -> int:
    """Gather the settings and run the daemon; the exit code is the daemon's.

    Args:
        words: The command line behind the command; None for that of the process.
    """
    given = parser().parse_args(words)
    flags: dict[str, object] = {}
    try:
        for pair in given.pairs or []:
            key, equals, value = pair.partition("=")
            if not equals:
                raise SettingsError(f"command line: --set {pair!r}: expected KEY=VALUE, such as log.level=debug")
            flags[key.strip()] = value
        for key in ("data_dir", "bind", "port", "http_port", "metrics_port", "log.level"):
            value = getattr(given, key.replace(".", "_"))
            if value is not None:
                flags[key] = value
        settings = load_settings(given.config, os.environ, flags)
    except SettingsError as error:
        sys.stderr.write(f"ponymq: {error}\n")
        return EX_CONFIG
    from broker.server.daemon import run  # noqa: PLC0415 - the broker is big; --help and a wrong key need none of it

    return run(settings)


def main() -> None:
    """Entry point of ``ponymq`` and of ``python -m broker``."""
    sys.exit(serve())
