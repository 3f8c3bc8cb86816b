"""The table of the API: every path, its methods, and the function that answers each.

Dispatch goes by it, and so does the OpenAPI document: what is not in the table is not there.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from msgspec import Struct

from broker.management.answers import JSON, Answer
from broker.management.listing import MOST_ON_PAGE
from broker.management.refusals import Refusal, not_found

Handler = Callable[..., Answer | Awaitable[Answer]]

ANYBODY: Final = "anybody"
USER: Final = "user"
ADMINISTRATOR: Final = "administrator"


class Parameter(Struct, frozen=True):
    """A query key or a header that a path looks at.

    Attributes:
        name: As it is written.
        about: What it does.
        kind: JSON's type of it: string, integer, boolean.
        place: ``query`` or ``header``.
        least: The lowest number; None for any.
        most: The highest number; None for any.
    """

    name: str
    about: str
    kind: str = "string"
    place: str = "query"
    least: int | None = None
    most: int | None = None


COLUMNS: Final = (Parameter("columns", "Dotted names of the fields to keep, with commas between them."),)
PAGED: Final = (
    Parameter("page", "1-based. With it the answer is an object that counts, not an array.", "integer", least=1),
    Parameter("page_size", "Rows on a page; 100 if it is not said.", "integer", least=1, most=MOST_ON_PAGE),
    Parameter("name", "Part of the name, in any case; with use_regex a regular expression."),
    Parameter("use_regex", "Whether name is a regular expression.", "boolean"),
    Parameter("sort", "Dotted name of the field to sort by."),
    Parameter("sort_reverse", "Last first.", "boolean"),
    *COLUMNS,
)


def _past(name: str, about: str) -> tuple[Parameter, Parameter]:
    return (
        Parameter(f"{name}_age", f"With {name}_incr: how many seconds of the past of {about} to tell.", "integer"),
        Parameter(f"{name}_incr", "Seconds between two samples of it; at most 500 samples.", "integer", least=1),
    )


LENGTHS_PAST: Final = _past("lengths", "depths")
RATES_PAST: Final = _past("msg_rates", "message counters")
DATA_PAST: Final = _past("data_rates", "octets")
NODE_PAST: Final = _past("node_stats", "the node, and of what comes and goes")
BARE: Final = Parameter("disable_stats", "Whether to leave every figure out.", "boolean")


class Route(Struct, frozen=True):
    """One method of one path.

    Attributes:
        method: ``GET`` (which answers HEAD as well), ``PUT``, ``POST`` or ``DELETE``.
        path: Behind ``/api``, with ``{name}`` for a segment that a client chooses.
        handler: Is called with a ``Call`` and each of those segments, percent-decoded. The first line of its
            docstring is the summary in the OpenAPI document.
        who: Who may ask: ``ANYBODY`` without a login, any ``USER`` whom the API lets in, or an ``ADMINISTRATOR``.
        body: What the body is read as; None for a path that ignores it.
        query: Query keys and headers it looks at.
        statuses: Of answers that are no refusals.
        refusals: Of refusals beyond those that every path has.
        most_bytes: Largest body; 0 for the limit of the whole API.
        content_type: Of the answer's body.
    """

    method: str
    path: str
    handler: Handler
    who: str = USER
    body: type | None = None
    query: Sequence[Parameter] = ()
    statuses: Sequence[int] = (200,)
    refusals: Sequence[int] = ()
    most_bytes: int = 0
    content_type: str = JSON

    @property
    def names(self) -> list[str]:
        """The segments that a client chooses."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]

    @property
    def about(self) -> tuple[str, str]:
        """What it does: in a line, and what there is to say beyond."""
        summary, _, rest = (self.handler.__doc__ or "").replace("``", "`").partition("\n")
        explained = " ".join(rest.partition("Raises:")[0].partition("Args:")[0].split())
        return summary.strip(), explained


class Found(Struct, frozen=True):
    """What is at a path.

    Attributes:
        routes: By method; never empty.
        names: The segments of the path that stand for ``{name}``.
    """

    routes: dict[str, Route]
    names: tuple[bytes, ...]

    def route(self, method: str) -> Route:
        """The route for a method.

        Raises:
            Refusal: 405, saying which ones there are.
        """
        route = self.routes.get("GET" if method == "HEAD" else method)
        if route is None:
            raise Refusal(405, "method_not_allowed", "Method Not Allowed", headers={"Allow": self.allowed})
        return route

    @property
    def allowed(self) -> str:
        """The methods of the path, as the header ``Allow`` has them."""
        methods = [*self.routes, "OPTIONS", *(["HEAD"] if "GET" in self.routes else [])]
        return ", ".join(sorted(methods))


class _Place:
    """One segment of the tree of paths."""

    def __init__(self) -> None:
        self.words: dict[bytes, _Place] = {}
        self.any: _Place | None = None
        self.routes: dict[str, Route] = {}

    def step(self, part: str) -> "_Place":
        if not part.startswith("{"):
            return self.words.setdefault(part.encode(), _Place())
        if self.any is None:
            self.any = _Place()
        return self.any

    def find(self, path: Sequence[bytes], names: tuple[bytes, ...]) -> Found | None:
        if not path:
            return Found(self.routes, names) if self.routes else None
        word = self.words.get(path[0])
        # A word is stronger than a name, but a path may also go on behind a name that is spelled like the word.
        found = word.find(path[1:], names) if word is not None else None
        if found is None and self.any is not None:
            found = self.any.find(path[1:], (*names, path[0]))
        return found


class RouteTable:
    """All routes, to be found by path.

    Attributes:
        routes: In the order in which they were given.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes: Final = tuple(routes)
        self._root = _Place()
        for route in self.routes:
            place = self._root
            for part in route.path.split("/")[1:]:
                place = place.step(part)
            assert route.method not in place.routes, f"two routes for {route.method} {route.path}"
            place.routes[route.method] = route

    def find(self, path: Sequence[bytes]) -> Found:
        """What is at a path, which begins behind ``/api``.

        Raises:
            Refusal: 404.
        """
        found = self._root.find(path, ())
        if found is None:
            raise not_found()
        return found
