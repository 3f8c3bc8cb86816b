"""The section ``listeners``."""

from typing import Annotated

from msgspec import Struct

from broker.settings.meaning import between, means
from broker.settings.tls import TlsSettings


class ListenerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One port beside the plain one of its kind."""

    port: Annotated[int, between(0, 65535, "The port. 0 for any free one.")] = 0
    bind: Annotated[str, means("The address that it listens on; empty for that of the setting bind.")] = ""
    proxy_protocol: Annotated[
        bool,
        means(
            "Every connection begins with a PROXY protocol header, version 1 or 2, whose address is believed. "
            "Only for a port that nobody but the proxy can reach."
        ),
    ] = False
    tls: TlsSettings = TlsSettings()


Listeners = tuple[ListenerSettings, ...]


class ListenersSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Further ports: with TLS, behind a proxy, or on other addresses."""

    amqp: Annotated[Listeners, means("AMQP ports beside that of the setting port.", max_length=100)] = ()
    http: Annotated[Listeners, means("HTTP API ports beside http_port.", max_length=100)] = ()
    metrics: Annotated[Listeners, means("Metrics ports beside metrics_port.", max_length=100)] = ()
