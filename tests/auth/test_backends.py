"""Several backends know users: the first yes counts."""

import logging

import pytest

from broker.auth.jwt_verifier import JwtVerifier, KeyRing
from broker.auth.logins import ADMITTED, FROM_AFAR, REMEMBER_S, WAITING, WRONG, Checker, Login, Logins, PasswordCheck
from broker.auth.remote import ALLOWED, DENIED
from broker.auth.token_claims import TokenRules
from broker.auth.token_keys import RSA_ALGORITHMS, read_pem
from broker.auth.users import INTERNAL, OAUTH2, REMOTE, Users
from tests.auth.issuer import NOW_S, RSA, public_pem, token
from tests.auth.people import add_user
from tests.auth.service import Service
from tests.clock import ManualClock


class Visitor(Login):
    """Somebody at an AMQP port."""

    def __init__(self, name: bytes, *, is_loopback: bool = True) -> None:
        super().__init__(name, "10.0.0.7", "10.0.0.7:5000", is_loopback, "amqp PLAIN")
        self.told = 0

    def decided(self) -> None:
        self.told += 1


class Door:
    """ann is a user here with the password apple; tokens of ann's are good for a minute; the service is asked."""

    def __init__(self, *backends: str) -> None:
        self.clock = ManualClock()
        self.users = Users([b"guest"])
        self.ann = add_user(self.users, b"ann", b"apple")
        self.logins = Logins(self.users, self.clock)
        self.logins.backends = list(backends)
        ring = KeyRing({"rsa": read_pem(public_pem(RSA))})
        self.logins.verifier = JwtVerifier(ring, list(RSA_ALGORITHMS), "", TokenRules("mq"), self.clock)
        self.service = Service()
        self.logins.remote.inquirer = self.service

    def come(self, name: bytes, password: str, *, is_loopback: bool = True) -> Visitor:
        visitor = Visitor(name, is_loopback=is_loopback)
        self.logins.begin(visitor, password.encode())
        return visitor

    def found(self, name: bytes, password: str) -> str:
        """The backend that knows the user; empty for none."""
        visitor = self.come(name, password)
        assert visitor.told == 1
        return visitor.user.backend if visitor.user is not None else ""


@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        ([INTERNAL], [INTERNAL, "", "", ""]),
        ([OAUTH2], ["", OAUTH2, "", ""]),
        ([INTERNAL, OAUTH2], [INTERNAL, OAUTH2, "", ""]),
        ([OAUTH2, INTERNAL], [INTERNAL, OAUTH2, "", ""]),
        ([INTERNAL, REMOTE], [INTERNAL, REMOTE, REMOTE, REMOTE]),
        ([REMOTE, INTERNAL], [REMOTE, REMOTE, REMOTE, REMOTE]),
        ([INTERNAL, OAUTH2, REMOTE], [INTERNAL, OAUTH2, REMOTE, REMOTE]),
    ],
)
def test_the_first_yes_counts(backends: list[str], expected: list[str]) -> None:
    door = Door(*backends)
    door.service.at_once = ALLOWED
    said = [(b"ann", "apple"), (b"whoever", token()), (b"ann", "pear"), (b"bob", "x")]
    assert [door.found(name, password) for name, password in said] == expected


def test_after_a_no_of_the_service_the_next_one_is_tried() -> None:
    door = Door(REMOTE, OAUTH2, INTERNAL)
    door.service.at_once = DENIED
    assert door.found(b"ann", "apple") == INTERNAL
    assert door.found(b"x", token()) == OAUTH2
    assert door.found(b"ann", "pear") == ""


def test_a_login_waits_for_the_service() -> None:
    door = Door(REMOTE)
    visitors = [door.come(b"bob", "pear") for _ in range(3)]
    assert {int(visitor.verdict) for visitor in visitors} == {WAITING}
    door.service.allow("management", "monitoring")
    assert [(visitor.verdict, visitor.told) for visitor in visitors] == [(ADMITTED, 1)] * 3
    user = visitors[0].user
    assert user is not None
    assert user.tags == ["management", "monitoring"]
    assert door.service.asked == ["user bob"]


def test_a_yes_of_the_service_is_remembered_for_its_time_only() -> None:
    door = Door(REMOTE)
    door.service.at_once = ALLOWED
    door.found(b"bob", "pear")
    door.clock.advance(door.logins.remote.remember_s)
    assert door.found(b"bob", "pear") == REMOTE
    door.clock.advance(0.1)
    door.service.at_once = DENIED
    assert door.found(b"bob", "pear") == ""
    assert len(door.service.asked) == 2


def test_while_the_service_is_down_users_of_the_broker_come_in() -> None:
    door = Door(INTERNAL, REMOTE)
    assert door.found(b"ann", "apple") == INTERNAL
    stranger = door.come(b"bob", "pear")
    door.service.fail()
    assert stranger.verdict == WRONG


