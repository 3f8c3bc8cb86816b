"""Health checks over HTTP: well, or 503 with what is wrong."""

from pathlib import Path
from typing import Any

import pytest

from broker.management.facts import Facts
from broker.management.listener import Listener
from tests.management.asking import Http
from tests.management.test_policy_changes import ask, reason
from tests.metrics.scene import Broker
from tests.net.certificates import Certificates

WELL = (200, {"status": "ok"})
GONE = (404, {"error": "Object Not Found", "reason": "Not Found"})


async def check(client: Http, path: str) -> Any:
    return await ask(client, "GET", f"/health/checks/{path}")


async def test_a_port_is_listened_on(guest: Http) -> None:
    assert await check(guest, "port-listener/5672") == (200, {"status": "ok", "port": 5672})
    missing = {"status": "failed", "reason": "No active listener", "missing": 1, "ports": [5672, 15672, 15692]}
    assert await check(guest, "port-listener/1") == (503, missing)
    assert await check(guest, "port-listener/abc") == reason("Invalid port")


@pytest.mark.parametrize("name", ["amqp", "amqp091", "AMQP", "http", "management", "prometheus", "amqp,http"])
async def test_a_protocol_is_spoken(guest: Http, name: str) -> None:
    status, body = await check(guest, f"protocol-listener/{name}")
    assert (status, body["status"]) == (200, "ok")


@pytest.mark.parametrize("name", ["mqtt", "amqps", "https", "amqp,mqtt", ","])
async def test_a_protocol_is_not_spoken(guest: Http, name: str) -> None:
    status, body = await check(guest, f"protocol-listener/{name}")
    assert (status, body["reason"], body["missing"]) == (503, "No active listener", name)
    assert body["protocols"] == ["amqp", "http", "http/prometheus"]


async def test_certificates_last_long_enough(facts: Facts, guest: Http, tmp_path: Path) -> None:
    certificates = Certificates(tmp_path / "certificates")
    path = certificates.server("localhost")
    facts.listeners = [Listener("amqp/ssl", "127.0.0.1", 5671, True, (path,))]
    assert await check(guest, "certificate-expiration/1/days") == WELL
    status, body = await check(guest, "certificate-expiration/10000/years")
    assert (status, body["reason"]) == (503, "Certificates expiring")
    (row,) = body["expired"]
    assert (row["protocol"], row["port"], row["certfile"]) == ("amqp/ssl", 5671, path)


async def test_a_certificate_that_cannot_be_read_is_as_good_as_expired(facts: Facts, guest: Http) -> None:
    facts.listeners = [Listener("amqp/ssl", "127.0.0.1", 5671, True, ("/nowhere.pem",))]
    status, body = await check(guest, "certificate-expiration/1/days")
    assert (status, body["expired"][0]["certfile_expires_on"]) == (503, None)


async def test_a_time_that_nobody_understands_is_refused(guest: Http) -> None:
    units = reason("Time unit not recognised. Supported units: days, weeks, months, years.")
    assert await check(guest, "certificate-expiration/1/moon") == units
    for within in ("x", "-1", "10001", "9" * 12):
        assert await check(guest, f"certificate-expiration/{within}/days") == reason("Invalid expiration value.")


async def test_without_a_login_it_is_told_whether_clients_may_come(broker: Broker, api: Http) -> None:
    paths = ("is-in-service", "ready-to-serve-clients")
    for path in (*paths, "below-node-connection-limit", "reached-target-cluster-size"):
        assert await check(api, path) == WELL
    broker.context.is_stopping = True
    for path in paths:
        assert await check(api, path) == (503, {"status": "failed", "reason": "node is being stopped"})


async def test_a_broker_without_an_amqp_port_serves_nobody(facts: Facts, api: Http) -> None:
    facts.listeners = []
    assert await check(api, "is-in-service") == WELL
    assert await check(api, "ready-to-serve-clients") == (503, {"status": "failed", "reason": "no AMQP port is open"})


@pytest.mark.parametrize(
    "path",
    [
        "virtual-hosts",
        "metadata-store/initialized",
        "metadata-store/initialized/with-data",
        "quorum-queues-without-elected-leaders/all-vhosts",
        "quorum-queues-without-elected-leaders/all-vhosts/pattern/%5Eq",
        "quorum-queues-without-elected-leaders/vhost/%2F",
        "quorum-queues-without-elected-leaders/vhost/%2F/pattern/%5Eq",
    ],
)
async def test_one_node_is_well_when_it_answers(guest: Http, path: str) -> None:
    assert await check(guest, path) == WELL


async def test_one_node_has_no_majority_to_lose(guest: Http) -> None:
    alone = (200, {"status": "ok", "reason": "single node cluster"})
    assert await check(guest, "node-is-quorum-critical") == alone
    assert await check(guest, "node-is-mirror-sync-critical") == alone


async def test_the_old_checks_of_a_node_are_still_there(broker: Broker, guest: Http) -> None:
    assert await ask(guest, "GET", "/healthchecks/node") == WELL
    assert await ask(guest, "GET", f"/healthchecks/node/{broker.node.name}") == WELL
    assert await ask(guest, "GET", "/healthchecks/node/another@host") == GONE
    assert await check(guest, "quorum-queues-without-elected-leaders/vhost/absent") == GONE
