"""One request as the paths of the API see it."""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from broker.management.access import Viewer
from broker.management.answers import Answer, as_json
from broker.management.facts import Facts
from broker.management.json_values import Json
from broker.management.listing import Listed, ListQuery, encoded_list, list_query, only_columns
from broker.management.refusals import not_found
from broker.management.request_body import body_as, body_object
from broker.management.stats import Spans, spans_of
from broker.metrics.text import shown
from broker.vhost.vhost import VHost

T = TypeVar("T")


class Call:
    """Who asks, and with what; and the ways to answer that many paths share.

    Attributes:
        facts: The broker.
        viewer: Who asks.
        query: The query keys, and ``x-vhost`` as one of them: the console's vhost selector comes as a header.
        octets: The body.
        headers: The request's headers.
        address: Where it came from, ``host:port``.
    """

    def __init__(
        self,
        facts: Facts,
        viewer: Viewer,
        query: Mapping[str, str],
        octets: bytes,
        headers: Mapping[str, str],
        address: str,
    ) -> None:
        self.facts = facts
        self.viewer = viewer
        self.query = query
        self.octets = octets
        self.headers = headers
        self.address = address

    # --- what was asked

    def body_as(self, kind: type[T]) -> T:
        """The body's object as a struct.

        Raises:
            Refusal: 400.
        """
        return body_as(self.octets, kind)

    def document(self) -> Json:
        """The body's object as it is.

        Raises:
            Refusal: 400.
        """
        return body_object(self.octets)

    def flag(self, name: str) -> bool:
        """Does the query say that ``name`` is true?"""
        return self.query.get(name) == "true"

    def spans(self) -> Spans:
        """The pasts of figures that the query asks for.

        Raises:
            Refusal: 400, more samples than anybody may have.
        """
        return spans_of(self.query)

    def must_be_node(self, name: bytes) -> None:
        """Let only the name of this node pass.

        Raises:
            Refusal: 404.
        """
        if shown(name) != self.facts.node.name:
            raise not_found()

    def vhosts(self) -> list[VHost]:
        """The vhosts in question: all that the user may see, or the one that the console's selector names."""
        chosen = self.query.get("x-vhost", "")
        may_see = self.viewer.may_see
        every = self.facts.context.turn.vhosts
        return [vhost for name, vhost in every.items() if may_see(name) and (not chosen or name == chosen)]

    def vhost(self, name: bytes) -> VHost:
        """One vhost.

        Raises:
            Refusal: 404; one that the user may not enter is as if it did not exist.
        """
        vhost = self.facts.context.turn.vhosts.get(shown(name))
        if vhost is None or not self.viewer.may_see(vhost.name):
            raise not_found()
        return vhost

    # --- how to answer

    def one(self, view: Json) -> Answer:
        """One object, cut to the columns asked for."""
        return as_json(only_columns(view, list_query(self.query).columns))

    def rows(self, rows: list[Json]) -> Answer:
        """A list that is never paged, as RabbitMQ's tools expect of some."""
        columns = list_query(self.query).columns
        return as_json([only_columns(row, columns) for row in rows])

    async def unpaged(self, items: Iterable[Listed[T]], row: Callable[[T], Json]) -> Answer:
        """A long list that is never paged: made in slices, in the default order."""
        return Answer(parts=await encoded_list(items, row, ListQuery(columns=list_query(self.query).columns)))

    async def paged(self, items: Iterable[Listed[T]], row: Callable[[T], Json]) -> Answer:
        """A list that may be filtered, sorted and paged."""
        return Answer(parts=await encoded_list(items, row, list_query(self.query)))
