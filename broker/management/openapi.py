"""The OpenAPI 3.1 document of the API, made from its table of routes."""

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec

from broker.management.answers import JSON, Answer
from broker.management.call import Call
from broker.management.json_values import Json
from broker.management.routes import ADMINISTRATOR, ANYBODY, Parameter, Route

_NO_WORD: Final = re.compile(r"\W+")
_SCHEMAS: Final = "#/components/schemas/"
_REFUSAL: Final = "Refusal"
_NAMES: Final = {
    "vhost": "The vhost's name; the default one is `%2F`.",
    "exchange": "The exchange's name; the default one is `amq.default`.",
    "source": "The source exchange's name; the default one is `amq.default`.",
    "props": "The binding's `properties_key`, quoted once more.",
}


class ApiReference:
    """Describes routes, and itself.

    Attributes:
        routes: Those that were given, and the one that the document is at.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes: Final = (*routes, Route("GET", "/openapi.json", self.document, ANYBODY))
        self._document: Answer | None = None

    def document(self, call: Call) -> Answer:
        """This document."""
        # Made once: it takes 20 ms, and anybody may ask for it as often as they like.
        if self._document is None:
            self._document = Answer(body=msgspec.json.encode(openapi(self.routes, call.facts.node.product_version)))
        return self._document


def openapi(routes: Sequence[Route], version: str) -> Json:
    """The document.

    Args:
        routes: What to describe.
        version: The broker's.
    """
    bodies = list(dict.fromkeys(route.body for route in routes if route.body is not None))
    _, schemas = msgspec.json.schema_components(bodies, schema_hook=_anything, ref_template=_SCHEMAS + "{name}")
    schemas[_REFUSAL] = {
        "type": "object",
        "properties": {"error": {"type": "string"}, "reason": {"type": "string"}},
        "required": ["error", "reason"],
    }
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "PonyMQ HTTP API",
            "version": version,
            "description": "RabbitMQ's management API. Names in paths are percent-encoded, slashes too.",
        },
        "servers": [{"url": "/api"}],
        "security": [{"basic": []}],
        "paths": paths,
        "components": {"schemas": schemas, "securitySchemes": {"basic": {"type": "http", "scheme": "basic"}}},
    }


def _anything(kind: type) -> Json:
    """Any value of JSON, where a body holds what AMQP or a policy has to make sense of."""
    assert kind is object
    return {"description": "any value"}


def _operation(route: Route) -> Json:
    summary, explained = route.about
    for_whom = "For administrators." if route.who == ADMINISTRATOR else ""
    operation: Json = {
        "operationId": _NO_WORD.sub("_", route.method.lower() + route.path).rstrip("_"),
        "tags": [route.path.split("/")[1]],
        "summary": summary,
        "description": " ".join(each for each in (explained, for_whom) if each),
        "parameters": [*map(_segment, route.names), *map(_parameter, route.query)],
        "responses": _responses(route),
    }
    if route.who == ANYBODY:
        operation["security"] = []
    if route.body is not None:
        schema = {"$ref": _SCHEMAS + route.body.__name__}
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema}}}
    return operation


def _segment(name: str) -> Json:
    segment: Json = {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    if name in _NAMES:
        segment["description"] = _NAMES[name]
    return segment


def _parameter(parameter: Parameter) -> Json:
    schema: Json = {"type": parameter.kind}
    if parameter.least is not None:
        schema["minimum"] = parameter.least
    if parameter.most is not None:
        schema["maximum"] = parameter.most
    return {"name": parameter.name, "in": parameter.place, "description": parameter.about, "schema": schema}


def _responses(route: Route) -> Json:
    refusals = set(route.refusals)
    if route.who != ANYBODY:
        refusals.add(401)
    if route.names:
        refusals.add(404)
    if route.query or route.method != "GET":
        refusals.add(400)
    if route.body is not None:
        refusals.add(413)
    responses: Json = {}
    for status in route.statuses:
        responses[str(status)] = _response(status, {} if status == HTTPStatus.OK else None, route.content_type)
    for status in sorted(refusals):
        # A 401 that asks for a login, and a body that is too long, say nothing in JSON; a check that fails says more.
        schema: Json | None = {"$ref": _SCHEMAS + _REFUSAL} if status not in {401, 413, 503} else None
        responses[str(status)] = _response(status, schema)
    return responses


def _response(status: int, schema: Json | None, content_type: str = JSON) -> Json:
    response: Json = {"description": HTTPStatus(status).phrase}
    if schema is not None:
        response["content"] = {content_type: {"schema": schema}}
    return response
