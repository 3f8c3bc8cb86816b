"""SASL mechanisms: what a ``connection.start-ok`` response says. AMQP 0-9-1 §1.4.2.3, RFC 4616."""

from typing import Final, final

from broker.core.arguments import octets
from broker.core.errors import HardError
from broker.wire.tables import decode_table

MECHANISMS: Final = b"PLAIN AMQPLAIN"
ANONYMOUS: Final = b"ANONYMOUS"  # offered only if it is switched on; its response is ignored


@final
class Credentials:
    """A login and a password as they arrived."""

    def __init__(self, name: bytes, password: bytes) -> None:
        self.name: Final = name
        self.password: Final = password


def read_response(mechanism: bytes, response: bytes) -> Credentials | None:
    """What ``response`` says under ``mechanism``; None for an unknown mechanism or a malformed response."""
    if mechanism == b"PLAIN":
        return _plain(response)
    if mechanism == b"AMQPLAIN":
        return _amqplain(response)
    return None


def _plain(response: bytes) -> Credentials | None:
    # RabbitMQ takes no authorisation identity before the first NUL.
    parts = response.split(b"\x00")
    if len(parts) != 3 or parts[0]:
        return None
    return Credentials(parts[1], parts[2])


def _amqplain(response: bytes) -> Credentials | None:
    # A field table without its length; RabbitMQ's own mechanism.
    try:
        fields = decode_table(response, 0, len(response))
    except HardError:
        return None
    login = fields.get(b"LOGIN")
    password = fields.get(b"PASSWORD")
    if login is None or password is None:
        return None
    if login.kind == "S" and password.kind == "S":
        return Credentials(octets(login), octets(password))
    return Credentials(b"", b"")  # well-formed, and nobody: RabbitMQ refuses it as it refuses a wrong password
