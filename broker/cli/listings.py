"""What can be listed: where the API has it, and under which names rabbitmqctl knows its columns."""

from collections.abc import Mapping
from typing import Final, NamedTuple


class Listing(NamedTuple):
    """One ``list-`` word.

    Attributes:
        word: Behind ``list-``.
        path: In the API, with ``{vhost}`` or ``{user_name}`` in it where it has one.
        columns: Those shown unless others are asked for.
        meaning: For the help.
        places: Where a column is found in a row whose field has another name; dots lead into objects.
        optional: Fields that not every row has.
        constants: Columns that are always the same here.
        documents: Columns that are shown as JSON.
        is_of_vhost: The path has every vhost; only the rows of one are shown.
        is_of_all: All are listed, for which rabbitmqctl wants to be told ``--global``.
    """

    word: str
    path: str
    columns: tuple[str, ...]
    meaning: str
    places: Mapping[str, str] = {}
    optional: frozenset[str] = frozenset()
    constants: Mapping[str, str] = {}
    documents: frozenset[str] = frozenset()
    is_of_vhost: bool = False
    is_of_all: bool = False


_DEFINITION: Final = frozenset({"definition"})
_VALUE: Final = frozenset({"value"})
_LIMITS: Final = frozenset({"limits"})

LISTINGS: Final = (
    Listing(
        "queues",
        "/api/queues/{vhost}",
        ("name", "messages"),
        "List the queues of a vhost.",
        {"owner_pid": "owner_pid_details.name", "effective_policy": "effective_policy_definition", "leader": "node"},
        frozenset({"owner_pid_details", "idle_since", "head_message_timestamp", "members", "online", "why"}),
    ),
    Listing("exchanges", "/api/exchanges/{vhost}", ("name", "type"), "List the exchanges of a vhost."),
    Listing(
        "bindings",
        "/api/bindings/{vhost}",
        ("source_name", "source_kind", "destination_name", "destination_kind", "routing_key", "arguments"),
        "List the bindings of a vhost.",
        {"source_name": "source", "destination_name": "destination", "destination_kind": "destination_type"},
        constants={"source_kind": "exchange"},
    ),
    Listing(
        "connections",
        "/api/connections",
        ("user", "peer_host", "peer_port", "state"),
        "List the connections.",
        {"pid": "name"},
        frozenset({"user_provided_name", "ssl_protocol", "ssl_cipher", "ssl_hash", "ssl_key_exchange"}),
    ),
    Listing(
        "channels",
        "/api/channels",
        ("pid", "user", "consumer_count", "messages_unacknowledged"),
        "List the channels.",
        {"pid": "name", "connection": "connection_details.name"},
    ),
    Listing(
        "consumers",
        "/api/consumers/{vhost}",
        ("queue_name", "channel_pid", "consumer_tag", "ack_required", "prefetch_count", "active", "arguments"),
        "List the consumers of a vhost.",
        {"queue_name": "queue.name", "channel_pid": "channel_details.name"},
    ),
    Listing("vhosts", "/api/vhosts", ("name",), "List the vhosts."),
    Listing("users", "/api/users", ("user", "tags"), "List the users and their tags.", {"user": "name"}),
    Listing(
        "permissions",
        "/api/vhosts/{vhost}/permissions",
        ("user", "configure", "write", "read"),
        "List who may do what in a vhost.",
    ),
    Listing(
        "user-permissions",
        "/api/users/{user_name}/permissions",
        ("vhost", "configure", "write", "read"),
        "List what a user may do.",
    ),
    Listing(
        "topic-permissions",
        "/api/vhosts/{vhost}/topic-permissions",
        ("user", "exchange", "write", "read"),
        "List who may use which routing keys in a vhost.",
    ),
    Listing(
        "user-topic-permissions",
        "/api/users/{user_name}/topic-permissions",
        ("vhost", "exchange", "write", "read"),
        "List which routing keys a user may use.",
    ),
    Listing(
        "policies",
        "/api/policies/{vhost}",
        ("vhost", "name", "pattern", "apply-to", "definition", "priority"),
        "List the policies of a vhost.",
        documents=_DEFINITION,
    ),
    Listing(
        "operator-policies",
        "/api/operator-policies/{vhost}",
        ("vhost", "name", "pattern", "apply-to", "definition", "priority"),
        "List the operator policies of a vhost.",
        documents=_DEFINITION,
    ),
    Listing(
        "parameters",
        "/api/parameters",
        ("component", "name", "value"),
        "List the parameters of a vhost.",
        documents=_VALUE,
        is_of_vhost=True,
    ),
    Listing(
        "global-parameters",
        "/api/global-parameters",
        ("name", "value"),
        "List the parameters of no vhost.",
        documents=_VALUE,
    ),
    Listing(
        "vhost-limits",
        "/api/vhost-limits",
        ("vhost", "limits"),
        "List the vhosts that have limits.",
        {"limits": "value"},
        documents=_LIMITS,
        is_of_all=True,
    ),
    Listing(
        "user-limits",
        "/api/user-limits",
        ("user", "limits"),
        "List the users who have limits.",
        {"limits": "value"},
        documents=_LIMITS,
        is_of_all=True,
    ),
    Listing("feature-flags", "/api/feature-flags", ("name", "state"), "List the feature flags."),
)
