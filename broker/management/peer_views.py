"""Connections and channels as the API shows them."""

from itertools import islice
from typing import Final

from broker.management.consumer_view import MOST_CONSUMERS, consumer_view
from broker.management.facts import Facts
from broker.management.json_values import Json, json_table
from broker.management.names import split_address
from broker.management.peers import message_counts, running_channels
from broker.management.stats import NO_SPANS, Spans, with_rates
from broker.metrics.figures import CHANNEL_FIGURES, CONNECTION_FIGURES
from broker.metrics.text import shown
from broker.protocol.channel import Channel
from broker.protocol.connection import Connection
from broker.protocol.handshake import text_of
from broker.protocol.states import RUNNING
from broker.protocol.tls_session import TlsSession

PROTOCOL_NAME: Final = "AMQP 0-9-1"


def connection_view(facts: Facts, connection: Connection, spans: Spans = NO_SPANS) -> Json:
    """The row of one connection."""
    peer_host, peer_port = split_address(connection.peer)
    tracks, key = facts.sampler.connections, int(connection.id)
    octets = with_rates(
        CONNECTION_FIGURES.groups["octets"],
        (connection.octets_received, connection.octets_sent),
        tracks.rates(key),
        facts.samples(tracks, key, spans.data_rates),
    )
    view: Json = {
        "name": facts.connection_name(connection),
        "vhost": connection.vhost_name,
        "user": shown(connection.user_name),
        "user_who_performed_action": shown(connection.user_name),
        "node": facts.node.name,
        "type": "network",
        "protocol": PROTOCOL_NAME,
        "state": _state(connection),
        "channels": len(running_channels(connection)),
        "channel_max": connection.channel_max,
        "frame_max": connection.frame_max,
        "timeout": connection.heartbeat_s,
        "connected_at": connection.connected_ms,
        "peer_host": peer_host,
        "peer_port": peer_port,
        "ssl": connection.tls is not None,
        "auth_mechanism": shown(connection.mechanism),
        "client_properties": json_table(connection.client_properties),
        **octets,
    }
    view["host"], view["port"] = split_address(connection.listener)
    if connection.tls is not None:
        view |= _tls_view(connection.tls)
    given_name = text_of(connection.client_properties.get(b"connection_name"))
    if given_name:
        view["user_provided_name"] = shown(given_name)
    return view


def _tls_view(tls: TlsSession) -> Json:
    view: Json = {
        "ssl_protocol": tls.version,
        "ssl_key_exchange": tls.key_exchange,
        "ssl_cipher": tls.cipher,
        "ssl_hash": tls.digest,
    }
    if tls.certificate is not None:
        view["peer_cert_subject"] = tls.certificate.subject
        view["peer_cert_issuer"] = tls.certificate.issuer
        view["peer_cert_validity"] = tls.certificate.validity
    return view


def _state(connection: Connection) -> str:
    if connection.state != RUNNING:
        return "closing"
    return "blocked" if connection.is_alarmed else "running"


def channel_view(facts: Facts, channel: Channel, spans: Spans = NO_SPANS) -> Json:
    """The row of one channel."""
    connection = channel.connection
    transaction = channel.transaction
    peer_host, peer_port = split_address(connection.peer)
    return {
        "name": facts.channel_name(channel),
        "number": channel.number,
        "node": facts.node.name,
        "vhost": connection.vhost_name,
        "user": shown(connection.user_name),
        "user_who_performed_action": shown(connection.user_name),
        "state": "running",
        "transactional": transaction is not None,
        "confirm": channel.confirms.is_selected,
        "consumer_count": len(channel.consumers),
        "messages_unacknowledged": channel.unacked.count,
        "messages_unconfirmed": channel.confirms.unconfirmed_count,
        "messages_uncommitted": len(transaction.messages) if transaction is not None else 0,
        "acks_uncommitted": len(transaction.settled) if transaction is not None else 0,
        "prefetch_count": channel.prefetch_count,
        "global_prefetch_count": channel.shared_prefetch,
        "connection_details": {
            "name": facts.connection_name(connection),
            "peer_host": peer_host,
            "peer_port": peer_port,
        },
        "pending_raft_commands": 0,
        "message_stats": _channel_stats(facts, channel, spans),
    }


def single_channel_view(facts: Facts, channel: Channel, spans: Spans = NO_SPANS) -> Json:
    """The whole of one channel, its consumers included."""
    consumers = [consumer_view(facts, each) for each in islice(channel.consumers.values(), MOST_CONSUMERS)]
    return {**channel_view(facts, channel, spans), "consumer_details": consumers, "publishes": [], "deliveries": []}


def _channel_stats(facts: Facts, channel: Channel, spans: Spans) -> Json:
    """What a channel counts. Publishes are counted in confirm mode only; what is not counted is left out."""
    layout = CHANNEL_FIGURES.groups["message_stats"]
    if not channel.confirms.is_selected:
        layout = {"deliver_get": layout["deliver_get"]}
    tracks, key = facts.sampler.channels, (int(channel.connection.id), int(channel.number))
    samples = facts.samples(tracks, key, spans.msg_rates)
    return with_rates(layout, message_counts(channel), tracks.rates(key), samples)
