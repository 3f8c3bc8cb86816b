"""What every connection of one broker shares."""

from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.access import Access
from broker.auth.logins import Logins
from broker.auth.users import INTERNAL, Users
from broker.core.arguments import Table
from broker.core.clock import Clock
from broker.core.counters import Counters
from broker.protocol.interceptor import Interceptor
from broker.protocol.states import RUNNING
from broker.queues.queue import Queue
from broker.store.survivors import Survivors
from broker.vhost.alarms import Alarms
from broker.vhost.publisher import Publisher
from broker.vhost.turn import Turn
from broker.wire.outbox import WarmOutboxes
from broker.wire.tables import CODEC_LIMITS, TableLimits

if TYPE_CHECKING:
    from broker.protocol.connection import Connection


@final
@mypyc_attr(native_class=True)
class ConnectionLimits:
    """What a peer may ask for, and how long it may take.

    Attributes:
        frame_max: Largest frame, octets, frame overhead included.
        channel_max: Highest channel number.
        heartbeat_s: Interval offered; 0 for none.
        handshake_s: From accept to connection.open.
        max_message_bytes: Largest body.
        max_connections: Open connections at one time; 0 for no limit.
        consumers_per_channel: 0 for no limit.
        has_py_amqp_qos: ``basic.qos`` without global from py-amqp reaches running consumers too, so that Celery's ETA
            tasks do not starve a worker.
        consumer_timeout_ms: Longest that a delivery may be out where neither consumer nor queue says; 0 for no limit.
        blocked_grace_s: From an alarm to the end of those who publish without confirms and do not stop.
        handshake_frame_max: Largest frame before the login, octets. Nothing a stranger sends may take more memory.
        unacked_per_channel: Deliveries that may be out on one channel; 0 for no limit.
        tables: What the tables of arguments and headers may hold.
    """

    def __init__(
        self,
        frame_max: i64,
        channel_max: i64,
        heartbeat_s: i64,
        handshake_s: float,
        max_message_bytes: i64,
        max_connections: i64,
        consumers_per_channel: i64,
        has_py_amqp_qos: bool,
        blocked_grace_s: float = 10.0,
        consumer_timeout_ms: i64 = 0,
        handshake_frame_max: i64 = 8192,
        unacked_per_channel: i64 = 0,
        tables: TableLimits = CODEC_LIMITS,
    ) -> None:
        self.frame_max: Final[i64] = frame_max
        self.channel_max: Final[i64] = channel_max
        self.heartbeat_s: Final[i64] = heartbeat_s
        self.handshake_s: Final = handshake_s
        self.max_message_bytes: Final[i64] = max_message_bytes
        self.max_connections: Final[i64] = max_connections
        self.consumers_per_channel: Final[i64] = consumers_per_channel
        self.has_py_amqp_qos: Final = has_py_amqp_qos
        self.blocked_grace_s: Final = blocked_grace_s
        self.consumer_timeout_ms: Final[i64] = consumer_timeout_ms
        self.handshake_frame_max: Final[i64] = handshake_frame_max
        self.unacked_per_channel: Final[i64] = unacked_per_channel
        self.tables: Final = tables


@final
@mypyc_attr(native_class=True)
class Context:
    """The broker behind a connection.

    Attributes:
        turn: Brings every chunk to its end.
        users: Who may log in.
        logins: Decides who comes in.
        anonymous_user: Who comes in without a password by the mechanism ANONYMOUS; empty: it is not offered.
        limits: What a peer may ask for.
        clock: For deadlines.
        counters: Totals.
        alarms: Whether publishers are refused for want of memory or disk.
        server_properties: What ``connection.start`` says about this broker.
        interceptor: Stamps every message that comes in; None if the settings ask for nothing.
        connections: All that have a socket, by number.
        warm_outboxes: Those of them that have much to write keep the memory for it.
        open_count: Those of them that have opened a vhost: ``max_connections`` counts these, so that strangers who
            never log in cannot take all places.
        is_stopping: The broker closes its connections; nobody new is let in.
    """

    def __init__(
        self, turn: Turn, users: Users, limits: ConnectionLimits, clock: Clock, server_properties: Table
    ) -> None:
        self.turn: Final = turn
        self.users: Final = users
        self.logins: Final = Logins(users, clock)
        self.anonymous_user: bytes = b""
        self.limits: Final = limits
        self.clock: Final = clock
        self.counters: Final[Counters] = turn.counters
        self.alarms: Final[Alarms] = turn.alarms
        self.server_properties: Final = server_properties
        self.connections: Final[dict[int, Connection]] = {}
        self.warm_outboxes: Final = WarmOutboxes()
        self.interceptor: Interceptor | None = None
        self.open_count: i64 = 0
        self.is_stopping: bool = False
        self._last_id: i64 = 0
        self._publishers: Final[dict[Access, Publisher]] = {}

    def next_connection_id(self) -> i64:
        """A number that no connection of this run has had."""
        self._last_id += 1
        return self._last_id

    def unacked_of(self, queue: Queue) -> Survivors:
        """Every delivery of ``queue`` that is out, on whatever connection. Looks at all that are out: for rare use."""
        survivors = Survivors()
        for connection in self.connections.values():
            for channel in connection.channels.values():
                channel.survive(queue, survivors)
        return survivors

    def count_in_vhost(self, vhost_name: str) -> int:
        """How many connections have opened a vhost. Looks at all of them: for vhosts with a limit."""
        count = 0
        for connection in self.connections.values():
            if connection.state == RUNNING and connection.vhost_name == vhost_name:
                count += 1
        return count

    def connections_of(self, user_name: bytes) -> list["Connection"]:
        """The connections on which a user has opened a vhost. Looks at all connections: for users with a limit."""
        found: list[Connection] = []
        for connection in self.connections.values():
            if connection.state == RUNNING and connection.user_name == user_name:
                found.append(connection)
        return found

    def publisher(self, access: Access) -> Publisher:
        """The publisher, and with it the route cache, that all connections of one user to one vhost share.

        Users whom somebody else vouches for have rights of their own on each connection, and so a publisher.
        """
        if access.user.backend != INTERNAL:
            return Publisher(self.turn.vhosts[access.vhost_name], access, self.limits.tables)
        publisher = self._publishers.get(access)
        if publisher is None:
            publisher = Publisher(self.turn.vhosts[access.vhost_name], access, self.limits.tables)
            self._publishers[access] = publisher
        return publisher

    def forget_publisher(self, access: Access) -> None:
        """The user or the vhost is gone, and so are the connections."""
        self._publishers.pop(access, None)
