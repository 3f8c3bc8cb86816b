"""Logging in with a password: what is asked, who waits for the answer, and what is remembered of it.

A check costs tens of milliseconds of a core, so none is made twice: clients that come with the same name and password
while it runs wait for the same one, and a success is remembered for a while. That is what lets a thousand clients
reconnect at once. What is remembered is a keyed digest, worthless outside this process.
"""

import hashlib
import logging
import os
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.failures import Failures
from broker.auth.passwords import PasswordHash, spend
from broker.auth.users import User, Users
from broker.core.clock import Clock

AUDIT: Final = logging.getLogger("broker.audit")

REMEMBER_S: Final = 60.0
MOST_REMEMBERED: Final = 10_000
# Different checks that run or wait, in all and from one address: what can be done in the time of a handshake, so that
# one address cannot keep all others out.
MOST_CHECKS: Final = 1_000
MOST_CHECKS_OF_HOST: Final = 200

HTTP: Final = "http"  # the door whose successes are not worth a line each: every request logs in

# Verdicts.
WAITING: Final = -1
ADMITTED: Final = 0
WRONG: Final = 1  # no such user, or not the password
FROM_AFAR: Final = 2  # the right password, by a user who may only come from this machine
TOO_MANY: Final = 3  # not even looked at
VERDICTS: Final = (
    "admitted",
    "wrong user name or password",
    "the user may only log in via localhost",
    "too many tries",
)


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class Login:
    """Somebody at the door. Subclassed by each kind of door.

    Attributes:
        name: Who it is said to be.
        host: Where from: who fails is slowed down by it.
        peer: The same with the port, for the log.
        is_loopback: From this machine.
        door: How: ``amqp PLAIN``, or HTTP.
        verdict: WAITING until it is known, then one of the others.
        user: Who it is; None unless admitted.
    """

    def __init__(self, name: bytes, host: str, peer: str, is_loopback: bool, door: str) -> None:
        self.name: Final = name
        self.host: Final = host
        self.peer: Final = peer
        self.is_loopback: Final = is_loopback
        self.door: Final = door
        self.verdict: i64 = WAITING
        self.user: User | None = None

    def decided(self) -> None:
        """The verdict is in. Called once, also while ``Logins.begin`` has not returned yet."""
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class PasswordCheck:
    """One password to be compared: ``run`` it on any thread, then ``finish`` on the broker's own.

    Attributes:
        start_s: Monotonic time before which it is not to run.
        waiting: Who waits for it; never empty.
    """

    def __init__(
        self, logins: "Logins", key: bytes, expected: PasswordHash | None, password: bytes, start_s: float
    ) -> None:
        self._logins: Final = logins
        self.key: Final = key
        self.expected: Final = expected
        self._password: bytes = password
        self.start_s: Final = start_s
        self.waiting: Final[list[Login]] = []
        self.is_right: bool = False

    def run(self) -> None:
        """Compare. Touches nothing that the broker's thread does."""
        expected = self.expected
        if expected is None:
            spend(self._password)
        else:
            self.is_right = expected.matches(self._password)
        self._password = b""

    def finish(self) -> None:
        """Tell everybody who waits."""
        self._logins.finish(self)


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class Checker:
    """Runs checks. This base runs each at once, for tests; ``broker.server`` has threads."""

    def start(self, check: PasswordCheck) -> None:
        """Run the check at some time, and finish it on the broker's thread."""
        check.run()
        check.finish()


