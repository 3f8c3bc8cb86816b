"""Messages over HTTP, for looking and trying: publish one, get some. AMQP carries them in quantity."""

import asyncio
from typing import Final

from msgspec import Struct

from broker.management.answers import Answer, as_json
from broker.management.call import Call
from broker.management.content import content_header, payload_of, payload_view, properties_view
from broker.management.json_values import Json
from broker.management.refusals import bad_request, not_found
from broker.management.request_body import require
from broker.management.routes import Route
from broker.management.session import AmqpRefused, Session, session, short
from broker.management.topology_changes import TICKET
from broker.management.topology_views import exchange_named
from broker.metrics.text import shown
from broker.wire.arguments import ArgumentReader
from broker.wire.methods import (
    BASIC_ACK,
    BASIC_GET,
    BASIC_GET_OK,
    BASIC_NACK,
    BASIC_REJECT,
    BASIC_RETURN,
    CONFIRM_SELECT,
)
from broker.wire.octets import u64

# In one answer. Payloads are counted as they are, before JSON; a longer one is cut.
MOST_MESSAGES: Final = 1000
MOST_PAYLOAD_BYTES: Final = 16 * 1024 * 1024
SLICE: Final = 50  # messages before the broker gets the loop back

MANDATORY: Final = b"\x01"
ACK_REQUEUE: Final = "ack_requeue_true"
ACK: Final = "ack_requeue_false"
REJECT_REQUEUE: Final = "reject_requeue_true"
REJECT: Final = "reject_requeue_false"


class PublishBody(Struct):
    """What ``POST /exchanges/.../publish`` is given."""

    routing_key: str
    properties: dict[str, object] | list[object]
    payload: str
    payload_encoding: str


class GetBody(Struct):
    """What ``POST /queues/.../get`` is given. Older tools say ``requeue`` instead of ``ackmode``."""

    count: int
    encoding: str
    ackmode: str | None = None
    requeue: bool = True
    truncate: int | None = None


async def publish(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Publish a message: has it been routed? Answered when it is on disk, if it is to be there."""
    vhost = call.vhost(vhost_name)
    require(call.document(), "routing_key", "properties", "payload", "payload_encoding")
    body = call.body_as(PublishBody)
    payload = payload_of(body.payload, body.payload_encoding)
    if isinstance(body.properties, list) and body.properties:
        raise bad_request("properties is not an object")
    properties = {} if isinstance(body.properties, list) else body.properties
    header = content_header(properties, len(payload))
    exchange, key = short("exchange", exchange_named(name)), short("routing_key", body.routing_key.encode())
    with session(call, vhost) as amqp:
        amqp.ask(CONFIRM_SELECT, b"\x00")
        amqp.publish(TICKET + exchange + key + MANDATORY, header, payload)
        try:
            is_routed = await _confirmed(amqp)
        except AmqpRefused as refused:
            # RabbitMQ's form, whatever the code.
            raise bad_request(f"{refused.reply_code} {refused.reply_text}") from refused
    return as_json({"routed": is_routed})


async def _confirmed(amqp: Session) -> bool:
    """Wait for the confirm. A return comes before it: the message had nowhere to go."""
    is_routed = True
    while True:
        for said in await amqp.wait():
            if said.method == BASIC_RETURN:
                is_routed = False
            elif said.method == BASIC_ACK:
                return is_routed
            elif said.method == BASIC_NACK:
                raise bad_request("rejected Unable to publish message. Check queue limits.")


async def get(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Get messages. What is to be requeued goes back when all have been fetched."""
    vhost = call.vhost(vhost_name)
    document = call.document()
    require(document, "count", "encoding", *([] if "requeue" in document else ["ackmode"]))
    body = call.body_as(GetBody)
    mode = body.ackmode or (ACK_REQUEUE if body.requeue else ACK)
    if mode not in {ACK_REQUEUE, ACK, REJECT_REQUEUE, REJECT}:
        raise bad_request(f"unknown ackmode '{mode}'")
    if body.encoding not in {"auto", "base64"}:
        raise bad_request("Unsupported encoding. Please use auto or base64.")
    if body.count < 0 or (body.truncate is not None and body.truncate < 0):
        raise bad_request("count and truncate are not negative")
    if name not in vhost.queues:
        raise not_found()
    with session(call, vhost) as amqp:
        rows = await _fetched(amqp, name, body, no_ack=mode == ACK)
        _settle(amqp, mode, len(rows))
    return as_json(rows)


async def _fetched(amqp: Session, name: bytes, body: GetBody, *, no_ack: bool) -> list[Json]:
    rows: list[Json] = []
    left = MOST_PAYLOAD_BYTES
    arguments = TICKET + short("queue", name) + (b"\x01" if no_ack else b"\x00")
    while len(rows) < min(body.count, MOST_MESSAGES) and left > 0:
        said = amqp.ask(BASIC_GET, arguments)[0]
        if said.method != BASIC_GET_OK:
            break
        shown_bytes = left if body.truncate is None else min(left, body.truncate)
        payload = said.body[:shown_bytes]
        left -= len(payload)
        reader = ArgumentReader(said.arguments)
        reader.longlong()
        rows.append(
            {
                "payload_bytes": len(said.body),
                "redelivered": reader.octet() != 0,
                "exchange": shown(reader.short_octets()),
                "routing_key": shown(reader.short_octets()),
                "message_count": reader.long(),
                "properties": properties_view(said.header),
                **payload_view(payload, as_base64=body.encoding == "base64"),
            }
        )
        if len(rows) % SLICE == 0:
            await asyncio.sleep(0)
    return rows


def _settle(amqp: Session, mode: str, count: int) -> None:
    """Give back what was fetched. A reject counts as a failure where the queue counts those, a nack does not."""
    if mode == REJECT_REQUEUE:
        for tag in range(1, count + 1):
            amqp.ask(BASIC_REJECT, u64(tag) + b"\x01")
    elif mode != ACK and count:
        requeue = 2 if mode == ACK_REQUEUE else 0
        amqp.ask(BASIC_NACK, u64(0) + bytes([1 | requeue]))


ROUTES: Final = (
    Route("POST", "/exchanges/{vhost}/{exchange}/publish", publish, body=PublishBody),
    Route("POST", "/queues/{vhost}/{queue}/get", get, body=GetBody),
)
