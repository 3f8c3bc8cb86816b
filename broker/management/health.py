"""Health checks: what monitoring asks, answered only with what is true."""

import msgspec

from broker.management.facts import Facts
from broker.management.refusals import Refusal

OK = b'{"status":"ok"}'


def check_store(facts: Facts) -> bytes:
    """Pass unless the store has failed: the only alarm there is yet. After it nothing is confirmed any more.

    Raises:
        Refusal: 503, with the body that RabbitMQ has for alarms.
    """
    if not facts.context.turn.store.is_failed:
        return OK
    body = {
        "status": "failed",
        "reason": "resource alarm(s) in effect",
        "alarms": [{"node": facts.node.name, "resource": "store"}],
    }
    raise Refusal(503, "", "", body=msgspec.json.encode(body))
