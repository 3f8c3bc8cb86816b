"""From a ``basic.publish`` to the queues: the route cache, and the properties that have a say.

Per message, so: the octets of the method are the key of the cache, properties are only looked at where their flag is
set, and what can be refused is refused before the message exists.
"""

from typing import Final, cast, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.access import WRITE, Access
from broker.auth.users import IMPERSONATOR, INTERNAL
from broker.core.arguments import Field, Table, octets, type_name
from broker.core.errors import (
    ACCESS_REFUSED,
    NOT_IMPLEMENTED,
    PRECONDITION_FAILED,
    HardError,
    SoftError,
)
from broker.core.message import Enqueuer, Message
from broker.queues.arguments import MAX_TIME_MS
from broker.routing.exchange import Exchange
from broker.routing.exchange_types import TOPIC
from broker.routing.walk import depends_on_headers, find_queues, find_queues_for_keys
from broker.vhost.delay_line import DelayLine
from broker.vhost.vhost import VHost
from broker.wire.arguments import ArgumentReader
from broker.wire.octets import shortstr
from broker.wire.properties import PropertyScanner, rewritten
from broker.wire.tables import CODEC_LIMITS, TableLimits, check_table, decode_table

# Routes kept. Keys that never come back (a topic with a number in it) must not fill the memory: swept when full.
ROUTE_CACHE_SIZE: Final = 10_000
# The same for a publisher that serves one connection, of which there may be many.
OWN_ROUTE_CACHE_SIZE: Final = 1_000

# What became of a publish.
ROUTED: Final = 0  # in its queues; none of them needs a sync
STORED: Final = 1  # in its queues, with a record in the batch that this turn writes
UNROUTABLE: Final = 2  # no queue
REFUSED: Final = 3  # at least one queue was full and refused it


@final
@mypyc_attr(native_class=True)
class Route:
    """Where the messages of one exchange and routing key go.

    Attributes:
        method: Payload of the ``basic.publish`` that asked for it, the key of the cache.
        octets: Exchange and routing key as short strings, as ``basic.deliver`` repeats them.
        exchange: The exchange published to.
        key: The routing key.
        is_mandatory: What is unroutable comes back.
        depends_on_headers: The queues must be found anew for each message.
        queues: The queues and whatever else takes messages, if they do not depend on headers.
        version: The vhost's version when they were found.
    """

    def __init__(
        self,
        method: bytes,
        route_octets: bytes,
        exchange: Exchange,
        key: bytes,
        is_mandatory: bool,
        by_headers: bool,
        queues: list[Enqueuer],
        version: i64,
    ) -> None:
        self.method: Final = method
        self.octets: Final = route_octets
        self.exchange: Final = exchange
        self.key: Final = key
        self.is_mandatory: Final = is_mandatory
        self.depends_on_headers: Final = by_headers
        self.queues: Final = queues
        self.version: Final[i64] = version


