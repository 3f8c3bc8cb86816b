"""``ponymqctl list-queues`` and its like: rabbitmqctl's lists, with the columns that are asked for."""

import inspect
import json
import sys
import time
from collections.abc import Callable
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Console

from broker.cli.arguments import UserName, VHost
from broker.cli.listings import LISTINGS, Listing
from broker.cli.output import Cells, Format, print_rows
from broker.cli.remote import Remote
from broker.cli.words import asks, signed

app = typer.Typer()

Columns = Annotated[
    list[str] | None,
    typer.Argument(metavar="[COLUMN]...", help="Any field of the HTTP API; dots lead into objects: queue.name"),
]
Form = Annotated[
    Format | None,
    typer.Option("--format", "--formatter", "-f", help="A table on a terminal, else tsv: columns parted by tabs."),
]
NoHeaders = Annotated[bool, typer.Option("--no-table-headers", help="Rows only.")]
Everywhere = Annotated[bool, typer.Option("--global", hidden=True, help="Taken and ignored: all are listed.")]
Watch = Annotated[
    float | None, typer.Option(min=0.1, metavar="SECONDS", help="List again and again, until it is interrupted.")
]


def _command(listing: Listing) -> Callable[..., None]:
    def run(
        remote: Remote,
        *,
        columns: Columns = None,
        form: Form = None,
        no_table_headers: NoHeaders = False,
        watch: Watch = None,
        everywhere: Everywhere = False,
        **names: str,
    ) -> None:
        del everywhere
        shown = columns or list(listing.columns)
        has_headers = not (no_table_headers or remote.is_silent)
        remote.say(f"Listing {listing.word.replace('-', ' ')} ...")
        while True:
            rows = listed(remote, listing, shown, names)
            if watch and sys.stdout.isatty():
                Console().clear()
            print_rows(rows, shown, form, has_headers=has_headers)
            if not watch:
                return
            time.sleep(watch)

    taken = inspect.signature(run).parameters
    parameters = [taken[name] for name in taken if name != "names" and (name != "everywhere" or listing.is_of_all)]
    for name, annotation, default in (("user_name", UserName, inspect.Parameter.empty), ("vhost", VHost, "/")):
        if f"{{{name}}}" in listing.path or (name == "vhost" and listing.is_of_vhost):
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.insert(1, inspect.Parameter(name, kind, annotation=annotation, default=default))
    signed(run, parameters)
    return asks(run)


for _listing in LISTINGS:
    app.command(f"list-{_listing.word}", help=_listing.meaning)(_command(_listing))


def listed(remote: Remote, listing: Listing, columns: list[str], names: dict[str, str]) -> list[Cells]:
    """The rows of a list, with these columns and no others.

    Raises:
        BadParameter: There is no such column.
    """
    path = listing.path.format(**{name: quote(value, safe="") for name, value in names.items()})
    places = [listing.places.get(column, column) for column in columns]
    wanted = ",".join(quote(place, safe=".") for place in [*places, *["vhost"] * listing.is_of_vhost])
    rows = remote.rows(f"{path}?columns={wanted}")
    if listing.is_of_vhost:
        rows = [row for row in rows if row.get("vhost") == names["vhost"]]
    for column, place in zip(columns, places, strict=True):
        field = place.partition(".")[0]
        if rows and column not in listing.constants and not any(field in row for row in rows):
            _refuse_unknown(remote, listing, path, column, field)
    return [_cells(row, listing, columns, places) for row in rows]


def _cells(row: Cells, listing: Listing, columns: list[str], places: list[str]) -> Cells:
    cells: Cells = dict(listing.constants)
    for column, place in zip(columns, places, strict=True):
        value: object = row
        for step in place.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        if column in listing.documents:
            value = json.dumps(value, separators=(",", ":"))
        if column not in cells:
            cells[column] = value
    return cells


def _refuse_unknown(remote: Remote, listing: Listing, path: str, column: str, field: str) -> None:
    """A column that no row has is misspelt, unless it is one of those that few rows have."""
    known = set(listing.places) | listing.optional | listing.constants.keys()
    known |= {name for row in remote.rows(path)[:1] for name in row}
    if field not in known:
        raise typer.BadParameter(f"there is no column {column!r}; there are {', '.join(sorted(known))}")
