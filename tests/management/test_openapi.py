"""The OpenAPI document is true: what it says of every path is what the broker does with requests made from it."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, Phase, settings
from schemathesis.config import SchemathesisConfig

from broker.management.api_app import api_app
from broker.management.api_table import TABLE
from broker.management.facts import Facts
from broker.management.openapi import ApiReference, openapi
from broker.metrics.machine import Machine
from tests.management.asking import basic
from tests.metrics.scene import Broker, Client

EXAMPLES = 3
NAMES = {"vhost": "/", "queue": "q", "exchange": "amq.direct", "source": "amq.topic", "user": "eve", "policy": "p"}

schema = schemathesis.openapi.from_dict(openapi(TABLE.routes, "0"), config=SchemathesisConfig())


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker's API, served by a thread: the client of these tests waits for each answer."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()
    address: list[str] = []

    async def serve(directory: Path) -> None:
        broker = Broker(directory)
        # What requests are made with must stay.
        broker.users.by_name[b"guest"].tags.append("protected")
        broker.turn.vhosts["/"].is_protected = True
        client = Client(broker)
        client.declare("q", durable=True)
        client.publish("q", b"hello", persistent=True)
        machine = Machine(str(directory.parent))
        facts = Facts(broker.context, broker.node, [], broker.administration, broker.sync, machine)
        facts.configuration = "port = 5672\n"
        runner = web.AppRunner(api_app(facts, 1024 * 1024))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        address.append(f"http://127.0.0.1:{runner.addresses[0][1]}/api")
        ready.set()
        await end.wait()
        await runner.cleanup()
        broker.close()

    end = asyncio.Event()
    thread = threading.Thread(
        target=loop.run_until_complete, args=(serve(tmp_path_factory.mktemp("openapi") / "data"),)
    )
    thread.start()
    assert ready.wait(60)
    yield address[0]
    loop.call_soon_threadsafe(end.set)
    thread.join(10)
    loop.close()


@schemathesis.hook
def map_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, Any]) -> dict[str, Any]:
    """Half of the names are of things that are there."""
    if path_parameters and len(str(path_parameters)) % 2:
        return {name: NAMES.get(name, value) for name, value in path_parameters.items()}
    return path_parameters


# Of a port or a protocol that nobody listens on, a check says 503: that is its answer, and no failure of the server.
@schema.exclude(path_regex="-listener/").parametrize()
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_a_request_made_from_the_document_is_answered_as_it_says(case: schemathesis.Case, served: str) -> None:
    # 503 is how a health check says no.
    may_fail = [schemathesis.checks.not_a_server_error] if case.path.startswith("/health/") else []
    case.call_and_validate(
        base_url=served,
        headers={"Authorization": basic("guest", "guest")},
        excluded_checks=[
            # The broker takes more than it documents: unknown keys, and RabbitMQ's "true" for true.
            schemathesis.checks.negative_data_rejection,
            # A valid body may still be refused for what it names.
            schemathesis.checks.positive_data_acceptance,
            # Wrong logins make the next one wait, and the clock of these tests stands still.
            schemathesis.checks.ignored_auth,
            *may_fail,
        ],
    )


def test_the_document_is_made_once_however_often_strangers_ask() -> None:
    reference = ApiReference(TABLE.routes)
    call: Any = SimpleNamespace(facts=SimpleNamespace(node=SimpleNamespace(product_version="0")))
    assert reference.document(call) is reference.document(call)
