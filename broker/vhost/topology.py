"""What is reported so that exchanges, queues and bindings, policies, limits, vhosts and users survive a restart."""

from typing import TYPE_CHECKING

from mypy_extensions import mypyc_attr

from broker.auth.access import Access
from broker.auth.users import User
from broker.policy.limits import Limits
from broker.policy.parameters import Parameter
from broker.policy.policy import Policy
from broker.queues.queue import Queue
from broker.routing.binding import Binding
from broker.routing.exchange import Exchange

if TYPE_CHECKING:
    from broker.vhost.vhost import VHost


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class TopologyJournal:
    """Told of every durable change before the client is answered. This base keeps nothing: for tests.

    ``broker.definitions`` subclasses it and writes each change to the store's journal, in the turn's own batch.
    """

    def exchange_declared(self, exchange: Exchange) -> None:
        """A durable exchange is new."""

    def exchange_deleted(self, exchange: Exchange) -> None:
        """A durable exchange is gone, and so are its bindings."""

    def queue_declared(self, queue: Queue) -> None:
        """A durable queue is new."""

    def queue_deleted(self, queue: Queue) -> None:
        """A durable queue is gone, and so are its bindings and messages."""

    def bound(self, binding: Binding) -> None:
        """A binding between two durable ends is new."""

    def unbound(self, binding: Binding) -> None:
        """A binding between two durable ends is gone."""

    def policy_set(self, policy: Policy) -> None:
        """A policy is new, or another than before."""

    def policy_removed(self, vhost_name: str, name: str, is_operator: bool) -> None:
        """A policy is gone."""

    def ttl_changed(self, queue: Queue) -> None:
        """Messages in a durable queue have another TTL than those to come."""

    def vhost_limits_set(self, vhost_name: str, limits: Limits) -> None:
        """A vhost has these limits, and no others."""

    def user_limits_set(self, user_name: bytes, limits: Limits) -> None:
        """A user has these limits, and no others."""

    def default_queue_type_set(self, vhost_name: str, queue_type: bytes) -> None:
        """Queues that are declared without a type get this one."""

    def parameter_set(self, parameter: Parameter) -> None:
        """A parameter is new, or has another value."""

    def parameter_removed(self, vhost_name: str, component: str, name: str) -> None:
        """A parameter is gone."""

    def vhost_changed(self, vhost: "VHost") -> None:
        """A vhost is new, or what is said about it has changed."""

    def vhost_deleted(self, vhost: "VHost") -> None:
        """A vhost is gone, and so is everything in it, permissions included."""

    def user_changed(self, user: User) -> None:
        """A user is new, or has another password or other tags."""

    def user_deleted(self, user: User) -> None:
        """A user is gone, and so are the user's permissions."""

    def permission_changed(self, access: Access) -> None:
        """A user has another permission in a vhost, or none any more."""

    def topic_permission_changed(self, access: Access, exchange_name: bytes) -> None:
        """A user has another topic permission for an exchange, or none any more."""

    def defaults_made(self) -> None:
        """The first start made the default user and vhost: no later one will."""
