"""Scopes of OAuth 2 tokens as permissions: ``write:vhost/name``, ``write:vhost/name/key``. As RabbitMQ's plugin."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.access import CONFIGURE, READ, WRITE
from broker.auth.wildcard import Wildcard

TAG: Final = "tag:"
_VERBS: Final[dict[str, int]] = {"configure": CONFIGURE, "write": WRITE, "read": READ}


@final
@mypyc_attr(native_class=True)
class Scope:
    """One permission. Immutable.

    Attributes:
        verb: CONFIGURE, WRITE or READ.
        vhost: Where it holds.
        name: For which queues and exchanges.
        key: For which keys on topic exchanges; None, it allows none there.
    """

    def __init__(self, verb: i64, vhost: Wildcard, name: Wildcard, key: Wildcard | None) -> None:
        self.verb: Final[i64] = verb
        self.vhost: Final = vhost
        self.name: Final = name
        self.key: Final = key


def read_scopes(texts: list[str]) -> list[Scope]:
    """The permissions among the scopes of a token. What is none is passed over, tags too."""
    scopes: list[Scope] = []
    for text in texts:
        word, colon, rest = text.partition(":")
        parts = rest.split("/")
        if word in _VERBS and colon and 2 <= len(parts) <= 3:
            key = Wildcard(parts[2]) if len(parts) == 3 else None
            scopes.append(Scope(_VERBS[word], Wildcard(parts[0]), Wildcard(parts[1]), key))
    return scopes


def read_tags(texts: list[str]) -> list[str]:
    """The user's tags among the scopes of a token."""
    return sorted({text.removeprefix(TAG) for text in texts if text.startswith(TAG)})
