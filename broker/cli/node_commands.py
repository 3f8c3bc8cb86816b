"""``ponymqctl``: the broker itself: is it up, what is open, and rabbitmq-diagnostics' checks."""

import json
import os
import socket
import time
from typing import Annotated, Final

import typer

from broker import __version__
from broker.cli.api_client import ApiError
from broker.cli.exit_codes import EX_TEMPFAIL
from broker.cli.list_commands import Form, NoHeaders
from broker.cli.output import Format, cell, print_rows
from broker.cli.paths import api_path
from broker.cli.remote import Remote, failed
from broker.cli.words import asks
from broker.settings.keys import SETTINGS
from broker.settings.load import SettingsError, load_settings

app = typer.Typer()

AWAIT_S: Final = 300.0
POLL_S: Final = 0.2
CONNECT_S: Final = 5.0

Port = Annotated[int, typer.Argument(min=1, max=65535, help="The port.")]


@app.command()
@asks
def ping(remote: Remote) -> None:
    """Tell whether the broker answers; exit code 69 if not."""
    remote.get("/api/overview")
    typer.echo("Ping succeeded")


@app.command()
@asks
def status(remote: Remote, form: Form = None) -> None:
    """Say which broker answers, and how much it holds."""
    overview = remote.row("/api/overview")
    if form is Format.JSON:
        typer.echo(json.dumps(overview))
        return
    for key in ("cluster_name", "product_name", "product_version", "rabbitmq_version", "node"):
        if key in overview:
            typer.echo(f"{key}\t{cell(overview[key])}")
    for group in ("object_totals", "queue_totals"):
        totals = overview.get(group)
        for name, value in totals.items() if isinstance(totals, dict) else ():
            if isinstance(value, int):
                typer.echo(f"{name}\t{value}")
    typer.echo(f"alarms\t{', '.join(_alarms(remote)) or 'none'}")
    typer.echo(f"listeners\t{', '.join(f'{protocol} {host}:{port}' for protocol, host, port in _listeners(remote))}")


@app.command("await-startup")
@asks
def await_startup(remote: Remote) -> None:
    """Wait until the broker answers: five minutes, or --timeout; exit code 75 if it does not."""
    deadline = time.monotonic() + (remote.timeout_s or AWAIT_S)
    while True:
        try:
            remote.client.get("/api/overview")
        except ApiError as error:
            if error.status:
                remote.refuse(error)
            if time.monotonic() > deadline:
                raise failed(f"{error}; waited long enough", EX_TEMPFAIL) from None
            time.sleep(POLL_S)
            remote.look_again()
            continue
        return


@app.command("list-listeners")
@app.command("listeners", hidden=True)
@asks
def list_listeners(remote: Remote, form: Form = None, no_table_headers: NoHeaders = False) -> None:
    """List the open ports."""
    listeners = remote.row("/api/overview").get("listeners")
    rows = [row for row in listeners if isinstance(row, dict)] if isinstance(listeners, list) else []
    columns = ("protocol", "ip_address", "port", "tls")
    print_rows(rows, columns, form, has_headers=not (no_table_headers or remote.is_silent))


@app.command()
@asks
def alarms(remote: Remote) -> None:
    """Say which alarms are on: publishers are refused while one is."""
    for name in _alarms(remote):
        typer.echo(name)


@app.command("check-alarms")
@app.command("check-local-alarms", hidden=True)
@asks
def check_alarms(remote: Remote) -> None:
    """Exit code 69 while an alarm is on."""
    found = _alarms(remote)
    if found:
        raise failed(f"alarms: {', '.join(found)}; publishers are refused")
    _passed(remote, "no alarms")


@app.command("check-running")
@asks
def check_running(remote: Remote) -> None:
    """Exit code 69 unless the broker answers and its store has not failed."""
    if "store" in _alarms(remote):
        raise failed("the store has failed")
    _passed(remote, "running")


@app.command("check-virtual-hosts")
@asks
def check_virtual_hosts(remote: Remote) -> None:
    """Exit code 69 unless every vhost is in use."""
    down = [row.get("name") for row in remote.rows("/api/vhosts") if not _is_running(row.get("cluster_state"))]
    if down:
        raise failed(f"not running: {', '.join(map(str, down))}")
    _passed(remote, "all vhosts are running")


