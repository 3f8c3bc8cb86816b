"""Builds the broker from the settings: every room once, connected, and filled with what the store recovered."""

import logging
import platform
import socket
from pathlib import Path

from broker import __version__
from broker.auth.access import Permission
from broker.auth.passwords import hashed
from broker.auth.users import ADMINISTRATOR, Users
from broker.core.arguments import Table, boolean, longstr, table
from broker.core.clock import Clock
from broker.core.counters import Counters
from broker.definitions.journal import StoredTopology, TopologyReader
from broker.definitions.stop_index import LEAST_BYTES, apply_index, take_index, write_index
from broker.metrics.text import shown
from broker.protocol.administration import Administration
from broker.protocol.context import ConnectionLimits, Context
from broker.protocol.interceptor import KEEP, OFF, OVERWRITE, Interceptor
from broker.queues.agenda import Agenda
from broker.queues.classic import ClassicQueue
from broker.queues.window import MemoryWindow
from broker.settings.exposure import bind_refusal
from broker.settings.model import Settings
from broker.store.files import Files
from broker.store.limits import StoreLimits
from broker.store.spool import Spool
from broker.store.store import Store
from broker.vhost.delay_line import delay_line_of
from broker.vhost.turn import Turn
from broker.vhost.vhosts import VHosts
from broker.wire.tables import TableLimits

LOG = logging.getLogger("broker.server")

BY_SETTINGS = b"the settings"  # who made the first user, for the audit log

CAPABILITIES = (
    b"publisher_confirms",
    b"exchange_exchange_bindings",
    b"basic.nack",
    b"consumer_cancel_notify",
    b"connection.blocked",
    b"consumer_priorities",
    b"authentication_failure_close",
    b"per_consumer_qos",
    b"direct_reply_to",
)


class ExposureError(Exception):
    """The settings would show the broker to a network without a password worth the name."""


class Engine:
    """The broker without its ports and timers.

    Attributes:
        context: What every connection shares.
        administration: Changes users, vhosts and permissions.
        turn: Brings every chunk of input to its end.
        store: The durable state.
        recovered: Kinds of things found on disk and how many of each.
        is_first_start: The data directory is new, and has no users yet.
    """

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        """Take the data directory and read it.

        Args:
            settings: As loaded.
            clock: The broker's time; the machine's unless given.

        Raises:
            StoreError: The directory is another process's, newer than this version, or cannot be read or written.
            ExposureError: The ports would be open to a network with nobody but guest to guard them.
        """
        store_limits = StoreLimits(segment_bytes=settings.store.segment_bytes, log_bytes=settings.store.log_bytes)
        clock = clock or Clock()
        self.store = Store(str(Path(settings.data_dir).resolve()), Files(), store_limits)
        agenda = Agenda()
        agenda.now_ms = clock.now_ms()
        agenda.window = MemoryWindow()
        counters = Counters()
        self.turn = Turn(clock, agenda, self.store, counters)
        self._vhosts = VHosts(self.turn)
        users = Users([name.encode() for name in settings.loopback_users])
        self.context = Context(self.turn, users, _limits(settings), clock, server_properties(settings))
        self.context.anonymous_user = settings.auth.anonymous_user.encode()
        self.context.logins.backends = list(settings.auth.backends)
        journal = StoredTopology(self.store)
        self.administration = Administration(self.context, self._vhosts, journal, settings.auth.new_passwords)
        reader = TopologyReader(self.turn, self._vhosts, users)
        self.recovered = self._recover(reader)
        self.is_first_start = reader.access.is_first_start
        has_definitions = bool(settings.definitions.file)
        if not has_definitions:
            # Before a first start makes its user: the next one, with a better name, is to be the first one then.
            names = [settings.default_user] if self.is_first_start else self._user_names()
            refusal = bind_refusal(settings, names)
            if refusal is not None:
                self.store.close()
                raise ExposureError(refusal)
        # From here on changes are new ones: the first turn may find that a queue's lease has run out.
        self._vhosts.write_to(journal)
        self.turn.begin()
        if self.is_first_start and not has_definitions:
            self._make_defaults(settings)
        self.turn.finish()
        counters.queues_deleted = 0  # deletions that were only read back
        self.context.interceptor = _interceptor(settings)
        if not self.is_first_start and settings.default_user.encode() not in users.by_name:
            LOG.info("default_user is not used: the data directory has users of its own")

    def check_exposure(self, settings: Settings) -> None:
        """All users are known by now: may the ports be opened?

        Raises:
            ExposureError: They would be open to a network with nobody but guest to guard them.
        """
        refusal = bind_refusal(settings, self._user_names())
        if refusal is not None:
            raise ExposureError(refusal)

    def _user_names(self) -> list[str]:
        return [shown(name) for name in self.context.users.by_name]

    def _recover(self, reader: TopologyReader) -> dict[str, int]:
        store = self.store
        recovered = store.recover_topology()
        spool_directory = f"{store.directory.path}/spool"
        index = take_index(store, spool_directory, int(recovered.journal_batch))
        kept = None if index is None else [name for name, _ in index.files]
        spool = Spool(spool_directory, store.files, kept)
        self.turn.agenda.spool = spool
        reader.apply(recovered.topology)
        if index is None:
            store.recover_messages(recovered, reader.restorer)
        else:
            apply_index(index, recovered, store, spool, reader.restorer.queues)
            recovered.highest_log_id = max(recovered.highest_log_id, index.highest_log_id)
        reader.finish(recovered)
        for sentence in recovered.report:
            LOG.warning("recovery", extra={"found": sentence})
        log_ids = self._vhosts.log_ids
        log_ids.last = max(log_ids.last, recovered.highest_log_id)
        return {
            "queues": reader.queues,
            "messages": reader.messages if index is None else index.message_count(),
            "bindings": reader.bindings,
        }

    def _has_unindexed(self) -> bool:
        """Are there messages that an index has no place for, so that the next start must read them?

        Those that wait in a delayed exchange, and those of which a queue must know the keys.
        """
        for vhost in self.turn.vhosts.values():
            for queue in vhost.queues.values():
                is_keyed = isinstance(queue, ClassicQueue) and queue.takes_no_duplicates
                if is_keyed and queue.is_durable and queue.ready_count > 0:
                    return True
            for exchange in vhost.exchanges.values():
                line = delay_line_of(exchange)
                if line is not None and line.is_durable and line.count > 0:
                    return True
        return False

    def close(self, index_from_bytes: int = LEAST_BYTES) -> None:
        """The end of an orderly stop: no connection is left, and no job is under way.

        Args:
            index_from_bytes: With less than that in the log, the next start reads it, and no index is written.

        Raises:
            StoreError: The last write or sync failed. The data directory is given up nevertheless.
        """
        store = self.store
        spool = self.turn.agenda.spool
        try:
            store.seal()
            if spool is not None and not self._has_unindexed():
                queues = [
                    queue
                    for vhost in self.turn.vhosts.values()
                    for queue in vhost.queues.values()
                    if queue.is_durable and isinstance(queue, ClassicQueue)
                ]
                write_index(store, spool, queues, int(self._vhosts.log_ids.last), index_from_bytes)
        finally:
            store.close()

    def _make_defaults(self, settings: Settings) -> None:
        """The first start: the default vhost, and an administrator with all rights in every vhost there is.

        A data directory from before users were stored may hold several, which one user had to himself.
        """
        name = settings.default_user.encode()
        administration = self.administration
        for vhost in self.turn.vhosts.values():
            administration.describe_vhost(vhost, "", [], BY_SETTINGS)
        if settings.default_vhost not in self.turn.vhosts:
            administration.create_vhost(settings.default_vhost, "", [], BY_SETTINGS)
        password = hashed(settings.default_pass.encode(), administration.new_passwords)
        administration.put_user(name, password, [ADMINISTRATOR], BY_SETTINGS)
        for vhost_name in self.turn.vhosts:
            administration.permit(name, vhost_name, Permission(".*", ".*", ".*"), BY_SETTINGS)
        administration.end_first_start()


