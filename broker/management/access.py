"""Who asks, and what they may see."""

import asyncio
import base64
import binascii
import ipaddress
import logging
from typing import Final

from broker.auth.logins import FROM_AFAR, HTTP, Login, Logins
from broker.auth.passwords import no_password
from broker.auth.remote import Asker, Question, RemoteUser, Undecided
from broker.auth.users import ADMINISTRATOR, User
from broker.management.refusals import REALM, Refusal, not_authorised

AUDIT = logging.getLogger("broker.audit")

_LET_IN = frozenset({"management", "policymaker", "monitoring", "administrator"})
_SEE_ALL = frozenset({"monitoring", "administrator"})
_POLICYMAKER = "policymaker"


class Viewer:
    """A user who has logged in to the API.

    Attributes:
        user: The user.
        name: The login.
        tags: The user's tags.
    """

    def __init__(self, user: User) -> None:
        self.user = user
        self.name = user.name
        self.tags = tuple(user.tags)

    @property
    def is_monitor(self) -> bool:
        """May see everybody's connections and the node itself."""
        return not _SEE_ALL.isdisjoint(self.tags)

    @property
    def is_administrator(self) -> bool:
        """May do everything but messaging without permission."""
        return ADMINISTRATOR in self.tags

    async def find_out(self, logins: Logins, undecided: Undecided) -> None:
        """Have somebody asked what this user may do; then the same can be tried again."""
        user = self.user
        assert isinstance(user, RemoteUser)
        asker = HttpAsker(user)
        logins.remote.ask(undecided.question, asker)
        await asker.is_answered.wait()

    def may_see(self, vhost_name: str) -> bool:
        """May look into a vhost: one that the user may enter, or any for monitors.

        Raises:
            Undecided: Somebody has to be asked.
        """
        return self.is_monitor or self.user.may_enter(vhost_name)

    def must_be_administrator(self) -> None:
        """Let only administrators pass.

        Raises:
            Refusal: 401.
        """
        if not self.is_administrator:
            AUDIT.warning("refused", extra={"by": self.name, "door": HTTP, "reason": "not an administrator"})
            raise not_authorised("Not administrator user")

    def must_be_monitor(self) -> None:
        """Let only monitors pass.

        Raises:
            Refusal: 401.
        """
        if not self.is_monitor:
            raise not_authorised("Not monitor user")

    @property
    def is_policymaker(self) -> bool:
        """May set policies and parameters, if not everywhere."""
        return self.is_administrator or _POLICYMAKER in self.tags

    def may_set_policies(self, vhost_name: str) -> bool:
        """May set policies and parameters in a vhost: administrators, and policymakers who may enter it."""
        return self.is_administrator or (self.is_policymaker and self.user.may_enter(vhost_name))

    def must_be_policymaker(self, vhost_name: str = "") -> None:
        """Let only those pass who may set policies in a vhost; without its name, who may do so in any.

        Raises:
            Refusal: 401.
        """
        if not (self.may_set_policies(vhost_name) if vhost_name else self.is_policymaker):
            reason = f"may not set policies in vhost {vhost_name!r}" if vhost_name else "not a policymaker"
            AUDIT.warning("refused", extra={"by": self.name, "door": HTTP, "reason": reason})
            raise not_authorised("User not authorised to access object")


NOBODY: Final = Viewer(User(b"", no_password(), []))
"""Asks for what needs no login."""


class HttpAsker(Asker):
    """A request that waits for an answer about its user."""

    def __init__(self, user: RemoteUser) -> None:
        super().__init__()
        self._user = user
        self.is_answered = asyncio.Event()

    def answered(self, question: Question) -> None:
        """The answer is there."""
        self._user.learn(question)
        self.is_answered.set()


class HttpLogin(Login):
    """The login of one request."""

    def __init__(self, name: bytes, host: str) -> None:
        super().__init__(name, host, host, is_loopback(host), HTTP)
        self.is_decided = asyncio.Event()

    def decided(self) -> None:
        """The verdict is in."""
        self.is_decided.set()


async def log_in(logins: Logins, authorization: str | None, address: str | None) -> Viewer:
    """The user behind an ``Authorization`` header.

    Args:
        logins: Decides who comes in.
        authorization: The header; None if there was none.
        address: Where the request came from.

    Raises:
        Refusal: 401, in RabbitMQ's four forms. Only the one for missing credentials asks the browser for a password.
    """
    if authorization is None:
        raise Refusal(401, "", "", headers={"WWW-Authenticate": REALM})
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        login = HttpLogin(b"", address or "")
        logins.begin_token(login, rest.strip().encode("utf-8", "surrogateescape"))
        return let_in(await _identity(login))
    name, password = _credentials(scheme, rest)
    return let_in(await identified(logins, name, password, address))


async def identified(logins: Logins, name: bytes, password: bytes, address: str | None) -> User:
    """The user of that name, if the password is the right one.

    Raises:
        Refusal: 401.
    """
    login = HttpLogin(name, address or "")
    logins.begin(login, password)
    return await _identity(login)


async def _identity(login: HttpLogin) -> User:
    await login.is_decided.wait()
    if login.verdict == FROM_AFAR:
        raise not_authorised("User can only log in via localhost")
    user = login.user
    if user is None:
        raise Refusal(401, "not_authorized", "Not_Authorized")
    return user


def let_in(user: User) -> Viewer:
    """The viewer that a user is.

    Raises:
        Refusal: 401, none of the user's tags opens the API.
    """
    if _LET_IN.isdisjoint(user.tags):
        raise not_authorised("Not management user")
    return Viewer(user)


def _credentials(scheme: str, rest: str) -> tuple[bytes, bytes]:
    if scheme.lower() != "basic":
        raise Refusal(401, "not_authorized", "Not_Authorized")
    try:
        name, colon, password = base64.b64decode(rest.strip(), validate=True).partition(b":")
    except (binascii.Error, ValueError):
        raise Refusal(401, "not_authorized", "Not_Authorized") from None
    if not colon:
        raise Refusal(401, "not_authorized", "Not_Authorized")
    return name, password


def is_loopback(address: str | None) -> bool:
    """Does the address belong to this machine? IPv4 may come wrapped in IPv6; what is no address is from afar."""
    if address is None:
        return False
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped.is_loopback if mapped is not None else parsed.is_loopback
