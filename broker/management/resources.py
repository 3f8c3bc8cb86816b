"""The paths that read the broker itself: its overview, queues, exchanges, connections, channels, vhosts, policies."""

from collections.abc import Iterable
from typing import Final

from broker.auth.users import INTERNAL
from broker.management.answers import Answer, as_json
from broker.management.call import Call
from broker.management.consumer_view import consumer_view
from broker.management.fields import Fields
from broker.management.listing import Listed
from broker.management.overview import overview
from broker.management.pace import Pace
from broker.management.peer_views import channel_view, connection_view, single_channel_view
from broker.management.peers import running_channels
from broker.management.policy_views import limits_view, policy_view
from broker.management.queue_view import bare_fields, queue_fields, queue_view, total_fields
from broker.management.refusals import not_authorised, not_found
from broker.management.routes import (
    ADMINISTRATOR,
    BARE,
    COLUMNS,
    DATA_PAST,
    LENGTHS_PAST,
    NODE_PAST,
    PAGED,
    RATES_PAST,
    Parameter,
    Route,
)
from broker.management.topology_views import (
    bare_exchange_view,
    bare_vhost_view,
    exchange_named,
    exchange_view,
    vhost_view,
)
from broker.metrics.text import shown
from broker.metrics.totals import Totals
from broker.protocol.channel import Channel
from broker.protocol.connection import Connection
from broker.protocol.consumer import ChannelConsumer
from broker.queues.queue import Queue
from broker.vhost.vhost import VHost

# --- the whole broker


async def whole_broker(call: Call) -> Answer:
    """Everything that is told of the whole broker."""
    return call.one(await overview(call.facts, call.viewer, call.spans()))


def whoami(call: Call) -> Answer:
    """The user who asks."""
    viewer = call.viewer
    is_internal = viewer.user.backend == INTERNAL
    return call.one({"name": shown(viewer.name), "tags": list(viewer.tags), "is_internal_user": is_internal})


# --- queues


async def queues(call: Call) -> Answer:
    """Every queue."""
    return await _queue_list(call, call.vhosts())


async def vhost_queues(call: Call, vhost: bytes) -> Answer:
    """The queues of a vhost."""
    return await _queue_list(call, [call.vhost(vhost)])


async def detailed_queues(call: Call) -> Answer:
    """Every queue, with its consumers and why it is as it is."""
    spans = call.spans()
    return await call.paged(_listed_queues(call.vhosts()), lambda queue: queue_view(call.facts, queue, spans))


async def _queue_list(call: Call, vhosts: list[VHost]) -> Answer:
    fields = queue_fields(call.facts, call.spans())
    if call.flag("disable_stats"):
        totals = total_fields() if call.flag("enable_queue_totals") else {}
        fields = Fields({**bare_fields(call.facts), **totals})
    return await call.paged(_listed_queues(vhosts), fields)


def _listed_queues(vhosts: list[VHost]) -> Iterable[Listed[Queue]]:
    return (Listed(vhost.name, shown(queue.name), queue) for vhost in vhosts for queue in list(vhost.queues.values()))


def one_queue(call: Call, vhost: bytes, name: bytes) -> Answer:
    """One queue, with its consumers and why it is as it is."""
    queue = call.vhost(vhost).queues.get(name)
    if queue is None:
        raise not_found()
    return call.one(queue_view(call.facts, queue, call.spans()))


async def consumers(call: Call) -> Answer:
    """Every consumer. Never paged."""
    return await _consumer_list(call, call.vhosts())


async def vhost_consumers(call: Call, vhost: bytes) -> Answer:
    """The consumers in a vhost. Never paged."""
    return await _consumer_list(call, [call.vhost(vhost)])


async def _consumer_list(call: Call, vhosts: list[VHost]) -> Answer:
    listed = (
        Listed(each.vhost, each.name, consumer)
        for each in _listed_queues(vhosts)
        for consumer in list(each.source.consumers)
        if isinstance(consumer, ChannelConsumer)
    )
    return await call.unpaged(listed, lambda consumer: consumer_view(call.facts, consumer))


# --- exchanges


async def exchanges(call: Call) -> Answer:
    """Every exchange."""
    return await _exchange_list(call, call.vhosts())


async def vhost_exchanges(call: Call, vhost: bytes) -> Answer:
    """The exchanges of a vhost."""
    return await _exchange_list(call, [call.vhost(vhost)])


async def _exchange_list(call: Call, vhosts: list[VHost]) -> Answer:
    listed = (
        Listed(vhost.name, shown(exchange.name), exchange)
        for vhost in vhosts
        for exchange in list(vhost.exchanges.values())
    )
    if call.flag("disable_stats"):
        return await call.paged(listed, bare_exchange_view)
    spans = call.spans()
    return await call.paged(listed, lambda exchange: exchange_view(call.facts, exchange, spans))


