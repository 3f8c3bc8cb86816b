"""Passwords checked on threads, for a loop that goes on."""

import asyncio
import logging
import threading

import pytest

from broker.auth.logins import ADMITTED, WAITING, WRONG, Login, Logins
from broker.auth.passwords import ARGON2ID, PasswordHash, hashed
from broker.auth.users import User, Users
from broker.server.password_workers import PasswordWorkers
from tests.clock import ManualClock


class Visitor(Login):
    """Somebody who can be waited for."""

    def __init__(self, name: bytes = b"ann") -> None:
        super().__init__(name, "10.0.0.7", "10.0.0.7:5000", False, "amqp PLAIN")
        self.is_decided = asyncio.Event()
        self.thread = ""

    def decided(self) -> None:
        self.thread = threading.current_thread().name
        self.is_decided.set()


def made(password: PasswordHash) -> tuple[Logins, PasswordWorkers]:
    users = Users([])
    users.add(User(b"ann", password, []))
    logins = Logins(users, ManualClock())
    workers = PasswordWorkers()
    logins.checker = workers
    return logins, workers


async def test_the_verdict_comes_on_the_loops_thread_and_not_at_once() -> None:
    logins, workers = made(hashed(b"apple", ARGON2ID))
    right, wrong, unknown = Visitor(), Visitor(), Visitor(b"bob")
    for visitor, password in ((right, b"apple"), (wrong, b"pear"), (unknown, b"apple")):
        logins.begin(visitor, password)
        assert visitor.verdict == WAITING
    for visitor in (right, wrong, unknown):
        await asyncio.wait_for(visitor.is_decided.wait(), 10)
        assert visitor.thread == threading.main_thread().name
    assert [right.verdict, wrong.verdict, unknown.verdict] == [ADMITTED, WRONG, WRONG]
    await workers.stop()


async def test_a_check_that_fails_lets_nobody_in_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    logins, workers = made(PasswordHash("no such digest", b"1234"))
    visitor = Visitor()
    logins.begin(visitor, b"hunter2")
    await asyncio.wait_for(visitor.is_decided.wait(), 10)
    assert visitor.verdict == WRONG
    (error,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert error.getMessage() == "a password could not be checked"
    assert "hunter2" not in str(vars(error))
    await workers.stop()


async def test_a_stop_forgets_the_checks_that_wait() -> None:
    logins, workers = made(hashed(b"apple", ARGON2ID))
    crowd = [Visitor(b"name %d" % n) for n in range(50)]
    for visitor in crowd:
        logins.begin(visitor, b"x")
    await workers.stop()
    await asyncio.sleep(0)
    assert crowd[-1].verdict == WAITING
