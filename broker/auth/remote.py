"""A service that is asked who may come in and what they may do, and what is remembered of its answers.

Nobody waits for an answer on the broker's thread. Whoever needs one that is not there gets ``Undecided``, has the
question asked, and does the same again when it is answered. So nothing may be changed before the last question: the
methods of AMQP check every right first.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.auth.access import VERBS, Access
from broker.auth.passwords import no_password
from broker.auth.users import REMOTE, User
from broker.core.clock import Clock

# What is asked about; each has its own address.
ASK_USER: Final = 0
ASK_VHOST: Final = 1
ASK_RESOURCE: Final = 2
ASK_TOPIC: Final = 3

# Answers.
OPEN: Final = -1
DENIED: Final = 0
ALLOWED: Final = 1
FAILED: Final = 2  # there was none that could be understood; counts as a no

Fields = list[tuple[str, bytes]]


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class Asker:
    """Somebody who waits for an answer. Subclassed by each kind."""

    def answered(self, question: "Question") -> None:
        """The answer is there. Called once, also while ``Remote.ask`` has not returned yet."""
        raise NotImplementedError


@final
@mypyc_attr(native_class=True)
class Question:
    """One question to the service.

    Attributes:
        topic: What it is about, one of the constants above.
        fields: Its parameters, in RabbitMQ's order. One may be a password.
        key: The same for looking up; empty for one that is not to be remembered.
        answer: OPEN until it is known, then one of the others.
        tags: What followed the yes: the user's tags.
        waiting: Who waits.
    """

    def __init__(self, topic: i64, fields: Fields, key: bytes) -> None:
        self.topic: Final[i64] = topic
        self.fields: Final = fields
        self.key: Final = key
        self.answer: i64 = OPEN
        self.tags: list[str] = []
        self.waiting: Final[list[Asker]] = []


class Undecided(Exception):  # noqa: N818 - not an error: somebody has to be asked first
    """It is not known yet whether that is allowed.

    Attributes:
        question: To be asked.
    """

    def __init__(self, question: Question) -> None:
        super().__init__("not decided yet")
        self.question = question


@mypyc_attr(native_class=True, allow_interpreted_subclasses=True)
class Inquirer:
    """Asks questions. This base gets no answer; ``broker.server`` has an HTTP client."""

    def ask(self, remote: "Remote", question: Question) -> None:
        """Have the question answered at some time, by ``remote.answer`` on the broker's thread."""
        remote.answer(question, FAILED, [])