def one_exchange(call: Call, vhost: bytes, name: bytes) -> Answer:
    """One exchange; the default one is called ``amq.default``."""
    exchange = call.vhost(vhost).exchanges.get(exchange_named(name))
    if exchange is None:
        raise not_found()
    return call.one({**exchange_view(call.facts, exchange, call.spans()), "incoming": [], "outgoing": []})


# --- connections and channels


def seen_connections(call: Call) -> list[Connection]:
    """The open connections that the user may see: monitors all of them, others their own."""
    viewer = call.viewer
    connections = call.facts.peers.open_connections()
    return [each for each in connections if viewer.is_monitor or each.user_name == viewer.name]


def seen_connection(call: Call, name: bytes) -> Connection:
    """One of them.

    Raises:
        Refusal: 404.
    """
    wanted = shown(name)
    for connection in seen_connections(call):
        if call.facts.connection_name(connection) == wanted:
            return connection
    raise not_found()


async def connections(call: Call) -> Answer:
    """Open connections: every one for monitors, for others their own."""
    return await _connection_list(call, seen_connections(call))


async def vhost_connections(call: Call, vhost: bytes) -> Answer:
    """Open connections to a vhost."""
    where = call.vhost(vhost).name
    return await _connection_list(call, [each for each in seen_connections(call) if each.vhost_name == where])


async def _connection_list(call: Call, connections: list[Connection]) -> Answer:
    listed = (Listed(each.vhost_name, call.facts.connection_name(each), each) for each in connections)
    spans = call.spans()
    return await call.paged(listed, lambda connection: connection_view(call.facts, connection, spans))


def one_connection(call: Call, name: bytes) -> Answer:
    """One connection."""
    return call.one(connection_view(call.facts, seen_connection(call, name), call.spans()))


def _seen_channels(call: Call) -> list[Channel]:
    return [channel for connection in seen_connections(call) for channel in running_channels(connection)]


async def channels(call: Call) -> Answer:
    """Open channels: every one for monitors, for others their own."""
    return await _channel_list(call, _seen_channels(call))


async def vhost_channels(call: Call, vhost: bytes) -> Answer:
    """Open channels to a vhost."""
    where = call.vhost(vhost).name
    return await _channel_list(call, [each for each in _seen_channels(call) if each.vhost.name == where])


async def connection_channels(call: Call, name: bytes) -> Answer:
    """The channels of a connection."""
    return await _channel_list(call, running_channels(seen_connection(call, name)))


async def _channel_list(call: Call, channels: list[Channel]) -> Answer:
    listed = (Listed(each.vhost.name, call.facts.channel_name(each), each) for each in channels)
    spans = call.spans()
    return await call.paged(listed, lambda channel: channel_view(call.facts, channel, spans))


def one_channel(call: Call, name: bytes) -> Answer:
    """One channel, with its consumers."""
    wanted = shown(name)
    for channel in _seen_channels(call):
        if call.facts.channel_name(channel) == wanted:
            return call.one(single_channel_view(call.facts, channel, call.spans()))
    raise not_found()


# --- vhosts


async def vhosts(call: Call) -> Answer:
    """The vhosts that the user may see."""
    listed = [Listed("", vhost.name, vhost) for vhost in call.vhosts()]
    if call.flag("disable_stats"):
        return await call.paged(listed, lambda vhost: bare_vhost_view(call.facts, vhost))
    spans, pace = call.spans(), Pace()
    totals = {each.name: await _counted(each.source, pace) for each in listed}
    return await call.paged(listed, lambda vhost: vhost_view(call.facts, vhost, totals[vhost.name], spans))


async def one_vhost(call: Call, name: bytes) -> Answer:
    """One vhost."""
    vhost = call.vhost(name)
    totals = await _counted(vhost, Pace())
    return call.one(vhost_view(call.facts, vhost, totals, call.spans()))


async def _counted(vhost: VHost, pace: Pace) -> Totals:
    totals = Totals()
    await pace.walk(totals.add_queues(vhost.queues.values()))
    return totals


# --- policies and limits


def policies(call: Call) -> Answer:
    """Every policy."""
    return _policy_rows(call, call.vhosts(), is_operator=False)


def vhost_policies(call: Call, vhost: bytes) -> Answer:
    """The policies of a vhost."""
    return _policy_rows(call, [call.vhost(vhost)], is_operator=False)


def one_policy(call: Call, vhost: bytes, name: bytes) -> Answer:
    """One policy. For administrators and policymakers."""
    call.viewer.must_be_policymaker(shown(vhost))
    return _policy_row(call, vhost, name, is_operator=False)


def operator_policies(call: Call) -> Answer:
    """Every operator policy."""
    return _policy_rows(call, call.vhosts(), is_operator=True)


def vhost_operator_policies(call: Call, vhost: bytes) -> Answer:
    """The operator policies of a vhost."""
    return _policy_rows(call, [call.vhost(vhost)], is_operator=True)


def one_operator_policy(call: Call, vhost: bytes, name: bytes) -> Answer:
    """One operator policy."""
    return _policy_row(call, vhost, name, is_operator=True)


