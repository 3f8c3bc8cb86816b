"""What a verified token's claims mean for this broker: until when, for whom, and the scopes. As RabbitMQ's plugin."""

import math
from typing import Any, Final, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.tokens import MOST_SCOPES, Token, TokenRefused

Claims = dict[str, Any]

_LAST_S: Final = 253_402_300_799.0  # the end of the year 9999: milliseconds must fit
_LONGEST_NAME: Final = 255
# Where Keycloak and others have the scopes of User-Managed Access.
_UMA_SCOPES: Final = "authorization.permissions.scopes"
_USER_CLAIMS: Final = ["sub", "client_id"]
_NOBODY: Final = "unknown"


@final
@mypyc_attr(native_class=True)
class TokenRules:
    """What a token must say, and where it says it.

    Attributes:
        resource_server_id: This broker's name at the authority.
        issuer: Whom tokens must come from; empty for anybody with a key.
        verify_aud: The claim ``aud`` must name this broker.
        require_exp: The claim ``exp`` must be there.
        leeway_s: By how much clocks may differ.
        scope_prefix: Of the scopes that concern this broker; empty: all do.
        additional_scopes: Further claims with scopes; dots lead into them.
        user_claims: Claims with the user's name, before ``sub`` and ``client_id``.
        aliases: Scopes that stand for others.
    """

    def __init__(
        self,
        resource_server_id: str,
        issuer: str = "",
        verify_aud: bool = True,
        require_exp: bool = True,
        leeway_s: float = 0.0,
        scope_prefix: str | None = None,
        additional_scopes: list[str] | None = None,
        user_claims: list[str] | None = None,
        aliases: dict[str, list[str]] | None = None,
    ) -> None:
        self.resource_server_id: Final = resource_server_id
        self.issuer: Final = issuer
        self.verify_aud: Final = verify_aud
        self.require_exp: Final = require_exp
        self.leeway_s: Final = leeway_s
        self.scope_prefix: Final = resource_server_id + "." if scope_prefix is None else scope_prefix
        self.additional_scopes: Final = additional_scopes or []
        self.user_claims: Final = [*(user_claims or []), *_USER_CLAIMS]
        self.aliases: Final = aliases or {}


def read_claims(claims: Claims, rules: TokenRules, now_ms: i64) -> Token:
    """What the claims mean.

    Raises:
        TokenRefused: The token is not valid now, not for this broker, or asks too much of it.
    """
    now_s = now_ms / 1000
    begin_s = _time(claims, "nbf")
    end_s = _time(claims, "exp")
    if begin_s > now_s + rules.leeway_s:
        raise TokenRefused("it is not valid yet")
    if end_s < 0 and rules.require_exp:
        raise TokenRefused("it has no exp claim")
    end_s = min(math.trunc(end_s) + rules.leeway_s, _LAST_S)
    if "exp" in claims and end_s <= now_s:
        raise TokenRefused("it has expired")
    if rules.issuer and claims.get("iss") != rules.issuer:
        raise TokenRefused("it is of another issuer")
    if rules.verify_aud and rules.resource_server_id not in _words(claims.get("aud")):
        raise TokenRefused("its aud claim does not name this broker")
    return Token(_name(claims, rules), _scopes(claims, rules), int(end_s * 1000) if "exp" in claims else 0)


def _time(claims: Claims, name: str) -> float:
    """Seconds since 1970; -1.0 without the claim."""
    value = claims.get(name)
    if value is None:
        return -1.0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= _LAST_S:
        raise TokenRefused(f"its {name} claim is no time")
    return float(value)


def _name(claims: Claims, rules: TokenRules) -> bytes:
    for claim in rules.user_claims:
        value = claims.get(claim)
        if isinstance(value, str) and value:
            try:
                name = value.encode()
            except UnicodeEncodeError:
                raise TokenRefused(f"its {claim} claim is no text") from None
            if len(name) > _LONGEST_NAME:
                raise TokenRefused(f"its {claim} claim is longer than {_LONGEST_NAME} octets")
            return name
    return _NOBODY.encode()


def _scopes(claims: Claims, rules: TokenRules) -> list[str]:
    """The scopes that concern this broker, without the prefix, each once."""
    scopes = _words(claims.get("scope"))
    for path in [*rules.additional_scopes, _UMA_SCOPES]:
        scopes += _scopes_at(claims, path.split("."), rules.resource_server_id)
    for scope in list(scopes):
        scopes += rules.aliases.get(scope, [])
    prefix = rules.scope_prefix
    own = list(dict.fromkeys([scope.removeprefix(prefix) for scope in scopes if scope.startswith(prefix)]))
    if len(own) > MOST_SCOPES:
        raise TokenRefused(f"it has more than {MOST_SCOPES} scopes")
    return own


def _scopes_at(value: Any, path: list[str], resource_server_id: str) -> list[str]:
    """The scopes at a path of names through tables, and lists of tables."""
    if isinstance(value, list) and path:
        tables = [each for each in value if isinstance(each, dict)]
        return [scope for table in tables for scope in _scopes_at(table, path, resource_server_id)]
    if path:
        return _scopes_at(value.get(path[0]), path[1:], resource_server_id) if isinstance(value, dict) else []
    if isinstance(value, dict):
        return [f"{resource_server_id}.{scope}" for scope in _words(value.get(resource_server_id))]
    return _words(value)


def _words(value: Any) -> list[str]:
    """The texts in a list, or the words of a text."""
    if isinstance(value, str):
        return value.split()
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
