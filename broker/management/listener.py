"""An open port, as lists name it."""

from msgspec import Struct


class Listener(Struct, frozen=True):
    """A port this broker listens on.

    Attributes:
        protocol: RabbitMQ's word: ``amqp``, ``http``, ``http/prometheus``.
        ip_address: As bound.
        port: As bound; a number, never 0.
        is_tls: Whether it speaks TLS.
    """

    protocol: str
    ip_address: str
    port: int
    is_tls: bool = False
