"""Sessions of the web console: who is logged in without saying the password with every request.

Kept in memory only, so a restart logs everybody out. What is kept of a token is its digest: nothing that could be read
here opens a session.
"""

import hashlib
import secrets
from typing import Final

from msgspec import Struct

from broker.auth.passwords import PasswordHash
from broker.auth.users import User, Users
from broker.core.clock import Clock

LIFE_S: Final = 28_800.0  # RabbitMQ's login_session_timeout: 8 hours
IDLE_S: Final = 3_600.0  # a console that is looked at asks every few seconds
MOST_OF_USER: Final = 20
MOST: Final = 1_000
TOKEN_BYTES: Final = 32


class Session(Struct):
    """One browser that has logged in.

    Attributes:
        user: Who it is.
        password: The one the user had then: another one ends the session.
        ends_s: Monotonic time of its end, whatever happens.
        idle_s: Monotonic time of its end if nothing is asked before.
    """

    user: User
    password: PasswordHash
    ends_s: float
    idle_s: float


class Sessions:
    """Every session there is.

    When a user has too many, or there are too many in all, the oldest one ends.
    """

    def __init__(self, users: Users, clock: Clock, life_s: float = LIFE_S) -> None:
        """None yet.

        Args:
            users: Those who may have a session.
            clock: Ends them.
            life_s: How long one lasts at most, seconds.
        """
        self._users = users
        self._clock = clock
        self.life_s = life_s
        self._by_digest: dict[bytes, Session] = {}  # oldest first

    def open(self, user: User) -> str:
        """Begin a session of somebody who has just proved to be ``user``; its token, which is not kept."""
        now_s = self._clock.monotonic_s()
        self._end_old(now_s)
        of_user = [digest for digest, each in self._by_digest.items() if _is_same(each.user, user)]
        if len(of_user) >= MOST_OF_USER:
            del self._by_digest[of_user[0]]
        elif len(self._by_digest) >= MOST:
            del self._by_digest[next(iter(self._by_digest))]
        life_s = self.life_s
        if user.expires_ms > 0:  # the token that was the password
            life_s = min(life_s, (user.expires_ms - self._clock.now_ms()) / 1000)
        token = secrets.token_urlsafe(TOKEN_BYTES)
        self._by_digest[_digest(token)] = Session(user, user.password, now_s + life_s, now_s + IDLE_S)
        return token

    def user(self, token: str, is_loopback: bool) -> User | None:
        """Whose session it is; None if there is none, or no more.

        Args:
            token: As ``open`` returned it.
            is_loopback: The request comes from this machine.
        """
        session = self._by_digest.get(_digest(token))
        now_s = self._clock.monotonic_s()
        if session is None or not _lasts(session, now_s):
            self.close(token)
            return None
        if not self._users.may_come_from(session.user.name, is_loopback):
            return None
        session.idle_s = now_s + IDLE_S
        return session.user.fresh()

    def close(self, token: str) -> None:
        """End a session, if there is one."""
        self._by_digest.pop(_digest(token), None)

    def _end_old(self, now_s: float) -> None:
        for digest in [digest for digest, each in self._by_digest.items() if not _lasts(each, now_s)]:
            del self._by_digest[digest]


def _is_same(one: User, other: User) -> bool:
    """Are they one user? Of other backends, each login makes an object of its own."""
    return one.name == other.name and one.backend == other.backend


def _lasts(session: Session, now_s: float) -> bool:
    user = session.user
    return now_s < min(session.ends_s, session.idle_s) and not user.is_deleted and user.password is session.password


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
