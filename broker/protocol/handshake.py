"""From connection.start to connection.open-ok. AMQP 0-9-1 §1.4.2, with RabbitMQ's limits and texts.

A password is checked elsewhere and takes its time: the verdict may be there when ``start_ok`` returns, or the
connection waits for it and reads nothing meanwhile.
"""

import logging
from typing import TYPE_CHECKING, Final, cast, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.external import EXTERNAL
from broker.auth.logins import WAITING, Login
from broker.auth.sasl import ANONYMOUS, MECHANISMS, read_response
from broker.auth.users import User
from broker.core.arguments import Field, Table, octets
from broker.core.errors import ACCESS_REFUSED, NOT_ALLOWED, HardError
from broker.policy.limits import MAX_CONNECTIONS
from broker.protocol.states import AWAIT_TUNE_OK, RUNNING
from broker.wire.arguments import ArgumentReader
from broker.wire.methods import (
    CONNECTION_OPEN_OK,
    CONNECTION_TUNE,
    FRAME_MIN_SIZE,
)
from broker.wire.octets import longstr, u16, u32
from broker.wire.tables import encode_table

if TYPE_CHECKING:
    from broker.protocol.connection import Connection

LOG: Final = logging.getLogger("broker.connection")
AUDIT: Final = logging.getLogger("broker.audit")


@final
@mypyc_attr(native_class=True)
class ConnectionLogin(Login):
    """The login of one connection."""

    def __init__(self, connection: "Connection", name: bytes) -> None:
        peer = connection.peer
        door = f"amqp {connection.mechanism.decode('utf-8', 'replace')}"
        super().__init__(name, peer.rpartition(":")[0], peer, connection.is_loopback, door)
        self._connection: Final = connection

    def decided(self) -> None:
        if self._connection.is_waiting:
            self._connection.transport.read_on()


def start_payload(connection: "Connection") -> bytes:
    """Arguments of connection.start: version 0-9, who we are, mechanisms, locales."""
    mechanisms = MECHANISMS
    context = connection.context
    tls = connection.tls
    if tls is not None and tls.has_external:
        mechanisms += b" " + EXTERNAL  # whether or not there is a certificate, as RabbitMQ does
    if context.anonymous_user:
        mechanisms += b" " + ANONYMOUS
    return b"\x00\x09" + encode_table(context.server_properties) + longstr(mechanisms) + longstr(b"en_US")


def start_ok(connection: "Connection", reader: ArgumentReader) -> None:
    """The client says who it is. The connection goes on when the verdict is in, which may be at once.

    Raises:
        HardError: 403, refused. The connection tells it only to clients that asked to be told.
    """
    properties = reader.table()
    connection.client_properties = properties
    connection.mechanism = reader.shortstr()
    response = reader.longstr()
    reader.shortstr()  # locale: there is one
    reader.end()
    capabilities = _table(properties.get(b"capabilities"))
    connection.wants_cancel_notify = _is_true(capabilities.get(b"consumer_cancel_notify"))
    connection.wants_blocked_notify = _is_true(capabilities.get(b"connection.blocked"))
    context = connection.context
    is_py_amqp = text_of(properties.get(b"product")) == b"py-amqp"
    connection.has_channel_qos = is_py_amqp and context.limits.has_py_amqp_qos
    wants_close = _is_true(capabilities.get(b"authentication_failure_close"))
    mechanism = connection.mechanism
    tls = connection.tls
    if tls is not None and tls.has_external and mechanism == EXTERNAL:
        connection.wants_close_on_refusal = wants_close
        login = _login(connection, tls.login)
        context.logins.admit(login)
    elif mechanism == ANONYMOUS and context.anonymous_user:
        connection.wants_close_on_refusal = wants_close
        login = _login(connection, context.anonymous_user)
        context.logins.admit(login)
    else:
        credentials = read_response(mechanism, response)
        if credentials is None:
            raise _refusal(connection)
        connection.wants_close_on_refusal = wants_close
        login = _login(connection, credentials.name)
        context.logins.begin(login, credentials.password)
    if login.verdict == WAITING:
        connection.await_verdict()
    else:
        end_login(connection)


def _login(connection: "Connection", name: bytes) -> ConnectionLogin:
    login = ConnectionLogin(connection, name)
    connection.user_name = name
    connection.login = login
    return login


def _refusal(connection: "Connection") -> HardError:
    connection.context.counters.logins_failed += 1
    mechanism = connection.mechanism.decode("utf-8", "replace")
    text = f"Login was refused using authentication mechanism {mechanism}. For details see the broker logfile."
    return HardError(ACCESS_REFUSED, text, names_method=False)


def end_login(connection: "Connection") -> None:
    """The verdict is in.

    Raises:
        HardError: 403, refused. The connection tells it only to clients that asked to be told.
    """
    login = connection.login
    assert login is not None
    user = login.user
    if user is None:
        raise _refusal(connection)
    connection.user = user
    connection.user_name = user.name
    context = connection.context
    context.counters.logins_succeeded += 1
    limits = context.limits
    tune = u16(limits.channel_max) + u32(limits.frame_max) + u16(limits.heartbeat_s)
    connection.outbox.method(0, CONNECTION_TUNE, tune)
    connection.touch()
    connection.enter(AWAIT_TUNE_OK)


