"""Health checks: what monitoring asks, answered only with what is true."""

import msgspec

from broker.management.facts import Facts
from broker.management.refusals import Refusal

OK = b'{"status":"ok"}'


def check_store(facts: Facts) -> bytes:
    """Pass unless the store has failed: after that nothing is confirmed any more.

    Raises:
        Refusal: 503, with the body that RabbitMQ has for alarms.
    """
    return _answer(facts, ["store"] if facts.context.turn.store.is_failed else [])


def check_alarms(facts: Facts) -> bytes:
    """Pass unless memory or disk is short, or the store has failed. There is one node: its alarms are all there are.

    Raises:
        Refusal: 503, naming each resource.
    """
    alarms = facts.context.alarms
    short = {"memory": alarms.memory, "disk": alarms.disk, "store": facts.context.turn.store.is_failed}
    return _answer(facts, [name for name, is_short in short.items() if is_short])


def _answer(facts: Facts, resources: list[str]) -> bytes:
    if not resources:
        return OK
    body = {
        "status": "failed",
        "reason": "resource alarm(s) in effect",
        "alarms": [{"node": facts.node.name, "resource": name} for name in resources],
    }
    raise Refusal(503, "", "", body=msgspec.json.encode(body))
