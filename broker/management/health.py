"""Health checks: 200 when all is well, 503 with the reason when it is not. RabbitMQ's, answered with what is true."""

import asyncio
import datetime
import re
from pathlib import Path
from typing import Final

import msgspec

from broker.management.answers import Answer, as_json
from broker.management.call import Call
from broker.management.json_values import Json
from broker.management.refusals import Refusal, bad_request
from broker.management.routes import ANYBODY, Route
from broker.metrics.text import shown

_WELL: Final = as_json({"status": "ok"})
_UNITS_DAYS: Final = {b"days": 1, b"weeks": 7, b"months": 30, b"years": 365}
_MOST_WITHIN: Final = 10_000
_DAY_S: Final = 86_400
_PORT: Final = re.compile(rb"[0-9]{1,5}")
_WITHIN: Final = re.compile(rb"[0-9]{1,9}")

# What a protocol is called by those who ask, in RabbitMQ's spellings, and how listeners are called here.
_PROTOCOLS: Final = {
    "amqp": "amqp",
    "amqp091": "amqp",
    "amqp0.9.1": "amqp",
    "amqp0-9-1": "amqp",
    "amqps": "amqp/ssl",
    "amqp/ssl": "amqp/ssl",
    "amqp/tls": "amqp/ssl",
    "http": "http",
    "management": "http",
    "https": "https",
    "prometheus": "http/prometheus",
    "http/prometheus": "http/prometheus",
    "https/prometheus": "https/prometheus",
}


# --- alarms


def aliveness(call: Call, vhost: bytes) -> Answer:
    """Can the vhost be entered, and does the store work?

    As RabbitMQ 4: that there is an answer at all says that the loop runs.
    """
    call.vhost(vhost)
    return _store(call)


def alarms(call: Call) -> Answer:
    """Is no memory or disk short, and does the store work?

    There is one node: its alarms are all there are. After the store has failed nothing is confirmed any more.
    """
    short, store = call.facts.context.alarms, call.facts.context.turn.store
    return _alarms(call, {"memory": short.memory, "disk": short.disk, "store": store.is_failed})


def _store(call: Call) -> Answer:
    return _alarms(call, {"store": call.facts.context.turn.store.is_failed})


def _alarms(call: Call, resources: dict[str, bool]) -> Answer:
    short = [name for name, is_short in resources.items() if is_short]
    if short:
        rows = [{"node": call.facts.node.name, "resource": name} for name in short]
        raise _failed("resource alarm(s) in effect", alarms=rows)
    return _WELL


# --- listeners


def port_listener(call: Call, port: bytes) -> Answer:
    """Does the broker listen on a port?"""
    if not _PORT.fullmatch(port):
        raise bad_request("Invalid port")
    wanted = int(port)
    ports = sorted({listener.port for listener in call.facts.listeners})
    if wanted not in ports:
        raise _failed("No active listener", missing=wanted, ports=ports)
    return as_json({"status": "ok", "port": wanted})


def protocol_listener(call: Call, names: bytes) -> Answer:
    """Does the broker listen for each of these protocols? Names with commas between them, in any case."""
    protocols = sorted({listener.protocol for listener in call.facts.listeners})
    wanted = shown(names).lower().split(",")
    for name in wanted:
        if _PROTOCOLS.get(name.strip()) not in protocols:
            raise _failed("No active listener", missing=shown(names), protocols=protocols)
    return as_json({"status": "ok", "protocol": _PROTOCOLS[wanted[0].strip()], "protocols": wanted})


async def certificate_expiration(call: Call, within: bytes, unit: bytes) -> Answer:
    """Is every certificate of the listeners still good for so long?

    By the files, which may be newer than what is shown to clients.
    """
    if unit not in _UNITS_DAYS:
        raise bad_request("Time unit not recognised. Supported units: days, weeks, months, years.")
    if not _WITHIN.fullmatch(within) or int(within) > _MOST_WITHIN:
        raise bad_request("Invalid expiration value.")
    limit_s = call.facts.context.clock.now_ms() / 1000 + int(within) * _UNITS_DAYS[unit] * _DAY_S
    expired: list[Json] = []
    for listener in call.facts.listeners:
        for path in listener.certificates:
            ends = await asyncio.to_thread(_end_of, path)
            if ends is None or ends.timestamp() <= limit_s:
                row: Json = {
                    "node": call.facts.node.name,
                    "protocol": listener.protocol,
                    "interface": listener.ip_address,
                    "port": listener.port,
                    "certfile": path,
                    "certfile_expires_on": None if ends is None else ends.strftime("%Y-%m-%d %H:%M:%S"),
                }
                expired.append(row)
    if expired:
        raise _failed("Certificates expiring", expired=expired)
    return _WELL


