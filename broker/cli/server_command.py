"""``ponymq``: start the broker."""

import os
from typing import Annotated, Final

import typer

from broker.settings.keys import SETTINGS
from broker.settings.load import SettingsError, load_settings

EX_CONFIG: Final = 78
"""Exit code for wrong settings (sysexits.h); the systemd unit does not restart after it, for it would not help."""

app = typer.Typer(add_completion=False, rich_markup_mode=None, context_settings={"help_option_names": ["-h", "--help"]})


def _say_version(asked: bool) -> None:
    if asked:
        from broker.server.build import version_text  # noqa: PLC0415 - after the flags, to answer --help quickly

        typer.echo(version_text())
        raise typer.Exit


@app.command(
    help=(
        "Start the broker and serve until it is told to stop (Ctrl-C or SIGTERM).\n\n"
        "Without flags it listens on this machine only: AMQP on 5672, HTTP API on 15672, metrics on 15692, data in "
        "./data, user guest with password guest.\n\n"
        "Every setting has a name. It may stand in the file given by --config, in the environment (log.level is "
        "PONYMQ_LOG_LEVEL), or here (--set log.level=debug); the later in this list wins. config/ponymq.toml shows "
        "them all with their defaults."
    ),
    epilog=(
        "Examples:  ponymq --port 5673 --data-dir /tmp/try   |   "
        "PONYMQ_DEFAULT_USER=ann PONYMQ_DEFAULT_PASS_FILE=pass.txt ponymq --bind 0.0.0.0"
    ),
)
def serve(
    *,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="TOML file with settings; PONYMQ_CONFIG names it as well.")
    ] = None,
    data_dir: Annotated[str | None, typer.Option(metavar="DIR", help=SETTINGS["data_dir"].meaning)] = None,
    bind: Annotated[str | None, typer.Option(metavar="ADDRESS", help=SETTINGS["bind"].meaning)] = None,
    port: Annotated[str | None, typer.Option(metavar="PORT", help=SETTINGS["port"].meaning)] = None,
    http_port: Annotated[str | None, typer.Option(metavar="PORT", help=SETTINGS["http_port"].meaning)] = None,
    metrics_port: Annotated[str | None, typer.Option(metavar="PORT", help=SETTINGS["metrics_port"].meaning)] = None,
    log_level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help=f"{SETTINGS['log.level'].expected.capitalize()}.")
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, by its name; may be given again."),
    ] = None,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and the build, and end."),
    ] = False,
) -> None:
    """Gather the settings and run the daemon; the exit code is the daemon's."""
    flags: dict[str, object] = {}
    try:
        for pair in set_ or []:
            key, equals, value = pair.partition("=")
            if not equals:
                raise SettingsError(f"command line: --set {pair!r}: expected KEY=VALUE, such as log.level=debug")
            flags[key.strip()] = value
        named = {
            "data_dir": data_dir,
            "bind": bind,
            "port": port,
            "http_port": http_port,
            "metrics_port": metrics_port,
            "log.level": log_level,
        }
        flags |= {key: value for key, value in named.items() if value is not None}
        settings = load_settings(config, os.environ, flags)
    except SettingsError as error:
        typer.echo(f"ponymq: {error}", err=True)
        raise typer.Exit(EX_CONFIG) from None
    from broker.server.daemon import run  # noqa: PLC0415 - the broker is big; --help and a wrong key need none of it

    raise typer.Exit(run(settings))


def main() -> None:
    """Entry point of ``ponymq`` and of ``python -m broker``."""
    app(prog_name="ponymq")
