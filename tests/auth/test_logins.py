"""Logging in: verdicts, what is remembered, storms, and guessing."""

import logging

import pytest

from broker.auth.failures import FORGET_S, FREE_TRIES, LONGEST_DELAY_S, MOST_SOURCES, Failures
from broker.auth.logins import (
    ADMITTED,
    FROM_AFAR,
    MOST_CHECKS,
    REMEMBER_S,
    TOO_MANY,
    WAITING,
    WRONG,
    Checker,
    Login,
    Logins,
    PasswordCheck,
)
from broker.auth.passwords import SHA256, hashed
from broker.auth.users import Users
from tests.auth.people import add_user
from tests.clock import ManualClock


class Visitor(Login):
    """Somebody who counts how often the verdict was told."""

    def __init__(self, name: bytes, host: str = "10.0.0.7", *, is_loopback: bool = True) -> None:
        super().__init__(name, host, f"{host}:5000", is_loopback, "amqp PLAIN")
        self.told = 0

    def decided(self) -> None:
        self.told += 1


class Shelf(Checker):
    """Keeps checks until a test runs them, as threads would."""

    def __init__(self) -> None:
        super().__init__()
        self.checks: list[PasswordCheck] = []

    def start(self, check: PasswordCheck) -> None:
        self.checks.append(check)

    def fail(self) -> None:
        """Finish all checks as if the passwords were wrong, without the work."""
        checks, self.checks = self.checks, []
        for check in checks:
            check.finish()

    def run(self) -> None:
        checks, self.checks = self.checks, []
        for check in checks:
            check.run()
            check.finish()


