"""``ponymqctl bench``: how fast is this broker, here and now?"""

import asyncio
import json
from typing import Annotated

import typer

from broker.cli.amqp_client import AmqpClientError
from broker.cli.exit_codes import EX_UNAVAILABLE
from broker.cli.load_test import MOST_BYTES, Load, LoadTest, Outcome
from broker.cli.output import Format
from broker.cli.queue_commands import QueueType
from broker.cli.remote import failed

app = typer.Typer()

EX_INTERRUPTED = 130


@app.command("bench")
def bench(
    uri: Annotated[
        str, typer.Option(envvar="PONYMQCTL_AMQP_URI", help="Where to, and as whom: amqp:// or amqps://.")
    ] = "amqp://guest:guest@127.0.0.1:5672/%2F",
    size: Annotated[int, typer.Option(min=0, max=MOST_BYTES, help="Octets of a message's body.")] = 100,
    messages: Annotated[int, typer.Option(min=0, help="How many; 0 for as many as go.")] = 0,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="How long to publish at most.")] = 10.0,
    publishers: Annotated[int, typer.Option(min=1, max=1000, help="Connections that publish.")] = 1,
    consumers: Annotated[int, typer.Option(min=0, max=1000, help="Connections that consume.")] = 1,
    rate: Annotated[int, typer.Option(min=0, help="Messages a second in all; 0 for as many as go.")] = 0,
    persistent: Annotated[bool, typer.Option("--persistent", help="Messages that survive a restart.")] = False,
    confirm: Annotated[bool, typer.Option("--confirm", help="Wait for publisher confirms.")] = False,
    auto_ack: Annotated[bool, typer.Option("--auto-ack", help="No acknowledgements by the consumers.")] = False,
    queue_type: Annotated[QueueType, typer.Option("--queue-type", help="What queue.")] = QueueType.CLASSIC,
    form: Annotated[Format, typer.Option("--format", "--formatter", "-f", help="table or json.")] = Format.TABLE,
) -> None:
    """Publish to a queue of its own and consume from it, as fast as it goes, and say how fast that was.

    It goes to any broker of AMQP 0-9-1. The queue is deleted afterwards, also after Ctrl-C.
    """
    load = Load(
        size=size,
        messages=messages,
        seconds=seconds,
        publishers=publishers,
        consumers=consumers,
        is_persistent=persistent,
        has_confirms=confirm,
        is_auto_ack=auto_ack and queue_type is not QueueType.STREAM,
        queue_type=queue_type.value,
        rate=rate,
    )
    test = LoadTest(uri, load)
    try:
        asyncio.run(test.run())
    except AmqpClientError as error:
        raise failed(str(error), EX_UNAVAILABLE) from None
    except KeyboardInterrupt:
        typer.echo("ponymqctl: interrupted; the queue is deleted", err=True)
        raise typer.Exit(EX_INTERRUPTED) from None
    figures = figures_of(load, test.outcome)
    if form is Format.JSON:
        typer.echo(json.dumps(figures))
        return
    for name, value in figures.items():
        typer.echo(f"{name}\t{value:,}" if isinstance(value, int) else f"{name}\t{value:,.2f}")


def figures_of(load: Load, outcome: Outcome) -> dict[str, float]:
    """What is printed, in this order."""
    figures: dict[str, float] = {
        "published": outcome.published,
        "publish_seconds": outcome.publish_s,
        "published_per_second": per_second(outcome.published, outcome.publish_s),
    }
    if load.has_confirms:
        figures["confirmed"] = outcome.confirmed
        figures["refused"] = outcome.refused
    if load.consumers:
        figures["consumed"] = outcome.consumed
        figures["consumed_per_second"] = per_second(outcome.consumed, outcome.consume_s)
        figures["consumed_megabytes_per_second"] = outcome.consumed * load.size / max(outcome.consume_s, 1e-9) / 1e6
    if outcome.latencies_ms:
        for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
            figures[f"latency_{name}_ms"] = round(outcome.latency_ms(share), 3)
    return figures


def per_second(count: int, seconds: float) -> int:
    """A rate, as a whole number."""
    return int(count / seconds) if seconds > 0 else 0