@app.command("check-port-connectivity")
@asks
def check_port_connectivity(
    remote: Remote,
    address: Annotated[str | None, typer.Option(help="Connect there instead of where they are bound.")] = None,
) -> None:
    """Connect to every open port; exit code 69 if one cannot be reached."""
    ports = _listeners(remote)
    unreachable = [str(port) for _, host, port in ports if not _connects(address or _reachable(host), port)]
    if unreachable:
        raise failed(f"cannot connect to {', '.join(unreachable)}")
    _passed(remote, f"connected to {', '.join(str(port) for _, _, port in ports)}")


@app.command("check-port-listener")
@asks
def check_port_listener(remote: Remote, port: Port) -> None:
    """Exit code 69 unless the broker listens on a port."""
    ports = sorted({number for _, _, number in _listeners(remote)})
    if port not in ports:
        raise failed(f"nothing listens on port {port}; there are {', '.join(map(str, ports))}")
    _passed(remote, f"there is a listener on port {port}")


@app.command("check-protocol-listener")
@asks
def check_protocol_listener(
    remote: Remote, protocol: Annotated[str, typer.Argument(help="amqp, amqp/ssl, http, https, http/prometheus…")]
) -> None:
    """Exit code 69 unless a port speaks a protocol."""
    protocols = sorted({name for name, _, _ in _listeners(remote)})
    if protocol not in protocols:
        raise failed(f"nothing speaks {protocol}; there are {', '.join(protocols)}")
    _passed(remote, f"there is a listener for {protocol}")


@app.command("check-certificate-expiration")
@asks
def check_certificate_expiration(
    remote: Remote,
    within: Annotated[int, typer.Option(min=0, help="How soon.")] = 4,
    unit: Annotated[str, typer.Option(help="days, weeks, months or years.")] = "weeks",
) -> None:
    """Exit code 69 if a certificate of a listener ends soon."""
    remote.get(api_path("health", "checks", "certificate-expiration", str(within), unit))
    _passed(remote, "no certificate ends so soon")


@app.command("server-version")
@asks
def server_version(remote: Remote) -> None:
    """Say the version of the broker."""
    typer.echo(cell(remote.row("/api/overview").get("product_version")))


@app.command()
@asks
def whoami(remote: Remote) -> None:
    """Say who asks, and with which tags."""
    row = remote.row("/api/whoami")
    typer.echo(f"{cell(row.get('name'))}\t{cell(row.get('tags'))}")


@app.command()
def environment(
    form: Form = None,
    config: Annotated[str | None, typer.Option(metavar="FILE", help="As of ponymq.")] = None,
) -> None:
    """List the settings that a broker started here and now would have; passwords are not shown."""
    try:
        settings = load_settings(config, os.environ, {})
    except SettingsError as error:
        raise failed(str(error), 78) from None
    rows: list[dict[str, object]] = []
    for key, setting in SETTINGS.items():
        value: object = settings
        for step in key.split("."):
            value = getattr(value, step)
        is_group = bool(setting.items)
        shown = f"{len(value)} listeners" if is_group and isinstance(value, tuple) else value
        rows.append({"setting": key, "value": "(hidden)" if setting.is_secret else _plain(shown)})
    print_rows(rows, ("setting", "value"), form)


@app.command()
def version() -> None:
    """Say the version of this command."""
    typer.echo(f"ponymqctl {__version__}")


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _passed(remote: Remote, text: str) -> None:
    if not remote.is_quiet:
        typer.echo(text)


def _alarms(remote: Remote) -> list[str]:
    """The resources that are short, the store among them."""
    try:
        remote.client.get("/api/health/checks/alarms")
    except ApiError as error:
        found = error.document.get("alarms") if isinstance(error.document, dict) else None
        if not isinstance(found, list):
            remote.refuse(error)
        return [str(each.get("resource")) for each in found if isinstance(each, dict)]
    return []


def _listeners(remote: Remote) -> list[tuple[str, str, int]]:
    """Protocol, address and port of each."""
    found = remote.row("/api/overview").get("listeners")
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    return [(str(row.get("protocol")), str(row.get("ip_address")), int(str(row.get("port")))) for row in rows]


def _is_running(state: object) -> bool:
    return isinstance(state, dict) and all(each == "running" for each in state.values())


def _reachable(host: str) -> str:
    """Where a port bound to ``host`` is reached from this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - as bound


def _connects(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError:
        return False
    return True
