"""Users and permissions: the paths that read. For administrators only."""

from collections.abc import Iterable, Mapping

import msgspec

from broker.auth.access import Access
from broker.auth.users import User
from broker.management.access import Viewer
from broker.management.account_views import permission_view, topic_permission_views, user_view
from broker.management.facts import Facts
from broker.management.json_values import Json
from broker.management.listing import Listed, encoded_list, list_query, only_columns
from broker.management.refusals import not_found
from broker.metrics.text import shown


class AccountResources:
    """Answers one GET for one administrator."""

    def __init__(self, facts: Facts, viewer: Viewer, query: Mapping[str, str]) -> None:
        self._users = facts.context.users.by_name
        self._vhosts = facts.context.turn.vhosts
        self._limits = facts.context.turn.user_limits
        self._viewer = viewer
        self._query = query

    @staticmethod
    def has(path: list[bytes]) -> bool:
        """Is the path one of these, whatever is there?"""
        match path:
            case [b"users" | b"permissions" | b"topic-permissions", *_]:
                return True
            case [b"vhosts", _, b"permissions" | b"topic-permissions"]:
                return True
            case _:
                return False

    async def answer(self, path: list[bytes]) -> bytes:
        """The JSON at a path behind ``/api``.

        Raises:
            Refusal: There is nothing there, it is none of the user's business, or the query cannot be understood.
        """
        self._viewer.must_be_administrator()
        match path:
            case [b"users"]:
                return await self._user_list(self._users.values())
            case [b"users", b"without-permissions"]:
                return await self._user_list(user for user in self._users.values() if not _permitted(user))
            case [b"users", name]:
                return self._encoded(self._user_row(self._user(name)))
            case [b"users", name, b"permissions"]:
                return self._permissions(self._user(name).accesses.values())
            case [b"users", name, b"topic-permissions"]:
                return self._topic_permissions(self._user(name).accesses.values())
            case [b"permissions"]:
                return self._permissions(self._accesses())
            case [b"topic-permissions"]:
                return self._topic_permissions(self._accesses())
            case [b"vhosts", vhost, b"permissions"]:
                return self._permissions(self._accesses_to(vhost))
            case [b"vhosts", vhost, b"topic-permissions"]:
                return self._topic_permissions(self._accesses_to(vhost))
            case [b"permissions", vhost, name]:
                access = self._access(vhost, name)
                if access.permission is None:
                    raise not_found()
                return self._encoded(permission_view(access))
            case [b"topic-permissions", vhost, name]:
                access = self._access(vhost, name)
                if not access.topics:
                    raise not_found()
                return self._topic_permissions([access])
            case _:
                raise not_found()

    def _user(self, name: bytes) -> User:
        user = self._users.get(name)
        if user is None:
            raise not_found()
        return user

    def _access(self, vhost: bytes, name: bytes) -> Access:
        access = self._user(name).accesses.get(shown(vhost))
        if access is None:
            raise not_found()
        return access

    def _accesses(self) -> Iterable[Access]:
        return (access for user in self._users.values() for access in user.accesses.values())

    def _accesses_to(self, vhost: bytes) -> Iterable[Access]:
        name = shown(vhost)
        if name not in self._vhosts:
            raise not_found()
        return (access for access in self._accesses() if access.vhost_name == name)

    async def _user_list(self, users: Iterable[User]) -> bytes:
        listed = [Listed("", shown(user.name), user) for user in users]
        return await encoded_list(listed, self._user_row, list_query(self._query))

    def _user_row(self, user: User) -> Json:
        return user_view(user, self._limits.of(user.name))

    def _permissions(self, accesses: Iterable[Access]) -> bytes:
        return self._rows([permission_view(access) for access in accesses if access.permission is not None])

    def _topic_permissions(self, accesses: Iterable[Access]) -> bytes:
        return self._rows([row for access in accesses for row in topic_permission_views(access)])

    def _rows(self, rows: list[Json]) -> bytes:
        """A list that is never paged, as RabbitMQ's tools expect of these."""
        columns = list_query(self._query).columns
        return msgspec.json.encode([only_columns(row, columns) for row in rows])

    def _encoded(self, row: Json) -> bytes:
        return msgspec.json.encode(only_columns(row, list_query(self._query).columns))


def _permitted(user: User) -> bool:
    return any(access.permission is not None for access in user.accesses.values())
