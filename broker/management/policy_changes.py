"""Policies and limits: the paths that change them, each in a turn of its own.

When one is answered, the change acts, and is in the log: a killed broker has it again.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal

import msgspec
from msgspec import Struct

from broker.management.answers import CREATED, DONE, Answer
from broker.management.call import Call
from broker.management.refusals import Refusal, bad_request, not_found
from broker.management.request_body import require
from broker.management.routes import ADMINISTRATOR, Route
from broker.metrics.text import shown
from broker.policy.limits import read_user_limit, read_vhost_limit
from broker.policy.policy import PolicyRefused, read_policy
from broker.vhost.vhost import VHost

AUDIT: Final = logging.getLogger("broker.audit")


class PolicyBody(Struct):
    """What ``PUT /policies`` is given; ``broker.policy`` reads it."""

    pattern: str
    definition: dict[str, object]
    priority: int = 0
    apply_to: Literal["all", "queues", "classic_queues", "quorum_queues", "streams", "exchanges"] = msgspec.field(
        default="all", name="apply-to"
    )


class LimitBody(Struct):
    """What ``PUT`` of a limit is given; a negative number is no limit."""

    value: int


def put_policy(call: Call, vhost: bytes, name: bytes) -> Answer:
    """Make or replace a policy. For administrators and policymakers."""
    call.viewer.must_be_policymaker(shown(vhost))
    return _put_policy(call, vhost, name, is_operator=False)


def put_operator_policy(call: Call, vhost: bytes, name: bytes) -> Answer:
    """Make or replace an operator policy."""
    return _put_policy(call, vhost, name, is_operator=True)


def delete_policy(call: Call, vhost: bytes, name: bytes) -> Answer:
    """Remove a policy and what it did. For administrators and policymakers."""
    call.viewer.must_be_policymaker(shown(vhost))
    return _delete_policy(call, vhost, name, is_operator=False)


def delete_operator_policy(call: Call, vhost: bytes, name: bytes) -> Answer:
    """Remove an operator policy and what it did."""
    return _delete_policy(call, vhost, name, is_operator=True)


def _put_policy(call: Call, vhost_name: bytes, name: bytes, *, is_operator: bool) -> Answer:
    document = call.document()
    vhost = _vhost(call, vhost_name)
    require(document, "pattern", "definition")
    with _change(call, "policy changed", {"vhost": vhost.name, "policy": name}):
        policy = read_policy(vhost.name, shown(name), document, is_operator)
        answer = CREATED if vhost.policies.find(policy.name, is_operator) is None else DONE
        vhost.set_policy(policy)
    return answer


def _delete_policy(call: Call, vhost_name: bytes, name: bytes, *, is_operator: bool) -> Answer:
    vhost = _vhost(call, vhost_name)
    with _change(call, "policy removed", {"vhost": vhost.name, "policy": name}):
        if not vhost.remove_policy(shown(name), is_operator):
            raise not_found()
    return DONE


def put_vhost_limit(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Limit the connections or queues of a vhost."""
    vhost = _vhost(call, vhost_name)
    with _change(call, "limit changed", {"vhost": vhost.name, "limit": name}):
        vhost.set_limits(vhost.limits.having(shown(name), read_vhost_limit(shown(name), _value(call))))
    return DONE


def delete_vhost_limit(call: Call, vhost_name: bytes, name: bytes) -> Answer:
    """Take a limit from a vhost."""
    vhost = _vhost(call, vhost_name)
    with _change(call, "limit removed", {"vhost": vhost.name, "limit": name}):
        vhost.set_limits(vhost.limits.without(shown(name)))
    return DONE


def put_user_limit(call: Call, user: bytes, name: bytes) -> Answer:
    """Limit the connections or channels of a user."""
    _check_user(call, user)
    turn = call.facts.context.turn
    with _change(call, "limit changed", {"user": user, "limit": name}):
        limit = read_user_limit(shown(name), _value(call))
        turn.set_user_limits(user, turn.user_limits.of(user).having(shown(name), limit))
    return DONE


def delete_user_limit(call: Call, user: bytes, name: bytes) -> Answer:
    """Take a limit from a user."""
    _check_user(call, user)
    turn = call.facts.context.turn
    with _change(call, "limit removed", {"user": user, "limit": name}):
        turn.set_user_limits(user, turn.user_limits.of(user).without(shown(name)))
    return DONE


@contextmanager
def _change(call: Call, event: str, what: dict[str, str | bytes]) -> Iterator[None]:
    """A turn for one change, which is audited unless it was refused."""
    try:
        with call.facts.turn():
            yield
    except PolicyRefused as refused:
        raise bad_request(str(refused)) from refused
    AUDIT.info(event, extra={"by": call.viewer.name, **what})


def _vhost(call: Call, name: bytes) -> VHost:
    vhost = call.facts.context.turn.vhosts.get(shown(name))
    if vhost is None:
        raise Refusal(404, "not_found", "vhost_not_found")
    return vhost


def _check_user(call: Call, name: bytes) -> None:
    if name not in call.facts.context.users.by_name:
        raise bad_request("no_such_user")


def _value(call: Call) -> object:
    document = call.document()
    require(document, "value")
    return document["value"]


ROUTES: Final = (
    Route("PUT", "/policies/{vhost}/{policy}", put_policy, body=PolicyBody, statuses=[201, 204]),
    Route("DELETE", "/policies/{vhost}/{policy}", delete_policy, statuses=[204]),
    Route(
        "PUT",
        "/operator-policies/{vhost}/{policy}",
        put_operator_policy,
        ADMINISTRATOR,
        body=PolicyBody,
        statuses=[201, 204],
    ),
    Route("DELETE", "/operator-policies/{vhost}/{policy}", delete_operator_policy, ADMINISTRATOR, statuses=[204]),
    Route("PUT", "/vhost-limits/{vhost}/{limit}", put_vhost_limit, ADMINISTRATOR, body=LimitBody, statuses=[204]),
    Route("DELETE", "/vhost-limits/{vhost}/{limit}", delete_vhost_limit, ADMINISTRATOR, statuses=[204]),
    Route("PUT", "/user-limits/{user}/{limit}", put_user_limit, ADMINISTRATOR, body=LimitBody, statuses=[204]),
    Route("DELETE", "/user-limits/{user}/{limit}", delete_user_limit, ADMINISTRATOR, statuses=[204]),
)
