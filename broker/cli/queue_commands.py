"""``ponymqctl``: what is done to queues and exchanges, and a message by hand."""

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer

from broker.cli.arguments import DryRun, QueueName, VHost, json_object
from broker.cli.list_commands import Form, NoHeaders
from broker.cli.output import Cells, print_rows
from broker.cli.paths import api_path
from broker.cli.remote import Remote, failed
from broker.cli.words import asks

app = typer.Typer()

DEFAULT_EXCHANGE = "amq.default"
LONGEST_BODY_SHOWN = 50_000

Arguments = Annotated[str, typer.Option(help='As JSON: {"x-max-length":1000}')]
Durable = Annotated[bool, typer.Option("--durable/--transient", help="Whether a restart keeps it.")]
AutoDelete = Annotated[bool, typer.Option("--auto-delete", help="Delete it with its last consumer or binding.")]
ExchangeName = Annotated[str, typer.Argument(metavar="EXCHANGE", help="The exchange's name.")]


class QueueType(StrEnum):
    """What a queue can be."""

    CLASSIC = "classic"
    QUORUM = "quorum"
    STREAM = "stream"


@app.command("purge-queue")
@asks
def purge_queue(remote: Remote, name: QueueName, vhost: VHost = "/", dry_run: DryRun = False) -> None:
    """Throw away the messages of a queue that are not out with a consumer."""
    ready = remote.row(api_path("queues", vhost, name)).get("messages_ready")
    if dry_run:
        typer.echo(f"would purge {ready} messages")
        return
    remote.say(f"Purging queue '{name}' in vhost '{vhost}' ...")
    remote.ask("DELETE", api_path("queues", vhost, name, "contents"))
    if not remote.is_quiet:
        typer.echo(f"Purged about {ready} messages")


