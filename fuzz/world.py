"""A broker without sockets, in a directory of its own, on a clock that inputs move."""

import logging
import shutil
import tempfile
from pathlib import Path
from typing import Final

from broker.auth.logins import Checker, PasswordCheck
from broker.auth.passwords import SALT_BYTES, digest
from broker.core.clock import Clock
from broker.protocol.context import Context
from broker.server.engine import Engine
from broker.server.logs import JsonFormatter, TextFormatter
from broker.settings.amqp import AmqpSettings
from broker.settings.auth import AuthSettings
from broker.settings.log import LogSettings
from broker.settings.model import Settings
from broker.settings.store import StoreSettings

USER: Final = "ann"
# Must never be seen outside, in whatever form.
PASSWORD: Final = "correct-horse-5ecret"  # noqa: S105 - of a broker that nobody else can reach
# The same as octets are shown in error texts; its beginning, as they may be cut off.
PASSWORD_OCTETS: Final = ",".join(str(octet) for octet in PASSWORD.encode()[:8])
HIDDEN_VHOST: Final = "hidden-vh0st"
MOMENT_S: Final = 0.6
LONG_S: Final = 100.0
MEMORY_DISK: Final = Path("/dev/shm")  # noqa: S108 - a directory of unknown name is made below it


class Broken(Exception):  # noqa: N818 - an observation, not an error of this program
    """A rule was not kept. The text says which."""


class HandClock(Clock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed_s = 0.0

    def now_ms(self) -> int:
        return 1_700_000_000_000 + int(self.elapsed_s * 1000)

    def monotonic_s(self) -> float:
        return self.elapsed_s


class QuickChecker(Checker):
    """Compares a password without taking the time that a wrong one must take, at once or when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.is_late = False
        self._waiting: list[PasswordCheck] = []

    def start(self, check: PasswordCheck) -> None:
        expected = check.expected
        if expected is not None and expected.algorithm == "rabbit_password_hashing_sha256" and expected.value:
            found = digest(expected.algorithm, expected.value[:SALT_BYTES], check._password)
            if found == expected.value:
                check.run()  # is quick, as it has nothing to hide
        if self.is_late:
            self._waiting.append(check)
        else:
            check.finish()

    def finish(self) -> None:
        """Give the verdicts that are due."""
        waiting, self._waiting = self._waiting, []
        for check in waiting:
            check.finish()


class Watcher(logging.Handler):
    """Reads what the broker logs as its operator would.

    Attributes:
        lines: Events since the last look.
        is_reading: Look at every line, and not only count it.
        trouble: What was wrong with one; empty as long as nothing was.
    """

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines = 0
        self.is_reading = True
        self.trouble = ""
        self._formatters = (TextFormatter(), JsonFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one event."""
        self.lines += 1
        if record.exc_info:
            self.trouble = f"logged with a traceback: {TextFormatter().format(record)}"
        if not self.is_reading:
            return
        for formatter in self._formatters:
            line = formatter.format(record)
            if not line.isprintable() and not record.exc_info:
                self.trouble = f"a log line that does not print: {line!r}"
            if PASSWORD in line or PASSWORD_OCTETS in line:
                self.trouble = f"a password in the log: {line!r}"


class World:
    """One broker. Close it, or its directory stays.

    Attributes:
        engine: The broker.
        context: What its connections share.
        clock: Its time.
        checker: Checks its passwords.
        watcher: Reads its log.
    """

    def __init__(self) -> None:
        place = MEMORY_DISK if MEMORY_DISK.is_dir() else None
        self._directory = tempfile.mkdtemp(prefix="fuzz-", dir=place)
        self.clock = HandClock()
        self.settings = Settings(
            data_dir=f"{self._directory}/data",
            default_user=USER,
            default_pass=PASSWORD,
            auth=AuthSettings(new_passwords="rabbit_password_hashing_sha256"),
            # Small enough for an input to reach.
            amqp=AmqpSettings(max_message_bytes=1_000_000, max_unacked_per_channel=1000, channel_max=100),
            log=LogSettings(level="info"),
            store=StoreSettings(segment_bytes=1 << 20, log_bytes=4 << 20),
        )
        self.engine = Engine(self.settings, self.clock)
        self.context: Context = self.engine.context
        self.engine.turn.begin()
        self.engine.administration.create_vhost(HIDDEN_VHOST, "", [], b"fuzz")
        self.engine.turn.finish()
        self.checker = QuickChecker()
        self.context.logins.checker = self.checker
        self.watcher = Watcher()
        for name in ("broker", "aiohttp"):
            logger = logging.getLogger(name)
            logger.handlers = [self.watcher]
            logger.propagate = False
            logger.setLevel(logging.INFO)

    def wait(self, seconds: float) -> None:
        """Let time pass, and have the broker look at its clock."""
        self.clock.elapsed_s += seconds
        now_s = self.clock.elapsed_s
        turn = self.engine.turn
        turn.begin()
        for connection in list(self.context.connections.values()):
            connection.tick(now_s)
        turn.finish()
        self.context.logins.tick(now_s)

    def settle(self) -> None:
        """Run the turns and the syncs that were left undone, as the event loop would."""
        turn = self.engine.turn
        for _ in range(1000):
            if turn.failure is not None:
                raise Broken(f"the store has failed: {turn.failure}")
            if turn.wants_sync and (turn.waiting_count > 0 or turn.agenda.unsynced):
                self._sync()
            if not turn.wants_turn:
                return
            turn.begin()
            turn.finish()
        raise Broken("turns without an end")

    def attend(self) -> None:
        """The same behind each change over HTTP, of which some wait for a sync that nobody else asks for."""
        self.settle()
        if self.engine.turn.wants_sync:
            self._sync()

    def _sync(self) -> None:
        store = self.engine.store
        job = store.begin_sync()
        job.run()
        store.finish_sync(job)
        self.engine.turn.synced()

    def close(self) -> None:
        """Close the store and remove the directory."""
        self.engine.close()
        shutil.rmtree(self._directory, ignore_errors=True)
