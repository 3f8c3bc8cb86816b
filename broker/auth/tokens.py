"""Users who come with a signed token as their password. What it says is all that is known of them. RFC 7519."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.access import Access
from broker.auth.passwords import no_password
from broker.auth.scopes import Scope, read_scopes, read_tags
from broker.auth.users import OAUTH2, User

# Octets of a token, and scopes that concern this broker in one: RabbitMQ's limit.
LONGEST_TOKEN: Final = 32_768
MOST_SCOPES: Final = 2048
# Decisions remembered for each verb. Names come from clients and must not fill the memory: swept when full.
MOST_DECISIONS: Final = 1000


class TokenRefused(Exception):  # noqa: N818 - the client's mistake, nobody's error here
    """A token that lets nobody in. Its text says why, for the log, and never repeats what the token says."""


@final
@mypyc_attr(native_class=True)
class Token:
    """What a token says, after its signature was verified. Immutable.

    Attributes:
        name: Whom it stands for.
        scopes: What its bearer may do with queues and exchanges.
        tags: The user's tags.
        expires_ms: Wall clock, milliseconds: from then on it is worth nothing; 0 for never.
    """

    def __init__(self, name: bytes, scopes: list[str], expires_ms: i64) -> None:
        self.name: Final = name
        self.scopes: Final = read_scopes(scopes)
        self.tags: Final = read_tags(scopes)
        self.expires_ms: Final[i64] = expires_ms


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class TokenVerifier:
    """Verifies tokens, on any thread. This base knows no key."""

    def verify(self, token: bytes) -> Token:
        """What the token says.

        Raises:
            TokenRefused: Nothing that may be believed.
        """
        raise TokenRefused("no key is known")


@final
@mypyc_attr(native_class=True)
class TokenUser(User):
    """The bearer of a token, on one connection. A new token takes the place of the old one."""

    def __init__(self, token: Token) -> None:
        super().__init__(token.name, no_password(), token.tags)
        self.backend = OAUTH2
        self.expires_ms = token.expires_ms
        self._scopes: list[Scope] = token.scopes

    def renew(self, other: User) -> None:
        assert isinstance(other, TokenUser)
        self.tags = other.tags
        self.expires_ms = other.expires_ms
        self._scopes = other._scopes
        for access in self.accesses.values():
            assert isinstance(access, TokenAccess)
            access.follow(self._scopes)

    def access(self, vhost_name: str) -> Access:
        access = self.accesses.get(vhost_name)
        if access is None:
            access = TokenAccess(self, vhost_name, self._scopes)
            self.accesses[vhost_name] = access
        return access

    def may_enter(self, vhost_name: str) -> bool:
        """Does a scope allow anything there?"""
        name = vhost_name.encode()
        for scope in self._scopes:
            if scope.vhost.matches(name):
                return True
        return False


@final
@mypyc_attr(native_class=True)
class TokenAccess(Access):
    """What the scopes of a token allow in one vhost."""

    def __init__(self, user: TokenUser, vhost_name: str, scopes: list[Scope]) -> None:
        super().__init__(user, vhost_name)
        self._scopes: list[list[Scope]] = []
        self._decisions: list[dict[bytes, bool]] = []
        self.follow(scopes)

    def follow(self, scopes: list[Scope]) -> None:
        """Go by these scopes from here on."""
        name = self.vhost_name.encode()
        self._scopes = [[], [], []]
        self._decisions = [{}, {}, {}]
        for scope in scopes:
            if scope.vhost.matches(name):
                self._scopes[scope.verb].append(scope)

    def allows(self, verb: i64, kind: str, name: bytes) -> bool:
        decisions = self._decisions[verb]
        known = decisions.get(name)
        if known is None:
            if len(decisions) >= MOST_DECISIONS:
                decisions.clear()
            known = self._find(verb, name)
            decisions[name] = known
        return known

    def _find(self, verb: i64, name: bytes) -> bool:
        for scope in self._scopes[verb]:
            if scope.name.matches(name):
                return True
        return False

    def allows_topic(self, verb: i64, exchange_name: bytes, key: bytes) -> bool:
        for scope in self._scopes[verb]:
            if scope.key is not None and scope.name.matches(exchange_name) and scope.key.matches(key):
                return True
        return False

    def restricts_topics(self) -> bool:
        return True
