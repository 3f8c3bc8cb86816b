"""An input that broke a rule: how it is kept, made smaller, and tried again."""

import json
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from fuzz.dice import Dice
from fuzz.steps import Steps, octets_of
from fuzz.target import Target

MOST_TRIES = 200


class Finding(Struct):
    """What was found.

    Attributes:
        target: Name of the target.
        seed: Of the run.
        number: Of the input.
        trouble: What was wrong.
        steps: The input, as small as it could be made; octets in hexadecimal digits.
        has_history: Only behind the inputs that came before it in the same world.
    """

    target: str
    seed: int
    number: int
    trouble: str
    steps: list[str]
    has_history: bool = False

    def save(self, directory: Path) -> Path:
        """Write it to a file of its own."""
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{self.target}-{self.seed}-{self.number}.json"
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        path.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
        return path


def load(path: Path) -> Finding:
    """Read a file that ``Finding.save`` wrote."""
    return Finding(**json.loads(path.read_text(encoding="utf-8")))


def written(steps: Steps) -> list[str]:
    """The steps as text: octets as ``0x…``."""
    return ["0x" + step.hex() if isinstance(step, bytes) else step for step in steps]


def read(lines: list[str]) -> Steps:
    """The steps that ``written`` wrote."""
    return [bytes.fromhex(line[2:]) if line.startswith("0x") else line for line in lines]


def world_dice(target: Target, seed: int, number: int) -> Dice:
    """What the world of an input is made with."""
    return Dice(f"{seed}/{target.name}/world/{number // target.inputs_per_world}")


def input_seed(target: Target, seed: int, number: int) -> str:
    """What an input is made with."""
    return f"{seed}/{target.name}/{number}"


def trouble_with(target: Target, steps: Steps, world: Dice) -> str:
    """Try an input on a new world; empty if nothing is wrong."""
    target.begin(world)
    try:
        target.run(steps)
    except Exception as error:  # noqa: BLE001 - whatever leaves the broker is a finding
        return told(error)
    finally:
        _end(target)
    return ""


def trouble_behind(target: Target, seed: int, number: int) -> str:
    """Try an input behind all those that came before it in its world."""
    target.begin(world_dice(target, seed, number))
    dice = Dice()
    try:
        for each in range(number - number % target.inputs_per_world, number + 1):
            dice.seed(input_seed(target, seed, each))
            target.run(target.make(dice))
    except Exception as error:  # noqa: BLE001 - as above
        return told(error)
    finally:
        _end(target)
    return ""


def told(error: Exception) -> str:
    """What is wrong, in a line."""
    return f"{type(error).__name__}: {error}"


def _end(target: Target) -> None:
    """Close a broker that may be broken."""
    try:
        target.end()
    except Exception as error:  # noqa: BLE001 - what was found says more
        del error


def smaller(target: Target, finding: Finding) -> Finding:
    """Make the input as small as it gets while the same thing is wrong with it."""
    steps = read(finding.steps)

    def is_same(tried: Steps) -> bool:
        found = trouble_with(target, tried, world_dice(target, finding.seed, finding.number))
        return found.partition(":")[0] == finding.trouble.partition(":")[0]

    if not is_same(steps):
        finding.has_history = True
        return finding
    tries = MOST_TRIES
    is_shrinking = True
    while is_shrinking and tries > 0:
        is_shrinking = False
        for tried in _less(steps):
            tries -= 1
            if tries <= 0:
                break
            if is_same(tried):
                steps = tried
                is_shrinking = True
                break
    finding.steps = written(steps)
    return finding


def _less(steps: Steps) -> Iterator[Steps]:
    """Smaller inputs, the much smaller ones first."""
    for at in range(len(steps)):
        yield steps[:at] + steps[at + 1 :]
    for at in range(len(steps) - 1):
        first, second = steps[at], steps[at + 1]
        if isinstance(first, bytes) and isinstance(second, bytes):
            yield [*steps[:at], first + second, *steps[at + 2 :]]
    share = 2
    while share <= octets_of(steps):
        for at, step in enumerate(steps):
            if not isinstance(step, bytes) or len(step) < share:
                continue
            size = len(step) // share
            for start in range(0, len(step), size):
                yield [*steps[:at], step[:start] + step[start + size :], *steps[at + 1 :]]
        share *= 2
