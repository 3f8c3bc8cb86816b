"""What a path of the API answers with."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

JSON: Final = "application/json"


class Answer(Struct, frozen=True):
    """The answer to one request.

    Attributes:
        status: HTTP status.
        body: Empty, or octets of ``content_type``.
        parts: The same in pieces, where it may be long; ``body`` is empty then.
        content_type: What the body is.
        headers: Further headers.
    """

    status: int = 200
    body: bytes = b""
    parts: Sequence[bytes] = ()
    content_type: str = JSON
    headers: dict[str, str] = {}


CREATED: Final = Answer(201)
DONE: Final = Answer(204)


def as_json(value: object) -> Answer:
    """An answer that says ``value``."""
    return Answer(body=msgspec.json.encode(value))
