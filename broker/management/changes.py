"""What the API changes: policies, limits, the default queue type of a vhost."""

import logging
from typing import Final, cast

import msgspec

from broker.management.access import Viewer
from broker.management.facts import Facts
from broker.management.json_values import Json
from broker.management.refusals import Refusal, bad_request, not_found
from broker.metrics.text import shown
from broker.policy.limits import read_user_limit, read_vhost_limit
from broker.policy.policy import PolicyRefused, read_policy
from broker.queues.arguments import QUEUE_TYPES
from broker.vhost.vhost import VHost

LOG: Final = logging.getLogger("broker.management")

CREATED: Final = 201
DONE: Final = 204


class Changes:
    """Answers one PUT or DELETE for one user, in a turn of its own."""

    def __init__(self, facts: Facts, viewer: Viewer) -> None:
        self._facts = facts
        self._viewer = viewer

    def make(self, method: str, path: list[bytes], body: bytes) -> int:
        """Change what is at a path, which begins behind ``/api``.

        When it returns, the change acts, and is in the log: a killed broker has it again.

        Returns:
            The status; the answer has no body.

        Raises:
            Refusal: The user may not, there is nothing there, the body is wrong, or the path cannot be written.
        """
        turn = self._facts.context.turn
        turn.begin()
        try:
            status = self._make(method, path, body)
        except PolicyRefused as refused:
            raise bad_request(str(refused)) from refused
        finally:
            turn.finish()
            self._facts.attend()
        LOG.info("changed", extra={"method": method, "path": shown(b"/".join(path)), "user": shown(self._viewer.name)})
        return status

    def _make(self, method: str, path: list[bytes], body: bytes) -> int:
        match method, path:
            case "PUT", [b"policies", vhost, name]:
                self._viewer.must_be_policymaker()
                return self._set_policy(vhost, shown(name), _document(body), is_operator=False)
            case "PUT", [b"operator-policies", vhost, name]:
                self._viewer.must_be_administrator()
                return self._set_policy(vhost, shown(name), _document(body), is_operator=True)
            case "DELETE", [b"policies", vhost, name]:
                self._viewer.must_be_policymaker()
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
            case "PUT", [b"vhosts", vhost]:
                self._viewer.must_be_administrator()
                return self._set_vhost(vhost, _document(body))
            case _:
                allow = {"Allow": "GET, HEAD, OPTIONS"}
                raise Refusal(405, "method_not_allowed", "This broker's API cannot change that yet", headers=allow)

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

    def _set_vhost(self, vhost_name: bytes, document: Json) -> int:
        """The only thing that can be said about a vhost so far is its default queue type."""
        vhost = self._vhost(vhost_name)
        kind = document.get("default_queue_type")
        if kind is not None:
            octets = str(kind).encode("utf-8", "replace")
            if octets not in QUEUE_TYPES:
                raise bad_request("Unsupported default queue type")
            vhost.set_default_queue_type(octets)
        return DONE


def _document(body: bytes) -> Json:
    """The JSON object in a request. Nothing at all is an empty one.

    Raises:
        Refusal: 400.
    """
    try:
        value = msgspec.json.decode(body) if body.strip() else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise bad_request("not_json") from error
    if value is None:
        return {}
    if isinstance(value, str):
        reason = "the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?"
        raise bad_request(f"invalid payload: {reason}")
    if not isinstance(value, dict):
        raise bad_request("not_json")
    return cast("Json", value)


def _require(document: Json, *keys: str) -> None:
    missing = [f"{{key_missing,{key}}}" for key in keys if key not in document]
    if missing:
        raise bad_request(f"[{','.join(missing)}]")


def _value(body: bytes) -> object:
    document = _document(body)
    _require(document, "value")
    return document["value"]
