"""``ponymqctl top``: the broker, live."""

import time
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from broker.cli.api_client import ApiError
from broker.cli.keys import DOWN, UP, Keys
from broker.cli.remote import Remote
from broker.cli.top_frame import View, frame
from broker.cli.top_samples import Sample, look
from broker.cli.words import asks

app = typer.Typer()


@app.command("top")
@asks
def top(
    remote: Remote,
    interval: Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="One frame, from two looks, and end.")] = False,
) -> None:
    """Show rates, the busiest queues and connections, again and again: q quits, s sorts, arrows scroll."""
    console = Console()
    try:
        if once:
            before = look(remote.client, time.monotonic())
            time.sleep(interval)
            now = look(remote.client, time.monotonic())
            console.print(frame(now, before, View(), console.height, where=remote.client.where))
            return
        _show(remote, console, interval)
    except ApiError as error:
        remote.refuse(error)
    except KeyboardInterrupt:
        return


def _show(remote: Remote, console: Console, interval: float) -> None:
    """Draw until q is pressed.

    Raises:
        ApiError: The broker does not answer any more.
    """
    view = View()
    before: Sample | None = None
    now = look(remote.client, time.monotonic())
    with Keys() as keys, Live(console=console, screen=True, auto_refresh=False) as live:
        while True:
            live.update(frame(now, before, view, console.height, where=remote.client.where), refresh=True)
            key = keys.wait(max(now.at_s + interval - time.monotonic(), 0.0))
            if key == "q":
                return
            if key == "s":
                view.sort_by_the_next()
            elif key in {UP, DOWN}:
                view.scroll(1 if key == DOWN else -1, len(now.queues))
            elif not key:
                before, now = now, look(remote.client, time.monotonic())