def _end_of(path: str) -> datetime.datetime | None:
    """When the first certificate in the file that ends does so; None if the file cannot be read."""
    # The library takes a while to load, which every start would wait for.
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415

    try:
        certificates = load_pem_x509_certificates(Path(path).read_bytes())
    except (OSError, ValueError):
        return None
    return min((each.not_valid_after_utc for each in certificates), default=None)


# --- the node


def in_service(call: Call) -> Answer:
    """May clients be sent here? Not while the broker stops, nor when its store has failed. Needs no login."""
    if call.facts.context.is_stopping:
        raise _failed("node is being stopped")
    return _store(call)


def ready_to_serve(call: Call) -> Answer:
    """As is-in-service, and is any AMQP port open? Needs no login."""
    in_service(call)
    if not any(listener.protocol.startswith("amqp") for listener in call.facts.listeners):
        raise _failed("no AMQP port is open")
    return _WELL


def below_connection_limit(call: Call) -> Answer:
    """Is there room for another connection? Needs no login."""
    context = call.facts.context
    limit = int(context.limits.max_connections)
    if 0 < limit <= context.open_count:
        raise _failed("node connection limit is reached")
    return _WELL


def single_node(call: Call) -> Answer:
    """Would quorum queues lose their majority with this node? One node has none to lose."""
    return as_json({"status": "ok", "reason": "single node cluster"})


def always_well(call: Call) -> Answer:
    """What cannot be otherwise on one node that answers at all."""
    return _WELL


def virtual_hosts(call: Call) -> Answer:
    """Do all vhosts run? They do, if the store does."""
    return _store(call)


def led_in_vhost(call: Call, vhost: bytes) -> Answer:
    """Has every quorum queue of a vhost a leader? It has: this node."""
    call.vhost(vhost)
    return _WELL


def led_in_vhost_by_name(call: Call, vhost: bytes, pattern: bytes) -> Answer:
    """The same of the queues whose name matches."""
    return led_in_vhost(call, vhost)


def led_by_name(call: Call, pattern: bytes) -> Answer:
    """The same of the queues of all vhosts whose name matches."""
    return _WELL


def node_health(call: Call) -> Answer:
    """The old check of a node: does the store work?"""
    return _store(call)


def named_node_health(call: Call, node: bytes) -> Answer:
    """The old check of a node by its name."""
    call.must_be_node(node)
    return node_health(call)


def _failed(reason: str, **more: object) -> Refusal:
    return Refusal(503, "", "", body=msgspec.json.encode({"status": "failed", "reason": reason, **more}))


_CHECKS: Final = "/health/checks"
_LEADERS: Final = f"{_CHECKS}/quorum-queues-without-elected-leaders"

ROUTES: Final = (
    Route("GET", "/aliveness-test/{vhost}", aliveness, refusals=[503]),
    Route("GET", f"{_CHECKS}/alarms", alarms, refusals=[503]),
    Route("GET", f"{_CHECKS}/local-alarms", alarms, refusals=[503]),
    Route("GET", f"{_CHECKS}/port-listener/{{port}}", port_listener, refusals=[400, 503]),
    Route("GET", f"{_CHECKS}/protocol-listener/{{protocols}}", protocol_listener, refusals=[503]),
    Route("GET", f"{_CHECKS}/certificate-expiration/{{within}}/{{unit}}", certificate_expiration, refusals=[400, 503]),
    Route("GET", f"{_CHECKS}/virtual-hosts", virtual_hosts, refusals=[503]),
    Route("GET", f"{_CHECKS}/node-is-quorum-critical", single_node),
    Route("GET", f"{_CHECKS}/node-is-mirror-sync-critical", single_node),
    Route("GET", f"{_CHECKS}/is-in-service", in_service, ANYBODY, refusals=[503]),
    Route("GET", f"{_CHECKS}/ready-to-serve-clients", ready_to_serve, ANYBODY, refusals=[503]),
    Route("GET", f"{_CHECKS}/below-node-connection-limit", below_connection_limit, ANYBODY, refusals=[503]),
    Route("GET", f"{_CHECKS}/reached-target-cluster-size", always_well, ANYBODY),
    Route("GET", f"{_CHECKS}/metadata-store/initialized", always_well, ANYBODY),
    Route("GET", f"{_CHECKS}/metadata-store/initialized/with-data", always_well, ANYBODY),
    Route("GET", f"{_LEADERS}/all-vhosts", always_well),
    Route("GET", f"{_LEADERS}/all-vhosts/pattern/{{pattern}}", led_by_name),
    Route("GET", f"{_LEADERS}/vhost/{{vhost}}", led_in_vhost),
    Route("GET", f"{_LEADERS}/vhost/{{vhost}}/pattern/{{pattern}}", led_in_vhost_by_name),
    Route("GET", "/healthchecks/node", node_health, refusals=[503]),
    Route("GET", "/healthchecks/node/{node}", named_node_health, refusals=[503]),
)
