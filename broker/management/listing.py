"""Lists: filtered, sorted, paged and cut to columns as RabbitMQ does it, at a pace that lets the broker work.

What can be decided by name is decided before a single row is made. A list sorted by another column reads that column
of every object, and makes the rows of the page.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from broker.management.fields import Fields
from broker.management.json_values import Json
from broker.management.pace import Pace
from broker.management.refusals import Refusal, bad_request
from broker.metrics.name_pattern import name_pattern

T = TypeVar("T")

_Key = tuple[int, float, str, str]

MOST_ON_PAGE: Final = 500
LONGEST_FILTER: Final = 1024
RUN: Final = 300  # objects sorted at a time: a third of a millisecond; sorted runs are then merged
ENCODED_AT_ONCE: Final = 20  # rows that are made before they are encoded, so that 10,000 are never in memory


class Listed(Struct, Generic[T], gc=False):
    """An object to be listed.

    Attributes:
        vhost: For the default order; empty for what belongs to none.
        name: What ``name=`` filters on, and the second part of the default order.
        source: What its row is made from.
    """

    vhost: str
    name: str
    source: T


class ListQuery(Struct, frozen=True):
    """The query keys of a list, checked.

    Attributes:
        page: 1-based; 0 for an unpaged list, a plain array.
        page_size: Rows on a page.
        name: Filter on names, lower case; empty for none.
        is_regex: The filter is a regular expression.
        sort: Dotted path; empty for the default order.
        is_reverse: Last first.
        columns: Dotted paths to keep; empty for all.
    """

    page: int = 0
    page_size: int = 100
    name: str = ""
    is_regex: bool = False
    sort: str = ""
    is_reverse: bool = False
    columns: tuple[tuple[str, ...], ...] = ()


def list_query(query: Mapping[str, str]) -> ListQuery:
    """Read the query keys.

    Raises:
        Refusal: 400.
    """
    page, page_size = _number(query, "page", 0), _number(query, "page_size", 100)
    if ("page" in query and page < 1) or not 1 <= page_size <= MOST_ON_PAGE:
        reason = f"Invalid pagination parameters: page number {page}, page size {page_size}"
        raise Refusal(400, "invalid_pagination_parameters", reason)
    name = query.get("name", "")
    if len(name) > LONGEST_FILTER:
        raise bad_request(f"the name filter is longer than {LONGEST_FILTER} characters")
    columns = tuple(tuple(path.split(".")) for path in query.get("columns", "").split(",") if path)
    return ListQuery(
        page,
        page_size,
        name,
        query.get("use_regex") == "true",
        query.get("sort", ""),
        query.get("sort_reverse") == "true",
        columns,
    )


def _number(query: Mapping[str, str], key: str, default: int) -> int:
    text = query.get(key)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise bad_request("Pagination parameters are invalid")
    return int(text)


async def encoded_list(items: Iterable[Listed[T]], row: Callable[[T], Json], query: ListQuery) -> list[bytes]:
    """The answer to a list request, as JSON in pieces: together they may be ten megabytes, and take long to join.

    Args:
        items: Everything the user may see; read step by step.
        row: Makes the row of one object, and as ``Fields`` a part of it; called between two turns of the broker, so the
            object may be gone by then.
        query: What was asked for.

    Raises:
        Refusal: 400, the page does not exist, or the filter cannot be used.
    """
    pace = Pace()
    total, chosen = await _chosen(items, query, pace)
    filtered = len(chosen)
    first = _page_start(query, filtered) if query.page else 0
    end = first + query.page_size if query.page else filtered
    listed = await _sorted(chosen, _sort_key(row, query), query, end, pace)
    page = listed[first:]
    rows = await _encoded(page, row, query, pace)
    head, tail = b"[", b"]"
    if query.page:
        counts = {
            "total_count": total,
            "filtered_count": filtered,
            "item_count": len(page),
            "page": query.page,
            "page_size": query.page_size,
            "page_count": math.ceil(filtered / query.page_size),
        }
        head, tail = msgspec.json.encode(counts)[:-1] + b',"items":[', b"]}"
    await pace.let_go(page, listed, chosen)
    return [head, *rows, tail]


def only_columns(row: Json, columns: Sequence[tuple[str, ...]]) -> Json:
    """The row cut down to these dotted paths; all of it if there are none."""
    if not columns:
        return row
    kept: Json = {}
    for path in columns:
        value = _at(row, path)
        if value is None and path[0] not in row:
            continue
        place = kept
        for step in path[:-1]:
            inner = place.setdefault(step, {})
            if not isinstance(inner, dict):
                break
            place = inner
        else:
            place[path[-1]] = value
    return kept


async def _chosen(items: Iterable[Listed[T]], query: ListQuery, pace: Pace) -> tuple[int, list[Listed[T]]]:
    """How many objects there are, and those that the name filter leaves."""
    is_wanted = _filter(query)
    total = 0
    chosen: list[Listed[T]] = []
    for item in items:
        total += 1
        if is_wanted is None or is_wanted(item.name):
            chosen.append(item)
        if pace.is_over:
            await pace.rest()
    return total, chosen


def _filter(query: ListQuery) -> Callable[[str], object] | None:
    if not query.name:
        return None
    if not query.is_regex:
        wanted = query.name.lower()
        return lambda name: wanted in name.lower()
    try:
        return name_pattern(query.name).search
    except ValueError as error:
        raise bad_request(str(error)) from error


async def _sorted(
    items: list[Listed[T]], key: Callable[[Listed[T]], _Key], query: ListQuery, count: int, pace: Pace
) -> list[Listed[T]]:
    """The first ``count`` objects in order: short runs are sorted at once, and merged step by step."""
    runs: list[list[tuple[_Key, int]]] = []
    for start in range(0, len(items), RUN):
        run: list[tuple[_Key, int]] = []
        for at in range(start, min(start + RUN, len(items))):
            run.append((key(items[at]), at))
            if pace.is_over:
                await pace.rest()
        run.sort(reverse=query.is_reverse)
        runs.append(run)
        if pace.is_over:
            await pace.rest()
    merged: list[Listed[T]] = []
    for _, at in islice(heapq.merge(*runs, reverse=query.is_reverse), count):
        merged.append(items[at])
        if pace.is_over:
            await pace.rest()
    await pace.let_go(*runs)
    return merged


def _sort_key(row: Callable[[T], Json], query: ListQuery) -> Callable[[Listed[T]], _Key]:
    if query.sort == "name":
        return lambda item: (0, 0.0, item.name, item.vhost)
    if query.sort in {"", "vhost"}:
        return lambda item: (0, 0.0, item.vhost, item.name)
    path = query.sort.split(".")
    part = row.part(path[:1]) if isinstance(row, Fields) else row
    return lambda item: _column_key(_at(part(item.source), path))


def _column_key(value: object) -> _Key:
    """Numbers before texts, and what is missing before both: any column can be sorted whatever is in it."""
    if isinstance(value, (bool, int, float)):
        return 1, float(value), "", ""
    if isinstance(value, str):
        return 2, 0.0, value, ""
    return 0, 0.0, "", ""


def _page_start(query: ListQuery, count: int) -> int:
    start = (query.page - 1) * query.page_size
    if query.page > 1 and start >= count:
        reason = f"Page out of range, page: {query.page} page size: {query.page_size}, len: {count}"
        raise Refusal(400, "page_out_of_range", reason)
    return start


async def _encoded(items: list[Listed[T]], row: Callable[[T], Json], query: ListQuery, pace: Pace) -> list[bytes]:
    """The rows as JSON, some of them in each piece."""
    columns = query.columns
    if columns and isinstance(row, Fields):
        row = row.part({path[0] for path in columns})
    parts: list[bytes] = []
    rows: list[Json] = []
    comma = b""
    for item in items:
        rows.append(only_columns(row(item.source), columns))
        if len(rows) == ENCODED_AT_ONCE or pace.is_over:
            parts.append(comma + msgspec.json.encode(rows)[1:-1])
            comma = b","
            rows = []
        if pace.is_over:
            await pace.rest()
    if rows:
        parts.append(comma + msgspec.json.encode(rows)[1:-1])
    return parts


def _at(row: Json, path: Sequence[str]) -> object:
    value: object = row
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value
