"""The single steps of an import. Each leaves alone what is so already, so that a second import changes nothing."""

import logging
from typing import Final

from broker.auth.access import Permission, TopicPermission
from broker.auth.passwords import PasswordHash, no_password
from broker.auth.users import User
from broker.core.arguments import Table
from broker.core.destination import Destination
from broker.management.facts import Facts
from broker.management.parameters import CLUSTER_NAME, Setting, keep_parameter, set_parameter
from broker.management.refusals import bad_request
from broker.policy.limits import Limits
from broker.policy.parameters import Parameter
from broker.routing.exchange import ExchangeTraits
from broker.vhost.vhost import VHost

AUDIT: Final = logging.getLogger("broker.audit")


class DefinitionsSteps:
    """Changes the broker. To be called in a turn of it.

    Other requests and clients come between two turns, so what was planned upon may be gone; a step that cannot be done
    any more raises ``Refusal``, ``AmqpError`` or ``PolicyRefused``.
    """

    def __init__(self, facts: Facts, by: bytes) -> None:
        """Change the broker in the name of ``by``."""
        self._facts = facts
        self._turn = facts.context.turn
        self._administration = facts.administration
        self._by = by

    def parameters(self) -> list[Parameter]:
        """Those that there are."""
        return self._turn.parameters.listed()

    # --- users and vhosts

    def user(self, name: bytes, password: PasswordHash | None, tags: list[str], limits: Limits | None) -> None:
        """Make a user, or change the one there is."""
        user = self._facts.context.users.by_name.get(name)
        if user is None:
            self._administration.put_user(name, password or no_password(), tags, self._by)
        elif not _has(user, password, tags):
            self._administration.put_user(name, password or user.password, tags, self._by)
        if limits is not None and limits.values != self._turn.user_limits.of(name).values:
            self._turn.set_user_limits(name, limits)
            AUDIT.info("limits changed", extra={"by": self._by, "user": name})

    def vhost(
        self,
        name: str,
        description: str | None,
        tags: list[str] | None,
        queue_type: bytes | None,
        is_protected: bool | None,
    ) -> None:
        """Make a vhost, or say about the one there is what is not None."""
        vhost = self._turn.vhosts.get(name)
        if vhost is None:
            vhost = self._administration.create_vhost(name, description or "", tags or [], self._by)
        else:
            description = vhost.description if description is None else description
            tags = vhost.tags if tags is None else tags
            if (vhost.description, vhost.tags) != (description, tags):
                self._administration.describe_vhost(vhost, description, tags, self._by)
        if queue_type is not None and queue_type != vhost.default_queue_type:
            self._administration.default_queue_type(vhost, queue_type, self._by)
        if is_protected is not None and is_protected != vhost.is_protected:
            self._administration.protect_vhost(vhost, is_protected, self._by)

    def permission(self, user_name: bytes, vhost_name: str, permission: Permission) -> None:
        """Let a user into a vhost."""
        vhost = self._vhost(vhost_name)
        known = self._user(user_name).access(vhost.name).permission
        if known is None or known.texts != permission.texts:
            self._administration.permit(user_name, vhost.name, permission, self._by)

    def topic_permission(self, user_name: bytes, vhost_name: str, exchange: bytes, topic: TopicPermission) -> None:
        """Restrict a user's keys on a topic exchange."""
        access = self._user(user_name).access(self._vhost(vhost_name).name)
        known = access.topics.get(exchange)
        if known is None or (known.write, known.read) != (topic.write, topic.read):
            self._administration.permit_topics(access, exchange, topic, self._by)

    # --- what an operator decides

    def global_parameter(self, parameter: Parameter) -> None:
        """Keep a global parameter."""
        keep_parameter(self._turn, parameter)
        if parameter.name == CLUSTER_NAME:
            self._facts.take_cluster_name()

    def parameter(self, vhost_name: str, setting: Setting) -> None:
        """Set a policy, the limits of a vhost, or a parameter."""
        set_parameter(self._turn, self._vhost(vhost_name), setting)

    # --- topology

    def exchange(self, vhost_name: str, name: bytes, kind: bytes, traits: ExchangeTraits) -> None:
        """Declare an exchange, if there is none of that name."""
        vhost = self._vhost(vhost_name)
        if name not in vhost.exchanges:
            vhost.declare_exchange(
                name, kind, traits.is_durable, traits.is_auto_delete, traits.is_internal, traits.arguments
            )

    def queue(self, vhost_name: str, name: bytes, is_durable: bool, is_auto_delete: bool, arguments: Table) -> None:
        """Declare a queue, if there is none of that name."""
        vhost = self._vhost(vhost_name)
        if name not in vhost.queues:
            vhost.declare_queue(name, is_durable, False, is_auto_delete, arguments, 0)

    def binding(
        self, vhost_name: str, source: bytes, destination: bytes, is_to_exchange: bool, key: bytes, arguments: Table
    ) -> None:
        """Bind, if both ends are still there."""
        vhost = self._vhost(vhost_name)
        exchange = vhost.exchanges.get(source)
        end: Destination | None = vhost.exchanges.get(destination) if is_to_exchange else vhost.queues.get(destination)
        if exchange is not None and end is not None:
            vhost.bind(exchange, end, key, arguments)

    def _vhost(self, name: str) -> VHost:
        vhost = self._turn.vhosts.get(name)
        if vhost is None:
            raise bad_request(f"vhost '{name}' was deleted while definitions were imported")
        return vhost

    def _user(self, name: bytes) -> User:
        user = self._facts.context.users.by_name.get(name)
        if user is None:
            raise bad_request(f"user '{name.decode()}' was deleted while definitions were imported")
        return user


def _has(user: User, password: PasswordHash | None, tags: list[str]) -> bool:
    """Is the user as asked for?"""
    if user.tags != tags:
        return False
    known = user.password
    return password is None or (known.algorithm, known.value) == (password.algorithm, password.value)
