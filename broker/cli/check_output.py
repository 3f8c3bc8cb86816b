"""A check as its reader sees it: progress while it runs, tables and sentences at its end."""

from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from broker.cli.check_result import CheckResult

_PART_COLUMNS: Final = ("part", "files", "batches", "records", "octets")
_QUEUE_COLUMNS: Final = ("vhost", "queue", "messages", "redelivered", "octets")


class CheckProgress:
    """Says on standard error which file is being read: a bar on a terminal, otherwise a line for each file."""

    def __init__(self, console: Console, total: int) -> None:
        """``total``: octets that will be read, about."""
        self._console = console
        self._named: set[str] = set()
        self._bar = Progress(
            BarColumn(),
            DownloadColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.description}", markup=False),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total)

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._bar.stop()

    def told(self, path: str, octets: int) -> None:
        """A file has been read once more."""
        self._bar.update(self._task, advance=octets, description=path)
        if not self._console.is_terminal and path not in self._named:
            self._named.add(path)
            typer.echo(f"read {path}: {octets} octets", err=True)


def show(result: CheckResult, console: Console) -> None:
    """The damage, the notes, the tables, and one sentence to sum up."""
    for trouble in result.troubles:
        typer.echo(f"{trouble.text}; {trouble.consequence}")
    for note in result.notes:
        typer.echo(f"note: {note}")
    parts = [
        (name, str(part.files), str(part.batches), str(part.records), str(part.octets))
        for name, part in result.parts.items()
    ]
    _table(_PART_COLUMNS, 1, parts, console)
    queues = [
        (queue.vhost, queue.name, str(queue.messages), str(queue.redelivered), str(queue.octets))
        for queue in result.queues
    ]
    _table(_QUEUE_COLUMNS, 2, queues, console)
    messages = sum(queue.messages for queue in result.queues)
    stop = "stopped in good order" if result.is_closed else "not stopped in good order"
    verdict = "damaged, as told above" if result.troubles else "no damage"
    typer.echo(f"{result.path}: {verdict}; {messages} live messages; {stop}; checked in {result.seconds:.1f} s")


def _table(columns: tuple[str, ...], texts: int, rows: Sequence[tuple[str, ...]], console: Console) -> None:
    """On a terminal a drawn table, otherwise columns parted by tabs; the first ``texts`` columns are no numbers."""
    if not console.is_terminal:
        for row in [columns, *rows]:
            typer.echo("\t".join(row))
        return
    table = Table()
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < texts else "right", overflow="fold")
    for row in rows:
        table.add_row(*[Text(cell) for cell in row])
    console.print(table)
