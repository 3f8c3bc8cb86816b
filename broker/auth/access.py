"""What one user may do in one vhost: permissions, topic permissions, and the refusals. RabbitMQ's access control."""

import re
from typing import TYPE_CHECKING, Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.destination import resource_text
from broker.core.errors import ACCESS_REFUSED, SoftError
from broker.core.pattern import compiled_pattern

if TYPE_CHECKING:
    from broker.auth.users import User

# What a method does to a resource.
CONFIGURE: Final = 0
WRITE: Final = 1
READ: Final = 2
VERBS: Final = ("configure", "write", "read")

# Decisions remembered for each verb. Names come from clients and must not fill the memory: swept when full.
MOST_DECISIONS: Final = 1000
# What lets everything through without a search.
EVERYTHING: Final = (".*", "^.*$", "^.*")


@final
@mypyc_attr(native_class=True)
class Permission:
    """One row: three expressions, searched in the names of resources. Immutable.

    Attributes:
        texts: configure, write and read as they were written.
    """

    def __init__(self, configure: str, write: str, read: str) -> None:
        """Compile the expressions.

        Raises:
            ValueError: One of them cannot be used.
        """
        self.texts: Final = [configure, write, read]
        self.patterns: Final = [_compiled(configure), _compiled(write), _compiled(read)]
        self._allows_all: Final = [text in EVERYTHING for text in self.texts]
        self._decisions: Final[list[dict[bytes, bool]]] = [{}, {}, {}]

    def allows(self, verb: i64, name: bytes) -> bool:
        """May it be done to a resource of that name? Remembered."""
        if self._allows_all[verb]:
            return True
        decisions = self._decisions[verb]
        known = decisions.get(name)
        if known is None:
            if len(decisions) >= MOST_DECISIONS:
                decisions.clear()
            known = self.patterns[verb].search(name) is not None
            decisions[name] = known
        return known


@final
@mypyc_attr(native_class=True)
class TopicPermission:
    """One row for a topic exchange: expressions for routing and binding keys, with ``{username}`` and ``{vhost}``.

    Attributes:
        write: What may be published, as it was written.
        read: What may be bound.
    """

    def __init__(self, user_name: bytes, vhost_name: str, write: str, read: str) -> None:
        """Put the names in and compile.

        Raises:
            ValueError: An expression cannot be used.
        """
        self.write: Final = write
        self.read: Final = read
        self._write_pattern: Final = _filled_in(write, user_name, vhost_name)
        self._read_pattern: Final = _filled_in(read, user_name, vhost_name)

    def allows(self, verb: i64, key: bytes) -> bool:
        """May a message with this key be published (WRITE), or the key be bound (READ)?"""
        pattern = self._write_pattern if verb == WRITE else self._read_pattern
        return pattern.search(key) is not None


def _compiled(text: str) -> re.Pattern[bytes]:
    """An empty expression lets only the empty name through, as in RabbitMQ."""
    return compiled_pattern(text or "^$")


def _filled_in(text: str, user_name: bytes, vhost_name: str) -> re.Pattern[bytes]:
    # RabbitMQ puts the bare name in, so a name with a dot in it would match more than itself.
    name = re.escape(user_name.decode("utf-8", "replace"))
    return _compiled(text.replace("{username}", name).replace("{vhost}", re.escape(vhost_name)))


@mypyc_attr(native_class=True)
class Access:
    """The rights of one user in one vhost, shared by all of the user's connections there and changed in place.

    Users whom somebody else vouches for have subclasses of it, which find out in another way what is allowed.

    Attributes:
        user: Whose they are.
        vhost_name: Where.
        permission: None if the user may not even enter.
        topics: Rows by the name of the topic exchange; an exchange without one is not restricted.
    """

    def __init__(self, user: "User", vhost_name: str) -> None:
        self.user: Final = user
        self.vhost_name: Final = vhost_name
        self.permission: Permission | None = None
        self.topics: Final[dict[bytes, TopicPermission]] = {}

    def allows(self, verb: i64, kind: str, name: bytes) -> bool:
        """May it be done to the queue or exchange, as ``kind`` says, of that name?"""
        permission = self.permission
        return permission is not None and permission.allows(verb, name)

    def allows_topic(self, verb: i64, exchange_name: bytes, key: bytes) -> bool:
        """May a message with this key be published to a topic exchange (WRITE), or the key be bound (READ)?"""
        topic = self.topics.get(exchange_name)
        return topic is None or topic.allows(verb, key)

    def restricts_topics(self) -> bool:
        """May ``allows_topic`` say no to anything?"""
        return len(self.topics) > 0

    def check_queue(self, verb: i64, name: bytes) -> None:
        """Let the verb pass on a queue.

        Raises:
            SoftError: 403.
        """
        if not self.allows(verb, "queue", name):
            raise self._refusal(verb, resource_text("queue", name, self.vhost_name))

    def check_exchange(self, verb: i64, name: bytes) -> None:
        """Let the verb pass on an exchange; the default one goes by the name of ``amq.default``.

        Raises:
            SoftError: 403.
        """
        if not name:
            name = b"amq.default"
        if not self.allows(verb, "exchange", name):
            raise self._refusal(verb, resource_text("exchange", name, self.vhost_name))

    def check_any(self, kind: str, name: bytes) -> None:
        """Let a passive declare pass, for which one right of the three will do.

        Raises:
            SoftError: 403, naming ``configure`` as RabbitMQ does.
        """
        if not (self.allows(CONFIGURE, kind, name) or self.allows(WRITE, kind, name) or self.allows(READ, kind, name)):
            raise self._refusal(CONFIGURE, resource_text(kind, name, self.vhost_name))

    def check_topic(self, verb: i64, exchange_name: bytes, key: bytes) -> None:
        """Let a routing key (WRITE) or binding key (READ) pass on a topic exchange. Ask only for those.

        Raises:
            SoftError: 403.
        """
        if not self.allows_topic(verb, exchange_name, key):
            where = resource_text("exchange", exchange_name, self.vhost_name)
            raise self._refusal(verb, f"topic '{key.decode('utf-8', 'replace')}' in {where}")

    def _refusal(self, verb: i64, what: str) -> SoftError:
        user_name = self.user.name.decode("utf-8", "replace")
        return SoftError(ACCESS_REFUSED, f"{VERBS[verb]} access to {what} refused for user '{user_name}'")
