"""A new secret for a connection that is open, because the old one expires: RabbitMQ's connection.update-secret."""

import logging
from typing import TYPE_CHECKING, Final

from broker.auth.external import EXTERNAL
from broker.auth.logins import WAITING
from broker.auth.sasl import ANONYMOUS
from broker.auth.users import OAUTH2
from broker.core.errors import NOT_ALLOWED, HardError
from broker.protocol.handshake import ConnectionLogin, entry_refusal
from broker.protocol.states import CHANNEL_RUNNING
from broker.wire.arguments import ArgumentReader
from broker.wire.methods import CONNECTION_UPDATE_SECRET, CONNECTION_UPDATE_SECRET_OK

if TYPE_CHECKING:
    from broker.protocol.connection import Connection

LOG: Final = logging.getLogger("broker.connection")


def update_secret(connection: "Connection", reader: ArgumentReader) -> None:
    """The client shows a new secret, because the old one expires. It goes on when the verdict is in.

    RabbitMQ's extension. Where no secret was shown at the login, there is none to renew.

    Raises:
        HardError: 530, refused.
    """
    secret = reader.longstr()
    reader.shortstr()  # reason: the client's business
    reader.end()
    user = connection.user
    assert user is not None
    if connection.mechanism == EXTERNAL or connection.mechanism == ANONYMOUS:
        connection.outbox.method(0, CONNECTION_UPDATE_SECRET_OK, b"")
        connection.touch()
        return
    login = ConnectionLogin(connection, user.name)
    connection.login = login
    connection.context.logins.begin_again(login, secret, user)
    if login.verdict == WAITING:
        connection.await_verdict()
    else:
        end_update(connection)


def end_update(connection: "Connection") -> None:
    """The verdict on a new secret is in. What the user may not do any more is over.

    Raises:
        HardError: 530, it is refused, another user's, or no longer good for the vhost.
    """
    user = connection.user
    login = connection.login
    assert user is not None
    assert login is not None
    connection.blame(CONNECTION_UPDATE_SECRET)
    shown = login.user
    if shown is None or shown.name != user.name:
        connection.context.counters.logins_failed += 1
        raise HardError(NOT_ALLOWED, "New secret was refused by one of the backends")
    user.renew(shown)
    if user.backend == OAUTH2:
        connection.forget_routes()
        if not user.may_enter(connection.vhost_name):
            raise entry_refusal(connection, connection.vhost_name)
        for channel in list(connection.channels.values()):
            if channel.state == CHANNEL_RUNNING:
                channel.cancel_unreadable()
    connection.outbox.method(0, CONNECTION_UPDATE_SECRET_OK, b"")
    connection.touch()
    LOG.info("secret updated", extra={"peer": connection.peer, "user": user.name.decode("utf-8", "replace")})
