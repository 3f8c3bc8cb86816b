"""Lists: filtered, sorted, paged and cut to columns as RabbitMQ does it, and encoded in slices.

What can be decided by name is decided before a single row is made; only ``sort`` by another column makes them all.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from broker.management.json_values import Json
from broker.management.refusals import Refusal, bad_request
from broker.metrics.name_pattern import name_pattern

T = TypeVar("T")

# Rows made and encoded before the broker gets the loop back: one to two milliseconds.
SLICE = 100
MOST_ON_PAGE = 500
LONGEST_FILTER = 1024


class Listed(Struct, Generic[T]):
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


async def encoded_list(items: list[Listed[T]], row: Callable[[T], Json], query: ListQuery) -> bytes:
    """The answer to a list request, as JSON.

    Args:
        items: Everything the user may see.
        row: Makes the row of one object; called between two turns of the broker, so the object may be gone by then.
        query: What was asked for.

    Raises:
        Refusal: 400, the page does not exist, or the filter cannot be used.
    """
    total = len(items)
    items = _filtered(items, query)
    is_by_name = query.sort in {"", "name", "vhost"}
    rows: list[Json] = []
    if is_by_name:
        items.sort(key=_by_name if query.sort == "name" else _by_vhost, reverse=query.is_reverse)
    else:
        rows = await _made(items, row)
        path = query.sort.split(".")
        rows.sort(key=lambda each: _sort_key(_at(each, path)), reverse=query.is_reverse)
    filtered = len(items)
    if query.page:
        start = _page_start(query, filtered)
        items, rows = items[start : start + query.page_size], rows[start : start + query.page_size]
    parts = await (_encoded_items(items, row, query) if is_by_name else _encoded_rows(rows, query))
    body = b"[" + b",".join(parts) + b"]"
    if not query.page:
        return body
    head = {
        "total_count": total,
        "filtered_count": filtered,
        "item_count": len(items),
        "page": query.page,
        "page_size": query.page_size,
        "page_count": math.ceil(filtered / query.page_size),
    }
    return msgspec.json.encode(head)[:-1] + b',"items":' + body + b"}"


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


def _filtered(items: list[Listed[T]], query: ListQuery) -> list[Listed[T]]:
    if not query.name:
        return items
    if not query.is_regex:
        wanted = query.name.lower()
        return [item for item in items if wanted in item.name.lower()]
    try:
        pattern = name_pattern(query.name)
    except ValueError as error:
        raise bad_request(str(error)) from error
    return [item for item in items if pattern.search(item.name)]


def _by_vhost(item: Listed[T]) -> tuple[str, str]:
    return item.vhost, item.name


def _by_name(item: Listed[T]) -> tuple[str, str]:
    return item.name, item.vhost


def _page_start(query: ListQuery, count: int) -> int:
    start = (query.page - 1) * query.page_size
    if query.page > 1 and start >= count:
        reason = f"Page out of range, page: {query.page} page size: {query.page_size}, len: {count}"
        raise Refusal(400, "page_out_of_range", reason)
    return start


async def _made(items: list[Listed[T]], row: Callable[[T], Json]) -> list[Json]:
    rows: list[Json] = []
    for at in range(0, len(items), SLICE):
        rows.extend(row(item.source) for item in items[at : at + SLICE])
        await asyncio.sleep(0)
    return rows


async def _encoded_items(items: list[Listed[T]], row: Callable[[T], Json], query: ListQuery) -> list[bytes]:
    parts: list[bytes] = []
    for at in range(0, len(items), SLICE):
        rows = [only_columns(row(item.source), query.columns) for item in items[at : at + SLICE]]
        parts.append(msgspec.json.encode(rows)[1:-1])
        await asyncio.sleep(0)
    return parts


async def _encoded_rows(rows: list[Json], query: ListQuery) -> list[bytes]:
    parts: list[bytes] = []
    for at in range(0, len(rows), SLICE):
        chosen = [only_columns(row, query.columns) for row in rows[at : at + SLICE]]
        parts.append(msgspec.json.encode(chosen)[1:-1])
        await asyncio.sleep(0)
    return parts


def _at(row: Json, path: Sequence[str]) -> object:
    value: object = row
    for step in path:
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def _sort_key(value: object) -> tuple[int, float, str]:
    """Numbers before texts, and what is missing before both: any column can be sorted whatever is in it."""
    if isinstance(value, (bool, int, float)):
        return 1, float(value), ""
    if isinstance(value, str):
        return 2, 0.0, value
    return 0, 0.0, ""
