"""Definitions over HTTP. For administrators only: they hold the password hashes, and change everything."""

import email
import email.policy
from email.message import EmailMessage
from typing import Final

from msgspec import Struct

from broker.management.answers import DONE, Answer
from broker.management.call import Call
from broker.management.definitions_export import export_definitions, export_vhost
from broker.management.definitions_import import import_definitions
from broker.management.refusals import Refusal, bad_request
from broker.management.routes import ADMINISTRATOR, Parameter, Route
from broker.metrics.text import shown
from broker.vhost.vhost import VHost

DOWNLOAD: Final = (Parameter("download", "Name of the file that a browser stores the answer in."),)
LONGEST_FILE_NAME: Final = 255


class VHostDefinitions(Struct):
    """What ``POST /definitions/{vhost}`` is given: as itself, or as the part ``file`` of a form."""

    parameters: list[dict[str, object]] = []
    policies: list[dict[str, object]] = []
    queues: list[dict[str, object]] = []
    exchanges: list[dict[str, object]] = []
    bindings: list[dict[str, object]] = []


class Definitions(VHostDefinitions):
    """What ``POST /definitions`` is given: as itself, or as the part ``file`` of a form."""

    users: list[dict[str, object]] = []
    vhosts: list[dict[str, object]] = []
    permissions: list[dict[str, object]] = []
    topic_permissions: list[dict[str, object]] = []
    global_parameters: list[dict[str, object]] = []


async def get_definitions(call: Call) -> Answer:
    """Everything but messages as one document.

    Users with their password hashes, vhosts, permissions, policies, parameters, queues, exchanges, bindings. It can be
    imported into another broker, PonyMQ or RabbitMQ.
    """
    return _document(call, await export_definitions(call.facts))


async def post_definitions(call: Call) -> Answer:
    """Merge a document into the broker.

    Nothing is deleted; queues and exchanges that exist stay as they are; the rest is overwritten. The whole document is
    checked before anything changes.
    """
    await import_definitions(call.facts, call.viewer.name, _uploaded(call))
    return DONE


async def get_vhost_definitions(call: Call, vhost: bytes) -> Answer:
    """The policies, parameters and topology of a vhost as one document."""
    return _document(call, await export_vhost(call.facts, _vhost(call, vhost)))


async def post_vhost_definitions(call: Call, vhost: bytes) -> Answer:
    """Merge a document into one vhost, whichever it was exported from."""
    await import_definitions(call.facts, call.viewer.name, _uploaded(call), _vhost(call, vhost).name)
    return DONE


def _vhost(call: Call, name: bytes) -> VHost:
    vhost = call.facts.context.turn.vhosts.get(shown(name))
    if vhost is None:
        raise Refusal(404, "not_found", "vhost_not_found")
    return vhost


def _document(call: Call, octets: bytes) -> Answer:
    """The document, as a file if that was asked for."""
    name = call.query.get("download", "")
    if not name:
        return Answer(body=octets)
    if not name.isprintable() or not name.isascii() or len(name) > LONGEST_FILE_NAME or set(name) & set('"\\/'):
        raise bad_request("the name of the file has letters that no header can hold")
    return Answer(body=octets, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _uploaded(call: Call) -> bytes:
    """The document in a request: the body, or the part ``file`` of a form."""
    kind = call.headers.get("Content-Type", "")
    if not kind.lower().startswith("multipart/form-data"):
        return call.octets
    head = f"Content-Type: {kind}\r\n\r\n".encode("latin-1", "replace")
    form = email.message_from_bytes(head + call.octets, EmailMessage, policy=email.policy.HTTP)
    for part in form.iter_parts():
        if part.get_param("name", header="content-disposition") == "file":
            octets = part.get_payload(decode=True)
            return octets if isinstance(octets, bytes) else b""
    raise bad_request("the form has no part 'file'")


ROUTES: Final = (
    Route("GET", "/definitions", get_definitions, ADMINISTRATOR, query=DOWNLOAD),
    Route("POST", "/definitions", post_definitions, ADMINISTRATOR, body=Definitions, statuses=[204], refusals=[503]),
    Route("GET", "/definitions/{vhost}", get_vhost_definitions, ADMINISTRATOR, query=DOWNLOAD),
    Route(
        "POST",
        "/definitions/{vhost}",
        post_vhost_definitions,
        ADMINISTRATOR,
        body=VHostDefinitions,
        statuses=[204],
        refusals=[503],
    ),
    Route("GET", "/all-configuration", get_definitions, ADMINISTRATOR, query=DOWNLOAD),
    Route(
        "POST", "/all-configuration", post_definitions, ADMINISTRATOR, body=Definitions, statuses=[204], refusals=[503]
    ),
)
