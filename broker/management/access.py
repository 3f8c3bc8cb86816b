"""Who asks, and what they may see."""

import base64
import binascii
import ipaddress

from msgspec import Struct

from broker.auth.users import Users
from broker.management.refusals import REALM, Refusal, not_authorised

_LET_IN = frozenset({"management", "policymaker", "monitoring", "administrator"})
_SEE_ALL = frozenset({"monitoring", "administrator"})
_MAKE_POLICIES = frozenset({"policymaker", "administrator"})


class Viewer(Struct, frozen=True):
    """A user who has logged in to the API.

    Attributes:
        name: The login.
        tags: The user's tags.
    """

    name: bytes
    tags: tuple[str, ...]

    @property
    def is_monitor(self) -> bool:
        """May see everybody's connections and the node itself."""
        return not _SEE_ALL.isdisjoint(self.tags)

    def must_be_administrator(self) -> None:
        """Let only administrators go on.

        Raises:
            Refusal: 401.
        """
        if "administrator" not in self.tags:
            raise not_authorised("Not administrator user")

    def must_be_policymaker(self) -> None:
        """Let only those go on who may set policies.

        Raises:
            Refusal: 401.
        """
        if _MAKE_POLICIES.isdisjoint(self.tags):
            raise not_authorised("User not authorised to access object")


def log_in(users: Users, authorization: str | None, address: str | None) -> Viewer:
    """The user behind an ``Authorization`` header.

    Args:
        users: Everybody there is.
        authorization: The header; None if there was none.
        address: Where the request came from.

    Raises:
        Refusal: 401, in RabbitMQ's four forms. Only the one for missing credentials asks the browser for a password.
    """
    if authorization is None:
        raise Refusal(401, "", "", headers={"WWW-Authenticate": REALM})
    name, password = _credentials(authorization)
    # As if from this machine, so that RabbitMQ's own sentence can be given to who knows the password.
    user = users.authenticate(name, password, is_loopback=True)
    if user is None:
        raise Refusal(401, "not_authorized", "Not_Authorized")
    if name in users.loopback_only and not is_loopback(address):
        raise not_authorised("User can only log in via localhost")
    if _LET_IN.isdisjoint(user.tags):
        raise not_authorised("Not management user")
    return Viewer(user.name, tuple(user.tags))


def _credentials(authorization: str) -> tuple[bytes, bytes]:
    scheme, _, rest = authorization.partition(" ")
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
