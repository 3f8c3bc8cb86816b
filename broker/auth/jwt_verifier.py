"""Verifies JSON Web Tokens: the right key, the right algorithm, the signature, the claims. RFC 7515, RFC 7519.

On a thread beside the event loop. Loaded only where the setting ``auth.backends`` asks for it: the libraries are big.
"""

import json
from typing import Final, final

from jwt import PyJWS
from jwt.exceptions import PyJWTError
from mypy_extensions import mypyc_attr

from broker.auth.token_claims import TokenRules, read_claims
from broker.auth.token_keys import TokenKey
from broker.auth.tokens import LONGEST_TOKEN, Token, TokenRefused, TokenVerifier
from broker.core.clock import Clock


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class KeyRing:
    """The keys of those who may sign. ``broker.server`` reads them from files.

    Attributes:
        keys: By ``kid``; replaced as a whole, never changed.
    """

    def __init__(self, keys: dict[str, TokenKey]) -> None:
        self.keys: dict[str, TokenKey] = keys

    def refresh(self) -> None:
        """A key is wanted that is not there: look whether there are new ones. On any thread."""


@final
@mypyc_attr(native_class=True)
class JwtVerifier(TokenVerifier):
    """Believes tokens that a key of the ring has signed."""

    def __init__(self, ring: KeyRing, algorithms: list[str], default_key: str, rules: TokenRules, clock: Clock) -> None:
        """Prepare.

        Args:
            ring: The keys.
            algorithms: Names of those that are let through at all.
            default_key: ``kid`` of the key for tokens that name none; empty: they are refused.
            rules: What the claims must say.
            clock: For the times in them.
        """
        super().__init__()
        self._ring: Final = ring
        self._algorithms: Final = algorithms
        self._default_key: Final = default_key
        self._rules: Final = rules
        self._clock: Final = clock
        self._jws: Final = PyJWS()

    def verify(self, token: bytes) -> Token:
        if len(token) > LONGEST_TOKEN:
            raise TokenRefused(f"it is longer than {LONGEST_TOKEN} octets")
        if token.count(b".") != 2:
            raise TokenRefused("it is no token")
        try:
            header = self._jws.get_unverified_header(token)
        except (PyJWTError, ValueError, RecursionError):
            raise TokenRefused("it is no token") from None
        key = self._key(header.get("kid", self._default_key))
        algorithm = header.get("alg")
        if algorithm not in self._algorithms or algorithm not in key.algorithms:
            raise TokenRefused("its algorithm is not allowed, or not for that key")
        try:
            payload = self._jws.decode(token, key.key, algorithms=[algorithm])
        except (PyJWTError, ValueError, TypeError):
            raise TokenRefused("its signature is wrong") from None
        try:
            claims = json.loads(payload)
        except (ValueError, RecursionError):
            claims = None
        if not isinstance(claims, dict):
            raise TokenRefused("its payload is no JSON object")
        return read_claims(claims, self._rules, self._clock.now_ms())

    def _key(self, kid: str) -> TokenKey:
        key = self._ring.keys.get(kid)
        if key is None:
            self._ring.refresh()
            key = self._ring.keys.get(kid)
        if key is None:
            raise TokenRefused("its key is not known")
        return key
