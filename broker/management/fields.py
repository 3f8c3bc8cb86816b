"""Rows as tables of fields, so that a list that is sorted by one field, or cut to a few, makes only those."""

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from broker.management.json_values import Json

T = TypeVar("T")

Readers = Mapping[str, Callable[[T], object]]


class Fields(Generic[T]):
    """How the row of one kind of object is made.

    A reader that returns ``ABSENT`` leaves its field out; some objects do not have it.
    """

    def __init__(self, shown: Readers[T], on_request: Readers[T] | None = None) -> None:
        """Describe a row.

        Args:
            shown: The fields of the whole row, in their order.
            on_request: Further ones, for those who name them.
        """
        self._shown = shown
        self._all: Readers[T] = {**shown, **(on_request or {})}

    def __call__(self, source: T) -> Json:
        """The whole row."""
        return _row(source, self._shown)

    def part(self, names: Iterable[str]) -> Callable[[T], Json]:
        """What makes rows of the named fields only; unknown names are left out."""
        readers = {name: self._all[name] for name in names if name in self._all}
        return lambda source: _row(source, readers)


def _row(source: T, readers: Readers[T]) -> Json:
    row: Json = {}
    for name, read in readers.items():
        value = read(source)
        if value is not ABSENT:
            row[name] = value
    return row


class _Absent:
    """No value, which is not null."""


ABSENT = _Absent()
