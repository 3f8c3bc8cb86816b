"""The paths of the API, each with what it answers."""

from collections.abc import Callable, Mapping
from typing import TypeVar

import msgspec

from broker.management.access import Viewer
from broker.management.account_resources import AccountResources
from broker.management.facts import Facts
from broker.management.health import check_alarms, check_store
from broker.management.json_values import Json
from broker.management.listing import Listed, encoded_list, list_query, only_columns
from broker.management.overview import overview
from broker.management.peer_views import channel_view, connection_view
from broker.management.peers import running_channels
from broker.management.policy_views import limits_view, policy_view
from broker.management.queue_view import queue_view
from broker.management.refusals import not_authorised, not_found
from broker.management.topology_views import DEFAULT_EXCHANGE, exchange_view, vhost_view
from broker.metrics.text import shown
from broker.protocol.channel import Channel
from broker.protocol.connection import Connection
from broker.vhost.vhost import VHost

T = TypeVar("T")


class Resources:
    """Answers one GET for one user."""

    def __init__(self, facts: Facts, viewer: Viewer, query: Mapping[str, str]) -> None:
        self._facts = facts
        self._viewer = viewer
        self._query = query

    async def answer(self, path: list[bytes]) -> bytes:
        """The JSON at a path, which has been split and decoded, and begins behind ``/api``.

        Raises:
            Refusal: There is nothing there, or the query cannot be understood.
        """
        if AccountResources.has(path):
            return await AccountResources(self._facts, self._viewer, self._query).answer(path)
        match path:
            case [b"overview"]:
                return self._one(overview(self._facts, self._viewer))
            case [b"whoami"]:
                return self._one(self._whoami())
            case [b"queues"] | [b"queues", b"detailed"]:
                return await self._queues(self._vhosts())
            case [b"queues", vhost]:
                return await self._queues([self._vhost(vhost)])
            case [b"queues", vhost, name]:
                return self._one(self._queue(vhost, name))
            case [b"exchanges"]:
                return await self._exchanges(self._vhosts())
            case [b"exchanges", vhost]:
                return await self._exchanges([self._vhost(vhost)])
            case [b"exchanges", vhost, name]:
                return self._one(self._exchange(vhost, name))
            case [b"connections"]:
                return await self._list_connections(self._connections())
            case [b"vhosts", vhost, b"connections"]:
                where = self._vhost(vhost).name
                return await self._list_connections([each for each in self._connections() if each.vhost_name == where])
            case [b"connections", name]:
                return self._one(connection_view(self._facts, self._connection(name)))
            case [b"connections", name, b"channels"]:
                return await self._list_channels(running_channels(self._connection(name)))
            case [b"channels"]:
                return await self._list_channels(self._channels())
            case [b"vhosts", vhost, b"channels"]:
                where = self._vhost(vhost).name
                return await self._list_channels([each for each in self._channels() if each.vhost.name == where])
            case [b"channels", name]:
                return self._one(channel_view(self._facts, self._channel(name)))
            case [b"vhosts"]:
                listed = [Listed("", vhost.name, vhost) for vhost in self._vhosts()]
                return await self._list(listed, lambda vhost: vhost_view(self._facts, vhost))
            case [b"vhosts", vhost]:
                return self._one(vhost_view(self._facts, self._vhost(vhost)))
            case [b"policies" | b"operator-policies" as kind]:
                return self._policies(kind, self._vhosts())
            case [b"policies" | b"operator-policies" as kind, vhost]:
                return self._policies(kind, [self._vhost(vhost)])
            case [b"policies" | b"operator-policies" as kind, vhost, name]:
                return self._one(self._policy(kind, vhost, name))
            case [b"vhost-limits"]:
                return self._vhost_limits(self._vhosts())
            case [b"vhost-limits", vhost]:
                return self._vhost_limits([self._vhost(vhost)])
            case [b"user-limits", *names] if len(names) <= 1:
                return self._user_limits(names)
            case [b"aliveness-test", vhost]:
                # As RabbitMQ 4: the vhost can be entered. That there is an answer at all says that the loop runs.
                self._vhost(vhost)
                return check_store(self._facts)
            case [b"health", b"checks", b"alarms" | b"local-alarms"]:
                return check_alarms(self._facts)
            case _:
                raise not_found()

    # --- one thing

    def _one(self, view: Json) -> bytes:
        return msgspec.json.encode(only_columns(view, list_query(self._query).columns))

    def _whoami(self) -> Json:
        viewer = self._viewer
        return {"name": shown(viewer.name), "tags": list(viewer.tags), "is_internal_user": True}

    def _vhosts(self) -> list[VHost]:
        """The vhosts in question: all that the user may see, or the one that the console's selector names."""
        vhosts = self._facts.context.turn.vhosts
        chosen = self._query.get("x-vhost", "")
        may_see = self._viewer.may_see
        return [vhost for name, vhost in vhosts.items() if may_see(name) and (not chosen or name == chosen)]

    def _vhost(self, name: bytes) -> VHost:
        vhost = self._facts.context.turn.vhosts.get(shown(name))
        if vhost is None or not self._viewer.may_see(vhost.name):
            raise not_found()  # one that the user may not enter is as if it did not exist
        return vhost

    def _queue(self, vhost: bytes, name: bytes) -> Json:
        queue = self._vhost(vhost).queues.get(name)
        if queue is None:
            raise not_found()
        return queue_view(self._facts, queue)

    def _exchange(self, vhost: bytes, name: bytes) -> Json:
        exchange = self._vhost(vhost).exchanges.get(b"" if name == DEFAULT_EXCHANGE else name)
        if exchange is None:
            raise not_found()
        return exchange_view(exchange)

    def _policies(self, kind: bytes, vhosts: list[VHost]) -> bytes:
        is_operator = kind == b"operator-policies"
        listed = [policy for vhost in vhosts for policy in vhost.policies.listed(is_operator)]
        return msgspec.json.encode([policy_view(policy) for policy in listed])

    def _policy(self, kind: bytes, vhost: bytes, name: bytes) -> Json:
        is_operator = kind == b"operator-policies"
        if is_operator:
            self._viewer.must_be_administrator()
        else:
            self._viewer.must_be_policymaker(shown(vhost))
        policy = self._vhost(vhost).policies.find(shown(name), is_operator)
        if policy is None:
            raise not_found()
        return policy_view(policy)

    def _vhost_limits(self, vhosts: list[VHost]) -> bytes:
        limited = [vhost for vhost in vhosts if vhost.limits.values]
        return msgspec.json.encode([limits_view("vhost", vhost.name, vhost.limits) for vhost in limited])

    def _user_limits(self, names: list[bytes]) -> bytes:
        """Of everybody, or of one user: everybody may see his own."""
        limits = self._facts.context.turn.user_limits
        if not names:
            self._viewer.must_be_administrator()
            return msgspec.json.encode([limits_view("user", shown(name), each) for name, each in limits.all()])
        name = names[0]
        if name != self._viewer.name and not self._viewer.is_monitor:
            raise not_authorised("Not monitor user")
        if name not in self._facts.context.users.by_name:
            raise not_found()
        of_user = limits.of(name)
        return msgspec.json.encode([limits_view("user", shown(name), of_user)] if of_user.values else [])

    def _connections(self) -> list[Connection]:
        """The open connections that the user may see: monitors all of them, others their own."""
        viewer = self._viewer
        connections = self._facts.peers.open_connections()
        return [each for each in connections if viewer.is_monitor or each.user_name == viewer.name]

    def _connection(self, name: bytes) -> Connection:
        wanted = shown(name)
        for connection in self._connections():
            if self._facts.connection_name(connection) == wanted:
                return connection
        raise not_found()

    def _channels(self) -> list[Channel]:
        return [channel for connection in self._connections() for channel in running_channels(connection)]

    def _channel(self, name: bytes) -> Channel:
        wanted = shown(name)
        for channel in self._channels():
            if self._facts.channel_name(channel) == wanted:
                return channel
        raise not_found()

    # --- lists

    async def _list(self, items: list[Listed[T]], row: Callable[[T], Json]) -> bytes:
        return await encoded_list(items, row, list_query(self._query))

    async def _queues(self, vhosts: list[VHost]) -> bytes:
        listed = [Listed(vhost.name, shown(name), queue) for vhost in vhosts for name, queue in vhost.queues.items()]
        return await self._list(listed, lambda queue: queue_view(self._facts, queue))

    async def _exchanges(self, vhosts: list[VHost]) -> bytes:
        listed = [
            Listed(vhost.name, shown(name), exchange) for vhost in vhosts for name, exchange in vhost.exchanges.items()
        ]
        return await self._list(listed, exchange_view)

    async def _list_connections(self, connections: list[Connection]) -> bytes:
        listed = [Listed(each.vhost_name, self._facts.connection_name(each), each) for each in connections]
        return await self._list(listed, lambda connection: connection_view(self._facts, connection))

    async def _list_channels(self, channels: list[Channel]) -> bytes:
        listed = [Listed(each.vhost.name, self._facts.channel_name(each), each) for each in channels]
        return await self._list(listed, lambda channel: channel_view(self._facts, channel))
