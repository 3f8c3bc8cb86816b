"""The section ``amqp``."""

from typing import Annotated

from msgspec import Struct

from broker.settings.meaning import above, between, means


class AmqpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the AMQP port offers its clients, and what it bears from them."""

    heartbeat_s: Annotated[
        int, between(0, 65535, "Heartbeat interval proposed to clients; they may ask for less. 0 for none.")
    ] = 60
    frame_max: Annotated[int, between(4096, 16_777_216, "Largest frame, in octets, that a client may negotiate.")] = (
        131_072
    )
    handshake_frame_max: Annotated[
        int, between(4096, 1_048_576, "Largest frame, in octets, before the client has logged in.")
    ] = 8192
    channel_max: Annotated[int, between(1, 65535, "Highest channel number that a client may negotiate.")] = 2047
    handshake_timeout_s: Annotated[
        float, above(0, 3600, "From the accepted socket, TLS included, to connection.open; then closed.")
    ] = 10.0
    max_message_bytes: Annotated[int, between(1, 536_870_912, "Largest body of one message.")] = 16_777_216
    max_connections: Annotated[
        int, between(0, 10_000_000, "Connections at one time; 0 for as many as the system has files.")
    ] = 0
    max_connection_rate: Annotated[
        int,
        between(
            0,
            1_000_000,
            "Connections per second from one address, on an average of ten seconds; those above are closed at "
            "once. 0 for no limit.",
        ),
    ] = 1000
    max_consumers_per_channel: Annotated[int, between(0, 10_000_000, "Consumers on one channel; 0 for no limit.")] = 0
    max_unacked_per_channel: Annotated[
        int,
        between(
            0,
            1_000_000_000,
            "Deliveries that are out on one channel and not acknowledged; there are no more until some are. "
            "0 for no limit.",
        ),
    ] = 10_000_000
    max_table_depth: Annotated[
        int, between(2, 32, "How deep the tables in arguments and message headers may be nested.")
    ] = 32
    max_table_entries: Annotated[int, between(16, 32_768, "Values in one such table, nested ones included.")] = 32_768
    blocked_grace_s: Annotated[
        float,
        between(
            0,
            3600,
            "Under a memory or disk alarm, how long messages of publishers without confirms are still taken; "
            "then their connections are closed with 320. Publishers with confirms get basic.nack at once.",
        ),
    ] = 10.0
    consumer_timeout_s: Annotated[
        float,
        between(
            0,
            315_360_000,
            "How long a delivery may wait for its acknowledgement; then its channel is closed with 406. 0 for "
            "ever. The argument x-consumer-timeout of a consumer or a queue counts before it.",
        ),
    ] = 0.0
    product: Annotated[
        str,
        means("The product named to clients. Some clients insist that it is RabbitMQ.", min_length=1, max_length=255),
    ] = "RabbitMQ"
    version: Annotated[
        str,
        means(
            "The version named to clients. Kombu and Celery choose their prefetch mode by it.",
            pattern=r"^\d+\.\d+\.\d+([+~-].*)?$",
            max_length=255,
        ),
    ] = "4.1.0"
    py_amqp_qos: Annotated[
        bool,
        means(
            "basic.qos(global=false) from py-amqp also changes running consumers, "
            "without which Celery workers with ETA tasks starve."
        ),
    ] = True
