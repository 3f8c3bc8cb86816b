"""What administrators change while the broker runs: users, vhosts, permissions."""

import logging
from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.auth.access import Access, Permission, TopicPermission
from broker.auth.passwords import PasswordHash
from broker.auth.users import User
from broker.policy.limits import NO_LIMITS
from broker.protocol.context import Context
from broker.protocol.states import CHANNEL_RUNNING
from broker.vhost.topology import TopologyJournal
from broker.vhost.vhost import VHost
from broker.vhost.vhosts import VHosts

AUDIT: Final = logging.getLogger("broker.audit")


@final
@mypyc_attr(native_class=True)
class Administration:
    """Every change is written down in the turn that makes it, in force on open connections at once, and logged.

    Call it between the turn's ``begin`` and ``finish``. ``by`` is who asked, for the log. What is there already is the
    caller's to find out, as is whether it may be changed.

    Attributes:
        new_passwords: The algorithm to hash new passwords with.
    """

    def __init__(self, context: Context, vhosts: VHosts, journal: TopologyJournal, new_passwords: str) -> None:
        self.new_passwords: Final = new_passwords
        self._context: Final = context
        self._vhosts: Final = vhosts
        self._journal: Final = journal

    # --- users

    def put_user(self, name: bytes, password: PasswordHash, tags: list[str], by: bytes) -> None:
        """Make a user, or give the one of that name this password and these tags."""
        users = self._context.users
        user = users.by_name.get(name)
        event = "user changed"
        if user is None:
            user = User(name, password, tags)
            users.add(user)
            event = "user created"
        else:
            user.password = password
            user.tags = tags
        self._journal.user_changed(user)
        AUDIT.info(event, extra={"by": by, "user": name, "tags": ",".join(tags)})

    def delete_user(self, user: User, by: bytes) -> None:
        """Delete a user with all permissions and limits, and close the user's connections."""
        name = user.name.decode("utf-8", "replace")
        context = self._context
        for connection in list(context.connections.values()):
            if connection.user is user:
                connection.force_close(f"user '{name}' is deleted")
        context.users.remove(user)
        for access in user.accesses.values():
            context.forget_publisher(access)
        context.turn.set_user_limits(user.name, NO_LIMITS)
        self._journal.user_deleted(user)
        AUDIT.info("user deleted", extra={"by": by, "user": user.name})

    # --- permissions

    def permit(self, user_name: bytes, vhost_name: str, permission: Permission, by: bytes) -> None:
        """Let a user into a vhost, with these rights."""
        access = self._context.users.by_name[user_name].access(vhost_name)
        access.permission = permission
        self._journal.permission_changed(access)
        self._apply(access)
        configure, write, read = permission.texts
        fields = {
            "by": by,
            "user": user_name,
            "vhost": vhost_name,
            "configure": configure,
            "write": write,
            "read": read,
        }
        AUDIT.info("permission set", extra=fields)

    def forbid(self, access: Access, by: bytes) -> None:
        """Take the permission for a vhost back. Open connections stay, and may do nothing."""
        access.permission = None
        self._journal.permission_changed(access)
        self._apply(access)
        AUDIT.info("permission cleared", extra={"by": by, "user": access.user.name, "vhost": access.vhost_name})

    def permit_topics(self, access: Access, exchange_name: bytes, topic: TopicPermission, by: bytes) -> None:
        """Restrict the keys that a user publishes with and binds on a topic exchange."""
        access.topics[exchange_name] = topic
        self._journal.topic_permission_changed(access, exchange_name)
        self._apply(access)
        fields = {"by": by, "user": access.user.name, "vhost": access.vhost_name, "exchange": exchange_name}
        AUDIT.info("topic permission set", extra={**fields, "write": topic.write, "read": topic.read})

    def free_topics(self, access: Access, exchange_name: bytes, by: bytes) -> None:
        """Restrict those keys no more."""
        del access.topics[exchange_name]
        self._journal.topic_permission_changed(access, exchange_name)
        self._apply(access)
        fields = {"by": by, "user": access.user.name, "vhost": access.vhost_name, "exchange": exchange_name}
        AUDIT.info("topic permission cleared", extra=fields)

    def _apply(self, access: Access) -> None:
        """Drop the routes that were found under the old rights, and cancel consumers that lost theirs."""
        vhost = self._context.turn.vhosts.get(access.vhost_name)
        if vhost is None:
            return
        vhost.version += 1
        for connection in self._context.connections.values():
            if connection.user is access.user and connection.vhost_name == access.vhost_name:
                for channel in list(connection.channels.values()):
                    if channel.state == CHANNEL_RUNNING:
                        channel.cancel_unreadable()

    # --- vhosts

    def create_vhost(self, name: str, description: str, tags: list[str], by: bytes) -> VHost:
        """Make a vhost. Nobody may enter it yet."""
        vhost = self._vhosts.make(name)
        self._describe(vhost, description, tags)
        AUDIT.info("vhost created", extra={"by": by, "vhost": name})
        return vhost

    def describe_vhost(self, vhost: VHost, description: str, tags: list[str], by: bytes) -> None:
        """Say something else about a vhost."""
        self._describe(vhost, description, tags)
        AUDIT.info("vhost changed", extra={"by": by, "vhost": vhost.name})

    def _describe(self, vhost: VHost, description: str, tags: list[str]) -> None:
        vhost.description = description
        vhost.tags = tags
        self._journal.vhost_changed(vhost)

    def default_queue_type(self, vhost: VHost, queue_type: bytes, by: bytes) -> None:
        """Give queues that are declared without a type this one."""
        vhost.set_default_queue_type(queue_type)
        fields = {"by": by, "vhost": vhost.name, "queue_type": queue_type}
        AUDIT.info("default queue type changed", extra=fields)

    def protect_vhost(self, vhost: VHost, is_protected: bool, by: bytes) -> None:
        """Protect a vhost from being deleted, or let it be."""
        vhost.is_protected = is_protected
        self._journal.vhost_changed(vhost)
        AUDIT.info("vhost protected" if is_protected else "vhost not protected", extra={"by": by, "vhost": vhost.name})

    def delete_vhost(self, vhost: VHost, by: bytes) -> None:
        """Delete a vhost with everything in it, and close its connections."""
        context = self._context
        for connection in list(context.connections.values()):
            if connection.vhost_name == vhost.name:
                connection.force_close(f"vhost '{vhost.name}' is deleted")
        self._vhosts.delete(vhost)
        for user in context.users.by_name.values():
            access = user.accesses.pop(vhost.name, None)
            if access is not None:
                context.forget_publisher(access)
        self._journal.vhost_deleted(vhost)
        AUDIT.info("vhost deleted", extra={"by": by, "vhost": vhost.name})

    def end_first_start(self) -> None:
        """The default user and vhost have been made; never again in this data directory."""
        self._journal.defaults_made()
