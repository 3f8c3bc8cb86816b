"""Refusals of the HTTP API: RabbitMQ's status codes and bodies."""

import msgspec

REALM = 'Basic realm="RabbitMQ Management"'


class Refusal(Exception):  # noqa: N818 - the client's mistake, nobody's error here
    """Ends the handling of a request.

    Attributes:
        status: HTTP status.
        body: JSON, or nothing.
        headers: Further headers.
    """

    def __init__(
        self, status: int, error: str, reason: str, *, headers: dict[str, str] | None = None, body: bytes = b""
    ) -> None:
        """Refuse.

        Args:
            status: HTTP status.
            error: RabbitMQ's word for the kind; empty for ``body`` as it is.
            reason: A sentence, or RabbitMQ's word.
            headers: Further headers.
            body: The whole body where it has another shape.
        """
        super().__init__(reason)
        self.status = status
        self.headers = headers or {}
        self.body = msgspec.json.encode({"error": error, "reason": reason}) if error else body


def not_found() -> Refusal:
    """No such path, or no such object."""
    return Refusal(404, "Object Not Found", "Not Found")


def bad_request(reason: str) -> Refusal:
    """The request cannot be understood."""
    return Refusal(400, "bad_request", reason)


def not_authorised(reason: str) -> Refusal:
    """Known, but may not. RabbitMQ says 401 and not 403, and spells it so."""
    return Refusal(401, "not_authorised", reason)
