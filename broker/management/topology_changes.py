"""Queues and exchanges: the paths that change them, each by AMQP's own methods."""

from typing import Final

from msgspec import Struct

from broker.management.answers import CREATED, DONE, Answer
from broker.management.call import Call
from broker.management.json_values import table_of
from broker.management.refusals import bad_request, not_found
from broker.management.request_body import require
from broker.management.routes import ADMINISTRATOR, Parameter, Route
from broker.management.session import session, short, table
from broker.management.topology_views import exchange_named
from broker.protocol.names import stripped
from broker.wire.methods import EXCHANGE_DECLARE, EXCHANGE_DELETE, QUEUE_DECLARE, QUEUE_DELETE, QUEUE_PURGE

TICKET: Final = b"\x00\x00"  # of 0-9-1's predecessors; reserved

IF_UNUSED: Final = Parameter("if-unused", "Only if nothing uses it.", "boolean")
IF_EMPTY: Final = Parameter("if-empty", "Only if it holds no message that is ready.", "boolean")

# RabbitMQ's tools write an empty object as an empty list.
Arguments = dict[str, object] | list[object] | None


class QueueBody(Struct):
    """What ``PUT /queues`` is given. ``type`` is the argument x-queue-type, unless that is there."""

    durable: bool = False
    auto_delete: bool = False
    arguments: Arguments = None
    type: str | None = None


class ExchangeBody(Struct):
    """What ``PUT /exchanges`` is given."""

    type: str = "direct"
    durable: bool = False
    auto_delete: bool = False
    internal: bool = False
    arguments: Arguments = None


class ActionBody(Struct):
    """What ``POST /queues/.../actions`` is given."""

    action: str


def put_queue(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Declare a queue; one that is there must be as described."""
    vhost = call.vhost(vhost_name)
    body = call.body_as(QueueBody)
    arguments = table_of(body.arguments, "arguments")
    if body.type is not None and b"x-queue-type" not in arguments:
        arguments |= table_of({"x-queue-type": body.type}, "type")
    bits = (2 if body.durable else 0) | (8 if body.auto_delete else 0)
    answer = DONE if stripped(name) in vhost.queues else CREATED
    with session(call, vhost) as amqp:
        amqp.ask(QUEUE_DECLARE, TICKET + short("queue", name) + bytes([bits]) + table(arguments))
    return answer


def delete_queue(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Delete a queue with its messages and bindings."""
    vhost = call.vhost(vhost_name)
    if name not in vhost.queues:
        raise not_found()
    bits = (1 if call.flag("if-unused") else 0) | (2 if call.flag("if-empty") else 0)
    with session(call, vhost) as amqp:
        amqp.ask(QUEUE_DELETE, TICKET + short("queue", name) + bytes([bits]))
    return DONE


def purge_queue(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Drop every message of a queue that is ready."""
    vhost = call.vhost(vhost_name)
    if name not in vhost.queues:
        raise not_found()
    with session(call, vhost) as amqp:
        amqp.ask(QUEUE_PURGE, TICKET + short("queue", name) + b"\x00")
    return DONE


def act_on_queue(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Refuse every action: those that RabbitMQ had were of mirrored queues."""
    if name not in call.vhost(vhost_name).queues:
        raise not_found()
    require(call.document(), "action")
    raise bad_request(f"unknown action '{call.body_as(ActionBody).action}'")


def put_exchange(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Declare an exchange; one that is there must be as described."""
    vhost = call.vhost(vhost_name)
    body = call.body_as(ExchangeBody)
    name = exchange_named(name)
    bits = (2 if body.durable else 0) | (4 if body.auto_delete else 0) | (8 if body.internal else 0)
    arguments = table(table_of(body.arguments, "arguments"))
    answer = DONE if stripped(name) in vhost.exchanges else CREATED
    with session(call, vhost) as amqp:
        kind = short("type", body.type.encode())
        amqp.ask(EXCHANGE_DECLARE, TICKET + short("exchange", name) + kind + bytes([bits]) + arguments)
    return answer


def delete_exchange(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Delete an exchange with its bindings."""
    vhost = call.vhost(vhost_name)
    name = exchange_named(name)
    if name not in vhost.exchanges:
        raise not_found()
    with session(call, vhost) as amqp:
        amqp.ask(EXCHANGE_DELETE, TICKET + short("exchange", name) + (b"\x01" if call.flag("if-unused") else b"\x00"))
    return DONE


ROUTES: Final = (
    Route("PUT", "/queues/{vhost}/{queue}", put_queue, body=QueueBody, statuses=[201, 204]),
    Route("DELETE", "/queues/{vhost}/{queue}", delete_queue, query=[IF_UNUSED, IF_EMPTY], statuses=[204]),
    Route("DELETE", "/queues/{vhost}/{queue}/contents", purge_queue, statuses=[204], refusals=[400]),
    Route("POST", "/queues/{vhost}/{queue}/actions", act_on_queue, ADMINISTRATOR, body=ActionBody, statuses=[]),
    Route("PUT", "/exchanges/{vhost}/{exchange}", put_exchange, body=ExchangeBody, statuses=[201, 204]),
    Route("DELETE", "/exchanges/{vhost}/{exchange}", delete_exchange, query=[IF_UNUSED], statuses=[204]),
)
