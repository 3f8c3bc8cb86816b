"""One frame of ``ponymqctl top``."""

from collections.abc import Callable
from typing import Final, TypeVar

from msgspec import Struct
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from broker.cli.remote import printable
from broker.cli.top_samples import ConnectionLine, QueueLine, Sample, connection_lines, number, queue_lines, rate

T = TypeVar("T")

CONNECTION_SHARE: Final = 4
"""Connections get one line in so many."""
_FURNITURE: Final = 12  # lines that are neither a queue nor a connection
_RATES: Final = ("publish", "confirm", "deliver_get", "ack", "redeliver")

SORTS: Final[dict[str, Callable[[QueueLine], tuple[float, float]]]] = {
    "activity": lambda line: (line.activity, line.ready + line.unacked),
    "messages": lambda line: (line.ready + line.unacked, line.activity),
    "unacked": lambda line: (line.unacked, line.activity),
    "consumers": lambda line: (line.consumers, line.activity),
    "name": lambda line: (0.0, 0.0),
}


class View(Struct):
    """What the user has chosen to see.

    Attributes:
        sort: One of ``SORTS``: the most first, but names in order.
        first: The first queue shown.
    """

    sort: str = "activity"
    first: int = 0

    def sort_by_the_next(self) -> None:
        """Another order."""
        names = list(SORTS)
        self.sort = names[(names.index(self.sort) + 1) % len(names)]
        self.first = 0

    def scroll(self, lines: int, count: int) -> None:
        """Move by ``lines``, of ``count`` queues."""
        self.first = max(0, min(self.first + lines, count - 1))


def frame(now: Sample, before: Sample | None, view: View, height: int, *, where: str) -> RenderableType:
    """What is on the screen.

    Args:
        now: The latest look.
        before: The one before; None for the first frame, which has no rates.
        view: What the user has chosen.
        height: Lines of the screen.
        where: The broker's address.
    """
    room = max(height - _FURNITURE, 4)
    connections = sorted(connection_lines(now, before), key=lambda line: -(line.received + line.sent))
    shown = connections[: max(room // CONNECTION_SHARE, 1)]
    queues = sorted(queue_lines(now, before), key=lambda line: (line.vhost, line.name))
    queues.sort(key=SORTS[view.sort], reverse=True)
    listed = queues[view.first : view.first + room - len(shown)]
    return Group(
        _heading(now, where),
        _totals(now, before),
        _queue_table(listed, view, len(queues)),
        _connection_table(shown, len(connections)),
        Text("q quit   s sort   ↑↓ scroll", "dim"),
    )


def _heading(now: Sample, where: str) -> Text:
    overview = now.overview
    name = printable(overview.get("cluster_name", ""))
    return Text(
        f"{name}  {printable(overview.get('product_name', ''))} {overview.get('product_version', '')}  {where}", "bold"
    )


def _totals(now: Sample, before: Sample | None) -> Text:
    overview = now.overview
    was = before.overview if before is not None else None
    objects = ("connections", "channels", "queues", "consumers")
    counts = "  ".join(f"{name} {number(overview, 'object_totals', name):,}" for name in objects)
    depths = "  ".join(
        f"{name} {number(overview, 'queue_totals', key):,}"
        for name, key in (("ready", "messages_ready"), ("unacked", "messages_unacknowledged"))
    )
    rates = "  ".join(
        f"{name} {_per_second(rate(now, overview, before, was, 'message_stats', name))}" for name in _RATES
    )
    return Text(f"{counts}\n{depths}   per second: {rates}")


def _queue_table(lines: list[QueueLine], view: View, count: int) -> Table:
    title = f"{count:,} queues by {view.sort}" + (f", from {view.first + 1:,}" if view.first else "")
    table = Table(title=title, title_justify="left", box=None, expand=True, header_style="reverse")
    table.add_column("queue", ratio=3, no_wrap=True)
    for name in ("ready", "unacked", "in/s", "out/s", "consumers"):
        table.add_column(name, justify="right")
    table.add_column("why", ratio=4, no_wrap=True)
    for line in lines:
        name = printable(line.name) if line.vhost == "/" else printable(f"{line.vhost}: {line.name}")
        table.add_row(
            Text(name),
            f"{line.ready:,}",
            f"{line.unacked:,}",
            _per_second(line.rate_in),
            _per_second(line.rate_out),
            f"{line.consumers:,}",
            Text(printable(line.why)),
        )
    return table


def _connection_table(lines: list[ConnectionLine], count: int) -> Table:
    table = Table(title=f"{count:,} connections", title_justify="left", box=None, expand=True, header_style="reverse")
    table.add_column("connection", ratio=3, no_wrap=True)
    for name in ("user", "vhost", "state"):
        table.add_column(name, no_wrap=True)
    for name in ("channels", "in KB/s", "out KB/s"):
        table.add_column(name, justify="right")
    for line in lines:
        table.add_row(
            *(Text(printable(text)) for text in (line.name, line.user, line.vhost, line.state)),
            f"{line.channels:,}",
            _per_second(line.received / 1000 if line.received >= 0 else -1),
            _per_second(line.sent / 1000 if line.sent >= 0 else -1),
        )
    return table


def _per_second(value: float) -> str:
    if value < 0:
        return "-"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"
