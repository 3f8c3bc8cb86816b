"""Policies and limits: the paths that change them."""

import logging
from typing import Final

from broker.management.access import Viewer
from broker.management.facts import Facts
from broker.management.json_values import Json
from broker.management.refusals import Refusal, bad_request, not_found
from broker.management.request_body import body_object
from broker.metrics.text import shown
from broker.policy.limits import read_user_limit, read_vhost_limit
from broker.policy.policy import PolicyRefused, read_policy
from broker.vhost.vhost import VHost

AUDIT: Final = logging.getLogger("broker.audit")

CREATED: Final = 201
DONE: Final = 204


class PolicyChanges:
    """Carries out one request of one user."""

    def __init__(self, facts: Facts, viewer: Viewer) -> None:
        self._facts = facts
        self._viewer = viewer

    def carry_out(self, method: str, path: list[bytes], body: bytes) -> int:
        """Change what is asked for, in a turn of its own. Returns the status; 0: the path or method is none of these.

        When it returns, the change acts, and is in the log: a killed broker has it again.

        Raises:
            Refusal: The user may not, there is nothing there, or the body is wrong.
        """
        try:
            with self._facts.turn():
                status = self._change(method, path, body)
        except PolicyRefused as refused:
            raise bad_request(str(refused)) from refused
        if status:
            fields = {"by": self._viewer.name, "method": method, "path": b"/".join(path)}
            AUDIT.info("policy or limit changed", extra=fields)
        return status

    def _change(self, method: str, path: list[bytes], body: bytes) -> int:
        match method, path:
            case "PUT", [b"policies", vhost, name]:
                self._viewer.must_be_policymaker(shown(vhost))
                return self._set_policy(vhost, shown(name), body_object(body), is_operator=False)
            case "PUT", [b"operator-policies", vhost, name]:
                self._viewer.must_be_administrator()
                return self._set_policy(vhost, shown(name), body_object(body), is_operator=True)
            case "DELETE", [b"policies", vhost, name]:
                self._viewer.must_be_policymaker(shown(vhost))
                return self._remove_policy(vhost, shown(name), is_operator=False)
            case "DELETE", [b"operator-policies", vhost, name]:
                self._viewer.must_be_administrator()
                return self._remove_policy(vhost, shown(name), is_operator=True)
            case "PUT" | "DELETE", [b"vhost-limits", vhost, name]:
                self._viewer.must_be_administrator()
                return self._limit_vhost(method, vhost, shown(name), body)
            case "PUT" | "DELETE", [b"user-limits", user, name]:
                self._viewer.must_be_administrator()
                return self._limit_user(method, user, shown(name), body)
            case _:
                return 0

    def _vhost(self, name: bytes) -> VHost:
        vhost = self._facts.context.turn.vhosts.get(shown(name))
        if vhost is None:
            raise Refusal(404, "not_found", "vhost_not_found")
        return vhost

    def _set_policy(self, vhost_name: bytes, name: str, document: Json, *, is_operator: bool) -> int:
        vhost = self._vhost(vhost_name)
        _require(document, "pattern", "definition")
        policy = read_policy(vhost.name, name, document, is_operator)
        status = CREATED if vhost.policies.find(name, is_operator) is None else DONE
        vhost.set_policy(policy)
        return status

    def _remove_policy(self, vhost_name: bytes, name: str, *, is_operator: bool) -> int:
        if not self._vhost(vhost_name).remove_policy(name, is_operator):
            raise not_found()
        return DONE

    def _limit_vhost(self, method: str, vhost_name: bytes, name: str, body: bytes) -> int:
        vhost = self._vhost(vhost_name)
        if method == "PUT":
            vhost.set_limits(vhost.limits.having(name, read_vhost_limit(name, _value(body))))
        else:
            vhost.set_limits(vhost.limits.without(name))
        return DONE

    def _limit_user(self, method: str, user_name: bytes, name: str, body: bytes) -> int:
        context = self._facts.context
        if user_name not in context.users.by_name:
            raise bad_request("no_such_user")
        limits = context.turn.user_limits.of(user_name)
        if method == "PUT":
            context.turn.set_user_limits(user_name, limits.having(name, read_user_limit(name, _value(body))))
        else:
            context.turn.set_user_limits(user_name, limits.without(name))
        return DONE


def _require(document: Json, *keys: str) -> None:
    missing = [f"{{key_missing,{key}}}" for key in keys if key not in document]
    if missing:
        raise bad_request(f"[{','.join(missing)}]")


def _value(body: bytes) -> object:
    document = body_object(body)
    _require(document, "value")
    return document["value"]
