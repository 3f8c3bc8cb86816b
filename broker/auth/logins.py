"""Logging in with a password: what is asked, who waits for the answer, and what is remembered of it.

A check costs tens of milliseconds of a core, so none is made twice: clients that come with the same name and password
while it runs wait for the same one, and a success is remembered for a while. That is what lets a thousand clients
reconnect at once. What is remembered is a keyed digest, worthless outside this process.

Several backends may know users; they are tried in order, and the first one that says yes wins.
"""

import hashlib
import logging
import os
from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.failures import Failures
from broker.auth.passwords import PasswordHash, spend
from broker.auth.proofs import PasswordProof, Proof, RemoteProof, TokenProof
from broker.auth.remote import ALLOWED, ASK_USER, FAILED, Asker, Fields, Question, Remote
from broker.auth.tokens import TokenRefused, TokenVerifier
from broker.auth.users import INTERNAL, OAUTH2, REMOTE, User, Users
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
        reason: Why not, if there is more to say to the log than the verdict does.
    """

    def __init__(self, name: bytes, host: str, peer: str, is_loopback: bool, door: str) -> None:
        self.name: Final = name
        self.host: Final = host
        self.peer: Final = peer
        self.is_loopback: Final = is_loopback
        self.door: Final = door
        self.verdict: i64 = WAITING
        self.user: User | None = None
        self.reason: str = ""

    def decided(self) -> None:
        """The verdict is in. Called once, also while ``Logins.begin`` has not returned yet."""
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class PasswordCheck(Asker):
    """One password to be checked: ``run`` it on any thread, then ``finish`` on the broker's own.

    Attributes:
        key: Stands for what is checked; empty for a name that was proved in another way, and needs no password.
        expected: What the user of that name here has.
        start_s: Monotonic time before which it is not to run.
        waiting: Who waits for it; never empty.
        proof: What a backend has found; None for nothing.
        refusal: Why not, for the log.
    """

    def __init__(
        self,
        logins: "Logins",
        key: bytes,
        expected: PasswordHash | None,
        password: bytes,
        start_s: float,
        backends: list[str],
    ) -> None:
        self._logins: Final = logins
        self.key: Final = key
        self.expected: Final = expected
        self._password: bytes = password
        self._backends: Final = backends
        self._tried: i64 = 0
        self.start_s: Final = start_s
        self.waiting: Final[list[Login]] = []
        self.proof: Proof | None = None
        self.refusal: str = ""

    def run(self) -> None:
        """Try the backends that need not be asked, up to the next one that must. Touches nothing of the broker's."""
        while self.proof is None and self._tried < len(self._backends):
            backend = self._backends[self._tried]
            if backend == REMOTE:
                return
            self._tried += 1  # before it is tried: one that fails is not tried again
            if backend == INTERNAL:
                self._compare()
            elif self.key:
                self._verify()

    def _compare(self) -> None:
        expected = self.expected
        if expected is None:
            if self.key:
                spend(self._password)
        elif not self.key or expected.matches(self._password):
            self.proof = PasswordProof(self._logins.users, expected)

    def _verify(self) -> None:
        try:
            self.proof = TokenProof(self._logins.verifier.verify(self._password))
        except TokenRefused as refused:
            self.refusal = f"the token is refused: {refused}"

    def finish(self) -> None:
        """Ask the next backend if that is to be done, or tell everybody who waits."""
        remote = self._logins.remote
        if self.proof is not None or self._tried >= len(self._backends) or self._backends[self._tried] != REMOTE:
            self._password = b""
            self._logins.finish(self)
            return
        self._tried += 1
        fields: Fields = [("username", self.waiting[0].name)]
        if self.key:
            fields.append(("password", self._password))
        remote.ask(Question(ASK_USER, fields, b""), self)

    def answered(self, question: Question) -> None:
        logins = self._logins
        if question.answer == ALLOWED:
            self.proof = RemoteProof(logins.remote, question.tags)
        elif question.answer == FAILED:
            self.refusal = "the HTTP backend gave no answer that could be understood"
        else:
            self.refusal = "denied by the HTTP backend"
        if self.proof is None and self._tried < len(self._backends):
            logins.checker.start(self)
        else:
            self.finish()


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class Checker:
    """Runs checks. This base runs each at once, for tests; ``broker.server`` has threads."""

    def start(self, check: PasswordCheck) -> None:
        """Run the check at some time, and finish it on the broker's thread."""
        check.run()
        check.finish()


@final
@mypyc_attr(native_class=True)
class Remembered:
    """A success, and until when it is remembered by the monotonic clock."""

    def __init__(self, proof: Proof, until_s: float) -> None:
        self.proof: Final = proof
        self.until_s: Final = until_s


