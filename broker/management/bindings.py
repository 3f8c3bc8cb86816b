"""Bindings: the paths that list, make and remove them."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Final
from urllib.parse import quote_plus, unquote_to_bytes

from msgspec import Struct

from broker.core.arguments import Table, canonical_table
from broker.core.destination import Destination
from broker.management.answers import DONE, Answer
from broker.management.call import Call
from broker.management.json_values import Json, json_table, table_of
from broker.management.listing import Listed
from broker.management.refusals import Refusal, not_found
from broker.management.routes import COLUMNS, Route
from broker.management.session import session, short, table
from broker.management.topology_changes import TICKET, Arguments
from broker.management.topology_views import DEFAULT_EXCHANGE, exchange_named
from broker.metrics.text import shown
from broker.queues.queue import Queue
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange
from broker.vhost.vhost import VHost
from broker.wire.methods import EXCHANGE_BIND, EXCHANGE_UNBIND, QUEUE_BIND, QUEUE_UNBIND

# RabbitMQ's own bound on the body of a binding: a key and a few arguments.
MOST_BYTES: Final = 5000
HASH_BYTES: Final = 9


class BindingBody(Struct):
    """What ``POST /bindings`` is given."""

    routing_key: str = ""
    arguments: Arguments = None


# --- what they look like


def binding_view(binding: Binding) -> Json:
    """The row of one binding."""
    source, destination = binding.source, binding.destination
    return {
        "source": shown(source.name),
        "vhost": source.vhost_name,
        "destination": shown(destination.name),
        "destination_type": "exchange" if destination.is_exchange else "queue",
        "routing_key": shown(binding.key),
        "arguments": json_table(binding.arguments),
        "properties_key": properties_key(binding.key, binding.arguments),
    }


def properties_key(key: bytes, arguments: Table) -> str:
    """The name of a binding among those between two ends: the key, form-quoted, ``~`` and a hash of the arguments.

    Without arguments it is the key alone, and ``~`` where that is empty, as RabbitMQ has it. The hash is our own:
    clients send back what they were given.
    """
    quoted = _quoted(key)
    return f"{quoted}~{_hash(arguments)}" if arguments else quoted or "~"


def _quoted(text: bytes | str) -> str:
    return quote_plus(text).replace("~", "%7E")


def _hash(arguments: Table) -> str:
    digest = hashlib.sha256(canonical_table(arguments)).digest()
    return urlsafe_b64encode(digest[:HASH_BYTES]).decode("ascii") if arguments else ""


# --- lists


async def bindings(call: Call) -> Answer:
    """Every binding, those of the default exchange included."""
    return await _list(call, (each for vhost in call.vhosts() for each in _all_of(vhost)))


async def vhost_bindings(call: Call, vhost: bytes) -> Answer:
    """The bindings of a vhost."""
    return await _list(call, _all_of(call.vhost(vhost)))


async def queue_bindings(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """The bindings that lead to a queue."""
    vhost = call.vhost(vhost_name)
    queue = vhost.queues.get(name)
    if queue is None:
        raise Refusal(404, "not_found", "queue_not_found")
    return await _list(call, [_implicit(vhost, queue), *vhost.bindings_to(queue)])


async def bindings_from_exchange(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """The bindings that an exchange is the source of."""
    vhost = call.vhost(vhost_name)
    return await _list(call, _from(vhost, _exchange(vhost, name)))


async def bindings_to_exchange(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """The bindings that lead to an exchange."""
    vhost = call.vhost(vhost_name)
    return await _list(call, vhost.bindings_to(_exchange(vhost, name)))


async def bindings_to_queue(call: Call, vhost: bytes, source: bytes, queue: bytes) -> Answer:
    """The bindings between an exchange and a queue."""
    where = call.vhost(vhost)
    return await _list(call, _between(where, source, where.queues.get(queue)))


async def bindings_to_other(call: Call, vhost: bytes, source: bytes, destination: bytes) -> Answer:
    """The bindings between two exchanges."""
    where = call.vhost(vhost)
    return await _list(call, _between(where, source, where.exchanges.get(exchange_named(destination))))


def queue_binding(call: Call, vhost: bytes, source: bytes, queue: bytes, props: bytes) -> Answer:
    """One binding of a queue; the last part of the path is its ``properties_key``."""
    where = call.vhost(vhost)
    return call.one(binding_view(_found(where, source, where.queues.get(queue), props)))


def exchange_binding(call: Call, vhost: bytes, source: bytes, destination: bytes, props: bytes) -> Answer:
    """One binding of two exchanges; the last part of the path is its ``properties_key``."""
    where = call.vhost(vhost)
    return call.one(binding_view(_found(where, source, where.exchanges.get(exchange_named(destination)), props)))


async def _list(call: Call, bindings: Iterable[Binding]) -> Answer:
    return await call.unpaged(
        [Listed(each.source.vhost_name, shown(each.source.name), each) for each in bindings], binding_view
    )


def _all_of(vhost: VHost) -> list[Binding]:
    return [each for exchange in vhost.exchanges.values() for each in _from(vhost, exchange)]


def _from(vhost: VHost, exchange: Exchange) -> list[Binding]:
    """The default exchange has a binding for every queue, which nobody made."""
    if not exchange.name:
        return [_implicit(vhost, queue) for queue in vhost.queues.values()]
    return exchange.bindings()


def _implicit(vhost: VHost, queue: Queue) -> Binding:
    return Binding(vhost.exchanges[b""], queue, queue.name, {})


def _between(vhost: VHost, source_name: bytes, destination: Destination | None) -> list[Binding]:
    """Nothing where an end is missing, as in RabbitMQ."""
    source = vhost.exchanges.get(exchange_named(source_name))
    if source is None or destination is None:
        return []
    if not source.name:
        return [_implicit(vhost, destination)] if isinstance(destination, Queue) else []
    return source.bindings_to(destination)


def _exchange(vhost: VHost, name: bytes) -> Exchange:
    exchange = vhost.exchanges.get(exchange_named(name))
    if exchange is None:
        raise Refusal(404, "not_found", "exchange_not_found")
    return exchange


def _found(vhost: VHost, source: bytes, destination: Destination | None, props: bytes) -> Binding:
    """The binding with that ``properties_key``, which was quoted once more in the path."""
    quoted, _, digest = props.partition(b"~")
    key = unquote_to_bytes(quoted.replace(b"+", b" "))
    for binding in _between(vhost, source, destination):
        if binding.key == key and _hash(binding.arguments).encode() == digest:
            return binding
    raise not_found()


# --- changes


def bind_queue(call: Call, vhost_name: bytes, source: bytes, queue: bytes) -> Answer:
    """Bind a queue to an exchange; ``Location`` names the binding, relative to the path."""
    return _bind(call, call.vhost(vhost_name), QUEUE_BIND, queue, source)


def bind_exchange(call: Call, vhost_name: bytes, source: bytes, destination: bytes) -> Answer:
    """Bind an exchange to an exchange; ``Location`` names the binding, relative to the path."""
    return _bind(call, call.vhost(vhost_name), EXCHANGE_BIND, exchange_named(destination), source)


def _bind(call: Call, vhost: VHost, method: int, destination: bytes, source: bytes) -> Answer:
    body = call.body_as(BindingBody)
    key = body.routing_key.encode()
    arguments = table_of(body.arguments, "arguments")
    ends = short("destination", destination) + short("source", exchange_named(source)) + short("routing_key", key)
    with session(call, vhost) as amqp:
        amqp.ask(method, TICKET + ends + b"\x00" + table(arguments))
    name = _quoted(destination or DEFAULT_EXCHANGE)
    return Answer(201, headers={"Location": f"{name}/{quote_plus(properties_key(key, arguments))}"})


def unbind_queue(call: Call, vhost_name: bytes, source: bytes, queue: bytes, props: bytes) -> Answer:
    """Remove a binding of a queue."""
    vhost = call.vhost(vhost_name)
    binding = _found(vhost, source, vhost.queues.get(queue), props)
    with session(call, vhost) as amqp:
        amqp.ask(QUEUE_UNBIND, _ends(binding) + table(binding.arguments))
    return DONE


def unbind_exchange(call: Call, vhost_name: bytes, source: bytes, destination: bytes, props: bytes) -> Answer:
    """Remove a binding of two exchanges."""
    vhost = call.vhost(vhost_name)
    binding = _found(vhost, source, vhost.exchanges.get(exchange_named(destination)), props)
    with session(call, vhost) as amqp:
        amqp.ask(EXCHANGE_UNBIND, _ends(binding) + b"\x00" + table(binding.arguments))
    return DONE


def _ends(binding: Binding) -> bytes:
    return (
        TICKET
        + short("destination", binding.destination.name)
        + short("source", binding.source.name)
        + short("routing_key", binding.key)
    )


_TO_QUEUE: Final = "/bindings/{vhost}/e/{source}/q/{queue}"
_TO_EXCHANGE: Final = "/bindings/{vhost}/e/{source}/e/{destination}"

ROUTES: Final = (
    Route("GET", "/bindings", bindings, query=COLUMNS),
    Route("GET", "/bindings/{vhost}", vhost_bindings, query=COLUMNS),
    Route("GET", "/queues/{vhost}/{queue}/bindings", queue_bindings, query=COLUMNS),
    Route("GET", "/exchanges/{vhost}/{exchange}/bindings/source", bindings_from_exchange, query=COLUMNS),
    Route("GET", "/exchanges/{vhost}/{exchange}/bindings/destination", bindings_to_exchange, query=COLUMNS),
    Route("GET", _TO_QUEUE, bindings_to_queue, query=COLUMNS),
    Route("POST", _TO_QUEUE, bind_queue, body=BindingBody, statuses=[201], most_bytes=MOST_BYTES),
    Route("GET", _TO_QUEUE + "/{props}", queue_binding, query=COLUMNS),
    Route("DELETE", _TO_QUEUE + "/{props}", unbind_queue, statuses=[204]),
    Route("GET", _TO_EXCHANGE, bindings_to_other, query=COLUMNS),
    Route("POST", _TO_EXCHANGE, bind_exchange, body=BindingBody, statuses=[201], most_bytes=MOST_BYTES),
    Route("GET", _TO_EXCHANGE + "/{props}", exchange_binding, query=COLUMNS),
    Route("DELETE", _TO_EXCHANGE + "/{props}", unbind_exchange, statuses=[204]),
)
