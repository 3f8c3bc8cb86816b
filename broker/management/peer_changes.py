"""Connections: the paths that close them, and those of one user."""

import logging
from typing import Final

from broker.management.answers import DONE, Answer
from broker.management.call import Call
from broker.management.json_values import Json
from broker.management.listing import Listed
from broker.management.refusals import not_authorised
from broker.management.resources import seen_connection, seen_connections
from broker.management.routes import COLUMNS, Parameter, Route
from broker.metrics.text import shown
from broker.protocol.connection import Connection

AUDIT: Final = logging.getLogger("broker.audit")

REASON: Final = "X-Reason"
NO_REASON: Final = "Closed via management plugin"
_WHY: Final = Parameter(REASON, "What the client is told.", place="header")


def close_connection(call: Call, name: bytes) -> Answer:
    """Close a connection. Users may close their own, administrators all."""
    _close(call, [seen_connection(call, name)])
    return DONE


async def user_connections(call: Call, user: bytes) -> Answer:
    """Open connections of a user, in short."""
    listed = [Listed(each.vhost_name, call.facts.connection_name(each), each) for each in _of_user(call, user)]
    return await call.unpaged(listed, lambda connection: _short_view(call, connection))


def close_user_connections(call: Call, user: bytes) -> Answer:
    """Close every connection of a user; there may be none. Users may close their own, administrators all."""
    _close(call, _of_user(call, user))
    return DONE


def _of_user(call: Call, user: bytes) -> list[Connection]:
    return [each for each in seen_connections(call) if each.user_name == user]


def _short_view(call: Call, connection: Connection) -> Json:
    return {
        "name": call.facts.connection_name(connection),
        "vhost": connection.vhost_name,
        "user": shown(connection.user_name),
        "node": call.facts.node.name,
    }


def _close(call: Call, connections: list[Connection]) -> None:
    viewer = call.viewer
    for connection in connections:
        if not viewer.is_administrator and connection.user_name != viewer.name:
            raise not_authorised("User not authorised to access object")
    # The library hands on octets that are no UTF-8 in a form that cannot be encoded.
    reason = call.headers.get(REASON, "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    with call.facts.turn():
        for connection in connections:
            connection.force_close(reason or NO_REASON)
            fields = {"by": viewer.name, "peer": connection.peer, "user": connection.user_name}
            AUDIT.info("connection closed on request", extra={**fields, "reason": reason or NO_REASON})


ROUTES: Final = (
    Route("DELETE", "/connections/{connection}", close_connection, query=[_WHY], statuses=[204]),
    Route("GET", "/connections/username/{user}", user_connections, query=COLUMNS),
    Route("DELETE", "/connections/username/{user}", close_user_connections, query=[_WHY], statuses=[204]),
)
