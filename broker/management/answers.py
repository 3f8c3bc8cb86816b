"""What a path of the API answers with."""

from typing import Final

import msgspec
from msgspec import Struct

JSON: Final = "application/json"


class Answer(Struct, frozen=True):
    """The answer to one request.

    Attributes:
        status: HTTP status.
        body: Empty, or octets of ``content_type``.
        content_type: What the body is.
        headers: Further headers.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: dict[str, str] = {}


CREATED: Final = Answer(201)
DONE: Final = Answer(204)


def as_json(value: object) -> Answer:
    """An answer that says ``value``."""
    return Answer(body=msgspec.json.encode(value))
