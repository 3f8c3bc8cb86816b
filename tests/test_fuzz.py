"""The fuzzers: a few seconds of each, the same every time, and that they would notice."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from fuzz.campaign import run
from fuzz.dice import Dice
from fuzz.finding import Finding, input_seed, load, read, smaller, trouble_behind, trouble_with, world_dice, written
from fuzz.steps import LONG, Steps
from fuzz.target import Target
from fuzz.targets import BY_NAME
from fuzz.wire import Wire
from fuzz.world import PASSWORD, Broken, Watcher

SEED = 2026
FEW = {"handshake": 1500, "channels": 300, "proxy": 3000, "http": 400}


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """A world listens to the broker's loggers."""
    found = [logging.getLogger(name) for name in ("broker", "aiohttp")]
    before = [(each.handlers, each.propagate, each.level) for each in found]
    yield
    for logger, (handlers, propagate, level) in zip(found, before, strict=True):
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.mark.parametrize("name", FEW)
def test_no_input_breaks_a_rule(name: str) -> None:
    target = BY_NAME[name]
    target.begin(world_dice(target, SEED, 0))
    dice = Dice()
    try:
        for number in range(FEW[name]):
            dice.seed(input_seed(target, SEED, number))
            steps = target.make(dice)
            try:
                target.run(steps)
            except Exception as error:
                raise AssertionError(f"#{number}: {written(steps)}") from error
    finally:
        target.end()


@pytest.mark.parametrize("name", FEW)
def test_an_input_is_the_same_when_it_is_made_again(name: str) -> None:
    target = BY_NAME[name]
    made = []
    for _ in range(2):
        target.begin(world_dice(target, SEED, 7))
        made.append([target.make(Dice(input_seed(target, SEED, number))) for number in range(20)])
        target.end()
    assert made[0] == made[1]


class Fragile(Target):
    """Breaks on a certain octet; on another one, only if it has seen a third."""

    name = "fragile"
    share = 1
    inputs_per_world = 10

    def begin(self, dice: Dice) -> None:
        self.is_worn = False

    def make(self, dice: Dice) -> Steps:
        return [dice.octets(40), LONG, dice.octets(40)]

    def run(self, steps: Steps) -> None:
        octets = b"".join(step for step in steps if isinstance(step, bytes))
        if b"\xff" in octets:
            raise Broken("an octet too large")
        if self.is_worn and b"\x01" in octets:
            raise ValueError("worn")
        self.is_worn = self.is_worn or b"\x02" in octets

    def end(self) -> None:
        pass


def test_a_finding_is_made_smaller_kept_and_found_again(tmp_path: Path) -> None:
    steps: Steps = [b"abc", LONG, b"d" * 20 + b"\xff" + b"e" * 100]
    finding = smaller(Fragile(), Finding("fragile", 1, 5, "Broken: an octet too large", written(steps)))
    again = load(finding.save(tmp_path))
    assert read(again.steps) == [b"\xff"]
    assert not again.has_history
    assert trouble_with(Fragile(), read(again.steps), Dice()) == "Broken: an octet too large"


def test_what_only_happens_behind_other_inputs_is_found_again_behind_them() -> None:
    finding = smaller(Fragile(), Finding("fragile", 1, 9, "ValueError: worn", written([b"\x01"])))
    assert finding.has_history
    found = {trouble_behind(Fragile(), seed, 9) for seed in range(100)}
    assert {"ValueError: worn", "Broken: an octet too large", ""} == found


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_a_run_tells_what_it_found_and_fails(tmp_path: Path) -> None:
    lines: list[str] = []
    assert not run([Fragile()], 300, 1, 1, tmp_path, lines.append)
    assert "findings" in lines[-1]
    assert {load(path).trouble.partition(":")[0] for path in tmp_path.iterdir()} == {"Broken", "ValueError"}
    assert run([BY_NAME["proxy"]], 100, 1, 1, tmp_path / "none", lines.append)


@pytest.mark.parametrize(
    "octets",
    [
        b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0a",  # without an end
        b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x1e\xce",  # connection.tune, to somebody who has not logged in
        b"\x01\x00\x00\x00\x00\x00\x04\x00\x0a\x00\x0b\xcf",
        b"\x01\x00\x00\x00\x00\x00\x0b\x00\x0a\x00\x32\x02\x1d\x00\x00\x00\x00\x00\xce",  # 541
        b"\x05\x00\x00\x00\x00\x00\x00\xce",
        b"AMQP\x00\x00\x09\x01x",
        PASSWORD.encode(),
    ],
)
def test_what_a_broker_may_not_say_is_noticed(octets: bytes) -> None:
    wire = Wire()
    wire.send([octets])
    with pytest.raises(Broken):
        wire.check(is_stranger=True, frame_max=4096, most_bytes=4096)


def test_a_password_and_a_traceback_in_the_log_are_noticed() -> None:
    for fields, error in (({"reason": PASSWORD}, None), ({}, (ValueError, ValueError("x"), None))):
        watcher = Watcher()
        record = logging.makeLogRecord({"msg": "refused", "levelno": logging.WARNING, "exc_info": error, **fields})
        watcher.handle(record)
        assert watcher.trouble
