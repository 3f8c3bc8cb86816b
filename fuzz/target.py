"""What there is to be fuzzed."""

from fuzz.dice import Dice
from fuzz.steps import Steps


class Target:
    """Makes inputs and tries them on a broker.

    Attributes:
        name: For the command line.
        share: Of a run with all targets, in percent.
        inputs_per_world: So many inputs meet the same broker, one after the other; then there is a new one.
    """

    name = ""
    share = 0
    inputs_per_world = 1

    def begin(self, dice: Dice) -> None:
        """Make a new broker, and whatever ``make`` chooses from."""
        raise NotImplementedError

    def make(self, dice: Dice) -> Steps:
        """One input. Depends on nothing but the dice, here and in ``begin``."""
        raise NotImplementedError

    def run(self, steps: Steps) -> None:
        """Try one input.

        Raises:
            Broken: The broker did not keep its rules. So does any other exception say.
        """
        raise NotImplementedError

    def end(self) -> None:
        """Close the broker."""
        raise NotImplementedError
