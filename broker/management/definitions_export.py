"""Export of definitions in RabbitMQ's JSON: of the whole broker, or of one vhost."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from broker.management.account_views import permission_view, topic_permission_views, user_view
from broker.management.facts import Facts
from broker.management.json_values import Json, json_table
from broker.management.parameters import global_rows, parameter_rows
from broker.management.policy_views import policy_view
from broker.metrics.text import shown
from broker.queues.arguments import CLASSIC, names_queue_type
from broker.queues.queue import Queue
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange
from broker.vhost.vhost import RESERVED_PREFIX, VHost

LOG: Final = logging.getLogger("broker.management")

SLICE: Final = 200
"""Objects that are encoded before the broker has its turn."""

IMPORTED_HASH: Final = "imported_definition_hash_value"
"""The global parameter that tells which file was imported last; it is about this data directory only."""


async def export_definitions(facts: Facts) -> bytes:
    """Everything that an import brings back: all but messages, exclusive queues and what every vhost has."""
    turn = facts.context.turn
    vhosts = sorted(turn.vhosts.values(), key=lambda vhost: vhost.name)
    users = sorted(facts.context.users.by_name.values(), key=lambda user: user.name)
    accesses = [access for user in users for access in user.accesses.values() if access.vhost_name in turn.vhosts]
    head: Json = {
        "rabbit_version": facts.node.rabbitmq_version,
        "rabbitmq_version": facts.node.rabbitmq_version,
        "product_name": facts.node.product_name,
        "product_version": facts.node.product_version,
        "rabbitmq_definition_format": "cluster",
        "original_cluster_name": facts.node.cluster_name,
        "explanation": f"Definitions of cluster '{facts.node.cluster_name}'",
    }
    sections: dict[str, Iterator[Json]] = {
        "users": (user_view(user, turn.user_limits.of(user.name)) for user in users),
        "vhosts": (_vhost(vhost) for vhost in vhosts),
        "permissions": (permission_view(access) for access in accesses if access.permission is not None),
        "topic_permissions": (row for access in accesses for row in topic_permission_views(access)),
        "parameters": parameter_rows(turn, vhosts),
        "global_parameters": (row for row in global_rows(turn) if row["name"] != IMPORTED_HASH),
        "policies": _policies(vhosts),
        **_topology(vhosts),
    }
    return await _encoded(head, sections)


async def export_vhost(facts: Facts, vhost: VHost) -> bytes:
    """One vhost, in objects that do not say which: they can be imported into another."""
    head: Json = {
        "rabbit_version": facts.node.rabbitmq_version,
        "rabbitmq_version": facts.node.rabbitmq_version,
        "product_name": facts.node.product_name,
        "product_version": facts.node.product_version,
        "rabbitmq_definition_format": "single_virtual_host",
        "original_vhost_name": vhost.name,
        "explanation": f"Definitions of virtual host '{vhost.name}'",
        "description": vhost.description,
        "metadata": _metadata(vhost),
        "limits": vhost.limits.values,
    }
    parts = {
        "parameters": parameter_rows(facts.context.turn, [vhost]),
        "policies": _policies([vhost]),
        **_topology([vhost]),
    }
    return await _encoded(head, {name: map(_without_vhost, rows) for name, rows in parts.items()})


def _vhost(vhost: VHost) -> Json:
    metadata = _metadata(vhost)
    if vhost.is_protected:
        metadata["protected_from_deletion"] = True
    # Twice, because RabbitMQ before 3.13 looks for them beside the name.
    return {"name": vhost.name, **_metadata(vhost), "metadata": metadata, "limits": vhost.limits.values}


def _metadata(vhost: VHost) -> Json:
    kind = shown(vhost.default_queue_type)
    return {"description": vhost.description, "tags": vhost.tags, "default_queue_type": kind}


def _policies(vhosts: Iterable[VHost]) -> Iterator[Json]:
    for vhost in vhosts:
        for policy in vhost.policies.listed(is_operator=False):
            yield policy_view(policy)


def _topology(vhosts: list[VHost]) -> dict[str, Iterator[Json]]:
    return {
        "queues": _rows(vhosts, _queues_of),
        "exchanges": _rows(vhosts, _exchanges_of),
        "bindings": _rows(vhosts, _bindings_of),
    }


def _rows(vhosts: list[VHost], of: Callable[[VHost], Iterator[Json]]) -> Iterator[Json]:
    for vhost in vhosts:
        yield from of(vhost)


def _queues_of(vhost: VHost) -> Iterator[Json]:
    for queue in list(vhost.queues.values()):
        if queue.owner_id == 0 and _is_text(queue.name):
            yield _queue(vhost, queue)


def _queue(vhost: VHost, queue: Queue) -> Json:
    arguments = json_table(queue.arguments)
    if vhost.default_queue_type != CLASSIC and not names_queue_type(queue.arguments):
        arguments["x-queue-type"] = shown(queue.kind)  # or it would become one of the default type
    return {
        "name": shown(queue.name),
        "vhost": vhost.name,
        "durable": queue.is_durable,
        "auto_delete": queue.is_auto_delete,
        "type": shown(queue.kind),
        "arguments": arguments,
    }


def _exchanges_of(vhost: VHost) -> Iterator[Json]:
    for exchange in list(vhost.exchanges.values()):
        if exchange.name and not exchange.name.startswith(RESERVED_PREFIX) and _is_text(exchange.name):
            yield _exchange(exchange)


def _exchange(exchange: Exchange) -> Json:
    return {
        "name": shown(exchange.name),
        "vhost": exchange.vhost_name,
        "type": shown(exchange.kind),
        "durable": exchange.is_durable,
        "auto_delete": exchange.is_auto_delete,
        "internal": exchange.is_internal,
        "arguments": json_table(exchange.arguments),
    }


def _bindings_of(vhost: VHost) -> Iterator[Json]:
    for exchange in list(vhost.exchanges.values()):
        for binding in exchange.bindings():
            if _is_kept(vhost, binding):
                yield _binding(binding)


def _is_kept(vhost: VHost, binding: Binding) -> bool:
    """Not one of an exclusive queue, which is not exported either."""
    destination = binding.destination
    if not destination.is_exchange:
        queue = vhost.queues.get(destination.name)
        if queue is None or queue.owner_id != 0:
            return False
    return _is_text(binding.source.name) and _is_text(destination.name) and _is_text(binding.key)


def _binding(binding: Binding) -> Json:
    return {
        "source": shown(binding.source.name),
        "vhost": binding.source.vhost_name,
        "destination": shown(binding.destination.name),
        "destination_type": "exchange" if binding.destination.is_exchange else "queue",
        "routing_key": shown(binding.key),
        "arguments": json_table(binding.arguments),
    }


def _is_text(name: bytes) -> bool:
    """JSON has no octets: what is not UTF-8 would come back under another name."""
    try:
        name.decode()
    except UnicodeDecodeError:
        LOG.warning("a name that is not UTF-8 cannot be exported", extra={"name_shown": shown(name)})
        return False
    return True


def _without_vhost(row: Json) -> Json:
    return {key: value for key, value in row.items() if key != "vhost"}


async def _encoded(head: Json, sections: dict[str, Iterator[Json]]) -> bytes:
    """``head`` and the sections as one object, made in slices between which the broker has its turn."""
    parts = [msgspec.json.encode(head)[:-1]]
    for name, rows in sections.items():
        pieces: list[bytes] = []
        while some := list(islice(rows, SLICE)):
            pieces.append(msgspec.json.encode(some)[1:-1])
            await asyncio.sleep(0)
        parts.append(b',"' + name.encode() + b'":[' + b",".join(pieces) + b"]")
    return b"".join(parts) + b"}"
