"""``ponymqctl log``: look into a data directory without a broker."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Final

import typer
from rich.console import Console

from broker.cli.access_rows import KINDS as ACCESS_KINDS
from broker.cli.check_output import CheckProgress, show
from broker.cli.check_result import CheckResult
from broker.cli.data_files import ReadOnlyFiles
from broker.cli.data_reader import DataReader
from broker.cli.dump_rows import Choice, RowMaker
from broker.cli.log_check import LogCheck, planned_octets
from broker.cli.log_dump import KINDS, TOPOLOGY_KINDS, LogDump
from broker.store.data_directory import holder_of
from broker.store.errors import StoreError

EXIT_DAMAGED: Final = 1
EXIT_UNREADABLE: Final = 2

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Look into the data directory of a stopped broker. Nothing is written, and no lock is kept.",
)

Directory = Annotated[str, typer.Argument(metavar="DIR", help="The data directory (--data-dir of the broker).")]
WhileRunning = Annotated[
    bool,
    typer.Option("--while-running", help="Read although a broker writes there: the tail may look torn, counts be off."),
]


@app.command(
    help=(
        "Read every file of a data directory, verify every checksum, and say what is damaged, what the next start "
        "would lose or cut, and what is live in each queue.\n\n"
        "Exit code 0: no damage. 1: damage, or a torn tail. 2: it could not be read."
    )
)
def check(directory: Directory, while_running: WhileRunning = False) -> None:
    """Check and print; the exit code is the verdict."""
    with readable(directory, while_running):
        result = checked(directory, while_running)
    show(result, Console())
    if result.troubles:
        raise typer.Exit(EXIT_DAMAGED)


@app.command(
    help=(
        "Print the records of a data directory, one line each: file and offset, batch, kind, queues and positions, "
        "flags, route, size and the beginning of the body. What peers chose is escaped.\n\n"
        f"Kinds: {', '.join(KINDS)}; topology stands for those of exchanges, queues and bindings, "
        "access for those of vhosts, users and permissions."
    )
)
def dump(
    *,
    directory: Directory,
    queue: Annotated[str | None, typer.Option(metavar="NAME", help="Only what is about queues of this name.")] = None,
    kind: Annotated[list[str] | None, typer.Option(metavar="KIND", help="Only this kind; may be given again.")] = None,
    bodies: Annotated[bool, typer.Option("--bodies", help="Bodies whole instead of their beginnings.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line; --bodies adds base64.")] = False,
    while_running: WhileRunning = False,
) -> None:
    """Print record by record, batch by batch."""
    choice = Choice(None if queue is None else queue.encode(errors="surrogateescape"), chosen_kinds(kind or []), bodies)
    with readable(directory, while_running):
        reader = DataReader(directory, ReadOnlyFiles(lambda path, octets: None))
        for rows in LogDump(reader, RowMaker(directory, choice)).rows():
            if rows:
                typer.echo("\n".join([row.as_json() if as_json else row.as_line() for row in rows]))


def checked(directory: str, is_running: bool) -> CheckResult:
    """Check with progress on standard error; a broker that starts meanwhile is noted.

    Raises:
        StoreError: It is no data directory that this version can read.
        OSError: A file could not be read.
    """
    with CheckProgress(Console(stderr=True), planned_octets(directory)) as progress:
        reader = DataReader(directory, ReadOnlyFiles(progress.told))
        result = LogCheck(reader, is_running).run()
    holder = holder_of(directory)
    if holder:
        result.notes.append(f"process {holder} holds the directory: what it writes may look torn here")
    return result


def chosen_kinds(words: list[str]) -> frozenset[str]:
    """The kinds that were asked for.

    Raises:
        BadParameter: There is no such kind.
    """
    kinds: set[str] = set()
    for word in words:
        if word == "topology":
            kinds.update(TOPOLOGY_KINDS)
        elif word == "access":
            kinds.update(ACCESS_KINDS)
        elif word in KINDS:
            kinds.add(word)
        else:
            raise typer.BadParameter(f"{word!r} is none of {', '.join(KINDS)}, topology, access", param_hint="--kind")
    return frozenset(kinds)


@contextmanager
def readable(directory: str, is_running: bool) -> Iterator[None]:
    """Refuse a directory that a broker holds, and end with exit code 2 when a file cannot be read."""
    try:
        holder = holder_of(directory)
        if holder and not is_running:
            text = f"data directory {directory} is in use by process {holder}; stop it, or add --while-running"
            raise StoreError(text, directory)
        yield
    except BrokenPipeError:
        raise  # whoever reads our output has had enough; that is no error of the directory's
    except StoreError as error:
        raise unreadable(str(error)) from None
    except OSError as error:
        advice = "the broker removes files as it goes; try again" if is_running else "check the disk, and whose files"
        raise unreadable(f"cannot read {error.filename or directory}: {error.strerror}; {advice}") from None


def unreadable(message: str) -> typer.Exit:
    """Say why nothing could be said."""
    typer.echo(f"ponymqctl: {message}", err=True)
    return typer.Exit(EXIT_UNREADABLE)
