"""Rows of a list, as people and programs read them."""

import csv
import json
import sys
from collections.abc import Sequence
from enum import StrEnum

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.cli.remote import printable

Cells = dict[str, object]


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    PRETTY_TABLE = "pretty_table"  # rabbitmqctl's word for what is a table here
    TSV = "tsv"
    JSON = "json"
    CSV = "csv"


def print_rows(rows: Sequence[Cells], columns: Sequence[str], form: Format | None, *, has_headers: bool = True) -> None:
    """Print rows, each with every column.

    Args:
        rows: What there is.
        columns: In this order.
        form: None for a table on a terminal and rabbitmqctl's tabs elsewhere.
        has_headers: Begin with the names of the columns, if there are any rows.
    """
    if form is None:
        form = Format.TABLE if sys.stdout.isatty() else Format.TSV
    if form is Format.JSON:
        typer.echo(json.dumps([{column: row.get(column) for column in columns} for row in rows]))
    elif form is Format.CSV:
        writer = csv.writer(sys.stdout, quoting=csv.QUOTE_ALL, lineterminator="\n")
        writer.writerows([columns] if has_headers and rows else [])
        writer.writerows([cell(row.get(column)) for column in columns] for row in rows)
    elif form is Format.TSV:
        if has_headers and rows:
            typer.echo("\t".join(columns))
        for row in rows:
            typer.echo("\t".join(cell(row.get(column)) for column in columns))
    else:
        _print_table(rows, columns, has_headers=has_headers)


def _print_table(rows: Sequence[Cells], columns: Sequence[str], *, has_headers: bool) -> None:
    table = Table(show_header=has_headers)
    for column in columns:
        is_number = any(type(row.get(column)) in {int, float} for row in rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(row.get(column))) for column in columns))
    Console().print(table)


def cell(value: object) -> str:
    """A value in one column, as rabbitmqctl writes it: ``true``, ``[administrator]``, ``[{"x-max-length",5}]``."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{', '.join(cell(item) for item in value)}]"
        case dict():
            return f"[{','.join(f'{{{_term(key)},{_term(item)}}}' for key, item in value.items())}]"
        case _:
            return printable(value)


def _term(value: object) -> str:
    return printable(json.dumps(value, ensure_ascii=False)) if isinstance(value, str | dict) else cell(value)
