"""The node itself: its version, features and settings, and what RabbitMQ offers for a cluster, harmless on one node."""

from typing import Final

from msgspec import Struct

from broker.auth.passwords import SHA256, hashed
from broker.management.account_values import LONGEST_PASSWORD
from broker.management.answers import DONE, Answer, as_json
from broker.management.call import Call
from broker.management.json_values import Json
from broker.management.refusals import bad_request, not_authorised, not_found
from broker.management.routes import ADMINISTRATOR, ANYBODY, Route
from broker.metrics.text import shown

_TEXT: Final = "text/plain"

# What tools ask RabbitMQ for before they use it, and is here.
FEATURES: Final = {
    "classic_mirrored_queue_version": "Classic queues take the argument x-queue-version",
    "direct_exchange_routing_v2": "Direct exchanges look their bindings up",
    "drop_unroutable_metric": "Counts messages that were dropped because no queue wanted them",
    "empty_basic_get_metric": "Counts basic.get on empty queues",
    "implicit_default_bindings": "Bindings of the default exchange are not stored",
    "maintenance_mode_status": "Tells whether a node is being drained, which this one never is",
    "quorum_queue": "Queues of type quorum, on one node",
    "stream_queue": "Queues of type stream, on one node",
    "tracking_records_in_ets": "Connections are counted in memory",
    "user_limits": "Limits of connections and channels for a user",
    "virtual_host_metadata": "Descriptions and tags of virtual hosts",
}


class PasswordBody(Struct):
    """What ``PUT /auth/hash_password`` is given."""

    password: str


def version(call: Call) -> Answer:
    """The version of RabbitMQ that this broker may be taken for."""
    return as_json(call.facts.node.rabbitmq_version)


def extensions(call: Call) -> Answer:
    """Extensions of RabbitMQ's console, of which there are none."""
    return as_json([])


def feature_flags(call: Call) -> Answer:
    """What tools ask RabbitMQ for before they use it. All of it is always on."""
    return call.rows([_feature(name, about) for name, about in FEATURES.items()])


def enable_feature(call: Call, name: bytes) -> Answer:
    """Nothing to do: what there is is on."""
    if shown(name) not in FEATURES:
        raise bad_request("unsupported")
    return DONE


def _feature(name: str, about: str) -> Json:
    return {
        "name": name,
        "desc": about,
        "doc_url": "",
        "state": "enabled",
        "stability": "stable",
        "provided_by": "ponymq",
    }


def deprecated_features(call: Call) -> Answer:
    """What will be gone one day: nothing is planned to be."""
    return as_json([])


def configuration(call: Call) -> Answer:
    """The settings of this process as its settings file would have them, without passwords."""
    return Answer(body=call.facts.configuration.encode(), content_type=_TEXT)


def hash_in_path(call: Call, password: bytes) -> Answer:
    """A password's hash, for ``password_hash`` of a user. Paths end up in logs: PUT has the password in the body."""
    return _hash(password)


def hash_in_body(call: Call) -> Answer:
    """A password's hash, for ``password_hash`` of a user: salted SHA-256, which every RabbitMQ knows as well."""
    return _hash(call.body_as(PasswordBody).password.encode())


def _hash(password: bytes) -> Answer:
    if not 0 < len(password) <= LONGEST_PASSWORD:
        raise bad_request(f"a password has 1 to {LONGEST_PASSWORD} octets")
    return as_json({"ok": hashed(password, SHA256).text})


def login_attempts(call: Call, node: bytes) -> Answer:
    """How many logins on the AMQP ports succeeded and failed since the start."""
    _check_node(call, node)
    if not call.viewer.is_monitor:
        raise not_authorised("Not monitor user")
    counters = call.facts.context.counters
    good, bad = int(counters.logins_succeeded), int(counters.logins_failed)
    row: Json = {
        "protocol": "amqp091",
        "auth_attempts": good + bad,
        "auth_attempts_failed": bad,
        "auth_attempts_succeeded": good,
    }
    return call.rows([row])


def login_sources(call: Call, node: bytes) -> Answer:
    """Logins by address and name, which are not counted; as RabbitMQ's, whose default is not to."""
    _check_node(call, node)
    if not call.viewer.is_monitor:
        raise not_authorised("Not monitor user")
    return as_json([])


def reset_statistics(call: Call) -> Answer:
    """Nothing: totals count from the start of the process, and whatever reads them expects that they do not fall."""
    return DONE


def reset_node_statistics(call: Call, node: bytes) -> Answer:
    """Nothing, as for the whole cluster."""
    _check_node(call, node)
    return DONE


def forget_login_attempts(call: Call, node: bytes) -> Answer:
    """Nothing: the totals count on."""
    _check_node(call, node)
    return DONE


def forget_login_sources(call: Call, node: bytes) -> Answer:
    """Nothing: none are counted."""
    _check_node(call, node)
    return DONE


def rebalance(call: Call) -> Answer:
    """Nothing: all queues are on the one node."""
    return DONE


def start_vhost(call: Call, vhost: bytes, node: bytes) -> Answer:
    """Nothing: a vhost that exists runs."""
    if shown(vhost) not in call.facts.context.turn.vhosts:
        raise not_found()
    _check_node(call, node)
    return DONE


def _check_node(call: Call, node: bytes) -> None:
    if shown(node) != call.facts.node.name:
        raise not_found()


ROUTES: Final = (
    Route("GET", "/version", version, ANYBODY),
    Route("GET", "/extensions", extensions),
    Route("GET", "/feature-flags", feature_flags),
    Route("PUT", "/feature-flags/{feature}/enable", enable_feature, ADMINISTRATOR, statuses=[204], refusals=[400]),
    Route("GET", "/deprecated-features", deprecated_features),
    Route("GET", "/deprecated-features/used", deprecated_features),
    Route("GET", "/config/effective", configuration, ADMINISTRATOR, content_type=_TEXT),
    Route("GET", "/auth/hash_password/{password}", hash_in_path, ADMINISTRATOR, refusals=[400]),
    Route("PUT", "/auth/hash_password", hash_in_body, ADMINISTRATOR, body=PasswordBody),
    Route("GET", "/auth/attempts/{node}", login_attempts),
    Route("GET", "/auth/attempts/{node}/source", login_sources),
    Route("DELETE", "/auth/attempts/{node}", forget_login_attempts, ADMINISTRATOR, statuses=[204]),
    Route("DELETE", "/auth/attempts/{node}/source", forget_login_sources, ADMINISTRATOR, statuses=[204]),
    Route("DELETE", "/reset", reset_statistics, ADMINISTRATOR, statuses=[204]),
    Route("DELETE", "/reset/{node}", reset_node_statistics, ADMINISTRATOR, statuses=[204]),
    Route("POST", "/rebalance/queues", rebalance, ADMINISTRATOR, statuses=[204]),
    Route("POST", "/vhosts/{vhost}/start/{node}", start_vhost, ADMINISTRATOR, statuses=[204]),
)
