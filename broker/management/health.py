"""Health checks: what monitoring asks, answered only with what is true."""

from typing import Final

import msgspec

from broker.management.answers import Answer, as_json
from broker.management.call import Call
from broker.management.json_values import Json
from broker.management.refusals import Refusal, bad_request
from broker.management.routes import ANYBODY, Route
from broker.metrics.text import shown

# What RabbitMQ's tools call the protocols of our ports.
_ALIASES: Final = {
    "amqp091": "amqp",
    "amqp0-9-1": "amqp",
    "amqps": "amqp/ssl",
    "amqp/tls": "amqp/ssl",
    "management": "http",
    "prometheus": "http/prometheus",
}


def aliveness(call: Call, vhost: bytes) -> Answer:
    """Can the vhost be entered, and does the store work?

    As RabbitMQ 4: that there is an answer at all says that the loop runs.
    """
    call.vhost(vhost)
    return _alarms(call, {"store": call.facts.context.turn.store.is_failed})


def alarms(call: Call) -> Answer:
    """Is no memory or disk short, and does the store work?

    There is one node: its alarms are all there are. After the store has failed nothing is confirmed any more.
    """
    short, store = call.facts.context.alarms, call.facts.context.turn.store
    return _alarms(call, {"memory": short.memory, "disk": short.disk, "store": store.is_failed})


def node_alarms(call: Call, node: bytes) -> Answer:
    """The same of the node of this name, which is the only one."""
    call.must_be_node(node)
    return alarms(call)


def _alarms(call: Call, resources: dict[str, bool]) -> Answer:
    short = [name for name, is_short in resources.items() if is_short]
    if short:
        rows = [{"node": call.facts.node.name, "resource": name} for name in short]
        raise _failed("resource alarm(s) in effect", alarms=rows)
    return _passed()


def port_listener(call: Call, port: bytes) -> Answer:
    """Does the broker listen on this port?"""
    text = shown(port)
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        raise bad_request("Invalid port")
    number, ports = int(text), [listener.port for listener in call.facts.listeners]
    if number not in ports:
        raise _failed("No active listener", missing=number, ports=ports)
    return _passed(port=number)


def protocol_listener(call: Call, protocol: bytes) -> Answer:
    """Does the broker listen for this protocol, or for one of several with commas between them?"""
    text = shown(protocol)
    wanted = [_ALIASES.get(each.lower(), each.lower()) for each in text.split(",")]
    there = [listener.protocol for listener in call.facts.listeners]
    if not any(each in there for each in wanted):
        raise _failed("No active listener", missing=text, protocols=there)
    return _passed(protocol=text)


def virtual_hosts(call: Call) -> Answer:
    """Does every vhost run? One that is there does."""
    return _passed()


def in_service(call: Call) -> Answer:
    """Does the broker serve clients? One that answers does."""
    return _passed()


def quorum_critical(call: Call) -> Answer:
    """May the node be stopped without harm to quorum queues on others? There are no others."""
    return _passed(reason="single node cluster")


def below_connection_limit(call: Call) -> Answer:
    """Is there room for one more connection?"""
    context = call.facts.context
    limit, count = int(context.limits.max_connections), int(context.open_count)
    if 0 < limit <= count:
        raise _failed("connection limit is reached", limit=limit, connections=count)
    return _passed()


def _passed(**further: object) -> Answer:
    return as_json({"status": "ok", **further})


def _failed(reason: str, **further: object) -> Refusal:
    body: Json = {"status": "failed", "reason": reason, **further}
    return Refusal(503, "", "", body=msgspec.json.encode(body))


ROUTES: Final = (
    Route("GET", "/aliveness-test/{vhost}", aliveness, refusals=[503]),
    Route("GET", "/healthchecks/node", alarms, refusals=[503]),
    Route("GET", "/healthchecks/node/{node}", node_alarms, refusals=[503]),
    Route("GET", "/health/checks/alarms", alarms, refusals=[503]),
    Route("GET", "/health/checks/local-alarms", alarms, refusals=[503]),
    Route("GET", "/health/checks/port-listener/{port}", port_listener, refusals=[503]),
    Route("GET", "/health/checks/protocol-listener/{protocol}", protocol_listener, refusals=[503]),
    Route("GET", "/health/checks/virtual-hosts", virtual_hosts),
    Route("GET", "/health/checks/node-is-quorum-critical", quorum_critical),
    # Without a login: what starts and stops a container asks these.
    Route("GET", "/health/checks/is-in-service", in_service, ANYBODY),
    Route("GET", "/health/checks/ready-to-serve-clients", in_service, ANYBODY),
    Route("GET", "/health/checks/below-node-connection-limit", below_connection_limit, ANYBODY, refusals=[503]),
)