def tune_ok(connection: "Connection", reader: ArgumentReader) -> None:
    """The client says what it makes of our offer. RabbitMQ takes its figures, and refuses those beyond the offer.

    Raises:
        HardError: 530.
    """
    channel_max = reader.short()
    frame_max = reader.long()
    heartbeat_s = reader.short()
    reader.end()
    limits = connection.context.limits
    connection.blame(CONNECTION_TUNE)
    _check_figure("frame_max", frame_max, FRAME_MIN_SIZE, limits.frame_max)
    _check_figure("channel_max", channel_max, 1, limits.channel_max)
    connection.frame_max = frame_max
    connection.channel_max = channel_max
    connection.heartbeat_s = heartbeat_s
    connection.agreed()


def _check_figure(name: str, value: i64, least: i64, offered: i64) -> None:
    if value == 0:
        if offered > 0:
            text = f"negotiated {name} = 0 (no limit) is higher than the maximum allowed value ({offered})"
            raise HardError(NOT_ALLOWED, text)
    elif value < least:
        raise HardError(NOT_ALLOWED, f"negotiated {name} = {value} is lower than the minimum allowed value ({least})")
    elif offered > 0 and value > offered:
        raise HardError(
            NOT_ALLOWED, f"negotiated {name} = {value} is higher than the maximum allowed value ({offered})"
        )


def open_connection(connection: "Connection", reader: ArgumentReader) -> None:
    """The client chooses a vhost.

    Raises:
        HardError: 530, no such vhost, one that the user may not enter, or too many connections.
        Undecided: Somebody has to be asked whether the user may enter.
    """
    name = reader.shortstr().decode("utf-8")
    reader.shortstr()
    reader.octet()
    reader.end()
    context = connection.context
    if name not in context.turn.vhosts:
        raise HardError(NOT_ALLOWED, f"vhost {name} not found")
    limit = context.limits.max_connections
    if limit > 0 and context.open_count >= limit:
        raise HardError(NOT_ALLOWED, f"connection refused: node connection limit ({limit}) is reached")
    user = connection.user
    assert user is not None
    if not user.may_enter(name):
        raise entry_refusal(connection, name)
    _check_limits(connection, name)
    _enter_vhost(connection, user, name)
    connection.outbox.method(0, CONNECTION_OPEN_OK, b"\x00")
    connection.touch()
    LOG.info(
        "connection opened",
        extra={
            "peer": connection.peer,
            "user": connection.user_name.decode("utf-8", "replace"),
            "vhost": name,
            "client": client_name(connection.client_properties),
        },
    )


def open_directly(connection: "Connection", user: User, vhost_name: str) -> None:
    """Open a connection that has no socket, for a user who has logged in elsewhere and may enter the vhost.

    No limit of connections keeps it out, for it may be the one that makes room; and frames may have any size.
    """
    connection.user = user
    connection.user_name = user.name
    connection.frame_max = 0
    connection.agreed()
    _enter_vhost(connection, user, vhost_name)


def _enter_vhost(connection: "Connection", user: User, name: str) -> None:
    context = connection.context
    connection.vhost_name = name
    connection.publisher = context.publisher(user.access(name))
    context.open_count += 1
    connection.enter(RUNNING)


def entry_refusal(connection: "Connection", vhost_name: str) -> HardError:
    """What to raise when the user may not be in a vhost; it is logged."""
    user_name = connection.user_name.decode("utf-8", "replace")
    AUDIT.warning(
        "vhost refused",
        extra={"user": user_name, "peer": connection.peer, "vhost": vhost_name, "reason": "no permission"},
    )
    return HardError(NOT_ALLOWED, f"access to vhost '{vhost_name}' refused for user '{user_name}'")


def _check_limits(connection: "Connection", vhost_name: str) -> None:
    """Refuse one connection too many of the vhost or the user. Connections are counted only where a limit is set."""
    context = connection.context
    user = connection.user_name.decode("utf-8", "replace")
    of_vhost = context.turn.vhosts[vhost_name].limits.get(MAX_CONNECTIONS)
    of_user = context.turn.user_limits.of(connection.user_name).get(MAX_CONNECTIONS)
    if of_vhost >= 0 and context.count_in_vhost(vhost_name) >= of_vhost:
        text = f"access to vhost '{vhost_name}' refused for user '{user}': connection limit ({of_vhost}) is reached"
        raise HardError(NOT_ALLOWED, text)
    if of_user >= 0 and len(context.connections_of(connection.user_name)) >= of_user:
        text = f"connection refused for user '{user}': user connection limit ({of_user}) is reached"
        raise HardError(NOT_ALLOWED, text)


def client_name(properties: Table) -> str:
    """What to call the client: the name it gave the connection, or its product and version."""
    name = text_of(properties.get(b"connection_name"))
    if not name:
        name = text_of(properties.get(b"product")) + b" " + text_of(properties.get(b"version"))
    return name.decode("utf-8", "replace").strip()


def text_of(field: Field | None) -> bytes:
    """The octets of a string; empty for anything else."""
    return octets(field) if field is not None and field.kind == "S" else b""


def _is_true(field: Field | None) -> bool:
    return field is not None and field.kind == "t" and field.value is True


def _table(field: Field | None) -> Table:
    return cast("Table", field.value) if field is not None and field.kind == "F" else {}