def _limits(settings: Settings) -> ConnectionLimits:
    amqp = settings.amqp
    return ConnectionLimits(
        frame_max=amqp.frame_max,
        channel_max=amqp.channel_max,
        heartbeat_s=amqp.heartbeat_s,
        handshake_s=amqp.handshake_timeout_s,
        max_message_bytes=amqp.max_message_bytes,
        max_connections=amqp.max_connections,
        consumers_per_channel=amqp.max_consumers_per_channel,
        has_py_amqp_qos=amqp.py_amqp_qos,
        blocked_grace_s=amqp.blocked_grace_s,
        consumer_timeout_ms=round(amqp.consumer_timeout_s * 1000),
        handshake_frame_max=amqp.handshake_frame_max,
        unacked_per_channel=amqp.max_unacked_per_channel,
        tables=TableLimits(amqp.max_table_depth, amqp.max_table_entries),
    )


def _interceptor(settings: Settings) -> Interceptor | None:
    modes = {"off": OFF, "keep": KEEP, "overwrite": OVERWRITE}
    timestamp = modes[settings.interceptors.set_header_timestamp]
    routing_node = modes[settings.interceptors.set_header_routing_node]
    if timestamp == OFF and routing_node == OFF:
        return None
    return Interceptor(timestamp, routing_node, node_name().encode())


def node_name() -> str:
    """``ponymq@<host name>``."""
    return f"ponymq@{socket.gethostname()}"


def cluster_name(settings: Settings) -> str:
    """The configured name, or ``ponymq@<host name>``."""
    return settings.cluster_name or node_name()


def server_properties(settings: Settings) -> Table:
    """What ``connection.start`` says: RabbitMQ's fields, because clients choose their behaviour by them."""
    return {
        b"capabilities": table({name: boolean(True) for name in CAPABILITIES}),
        b"cluster_name": longstr(cluster_name(settings).encode()),
        b"copyright": longstr(b"The PonyMQ developers"),
        b"information": longstr(f"PonyMQ {__version__}".encode()),
        b"platform": longstr(f"Python {platform.python_version()}".encode()),
        b"product": longstr(settings.amqp.product.encode()),
        b"version": longstr(settings.amqp.version.encode()),
    }
