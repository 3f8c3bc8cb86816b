"""An open port, as lists name it."""

from collections.abc import Iterable

from msgspec import Struct


class Listener(Struct, frozen=True):
    """A port this broker listens on.

    Attributes:
        protocol: RabbitMQ's word: ``amqp``, ``http``, ``http/prometheus``; with TLS ``amqp/ssl``, ``https``,
            ``https/prometheus``.
        ip_address: As bound.
        port: As bound; a number, never 0.
        is_tls: Whether it speaks TLS.
        certificates: PEM files with the certificates that it shows.
    """

    protocol: str
    ip_address: str
    port: int
    is_tls: bool = False
    certificates: tuple[str, ...] = ()


def addresses(listeners: Iterable[Listener]) -> str:
    """``127.0.0.1:5672, 127.0.0.1:5671 (TLS)``: for the log."""
    return ", ".join(f"{each.ip_address}:{each.port}{' (TLS)' if each.is_tls else ''}" for each in listeners)