def _policy_rows(call: Call, vhosts: list[VHost], *, is_operator: bool) -> Answer:
    return call.rows([policy_view(policy) for vhost in vhosts for policy in vhost.policies.listed(is_operator)])


def _policy_row(call: Call, vhost: bytes, name: bytes, *, is_operator: bool) -> Answer:
    policy = call.vhost(vhost).policies.find(shown(name), is_operator)
    if policy is None:
        raise not_found()
    return call.one(policy_view(policy))


def every_vhost_limits(call: Call) -> Answer:
    """The limits of every vhost that has some."""
    return _vhost_limits(call.vhosts())


def vhost_limits(call: Call, vhost: bytes) -> Answer:
    """The limits of a vhost."""
    return _vhost_limits([call.vhost(vhost)])


def _vhost_limits(vhosts: list[VHost]) -> Answer:
    return as_json([limits_view("vhost", vhost.name, vhost.limits) for vhost in vhosts if vhost.limits.values])


def every_user_limits(call: Call) -> Answer:
    """The limits of every user who has some."""
    limits = call.facts.context.turn.user_limits
    return as_json([limits_view("user", shown(name), each) for name, each in limits.all()])


def user_limits(call: Call, name: bytes) -> Answer:
    """The limits of a user: everybody may see his own, monitors everybody's."""
    if name != call.viewer.name and not call.viewer.is_monitor:
        raise not_authorised("Not monitor user")
    if name not in call.facts.context.users.by_name:
        raise not_found()
    of_user = call.facts.context.turn.user_limits.of(name)
    return as_json([limits_view("user", shown(name), of_user)] if of_user.values else [])


_PAST: Final = (*LENGTHS_PAST, *RATES_PAST)
_DEPTHS: Final = Parameter("enable_queue_totals", "With disable_stats: whether to tell the depths.", "boolean")
_QUEUES: Final = (*PAGED, *_PAST, BARE, _DEPTHS)

ROUTES: Final = (
    Route("GET", "/overview", whole_broker, query=[*COLUMNS, *_PAST, *NODE_PAST]),
    Route("GET", "/whoami", whoami, query=COLUMNS),
    Route("GET", "/queues", queues, query=_QUEUES),
    Route("GET", "/queues/detailed", detailed_queues, query=[*PAGED, *_PAST]),
    Route("GET", "/queues/{vhost}", vhost_queues, query=_QUEUES),
    Route("GET", "/queues/{vhost}/{queue}", one_queue, query=[*COLUMNS, *_PAST]),
    Route("GET", "/consumers", consumers, query=COLUMNS),
    Route("GET", "/consumers/{vhost}", vhost_consumers, query=COLUMNS),
    Route("GET", "/exchanges", exchanges, query=[*PAGED, *RATES_PAST, BARE]),
    Route("GET", "/exchanges/{vhost}", vhost_exchanges, query=[*PAGED, *RATES_PAST, BARE]),
    Route("GET", "/exchanges/{vhost}/{exchange}", one_exchange, query=[*COLUMNS, *RATES_PAST]),
    Route("GET", "/connections", connections, query=[*PAGED, *DATA_PAST]),
    Route("GET", "/vhosts/{vhost}/connections", vhost_connections, query=[*PAGED, *DATA_PAST]),
    Route("GET", "/connections/{connection}", one_connection, query=[*COLUMNS, *DATA_PAST]),
    Route("GET", "/connections/{connection}/channels", connection_channels, query=[*PAGED, *RATES_PAST]),
    Route("GET", "/channels", channels, query=[*PAGED, *RATES_PAST]),
    Route("GET", "/vhosts/{vhost}/channels", vhost_channels, query=[*PAGED, *RATES_PAST]),
    Route("GET", "/channels/{channel}", one_channel, query=[*COLUMNS, *RATES_PAST]),
    Route("GET", "/vhosts", vhosts, query=[*PAGED, *_PAST, *DATA_PAST, BARE]),
    Route("GET", "/vhosts/{vhost}", one_vhost, query=[*COLUMNS, *_PAST, *DATA_PAST]),
    Route("GET", "/policies", policies, query=COLUMNS),
    Route("GET", "/policies/{vhost}", vhost_policies, query=COLUMNS),
    Route("GET", "/policies/{vhost}/{policy}", one_policy, query=COLUMNS),
    Route("GET", "/operator-policies", operator_policies, query=COLUMNS),
    Route("GET", "/operator-policies/{vhost}", vhost_operator_policies, query=COLUMNS),
    Route("GET", "/operator-policies/{vhost}/{policy}", one_operator_policy, ADMINISTRATOR, query=COLUMNS),
    Route("GET", "/vhost-limits", every_vhost_limits),
    Route("GET", "/vhost-limits/{vhost}", vhost_limits),
    Route("GET", "/user-limits", every_user_limits, ADMINISTRATOR),
    Route("GET", "/user-limits/{user}", user_limits),
)
