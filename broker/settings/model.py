"""Every setting: its name, its default, its limits and its meaning.

The units are in the names: ``_s`` seconds, ``_bytes`` octets. ``config/ponymq.toml`` is written from this module.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

OFF: Final = -1
"""The value of a port that is not to be opened; written ``"off"`` in the file, the environment and the flags."""

LogLevel = Literal["debug", "info", "warning", "error"]
PasswordAlgorithm = Literal["argon2id", "rabbit_password_hashing_sha256", "rabbit_password_hashing_sha512"]
LogFormat = Literal["text", "json", "auto"]
Interception = Literal["off", "keep", "overwrite"]
TlsVersion = Literal["1.2", "1.3"]
ClientCertificate = Literal["none", "optional", "required"]
LoginFrom = Literal["off", "common_name", "distinguished_name", "subject_alternative_name"]
RatesMode = Literal["none", "basic", "detailed"]
NameKind = Literal["dns", "email", "ip", "uri"]
AuthBackend = Literal["internal", "oauth2", "http"]
HttpMethod = Literal["get", "post"]
TokenAlgorithm = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "HS256",
    "HS384",
    "HS512",
]


class LogSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged, and how a line looks."""

    level: Annotated[LogLevel, Meta(description="The least important event that is still logged.")] = "info"
    format: Annotated[
        LogFormat,
        Meta(description="One readable line per event, one JSON object per line, or text on a terminal and JSON else."),
    ] = "text"


class HostSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Another certificate of one listener, for clients that ask for another name (SNI)."""

    name: Annotated[str, Meta(description="The name that clients ask for: mq.example.org, or *.example.org.")] = ""
    certificate: Annotated[str, Meta(description="As of the listener, for this name.")] = ""
    key: Annotated[str, Meta(description="As of the listener, for this name.")] = ""


class TlsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a listener with TLS shows its clients, and what it asks of them."""

    certificate: Annotated[
        str,
        Meta(
            description="PEM file with the certificate and, behind it, its chain. Without one there is no TLS here.",
        ),
    ] = ""
    key: Annotated[str, Meta(description="PEM file with its private key; empty if it is in the same file.")] = ""
    key_password_file: Annotated[
        str, Meta(description="File whose first line unlocks the key; empty for a key in the clear.")
    ] = ""
    versions: Annotated[tuple[TlsVersion, ...], Meta(min_length=1, description="Versions of TLS that are spoken.")] = (
        "1.2",
        "1.3",
    )
    ciphers: Annotated[
        str,
        Meta(
            description="Ciphers for TLS 1.2 in OpenSSL's notation; empty for Python's choice. Those of 1.3 are fixed.",
        ),
    ] = ""
    client_certificate: Annotated[
        ClientCertificate, Meta(description="Whether clients are asked for a certificate, and refused without one.")
    ] = "none"
    authorities: Annotated[
        str,
        Meta(description="PEM file with the authorities that may sign clients' certificates."),
    ] = ""
    crl_file: Annotated[
        str,
        Meta(
            description=(
                "PEM file with a revocation list of each of these authorities; what is on it is refused. A list that "
                "is missing or out of date refuses every certificate of its authority. Empty to look at none."
            )
        ),
    ] = ""
    login_from: Annotated[
        LoginFrom,
        Meta(description="Offer the mechanism EXTERNAL: the login is this part of the client's certificate."),
    ] = "off"
    login_name_kind: Annotated[
        NameKind,
        Meta(description="Which kind of alternative name is the login; the first of that kind in the certificate."),
    ] = "dns"
    hosts: Annotated[
        tuple[HostSettings, ...],
        Meta(max_length=1000, description="Other certificates, for clients that ask for other names (SNI)."),
    ] = ()


class ListenerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One port beside the plain one of its kind."""

    port: Annotated[int, Meta(ge=0, le=65535, description="The port. 0 for any free one.")] = 0
    bind: Annotated[str, Meta(description="The address that it listens on; empty for that of the setting bind.")] = ""
    proxy_protocol: Annotated[
        bool,
        Meta(
            description=(
                "Every connection begins with a PROXY protocol header, version 1 or 2, whose address is believed. "
                "Only for a port that nobody but the proxy can reach."
            )
        ),
    ] = False
    tls: TlsSettings = TlsSettings()


Listeners = tuple[ListenerSettings, ...]


class ListenersSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Further ports: with TLS, behind a proxy, or on other addresses."""

    amqp: Annotated[Listeners, Meta(max_length=100, description="AMQP ports beside that of the setting port.")] = ()
    http: Annotated[Listeners, Meta(max_length=100, description="HTTP API ports beside http_port.")] = ()
    metrics: Annotated[Listeners, Meta(max_length=100, description="Metrics ports beside metrics_port.")] = ()


class HttpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the HTTP ports bear from their clients."""

    max_body_bytes: Annotated[int, Meta(ge=0, le=1_073_741_824, description="Largest body of one request.")] = (
        16_777_216
    )
    max_headers: Annotated[int, Meta(ge=8, le=32_768, description="Headers of one request.")] = 128
    max_header_bytes: Annotated[
        int, Meta(ge=256, le=1_048_576, description="Size of one header, and of the line that has the path.")
    ] = 8190


class AmqpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What the AMQP port offers its clients, and what it bears from them."""

    heartbeat_s: Annotated[
        int,
        Meta(ge=0, le=65535, description="Heartbeat interval proposed to clients; they may ask for less. 0 for none."),
    ] = 60
    frame_max: Annotated[
        int, Meta(ge=4096, le=16_777_216, description="Largest frame, in octets, that a client may negotiate.")
    ] = 131_072
    handshake_frame_max: Annotated[
        int, Meta(ge=4096, le=1_048_576, description="Largest frame, in octets, before the client has logged in.")
    ] = 8192
    channel_max: Annotated[
        int, Meta(ge=1, le=65535, description="Highest channel number that a client may negotiate.")
    ] = 2047
    handshake_timeout_s: Annotated[
        float,
        Meta(gt=0, le=3600, description="From the accepted socket, TLS included, to connection.open; then closed."),
    ] = 10.0
    max_message_bytes: Annotated[int, Meta(ge=1, le=536_870_912, description="Largest body of one message.")] = (
        16_777_216
    )
    max_connections: Annotated[
        int, Meta(ge=0, le=10_000_000, description="Connections at one time; 0 for as many as the system has files.")
    ] = 0
    max_connection_rate: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description=(
                "Connections per second from one address, on an average of ten seconds; those above are closed at "
                "once. 0 for no limit."
            ),
        ),
    ] = 1000
    max_consumers_per_channel: Annotated[
        int, Meta(ge=0, le=10_000_000, description="Consumers on one channel; 0 for no limit.")
    ] = 0
    max_unacked_per_channel: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000_000,
            description=(
                "Deliveries that are out on one channel and not acknowledged; there are no more until some are. "
                "0 for no limit."
            ),
        ),
    ] = 10_000_000
    max_table_depth: Annotated[
        int, Meta(ge=2, le=32, description="How deep the tables in arguments and message headers may be nested.")
    ] = 32
    max_table_entries: Annotated[
        int, Meta(ge=16, le=32_768, description="Values in one such table, nested ones included.")
    ] = 32_768
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


class ManagementSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the broker is looked after: what the HTTP API tells, and who is let in without a password."""

    rates_mode: Annotated[
        RatesMode,
        Meta(
            description=(
                "Whether counters are read every five seconds, for rates and their past. With none, all rates are "
                "zero. detailed is the same as basic."
            )
        ),
    ] = "basic"
    login_session_timeout_s: Annotated[
        float,
        Meta(ge=60, le=31_536_000, description="Longest login to the web console; an hour without use ends it."),
    ] = 28_800.0
    socket: Annotated[
        str,
        Meta(
            description=(
                "Unix socket that serves the HTTP API without a password to the broker's own user and root, in the "
                "data directory unless the path is absolute. Empty for none."
            )
        ),
    ] = "ponymqctl.sock"


class TokenKeySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One key that tokens may be signed with."""

    kid: Annotated[str, Meta(min_length=1, max_length=255, description="Its name in the header of tokens.")] = "key"
    file: Annotated[
        str, Meta(description="PEM file with the public key or a certificate; for a secret, a file with nothing else.")
    ] = ""
    secret: Annotated[
        bool, Meta(description="It is no key pair but a secret, for HS256 and its like. Whoever has it can sign.")
    ] = False


class ScopeAliasSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A word of tokens, such as a role, that stands for scopes."""

    alias: Annotated[str, Meta(description="The word.")] = ""
    scopes: Annotated[tuple[str, ...], Meta(description="What it stands for, each with the prefix.")] = ()


class OAuth2Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose tokens are believed, and what in them is for this broker. For the backend oauth2."""

    resource_server_id: Annotated[
        str, Meta(max_length=255, description="This broker's name at the authority: what aud has to name.")
    ] = ""
    jwks_file: Annotated[
        str,
        Meta(
            description=(
                "File with the authority's JSON Web Key Set. Read again on SIGHUP, and when it has changed and a token "
                "names an unknown key."
            )
        ),
    ] = ""
    default_key: Annotated[
        str, Meta(max_length=255, description="The kid of the key for tokens that name none; empty: they are refused.")
    ] = ""
    algorithms: Annotated[
        tuple[TokenAlgorithm, ...],
        Meta(
            min_length=1,
            description=(
                "What tokens may be signed with; a key verifies only what its type is made for. Those of secrets, HS, "
                "have to be named here and not only to have a key."
            ),
        ),
    ] = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
    issuer: Annotated[str, Meta(description="What iss has to say; empty for anything that a key has signed.")] = ""
    verify_aud: Annotated[bool, Meta(description="Refuse tokens whose aud does not name resource_server_id.")] = True
    require_exp: Annotated[bool, Meta(description="Refuse tokens that never expire.")] = True
    leeway_s: Annotated[
        float, Meta(ge=0, le=3600, description="By how much the authority's clock may differ from this machine's.")
    ] = 0.0
    scope_prefix: Annotated[
        str,
        Meta(
            max_length=255,
            description='Of scopes for this broker. "auto" for resource_server_id and a dot; empty: all are.',
        ),
    ] = "auto"
    additional_scopes_key: Annotated[
        tuple[str, ...],
        Meta(description="Further claims with scopes; dots lead into tables: resource_access.broker.roles."),
    ] = ()
    preferred_username_claims: Annotated[
        tuple[str, ...], Meta(description="Claims with the user's name, before sub and client_id.")
    ] = ()
    keys: Annotated[
        tuple[TokenKeySettings, ...], Meta(max_length=100, description="Keys in files of their own, also beside a set.")
    ] = ()
    scope_aliases: Annotated[
        tuple[ScopeAliasSettings, ...], Meta(max_length=1000, description="Words of tokens that stand for scopes.")
    ] = ()


class AuthHttpSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The service that is asked. For the backend http."""

    user_path: Annotated[
        str,
        Meta(min_length=1, description="Asked whether a user may log in with a password, and with which tags: a URL."),
    ] = "http://localhost:8000/auth/user"
    vhost_path: Annotated[str, Meta(min_length=1, description="Asked whether the user may enter a vhost.")] = (
        "http://localhost:8000/auth/vhost"
    )
    resource_path: Annotated[
        str, Meta(min_length=1, description="Asked whether the user has a permission for a queue or exchange.")
    ] = "http://localhost:8000/auth/resource"
    topic_path: Annotated[str, Meta(min_length=1, description="Asked the same for a key on a topic exchange.")] = (
        "http://localhost:8000/auth/topic"
    )
    method: Annotated[
        HttpMethod, Meta(description="get is RabbitMQ's default; post keeps passwords out of the service's access log.")
    ] = "get"
    request_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="From the question to the answer; later it is a no.")
    ] = 15.0
    connection_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="Of that, to get a connection to the service.")
    ] = 15.0
    max_connections: Annotated[
        int, Meta(ge=1, le=10_000, description="Connections to the service; further questions wait for one.")
    ] = 20
    cache_ttl_s: Annotated[
        float, Meta(ge=1, le=86_400, description="How long a yes is good for. A no is asked again.")
    ] = 15.0
    cache_size: Annotated[int, Meta(ge=1, le=10_000_000, description="Answers kept at most.")] = 10_000
    authorities: Annotated[
        str, Meta(description="PEM file with the authorities for https; empty for those of the system.")
    ] = ""


class AuthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How users prove who they are."""

    backends: Annotated[
        tuple[AuthBackend, ...],
        Meta(
            min_length=1,
            description=(
                "Who knows users, in the order in which they are asked; the first yes counts. internal: the users of "
                "this broker; oauth2: tokens as passwords; http: a service of yours."
            ),
        ),
    ] = ("internal",)
    anonymous_user: Annotated[
        str,
        Meta(
            max_length=255,
            description="Whom clients become by the mechanism ANONYMOUS, without a password; empty: not offered.",
        ),
    ] = ""
    new_passwords: Annotated[
        PasswordAlgorithm,
        Meta(
            description=(
                "How new passwords are hashed. argon2id is by far the hardest to break; the others can also be moved "
                "to a RabbitMQ."
            )
        ),
    ] = "argon2id"
    oauth2: OAuth2Settings = OAuth2Settings()
    http: AuthHttpSettings = AuthHttpSettings()


class DefinitionsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Definitions that each start imports before it opens a port."""

    file: Annotated[
        str,
        Meta(
            description=(
                "JSON file with definitions, PonyMQ's or RabbitMQ's, or a directory of such; empty for none. With it a "
                "first start makes no default user and no default vhost. RabbitMQ's load_definitions."
            )
        ),
    ] = ""
    skip_if_unchanged: Annotated[
        bool, Meta(description="Import only what is not, octet for octet, what was imported last.")
    ] = False


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
            description="The address that ports listen on; 0.0.0.0 or :: for all of the machine's addresses.",
        ),
    ] = "127.0.0.1"
    port: Annotated[
        int,
        Meta(
            ge=OFF, le=65535, description='AMQP without TLS. 0 for any free port, "off" if listeners.amqp has another.'
        ),
    ] = 5672
    http_port: Annotated[int, Meta(ge=OFF, le=65535, description='HTTP API. 0 for any free port, "off" for none.')] = (
        15672
    )
    metrics_port: Annotated[
        int, Meta(ge=OFF, le=65535, description='Prometheus metrics. 0 for any free port, "off" for none.')
    ] = 15692
    default_user: Annotated[
        str,
        Meta(min_length=1, max_length=255, description="The administrator that the first start makes. Not read later."),
    ] = "guest"
    default_pass: Annotated[str, Meta(min_length=1, max_length=1024, description="That user's first password.")] = (
        "guest"  # noqa: S105 - RabbitMQ's default, usable from loopback only
    )
    default_vhost: Annotated[
        str, Meta(min_length=1, max_length=255, description="The vhost that the first start makes.")
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
    listeners: ListenersSettings = ListenersSettings()
    amqp: AmqpSettings = AmqpSettings()
    http: HttpSettings = HttpSettings()
    management: ManagementSettings = ManagementSettings()
    auth: AuthSettings = AuthSettings()
    definitions: DefinitionsSettings = DefinitionsSettings()
    limits: LimitSettings = LimitSettings()
    interceptors: InterceptorSettings = InterceptorSettings()
    store: StoreSettings = StoreSettings()