def test_the_name_before_a_token_means_nothing() -> None:
    door = Door(OAUTH2)
    visitor = door.come(b"root", token(sub="eve"))
    assert visitor.user is not None
    assert visitor.user.name == b"eve"


def test_a_tokens_user_is_not_the_user_of_that_name_here() -> None:
    door = Door(OAUTH2, INTERNAL)
    door.ann.tags = ["administrator"]
    visitor = door.come(b"", token(sub="ann"))
    assert visitor.user is not None
    assert visitor.user is not door.ann
    assert visitor.user.tags == []


def test_a_token_is_remembered_and_not_past_its_end() -> None:
    door = Door(OAUTH2)
    said = token(exp=NOW_S + 30)
    assert door.found(b"", said) == OAUTH2
    door.clock.advance(29.0)
    assert door.found(b"", said) == OAUTH2
    assert door.logins.checks_made == 1
    door.clock.advance(1.0)
    assert REMEMBER_S > 30.0
    assert door.found(b"", said) == ""


def test_what_is_remembered_ends_with_the_keys() -> None:
    door = Door(OAUTH2)
    assert door.found(b"", token()) == OAUTH2
    door.logins.verifier = JwtVerifier(KeyRing({}), list(RSA_ALGORITHMS), "", TokenRules("mq"), door.clock)
    door.logins.forget()
    assert door.found(b"", token()) == ""


def test_a_bearer_token_is_no_password_of_anybody_else() -> None:
    door = Door(INTERNAL, OAUTH2, REMOTE)
    add_user(door.users, b"", b"apple")
    for said, expected in ((token(), ADMITTED), ("apple", WRONG)):
        visitor = Visitor(b"")
        door.logins.begin_token(visitor, said.encode())
        assert visitor.verdict == expected
    assert door.service.asked == []


def test_where_tokens_are_not_switched_on_no_bearer_comes_in() -> None:
    door = Door(INTERNAL)
    visitor = Visitor(b"")
    door.logins.begin_token(visitor, token().encode())
    assert visitor.verdict == WRONG


def test_a_token_of_a_loopback_user_is_not_good_from_afar() -> None:
    door = Door(OAUTH2)
    assert door.come(b"", token(sub="guest"), is_loopback=False).verdict == FROM_AFAR
    assert door.come(b"", token(sub="guest")).verdict == ADMITTED


def test_who_has_proved_the_name_is_looked_for_in_the_backends() -> None:
    for backends, name, expected in (
        ([INTERNAL], b"ann", INTERNAL),
        ([INTERNAL], b"bob", ""),
        ([OAUTH2], b"ann", ""),
        ([OAUTH2, REMOTE], b"ann", REMOTE),
        ([INTERNAL, REMOTE], b"bob", REMOTE),
    ):
        door = Door(*backends)
        door.service.at_once = ALLOWED
        visitor = Visitor(name)
        door.logins.admit(visitor)
        assert visitor.told == 1
        assert (visitor.user.backend if visitor.user is not None else "") == expected


def test_the_service_is_asked_for_a_proved_name_without_a_password() -> None:
    door = Door(REMOTE)
    door.logins.admit(Visitor(b"ann"))
    ((_, question),) = door.service.open
    assert question.fields == [("username", b"ann")]


class Broken(Checker):
    """A checker whose thread fails."""

    def start(self, check: PasswordCheck) -> None:
        with pytest.raises(RuntimeError):
            check.run()
        check.finish()


class BrokenVerifier(KeyRing):
    """A ring that cannot be read."""

    def refresh(self) -> None:
        raise RuntimeError("disk")


def test_a_check_that_fails_lets_nobody_in_and_is_not_made_again() -> None:
    door = Door(OAUTH2, INTERNAL)
    door.logins.checker = Broken()
    door.logins.verifier = JwtVerifier(BrokenVerifier({}), list(RSA_ALGORITHMS), "", TokenRules("mq"), door.clock)
    assert door.found(b"ann", token()) == ""
    assert not door.logins._checks


def test_the_log_says_why_a_token_is_refused_and_never_the_token(caplog: pytest.LogCaptureFixture) -> None:
    door = Door(INTERNAL, OAUTH2)
    said = [token(exp=NOW_S - 1), token(aud="tell-tale"), token()]
    with caplog.at_level(logging.DEBUG):
        for each in said:
            door.come(b"ann", each)
    reasons = [vars(record).get("reason") for record in caplog.records]
    assert reasons == [
        "the token is refused: it has expired",
        "the token is refused: its aud claim does not name this broker",
        None,
    ]
    written = " ".join(str(vars(record)) for record in caplog.records)
    assert not any(piece in written for each in said for piece in each.split("."))
