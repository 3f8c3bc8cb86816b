"""Documents of definitions for the tests: one with something of everything, and random ones."""

from typing import Any

from hypothesis import strategies as st

SHA256_OF_TEST12 = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"

Document = dict[str, Any]


def sample() -> Document:
    """Something of everything, in RabbitMQ's shape."""
    return {
        "rabbitmq_version": "3.13.1",
        "users": [
            {
                "name": "ann",
                "password_hash": SHA256_OF_TEST12,
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": ["monitoring"],
                "limits": {"max-channels": 3},
            }
        ],
        "vhosts": [
            {
                "name": "shop",
                "description": "the web shop",
                "tags": ["a"],
                "metadata": {"description": "the web shop", "tags": ["a"], "default_queue_type": "classic"},
                "limits": {"max-queues": 9},
            }
        ],
        "permissions": [{"user": "ann", "vhost": "shop", "configure": "^a", "write": "", "read": ".*"}],
        "topic_permissions": [
            {"user": "ann", "vhost": "shop", "exchange": "orders", "write": "^{username}", "read": ".*"}
        ],
        "parameters": [
            {"component": "shovel", "vhost": "shop", "name": "s", "value": {"src-uri": "amqp://"}},
            {
                "component": "operator_policy",
                "vhost": "shop",
                "name": "o",
                "value": {"pattern": "^q", "definition": {"max-length": 9}, "priority": 0, "apply-to": "queues"},
            },
        ],
        "global_parameters": [{"name": "cluster_name", "value": "herd"}],
        "policies": [
            {
                "vhost": "shop",
                "name": "p",
                "pattern": "^q",
                "apply-to": "queues",
                "definition": {"max-length": 5},
                "priority": 1,
            }
        ],
        "queues": [
            {
                "name": "q",
                "vhost": "shop",
                "durable": True,
                "auto_delete": False,
                "type": "quorum",
                "arguments": {"x-queue-type": "quorum", "x-delivery-limit": 3},
            }
        ],
        "exchanges": [
            {
                "name": "orders",
                "vhost": "shop",
                "type": "topic",
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {"alternate-exchange": "amq.fanout"},
            }
        ],
        "bindings": [
            {
                "source": "orders",
                "vhost": "shop",
                "destination": "q",
                "destination_type": "queue",
                "routing_key": "a.#",
                "arguments": {},
            }
        ],
    }


names = st.text("abcé /%.", min_size=1, max_size=4)
vhost_names = st.sampled_from(["/", "v", "é"])
expressions = st.sampled_from(["", ".*", "^a", "a|b"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
tables = st.dictionaries(st.text("kl", min_size=1, max_size=2), values, max_size=2)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Definitions that fit together: everything that is referred to is there."""
    users = draw(st.lists(names, unique=True, max_size=3))
    vhosts = draw(st.lists(vhost_names, unique=True, min_size=1))
    exchanges = draw(st.lists(st.tuples(st.sampled_from(vhosts), names), unique=True, max_size=4))
    queues = draw(st.lists(st.tuples(st.sampled_from(vhosts), names), unique=True, max_size=5))
    limits = st.dictionaries(st.sampled_from(["max-queues", "max-connections"]), st.integers(-1, 9), max_size=2)
    policy = st.fixed_dictionaries(
        {
            "pattern": expressions,
            "definition": st.dictionaries(
                st.sampled_from(["max-length", "message-ttl", "expires"]), st.integers(3_600_000, 9_000_000), min_size=1
            ),
            "priority": st.integers(0, 5),
            "apply-to": st.sampled_from(["all", "queues", "exchanges"]),
        }
    )
    placed = st.fixed_dictionaries({"vhost": st.sampled_from(vhosts), "name": names})
    document: Document = {
        "users": [
            {
                "name": name,
                "password_hash": draw(st.sampled_from(["", SHA256_OF_TEST12])),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": draw(st.lists(st.sampled_from(["management", "x", "protected"]), unique=True)),
                "limits": draw(st.dictionaries(st.just("max-channels"), st.integers(-1, 9))),
            }
            for name in users
        ],
        "vhosts": [
            {
                "name": name,
                "metadata": {
                    "description": draw(st.text(max_size=4)),
                    "tags": draw(st.lists(st.sampled_from(["t", "u"]), unique=True)),
                    "default_queue_type": draw(st.sampled_from(["classic", "quorum", "stream"])),
                    "protected_from_deletion": draw(st.booleans()),
                },
                "limits": draw(limits),
            }
            for name in vhosts
        ],
        "global_parameters": draw(
            st.lists(
                st.fixed_dictionaries({"name": names, "value": values}), unique_by=lambda row: row["name"], max_size=2
            )
        ),
        "policies": [{**draw(placed), **draw(policy)} for _ in range(draw(st.integers(0, 2)))],
        "parameters": [
            {**draw(placed), "component": "operator_policy", "value": draw(policy)}
            for _ in range(draw(st.integers(0, 1)))
        ]
        + [{**draw(placed), "component": "shovel", "value": draw(values)} for _ in range(draw(st.integers(0, 2)))],
        "exchanges": [
            {
                "vhost": vhost,
                "name": name,
                "type": draw(st.sampled_from(["direct", "topic", "fanout", "headers"])),
                "durable": draw(st.booleans()),
                "auto_delete": draw(st.booleans()),
                "internal": draw(st.booleans()),
                "arguments": draw(tables),
            }
            for vhost, name in exchanges
        ],
        "queues": [draw(_queue(vhost, name)) for vhost, name in queues],
    }
    permission = {"configure": draw(expressions), "write": draw(expressions), "read": draw(expressions)}
    document["permissions"] = [
        {"user": user, "vhost": vhost, **permission} for user in users for vhost in vhosts if draw(st.booleans())
    ]
    document["topic_permissions"] = [
        {"user": user, "vhost": draw(st.sampled_from(vhosts)), "exchange": draw(names), "write": "a", "read": "b"}
        for user in users
    ]
    document["bindings"] = [
        row for vhost in vhosts for row in draw(st.lists(_binding(vhost, exchanges, queues), max_size=4))
    ]
    return document


@st.composite
def _queue(draw: st.DrawFn, vhost: str, name: str) -> Document:
    kind = draw(st.sampled_from(["classic", "quorum", "stream", ""]))
    is_plain = kind == "classic"
    arguments = draw(tables)
    if kind:
        arguments["x-queue-type"] = kind
    return {
        "vhost": vhost,
        "name": name,
        "durable": draw(st.booleans()) if is_plain else True,
        "auto_delete": draw(st.booleans()) if is_plain else False,
        "arguments": arguments,
    }


@st.composite
def _binding(draw: st.DrawFn, vhost: str, exchanges: list[tuple[str, str]], queues: list[tuple[str, str]]) -> Document:
    sources = ["amq.direct", "amq.topic", *(name for where, name in exchanges if where == vhost)]
    ends = [("queue", name) for where, name in queues if where == vhost]
    ends += [("exchange", name) for where, name in exchanges if where == vhost]
    kind, destination = draw(st.sampled_from([*ends, ("exchange", "amq.fanout")]))
    return {
        "vhost": vhost,
        "source": draw(st.sampled_from(sources)),
        "destination": destination,
        "destination_type": kind,
        "routing_key": draw(st.sampled_from(["", "a", "a.*", "é"])),
        "arguments": draw(tables),
    }
