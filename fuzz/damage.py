"""What is done to valid octets."""

from fuzz.dice import Dice
from fuzz.steps import LONG, TICK, Step, Steps


def damaged(dice: Dice, pieces: list[bytes], times: int) -> list[bytes]:
    """Frames, or parts of another protocol, with so many things done to them. The list given is changed."""
    for _ in range(times):
        if not pieces:
            return pieces
        at = dice.below(len(pieces))
        throw = dice.below(16)
        if throw < 8:
            pieces[at] = scratched(dice, pieces[at])
        elif throw == 8:
            pieces.insert(at, dice.of(pieces))
        elif throw == 9:
            del pieces[at]
        elif throw == 10:
            other = dice.below(len(pieces))
            pieces[at], pieces[other] = pieces[other], pieces[at]
        elif throw == 11:
            pieces[at] = pieces[at][: dice.below(len(pieces[at]) + 1)]
        elif throw == 12:
            other_piece = dice.of(pieces)
            pieces[at] = pieces[at][: dice.below(len(pieces[at]) + 1)] + other_piece[dice.below(len(other_piece) + 1) :]
        elif throw == 13:
            pieces.insert(at, dice.octets(30))
        elif throw == 14:
            del pieces[at + 1 :]
        elif len(pieces[at]) < 4000:
            pieces[at] *= 2 + dice.below(20)
    return pieces


def scratched(dice: Dice, octets: bytes) -> bytes:
    """Some octets of a piece changed: a bit, an octet, an integer that may be a length, one more or one less."""
    if not octets:
        return dice.octets(4)
    at = dice.below(len(octets))
    throw = dice.below(8)
    if throw < 2:
        return octets[:at] + bytes([octets[at] ^ 1 << dice.below(8)]) + octets[at + 1 :]
    if throw < 4:
        return octets[:at] + dice.integer(1) + octets[at + 1 :]
    if throw == 4:
        return octets[:at] + dice.octets(4) + octets[at:]
    if throw == 5:
        return octets[:at] + octets[at + 1 + dice.below(4) :]
    size = dice.of((1, 2, 4, 4, 8))
    if dice.one_in(3):  # where frames and other headers keep their length
        at = dice.of((0, 1, 3, 7, 11, 12, 14))
    return octets[:at] + dice.integer(size) + octets[at + size :]


def cut(dice: Dice, octets: bytes) -> Steps:
    """The octets as they may arrive: together, in pieces, one by one, with time between them."""
    throw = dice.below(10)
    if throw < 4 or len(octets) < 2:
        return [octets]
    if throw == 4 and len(octets) < 400:
        return [octets[at : at + 1] for at in range(len(octets))]
    places = sorted(dice.below(len(octets)) for _ in range(1 + dice.below(4)))
    steps: Steps = [octets[start:end] for start, end in zip([0, *places], [*places, len(octets)], strict=True)]
    if dice.one_in(6):
        word: Step = LONG if dice.one_in(4) else TICK
        steps.insert(dice.below(len(steps)), word)
    return steps