@final
@mypyc_attr(native_class=True)
class Logins:
    """Decides who comes in.

    Attributes:
        checker: Runs the checks.
        checks_made: Passwords compared, for the curious.
    """

    def __init__(self, users: Users, clock: Clock) -> None:
        self._users: Final = users
        self._clock: Final = clock
        self.checker: Checker = Checker()
        self.checks_made: i64 = 0
        self._failures: Final = Failures()
        self._secret: Final = os.urandom(32)
        self._remembered: Final[dict[bytes, float]] = {}
        self._checks: Final[dict[bytes, PasswordCheck]] = {}  # that run or wait
        self._checks_of_host: Final[dict[str, int]] = {}
        self._delayed: list[PasswordCheck] = []

    def begin(self, login: Login, password: bytes) -> None:
        """Ask for a verdict; ``login.decided`` is called when there is one, which may be at once."""
        now_s = self._clock.monotonic_s()
        user = self._users.by_name.get(login.name)
        expected = user.password if user is not None else None
        key = self._key(login.name, expected, password)
        if self._remembered.get(key, -1.0) >= now_s:
            self._decide(login, user)
            return
        check = self._checks.get(key)
        if check is not None:
            check.waiting.append(login)
            return
        of_host = self._checks_of_host.get(login.host, 0)
        start_s = -1.0
        if len(self._checks) < MOST_CHECKS and of_host < MOST_CHECKS_OF_HOST:
            start_s = self._failures.next_start_s(login.name, login.host, now_s)
        if start_s < 0.0:
            self._close(login, TOO_MANY)
            return
        check = PasswordCheck(self, key, expected, password, start_s)
        check.waiting.append(login)
        self._checks[key] = check
        self._checks_of_host[login.host] = of_host + 1
        if check.start_s > now_s:
            self._delayed.append(check)
        else:
            self._start(check)

    def admit(self, login: Login) -> None:
        """Let somebody in who has proved the name in another way, or need not."""
        self._decide(login, self._users.by_name.get(login.name))

    def tick(self, now_s: float) -> None:
        """Start the checks that were put off. Call it twice a second."""
        if not self._delayed:
            return
        due = [check for check in self._delayed if check.start_s <= now_s]
        self._delayed = [check for check in self._delayed if check.start_s > now_s]
        for check in due:
            self._start(check)

    def finish(self, check: PasswordCheck) -> None:
        """A check has run: remember a success, and tell those who wait."""
        del self._checks[check.key]
        first = check.waiting[0]
        of_host = self._checks_of_host[first.host] - 1
        if of_host > 0:
            self._checks_of_host[first.host] = of_host
        else:
            del self._checks_of_host[first.host]
        user = self._users.by_name.get(first.name)
        # The user may have gone or changed the password in the meantime.
        is_right = check.is_right and user is not None and user.password is check.expected
        if is_right:
            self._failures.succeeded(first.name, first.host)
            self._remember(check.key)
        for login in check.waiting:
            self._decide(login, user if is_right else None)

    def _start(self, check: PasswordCheck) -> None:
        self.checks_made += 1
        self.checker.start(check)

    def _remember(self, key: bytes) -> None:
        now_s = self._clock.monotonic_s()
        if len(self._remembered) >= MOST_REMEMBERED:
            for each in list(self._remembered):
                if self._remembered[each] < now_s:
                    del self._remembered[each]
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
        self._remembered[key] = now_s + REMEMBER_S

    def _key(self, name: bytes, expected: PasswordHash | None, password: bytes) -> bytes:
        """Stands for a name and a password, as long as the user's password is the same."""
        value = expected.value if expected is not None else b""
        text = b"%d:%d:" % (len(name), len(value)) + name + value + password
        return hashlib.blake2b(text, digest_size=32, key=self._secret).digest()

    def _decide(self, login: Login, user: User | None) -> None:
        if user is None:
            self._close(login, WRONG)
        elif not self._users.may_come_from(user.name, login.is_loopback):
            self._close(login, FROM_AFAR)
        else:
            login.user = user
            self._close(login, ADMITTED)

    def _close(self, login: Login, verdict: i64) -> None:
        login.verdict = verdict
        fields = {"user": login.name.decode("utf-8", "replace"), "peer": login.peer, "door": login.door}
        if verdict != ADMITTED:
            AUDIT.warning("login refused", extra={**fields, "reason": VERDICTS[verdict]})
        elif login.door == HTTP:
            AUDIT.debug("login", extra=fields)
        else:
            AUDIT.info("login", extra=fields)
        login.decided()