@final
@mypyc_attr(native_class=True)
class Remote:
    """The service, as the broker knows it: questions that are out, and what was allowed lately.

    Attributes:
        inquirer: Asks.
        remember_s: How long what was allowed stays allowed. What was refused is asked again.
        most_remembered: Answers kept.
        asked: Questions that have gone out, for the curious.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock: Final = clock
        self.inquirer: Inquirer = Inquirer()
        self.remember_s: float = 15.0
        self.most_remembered: i64 = 10_000
        self.asked: i64 = 0
        self._allowed: Final[dict[bytes, float]] = {}  # until when, by the monotonic clock
        self._open: Final[dict[bytes, Question]] = {}

    def allowed_until_s(self, key: bytes) -> float:
        """Until when it is known to be allowed; -1.0 if it is not known."""
        until_s = self._allowed.get(key, -1.0)
        return until_s if until_s >= self._clock.monotonic_s() else -1.0

    def ask(self, question: Question, asker: Asker) -> None:
        """Have ``asker`` told the answer, which may be at once. The same question is out only once."""
        if question.key:
            known = self._open.get(question.key)
            if known is not None:
                known.waiting.append(asker)
                return
            self._open[question.key] = question
        question.waiting.append(asker)
        self.asked += 1
        self.inquirer.ask(self, question)

    def answer(self, question: Question, answer: i64, tags: list[str]) -> None:
        """The service has answered, or has not in time."""
        question.answer = answer
        question.tags = tags
        if question.key:
            del self._open[question.key]
            if answer == ALLOWED:
                self._remember(question.key)
        for asker in question.waiting:
            asker.answered(question)

    def _remember(self, key: bytes) -> None:
        now_s = self._clock.monotonic_s()
        if len(self._allowed) >= self.most_remembered:
            for each in list(self._allowed):
                if self._allowed[each] < now_s:
                    del self._allowed[each]
            if len(self._allowed) >= self.most_remembered:
                self._allowed.clear()
        self._allowed[key] = now_s + self.remember_s


@final
@mypyc_attr(native_class=True)
class RemoteUser(User):
    """A user whom the service knows, on one connection.

    What it has allowed is noted here for as long as ``forgets`` is not called: while a method waits for its second
    answer, the first one stays. How long an answer is good for is the register's to say.
    """

    def __init__(self, remote: Remote, name: bytes, tags: list[str], host: str) -> None:
        """Take what the service said at the login.

        Args:
            remote: To ask it more.
            name: The login.
            tags: As the service gave them.
            host: Where the user comes from: the service may decide by it.
        """
        super().__init__(name, no_password(), tags)
        self.backend = REMOTE
        self._remote: Final = remote
        self._host: Final = host
        self._known: Final[dict[bytes, bool]] = {}
        self._good_until_s: float = -1.0  # of the oldest answer that something may have been built on; -1.0 for none

    def access(self, vhost_name: str) -> Access:
        access = self.accesses.get(vhost_name)
        if access is None:
            access = RemoteAccess(self, vhost_name)
            self.accesses[vhost_name] = access
        return access

    def may_enter(self, vhost_name: str) -> bool:
        """May the user enter?

        Raises:
            Undecided: The service has to be asked.
        """
        fields: Fields = [("username", self.name), ("vhost", vhost_name.encode()), ("ip", self._host.encode())]
        return self.decide(ASK_VHOST, [*fields, ("tags", " ".join(self.tags).encode())])

    def decide(self, topic: i64, fields: Fields) -> bool:
        """Does the service allow it?

        Raises:
            Undecided: It has to be asked.
        """
        parts: list[bytes] = [b"%d" % topic]
        for name, value in fields:
            parts.append(b"%s=%d:" % (name.encode(), len(value)))
            parts.append(value)
        key = b"".join(parts)
        known = self._known.get(key)
        if known is not None:
            return known
        until_s = self._remote.allowed_until_s(key)
        if until_s < 0.0:
            raise Undecided(Question(topic, fields, key))
        self._note(key, True, until_s)
        return True

    def knows(self, question: Question) -> bool:
        """Is the answer to a question noted?"""
        return question.key in self._known

    def learn(self, question: Question) -> None:
        """Note the answer to a question of this user's."""
        is_allowed = question.answer == ALLOWED
        self._note(question.key, is_allowed, self._remote.allowed_until_s(question.key))

    def _note(self, key: bytes, is_allowed: bool, until_s: float) -> None:
        self._known[key] = is_allowed
        if is_allowed and (self._good_until_s < 0.0 or until_s < self._good_until_s):
            self._good_until_s = until_s

    def renew(self, other: User) -> None:
        self.tags = other.tags

    def fresh(self) -> User:
        return RemoteUser(self._remote, self.name, self.tags, self._host)

    def forgets(self, now_s: float) -> bool:
        self._known.clear()
        if self._good_until_s < 0.0 or now_s <= self._good_until_s:
            return False
        self._good_until_s = -1.0
        return True


@final
@mypyc_attr(native_class=True)
class RemoteAccess(Access):
    """What the service allows a user in one vhost."""

    def __init__(self, user: RemoteUser, vhost_name: str) -> None:
        super().__init__(user, vhost_name)
        self._asks: Final = user

    def allows(self, verb: i64, kind: str, name: bytes) -> bool:
        return self._asks.decide(ASK_RESOURCE, self._fields(verb, kind, name))

    def allows_topic(self, verb: i64, exchange_name: bytes, key: bytes) -> bool:
        fields = self._fields(verb, "topic", exchange_name)
        fields.append(("routing_key", key))
        fields.append(("variable_map.username", self.user.name))
        fields.append(("variable_map.vhost", self.vhost_name.encode()))
        return self._asks.decide(ASK_TOPIC, fields)

    def restricts_topics(self) -> bool:
        return True

    def _fields(self, verb: i64, kind: str, name: bytes) -> Fields:
        return [
            ("username", self.user.name),
            ("vhost", self.vhost_name.encode()),
            ("resource", kind.encode()),
            ("name", name),
            ("permission", VERBS[verb].encode()),
            ("tags", " ".join(self.user.tags).encode()),
        ]
