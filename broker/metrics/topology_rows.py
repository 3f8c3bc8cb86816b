"""What is told of each vhost and each exchange: RabbitMQ's families of the whole cluster."""

from typing import Final

from broker.metrics.families import Row, escaped
from broker.metrics.text import shown
from broker.routing.exchange import Exchange
from broker.vhost.vhost import VHost

VHOST_STATUS: Final = "vhost_status"
EXCHANGE_BINDINGS: Final = "exchange_bindings"
EXCHANGE_NAMES: Final = "exchange_names"

VHOST_ROW: Final = Row[VHost](
    VHOST_STATUS, "gauge", "cluster_vhost_status", "Whether a given vhost is running", lambda _: 1
)
EXCHANGE_ROWS: Final[list[Row[Exchange]]] = [
    Row(
        EXCHANGE_BINDINGS,
        "gauge",
        "cluster_exchange_bindings",
        "Number of bindings for an exchange",
        lambda exchange: exchange.binding_count,
    ),
    Row(
        EXCHANGE_NAMES,
        "gauge",
        "cluster_exchange_name",
        "Enumerates exchanges without any additional info",
        lambda _: 1,
    ),
]

EXCHANGE_COUNTS: Final = "exchange_metrics"
# Under RabbitMQ's name what clients published to an exchange; under one of ours the places in queues found for that.
PUBLISHED_ROW: Final = Row[Exchange](
    EXCHANGE_COUNTS,
    "counter",
    "exchange_messages_published",
    "Total number of messages published into an exchange",
    lambda exchange: exchange.published_in,
)
ROUTED_ROW: Final = Row[Exchange](
    EXCHANGE_COUNTS,
    "counter",
    "exchange_messages_routed",
    "Total number of places in queues that were found for messages published into an exchange",
    lambda exchange: exchange.published_out,
)


def exchange_count_labels(exchange: Exchange) -> str:
    """The labels of the counters of one exchange."""
    return f'{{vhost="{escaped(exchange.vhost_name)}",exchange="{escaped(shown(exchange.name))}"}}'


def vhost_labels(vhost: VHost) -> str:
    """The labels of one vhost's rows."""
    return f'{{vhost="{escaped(vhost.name)}"}}'


def exchange_labels(exchange: Exchange) -> str:
    """The labels of one exchange's rows."""
    kind = escaped(shown(exchange.kind))
    return f'{{vhost="{escaped(exchange.vhost_name)}",exchange="{escaped(shown(exchange.name))}",type="{kind}"}}'
