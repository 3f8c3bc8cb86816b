"""``ponymqctl``: parameters of plugins, of a vhost or of none, and the cluster's name."""

from typing import Annotated

import typer

from broker.cli.arguments import VHost, json_value
from broker.cli.paths import api_path
from broker.cli.remote import Remote
from broker.cli.words import asks

app = typer.Typer()

Component = Annotated[str, typer.Argument(help="What it is for: shovel…")]
Name = Annotated[str, typer.Argument(help="Its name.")]
Value = Annotated[str, typer.Argument(help="As JSON.")]


@app.command("set-parameter")
@asks
def set_parameter(remote: Remote, component: Component, name: Name, value: Value, vhost: VHost = "/") -> None:
    """Set a parameter of a vhost."""
    document = {"component": component, "vhost": vhost, "name": name, "value": json_value(value)}
    remote.ask("PUT", api_path("parameters", component, vhost, name), document)


@app.command("clear-parameter")
@asks
def clear_parameter(remote: Remote, component: Component, name: Name, vhost: VHost = "/") -> None:
    """Remove a parameter of a vhost."""
    remote.ask("DELETE", api_path("parameters", component, vhost, name))


@app.command("set-global-parameter")
@asks
def set_global_parameter(remote: Remote, name: Name, value: Value) -> None:
    """Set a parameter of no vhost."""
    remote.ask("PUT", api_path("global-parameters", name), {"name": name, "value": json_value(value)})


@app.command("clear-global-parameter")
@asks
def clear_global_parameter(remote: Remote, name: Name) -> None:
    """Remove such a parameter."""
    remote.ask("DELETE", api_path("global-parameters", name))


@app.command("set-cluster-name")
@asks
def set_cluster_name(remote: Remote, name: Annotated[str, typer.Argument(help="The new one.")]) -> None:
    """Name the broker, for clients and in the API."""
    remote.ask("PUT", "/api/cluster-name", {"name": name})


@app.command("enable-feature-flag")
@asks
def enable_feature_flag(remote: Remote, name: Annotated[str, typer.Argument(help="Its name, or all.")]) -> None:
    """Enable a feature flag, or all. All are: this is for scripts that were written for RabbitMQ."""
    rows = remote.rows("/api/feature-flags")
    names = [str(row.get("name")) for row in rows if row.get("state") != "enabled"] if name == "all" else [name]
    for each in names:
        remote.ask("PUT", api_path("feature-flags", each, "enable"), {"name": each})
