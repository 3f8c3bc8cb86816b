"""Every setting: its name, its default, its limits and its meaning.

The units are in the names: ``_s`` seconds, ``_bytes`` octets. ``config/ponymq.toml`` is written from this module.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

OFF: Final = -1
"""The value of a port that is not to be opened; written ``"off"`` in the file, the environment and the flags."""

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["text", "json", "auto"]
Interception = Literal["off", "keep", "overwrite"]


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged, and how a line looks."""

    level: Annotated[LogLevel, Meta(description="The least important event that is still logged.")] = "info"
    format: Annotated[
        LogFormat,
        Meta(description="One readable line per event, one JSON object per line, or text on a terminal and JSON else."),
    ] = "text"


class AmqpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the AMQP port offers its clients, and what it bears from them."""

    heartbeat_s: Annotated[
        int,
        Meta(ge=0, le=65535, description="Heartbeat interval proposed to clients; they may ask for less. 0 for none."),
    ] = 60
    frame_max: Annotated[
        int, Meta(ge=4096, le=16_777_216, description="Largest frame, in octets, that a client may negotiate.")
    ] = 131_072
    channel_max: Annotated[
        int, Meta(ge=1, le=65535, description="Highest channel number that a client may negotiate.")
    ] = 2047
    handshake_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="From the accepted socket to connection.open; then it is closed.")
    ] = 10.0
    max_message_bytes: Annotated[int, Meta(ge=1, le=536_870_912, description="Largest body of one message.")] = (
        16_777_216
    )
    max_connections: Annotated[
        int, Meta(ge=0, le=10_000_000, description="Connections at one time; 0 for as many as the system has files.")
    ] = 0
    max_consumers_per_channel: Annotated[
        int, Meta(ge=0, le=10_000_000, description="Consumers on one channel; 0 for no limit.")
    ] = 0
    blocked_grace_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description=(
                "Under a memory or disk alarm, how long messages of publishers without confirms are still taken; "
                "then their connections are closed with 320. Publishers with confirms get basic.nack at once."
            ),
        ),
    ] = 10.0
    consumer_timeout_s: Annotated[
        float,
        Meta(
            ge=0,
            le=315_360_000,
            description=(
                "How long a delivery may wait for its acknowledgement; then its channel is closed with 406. 0 for "
                "ever. The argument x-consumer-timeout of a consumer or a queue counts before it."
            ),
        ),
    ] = 0.0
    product: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=255,
            description="The product named to clients. Some clients insist that it is RabbitMQ.",
        ),
    ] = "RabbitMQ"
    version: Annotated[
        str,
        Meta(
            pattern=r"^\d+\.\d+\.\d+([+~-].*)?$",
            max_length=255,
            description="The version named to clients. Kombu and Celery choose their prefetch mode by it.",
        ),
    ] = "4.1.0"
    py_amqp_qos: Annotated[
        bool,
        Meta(
            description=(
                "basic.qos(global=false) from py-amqp also changes running consumers, "
                "without which Celery workers with ETA tasks starve."
            )
        ),
    ] = True


class LimitSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """When publishers are refused to protect the machine. Consumers go on."""

    memory_high_watermark: Annotated[
        float,
        Meta(
            ge=0,
            le=1e13,
            description=(
                "Memory of the process above which publishers are refused: up to 1 as a share of the machine's memory "
                "(or the container's), above 1 in octets. 0 refuses always."
            ),
        ),
    ] = 0.6
    disk_free_limit_bytes: Annotated[
        int,
        Meta(
            ge=0,
            le=1_152_921_504_606_846_976,
            description=(
                "Free disk under which publishers are refused. 0 for the largest of 1 GiB, 5 % of the disk and three "
                "segments, but at most 10 % of the disk."
            ),
        ),
    ] = 0


class InterceptorSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is added to the headers of every message that comes in. RabbitMQ's message interceptors."""

    set_header_timestamp: Annotated[
        Interception,
        Meta(
            description=(
                "The time, as the property timestamp and the header timestamp_in_ms: never, where the publisher has "
                "set none, or in any case."
            )
        ),
    ] = "off"
    set_header_routing_node: Annotated[
        Interception, Meta(description="The name of this node, as the header x-routed-by. Likewise.")
    ] = "off"


class StoreSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The sizes of the log on disk."""

    segment_bytes: Annotated[
        int,
        Meta(ge=65_536, le=1_073_741_824, description="Size at which a segment of the commit log is sealed."),
    ] = 33_554_432
    log_bytes: Annotated[
        int,
        Meta(
            ge=131_072,
            le=1_099_511_627_776,
            description="Size of the commit log over which the messages still wanted move to their queues' own files.",
        ),
    ] = 268_435_456


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of one broker process. Immutable: a change means a restart."""

    data_dir: Annotated[
        str, Meta(min_length=1, description="Where queues and their messages are kept. One process at a time.")
    ] = "./data"
    bind: Annotated[
        str,
        Meta(
            min_length=1,
            description="The address every port listens on; 0.0.0.0 or :: for all of the machine's addresses.",
        ),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="AMQP. 0 for any free port.")] = 5672
    http_port: Annotated[int, Meta(ge=OFF, le=65535, description='HTTP API. 0 for any free port, "off" for none.')] = (
        15672
    )
    metrics_port: Annotated[
        int, Meta(ge=OFF, le=65535, description='Prometheus metrics. 0 for any free port, "off" for none.')
    ] = 15692
    default_user: Annotated[
        str, Meta(min_length=1, max_length=255, description="The administrator, for now the only user.")
    ] = "guest"
    default_pass: Annotated[str, Meta(min_length=1, max_length=1024, description="That user's password.")] = "guest"  # noqa: S105 - RabbitMQ's default, usable from loopback only
    default_vhost: Annotated[
        str, Meta(min_length=1, max_length=255, description="The vhost that exists in any case.")
    ] = "/"
    loopback_users: Annotated[tuple[str, ...], Meta(description="Users that may log in from this machine only.")] = (
        "guest",
    )
    allow_only_guest: Annotated[
        bool, Meta(description="Listen beyond this machine although guest is the only user.")
    ] = False
    cluster_name: Annotated[
        str, Meta(max_length=255, description="Named to clients and in the HTTP API; empty for ponymq@<host name>.")
    ] = ""
    shutdown_grace_s: Annotated[
        float, Meta(ge=0, le=3600, description="How long a stop waits for clients to answer before it hangs up.")
    ] = 2.0
    uvloop: Annotated[bool, Meta(description="Run on uvloop; false for asyncio's own loop, which is slower.")] = True
    log: LogSettings = LogSettings()
    amqp: AmqpSettings = AmqpSettings()
    limits: LimitSettings = LimitSettings()
    interceptors: InterceptorSettings = InterceptorSettings()
    store: StoreSettings = StoreSettings()