@final
@mypyc_attr(native_class=True)
class Publisher:
    """Publishes into one vhost for one user.

    Write permission is part of the route, so it costs a message nothing; whoever changes it raises the vhost's version,
    or calls ``forget_routes``.

    Attributes:
        vhost: The vhost.
        access: What the user may do there.
        message: The message last prepared.
        targets: The queues it goes to, and behind them what only looks on.
    """

    def __init__(self, vhost: VHost, access: Access, tables: TableLimits = CODEC_LIMITS) -> None:
        self.vhost: Final = vhost
        self.access: Final = access
        self._tables: Final = tables
        self._routes: dict[bytes, Route] = {}
        self._most_routes: Final[i64] = ROUTE_CACHE_SIZE if access.user.backend == INTERNAL else OWN_ROUTE_CACHE_SIZE
        self._version: i64 = -1
        self._nothing: Final[list[Enqueuer]] = []
        self.targets: list[Enqueuer] = self._nothing
        self.message: Message = Message(b"", b"", b"", False, 0, 0, -1)

    def route(self, method: bytes) -> Route:
        """The route for a ``basic.publish`` method, given as its whole payload.

        Raises:
            SoftError: 403 without permission, 404 for a missing exchange, 403 for an internal one.
            Undecided: Somebody has to be asked for permission.
            HardError: 540 for ``immediate``, 501 for octets that cannot be decoded.
        """
        if self._version == self.vhost.version:
            known = self._routes.get(method)
            if known is not None:
                return known
            if len(self._routes) >= self._most_routes:
                self._routes = {}
        else:
            self._routes = {}
            self._version = self.vhost.version
        route = self._find(method)
        self._routes[method] = route
        return route

    def forget_routes(self) -> None:
        """The user's rights may have changed: find every route anew."""
        self._routes = {}

    def _find(self, method: bytes) -> Route:
        reader = ArgumentReader(method)
        reader.short()  # reserved: the ticket of older versions
        exchange_name = reader.short_octets()
        key = reader.short_octets()
        bits = reader.octet()
        reader.end()
        if bits & 2:
            raise HardError(NOT_IMPLEMENTED, "immediate=true")
        vhost = self.vhost
        self.access.check_exchange(WRITE, exchange_name)
        exchange = vhost.exchange(exchange_name)
        if exchange.is_internal:
            raise SoftError(ACCESS_REFUSED, f"cannot publish to internal {exchange}")
        if exchange.kind == TOPIC:
            self.access.check_topic(WRITE, exchange_name, key)
        by_headers = depends_on_headers(exchange, vhost)
        queues: list[Enqueuer] = []
        if not by_headers:
            for destination in find_queues(exchange, key, None, vhost):
                queues.append(cast("Enqueuer", destination))
        octets_of_route = shortstr(exchange_name) + shortstr(key)
        return Route(method, octets_of_route, exchange, key, bits & 1 != 0, by_headers, queues, vhost.version)

    def publish(self, route: Route, header: bytes, body: bytes, scanner: PropertyScanner) -> i64:
        """Put one message into its queues.

        Args:
            route: From ``route``, in this turn.
            header: Content header, as it arrived.
            body: The whole body.
            scanner: Has scanned ``header``.

        Returns:
            ROUTED, STORED, UNROUTABLE or REFUSED.

        Raises:
            SoftError: 406 for properties that cannot be, 403 for a key in CC or BCC; nothing was published.
        """
        self.prepare(route, header, body, scanner)
        return self.enqueue(self.message, self.targets)

    def prepare(self, route: Route, header: bytes, body: bytes, scanner: PropertyScanner) -> None:
        """Make the message and find its queues, into ``message`` and ``targets``: the first half of ``publish``.

        Raises:
            SoftError: 406 for properties that cannot be, 403 for a key in CC or BCC.
            HardError: 501 or 502 for a headers table that cannot be decoded: whoever gets it could not either.
        """
        ttl_ms: i64 = -1
        queues = route.queues
        if scanner.user_id_start:
            self._check_user_id(header[scanner.user_id_start : scanner.user_id_end])
        if scanner.expiration_start:
            ttl_ms = read_expiration(header[scanner.expiration_start : scanner.expiration_end])
        if scanner.headers_start:
            check_table(header, scanner.headers_start, scanner.headers_end, self._tables)
            if route.depends_on_headers or has_more_keys(header):
                headers = decode_table(header, scanner.headers_start, scanner.headers_end)
                queues = self._route_by_headers(route, headers, header)
                if b"BCC" in headers and not _only_waits(queues):
                    del headers[b"BCC"]
                    header = rewritten(header, headers, keep_expiration=True)
        elif route.depends_on_headers:
            queues = self._route_by_headers(route, {}, header)
        self.message = Message(
            route.octets, header, body, scanner.is_persistent, self.vhost.agenda.now_ms, scanner.priority, ttl_ms
        )
        self.targets = queues
        exchange = route.exchange
        exchange.published_in += 1
        exchange.published_out += len(queues)

    def enqueue(self, message: Message, targets: list[Enqueuer]) -> i64:
        """Push a prepared message: the second half of ``publish``, at commit time for a transaction.

        Returns:
            ROUTED, STORED, UNROUTABLE or REFUSED.
        """
        outcome: i64 = UNROUTABLE
        routed: i64 = len(targets)
        for queue in targets:
            if queue.is_deleted:
                # Gone since a transaction found it: as if it had taken the message.
                if outcome == UNROUTABLE:
                    outcome = ROUTED
            elif queue.is_aside:
                routed -= 1
                if outcome != REFUSED:
                    queue.push(message)
            elif not queue.push(message):
                outcome = REFUSED
            elif outcome != REFUSED:
                if queue.is_durable and (message.is_persistent or queue.stores_all):
                    outcome = STORED
                elif outcome == UNROUTABLE:
                    outcome = ROUTED
        # As RabbitMQ counts: once for each queue.
        self.vhost.counters.messages_routed += routed
        return outcome

    def publish_run(self, route: Route, like: Message, bodies: list[bytes]) -> bool:
        """``publish`` for messages like one that was published by the same route, but for their bodies.

        Args:
            route: The route, whose queues do not depend on headers.
            like: That message; it has no time to live.
            bodies: Of the same size; at least one.

        Returns:
            True if all were ROUTED; false if nothing was done, and each must be published by itself.
        """
        queues = route.queues
        for queue in queues:
            # A requester's queue may be gone though the topology is the same.
            if queue.is_deleted or not queue.takes_run(like):
                return False
        routed: i64 = len(queues)
        if routed == 0:
            return False
        for queue in queues:
            queue.push_run(like, bodies)
        count: i64 = len(bodies)
        exchange = route.exchange
        exchange.published_in += count
        exchange.published_out += count * routed
        self.vhost.counters.messages_routed += count * routed
        return True

    def publish_alike(self, route: Route, like: Message, body: bytes) -> i64:
        """The same for one message, wherever it goes.

        Returns:
            ROUTED, STORED, UNROUTABLE or REFUSED.
        """
        queues = route.queues
        exchange = route.exchange
        exchange.published_in += 1
        exchange.published_out += len(queues)
        self.message = like.with_body(body, self.vhost.agenda.now_ms)
        return self.enqueue(self.message, queues)

    def _route_by_headers(self, route: Route, headers: Table, header: bytes) -> list[Enqueuer]:
        keys = [route.key]
        _add_keys(keys, headers, b"CC")
        _add_keys(keys, headers, b"BCC")
        if self.access.restricts_topics() and route.exchange.kind == TOPIC:
            for key in keys:
                self.access.check_topic(WRITE, route.exchange.name, key)
        queues: list[Enqueuer] = []
        vhost = self.vhost
        for destination in find_queues_for_keys(route.exchange, keys, headers, vhost, header, vhost.agenda.now_ms):
            queues.append(cast("Enqueuer", destination))
        return queues

    def _check_user_id(self, claimed: bytes) -> None:
        user = self.access.user
        if claimed != user.name and IMPERSONATOR not in user.tags:
            text = f"user_id property set to '{claimed.decode('utf-8', 'replace')}' but authenticated user was "
            raise SoftError(PRECONDITION_FAILED, text + f"'{user.name.decode('utf-8', 'replace')}'")