@final
@mypyc_attr(native_class=True)
class Logins:
    """Decides who comes in.

    Attributes:
        users: The register.
        backends: Who knows users: INTERNAL, OAUTH2, REMOTE, in the order in which they are tried.
        checker: Runs the checks.
        verifier: Verifies tokens.
        remote: The service that the backend REMOTE asks.
        checks_made: Passwords compared, for the curious.
    """

    def __init__(self, users: Users, clock: Clock) -> None:
        self.users: Final = users
        self.backends: list[str] = [INTERNAL]
        self.verifier: TokenVerifier = TokenVerifier()
        self.remote: Final = Remote(clock)
        self._clock: Final = clock
        self.checker: Checker = Checker()
        self.checks_made: i64 = 0
        self._failures: Final = Failures()
        self._secret: Final = os.urandom(32)
        self._remembered: Final[dict[bytes, Remembered]] = {}
        self._checks: Final[dict[bytes, PasswordCheck]] = {}  # that run or wait
        self._checks_of_host: Final[dict[str, int]] = {}
        self._delayed: list[PasswordCheck] = []

    def begin(self, login: Login, password: bytes) -> None:
        """Ask for a verdict; ``login.decided`` is called when there is one, which may be at once."""
        self._begin(login, password, self.backends)

    def begin_token(self, login: Login, token: bytes) -> None:
        """The same for a token that was not said to be a password; it says itself whose it is."""
        self._begin(login, token, [OAUTH2] if OAUTH2 in self.backends else [])

    def begin_again(self, login: Login, password: bytes, user: User) -> None:
        """The same for ``user``, who is in already and shows a new secret. Nobody else can vouch for it."""
        self._begin(login, password, [user.backend])

    def _begin(self, login: Login, password: bytes, backends: list[str]) -> None:
        now_s = self._clock.monotonic_s()
        user = self.users.by_name.get(login.name)
        expected = user.password if user is not None else None
        key = self._key(login.name, expected, password, backends)
        known = self._remembered.get(key)
        if known is not None and known.until_s >= now_s:
            self._decide(login, known.proof)
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
        check = PasswordCheck(self, key, expected, password, start_s, backends)
        check.waiting.append(login)
        self._checks[key] = check
        self._checks_of_host[login.host] = of_host + 1
        if check.start_s > now_s:
            self._delayed.append(check)
        else:
            self._start(check)

    def admit(self, login: Login) -> None:
        """Let somebody in who has proved the name in another way, or need not."""
        user = self.users.by_name.get(login.name)
        check = PasswordCheck(self, b"", user.password if user is not None else None, b"", 0.0, self.backends)
        check.waiting.append(login)
        check.run()
        check.finish()

    def tick(self, now_s: float) -> None:
        """Start the checks that were put off. Call it twice a second."""
        if not self._delayed:
            return
        due = [check for check in self._delayed if check.start_s <= now_s]
        self._delayed = [check for check in self._delayed if check.start_s > now_s]
        for check in due:
            self._start(check)

    def finish(self, check: PasswordCheck) -> None:
        """A check has come to its end: remember a success, and tell those who wait."""
        proof = check.proof
        first = check.waiting[0]
        if check.key:
            del self._checks[check.key]
            of_host = self._checks_of_host[first.host] - 1
            if of_host > 0:
                self._checks_of_host[first.host] = of_host
            else:
                del self._checks_of_host[first.host]
            if proof is not None:
                self._failures.succeeded(first.name, first.host)
                self._remember(check.key, proof)
        for login in check.waiting:
            login.reason = check.refusal
            self._decide(login, proof)

    def forget(self) -> None:
        """Check every password anew: the keys of those who sign tokens have changed."""
        self._remembered.clear()

    def _start(self, check: PasswordCheck) -> None:
        self.checks_made += 1
        self.checker.start(check)

    def _remember(self, key: bytes, proof: Proof) -> None:
        now_s = self._clock.monotonic_s()
        if len(self._remembered) >= MOST_REMEMBERED:
            for each in list(self._remembered):
                if self._remembered[each].until_s < now_s:
                    del self._remembered[each]
            if len(self._remembered) >= MOST_REMEMBERED:
                self._remembered.clear()
        seconds = self.remote.remember_s if isinstance(proof, RemoteProof) else REMEMBER_S
        self._remembered[key] = Remembered(proof, now_s + seconds)

    def _key(self, name: bytes, expected: PasswordHash | None, password: bytes, backends: list[str]) -> bytes:
        """Stands for a name and a password, as long as the user's password is the same."""
        value = expected.value if expected is not None else b""
        tried = ",".join(backends).encode()
        text = b"%s:%d:%d:" % (tried, len(name), len(value)) + name + value + password
        return hashlib.blake2b(text, digest_size=32, key=self._secret).digest()

    def _decide(self, login: Login, proof: Proof | None) -> None:
        user = proof.user(login.name, login.host, self._clock.now_ms()) if proof is not None else None
        if user is None:
            self._close(login, WRONG)
        elif not self.users.may_come_from(user.name, login.is_loopback):
            self._close(login, FROM_AFAR)
        else:
            login.user = user
            self._close(login, ADMITTED)

    def _close(self, login: Login, verdict: i64) -> None:
        login.verdict = verdict
        name = login.user.name if login.user is not None else login.name
        fields = {"user": name.decode("utf-8", "replace"), "peer": login.peer, "door": login.door}
        if verdict != ADMITTED:
            reason = login.reason if verdict == WRONG and login.reason else VERDICTS[verdict]
            AUDIT.warning("login refused", extra={**fields, "reason": reason})
        elif login.door == HTTP:
            AUDIT.debug("login", extra=fields)
        else:
            AUDIT.info("login", extra=fields)
        login.decided()
