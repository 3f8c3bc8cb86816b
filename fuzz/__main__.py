"""``python -m fuzz``, which is what ``make fuzz`` calls."""

import argparse
import sys
from pathlib import Path

from broker.server.build import is_compiled
from fuzz.campaign import run
from fuzz.finding import load, read, trouble_behind, trouble_with, world_dice
from fuzz.targets import BY_NAME

HERE = Path(__file__).resolve().parent
INPUTS = 100_000


def say(line: str) -> None:
    """Write a line at once, so that a run can be watched."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Say to a broker what nobody should say.")
    parser.add_argument("--only", default="", help=f"targets, separated by commas: {', '.join(BY_NAME)}")
    parser.add_argument("--inputs", type=int, default=INPUTS, help="how many, over all targets")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other inputs")
    parser.add_argument("--processes", type=int, default=2, help="at one time")
    parser.add_argument(
        "--found", type=Path, default=HERE.parent / "build" / "found", help="where findings are written"
    )
    parser.add_argument("--again", type=Path, help="try the finding in this file once more, and nothing else")
    words = parser.parse_args()
    unknown = {*words.only.split(",")} - {"", *BY_NAME}
    if unknown:
        parser.error(f"there is no {', '.join(sorted(unknown))}; targets: {', '.join(BY_NAME)}")
    return words


def again(path: Path) -> bool:
    """Try a finding once more. Returns whether nothing is wrong any more."""
    finding = load(path)
    target = BY_NAME[finding.target]
    say(f"was: {finding.trouble}")
    if finding.has_history:
        trouble = trouble_behind(target, finding.seed, finding.number)
    else:
        trouble = trouble_with(target, read(finding.steps), world_dice(target, finding.seed, finding.number))
    say(f"now: {trouble or 'nothing is wrong'}")
    return not trouble


def main() -> int:
    """Run. Returns the exit code: 1 if something was found."""
    words = arguments()
    say(f"compiled: {'yes' if is_compiled() else 'no'}")
    if words.again:
        return 0 if again(words.again) else 1
    targets = [BY_NAME[name] for name in words.only.split(",")] if words.only else list(BY_NAME.values())
    is_sound = run(targets, words.inputs, words.seed, words.processes, words.found, say)
    if not is_sound:
        say(f"once more: python -m fuzz --again FILE, for each file in {words.found}")
    return 0 if is_sound else 1


if __name__ == "__main__":
    sys.exit(main())