@app.command("delete-queue")
@asks
def delete_queue(
    remote: Remote,
    name: QueueName,
    vhost: VHost = "/",
    if_empty: Annotated[bool, typer.Option("--if-empty", "-e", help="Only without messages.")] = False,
    if_unused: Annotated[bool, typer.Option("--if-unused", "-u", help="Only without consumers.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Delete a queue with its messages."""
    path = api_path("queues", vhost, name)
    ready = remote.row(path).get("messages_ready")
    if dry_run:
        typer.echo(f"would delete queue {name} with {ready} ready messages")
        return
    conditions = [f"{word}=true" for word, is_set in (("if-empty", if_empty), ("if-unused", if_unused)) if is_set]
    remote.ask("DELETE", f"{path}?{'&'.join(conditions)}" if conditions else path)
    if not remote.is_quiet:
        typer.echo(f"Queue was successfully deleted with {ready} ready messages")


@app.command("create-queue")
@asks
def create_queue(
    remote: Remote,
    name: QueueName,
    vhost: VHost = "/",
    durable: Durable = True,
    auto_delete: AutoDelete = False,
    queue_type: Annotated[QueueType, typer.Option("--queue-type", help="What it is.")] = QueueType.CLASSIC,
    arguments: Arguments = "{}",
) -> None:
    """Declare a queue."""
    told: dict[str, object] = {"x-queue-type": queue_type} if queue_type is not QueueType.CLASSIC else {}
    document = {"durable": durable, "auto_delete": auto_delete, "arguments": told | json_object(arguments)}
    remote.ask("PUT", api_path("queues", vhost, name), document)


@app.command("create-exchange")
@asks
def create_exchange(
    remote: Remote,
    name: ExchangeName,
    kind: Annotated[str, typer.Argument(metavar="[TYPE]", help="direct, fanout, topic, headers…")] = "direct",
    vhost: VHost = "/",
    durable: Durable = True,
    auto_delete: AutoDelete = False,
    internal: Annotated[bool, typer.Option("--internal", help="Only exchanges publish to it.")] = False,
    arguments: Arguments = "{}",
) -> None:
    """Declare an exchange."""
    document = {
        "type": kind,
        "durable": durable,
        "auto_delete": auto_delete,
        "internal": internal,
        "arguments": json_object(arguments),
    }
    remote.ask("PUT", api_path("exchanges", vhost, name), document)


@app.command("delete-exchange")
@asks
def delete_exchange(
    remote: Remote,
    name: ExchangeName,
    vhost: VHost = "/",
    if_unused: Annotated[bool, typer.Option("--if-unused", "-u", help="Only without bindings.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Delete an exchange with its bindings."""
    path = api_path("exchanges", vhost, name)
    if dry_run:
        remote.row(path)
        typer.echo(f"would delete exchange {name}")
        return
    remote.ask("DELETE", f"{path}?if-unused=true" if if_unused else path)


@app.command("create-binding")
@asks
def create_binding(
    remote: Remote,
    exchange: ExchangeName,
    destination: QueueName,
    routing_key: Annotated[str, typer.Argument(metavar="[KEY]", help="The binding key.")] = "",
    vhost: VHost = "/",
    to_exchange: Annotated[bool, typer.Option("--to-exchange", help="The destination is an exchange.")] = False,
    arguments: Arguments = "{}",
) -> None:
    """Bind a queue, or another exchange, to an exchange."""
    path = api_path("bindings", vhost, "e", exchange, "e" if to_exchange else "q", destination)
    remote.ask("POST", path, {"routing_key": routing_key, "arguments": json_object(arguments)})


@app.command("publish")
@asks
def publish(
    remote: Remote,
    routing_key: Annotated[str, typer.Argument(metavar="KEY", help="The routing key; a queue's name by default.")],
    body: Annotated[str | None, typer.Argument(metavar="[BODY]", help="Standard input if not given.")] = None,
    exchange: Annotated[str, typer.Option(help="Where to publish.")] = DEFAULT_EXCHANGE,
    vhost: VHost = "/",
    persistent: Annotated[
        bool, typer.Option("--persistent/--not-persistent", help="Whether a restart keeps it.")
    ] = True,
    properties: Annotated[str, typer.Option(help='As JSON: {"priority":3,"headers":{"a":1}}')] = "{}",
) -> None:
    """Publish one message; exit code 65 if no queue takes it."""
    document = {
        "routing_key": routing_key,
        "payload": sys.stdin.read() if body is None else body,
        "payload_encoding": "string",
        "properties": {"delivery_mode": 2 if persistent else 1} | json_object(properties),
    }
    answer = remote.ask("POST", api_path("exchanges", vhost, exchange, "publish"), document)
    if not isinstance(answer, dict) or answer.get("routed") is not True:
        raise failed(f"published to {exchange}, and no queue took it: no binding fits {routing_key!r}", 65)
    remote.say("Published.")


@app.command("get")
@asks
def get(
    remote: Remote,
    name: QueueName,
    vhost: VHost = "/",
    count: Annotated[int, typer.Option(min=1, help="How many messages at most.")] = 1,
    remove: Annotated[bool, typer.Option("--remove", help="Take them out of the queue; else they go back.")] = False,
    form: Form = None,
    no_table_headers: NoHeaders = False,
) -> None:
    """Look at the first messages of a queue. They count as redelivered afterwards."""
    document = {
        "count": count,
        "ackmode": "ack_requeue_false" if remove else "ack_requeue_true",
        "encoding": "auto",
        "truncate": LONGEST_BODY_SHOWN,
    }
    answer = remote.ask("POST", api_path("queues", vhost, name, "get"), document)
    rows: list[Cells] = [row for row in answer if isinstance(row, dict)] if isinstance(answer, list) else []
    for row in rows:
        row["properties"] = json.dumps(row.get("properties"), separators=(",", ":"))
    columns = ("exchange", "routing_key", "redelivered", "payload_bytes", "properties", "payload")
    print_rows(rows, columns, form, has_headers=not (no_table_headers or remote.is_silent))