class Door:
    """A register with one user, ann, and her password."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.users = Users([b"guest"])
        self.ann = add_user(self.users, b"ann", b"apple")
        add_user(self.users, b"guest", b"guest")
        self.logins = Logins(self.users, self.clock)
        self.shelf = Shelf()

    def put_off(self) -> None:
        """From here on, checks take time."""
        self.logins.checker = self.shelf

    def come(self, name: bytes, password: bytes, host: str = "10.0.0.7", *, is_loopback: bool = True) -> Visitor:
        visitor = Visitor(name, host, is_loopback=is_loopback)
        self.logins.begin(visitor, password)
        return visitor

    def verdict(self, name: bytes, password: bytes, *, is_loopback: bool = True) -> int:
        visitor = self.come(name, password, is_loopback=is_loopback)
        assert visitor.told == 1
        assert (visitor.user is not None) == (visitor.verdict == ADMITTED)
        return int(visitor.verdict)

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.logins.tick(self.clock.monotonic_s())


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.mark.parametrize("password", [b"", b"Apple", b"apple ", b"appl", b"apple\x00", b"guest"])
def test_a_wrong_password_is_refused(door: Door, password: bytes) -> None:
    assert door.verdict(b"ann", password) == WRONG


@pytest.mark.parametrize("name", [b"", b"Ann", b"nobody", b"ann "])
def test_an_unknown_name_is_refused_as_a_wrong_password_is(door: Door, name: bytes) -> None:
    assert door.verdict(name, b"apple") == WRONG


def test_a_user_of_this_machine_is_told_apart_only_with_the_right_password(door: Door) -> None:
    assert door.verdict(b"guest", b"guest") == ADMITTED
    assert door.verdict(b"guest", b"guest", is_loopback=False) == FROM_AFAR
    assert door.verdict(b"guest", b"wrong", is_loopback=False) == WRONG
    assert door.verdict(b"ann", b"apple", is_loopback=False) == ADMITTED


def test_a_thousand_who_come_at_once_cost_one_check(door: Door) -> None:
    door.put_off()
    crowd = [door.come(b"ann", b"apple", f"10.0.{n // 256}.{n % 256}") for n in range(1000)]
    assert {int(each.verdict) for each in crowd} == {WAITING}
    door.shelf.run()
    assert [each.verdict for each in crowd] == [ADMITTED] * 1000
    assert [each.told for each in crowd] == [1] * 1000
    assert [door.verdict(b"ann", b"apple") for _ in range(1000)] == [ADMITTED] * 1000
    assert door.logins.checks_made == 1


def test_a_success_is_remembered_for_a_time_only(door: Door) -> None:
    door.verdict(b"ann", b"apple")
    door.pass_time(REMEMBER_S)
    door.verdict(b"ann", b"apple")
    assert door.logins.checks_made == 1
    door.pass_time(0.1)
    door.verdict(b"ann", b"apple")
    assert door.logins.checks_made == 2


def test_a_failure_is_not_remembered(door: Door) -> None:
    door.verdict(b"ann", b"pear")
    door.verdict(b"ann", b"pear")
    assert door.logins.checks_made == 2


def test_what_is_remembered_ends_with_the_password(door: Door) -> None:
    assert door.verdict(b"ann", b"apple") == ADMITTED
    door.ann.password = hashed(b"pear", SHA256)
    assert door.verdict(b"ann", b"apple") == WRONG
    assert door.verdict(b"ann", b"pear") == ADMITTED


def test_what_is_remembered_ends_with_the_user(door: Door) -> None:
    assert door.verdict(b"ann", b"apple") == ADMITTED
    door.users.remove(door.ann)
    assert door.verdict(b"ann", b"apple") == WRONG


@pytest.mark.parametrize("is_deleted", [True, False])
def test_a_password_that_changes_during_its_check_lets_nobody_in(door: Door, is_deleted: bool) -> None:
    door.put_off()
    visitor = door.come(b"ann", b"apple")
    if is_deleted:
        door.users.remove(door.ann)
    else:
        door.ann.password = hashed(b"apple", SHA256)
    door.shelf.run()
    assert visitor.verdict == WRONG


def test_guessing_is_slowed_down_more_and_more(door: Door) -> None:
    door.put_off()
    waits = []
    for n in range(FREE_TRIES + 5):
        visitor = door.come(b"ann", b"guess %d" % n)
        waited = 0.0
        while not door.shelf.checks:
            door.pass_time(0.5)
            waited += 0.5
        door.shelf.run()
        assert visitor.verdict == WRONG
        waits.append(waited)
    assert waits == [0.0] * FREE_TRIES + [1.0, 2.0, 4.0, 8.0, 8.0]


def test_guessing_on_many_connections_at_once_is_not_faster(door: Door) -> None:
    door.put_off()
    for n in range(FREE_TRIES + 100):
        door.come(b"ann", b"guess %d" % n)
    for n in range(60):
        door.pass_time(1.0)
        door.come(b"ann", b"further guess %d" % n)
    assert len(door.shelf.checks) <= FREE_TRIES + 3 + 60 / LONGEST_DELAY_S


def test_those_who_guess_leave_room_for_everybody_else(door: Door) -> None:
    door.put_off()
    guesses = [door.come(b"ann", b"guess %d" % n) for n in range(MOST_CHECKS)]
    assert guesses[-1].verdict == TOO_MANY  # their turn would come when their connections are gone
    names = [door.come(b"name %d" % n, b"guess") for n in range(MOST_CHECKS)]
    assert names[-1].verdict == TOO_MANY
    assert door.come(b"ann", b"apple", "10.0.0.8").verdict == WAITING
    door.shelf.fail()
    for seconds in (1.0, 2.0, 4.0):
        door.pass_time(seconds)
        door.shelf.fail()
    assert WAITING not in {int(each.verdict) for each in guesses + names}
    assert not door.logins._checks_of_host


def test_guessing_harms_neither_other_hosts_nor_who_was_in_before(door: Door) -> None:
    assert door.verdict(b"ann", b"apple") == ADMITTED
    door.put_off()
    for n in range(50):
        door.come(b"ann", b"guess %d" % n)
    assert door.come(b"ann", b"apple").verdict == ADMITTED  # remembered
    door.shelf.run()
    door.clock.advance(REMEMBER_S + 1)
    elsewhere = door.come(b"ann", b"apple", "10.0.0.8")
    door.shelf.run()
    assert elsewhere.verdict == ADMITTED


def test_the_right_password_after_some_wrong_ones_makes_a_clean_slate(door: Door) -> None:
    for n in range(FREE_TRIES - 1):
        assert door.verdict(b"ann", b"guess %d" % n) == WRONG
    assert door.verdict(b"ann", b"apple") == ADMITTED
    for n in range(FREE_TRIES):
        assert door.verdict(b"ann", b"guess %d" % n) == WRONG


def test_failures_are_forgotten_after_a_while() -> None:
    failures = Failures()
    for _ in range(FREE_TRIES):
        assert failures.next_start_s(b"ann", "h", 0.0) == 0.0
    assert failures.next_start_s(b"ann", "h", 0.0) == 1.0
    assert failures.next_start_s(b"ann", "h", FORGET_S + 1.5) == FORGET_S + 1.5


def test_names_that_strangers_make_up_do_not_fill_the_memory() -> None:
    failures = Failures()
    for n in range(MOST_SOURCES + 10):
        failures.next_start_s(b"%d" % n, "h", 0.0)
    assert len(failures._sources) <= MOST_SOURCES


def test_more_than_can_be_looked_at_in_time_are_turned_away(door: Door) -> None:
    door.put_off()
    crowd = [door.come(b"user %d" % n, b"x", f"10.0.0.{n % 10}") for n in range(MOST_CHECKS + 1)]
    assert crowd[-1].verdict == TOO_MANY
    assert {int(each.verdict) for each in crowd[:-1]} == {WAITING}


def test_logins_and_refusals_are_audited_without_the_password(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "broker.audit"):
        door.verdict(b"ann", b"apple")
        door.verdict(b"ann", b"hunter2")
    told = [(each.levelname, each.getMessage(), vars(each)["user"], vars(each)["peer"]) for each in caplog.records]
    assert told == [
        ("INFO", "login", "ann", "10.0.0.7:5000"),
        ("WARNING", "login refused", "ann", "10.0.0.7:5000"),
    ]
    assert all("apple" not in str(vars(each)) and "hunter2" not in str(vars(each)) for each in caplog.records)
