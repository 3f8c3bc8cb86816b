"""The JSON in a request, read as leniently as RabbitMQ's tools need."""

from typing import TypeVar, cast

import msgspec

from broker.management.json_values import Json
from broker.management.refusals import bad_request

T = TypeVar("T")

_NOTHING = frozenset({b"", b"null", b"undefined"})


def body_object(octets: bytes) -> Json:
    """The JSON object in a request. Nothing at all is an empty one.

    Raises:
        Refusal: 400, in RabbitMQ's words.
    """
    if octets.strip() in _NOTHING:
        return {}
    try:
        value = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise bad_request("not_json") from None
    if isinstance(value, str):
        reason = "the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?"
        raise bad_request(f"invalid payload: {reason}")
    if not isinstance(value, dict):
        raise bad_request("not_json")
    return cast("Json", value)


def require(document: Json, *keys: str) -> None:
    """There must be all of these keys.

    Raises:
        Refusal: 400, naming those that are missing.
    """
    missing = [f"{{key_missing,{key}}}" for key in keys if key not in document]
    if missing:
        raise bad_request(f"[{','.join(missing)}]")


def body_as(octets: bytes, kind: type[T]) -> T:
    """The request's object as a struct. Unknown keys are ignored, ``"true"`` is true.

    Raises:
        Refusal: 400, not JSON, or not of that shape. No value of the body is repeated: it may be a password.
    """
    try:
        return msgspec.convert(body_object(octets), kind, strict=False)
    except msgspec.ValidationError as error:
        raise bad_request(str(error)) from None