def _only_waits(targets: list[Enqueuer]) -> bool:
    """Is nobody to see the message before it is routed again, which needs all its keys?"""
    return len(targets) == 1 and isinstance(targets[0], DelayLine)


def has_more_keys(header: bytes) -> bool:
    """May the headers name further routing keys (sender-selected distribution)? A cheap look at the octets."""
    return b"CC" in header


def _add_keys(keys: list[bytes], headers: Table, name: bytes) -> None:
    """Add the routing keys in a CC or BCC header. RabbitMQ ignores items that are not long strings."""
    field = headers.get(name)
    if field is None:
        return
    if field.kind != "A":
        text = f'invalid message: {{unacceptable_type_in_header,"{name.decode()}",{type_name(field)}}}'
        raise SoftError(PRECONDITION_FAILED, text)
    for item in cast("list[Field]", field.value):
        if item.kind == "S":
            keys.append(octets(item))


def read_expiration(text: bytes) -> i64:
    """The milliseconds in an expiration property.

    Raises:
        SoftError: 406, with RabbitMQ's account of what is wrong.
    """
    size: i64 = len(text)
    value: i64 = 0
    at: i64 = 0
    while at < size and value <= MAX_TIME_MS:
        digit = i64(text[at]) - 48
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        at += 1
    if at == size and size > 0 and value <= MAX_TIME_MS:
        return value
    return _odd_expiration(text)


def _odd_expiration(text: bytes) -> int:
    """The same, for text that is not simply a number of milliseconds."""
    shown = text.decode("utf-8", "replace")
    negative = text.startswith(b"-")
    digits = text[1:] if negative or text.startswith(b"+") else text
    count = 0
    while count < len(digits) and digits[count : count + 1].isdigit():
        count += 1
    if count == 0:
        detail = "no_integer"
    elif count < len(digits):
        detail = f'{{leftover_string,"{digits[count:].decode("utf-8", "replace")}"}}'
    elif negative and int(digits):
        detail = f"{{value_negative,-{int(digits)}}}"
    elif int(digits) > MAX_TIME_MS:
        detail = f"{{value_too_large,{int(digits)}}}"
    else:
        return int(digits)
    raise SoftError(PRECONDITION_FAILED, f"invalid expiration '{shown}': {detail}")
